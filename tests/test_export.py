"What a notebook can't show of an ONNX file: other networks, the shell, packages that are missing, and that nothing is left behind."
import json, os, subprocess, sys

import albumentations as A
import numpy as np
import pytest
import torch
from fastai.vision.all import (BCEWithLogitsLossFlat, CrossEntropyLossFlat, Image, ImageDataLoaders, Learner, Normalize, Resize,
                               aug_transforms, get_image_files, resnet18, vision_learner)

pytest.importorskip('onnxscript')
import onnx, onnxruntime

from cifar_cam import export
from cifar_cam.augment import AlbumentationsTransform
from cifar_cam.checkpoint import _checksum
from cifar_cam.cli import main
from cifar_cam.data import cifar_dls
from cifar_cam.files import digits_path
from cifar_cam.learner import resnet_learner
from cifar_cam.models import cifar_resnet18
from cifar_cam.recipe import Recipe
from cifar_cam.run import load_run

def data(size=32): return cifar_dls(digits_path(), n_train=40, n_valid=20, size=size, bs=8)

def state(model):
    modes = [(k, m.training, len(m._forward_hooks)) for k,m in model.named_modules()]
    return modes, [(p.requires_grad, p.dtype, p.device) for p in model.parameters()], _checksum(model)

def small(**kwargs):
    torch.manual_seed(1)
    return resnet_learner(data(), cifar_resnet18(10, width=4), Recipe(augs='none', epochs=1), **kwargs)

@pytest.fixture(scope='module')
def run(tmp_path_factory):
    learn = small()
    with learn.no_bar(), learn.no_logging(): learn.fit_recipe(1)
    return learn.save_run(tmp_path_factory.mktemp('export')/'run')

def torchvisions(name):
    import torchvision
    return lambda: getattr(torchvision.models, name)(num_classes=10)

def timms(name):
    timm = pytest.importorskip('timm')
    return lambda: timm.create_model(name, num_classes=10)

@pytest.mark.parametrize('make,name,size', [(torchvisions, 'resnet34', 64), (torchvisions, 'mobilenet_v3_small', 64),
    (timms, 'convnext_atto', 64), (timms, 'vit_tiny_patch16_224', 224)])
def test_networks(make, name, size, tmp_path, monkeypatch):
    "Any number of pictures, the model as it was, and nothing in the folder but the file"
    monkeypatch.chdir(tmp_path)
    learn = Learner(data(size), make(name)(), CrossEntropyLossFlat(), path=tmp_path)
    learn.model.train()
    for p in list(learn.model.parameters())[:3]: p.requires_grad_(False)
    before = state(learn.model)
    done = learn.export_onnx('net.onnx')
    assert state(learn.model)==before and os.listdir(tmp_path)==['net.onnx'] and done.probabilities<1e-4
    session = onnxruntime.InferenceSession('net.onnx')
    for n in 1,3: assert session.run(['probabilities'], dict(images=np.zeros((n,size,size,3), np.uint8)))[0].shape==(n,10)

def test_vision_learner(tmp_path):
    "fastai's own, with augmentation on batches, which validation does without"
    fs = get_image_files(digits_path()/'test')[:40]
    how = dict(bs=8, num_workers=0, item_tfms=Resize(64), batch_tfms=aug_transforms(), seed=1, device='cpu')
    dls = ImageDataLoaders.from_path_func(tmp_path, fs, lambda o: o.parent.name, **how)
    done = vision_learner(dls, resnet18, pretrained=False, path=tmp_path).export_onnx(tmp_path/'net.onnx')
    assert done.n==8 and json.loads(done.about['size'])==[64,64] and 'Resize' in done.about['resize']

def test_normalised_twice(tmp_path):
    "Both steps are one in the file"
    learn = small()
    mean,std = learn.dls.source['stats']
    learn.dls.add_tfms([Normalize.from_stats([.5]*3, [2.]*3)], 'after_batch')
    about = learn.export_onnx(tmp_path/'net.onnx').about
    np.testing.assert_allclose(json.loads(about['mean']), np.array(mean)+.5*np.array(std), rtol=1e-5)
    np.testing.assert_allclose(json.loads(about['std']), 2*np.array(std), rtol=1e-5)

def test_half_precision(tmp_path):
    learn = small()
    learn.model.half()
    done = learn.export_onnx(tmp_path/'net.onnx')
    assert next(learn.model.parameters()).dtype==torch.float16 and done.probabilities<1e-4
    assert {o.data_type for o in onnx.load(done.path).graph.initializer}<={onnx.TensorProto.FLOAT, onnx.TensorProto.INT64}

def test_metadata(run, tmp_path):
    learn = load_run(run)
    learn.export_onnx(tmp_path/'net.onnx')
    session = onnxruntime.InferenceSession(tmp_path/'net.onnx')
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about['classes'])==list(learn.dls.vocab) and json.loads(about['versions'])['torch'] in torch.__version__
    assert [o.name for o in session.get_outputs()]==['logits','probabilities'] and session.get_inputs()[0].type=='tensor(uint8)'
    assert session.get_inputs()[0].shape[1:]==[32,32,3] and isinstance(session.get_inputs()[0].shape[0], str)
    x = learn.dls.valid.images[:5]
    logits,probs = session.run(None, dict(images=x))
    assert np.allclose(np.exp(logits)/np.exp(logits).sum(1, keepdims=True), probs, atol=1e-5)

def test_shell(run, tmp_path, capfd):
    "One line, from processes and libraries alike"
    assert main(['export', str(run), str(tmp_path/'net.onnx')])==0
    out,err = capfd.readouterr()
    assert out.count('\n')==1 and 'largest difference' in out and not err and os.listdir(tmp_path)==['net.onnx']

def test_without_the_packages(run, tmp_path):
    code = f'''
import sys
sys.modules['onnxscript'] = None
from cifar_cam.cli import main
sys.exit(main(['export', {str(run)!r}, {str(tmp_path/'net.onnx')!r}]))'''
    res = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True)
    assert res.returncode==1 and res.stderr.count('\n')==1 and "pip install 'cifar_cam[onnx]'" in res.stderr, res.stderr
    assert res.stderr.startswith('cifar-cam: export needs packages'), res.stderr

def test_what_differs_is_not_kept(tmp_path, monkeypatch):
    learn = small()
    monkeypatch.setattr(export, '_tolerance', 0)
    with pytest.raises(ValueError, match='it was not kept'): learn.export_onnx(tmp_path/'net.onnx')
    assert not os.listdir(tmp_path)

def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(*args): raise OSError(28, 'No space left on device')
    monkeypatch.setattr(export, 'write_whole', full)
    with pytest.raises(OSError, match='No space'): small().export_onnx(tmp_path/'net.onnx')
    assert not os.listdir(tmp_path)

def test_validation_pictures_that_are_changed(tmp_path):
    "What is done to a picture before the network sees it is said in full"
    dls = cifar_dls(digits_path(), augs=AlbumentationsTransform(None, A.InvertImg(p=1)), n_train=40, n_valid=20, bs=8)
    learn = resnet_learner(dls, cifar_resnet18(10, width=4), Recipe(augs='none', epochs=1))
    assert learn.export_onnx(tmp_path/'a.onnx').about['resize'].endswith('and changed by InvertImg(p=1.0)')
    assert 'changed' not in small().export_onnx(tmp_path/'b.onnx').about['resize']

def test_a_network_that_keeps_what_it_computed(tmp_path):
    class Keeps(torch.nn.Module):
        def __init__(self): super().__init__(); self.net = cifar_resnet18(10, width=4)
        def forward(self, x):
            self.last = self.net(x)
            return self.last
    learn = resnet_learner(data(), Keeps(), Recipe(augs='none', epochs=1), precision='fp32')
    learn.model(learn.dls.valid.one_batch()[0])
    assert learn.export_onnx(tmp_path/'a.onnx').n==20

def test_a_threshold_is_said(tmp_path):
    "The likeliest class of the file's probabilities is not what such a network predicts"
    torch.manual_seed(1)
    for name in 'ab':
        for i in range(8):
            fn = tmp_path/'data'/('train','valid')[i%2]/name/f'{i}.png'
            fn.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.random.default_rng([i, ord(name)]).integers(0, 256, (16,16,3), np.uint8)).save(fn)
    dls = cifar_dls(tmp_path/'data', bs=4, size=16)
    how = [(CrossEntropyLossFlat(),2,None), (BCEWithLogitsLossFlat(),1,None), (BCEWithLogitsLossFlat(thresh=.75),1,'threshold of 0.75')]
    for i,(loss,n,said) in enumerate(how):
        done = Learner(dls, cifar_resnet18(n, 2), loss).export_onnx(tmp_path/f'{i}.onnx')
        assert ('the network predicts' in repr(done))==bool(said)!=(done.about['predicted']=='the class of the largest probability')
    kept = onnxruntime.InferenceSession(done.path).get_modelmeta().custom_metadata_map
    assert said in repr(done) and said in kept['predicted']
