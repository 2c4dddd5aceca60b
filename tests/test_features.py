"Planted: pictures that are there twice, in another light or moved, and labels that are wrong."
import os
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.metrics import average_precision_score

from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.vision.data import ImageDataLoaders

from cifar_cam.data import cifar_dls
from cifar_cam.features import _fold_settings, _out_of_fold, _places_in, _strength, _votes, cross_validate, label_quality, read_humans
from cifar_cam.files import digits_path
from cifar_cam.interp import CAMInterpretation
from cifar_cam.labels import as_cell
from cifar_cam.learner import resnet_learner
from cifar_cam.models import cifar_resnet18
from cifar_cam.pretrained import pretrained_cifar10
from cifar_cam.recipe import Recipe
from cifar_cam.report import PagePath
from cifar_cam.run import run_config, train_run

def pieces(n, seed):
    "`n` pictures that are nothing, each with forms and details of its own"
    rng = np.random.default_rng(seed)
    def noise(size):
        a = rng.integers(0, 256, (size,size,3), dtype=np.uint8)
        return np.asarray(Image.fromarray(a).resize((32,32), Image.Resampling.BICUBIC))
    return [(noise(4)//2+noise(12)//2).astype(np.uint8) for _ in range(n)]

def mirrored(a): return a[:,::-1]
def brightened(a): return np.clip(a*.7+60, 0, 255).astype(np.uint8)
def moved(a): return np.roll(a, (1,-1), (0,1))

@pytest.fixture(scope='module')
def planted(tmp_path_factory):
    "The interpretation of pictures of which the first test pictures are training pictures, changed"
    top,train,test = tmp_path_factory.mktemp('planted'),pieces(60, 1),pieces(30, 2)
    for i,change in enumerate((mirrored,brightened,moved)): test[i] = change(train[i])
    train[50] = brightened(train[20])
    for split,ims in (('train',train),('test',test)):
        for i,a in enumerate(ims):
            label = 'ab'[i%2] if (split,i)!=('train',50) else 'b'
            (top/split/label).mkdir(parents=True, exist_ok=True)
            Image.fromarray(a).save(top/split/label/f'{i:03}.png')
    dls = cifar_dls(top, bs=16)
    return CAMInterpretation.from_learner(resnet_learner(dls, cifar_resnet18(2, width=2), Recipe(augs='none', epochs=1)))

def test_planted_duplicates_are_found_and_no_others(planted):
    t = planted.duplicates()
    own = t[t.set=='own']
    def name(s): return s.rsplit('/', 1)[1]
    pairs = {(name(o.file),name(o.other),bool(o.mirrored)) for o in own.itertuples()}
    assert pairs=={('000.png','000.png',True), ('001.png','001.png',False), ('002.png','002.png',False)}
    twice = t[t.set=='train']
    assert [{name(o.file),name(o.other)} for o in twice.itertuples()]==[{'020.png','050.png'}]
    assert set(twice.label)|set(twice.other_label)=={'a','b'}

def test_twins_do_not_hide_a_wrong_label(tmp_path):
    "Five of the same picture are the nearest to one another; the sixth, with another label, is found from its own side"
    one = pieces(1, 3)[0]
    for i,a in enumerate([one]*5+[brightened(one)]+pieces(6, 4)):
        folder = tmp_path/'train'/('b' if i in (5,11) else 'a')
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(a).save(folder/f'{i:03}.png')
    for label,a in zip('ab', pieces(2, 5)):
        (tmp_path/'test'/label).mkdir(parents=True)
        Image.fromarray(a).save(tmp_path/'test'/label/'x.png')
    learn = resnet_learner(cifar_dls(tmp_path, bs=4), cifar_resnet18(2, width=2), Recipe(augs='none', epochs=1))
    interp = CAMInterpretation.from_learner(learn)
    t = interp.duplicates()
    assert len(t) and {o.rsplit('/', 1)[1] for o in t.other}=={'005.png'} and set(t.other_label)=={'b'}

def test_blank_pictures_are_the_same_where_their_colour_is(tmp_path):
    "Nothing varies in them, so that no correlation tells: black in two sets and under two labels; dark red is another"
    flat = {'train/a/0': (0,0,0), 'train/b/1': (0,0,0), 'train/a/2': (9,0,0), 'test/a/3': (0,0,0), 'test/b/4': (1,1,1)}
    noise = {f'{s}/{c}/{i}': o for s,i in (('train',5),('test',6)) for c in 'ab' for o in pieces(1, [i, ord(c)])}
    for f,o in (flat | noise).items():
        fn = tmp_path/f'{f}.png'
        fn.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.broadcast_to(np.uint8(o), (32,32,3)).copy()).save(fn)
    t = CAMInterpretation.from_learner(resnet_learner(cifar_dls(tmp_path, bs=4), cifar_resnet18(2, width=2))).duplicates()
    own = {(o.file[-7:],o.other[-7:]) for o in t[t.set=='own'].itertuples()}
    twice = [{o.file[-7:],o.other[-7:]} for o in t[t.set=='train'].itertuples()]
    assert (own,twice,t.sameness.tolist())==({('a/3.png','a/0.png'),('a/3.png','b/1.png')}, [{'a/0.png','b/1.png'}], [1]*3)

def test_a_sure_network_finds_no_fault_with_labels_that_fit():
    "The entropy of 1 and 0 is nothing: `ln(1+x)/x` of it is 1 where the label fits, and that of a millionth where it is ruled out"
    probs = np.array([[1,0,0], [1-1e-8,1e-8,0], [.9,.05,.05], [1,0,0], [1,1e-20,0]])
    q,x = label_quality([0,0,0,1,1], probs, 'confidence_weighted_entropy'),-(.9*np.log(.9)+.1*np.log(.05))/np.log(3)/.9
    np.testing.assert_allclose(q[:3], [1, 1, np.log(1+x)/x], atol=1e-6)
    out = np.log(1e6)/np.log(3)
    np.testing.assert_allclose(q[3:], [np.log(1+out)/out]*2)

def test_of_one_class_nothing_is_examined(tmp_path):
    "No label can be another one, and no class is behind"
    probs,ys = np.ones((12,1)),np.zeros(12, int)
    for o in 'normalized_margin','confidence_weighted_entropy': np.testing.assert_allclose(label_quality(ys, probs, o), [1]*12)
    for i in range(24):
        fn = tmp_path/('train','valid')[i%2]/'a'/f'{i}.png'
        fn.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pieces(1, i)[0]).save(fn)
    dls = ImageDataLoaders.from_folder(tmp_path, valid='valid', bs=4, num_workers=0)
    interp = CAMInterpretation.from_learner(Learner(dls, cifar_resnet18(1, 2), CrossEntropyLossFlat()))
    assert interp.table.margin.tolist()==[1]*12
    assert interp.label_issues().attrs['said']=='Which labels are doubtful is not said, since there is no other class.'

def test_similar_finds_what_is_the_same(planted):
    near = planted.similar([i for i,o in enumerate(planted.table.file) if o.endswith('001.png')], k=60)
    assert len(near)==60 and near.similarity.is_monotonic_decreasing

def some_training_pictures(interp, n=20):
    "The interpretation of `n` training pictures in another order"
    learn = interp.learn
    return CAMInterpretation.from_learner(learn, dl=learn.dls.test_dl(learn.dls.train.items[:n][::-1], with_labels=True))

def test_a_picture_is_known_by_its_file_however_that_is_written(planted):
    train = planted.learn.dls.train
    dl = planted.learn.dls.test_dl([os.path.relpath(o) for o in train.items[:3][::-1]])
    assert _places_in(train, SimpleNamespace(dl=dl, targs=range(3))).tolist()==[2,1,0]

def test_some_training_pictures_are_not_their_own_neighbours(planted):
    some = some_training_pictures(planted)
    for i,near in some.similar(list(range(20)), k=59).groupby('idx'):
        assert len(near)==59 and set(near['index'])==set(range(60))-{19-i}
    every = CAMInterpretation.from_learner(planted.learn, 0)
    votes = [o._judged('own', True)[3] for o in (every, some)]
    assert torch.allclose(votes[0][:20].flip(0), votes[1], atol=1e-3)
    pairs = [(o.file,o.other) for o in some.duplicates().itertuples() if o.set=='own']
    assert pairs and all(os.path.abspath(a)!=os.path.abspath(planted.learn.dls.path/b) for a,b in pairs)

def test_neighbours_of_training_pictures_and_others_are_drawn(planted):
    "All of a set of five: a training picture has four others, another picture has five"
    learn = planted.learn
    dls = cifar_dls(pd.DataFrame(dict(file=list(map(str, [*learn.dls.train.items[:5],*learn.dls.valid.items[:3]])), label=list('abababab'),
                                      split=['train']*5+['valid']*3)), bs=2)
    few = resnet_learner(dls, learn.model, Recipe(augs='none', epochs=1))
    both = CAMInterpretation.from_learner(few, dl=dls.test_dl([dls.train.items[0],dls.valid.items[0]], with_labels=True))
    fig = both.plot_similar([0,1], k=5)
    titles = [ax.get_title() for ax in fig.axes]
    t = both.similar([0,1], k=5)
    assert t.groupby('idx').size().tolist()==[4,5]
    assert [bool(o) for o in titles]==[True]*5+[False]+[True]*6

def test_of_some_training_pictures_it_is_said_that_their_labels_were_taught(planted):
    learn = planted.learn
    saw = 'The network was taught {} labels, and may have learned wrong ones, which then fit.'
    assert some_training_pictures(planted).label_issues().attrs['said'].endswith(saw.format('these'))
    items = [*learn.dls.train.items[:3],*learn.dls.valid.items[:9]]
    mixed = CAMInterpretation.from_learner(learn, dl=learn.dls.test_dl(items, with_labels=True))
    assert mixed.label_issues().attrs['said'].endswith(saw.format('3 of these'))
    assert 'was taught' not in planted.label_issues().attrs['said']

def planted_labels(n=600, c=10, width=32, share=.05, seed=1):
    "Features of `c` clouds, their labels, and those of which a share is wrong"
    rng = np.random.default_rng(seed)
    ys = rng.integers(0, c, n)
    fs = rng.normal(size=(c,width))[ys]*1.5+rng.normal(size=(n,width))
    bad = np.zeros(n, bool)
    bad[rng.choice(n, round(share*n), replace=False)] = True
    return torch.from_numpy(fs).float(),np.where(bad, (ys+rng.integers(1, c, n))%c, ys),bad

def test_wrong_labels_are_found_out_of_fold():
    fs,ys,bad = planted_labels()
    p = _out_of_fold(fs, torch.from_numpy(ys), 10).numpy()
    for by in 'self_confidence','normalized_margin','confidence_weighted_entropy':
        assert average_precision_score(bad, -label_quality(ys, p, by))>.8, by
    v = _votes(fs, fs, torch.from_numpy(ys), 10, torch.arange(len(fs))).numpy()
    assert average_precision_score(bad, -label_quality(ys, v, 'normalized_margin'))>.7

def test_percents_are_no_probabilities(planted):
    p = planted.preds.numpy()
    for f in (lambda p: planted.label_issues(probs=p), lambda p: label_quality(planted.targs.numpy(), p)):
        with pytest.raises(ValueError, match='^rows of probs sum to 100 to 100: give probabilities, which sum to 1'): f(100*p)
    assert len(planted.label_issues(probs=p, most=None))==30

def test_a_guess_is_weak_and_knowledge_is_strong():
    _,ys,_ = planted_labels(share=0)
    sure,guess = np.eye(10)[ys]*.9+.01,np.random.default_rng(1).dirichlet(np.ones(10), len(ys))
    strong,weak = (_strength(ys, p, lambda y, p=p: label_quality(y, p)) for p in (sure,guess))
    assert strong==1 and weak<.2

def test_the_whole_way_goes_on_where_it_was_left(tmp_path):
    learn = train_run(digits_path(), tmp_path/'run', width=4, epochs=1, n_train=120, n_valid=40, recipe='fast', workers=0)
    p = cross_validate(learn, tmp_path/'folds', folds=2, workers=0)
    assert p.shape==(120,10) and np.allclose(p.sum(1), 1, atol=1e-3)
    times = [o.stat().st_mtime_ns for o in sorted((tmp_path/'folds').glob('*/model.safetensors'))]
    assert np.array_equal(cross_validate(learn, tmp_path/'folds', folds=2, workers=0), p)
    assert times==[o.stat().st_mtime_ns for o in sorted((tmp_path/'folds').glob('*/model.safetensors'))] and len(times)==2
    found = CAMInterpretation.from_learner(learn).label_issues('train', most=None, probs=p)
    assert len(found)==120 and found.label_quality.is_monotonic_increasing

def test_parts_are_trained_as_the_run_was(tmp_path):
    few = dict(width=4, epochs=1, n_train=80, n_valid=20, workers=0)
    train_run(digits_path(), tmp_path/'base', recipe='fast', **few)
    first = tmp_path/'base'/'model.safetensors'
    learn = train_run(digits_path(), tmp_path/'run', recipe='finetune', weights=first, precision='fp32', flip=True, seed=0, **few)
    with pytest.raises(ValueError, match='the weights in model.safetensors.*: give its path as `weights`$'):
        cross_validate(learn, tmp_path/'folds', folds=2, workers=0)
    assert not (tmp_path/'folds').exists()
    cross_validate(learn, tmp_path/'folds', folds=2, workers=0, weights=first)
    one,part = map(run_config, (tmp_path/'run', tmp_path/'folds'/'2-1'))
    for k in 'arch','recipe','precision','seed': assert part[k]==one[k], k
    assert (part['precision'],part['seed'],part['recipe']['flip'],part['arch']['weights'])==('fp32',0,True,'model.safetensors')

def test_parts_begin_as_the_run_did_with_weights_of_the_library():
    its = dict(recipe=asdict(Recipe()), arch=dict(name='torchvision/resnet18', pretrained=True), data=dict(size=64))
    assert _fold_settings(SimpleNamespace(config=its))['pretrained'] is True
    its['arch']['pretrained'] = False
    assert _fold_settings(SimpleNamespace(config=its))['pretrained'] is False

def test_a_network_that_came_without_pictures_has_no_parts(tmp_path):
    with pytest.raises(FileNotFoundError, match='there are no pictures'): cross_validate(pretrained_cifar10(), tmp_path/'folds')

def test_what_people_saw(planted, tmp_path):
    t = planted.table
    pd.DataFrame(dict(file=t.file, humans_top=t.predicted, mturk_given='')).to_csv(tmp_path/'humans.csv', index=False)
    n = (~t.correct).sum()
    page = planted.report(tmp_path/'page', k=1, layers=['layer2'], faithfulness=False, humans=tmp_path/'humans.csv')
    assert isinstance(page, PagePath)
    text = page.read_text(encoding='utf-8')
    assert f'Of {n} mistakes, {n} are ones where people, too, disagree with the label' in text

def test_what_people_saw_as_a_spreadsheet_writes_it(planted, tmp_path):
    "With semicolons, and with an apostrophe before what would be computed"
    fn = tmp_path/'humans.csv'
    fn.write_text("File;humans_top;mturk_given\ntest/a/000.png;'=1+1;2\n'=x.png;b;4\n", encoding='utf-8-sig')
    t = read_humans(fn)
    assert t.index.tolist()==['test/a/000.png','=x.png'] and t.humans_top.tolist()==['=1+1','b'] and t.given.tolist()==[2,4]
    top,names = tmp_path/'data',('=1+1','b')
    for split,label,a in zip(('train','train','test','test'), names*2, pieces(4, 7)):
        (top/split/label).mkdir(parents=True)
        Image.fromarray(a).save(top/split/label/'x.png')
    learn = resnet_learner(cifar_dls(top, bs=2), cifar_resnet18(2, width=2), Recipe(augs='none', epochs=1))
    interp = CAMInterpretation.from_learner(learn)
    said = interp.table.file.map(as_cell), interp.table.actual.map(as_cell)
    pd.DataFrame(dict(zip(('file','humans_top'), said))).to_csv(fn, index=False, sep=';')
    assert "'=1+1" in fn.read_text() and interp.people_disagree(fn).other.tolist()==[False,False]

@pytest.mark.parametrize('text,words', [('file;humans\na;b\n', 'no column humans_top'), ('file,file,humans_top\n', '2 columns file'),
    ('', 'no column file'), ('file,humans_top\na,b,c\n', 'line 2 has 3 fields, and the first one 2'),
    ('file,humans_top\na,b\na,c\n', "'a' is there twice")])
def test_no_table_of_what_people_saw(text, words, tmp_path):
    (tmp_path/'x.csv').write_text(text)
    with pytest.raises(ValueError, match=f'humans .*{words}'): read_humans(tmp_path/'x.csv')
