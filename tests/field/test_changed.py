"Networks that changed since they were seen last, or that change by being run: the map is that of the network as it is, which stays so"
import copy, pytest, torch
from torch import nn
from fieldnets import Head, Plain, conv, is_map, made, own, pics
from cifar_cam.all import cam, usable_layers

class Late(nn.Module):
    "A stem, and a block that counts if it is switched on"
    def __init__(self):
        super().__init__()
        self.a,self.b,self.act,self.head = nn.Conv2d(3, 8, 3, 2, 1),conv(8, 8, 1),nn.ReLU(),Head(8)
        self.gate,self.deep,self.cfg = nn.Parameter(torch.ones(1)),True,dict(inplace=False)
    def forward(self, x):
        x = self.a(x)
        x = nn.functional.relu(x, self.cfg['inplace']) if self.cfg['inplace'] else self.act(x)
        return self.head(x+self.gate*self.b(x)) if self.deep else self.head(x)

def as_fresh(net, x, **kw):
    "The map is that of a copy, which nobody has seen yet"
    maps,want = cam(net, x, **kw),cam(copy.deepcopy(net), x, **kw)
    assert maps.layers==want.layers
    for k in want.layers: torch.testing.assert_close(torch.from_numpy(maps[k]), torch.from_numpy(want[k]))

def test_inplace_switched_on():
    net,x = made(Late),pics()
    cam(net, x, layers='a')
    net.act.inplace = True
    as_fresh(net, x, layers='a')
    net.act.inplace = False
    as_fresh(net, x, layers='a')

def test_inplace_by_what_is_no_setting_of_a_module():
    net,x = made(Late),pics()
    want = cam(net, x, layers='a')
    net.cfg['inplace'] = True
    maps = cam(net, x, layers='a')
    torch.testing.assert_close(torch.from_numpy(maps['a']), torch.from_numpy(want['a']))

def test_gate_that_opened_in_training():
    net,x = made(Late),pics()
    with torch.no_grad(): net.gate.zero_()
    assert cam(net, x).layers==['act']
    opt = torch.optim.SGD([net.gate], 1.)
    net(x).sum().backward()
    opt.step()
    assert cam(net, x).layers==['b']
    as_fresh(net, x)

def test_flag_that_changes_the_route():
    net,x = made(Late),pics()
    assert cam(net, x).layers==['b']
    net.deep = False
    assert cam(net, x).layers==['act']
    as_fresh(net, x)

def unchanged(net, x, **kw):
    "Maps twice, the same; and nothing in the network is another afterwards"
    before,modes = copy.deepcopy(net.state_dict()),[m.training for m in net.modules()]
    one,two = cam(net, x, **kw),cam(net, x, **kw)
    for k in one.layers: torch.testing.assert_close(torch.from_numpy(one[k]), torch.from_numpy(two[k]), rtol=0, atol=0)
    usable_layers(net, x)
    after = net.state_dict()
    assert all(torch.equal(v, after[k]) for k,v in before.items()) and modes==[m.training for m in net.modules()]

def test_buffers_that_a_forward_pass_changes():
    class Counts(Plain):
        "Takes off the mean of what it has seen; counts in place, and anew"
        def __init__(self):
            super().__init__()
            self.register_buffer('seen', torch.zeros(()))
            self.register_buffer('n', torch.zeros(()))
        def forward(self, x):
            self.seen += x.mean().detach()
            self.n = self.n+1
            return super().forward(x-self.seen/self.n)
    unchanged(made(Counts), pics())

def test_batchnorm_that_is_always_in_training():
    class Stays(nn.BatchNorm2d):
        def train(self, mode=True): return super().train(True)
    net = made(lambda: nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), Stays(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), Head(8)))
    with pytest.warns(UserWarning, match='mixes the pictures'): unchanged(net, pics())

@pytest.mark.filterwarnings('ignore')
def test_observers():
    from torch.ao.quantization import get_default_qat_qconfig, prepare_qat
    net = made(Plain).train()
    net.qconfig = get_default_qat_qconfig('fbgemm')
    net = prepare_qat(net)
    with torch.no_grad(): net(pics(4, seed=5))
    unchanged(net.eval(), pics())

class Merging(nn.Linear):
    "Low-rank weights beside those that are there, added to them for evaluation"
    def __init__(self, ni, nf):
        super().__init__(ni, nf)
        self.a,self.b,self.merged = nn.Parameter(torch.randn(2, ni)),nn.Parameter(torch.randn(nf, 2)),False
    def train(self, mode=True):
        super().train(mode)
        if mode==self.merged:
            self.weight.data += (1-2*self.merged)*self.b@self.a
            self.merged = not mode
        return self
    def forward(self, x):
        y = super().forward(x)
        return y if self.merged else y+x@self.a.T@self.b.T

@pytest.mark.parametrize('training', [True,False])
def test_weights_that_are_merged_for_evaluation(training):
    net,x = made(Plain),pics()
    net.head.lin = Merging(12, 4)
    net.train(training)
    unchanged(net, x)
    assert net.head.lin.merged!=training
    net.train()(x).sum().backward()
    assert net.head.lin.a.grad is not None
