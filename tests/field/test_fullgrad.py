"FullGrad sums over all biases: each goes with the gradient of its own layer"
import pytest, torch
from torch import nn
from fieldnets import Head, Plain, conv, is_map, made, pics
from cifar_cam.all import cam

def three(net, x): return net.three(net.two(net.one(x)))

class Backwards(nn.Module):
    "The stages of a plain network, registered from the last to the first, all with as many channels"
    def __init__(self, names=('three','two','one')):
        super().__init__()
        made = dict(one=conv(3, 6), two=conv(6, 6), three=conv(6, 6))
        for k in names: self.add_module(k, made[k])
        self.head = Head(6)
    def forward(self, x): return self.head(three(self, x))

def test_registered_in_another_order():
    x = pics()
    want = cam(made(Backwards, ('one','two','three')), x, 1, method='fullgrad')
    is_map(cam(made(Backwards), x, 1, method='fullgrad'), torch.from_numpy(want['input']))

class Spare(Plain):
    "A layer that does not run, and one of which nothing depends"
    def __init__(self):
        super().__init__()
        self.spare,self.aside = nn.Conv2d(3, 3, 1),nn.Conv2d(3, 3, 1)
    def forward(self, x):
        self.aside(x)
        return super().forward(x)

def test_layers_that_add_nothing():
    x = pics()
    is_map(cam(made(Spare), x, 1, method='fullgrad'), torch.from_numpy(cam(made(Plain), x, 1, method='fullgrad')['input']))

class Again(Plain):
    def forward(self, x): return self.head(self.features(x))+self.head(self.features(-x))

class Folded(Plain):
    "Two halves of each picture, as pictures of their own"
    def forward(self, x): return self.head(self.features(torch.cat(x.chunk(2, -1)))).view(2, len(x), -1).sum(0)

@pytest.mark.parametrize('cls, why', [(Again,"'one.0' runs more than once"), (Folded,"'one.0' does not give one output for each")])
def test_refused(cls, why):
    with pytest.raises(ValueError, match=why): cam(made(cls), pics(), 1, method='fullgrad')

class OurConv(nn.Conv2d): "A class of one's own that does what torch's does"
class Scaled(nn.Conv2d):
    def forward(self, x): return 2*super().forward(x)

def test_layers_of_all_classes():
    "What a bias adds depends on what its layer does, and not on its class; what is left out is said"
    def net(conv):
        torch.manual_seed(1)
        head = nn.AdaptiveAvgPool2d(1),nn.Flatten(),nn.Linear(4, 2)
        return nn.Sequential(conv(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), *head).eval()
    x,want = pics(),cam(net(nn.Conv2d), pics(), 1, method='fullgrad')
    normed = net(nn.Conv2d)
    torch.nn.utils.parametrizations.weight_norm(normed[0])
    for o in net(OurConv),normed:
        is_map(cam(o, x, 1, method='fullgrad'), torch.from_numpy(want['input']))
    with pytest.warns(UserWarning, match='those of 1 Scaled are left out'): odd = cam(net(Scaled), x, 1, method='fullgrad')
    assert odd.note=='without the biases of 1 Scaled' and want.note==''
