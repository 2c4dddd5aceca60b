"The layer that `cam` takes by itself is the last that ran with places, for networks that are written as people write them"
import pytest, torch
from torch import nn
from fastcore.test import expect_fail
from fieldnets import Head, conv, is_map, made, own, pics
from cifar_cam.all import cam, cifar_resnet18, usable_layers

class Listed(nn.Module):
    "A stem, and stages in a container that never runs itself"
    def __init__(self, make=nn.ModuleList):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 4, 4)
        self.stages,self.head = make([conv(6, 8), conv(8, 12, 1)]),Head(12)
    def forward(self, x):
        x = self.stem(x)
        for o in self.stages: x = o(x)
        return self.head(x)

def test_module_list():
    net,x = made(Listed),pics()
    maps = cam(net, x)
    assert maps.layers[0].startswith('stages.1')
    is_map(maps, own(net, x, net.stages[1]))
    assert {'stages.0', 'stages.1'} <= set(usable_layers(net, x))

def test_module_dict():
    class Keyed(Listed):
        def __init__(self): super().__init__(lambda ms: nn.ModuleDict(dict(a=ms[0], b=ms[1])))
        def forward(self, x): return self.head(self.stages['b'](self.stages['a'](self.stem(x))))
    net,x = made(Keyed),pics()
    is_map(cam(net, x), own(net, x, net.stages['b']))

class Wrapped(nn.Module):
    "A stage that gives more than a tensor"
    def __init__(self, ni, nf, wrap):
        super().__init__()
        self.body,self.wrap = conv(ni, nf),wrap
    def forward(self, x): return self.wrap(self.body(x))

@pytest.mark.parametrize('wrap,get', [(lambda x: (x,None), lambda o: o[0]), (lambda x: dict(x=x, size=3), lambda o: o['x']),
                                      (lambda x: [x,x.mean()], lambda o: o[0])],
                         ids=['tuple', 'dict', 'list'])
def test_stages_that_wrap(wrap, get):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem,self.a,self.b,self.head = conv(3, 6),Wrapped(6, 8, wrap),Wrapped(8, 12, wrap),Head(12)
        def forward(self, x): return self.head(get(self.b(get(self.a(self.stem(x))))))
    net,x = made(Net),pics()
    is_map(cam(net, x), own(net, x, net.b.body))

def test_shared_backbone_and_a_layer_after():
    class Pair(nn.Module):
        "The picture and its mirror image through one backbone, then one layer for both"
        def __init__(self):
            super().__init__()
            self.backbone = nn.Sequential(conv(3, 6), conv(6, 8))
            self.fuse,self.head = nn.Conv2d(16, 12, 1),Head(12)
        def forward(self, x): return self.head(self.fuse(torch.cat([self.backbone(x), self.backbone(x.flip(3)).flip(3)], 1)))
    net,x = made(Pair),pics()
    is_map(cam(net, x), own(net, x, net.fuse))

def test_shared_backbone_and_nothing_after():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone,self.head = nn.Sequential(conv(3, 6), conv(6, 8)),Head(8)
        def forward(self, x): return self.head(self.backbone(x)+self.backbone(x.flip(3)))
    with pytest.raises(ValueError, match='(?i)more than once|twice') as e: cam(made(Pair), pics())
    assert 'larger' not in str(e.value)

def test_block_run_again_is_not_passed_over_for_the_stem():
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem,self.block,self.head = conv(3, 8),conv(8, 8),Head(8)
        def forward(self, x): return self.head(self.block(self.block(self.stem(x))))
    net,x = made(Loop),pics()
    try: maps = cam(net, x)
    except ValueError as e: assert 'more than once' in str(e) or 'twice' in str(e)
    else: is_map(maps, own(net, x, net.block))

def test_two_networks_whose_logits_are_added():
    class Ensemble(nn.Module):
        def __init__(self):
            super().__init__()
            self.a,self.b = cifar_resnet18(4, width=4),cifar_resnet18(4, width=4)
        def forward(self, x): return self.a(x)+self.b(x)
    net,x = made(Ensemble),pics()
    maps = cam(net, x)
    assert maps.layers[0].startswith('b.layer4')
    is_map(maps, own(net, x, net.b.layer4))

def test_order_of_running_not_of_registering():
    class Upside(nn.Module):
        def __init__(self):
            super().__init__()
            self.head,self.top,self.mid,self.bottom = Head(12),conv(8, 12),conv(6, 8),conv(3, 6)
        def forward(self, x): return self.head(self.top(self.mid(self.bottom(x))))
    net,x = made(Upside),pics()
    assert [o for o in usable_layers(net, x) if o in ('top','mid','bottom')]==['bottom','mid','top']
    is_map(cam(net, x), own(net, x, net.top))

def test_features_that_end_in_a_pool():
    net = made(nn.Sequential, nn.Sequential(conv(3, 6), conv(6, 8), nn.AdaptiveAvgPool2d(1)), nn.Flatten(), nn.Linear(8, 4))
    x = pics()
    is_map(cam(net, x), own(net, x, net[0][1]))

def test_last_bare_convolution():
    class Late(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem,self.blocks,self.conv_head,self.head = conv(3, 6),nn.Sequential(conv(6, 8), conv(8, 8)),nn.Conv2d(8, 24, 1),Head(24)
        def forward(self, x): return self.head(self.conv_head(self.blocks(self.stem(x))).relu())
    net,x = made(Late),pics()
    is_map(cam(net, x), own(net, x, net.conv_head))
    assert 'conv_head' in usable_layers(net, x)

def test_positions_are_no_evidence():
    class Placed(nn.Module):
        "Adds a map that is the same for every picture, from a module that runs last"
        def __init__(self):
            super().__init__()
            self.body,self.pos,self.head = nn.Sequential(conv(3, 6), conv(6, 8)),Pos(),Head(8)
        def forward(self, x):
            x = self.body(x)
            return self.head((x+self.pos(x)).relu())
    class Pos(nn.Module):
        def __init__(self):
            super().__init__()
            self.row,self.mix = nn.Parameter(torch.randn(1, 8, 8, 8)),nn.Conv2d(8, 8, 1)
        def forward(self, x): return self.mix(self.row).expand(len(x), -1, -1, -1)
    net,x = made(Placed),pics()
    is_map(cam(net, x), own(net, x, net.body))

def test_what_no_logit_uses():
    class Aux(nn.Module):
        "Makes a mask last, and gives the logits only"
        def __init__(self):
            super().__init__()
            self.body,self.head,self.mask = nn.Sequential(conv(3, 6), conv(6, 8)),Head(8),nn.Conv2d(8, 2, 1)
        def forward(self, x):
            f = self.body(x)
            y,self.seen = self.head(f),self.mask(f).detach()
            return y
    net,x = made(Aux),pics()
    is_map(cam(net, x), own(net, x, net.body))

def test_what_is_detached():
    class Cut(nn.Module):
        "A gate that the gradient does not pass, run last"
        def __init__(self):
            super().__init__()
            self.body,self.gate,self.head = nn.Sequential(conv(3, 6), conv(6, 8)),nn.Conv2d(8, 8, 3, padding=1),Head(8)
        def forward(self, x):
            f = self.body(x)
            return self.head(f*self.gate(f).detach().sigmoid())
    net,x = made(Cut),pics()
    is_map(cam(net, x), own(net, x, net.body))

def test_windows_are_no_pictures():
    class Windows(nn.Module):
        "Four windows a picture, folded into the batch for the last layer"
        def __init__(self):
            super().__init__()
            self.body,self.local,self.head = nn.Sequential(conv(3, 6), conv(6, 8)),nn.Conv2d(8, 8, 1),nn.Linear(8, 4)
        def forward(self, x):
            f = self.body(x)
            w = f.unfold(2, 4, 4).unfold(3, 4, 4).permute(0,2,3,1,4,5).flatten(0, 2)   # 4n x 8 x 4 x 4
            return self.head(self.local(w).relu().mean((2,3)).view(len(x), 4, -1).mean(1))
    net,x = made(Windows),pics()
    is_map(cam(net, x), own(net, x, net.body))

def test_no_places_at_all():
    net = made(nn.Sequential, nn.Flatten(), nn.Linear(3*32*32, 16), nn.ReLU(), nn.Linear(16, 4))
    with pytest.raises(ValueError) as e: cam(net, pics())
    assert 'larger' not in str(e.value) and '\n' not in str(e.value)

def test_pictures_that_are_too_small():
    with pytest.raises(ValueError, match='8x8'): cam(made(nn.Sequential, conv(3, 6, 8), conv(6, 8), Head(8)), pics(h=8, w=8))

def test_picture_that_changes_the_route():
    class Routed(nn.Module):
        "Its last layer runs for large pictures only"
        def __init__(self):
            super().__init__()
            self.a,self.b,self.head = conv(3, 8),conv(8, 8),Head(8)
        def forward(self, x): return self.head(self.b(self.a(x)) if x.shape[-1]>32 else self.a(x))
    net = made(Routed)
    for s,last in ((32,net.a),(64,net.b),(32,net.a)):
        x = pics(h=s, w=s)
        is_map(cam(net, x), own(net, x, last))

class Rows(nn.Module):
    "Patches as tokens through a transformer of torch's, with the batch first or, as it is by default, second"
    def __init__(self, batch_first):
        super().__init__()
        self.batch_first,self.patch,self.head = batch_first,nn.Conv2d(3, 32, 8, 8),nn.Linear(32, 4)
        self.enc = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, batch_first=batch_first), 6, enable_nested_tensor=False)
    def forward(self, x):
        t = self.patch(x).flatten(2).transpose(1,2)
        t = self.enc(t if self.batch_first else t.transpose(0,1))
        return self.head(t.mean(1 if self.batch_first else 0))

class InWindows(nn.Module):
    "Five blocks on windows that are folded into the batch"
    def __init__(self):
        super().__init__()
        self.stem,self.blocks,self.head = conv(3, 8),nn.Sequential(*[conv(8, 8, 1) for _ in range(5)]),Head(8)
    def forward(self, x):
        w = self.stem(x).unfold(2, 4, 4).unfold(3, 4, 4).permute(0,2,3,1,4,5).flatten(0, 2)
        return self.head(self.blocks(w).view(len(x), 4, 4, 8, 4, 4).permute(0,3,1,4,2,5).reshape(len(x), 8, 16, 16))

class Loose(nn.Module):
    "A stem, and weights that are in no layer: behind it, or before it"
    def __init__(self, n, listed, late=True):
        super().__init__()
        self.stem,self.head,self.late = conv(3, 8) if late else conv(8, 8),Head(8),late
        ws = [nn.Parameter(torch.randn(8, 8 if late or i else 3, 3, 3)/8) for i in range(n)]
        if listed: self.ws = nn.ParameterList(ws)
        else: self.w = ws[0]
        self.get = (lambda: self.ws) if listed else (lambda: [self.w])
    def loose(self, x):
        for w in self.get(): x = nn.functional.conv2d(x, w, padding=1).relu()
        return x
    def forward(self, x): return self.head(self.loose(self.stem(x)) if self.late else self.stem(self.loose(x)))

@pytest.mark.parametrize('make', [lambda: Rows(False), InWindows, lambda: Loose(4, True), lambda: Loose(1, False)],
                         ids=['batch second', 'windows', 'ParameterList', 'own parameter'])
def test_a_stem_is_not_taken_for_the_network(make):
    net,x = made(make),pics()
    with expect_fail(ValueError, contains='of the weights come after it'): cam(net, x)
    first = 'patch' if hasattr(net, 'patch') else 'stem'
    is_map(cam(net, x, layers=first), own(net, x, getattr(net, first)))   # who asks for it gets it

def test_weights_before_the_layer_are_no_reason():
    net,x = made(Loose, 4, True, False),pics()
    is_map(cam(net, x), own(net, x, net.stem))
    assert not any(p.grad is not None or not p.requires_grad for p in net.parameters())

def test_batch_first_is_as_ever():
    net,x = made(Rows, True),pics()
    assert cam(net, x).layers==['enc.layers.5']
