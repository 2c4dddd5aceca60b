"Networks that take pictures of a range, draw random numbers once a call, or switch gradients off in a part"
import pytest, torch
from torch import nn
from torch.nn import functional as F
from fieldnets import Plain, is_map, made, own, pics
from cifar_cam.all import cam, stages, usable_layers

class First(Plain):
    def __init__(self, f):
        super().__init__()
        self.f = f
    def forward(self, x): return super().forward(self.f(x))

def checked(x):
    assert 0<=x.min() and x.max()<=1
    return x

RANGES = dict(gamma=lambda x: x**2.2, root=torch.sqrt, logarithm=lambda x: (x+1e-3).log(), checked=checked,
              logit=lambda x: x.clamp(1e-4, 1-1e-4).logit())
PICTURES = dict(any=torch.rand(2, 3, 32, 32), grey=torch.full((2,3,32,32), .5), light=torch.rand(2, 3, 32, 32)*.01+.99)

@pytest.mark.parametrize('f', RANGES.values(), ids=RANGES)
@pytest.mark.parametrize('x', PICTURES.values(), ids=PICTURES)
def test_pictures_from_0_to_1(f, x):
    net = made(First, f)
    assert usable_layers(net, x)==['one','two','three']
    is_map(cam(net, x, layers='two'), own(net, x, net.two))

class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch,self.lin = nn.Conv2d(3, 16, 4, 4),nn.Linear(16, 4)
        self.enc = nn.Sequential(*[nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.) for _ in range(2)])
    def forward(self, x): return self.lin(self.enc(self.patch(x**2.2).flatten(2).transpose(1, 2)).mean(1))

def test_tokens_of_pictures_from_0_to_1(): assert cam(made(Tokens), torch.rand(2, 3, 32, 32)).layers==['enc']

class Once(Plain):
    "One noise for all pictures of a call"
    def forward(self, x): return super().forward(x+torch.randn(1, *x.shape[1:]))

class Resized(Plain):
    "Random resizing (Xie et al. 2018)"
    def forward(self, x): return super().forward(F.interpolate(x, size=[int(torch.randint(24, 64, ()))]*2))

@pytest.mark.parametrize('cls', [Once,Resized])
def test_random_once_a_call(cls):
    with pytest.warns(UserWarning, match='other logits for the same picture'): maps = cam(made(cls), pics(), 1, 'three')
    assert maps.note=='of one random pass'

class Half(Plain):
    "Two stages that are not trained"
    def forward(self, x):
        with torch.no_grad(): x = self.two(self.one(x))
        return self.head(self.three(x))

def test_a_part_without_gradients():
    net = made(Half)
    assert usable_layers(net, pics())==list(stages(net, pics()))==['three']
    is_map(cam(net, pics()), own(net, pics(), net.three))

class Doubles(Plain):
    def forward(self, x): return super().forward(x.double())

class DoubleHead(Plain):
    def __init__(self):
        super().__init__()
        self.head.double()
    def forward(self, x): return self.head(self.features(x).double())

@pytest.mark.parametrize('net', [made(Doubles).double(), made(DoubleHead)], ids=['all','head'])
def test_casts_to_double(net):
    net(pics())
    with pytest.raises(ValueError, match='double precision meets float32, as if `forward` casts'): cam(net, pics())

class Weightless(nn.Module):
    def __init__(self):
        super().__init__()
        self.pool = nn.AvgPool2d(4)
    def forward(self, x):
        p = self.pool(x)
        return torch.stack([p.mean((1,2,3)),p.amax((1,2,3))], 1)

def test_weights_that_are_not_there():
    with torch.device('meta'): net = Plain()
    for f in cam,usable_layers,stages:
        with pytest.raises(ValueError, match='load them first'): f(net, pics())
    with pytest.raises(ValueError, match='has no weights'): cam(Weightless(), pics())

class Ordinal(Plain):
    "Proportional odds: differences of sigmoids"
    def __init__(self):
        super().__init__(1)
        self.cut = nn.Parameter(torch.tensor([2.,1,0,-1]))
    def forward(self, x):
        c,one = torch.sigmoid(super().forward(x)+self.cut),torch.ones(len(x), 1)
        c = torch.cat([one,c,0*one], 1)
        return c[:,:-1]-c[:,1:]

def test_no_softmax_is_claimed():
    with pytest.warns(UserWarning, match='gives numbers that add up to 1'): maps = cam(made(Ordinal), pics())
    assert 'softmax' not in maps.note
