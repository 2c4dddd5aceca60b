"Layers whose gradients add up to nothing: before a softmax over places, keypoints, and norms of a channel by itself"
import pytest, torch
from torch import nn
from fieldnets import Head, Plain, conv, is_map, made, outputs, own, pics
from cifar_cam.all import cam, cam_methods, usable_layers

class Attention(Plain):
    "Attention pooling: a score for each place decides how much it counts; the values may lie far from 0"
    def __init__(self, off=0.):
        super().__init__()
        self.value,self.score,self.off = nn.Conv2d(12, 12, 1),nn.Conv2d(12, 1, 1),off
    def features(self, x):
        x = super().features(x)
        return (self.score(x).flatten(2).softmax(-1).view(-1, 1, 4, 4))*(self.value(x)+self.off)*16

class ScoreFirst(Attention):
    "The same, and the score ends last"
    def features(self, x):
        x = Plain.features(self, x)
        v = self.value(x)
        return v*self.score(x).flatten(2).softmax(-1).view(-1, 1, 4, 4)*16

class Keypoints(nn.Module):
    "Where each channel is largest, by a softmax over places"
    def __init__(self, off=0.):
        super().__init__()
        self.a,self.b,self.keys,self.head,self.off = conv(3, 8),conv(8, 12),nn.Conv2d(12, 6, 1),nn.Linear(12, 4),off
    def forward(self, x):
        p,at = self.keys(self.b(self.a(x))).flatten(2).softmax(-1).view(-1, 6, 8, 8),torch.linspace(-1, 1, 8)
        return self.head(torch.cat([p.sum(3)@at, p.sum(2)@at], 1))+self.off

class Normed(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.a,self.c,self.norm,self.head = conv(3, 8),nn.Conv2d(8, 12, 3, 2, 1),norm,Head(12)
    def forward(self, x): return self.head(self.norm(self.c(self.a(x))).relu())

class PreActivation(nn.Module):
    "All that its blocks add up to is normed at the end"
    def __init__(self):
        super().__init__()
        self.stem,self.b1,self.b2 = conv(3, 8),*[nn.Sequential(nn.InstanceNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 1)) for _ in range(2)]
        self.norm,self.head = nn.InstanceNorm2d(8, affine=True),Head(8)
    def forward(self, x):
        x = self.stem(x)
        x = x+self.b1(x)
        return self.head(self.norm(x+self.b2(x)).relu())

CASES = [(made(Attention), 'score'), (made(Attention, 100.), 'score'), (made(ScoreFirst), 'score'), (made(Keypoints), 'keys'),
         (made(Keypoints, 1000.), 'keys'), (made(Normed, nn.InstanceNorm2d(12)), 'c'), (made(Normed, nn.GroupNorm(12, 12)), 'c'),
         (made(PreActivation), 'stem'), (made(PreActivation), 'b2')]

@pytest.mark.parametrize('net, layer', CASES)
@pytest.mark.parametrize('method', ['gradcam','finercam','shapleycam'])
def test_rounding_is_no_map(net, layer, method):
    assert layer not in usable_layers(net, pics()) and cam(net, pics()).layers!=[layer]
    with pytest.raises(ValueError, match=f"layer '{layer}' has gradients that add up to nothing.*hirescam"):
        cam(net, pics(), layers=layer, method=method)

@pytest.mark.parametrize('net, layer', CASES)
def test_other_methods_have_something_to_show(net, layer):
    x = pics()
    logits,outs = outputs(net, x, net.get_submodule(layer))
    g, = torch.autograd.grad(logits.max(1).values.sum(), outs)
    is_map(cam(net, x, layers=layer, method='hirescam'), (g*outs[0].detach()).sum(1))

@pytest.mark.parametrize('net, layer', [
    (made(Attention), 'value'), (made(Normed, nn.GroupNorm(12, 12)), 'norm'), (made(Normed, nn.BatchNorm2d(12)), 'c'),
    (made(Normed, nn.GroupNorm(1, 12)), 'c'), (made(Normed, nn.InstanceNorm2d(12)), 'a'), (made(Plain), 'one')])
def test_a_small_mean_is_one(net, layer):
    x = pics()
    is_map(cam(net, x, layers=layer), own(net, x, net.get_submodule(layer)))

def test_the_layer_is_one_that_has_a_mean():
    assert cam(made(ScoreFirst), pics()).layers==['value']
    assert cam(made(Normed, nn.InstanceNorm2d(12, affine=True)), pics()).layers==['norm']

class Alone(nn.Module):
    def __init__(self):
        super().__init__()
        self.keys,self.head = nn.Conv2d(3, 8, 3, 4),nn.Linear(8*64, 3)
    def forward(self, x): return self.head(self.keys(x).flatten(2).softmax(-1).flatten(1))

def test_no_other_layer():
    with pytest.raises(ValueError, match="'keys' has gradients that add up to nothing.*hirescam"): cam(made(Alone), pics())
    assert 'ok' in cam(made(Alone), pics(), layers='keys', method='hirescam').status['keys']

def test_sums_of_nothing():
    "XGrad-CAM divides by the sum of a channel"
    net = made(Normed, nn.InstanceNorm2d(12))
    with pytest.raises(ValueError, match="sum of a channel, which is 0 at layer 'norm'"): cam(net, pics(), layers='norm', method='xgradcam')
    assert set(cam(made(Plain), pics(), method='xgradcam').status['three'])=={'ok'}

class Together(nn.Module):
    "Statistics of the pictures that come together: of a single one, no mean is left"
    def __init__(self):
        super().__init__()
        self.c,self.norm,self.head = nn.Conv2d(3, 8, 3, 2, 1),nn.BatchNorm2d(8, track_running_stats=False),Head(8)
    def forward(self, x): return self.head(self.norm(self.c(x)).relu())

@pytest.mark.filterwarnings('ignore:.*mixes the pictures')
def test_a_single_picture():
    net = made(Together)
    assert set(cam(net, pics(1), layers='c').status['c'])=={'no positive evidence'}
    assert 'ok' in cam(net, pics(4), layers='c').status['c']

@pytest.mark.parametrize('method', cam_methods().index)
def test_ordinary_maps_stay(method):
    "No floor swallows what is there"
    maps = cam(made(Plain), pics(4), method=method)
    assert set(maps.status[maps.layers[0]])<={'ok','no positive evidence'} and 'ok' in maps.status[maps.layers[0]]
