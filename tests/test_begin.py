"Weights to begin with, as people have them: networks of this project's own, the library's for other classes, and usual checkpoints"
import re, warnings

import pytest, torch
from fastai.optimizer import Adam
from safetensors.torch import save_file
from torchvision import models as tvm
from cifar_cam.all import cifar_resnet18, create_model, digits_path, load_run, train_run

def same(a, b):
    a,b = a.state_dict(),b.state_dict()
    return a.keys()==b.keys() and all(torch.equal(a[k], b[k]) for k in a)

def said(f, *args, **kwargs):
    with warnings.catch_warnings(record=True) as o:
        warnings.simplefilter('always')
        res = f(*args, **kwargs)
    return [str(w.message) for w in o if w.category is UserWarning],res

KINDS = ['squeezenet1_1','shufflenet_v2_x0_5','timm/convnext_atto','timm/vit_tiny_patch16_224']   # with fastai's head, or their own

@pytest.mark.parametrize('arch', KINDS)
def test_our_own(arch, tmp_path):
    "What was made and saved here is loaded, the head too; for other classes, it is said what does not fit, and of which file"
    model,fn = create_model(arch, 3, 64),tmp_path/'own.safetensors'
    save_file(model.state_dict(), fn)
    words,again = said(create_model, arch, 3, 64, weights=fn)
    assert same(model, again) and not words and again.arch['weights']=='own.safetensors'

def test_our_own_for_other_classes(tmp_path):
    save_file(create_model('squeezenet1_1', 3, 64).state_dict(), tmp_path/'own.safetensors')
    with pytest.raises(ValueError, match=r'own.safetensors is not of this architecture: 1.8.weight is 3x512 where the model has 4x512'):
        create_model('squeezenet1_1', 4, 64, weights=tmp_path/'own.safetensors')

@pytest.mark.parametrize('n', [3,5,1000])
@pytest.mark.parametrize('arch,source', [('squeezenet1_1',tvm.squeezenet1_1), ('shufflenet_v2_x0_5',tvm.shufflenet_v2_x0_5)])
def test_the_library_s(arch, source, n, tmp_path):
    "For any number of classes: all but the head, and that is said; where the head fits, it is taken"
    lib = source(num_classes=n)
    torch.save(lib.state_dict(), tmp_path/'w.pth')
    words,model = said(create_model, arch, 5, 64, weights=tmp_path/'w.pth')
    first = next(iter(lib.parameters()))
    assert any(torch.equal(first, o) for o in model.parameters() if o.shape==first.shape)
    kept = n==5 and model.arch['head']=='own'
    assert bool(words)==(n!=1000 and not kept) and same(lib, model)==kept
    assert all(f'w.pth: its last layer, for {n} classes, is not used' in o for o in words)

@pytest.mark.parametrize('n', [3,1000])
def test_timm_s(n, tmp_path):
    timm = pytest.importorskip('timm')
    lib = timm.create_model('vit_tiny_patch16_224', num_classes=n)
    torch.save(lib.state_dict(), tmp_path/'w.pth')
    for n_out in 5,1000:
        words,model = said(create_model, 'timm/vit_tiny_patch16_224', n_out, weights=tmp_path/'w.pth')
        assert torch.equal(model[0].model.cls_token, lib.cls_token) and bool(words)==(n==3)

@pytest.mark.parametrize('n', [3,5])
def test_timm_s_own_head(n, tmp_path):
    timm,name = pytest.importorskip('timm'),'swin_tiny_patch4_window7_224'
    lib = timm.create_model(name, num_classes=n)
    torch.save(lib.state_dict(), tmp_path/'w.pth')
    words,model = said(create_model, f'timm/{name}', 5, weights=tmp_path/'w.pth')
    assert bool(words)==(n==3) and same(lib, model)==(n==5)
    assert torch.equal(lib.patch_embed.proj.weight, model.patch_embed.proj.weight)

def test_trained_further(tmp_path):
    "A run's file, in the shell's words: looked at before the pictures are read, and used"
    how = dict(epochs=1, n_train=20, n_valid=10, bs=10, size=64, arch='squeezenet1_1', lr=1e-9)
    train_run(digits_path(), tmp_path/'a', **how)
    fn = tmp_path/'a'/'model.safetensors'
    words,b = said(train_run, digits_path(), tmp_path/'b', weights=fn, **how)
    assert not words and torch.allclose(b.model[1][8].weight, load_run(tmp_path/'a').model[1][8].weight, atol=1e-4)
    with pytest.raises(ValueError, match='model.safetensors is not of this architecture'):
        train_run(digits_path(), tmp_path/'c', weights=fn, **how | dict(arch='resnet34'))

# checkpoints

SD = cifar_resnet18(2, 2).state_dict()
def before(o, sd=SD): return {f'{o}{k}': v for k,v in sd.items()}

@pytest.mark.parametrize('saved', [dict(net=SD, epoch=3), dict(state_dict=SD, epoch=3, best=.5), dict(model=SD), dict(model_state_dict=SD),
    before('module.'), dict(state_dict=before('module.')), dict(state_dict=before('model.')), before('model.'), before('module.model.')],
    ids=['pytorch-cifar','imagenet','model','tutorial','parallel','imagenet, parallel','lightning','wrapped','both'])
def test_checkpoints(saved, tmp_path):
    torch.save(saved, tmp_path/'w.pth')
    assert same(create_model('resnet18', 2, width=2, weights=tmp_path/'w.pth'), cifar_resnet18(2, 2).load_checkpoint(tmp_path/'w.pth'))

@pytest.mark.parametrize('saved,words', [
    (dict(model=SD, opt=Adam(cifar_resnet18(2, 2).parameters(), .1).state_dict()), 'learn.save(fn, with_opt=False)'),
    (dict(weights=SD), 'no weights by name: expected a state dictionary, or one under net, state_dict, model_state_dict, model'),
    (before('model.') | {'loss.weight': torch.ones(2)}, 'it has no conv1.weight'),
    (cifar_resnet18(2, 2), 'save the state dictionary by itself')], ids=['optimizer','elsewhere','not all','module'])
def test_checkpoints_refused(saved, words, tmp_path):
    torch.save(saved, tmp_path/'w.pth')
    with pytest.raises(ValueError, match=f'w.pth .*{re.escape(words)}'): create_model('resnet18', 2, width=2, weights=tmp_path/'w.pth')
