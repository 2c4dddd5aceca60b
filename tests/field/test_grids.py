"Which axes are places, and in which order: found by what they do, or asked for"
import pytest, torch
from torch import nn
from fieldnets import Head, conv, is_map, made, own, pics
from fastcore.test import expect_fail
from cifar_cam.all import cam, usable_layers

class Tokens(nn.Module):
    "Patches as tokens, in an order that `lay` gives them, mixed by a layer that keeps it; the mean of all is classified"
    def __init__(self, lay, nf=16, patch=4, prefix=0):
        super().__init__()
        self.patch,self.lay,self.norm,self.out = nn.Conv2d(3, nf, patch, patch),lay,nn.Linear(nf, nf),nn.Linear(nf, 4)
        self.cls = nn.Parameter(torch.randn(1, prefix, nf))
    def forward(self, x):
        t = torch.cat([self.cls.expand(len(x), -1, -1), self.lay(self.patch(x))], 1)
        return self.out(self.norm(t).relu().mean(1))

def raster(o): return o.flatten(2).transpose(1,2)
def columns(o): return o.transpose(2,3).flatten(2).transpose(1,2)
def blocks(o): return o.unflatten(2, (-1,2)).unflatten(4, (-1,2)).permute(0,2,4,3,5,1).flatten(1, 4)   # 2x2 cells after one another

def from_raster(h, w): return lambda t: t.transpose(1,2).unflatten(2, (h,w))
def from_columns(h, w): return lambda t: t.transpose(1,2).unflatten(2, (w,h)).transpose(2,3)
def from_blocks(h, w): return lambda t: t.unflatten(1, (h//2,w//2,2,2)).permute(0,5,1,3,2,4).flatten(4, 5).flatten(2, 3)

def right_or_asked(net, x, layer, back):
    "The right map, or a refusal that asks for `reshape`; with it the right map"
    want = own(net, x, layer, cells=back)
    try: maps = cam(net, x, layers=layer)
    except ValueError as e: assert 'reshape' in str(e) and '\n' not in str(e)
    else: is_map(maps, want)
    is_map(cam(net, x, layers=layer, reshape=back), want)

@pytest.mark.parametrize('h,w', [(32,32),(32,64),(48,32)])
@pytest.mark.parametrize('lay,back', [(raster,from_raster),(columns,from_columns),(blocks,from_blocks)], ids=['raster','columns','blocks'])
def test_order_of_tokens(lay, back, h, w):
    net,x = made(Tokens, lay),pics(h=h, w=w)
    right_or_asked(net, x, net.norm, back(h//4, w//4))

@pytest.mark.parametrize('h,w', [(32,32),(32,64)])
def test_raster_needs_no_help(h, w):
    net,x = made(Tokens, raster),pics(h=h, w=w)
    is_map(cam(net, x), own(net, x, net.norm, cells=from_raster(h//4, w//4)))

@pytest.mark.parametrize('prefix', [1,5])
def test_tokens_before_the_places(prefix):
    net,x = made(Tokens, raster, prefix=prefix),pics()
    is_map(cam(net, x, layers='norm'), own(net, x, net.norm, cells=lambda t: from_raster(8, 8)(t[:,prefix:])))

def test_tokens_after_the_places():
    class Last(Tokens):
        "The extra token stands at the end"
        def forward(self, x):
            tokens = torch.cat([raster(self.patch(x)), self.cls.expand(len(x), -1, -1)], 1)
            return self.out(self.norm(tokens).relu().mean(1))
    net,x = made(Last, raster, prefix=1),pics()
    right_or_asked(net, x, net.norm, lambda t: from_raster(8, 8)(t[:,:-1]))

def test_channels_before_tokens():
    "256 x 64 is 8x8 places of 256 channels here, and could be 16x16 of 64"
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem,self.mix,self.out = nn.Conv2d(3, 256, 4, 4),nn.Conv1d(256, 256, 1),nn.Linear(256, 4)
        def forward(self, x): return self.out(self.mix(self.stem(x).flatten(2)).relu().mean(2))
    net,x = made(Flat),pics()
    right_or_asked(net, x, net.mix, lambda t: t.unflatten(2, (8,8)))

@pytest.mark.parametrize('h,w', [(32,32),(64,64),(32,64)])
def test_channels_last(h, w):
    "Eight channels stand beside 8 or 16 places; only what they do tells them apart"
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem,self.mix,self.out = nn.Conv2d(3, 8, 4, 4),nn.Linear(8, 8),nn.Linear(8, 4)
        def forward(self, x): return self.out(self.mix(self.stem(x).permute(0,2,3,1)).relu().mean((1,2)))
    net,x = made(Last),pics(h=h, w=w)
    right_or_asked(net, x, net.mix, lambda t: t.permute(0,3,1,2))

@pytest.mark.parametrize('h,w', [(32,32),(32,64)])
def test_channels_as_many_as_places(h, w):
    "Channels first, as many as there are rows: plain NCHW stays plain"
    net,x = made(nn.Sequential, conv(3, 6), conv(6, 8), Head(8)),pics(h=h, w=w)
    is_map(cam(net, x), own(net, x, net[1]))

def test_width_before_height():
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem,self.mix,self.head = nn.Conv2d(3, 8, 4, 4),nn.Conv2d(8, 8, 1),Head(8)
        def forward(self, x): return self.head(self.mix(self.stem(x).transpose(2,3)).relu())
    net,x = made(Turned),pics()
    right_or_asked(net, x, net.mix, lambda t: t.transpose(2,3))

def test_grid_in_blocks_of_five_axes():
    "nest: n x blocks x tokens x channels"
    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem,self.mix,self.out = nn.Conv2d(3, 16, 4, 4),nn.Linear(16, 16),nn.Linear(16, 4)
        def forward(self, x): return self.out(self.mix(blocks(self.stem(x)).unflatten(1, (16,4))).relu().mean((1,2)))
    net,x = made(Nested),pics()
    right_or_asked(net, x, net.mix, lambda t: from_blocks(8, 8)(t.flatten(1, 2)))

def test_the_check_is_of_this_size():
    "One size after another: a grid that is remembered is that of the size"
    net = made(Tokens, raster)
    for h,w in ((32,32),(64,16),(16,64),(32,32)):
        x = pics(h=h, w=w)
        is_map(cam(net, x, layers='norm'), own(net, x, net.norm, cells=from_raster(h//4, w//4)))

def test_grid_of_one_pixel_a_cell():
    net,x = made(nn.Sequential, conv(3, 6, 1), conv(6, 8, 1), Head(8)),pics(h=6, w=10)
    is_map(cam(net, x), own(net, x, net[1]))

class Attention(nn.Module):
    "Tokens that look at one another with several heads, the weights being put out by a module, as Hugging Face's PVT does"
    def __init__(self):
        super().__init__()
        self.stem,self.qk,self.value = nn.Conv2d(3, 16, 8, 8),nn.Linear(16, 32),nn.Linear(16, 16)
        self.weights,self.head = nn.Softmax(-1),nn.Linear(16, 4)
    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1,2)
        v = self.value(x)
        q,k = self.qk(x).unflatten(2, (2,8,2)).unbind(-1)
        a = self.weights(q.transpose(1,2)@k.permute(0,2,3,1)*9)
        return self.head((a@v.unflatten(2, (2,8)).transpose(1,2)).transpose(1,2).flatten(2).mean(1))

def test_weights_of_an_attention_are_no_picture():
    "n x heads x 16 x 16 has the shape of a grid"
    net = made(Attention)
    assert usable_layers(net, pics())[-1]=='qk' and 'weights' not in usable_layers(net, pics())
    with expect_fail(ValueError, contains='its cells do not answer where the picture changes'): cam(net, pics(), 0, 'weights')

class Slots(nn.Module):
    "Learned queries that gather from all places, as in a Perceiver: in no order, and nowhere"
    def __init__(self, k, d=16):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, d, 3, 2, 1), nn.ReLU(), nn.Conv2d(d, d, 3, 2, 1), nn.ReLU())
        self.q,self.pos = nn.Parameter(torch.randn(1, k, d)),nn.Parameter(torch.randn(1, 64, d))
        self.att,self.norm,self.lin = nn.MultiheadAttention(d, 2, batch_first=True),nn.LayerNorm(d),nn.Linear(d, 4)
        self.blocks = nn.Sequential(*[nn.TransformerEncoderLayer(d, 2, 2*d, batch_first=True, dropout=0.) for _ in range(2)])
    def forward(self, x):
        f = self.stem(x).flatten(2).transpose(1, 2)+self.pos
        return self.lin(self.norm(self.blocks(self.att(self.q.expand(len(x), -1, -1), f, f)[0])).mean(1))

@pytest.mark.parametrize('k', [4,6,8,9,16])
@pytest.mark.parametrize('seed', range(4))
def test_slots_have_no_places(k, seed):
    net,x = made(Slots, k, seed=seed),pics()
    with pytest.raises(ValueError, match='do not answer where'): cam(net, x, layers='norm')
    with pytest.raises(ValueError, match='% of the weights come after it'): cam(net, x)

@pytest.mark.parametrize('patch, before', [(16,1), (16,0), (8,1), (8,0), (8,4)])
def test_few_tokens_that_have_places(patch, before):
    "2x2 or 4x4, behind a class token and registers or none"
    class Tokens(nn.Module):
        def __init__(self, d=16):
            super().__init__()
            self.patch,self.first = nn.Conv2d(3, d, patch, patch),nn.Parameter(torch.randn(1, before, d))
            self.enc,self.lin = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, d), nn.GELU(), nn.Linear(d, d)),nn.Linear(d, 4)
        def forward(self, x):
            f = self.patch(x).flatten(2).transpose(1, 2)
            return self.lin(self.enc(torch.cat([self.first.expand(len(x), -1, -1), f], 1)).mean(1))
    net,x,n = made(Tokens),pics(),32//patch
    is_map(cam(net, x, layers='enc'), own(net, x, net.enc, cells=lambda t: t[:,before:].transpose(1, 2).unflatten(2, (n,n))))

class Spectrum(nn.Module):
    def forward(self, x): return torch.fft.rfft2(x)

class OfSpectrum(nn.Module):
    def forward(self, x): return torch.fft.irfft2(x)

def test_complex_numbers_are_no_map():
    "Gradient goes through them, and the layers around have their maps"
    torch.manual_seed(1)
    head = nn.AdaptiveAvgPool2d(1),nn.Flatten(),nn.Linear(8, 4)
    body = nn.Conv2d(3, 8, 3, padding=1),nn.ReLU(),Spectrum(),OfSpectrum(),nn.Conv2d(8, 8, 3, 2, 1),nn.ReLU()
    net = nn.Sequential(*body, *head).eval()
    assert usable_layers(net, pics())==['0','4','5']
    with pytest.raises(ValueError, match="layer '2' gives torch.complex64, which a map of real"): cam(net, pics(), layers='2')
    is_map(cam(net, pics(), layers='0'), own(net, pics(), net[0]))
