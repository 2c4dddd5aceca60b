"Weights to begin with, as people have them: networks of this project's own, the library's for other classes, and usual checkpoints"
import json, re, warnings

import pytest, torch
from fastai.optimizer import Adam
from safetensors.torch import save_file
from torchvision import models as tvm
from cifar_cam.all import cifar_resnet18, create_model, digits_path, load_run, model_from_arch, train_run

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

FILES = dict(compiled=before('_orig_mod.'), both=before('module._orig_mod.'), lightning=dict(state_dict=before('net.')),
    averaged=before('module.') | dict(n_averaged=torch.tensor(3)), old={k: v for k,v in SD.items() if 'num_batches' not in k})

@pytest.mark.parametrize('name', ['w.pth','w.safetensors','w.SAFETENSORS','w.bin'])
@pytest.mark.parametrize('kind', FILES)
def test_what_a_network_was_wrapped_in(kind, name, tmp_path):
    "Whatever stands before all names is none of the network's own, in files of both kinds, by any name; counters may be missing"
    if name=='w.pth': torch.save(FILES[kind], tmp_path/name)
    else: save_file({k: v.clone() for k,v in FILES[kind].get('state_dict', FILES[kind]).items()}, tmp_path/name)
    for model in create_model('resnet18', 2, width=2, weights=tmp_path/name), cifar_resnet18(2, 2).load_checkpoint(tmp_path/name):
        its = model.state_dict()
        assert its.keys()==SD.keys() and all(torch.equal(its[k], v) for k,v in SD.items())

def test_weights_that_are_no_numbers(tmp_path):
    "Said before anything is trained"
    save_file(SD | {'bn1.bias': torch.full((2,), float('nan'))}, tmp_path/'w.safetensors')
    with pytest.raises(ValueError, match='weights: bn1.bias in .*w.safetensors has places that are no numbers'):
        train_run('digits', tmp_path/'run', width=2, weights=tmp_path/'w.safetensors')
    assert not (tmp_path/'run').exists()

def published(arch):
    "A network of torchvision's, and its weights by the names that the library's file has"
    model = tvm.get_model_builder(arch)(**dict(init_weights=False) if arch=='googlenet' else {})
    old = {re.sub(r'(denselayer\d+\.(?:norm|conv))([12])', r'\1.\2', k): v for k,v in model.state_dict().items()}
    return model.eval(),{k: v for k,v in old.items() if 'num_batches' not in k}

@pytest.mark.parametrize('arch', ['googlenet','densenet121','resnet18'])
def test_files_as_torchvision_publishes_them(arch, tmp_path):
    "With second heads, names of an older torch, and no counters: they are what `--pretrained` fetches, and what one is told to give"
    lib,sd = published(arch)
    torch.save(sd, tmp_path/'w.pth')
    words,model = said(create_model, f'torchvision/{arch}', 3, 64, weights=tmp_path/'w.pth')
    x,last = torch.rand(2, 3, 64, 64),dict(googlenet='inception5b').get(arch)
    if last: assert torch.equal(dict(lib.named_modules())[last].branch1.conv.weight, model.inception5b.branch1.conv.weight)
    else:
        body = lib.features if arch!='resnet18' else torch.nn.Sequential(*list(lib.children())[:-2])
        with torch.no_grad(): theirs,its = body(x),model.eval()[0](x)
        assert not words and torch.allclose(theirs, its)

@pytest.mark.parametrize('arch', ['googlenet','inception_v3'])
def test_a_network_that_scales_its_pictures(arch, tmp_path, monkeypatch):
    "GoogLeNet and Inception with the library's weights do; a network that is made again does as the one it is made from"
    size,make = 75 if arch=='inception_v3' else 32,getattr(tvm, arch)
    sd = make(init_weights=False, aux_logits=True).state_dict()
    monkeypatch.setattr(type(tvm.get_model_weights(arch).DEFAULT), 'get_state_dict', lambda *args, **kwargs: sd)
    torch.save(sd, tmp_path/'w.pth')
    x = torch.randn(2, 3, size, size)
    def out(model):
        with torch.no_grad(): return model.eval()(x)
    for k,want in (dict(pretrained=True),True),(dict(weights=tmp_path/'w.pth'),True),({},False):
        model = create_model(arch, 3, size, **k)
        again = model_from_arch(model.arch)
        again.load_state_dict(model.state_dict())
        assert (model.transform_input,again.transform_input)==(want,want) and torch.equal(out(model), out(again))
        about = dict(arch={a: b for a,b in model.arch.items() if a!='transform_input'}, stats=None)   # as runs were kept before
        save_file(model.state_dict(), tmp_path/'own.safetensors', dict(about=json.dumps(about)))
        if 'weights' not in k: assert create_model(arch, 3, size, weights=tmp_path/'own.safetensors').transform_input==want

def test_a_network_that_asks_for_a_version(tmp_path):
    "As MNASNet does of weights, which a file of safetensors can't say"
    model = create_model('mnasnet0_5', 3, 64)
    save_file(model.state_dict(), tmp_path/'own.safetensors')
    assert same(model, create_model('mnasnet0_5', 3, 64, weights=tmp_path/'own.safetensors'))

def test_smaller_pictures_for_a_fixed_network(tmp_path):
    "A recipe that begins with small pictures, and a network that takes one size alone: told before anything is read"
    pytest.importorskip('timm')
    msg = 'the recipe trains with pictures of 16x16, too, which timm/vit_tiny_patch16_224 does not take: give a recipe of one size'
    with pytest.raises(ValueError, match=msg):
        train_run(tmp_path/'nothing here', tmp_path/'run', 'fast', epochs=3, arch='timm/vit_tiny_patch16_224', size=32)
    assert not (tmp_path/'run').exists()
