"What a notebook should not show of the learner: interruptions at odd moments, damaged checkpoints, the memory of a process."
import ctypes, subprocess, sys, warnings

import pytest
from fastcore.test import expect_fail, test_close as close
from filelock import FileLock
from cifar_cam.all import Callback, SGD, checkpoints, cifar_dls, digits_path, recipe, cifar_resnet18, resnet_learner, set_seed, torch

SMALL = recipe('fast', epochs=4, bs=32, dropout=.1)
linux = pytest.mark.skipif(sys.platform!='linux' or not hasattr(ctypes.CDLL(None), 'mallopt'), reason='glibc has it')

def small():
    "A learner with all that is random, on a few digits"
    dls = cifar_dls(digits_path(), SMALL.bs, SMALL.make_augs(), n_train=96, n_valid=32)
    set_seed(1)
    return resnet_learner(dls, cifar_resnet18(dls.c, 4, SMALL.dropout), SMALL)

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

def test_curves_of_a_broken_epoch():
    "An epoch is an epoch wide, also where the next was broken off"
    learn = small()
    with expect_fail(KeyboardInterrupt): quiet(learn, cbs=Break(1))
    learn.history.keep_batches()
    line,n = learn.plot_curves().axes[0].lines[0].get_xdata(),len(learn.dls.train)
    close(line[n-1], 1)
    close(line[-1], 1+1/n)
