"What a notebook should not show of the learner: interruptions at odd moments, damaged checkpoints, the memory of a process."
import ctypes, subprocess, sys, warnings
from dataclasses import replace
from functools import partial

import pytest
from fastcore.test import expect_fail, test_close as close
from filelock import FileLock
from cifar_cam.all import (Callback, CrossEntropyLossFlat, DataLoaders, F, FocalLossFlat, ImageDataLoaders, L, Learner, MixUp, OptimWrapper,
                           Path, Resize, SGD, checkpoints, cifar_dls, cifar_resnet18, described, digits_path, get_image_files, nn, recipe,
                           resnet34, resnet_learner, set_seed, torch)
from cifar_cam.checkpoint import _last_checkpoint, _write_checkpoint

SMALL = recipe('fast', epochs=4, bs=32, dropout=.1)
linux = pytest.mark.skipif(sys.platform!='linux' or not hasattr(ctypes.CDLL(None), 'mallopt'), reason='glibc has it')

def small(dls=None, **kwargs):
    "A learner with all that is random, on a few digits"
    dls = dls or cifar_dls(digits_path(), SMALL.bs, SMALL.make_augs(), n_train=96, n_valid=32)
    set_seed(1)
    return resnet_learner(dls, cifar_resnet18(dls.c, 4, SMALL.dropout), SMALL, **kwargs)

class Break(Callback):
    "Raise in the middle of an epoch, as Ctrl-C does"
    def __init__(self, epoch): self.at = epoch
    def after_batch(self):
        if self.training and self.epoch==self.at and self.iter==1: raise KeyboardInterrupt

def quiet(learn, *args, **kwargs):
    with learn.no_bar(), learn.no_logging(): learn.fit_recipe(*args, **kwargs)
    return learn

FAULTS = '''
import resource
from cifar_cam.all import *
from cifar_cam.learner import _keep_memory
def faults():
    n = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    xs = [torch.ones(64, 64, 32, 32) for _ in range(5)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt-n
faults(); print(faults()); _keep_memory(); faults(); print(faults())
'''

@linux
def test_memory_is_kept():
    "Pages that the system hands out for 84 MB, before and after, in a process of its own"
    res = subprocess.run([sys.executable, '-W', 'ignore', '-c', FAULTS], capture_output=True, text=True, check=True)
    before,after = map(int, res.stdout.split())
    assert after<before/10, (before, after)

@pytest.mark.parametrize('what', ['fit','lr_find','validate','get_preds'])
def test_interrupted_in_a_batch(what, tmp_path):
    "Nothing stays switched on or off, and the learner trains on"
    learn = small()
    learn.path = tmp_path
    def stop(*_): raise KeyboardInterrupt
    hook = learn.model.layer2.register_forward_pre_hook(stop)
    with learn.no_bar(), learn.no_logging(), expect_fail(KeyboardInterrupt): getattr(learn, what)(*[1]*(what=='fit'))
    hook.remove()
    assert not torch.is_autocast_enabled('cpu')
    with learn.no_bar(), learn.no_logging(): learn.fit(1, .01)
    assert len(learn.history.epochs)==1 and len(learn.history.batches)==len(learn.dls.train)

def test_two_runs_in_one_folder(tmp_path):
    quiet(small(), 1, checkpoint=tmp_path)
    with FileLock(tmp_path/'lock'), expect_fail(ValueError, contains='another process trains'):
        quiet(small(), checkpoint=tmp_path, resume=True)

def test_all_checkpoints_damaged(tmp_path):
    quiet(small(), 2, checkpoint=tmp_path)
    for o in checkpoints(tmp_path): o.write_bytes(b'x')
    with warnings.catch_warnings(), expect_fail(ValueError, contains='can be read'):
        warnings.simplefilter('ignore')
        quiet(small(), 2, checkpoint=tmp_path, resume=True)

def test_optimisers_of_torch_only(tmp_path):
    learn = small()
    learn.opt_func = SGD
    with expect_fail(ValueError, contains='OptimWrapper'): quiet(learn, checkpoint=tmp_path/'sgd')
    assert not (tmp_path/'sgd').exists()

def test_checkpoints_ask_for_a_history(tmp_path):
    "Before any work is done"
    dls = small().dls
    learn = Learner(dls, cifar_resnet18(10, 4), CrossEntropyLossFlat(), partial(OptimWrapper, opt=torch.optim.SGD))
    before = [o.clone() for o in learn.model.parameters()]
    with expect_fail(ValueError, contains='this learner has none: make it with `resnet_learner`'): quiet(learn, 1, checkpoint=tmp_path/'ck')
    assert all(map(torch.equal, before, learn.model.parameters())) and not (tmp_path/'ck').exists()

ADAM = partial(OptimWrapper, opt=torch.optim.Adam)
OTHERWISE = dict(loss=(dict(loss_func=FocalLossFlat()), {}, "has loss {.*'CrossEntropyLossFlat'.*, this one has {.*'FocalLossFlat'"),
    callback=({}, dict(cbs=MixUp()), "has callbacks .*, this one has .*'MixUp'"),
    kind=({}, dict(cbs=MixUp), "has callbacks .*, this one has .*'MixUp'"),
    own=(dict(cbs=MixUp()), {}, "has callbacks .*, this one has .*'MixUp'"),
    optimiser=(dict(opt_func=ADAM), {}, 'has optimiser SGD, this one has Adam'))

@pytest.mark.parametrize('case', OTHERWISE)
def test_resumed_otherwise(case, tmp_path):
    "What decides what is learned must be as it was; what only watches need not"
    how,more,words = OTHERWISE[case]
    with expect_fail(KeyboardInterrupt): quiet(small(), checkpoint=tmp_path, cbs=Break(1))
    with pytest.raises(ValueError, match=words): quiet(small(**how), checkpoint=tmp_path, resume=True, **more)
    learn = quiet(small(), checkpoint=tmp_path, resume=True)
    fit, = learn.history.fits
    assert fit['resumed_after']==[1] and fit['ended']=='complete'

def test_resumed_with_the_same(tmp_path):
    "Another loss and MixUp, all along"
    def go(**kwargs): return quiet(small(loss_func=FocalLossFlat()), 2, checkpoint=tmp_path, **kwargs)
    with expect_fail(KeyboardInterrupt): go(cbs=[MixUp(.2),Break(1)])
    with expect_fail(ValueError, contains="this one has [{'alpha': 0.4"): go(cbs=MixUp(), resume=True)
    assert len(go(cbs=MixUp(.2), resume=True).history.fits)==1

@pytest.mark.parametrize('loss,n', [(CrossEntropyLossFlat(), 1), (FocalLossFlat(), 2)])
def test_an_older_checkpoint(loss, n, tmp_path):
    "Which does not say all: it goes on, and its record tells another loss from its own"
    with expect_fail(KeyboardInterrupt): quiet(small(), checkpoint=tmp_path/'new', cbs=Break(1))
    tensors,state = _last_checkpoint(tmp_path/'new')
    for k in 'pictures','loss','optimiser','callbacks': del state['settings'][k]
    (tmp_path/'old').mkdir()
    _write_checkpoint(tmp_path/'old', 1, tensors, state)
    fits = quiet(small(loss_func=loss), checkpoint=tmp_path/'old', resume=True).history.fits
    assert [o['loss']['name'] for o in fits]==['CrossEntropyLossFlat','FocalLossFlat'][:n]
    assert [o['epochs_done'] for o in fits]==([4] if n==1 else [1,3])

def from_files(first, path=None):
    "Files of two classes, as fastai reads them"
    path = Path(path or digits_path())
    files = [o for c in '01' for o in get_image_files(path/'train'/c).sorted()[first:first+24]]
    return ImageDataLoaders.from_path_func(path, files, lambda o: o.parent.name, bs=8, num_workers=0, item_tfms=Resize(16), seed=1,
                                           device=torch.device('cpu'))

def test_resumed_with_other_pictures(tmp_path):
    "Also where data does not say what it is, and not because the folder has moved"
    with expect_fail(KeyboardInterrupt): quiet(small(from_files(0)), checkpoint=tmp_path/'ck', cbs=Break(1))
    with expect_fail(ValueError, contains="has pictures {'files': ["): quiet(small(from_files(30)), checkpoint=tmp_path/'ck', resume=True)
    (tmp_path/'moved').symlink_to(digits_path())
    learn = quiet(small(from_files(0, tmp_path/'moved')), checkpoint=tmp_path/'ck', resume=True)
    assert len(learn.history.fits)==1 and len(learn.history.epochs)==4

@pytest.mark.parametrize('loss,cbs,n', [(None, None, 1), (FocalLossFlat(), None, 2), (None, MixUp(), 2)])
def test_going_on_by_hand(loss, cbs, n):
    "From an epoch on, in one record if it is the same fit"
    learn = small()
    def fit(**kwargs):
        with learn.no_bar(), learn.no_logging(): learn.fit(2, .01, **kwargs)
    with expect_fail(KeyboardInterrupt): fit(cbs=Break(1))
    learn.loss_func = loss or learn.loss_func
    fit(start_epoch=1, cbs=cbs)
    assert len(learn.history.fits)==n and learn.history.fits[-1]['ended']=='complete'

def test_curves_of_a_broken_epoch():
    "An epoch is an epoch wide, also where the next was broken off"
    learn = small()
    with expect_fail(KeyboardInterrupt): quiet(learn, cbs=Break(1))
    learn.history.keep_batches()
    line,n = learn.plot_curves().axes[0].lines[0].get_xdata(),len(learn.dls.train)
    close(line[n-1], 1)
    close(line[-1], 1+1/n)

def test_outputs_that_are_no_classes(tmp_path):
    "Plain cross entropy wants an output a class, which is asked without a trace; of other losses and data, nothing is known"
    dls = cifar_dls(digits_path(), n_train=96, n_valid=32)
    for n in 2,12:
        before = torch.random.get_rng_state()
        learn = resnet_learner(dls, cifar_resnet18(n, width=2))
        learn.model.layer1.eval()
        after = torch.random.get_rng_state()
        with expect_fail(ValueError, contains=f'gives {n} outputs a picture, and the data has 10 classes'): quiet(learn, 1)
        assert torch.equal(after, torch.random.get_rng_state()) and not torch.equal(before, after)
        assert learn.model.training and not learn.model.layer1.training and learn.model.bn1.num_batches_tracked==0
        with expect_fail(ValueError, contains='such as `cifar_resnet18(10)`'): learn.save_run(tmp_path/'run')
    def own(out, y): return F.cross_entropy(out[:,:10], y)
    quiet(resnet_learner(dls, cifar_resnet18(12, width=2), loss_func=own), 1)
    soft = [(torch.rand(3,16,16), torch.rand(12).softmax(0)) for _ in range(8)]
    pairs = DataLoaders.from_dsets(soft, soft, bs=4, device=dls.device)
    pairs.c = 10
    learn = resnet_learner(pairs, cifar_resnet18(12, width=2), loss_func=torch.nn.CrossEntropyLoss(), metrics=[])
    learn.remove_cb(learn.cbs[learn.cbs.attrgot('name').index('history')])
    with learn.no_bar(), learn.no_logging(): learn.fit(1)

def by_depth(model): return L(list(model.parameters())[:30], list(model.parameters())[30:60], list(model.parameters())[60:])

def of_recipe(r, **kwargs):
    dls = cifar_dls(digits_path(), 32, n_train=96, n_valid=32, size=16)
    return resnet_learner(dls, cifar_resnet18(dls.c, 2), r, 'fp32', **kwargs)

PLAIN = recipe('fast', sizes=(), label_smoothing=0., augs='none', epochs=1)

@pytest.mark.parametrize('changes', [{}, dict(wd=0.), dict(bias_lr=1.)])
def test_own_splitters_are_by_depth(changes):
    "What a recipe says of kinds is for the groups by kind alone, and the recipe was not used where there are none"
    r = replace(PLAIN, **changes)
    own,usual = quiet(of_recipe(r, splitter=by_depth)),quiet(of_recipe(r))
    assert [o['wd'] for o in own.opt.hypers]==[r.wd]*3 and len({o['lr'] for o in own.opt.hypers})==1
    assert [o['wd'] for o in usual.opt.hypers]==[r.wd,0,0]
    assert not own.history.fits[0]['recipe'] and usual.history.fits[0]['recipe']['bias_lr']==r.bias_lr
    own.freeze()
    assert own.opt.frozen_idx==2 and not own.model.conv1.weight.requires_grad and own.model.linear.weight.requires_grad

def test_own_optimisers_and_kinds():
    "Groups by kind are told by what made them, whatever steps them"
    learn = of_recipe(PLAIN, opt_func=SGD)
    quiet(learn)
    lrs = [o['lr'] for o in learn.opt.hypers]
    close(lrs[1], 16*lrs[0]); assert lrs[2]==lrs[0]
    with expect_fail(ValueError, contains='of kinds'): learn.freeze()
    model = cifar_resnet18(10, 2)
    learn = resnet_learner(learn.dls, model, PLAIN, 'fp32', opt_func=OptimWrapper(opt=torch.optim.SGD(model.parameters(), .1)))
    assert len(quiet(learn).opt.hypers)==1

def test_what_can_not_be_frozen():
    "No groups by depth: nothing is frozen, nor trained as if it were; fastai's fine_tune goes on without"
    learn = of_recipe('fast')
    with expect_fail(ValueError, contains='of kinds'): quiet(learn, 3, 1e-3, schedule='finetune', sizes=())
    assert not learn.history.batches
    for k in 'fast','baseline':
        learn = of_recipe(k)
        with expect_fail(ValueError, contains='give the recipe finetune, or a `splitter`'): learn.freeze()
        learn.unfreeze()
    with learn.no_bar(), learn.no_logging(): learn.fine_tune(1)
    assert len(learn.history.epochs)==2

def test_fastai_habits():
    "A function or a name in place of a model is told; a device by its name is one"
    files = get_image_files(digits_path()/'test')[:40]
    how = dict(bs=8, num_workers=0, item_tfms=Resize(16), device='cpu')
    dls = ImageDataLoaders.from_path_func(digits_path(), files, lambda o: o.parent.name, **how)
    for o in resnet34,'resnet34':
        with expect_fail(ValueError, contains="give an nn.Module, such as `create_model('resnet34', dls.c)`"): resnet_learner(dls, o)
    learn = quiet(resnet_learner(dls, cifar_resnet18(dls.c, 2), 'fast'), 1)
    assert len(learn.history.epochs)==1 and dls.device==torch.device('cpu')

def test_changes_of_a_recipe():
    "What a learner was made with is not changed in a fit, and it is said what can be"
    learn = of_recipe('finetune')
    may = 'n_epoch, lr, schedule, step_size, gamma, sizes, freeze_epochs'
    for k,v in dict(label_smoothing=.1, bs=8, l1=.1, epochs=2, opt='sgd').items():
        said = f"make it with `recipe=recipe('baseline', {k}=…)`; `fit_recipe` changes {may}"
        with expect_fail(ValueError, contains=said): learn.fit_recipe(1, **{k: v})
        with expect_fail(ValueError, contains=said): learn.fit_step(1, **{k: v})
    with expect_fail(ValueError, contains="give 'step', or use `fit_recipe`"): learn.fit_step(1, schedule='one_cycle')
    assert not learn.history.batches
    quiet(learn, 3, freeze_epochs=2)
    assert learn.fitted.freeze_epochs==2 and learn.history.fits[0]['recipe']['freeze_epochs']==2
    quiet(learn, 1, wd=.5)
    assert learn.opt.hypers[0]['wd']==.5

class Net(nn.Module):
    "A model that calls something of its own `arch`"
    def __init__(self, arch):
        super().__init__()
        self.arch,self.net = arch,cifar_resnet18(10, 2)
    def forward(self, x): return self.net(x)

@pytest.mark.parametrize('arch', ['resnet34', nn.Identity(), ['head'], dict(depth=3)])
def test_models_with_an_arch_of_their_own(arch, tmp_path):
    for k in 'finetune','baseline':
        learn = resnet_learner(cifar_dls(digits_path(), 32, n_train=96, n_valid=32, size=16), Net(arch), k, 'fp32')
        quiet(learn, 1, checkpoint=tmp_path/k)
        learn.save_run(tmp_path/k)
        assert learn.config['arch']==dict(name='Net')

def test_what_is_called_distrib():
    "Only MixUp's is a Beta distribution"
    class Own(Callback):
        def __init__(self, distrib): self.distrib = distrib
    assert described(Own(True))==dict(distrib=True, name='Own') and described(Own(torch.distributions.Normal(0., 1.)))==dict(name='Own')
    assert described(MixUp(.3))==dict(alpha=.3, name='MixUp')

def test_no_history():
    learn = Learner(of_recipe('fast').dls, cifar_resnet18(10, 2), CrossEntropyLossFlat())
    with learn.no_bar(), learn.no_logging(): learn.fit(1)
    with expect_fail(ValueError, contains='this learner keeps no history'): learn.plot_curves()
    with expect_fail(ValueError, contains='has not been trained yet'): of_recipe('fast').plot_curves()
