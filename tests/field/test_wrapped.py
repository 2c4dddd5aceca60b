"Networks that were scripted, traced, exported, quantised or made under inference mode: the right map, or one clear line"
import copy
import numpy as np, pytest, torch
from torch import nn
from fieldnets import Head, Plain, conv, is_map, made, own, pics
from torch.nn.utils import prune
from cifar_cam.all import cam, logit_ledger, randomisation, road, usable_layers

def right_or_said(net, x, want):
    "The right map, or a refusal in one line that says nothing false"
    try: maps = cam(net, x)
    except (ValueError,TypeError) as e:
        said = str(e)
        assert '\n' not in said and 'did not run' not in said and 'larger' not in said, said
    else: is_map(maps, want)

def base():
    net,x = made(Plain),pics()
    return net,x,own(net, x, net.three)

@pytest.mark.filterwarnings('ignore')
def test_script():
    net,x,want = base()
    right_or_said(torch.jit.script(net), x, want)

@pytest.mark.filterwarnings('ignore')
def test_trace():
    net,x,want = base()
    right_or_said(torch.jit.trace(net, x), x, want)

@pytest.mark.filterwarnings('ignore')
def test_frozen_script():
    net,x,want = base()
    right_or_said(torch.jit.freeze(torch.jit.script(net)), x, want)

def test_export():
    net,x,want = base()
    right_or_said(torch.export.export(net, (x,)).module(), x, want)

def test_exported_program_is_no_module():
    net,x,_ = base()
    with pytest.raises(TypeError) as e: cam(torch.export.export(net, (x,)), x)
    assert '\n' not in str(e.value)

def test_fx():
    net,x,want = base()
    traced = torch.fx.symbolic_trace(net)
    right_or_said(traced, x, want)
    is_map(cam(traced, x, layers='three.1'), want)

@pytest.mark.filterwarnings('ignore')
def test_quantised():
    "Linear layers in 8 bits: the convolutions are as before, and no gradient passes the head"
    net,x,want = base()
    quantised = torch.ao.quantization.quantize_dynamic(copy.deepcopy(net), {nn.Linear}, dtype=torch.qint8)
    with pytest.raises((ValueError,TypeError)) as e: cam(quantised, x)
    said = str(e.value)
    assert '\n' not in said and 'did not run' not in said and 'larger' not in said, said

def test_made_under_inference_mode():
    with torch.inference_mode(): net = made(Plain)
    right_or_said(net, pics(), base()[2])

def test_pictures_made_under_inference_mode():
    net,_,want = base()
    with torch.inference_mode():
        x = pics()
        maps = cam(net, x)
    is_map(maps, want)

def test_under_no_grad():
    net,x,want = base()
    with torch.no_grad(): is_map(cam(net, x), want)

def test_parametrized_weights():
    "weight_norm and its kind"
    net,x,_ = base()
    torch.nn.utils.parametrizations.weight_norm(net.three[0])
    is_map(cam(net, x), own(net, x, net.three))
    assert 'three' in usable_layers(net, x)

def test_lazy_modules():
    net = nn.Sequential(nn.LazyConv2d(6, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(4)).eval()
    try: cam(net, pics())
    except (ValueError,TypeError) as e: assert '\n' not in str(e)

def test_a_model_that_raises():
    "Its own error reaches the user, with nothing left behind"
    class Fails(Plain):
        def forward(self, x): raise KeyError('mine')
    net = made(Fails).train()
    with pytest.raises(KeyError, match='mine'): cam(net, pics())
    assert net.training and not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())

class Again(Plain):
    "Computes its layers again on the way back"
    def __init__(self, reentrant):
        super().__init__()
        self.reentrant = reentrant
    def forward(self, x):
        for m in (self.one, self.two, self.three): x = torch.utils.checkpoint.checkpoint(m, x, use_reentrant=self.reentrant)
        return self.head(x)

@pytest.mark.parametrize('reentrant', [True,False])
def test_gradient_checkpointing(reentrant):
    net,x = made(Again, reentrant),pics()
    right_or_said(net, x, own(net, x, net.three) if not reentrant else None)

@pytest.mark.parametrize('name', ['resnet10t','vit_tiny_patch16_224'])
def test_gradient_checkpointing_of_timm(name):
    timm = pytest.importorskip('timm')
    net,x = timm.create_model(name, num_classes=4, **(dict(img_size=64) if 'vit' in name else {})).eval(),pics(h=64, w=64)
    want = cam(net, x)
    net = copy.deepcopy(net)
    net.set_grad_checkpointing(True)
    try: maps = cam(net, x, layers=want.layers)
    except ValueError as e: assert 'checkpointing' in str(e) or 'did not run' in str(e)   # a stage that is called block by block
    else: torch.testing.assert_close(maps[want.layers[0]], want[want.layers[0]])

@pytest.mark.parametrize('lin, word', [(lambda: nn.LazyLinear(4), 'call it once'),
                                       (lambda: nn.Linear(12, 4, device='meta'), 'load them first')], ids=['lazy','meta'])
def test_weights_that_are_not_there_yet(lin, word):
    net = made(Plain)
    net.head.lin = lin()
    with pytest.raises(ValueError, match=word): cam(net, pics())

class Reversed(torch.autograd.Function):
    "A way back of its own that needs gradients of the weights, as reversible networks have it"
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x*w
    @staticmethod
    def backward(ctx, g):
        x,w = ctx.saved_tensors
        return g*w,torch.autograd.grad((x.detach()*w).sum(), w)[0]

class Reversible(Plain):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(1))
    def features(self, x): return Reversed.apply(super().features(x), self.w)

def test_a_way_back_that_fails():
    with pytest.raises(ValueError, match='no gradient can be taken through Reversible'): cam(made(Reversible), pics())

class InferenceMode(Plain):
    @torch.inference_mode()
    def forward(self, x): return super().forward(x)

class Backbone(Plain):
    def features(self, x):
        with torch.inference_mode(): x = super().features(x)
        return x.clone()

@pytest.mark.parametrize('make', [InferenceMode,Backbone])
def test_inference_mode_inside(make):
    with pytest.raises(ValueError, match='no gradient can be taken through .* runs under `torch.inference_mode`'): cam(made(make), pics())

@pytest.mark.filterwarnings('ignore')
def test_a_part_that_is_scripted():
    net,x = made(Plain),pics()
    want = own(net, x, net.three)
    net.two = torch.jit.script(net.two)
    is_map(cam(net, x), want)
    assert usable_layers(net, x)==['one','three']
    with pytest.raises(ValueError, match="layer 'two' is compiled by torch.jit"): cam(net, x, layers='two')

@pytest.mark.filterwarnings('ignore')
def test_most_of_it_is_scripted():
    net = made(lambda: nn.Sequential(conv(3, 6), torch.jit.script(nn.Sequential(conv(6, 24), conv(24, 24))), Head(24)))
    with pytest.raises(ValueError, match='of the weights come after it'): cam(net, pics())

def test_functions_alone():
    class Functions(nn.Module):
        def __init__(self):
            super().__init__()
            self.w,self.v = nn.Parameter(torch.randn(8, 3, 3, 3)),nn.Parameter(torch.randn(8, 4))
        def forward(self, x): return nn.functional.conv2d(x, self.w).relu().mean((2,3))@self.v
    with pytest.raises(ValueError, match='functions alone'): cam(made(Functions), pics())

@pytest.mark.filterwarnings('ignore')
def test_quantised_as_a_whole():
    from torch.ao import quantization as q
    net = nn.Sequential(q.QuantStub(), made(Plain), q.DeQuantStub()).eval()
    net.qconfig = q.get_default_qconfig('fbgemm')
    net[1].head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 4))
    net = q.prepare(net)
    net(pics())
    with pytest.raises(ValueError, match='torch.quint8, through which no gradient') as e: cam(q.convert(net), pics())
    assert 'the same for every picture' not in str(e.value)

def test_first_parameter_is_no_float():
    "Such as a table of indices that is kept with the weights"
    net,x,want = base()
    net._parameters = dict(order=nn.Parameter(torch.arange(3), requires_grad=False)) | net._parameters
    assert next(net.parameters()).dtype==torch.int64
    maps = cam(net, x)
    is_map(maps, want)
    assert usable_layers(net, x)[-1]=='three' and len(road(net, x, maps.heat('three'), maps.targets)['road'])==len(x)

class Around(nn.Module):
    "A compiled network in another module, as Lightning's are"
    def __init__(self, net):
        super().__init__()
        self.net = torch.compile(net, backend='eager')
    def forward(self, x): return self.net(x)

@pytest.mark.parametrize('called', [True,False])
def test_compiled_part(called):
    "A part that was compiled, or a `forward`, whether it ran before or not"
    net,x = made(Plain),pics()
    want = cam(net, x, 1, 'two')['two']
    outer = Around(copy.deepcopy(net))
    net.forward = torch.compile(net.forward, backend='eager')
    if called: outer(x); net(x)
    for o,k in (outer,'net._orig_mod.two'),(net,'two'):
        for _ in range(2): np.testing.assert_array_equal(cam(o, x, 1, k)[k], want)
        assert k in usable_layers(o, x)

def test_made_in_inference_mode():
    "Weights that take no gradient: layers, maps and measures are those of the same weights, and flags are as before"
    net,x = made(Plain),pics()
    with torch.inference_mode():
        still = made(Plain)
    heat = np.random.default_rng(1).random((len(x),*x.shape[2:]), np.float32)
    assert usable_layers(still, x)==usable_layers(net, x)
    for k,v in road(net, x, heat, 1).items(): np.testing.assert_allclose(road(still, x, heat, 1)[k], v, atol=1e-6)
    assert all(o.requires_grad for o in still.parameters())

@pytest.mark.parametrize('dtype', [torch.bfloat16,torch.float16])
def test_ledger_of_half_precision(dtype):
    net = made(Plain).to(dtype)
    a,b = [logit_ledger(o, pics(), 1) for o in (net,copy.deepcopy(net).float())]
    np.testing.assert_allclose(a.cells, b.cells, rtol=1e-5, atol=1e-6)

@pytest.mark.parametrize('wrap', [lambda m: prune.l1_unstructured(m, 'weight', .2), nn.utils.weight_norm, nn.utils.spectral_norm,
                                  nn.utils.parametrizations.weight_norm])
def test_weights_that_others_make(wrap):
    "`randomisation` reaches the weights of which a layer makes its own, so that no map is as before"
    net = made(Plain)
    for m in net.modules():
        if isinstance(m, (nn.Conv2d,nn.Linear)): wrap(m)
    res = randomisation(net.eval(), pics(), None, 'two', 'hirescam', cascade=False).to_numpy()
    assert np.isfinite(res).all() and (res<.6).all()
