"What a notebook should not show of run folders: damaged files, other data, other pictures."
import json, shutil, warnings

import pytest
from fastcore.test import expect_fail, test_eq as same
from cifar_cam.all import (Recipe, SimpleNamespace, baseline_augs, cifar_dls, digits_path, imagenet_stats, load_run, cifar_resnet18,
                           resnet_learner, run_config, set_seed)

TRAIN,VALID = 100,50

def digits(**kw): return cifar_dls(digits_path(), **dict(dict(augs=baseline_augs(), n_train=TRAIN, n_valid=VALID), **kw))

def trained(dls):
    set_seed(1)
    learn = resnet_learner(dls, cifar_resnet18(dls.c, 4), precision='fp32')
    with learn.no_bar(), learn.no_logging(): learn.fit_step(2)
    return learn

@pytest.fixture(scope='module')
def learn(): return trained(digits())

@pytest.fixture(scope='module')
def run(learn, tmp_path_factory): return learn.save_run(tmp_path_factory.mktemp('runs')/'run')

@pytest.fixture
def copy(run, tmp_path): return shutil.copytree(run, tmp_path/'copy')

def test_augmentations_come_back(run):
    same(load_run(run).dls.train.one_batch()[0], digits().train.one_batch()[0])

@pytest.mark.parametrize('name,bad', [('config.json','{'), ('model.safetensors','x')])
def test_damaged(copy, name, bad):
    (copy/name).write_text(bad)
    with expect_fail(ValueError, contains=name): load_run(copy)

def test_other_data(run, learn):
    bare = dict(device='cpu', valid=SimpleNamespace(after_batch=SimpleNamespace(fs=[])))
    with expect_fail(ValueError, contains="vocab ['a', 'b']"): load_run(run, dls=SimpleNamespace(vocab=['a','b'], **bare))
    with expect_fail(ValueError, contains='stats None'): load_run(run, dls=SimpleNamespace(vocab=learn.dls.vocab, **bare))
    few = dict(n_train=20, n_valid=20)
    with expect_fail(ValueError, contains='stats'): load_run(run, dls=digits(stats=imagenet_stats, **few))
    with expect_fail(ValueError, contains='size'): load_run(run, dls=digits(size=16, stats=learn.dls.source['stats'], **few))

def test_data_that_moved(copy):
    config = json.loads((copy/'config.json').read_text())
    config['data']['path'] = '/nosuch'
    (copy/'config.json').write_text(json.dumps(config))
    with expect_fail(FileNotFoundError, contains='give `dls=`'): load_run(copy)

def test_no_augmentations(tmp_path):
    same(run_config(trained(digits(augs=None)).save_run(tmp_path/'plain'))['augs'], None)

def test_data_may_be_used_twice():
    "What an epoch sees depends on its number alone"
    dls = digits()
    a,b = trained(dls),trained(dls)
    same(list(a.model.state_dict().values()), list(b.model.state_dict().values()))

def test_a_loss_that_is_not_finite():
    learn = trained(digits())
    with expect_fail(ValueError, contains='smaller learning rate'), learn.no_bar(), learn.no_logging(): learn.fit_step(1, lr=1e20)
    same((learn.fitted.lr, learn.recipe), (1e20, Recipe(bs=learn.dls.bs)))

def test_a_learner_that_was_saved_warns_of_nothing(learn, tmp_path):
    "fastai's callbacks set attributes of their own, and warn of those that the learner has, too"
    learn.save_run(tmp_path/'run')
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        with learn.no_bar(), learn.no_logging(): learn.get_preds()
    assert not [o for o in said if 'shadowing' in str(o.message)]
