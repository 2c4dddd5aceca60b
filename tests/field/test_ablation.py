"AblationCAM by hand: how far a score falls without a channel, whatever its axis, however many layers, and whatever follows"
import pytest, torch
from torch import nn
from fieldnets import Head, Plain, conv, is_map, made, pics
from cifar_cam.all import cam

def by_hand(net, x, c, module, cells=lambda o: o):
    "Channels of `cells(output)` weighed by the share of the score of class `c` that is lost where they are set to 0"
    def run(*gone):
        def hook(m, i, o):
            o = o.clone()
            acts.append(o.clone())
            for j in gone: cells(o)[:,j] = 0
            return o
        acts,h = [],module.register_forward_hook(hook)
        try: return net(x)[:,c],cells(acts[0])
        finally: h.remove()
    with torch.no_grad():
        full,acts = run()
        assert acts.min()==0   # elsewhere grad-cam puts a large negative number in place of 0
        weights = torch.stack([(full-run(j)[0])/full for j in range(acts.shape[1])], 1)
        return (weights[:,:,None,None]*acts).sum(1)

class Hybrid(nn.Module):
    "Channels first, then tokens with channels behind them"
    def __init__(self):
        super().__init__()
        self.conv,self.mix,self.lin = conv(3, 12, 4),nn.Sequential(nn.Linear(12, 7), nn.ReLU()),nn.Linear(7, 4)
    def forward(self, x): return self.lin(self.mix(self.conv(x).flatten(2).mT).mean(1))

def tokens(o): return o.mT.unflatten(2, (8,8))

def test_each_layer_has_its_own_axis():
    net,x = made(Hybrid),pics()
    maps = cam(net, x, 0, ['conv','mix'], 'ablationcam')
    for k,cells in (('conv', lambda o: o), ('mix', tokens)):
        is_map(maps, by_hand(net, x, 0, getattr(net, k), cells), k)
        is_map(cam(net, x, 0, k, 'ablationcam'), torch.from_numpy(maps[k]))

def test_reshape_says_where_channels_are():
    "Also where there are as many channels as cells a side"
    net,x = made(Plain),pics(2, 96, 96)
    want = by_hand(net, x, 0, net.three)
    assert want.shape==(2,12,12)
    is_map(cam(net, x, 0, 'three', 'ablationcam', reshape=lambda t: t), want)
    net,x = made(Hybrid),pics()
    is_map(cam(net, x, 0, 'mix', 'ablationcam', reshape=tokens), by_hand(net, x, 0, net.mix, tokens))
    with pytest.raises(ValueError, match='does more than to move them'):
        cam(net, x, 0, 'mix', 'ablationcam', reshape=lambda t: tokens(t)**2)

class Added(nn.Module):
    "A block that is changed in place by what follows"
    def __init__(self):
        super().__init__()
        self.stem,self.block,self.head = conv(3, 6),nn.Sequential(nn.Conv2d(6, 6, 1), nn.Hardtanh(0, 9)),Head(6)
    def forward(self, x):
        x = self.stem(x)
        y = self.block(x)
        y += x
        return self.head(y)

def test_changed_in_place():
    net,x = made(Added),pics()
    is_map(cam(net, x, 0, 'block', 'ablationcam'), by_hand(net, x, 0, net.block))
