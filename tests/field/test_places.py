"Networks that mirror, turn, cut, pad or enlarge the picture before they go on: never a map whose places are other places"
import pytest, torch
from torch import nn
from torch.nn.functional import pad
from torchvision.models import SwinTransformer
from torchvision.transforms import Resize
from torchvision.transforms._presets import ImageClassification
from fieldnets import Head, Plain, conv, is_map, made, own, pics
from cifar_cam.all import cam, cifar_resnet18, usable_layers

class Before(nn.Module):
    "Something is done to the picture first"
    def __init__(self, f, net=Plain):
        super().__init__()
        self.net,self.f = net(),f
    def forward(self, x): return self.net(self.f(x))

class Beside(nn.Module):
    "Two views of the picture, each with its own layers; their logits are added"
    def __init__(self, f):
        super().__init__()
        self.a,self.b,self.f = Plain(),Plain(),f
    def forward(self, x): return self.a(x)+self.b(self.f(x))

def refused(net, x, word, **kw):
    with pytest.raises(ValueError) as e: cam(net, x, **kw)
    assert word in str(e.value) and '\n' not in str(e.value), e.value

@pytest.mark.parametrize('f, word', [(lambda x: x.flip(3), 'mirrored'), (lambda x: x.flip(2), 'mirrored'),
                                     (lambda x: x.rot90(2, (2,3)), 'mirrored'),
                                     (lambda x: x.transpose(2,3), 'turned'), (lambda x: x.rot90(1, (2,3)), 'turned')],
                         ids=['left for right', 'upside down', 'half a turn', 'rows for columns', 'a quarter'])
@pytest.mark.parametrize('make', [Before, Beside])
def test_mirrored_or_turned(make, f, word):
    net,x = made(make, f),pics(h=64, w=64)
    refused(net, x, word)
    if make is Beside: is_map(cam(net, x, layers='a.three'), own(net, x, net.a.three))

def test_mirrored_and_put_right_by_reshape():
    net,x = made(Before, lambda x: x.flip(3)),pics()
    back = lambda t: t.flip(3)
    is_map(cam(net, x, layers='net.three', reshape=back), own(net, x, net.net.three, cells=back))

def test_turned_within():
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem,self.mix,self.head = nn.Sequential(conv(3, 8), conv(8, 16)),nn.Conv2d(16, 16, 1),Head(16)
        def forward(self, x): return self.head(self.mix(self.stem(x).transpose(2,3)).relu())
    net,x = made(Turned),pics()
    refused(net, x, 'turned')
    is_map(cam(net, x, layers='stem'), own(net, x, net.stem))

@pytest.mark.parametrize('h,w', [(64,96),(96,64),(64,64)])
def test_cut_by_a_preset(h, w):
    net = nn.Sequential(ImageClassification(crop_size=56, resize_size=64), made(Plain)).eval()
    x = torch.rand(2, 3, h, w)
    refused(net, x, 'edges')
    with pytest.raises(ValueError, match='edges') as e: cam(net, x, layers='1.two')
    assert 'the last layer that can be used' not in str(e.value)   # none can
    y = net[0](x)
    is_map(cam(net[1], y), own(net[1], y, net[1].three))   # as the sentence says

@pytest.mark.parametrize('f', [lambda x: x[...,16:48,16:48], lambda x: x[...,:-8,:], lambda x: x[...,:40], lambda x: x[...,3:]],
                         ids=['middle', 'last rows', 'five eighths', 'first columns'])
def test_a_view_of_a_part(f): refused(made(Beside, f), pics(h=64, w=64), 'edges')

@pytest.mark.parametrize('p', [(0,0,0,24), (0,0,12,12), (40,0,0,0)], ids=['below', 'letterbox', 'left'])
def test_padded(p): refused(made(Before, lambda x: pad(x, p)), pics(h=40, w=64), 'pads')

@pytest.mark.parametrize('h,w', [(64,128),(48,32),(33,47),(30,31)])
def test_resized_as_a_whole(h, w):
    net,x = made(Before, Resize((64,64))),pics(h=h, w=w)
    is_map(cam(net, x), own(net, x, net.net.three))

def test_resized_before_a_swin():
    "16 x 16 x 32, channels last, for pictures of 64x128: it has the shape of 16 channels of 16x32 cells"
    swin = lambda: SwinTransformer(patch_size=[4,4], embed_dim=32, depths=[1,1], num_heads=[2,2], window_size=[4,4], num_classes=4)
    net,x = made(Before, Resize((64,64)), swin),pics(h=64, w=128)
    layer = 'net.features.1'
    is_map(cam(net, x, layers=layer), own(net, x, net.get_submodule(layer), cells=lambda t: t.permute(0,3,1,2)))

@pytest.mark.parametrize('stem', [nn.Conv2d(3, 8, 3, 2), nn.Conv2d(3, 8, 7, 7), nn.Conv2d(3, 8, 1, 4), nn.Conv2d(3, 8, 3, 2, 2),
                                  nn.Sequential(nn.ZeroPad2d(3), nn.Conv2d(3, 8, 7, 2))],
                         ids=['cut off', 'patches', 'every fourth', 'edge', 'padded first'])
@pytest.mark.parametrize('h,w', [(32,32),(61,90),(20,20)])
def test_what_strides_and_edges_leave_is_no_cut(stem, h, w):
    net,x = made(lambda: nn.Sequential(stem, nn.ReLU(), nn.Conv2d(8, 12, 3, 1, 1), nn.ReLU(), Head(12))),pics(h=h, w=w)
    is_map(cam(net, x), own(net, x, net[3]))

@pytest.mark.parametrize('size', [16,24,32,48])
def test_few_cells_may_answer_as_they_like(size):
    for seed in range(3):
        net = made(lambda: cifar_resnet18(4, width=8), seed=seed)
        assert cam(net, pics(h=size, w=size, seed=seed)).layers==['layer4']
        assert len(usable_layers(net, pics(h=size, w=size, seed=seed)))==5

class FirstMoved(Beside):
    "The view that is changed runs first"
    def forward(self, x): return self.b(self.f(x))+self.a(x)

AROUND = dict(mirrored=lambda x: pad(x, (16,16,16,16), mode='reflect'), right=lambda x: pad(x, (0,24,0,24), mode='reflect'),
              repeated=lambda x: pad(x, (0,24,0,0), mode='replicate'), globe=lambda x: pad(x, (8,8,8,8), mode='circular'),
              rolled=lambda x: x.roll((16,16), (2,3)), spectrum=lambda x: torch.fft.fft2(x).abs().log1p())

@pytest.mark.parametrize('f', AROUND.values(), ids=AROUND)
@pytest.mark.parametrize('side', [32,64])
def test_rolled_or_padded_by_what_is_in_it(f, side):
    x = pics(h=side, w=side)
    net = made(Before, f)
    with pytest.raises(ValueError, match='lies elsewhere|do not answer where|mirrored|turned'): cam(net, x)
    for cls in Beside,FirstMoved:
        two = made(cls, f)
        is_map(cam(two, x, layers='a.three'), own(two, x, two.a.three))

@pytest.mark.parametrize('size', [(32,32), (28,28), (32,64), (96,64), (16,16)])
@pytest.mark.parametrize('k, stride, padding, dilation', [(3,1,1,1), (3,1,0,1), (7,2,3,1), (5,1,2,1), (4,4,0,1), (3,1,3,3), (7,1,9,3),
                                                          (3,1,'same',1), (11,4,2,1)])
def test_ordinary_stems_are_none_of_these(size, k, stride, padding, dilation):
    class Own(Plain):
        def __init__(self):
            super().__init__()
            self.one = nn.Sequential(nn.Conv2d(3, 6, k, stride, padding, dilation), nn.ReLU())
    its,x = made(Own),pics(h=size[0], w=size[1])
    is_map(cam(its, x, layers='one'), own(its, x, its.one))

class Gram(nn.Module):
    "Second-order pooling: a square of channels by channels, in the place of a picture of one channel"
    def forward(self, f): return (f.flatten(2)@f.flatten(2).transpose(1, 2)/f[0,0].numel())[:,None]

class SecondOrder(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.body,self.cov,self.lin = nn.Sequential(conv(3, 8), conv(8, d)),Gram(),nn.Linear(d*d, 4)
    def forward(self, x): return self.lin(self.cov(self.body(x)).flatten(1))

@pytest.mark.parametrize('seed', range(6))
def test_a_square_of_channels_is_no_picture(seed):
    net,x = made(SecondOrder, seed=seed),pics()
    assert 'cov' not in usable_layers(net, x)
    is_map(cam(net, x), own(net, x, net.body))
    refused(net, x, 'do not answer where the picture changes', layers='cov')
