"What the record of a run says: what was done, and no more. One line a case: how it was trained, and what the record must say of it."
import json, os, warnings
from functools import partial

import pytest
from fastcore.test import expect_fail, test_close as close
from cifar_cam.all import (Adam, Callback, CrossEntropyLossFlat, CSVLogger, EarlyStoppingCallback, F, GradientClip, History, Learner, MixUp,
    Path, Recipe, ReduceLROnPlateau, SaveModelCallback, TrackerCallback, accuracy, baseline_augs, cifar_dls,
    cifar_resnet18, device_augs, digits_path, load_run, resnet_learner, set_seed, torch)

def data(augs='baseline', **kw):
    augs = baseline_augs() if augs=='baseline' else augs
    return cifar_dls(digits_path(), **dict(dict(bs=32, augs=augs, n_train=96, n_valid=40), **kw))

def small(dls=None, **kw):
    dls = dls or data()
    set_seed(1)
    return resnet_learner(dls, cifar_resnet18(dls.c, 4), precision='fp32', **kw)

def quietly(learn, f):
    with learn.no_bar(), learn.no_logging(), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        f(learn)
    return learn

def record(learn, folder):
    learn.save_run(folder)
    return [json.loads((folder/f'{o}.json').read_text()) for o in ('config','metrics')]

def measured(learn):
    "Accuracy of the weights as they are"
    with learn.no_bar(), learn.no_logging(): probs,ys = learn.get_preds()
    return (probs.argmax(1)==ys).float().mean().item()

class Mine(TrackerCallback): "Somebody's own, that goes by a metric"

BY_RECIPE = dict(
    fit_step=lambda l: l.fit_step(2),
    fit_recipe=lambda l: l.fit_recipe(1, schedule='one_cycle', sizes=((1,16),(1,32))),
    watched=lambda l: l.fit_recipe(1, cbs=CSVLogger()))
OTHERWISE = dict(
    one_cycle=lambda l: l.fit_one_cycle(1, .01),
    flat=lambda l: l.fit_flat_cos(1, .01),
    fine_tune=lambda l: l.fine_tune(1),
    plain=lambda l: l.fit(1),
    twice=lambda l: (l.fit_step(1), l.fit_step(1)),
    mixup=lambda l: l.fit_step(1, cbs=MixUp()),
    clipped=lambda l: l.fit_step(1, cbs=GradientClip()),
    best=lambda l: l.fit_step(2, cbs=SaveModelCallback()),
    stopped=lambda l: l.fit_step(2, cbs=EarlyStoppingCallback()),
    plateau=lambda l: l.fit_step(1, cbs=ReduceLROnPlateau()),
    decay=lambda l: l.fit_recipe(1, wd=.1),
    after=lambda l: (l.fit_one_cycle(1), l.fit_step(1)))

@pytest.mark.parametrize('how', BY_RECIPE)
def test_recipe_that_was_used(how, tmp_path):
    learn = quietly(small(path=tmp_path), BY_RECIPE[how])
    config,_ = record(learn, tmp_path/'run')
    assert Recipe(**config['recipe'])==learn.fitted and len(config['fits'])==1 and config['selection'].startswith('none')

@pytest.mark.parametrize('how', OTHERWISE)
def test_recipe_that_was_not_used(how, tmp_path):
    config,metrics = record(learn := quietly(small(path=tmp_path), OTHERWISE[how]), tmp_path/'run')
    assert config['recipe'] is None and len(config['fits'])==1+(how in ('twice','fine_tune','after'))
    assert sum(o['epochs_done'] for o in config['fits'])==config['epochs_done']==len(learn.history.epochs)
    close(metrics['accuracy'], measured(learn), 1e-5)
    back = load_run(tmp_path/'run')
    assert back.history.fits==config['fits'] and record(back, tmp_path/'again')[0]['recipe'] is None

@pytest.mark.parametrize('dls', [dict(augs=None), dict(augs=device_augs())])
def test_augmentations_that_are_not_the_recipes(dls, tmp_path):
    assert record(quietly(small(data(**dls)), lambda l: l.fit_step(1)), tmp_path/'run')[0]['recipe'] is None

def test_dropout_that_is_not_the_recipes(tmp_path):
    learn = resnet_learner(data(), cifar_resnet18(10, 4, dropout=.5))
    assert record(quietly(learn, lambda l: l.fit_step(1)), tmp_path/'run')[0]['recipe'] is None

def test_functions_and_schedules(tmp_path):
    "By name, with the learning rates that there were"
    learn = small(opt_func=Adam, splitter=lambda m: [[*m.parameters()]])
    fits = record(quietly(learn, lambda l: l.fine_tune(2, 1e-2)), tmp_path/'run')[0]['fits']
    assert [o['function'] for o in fits]==['fine_tune']*2 and [o['epochs'] for o in fits]==[1,2]
    assert 'adam_step' in fits[0]['optimiser']['name'] and fits[0]['optimiser']['library']=='fastai'
    assert fits[1]['schedule'][0]['name']=='ParamScheduler' and {'lr','mom'} <= set(fits[1]['schedule'][0])
    first,highest,last = fits[1]['lr']
    assert first<highest and last<first and highest<=.005+1e-6

def test_loss_with_its_weights(tmp_path):
    w = torch.linspace(1, 2, 10)
    losses = CrossEntropyLossFlat(weight=w),partial(F.cross_entropy, weight=w),torch.nn.CrossEntropyLoss(w, label_smoothing=.1)
    for i,loss in enumerate(losses):
        config,_ = record(quietly(small(loss_func=loss), lambda l: l.fit_step(1)), tmp_path/f'run{i}')
        close(config['fits'][0]['loss']['weight'], w.tolist())
        assert config['recipe'] is None
    assert config['fits'][0]['loss']['label_smoothing']==.1

def test_the_best_is_loaded(tmp_path):
    "What is measured is measured on the weights that are saved, and the choice is named"
    class Spoil(Callback):
        "After the first epoch, the network is worse"
        def before_epoch(self):
            if self.epoch: self.model.linear.weight.data.mul_(-1)
    learn = quietly(small(path=tmp_path), lambda l: l.fit_step(2, lr=1e-4, cbs=[SaveModelCallback('accuracy'), Spoil()]))
    config,metrics = record(learn, tmp_path/'run')
    close(metrics['accuracy'], measured(learn), 1e-5)
    close(metrics['accuracy'], max(o['valid_acc'] for o in learn.history.epochs), 1e-5)
    assert config['selection'].startswith('on the validation pictures: SaveModelCallback by accuracy')
    assert record(load_run(tmp_path/'run'), tmp_path/'again')[0]['selection']==config['selection']

def test_any_tracker_is_a_choice(tmp_path):
    said = record(quietly(small(), lambda l: l.fit_one_cycle(1, cbs=Mine('accuracy'))), tmp_path/'a')[0]['selection']
    assert 'Mine by accuracy' in said
    said = record(quietly(small(), lambda l: l.fit_one_cycle(1, cbs=Mine('train_loss'))), tmp_path/'b')[0]['selection']
    assert said.startswith('none')

def test_weights_from_elsewhere(tmp_path):
    learn = quietly(small(), lambda l: l.fit_step(1))
    learn.model.load_state_dict(cifar_resnet18(10, 4).state_dict())
    config,metrics = record(learn, tmp_path/'run')
    close(metrics['accuracy'], measured(learn), 1e-5)
    assert config['selection'].startswith('unknown')
    assert record(load_run(tmp_path/'run'), tmp_path/'again')[0]['selection'].startswith('unknown')

def test_broken_off(tmp_path):
    class Break(Callback):
        def after_batch(self):
            if self.training and self.epoch and self.iter==1: raise KeyboardInterrupt
    learn = small()
    with expect_fail(KeyboardInterrupt): quietly(learn, lambda l: l.fit_step(3, cbs=Break()))
    config,metrics = record(learn, tmp_path/'run')
    fit, = config['fits']
    assert (fit['ended'],fit['epochs'],fit['epochs_done'],fit['steps'])==('interrupted', 3, 1, 4)
    close(metrics['accuracy'], measured(learn), 1e-5)

def test_early_stop(tmp_path):
    learn = quietly(small(), lambda l: l.fit_step(5, lr=1e-9, cbs=EarlyStoppingCallback('accuracy', min_delta=1)))
    fit, = record(learn, tmp_path/'run')[0]['fits']
    assert fit['ended']=='stopped' and fit['epochs_done']<5==fit['epochs']

def test_of_an_older_version(tmp_path):
    "A run folder without `fits` is loaded, and what it claimed is kept"
    learn = quietly(small(), lambda l: l.fit_step(1))
    config,_ = record(learn, tmp_path/'run')
    del config['fits']
    (tmp_path/'run'/'config.json').write_text(json.dumps(config))
    back = load_run(tmp_path/'run')
    assert record(back, tmp_path/'again')[0]['recipe']==config['recipe']
    assert back.plot_curves()
    assert record(quietly(back, lambda l: l.fit_step(1)), tmp_path/'more')[0]['recipe'] is None

BAD = dict(recipe=None, fits=None),dict(recipe=None, fits=3),dict(fits=[3]),dict(fits=[{}]),dict(recipe=dict(momentum=-1))

@pytest.mark.parametrize('bad', BAD)
def test_damaged(tmp_path, bad):
    config,_ = record(quietly(small(), lambda l: l.fit_step(1)), tmp_path/'run')
    (tmp_path/'run'/'config.json').write_text(json.dumps(config | bad))
    with expect_fail(ValueError, contains='config.json is damaged'): load_run(tmp_path/'run')

def test_batches_of_another_size():
    "An epoch is an epoch wide, whatever its batches"
    learn = quietly(small(), lambda l: l.fit_step(1))
    learn.dls = data(bs=8)
    quietly(learn, lambda l: l.fit_step(1))
    left,right = learn.plot_curves().axes
    x = left.lines[0].get_xdata()
    assert len(x)==3+12
    close([x[2], x[-1]], [1, 2])
    close(right.lines[1].get_xdata(), [1, 2])

LOSSES = [(F.cross_entropy, 'cross-entropy loss'), (CrossEntropyLossFlat(weight=torch.ones(10)), 'weighted cross-entropy loss'),
          (partial(F.multi_margin_loss), 'multi_margin_loss'), (torch.nn.MultiMarginLoss(), 'MultiMarginLoss')]

@pytest.mark.parametrize('loss,name', LOSSES)
def test_curves_name_the_loss(loss, name):
    assert quietly(small(loss_func=loss), lambda l: l.fit_step(1)).plot_curves().axes[0].get_ylabel()==name

def test_a_fastai_learner_with_history(tmp_path):
    dls = data()
    learn = Learner(dls, cifar_resnet18(10, 4), F.cross_entropy, metrics=accuracy, cbs=History())
    config,_ = record(quietly(learn, lambda l: l.fit_one_cycle(1)), tmp_path/'run')
    assert config['fits'][0]['function']=='fit_one_cycle' and config['recipe'] is None

def test_a_learning_rate_search_is_no_fit(tmp_path):
    learn = quietly(small(path=tmp_path), lambda l: (l.lr_find(show_plot=False), l.fit_step(1)))
    config,_ = record(learn, tmp_path/'run')
    assert len(config['fits'])==1 and config['recipe']

def test_where_files_go(tmp_path, monkeypatch):
    "Data that can't be written to, as on Kaggle"
    can = os.access
    monkeypatch.setattr(os, 'access', lambda o, m: m!=os.W_OK or Path(o).is_relative_to(tmp_path) and can(o, m))
    monkeypatch.chdir(tmp_path)
    learn = small()
    assert learn.path==Path('.') and learn.save('x')
    learn.path = Path('/nosuch')
    for f in learn.lr_find,partial(learn.save, 'x'),learn.export,partial(learn.fit_step, 1, cbs=SaveModelCallback()):
        with expect_fail(ValueError, contains='set `learn.path`'), learn.no_bar(), learn.no_logging(): f()

@pytest.mark.parametrize('left', [1,2])
def test_resumed(tmp_path, left):
    "A run that was broken off is one fit, by its recipe"
    class Break(Callback):
        order = 101   # after the checkpoint
        def after_epoch(self):
            if self.epoch+1==left: raise KeyboardInterrupt
    how = dict(n_epoch=2, schedule='one_cycle', sizes=((1,16),(1,32)), checkpoint=tmp_path/'ck')
    with expect_fail(KeyboardInterrupt): quietly(small(), lambda l: l.fit_recipe(**how, cbs=Break()))
    learn = quietly(small(), lambda l: l.fit_recipe(**how, resume=True))
    config,metrics = record(learn, tmp_path/'run')
    fit, = config['fits']
    assert (fit['ended'],fit['epochs_done'],fit['steps'])==('complete', 2, 6) and Recipe(**config['recipe'])==learn.fitted
    close(metrics['accuracy'], learn.history.epochs[-1]['valid_acc'], 1e-6)
