"Networks that keep what they computed: it is afterwards as before, holds no graph, and every method has its maps"
import copy, pytest, torch
from torch import nn
from collections import deque, namedtuple
from fieldnets import Plain, is_map, made, pics
from cifar_cam.all import cam, randomisation

class Keeps(Plain):
    "An embedding as an attribute, one as a buffer, and others in a dictionary and a list"
    def __init__(self):
        super().__init__()
        self.register_buffer('mean', torch.zeros(12))
        self.seen,self.all = {},[]
    def forward(self, x):
        self.emb = self.seen['three'] = self.features(x)
        self.mean = self.emb.mean((0,2,3))
        self.all[:] = [self.emb]
        return self.head(self.emb)

def held(net): return [net.emb,net.mean,net.seen['three'],*net.all]

@pytest.mark.parametrize('method', ['gradcam','fullgrad','ablationcam','scorecam'])
def test_new_things_hold_no_graph(method):
    net,x = made(Keeps),pics()
    maps,want = cam(net, x, 1, method=method),cam(made(Plain), x, 1, method=method)
    (k,) = maps.layers
    is_map(maps, torch.from_numpy(want[k]))
    assert all(o.grad_fn is None for o in held(net))
    copy.deepcopy(net)

@pytest.mark.parametrize('method', ['gradcam','fullgrad','ablationcam'])
def test_what_was_kept_comes_back(method):
    "Such as an embedding that a loss is going to use"
    net,x = made(Keeps),pics()
    net(x)
    before = held(net)
    cam(net, x, 1, method=method)
    assert all(a is b for a,b in zip(held(net)[:3], before))
    net.emb.sum().backward()
    assert net.one[0].weight.grad is not None

def test_half_precision_and_random_weights():
    net,x = made(Keeps),pics()
    net(x)
    randomisation(net, x, cascade=False)
    net = net.bfloat16()
    net(x.bfloat16())
    assert cam(net, x).status==cam(made(Plain).bfloat16(), x).status

class Counts(Plain):
    "How often it was called, and what it saw"
    def __init__(self):
        super().__init__()
        self.calls,self.seen,self.recent = 0,[],deque([], 3)
    def forward(self, x):
        self.calls += 1
        y = self.features(x)
        self.seen.append(y); self.recent.append(y)
        return self.head(y)

def test_counts_go_on_and_lists_hold_no_graph():
    "As of whoever looks at what a network is asked"
    net,x = made(Counts),pics()
    cam(net, x)
    net.calls,n = 0,len(net.seen)
    cam(net, x)
    assert (net.calls,len(net.seen))==(1,n+1)
    assert all(o.grad_fn is None for o in (*net.seen, *net.recent))

class Deep(Plain):
    "A hidden state in a tuple, and lists and tensors in dictionaries of dictionaries"
    def __init__(self):
        super().__init__()
        self.rnn,self.seen,self.own = nn.LSTM(12, 12, batch_first=True),dict(all={}, list=[]),{}
        self.own['itself'] = self.own
    def forward(self, x):
        y = self.features(x)
        o,self.hidden = self.rnn(y.flatten(2).transpose(1, 2))
        self.state = State(o, [o])
        self.seen['all']['three'] = y; self.seen['list'].append((y,))
        return self.head.lin(o[:,-1])

State = namedtuple('State', 'last more')

@pytest.mark.parametrize('method', ['gradcam','fullgrad','ablationcam'])
def test_however_deep(method):
    net,x = made(Deep),pics()
    for _ in range(2):
        cam(net, x, 1, method=method, layers=None if method=='fullgrad' else 'one')
        assert type(net.state) is State
        kept = *net.hidden,net.state.last,*net.state.more,net.seen['all']['three'],*net.seen['list'][-1]
        assert all(o.grad_fn is None for o in kept)
        copy.deepcopy(net)
    net(x)   # with a graph, which a copy can't have
    assert cam(net, x, 1, method=method).layers and net.hidden[0].grad_fn is not None
    randomisation(net, x, cascade=False)
