"Planted: pictures that are there twice, in another light or moved, and labels that are wrong."
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.metrics import average_precision_score

from cifar_cam.data import cifar_dls
from cifar_cam.features import _out_of_fold, _strength, _votes, cross_validate, label_quality
from cifar_cam.files import digits_path
from cifar_cam.interp import CAMInterpretation
from cifar_cam.learner import resnet_learner
from cifar_cam.models import cifar_resnet18
from cifar_cam.recipe import Recipe
from cifar_cam.report import PagePath
from cifar_cam.run import train_run

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

def test_similar_finds_what_is_the_same(planted):
    near = planted.similar([i for i,o in enumerate(planted.table.file) if o.endswith('001.png')], k=60)
    assert len(near)==60 and near.similarity.is_monotonic_decreasing

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
    v = _votes(fs, fs, torch.from_numpy(ys), 10, own=True).numpy()
    assert average_precision_score(bad, -label_quality(ys, v, 'normalized_margin'))>.7

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

def test_what_people_saw(planted, tmp_path):
    t = planted.table
    pd.DataFrame(dict(file=t.file, humans_top=t.predicted, mturk_given='')).to_csv(tmp_path/'humans.csv', index=False)
    n = (~t.correct).sum()
    page = planted.report(tmp_path/'page', k=1, layers=['layer2'], faithfulness=False, humans=tmp_path/'humans.csv')
    assert isinstance(page, PagePath)
    text = page.read_text(encoding='utf-8')
    assert f'Of {n} mistakes, {n} are ones where people, too, disagree with the label' in text
