"What a notebook can't show of comparing: the shell, data that was moved, changed or labelled anew, records of every kind"
import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastai.callback.tracker import SaveModelCallback

from cifar_cam.cli import main
from cifar_cam.compare import compare
from cifar_cam.data import cifar_dls
from cifar_cam.interp import CAMInterpretation
from cifar_cam.learner import resnet_learner
from cifar_cam.models import cifar_resnet18
from cifar_cam.run import load_run, train_run

HOW = dict(recipe='fast', augs='none', epochs=1, width=2, size=16)

def colours(folder, n, classes='ab'):
    "`n` pictures of each class, which are hard to tell apart"
    for i,c in enumerate(classes):
        (folder/c).mkdir(parents=True)
        for j in range(n):
            x = np.random.default_rng([i,j,n]).integers(0, 256, (16,16,3))
            x[...,i%3] = x[...,i%3]//2+100
            Image.fromarray(x.astype(np.uint8)).save(folder/c/f'{j}.png')

@pytest.fixture(scope='module')
def home(tmp_path_factory):
    "Data, and two runs on it, of one and of two epochs"
    home = tmp_path_factory.mktemp('compare')
    colours(home/'data'/'train', 8)
    colours(home/'data'/'test', 20)
    for name,epochs in ('short',1),('long',2): train_run(home/'data', home/name, **HOW | dict(epochs=epochs))
    return home

def said(*args):
    with redirect_stdout(StringIO()) as out: status = main(['compare', *map(str, args)])
    return status,out.getvalue()

def test_shell(home):
    "Names of the folders, the line, the classes, and what differs"
    status,text = said(home/'short', home/'long')
    assert status==0
    for o in '  short: ','  long: ','mistakes repaired','level 95 %','\nclass','what differs','recipe.epochs  ': assert o in text, text
    assert text.count(' of 40 pictures')==2

def test_same_run_twice(home):
    status,text = said(home/'short', home/'short')
    assert status==0 and 'B is the same network as A: both say the same of all 40 pictures, so there is no difference (p=1)' in text
    assert '0 mistakes repaired, 0 new' in text and 'nothing differs' in text

def test_three_runs(home):
    status,text = said(home/'short', home/'long', home/'short')
    assert status==0 and text.count('by Holm')==2 and text.count('\nclass')==2

def test_folders_learners_and_interpretations(home):
    "One answer, whatever is given"
    learns = [load_run(home/o) for o in ('short','long')]
    given = [home/'short',home/'long'],learns,[CAMInterpretation.from_learner(o) for o in learns],[str(home/'short'),learns[1]]
    tables = [compare(*o).table.to_csv() for o in given]
    assert len(set(tables))==1 and 'correct_long' in tables[0]

@pytest.fixture
def copy(home, tmp_path):
    "A copy of the data, elsewhere"
    return Path(shutil.copytree(home/'data', tmp_path/'copy'))

def run_on(data, **kwargs): return train_run(data, data.parent/'run', **HOW | kwargs)

def test_moved_data_of_another_size(home, copy):
    "The same files elsewhere, and in another size, are the same pictures"
    c = compare(home/'short', run_on(copy, size=32))
    assert len(c.table)==40 and not c.notes
    assert {'data.size','data.path'} <= set(c.differs().index)

def test_pixels_that_changed(home, copy):
    "A picture that was replaced is not compared, in the same size or another"
    shutil.copy(copy/'test'/'a'/'1.png', copy/'test'/'a'/'0.png')
    for size in 16,32:
        c = compare(home/'short', train_run(copy, copy.parent/f'run{size}', **HOW | dict(size=size)))
        assert len(c.table)==39 and c.notes==['pictures of the same name with other pixels, left out: 1']

def test_pictures_that_are_gone(home, copy):
    for i in range(15): (copy/'test'/'a'/f'{i}.png').unlink()
    c = compare(home/'short', run_on(copy))
    assert len(c.table)==25 and c.notes==['short is of 40 pictures, run is of 25 pictures: 25 are the same by name']
    shutil.rmtree(copy/'test'/'b')
    for o in (copy/'test'/'a').iterdir(): o.rename(o.with_stem('x'+o.stem))
    renamed = train_run(copy, copy.parent/'x', **HOW)
    with pytest.raises(ValueError, match='there is no picture that all have'): compare(home/'short', renamed)

def test_labels_that_changed(home):
    "Pictures of the test set with another label are left out, and so are those that a run leaves out; it is said"
    rows = 'file,label,was\ntest/a/0.png,b,a\ntest/a/1.png,b,a\ntest/b/0.png,,b\n'
    (home/'labels.csv').write_text(rows)
    c = compare(home/'short', train_run(home/'data', home/'put', labels=home/'labels.csv', **HOW))
    assert len(c.table)==37 and any(o.startswith('data.labels_used') for o in c.differs().index)
    assert c.notes[-1]=='pictures that have not the same label in short and put, left out: 2'
    assert 'put is of 39 pictures' in c.notes[0]

def test_other_classes(home, tmp_path):
    colours(tmp_path/'data'/'train', 8, 'ac')
    colours(tmp_path/'data'/'test', 5, 'ac')
    learn = run_on(tmp_path/'data')
    with pytest.raises(ValueError, match="'b' is a class of"): compare(home/'short', learn)
    with pytest.raises(ValueError, match="'c' is a class of"): compare(home/'short', learn.run_path)
    assert said(home/'short', learn.run_path)[0]==1

def chosen(dls, path):
    "A learner that kept the best of its epochs, in `path`"
    learn = resnet_learner(dls, cifar_resnet18(2, width=2), 'fast')
    learn.path = path
    with learn.no_bar(), learn.no_logging(): learn.fit(2, cbs=SaveModelCallback(monitor='valid_loss'))
    return learn

def test_a_choice_is_said(home, tmp_path):
    "Early stopping on the pictures that are compared is said, and on others it is not"
    c = compare(home/'short', CAMInterpretation.from_learner(chosen(cifar_dls(home/'data', size=16), tmp_path)))
    said = 'B chose its weights on the validation pictures: SaveModelCallback by valid_loss; the accuracy on them is higher than on others'
    assert c.notes==[said]
    three = Path(shutil.copytree(home/'data', tmp_path/'three'))
    colours(three/'valid', 4)
    learn = chosen(cifar_dls(three, size=16), tmp_path)
    assert not compare(home/'short', learn).notes
    assert 'selection' in compare(home/'short', learn).differs().index

def test_what_was_learned_is_said(home):
    "Of pictures that a network was trained on, its accuracy says little"
    learn = load_run(home/'short')
    other = CAMInterpretation.from_learner(load_run(home/'long'), dl=learn.dls.train)
    c = compare(CAMInterpretation.from_learner(learn, dl=learn.dls.train), other)
    assert c.notes==[f'{o} was trained on 16 of these pictures: of them it knew the label' for o in c.names]
