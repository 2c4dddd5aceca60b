"Labels that are no text: a name first, an index only if it is no name"
import json

import pytest
from cifar_cam.all import class_index
from people import interpretation

def asked(interp, names):
    "All that is asked by class is of that class"
    wrong = interp.misclassified()
    for c in names:
        own = interp.misclassified(actual=c)
        assert (own.actual==c).all() and len(own)==(wrong.actual==c).sum()
        assert set(interp.cams([0], 'body', target=c).targets)=={list(interp.vocab).index(c)}
        assert f'class {c}' in interp.plot_cams(1, 'body', target=c).get_suptitle()
    a,b,n = interp.most_confused()[0]
    assert len(interp.confused(a, b))==n==((wrong.actual==a)&(wrong.predicted==b)).sum()
    assert interp.plot_mean_maps(layer='body').axes[0].get_title().startswith(f'{a} → {b}')

def test_numbers():
    interp = interpretation([1,2,3,4]*3)
    assert list(interp.vocab)==[1,2,3,4] and interp.table.actual.tolist()==[1,2,3,4]*3
    asked(interp, [1,2,3,4])
    assert (interp.misclassified(actual='3').actual==3).all()
    with pytest.raises(ValueError, match='class 7 does not exist: there are 4 classes, 0 to 3 .1, 2, 3, 4.'):
        interp.confused(7, 1)

def test_true_and_false():
    interp = interpretation([True,False]*4)
    asked(interp, [False,True])
    interp.plot_misclassified(); interp.plot_confusion_matrix(); interp.print_classification_report()
    assert list(interp.per_class().index)==[False,True] and 'False, True' in repr(interp)

def test_digits_as_text():
    interp = interpretation(['1','2','3','4']*3)
    asked(interp, ['1','2','3','4'])
    assert (interp.misclassified(actual=3).actual=='3').all()

def test_run_folder(tmp_path):
    interp = interpretation([True,False]*4)
    kept = json.loads((interp.save(tmp_path/'run', k=2, layers='body')/'metrics.json').read_text())
    assert list(kept['per_class'])==['False','True']

def test_targets_of_several_kinds():
    "A class for each picture, and contrasts, by name"
    from cifar_cam.all import contrast
    interp = interpretation([1,2,3,4]*3)
    assert interp.cams([0,1], 'body', target=[4,1]).targets==[3,0]
    assert interp.cams([0,1], 'body', target=contrast(4, 1)).targets==[(3,0)]*2
    assert interp.cams([0,1], 'body', target=contrast([4,3], 1)).targets==[(3,0),(2,0)]

@pytest.mark.parametrize('bad', [None, 2.5, 'fox', -1, 4, True, [0]])
def test_neither_name_nor_index(bad):
    with pytest.raises(ValueError, match='class'): class_index(bad, ['cat','dog','owl','bat'])
