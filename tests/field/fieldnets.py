"Small networks as people build them, and their maps by hand"
import torch
from torch import nn

def conv(ni, nf, stride=2): return nn.Sequential(nn.Conv2d(ni, nf, 3, stride, 1), nn.ReLU())

class Head(nn.Module):
    "The mean over all places, then a linear layer"
    def __init__(self, nf, n_out=4):
        super().__init__()
        self.lin = nn.Linear(nf, n_out)
    def forward(self, x): return self.lin(x.mean((2,3)))

class Plain(nn.Module):
    "Three stages, 16, 8 and 4 cells a side for pictures of 32"
    def __init__(self, n_out=4):
        super().__init__()
        self.one,self.two,self.three,self.head = conv(3, 6),conv(6, 8),conv(8, 12),Head(12, n_out)
    def features(self, x): return self.three(self.two(self.one(x)))
    def forward(self, x): return self.head(self.features(x))

def made(cls, *args, seed=1, **kw):
    torch.manual_seed(seed)
    return cls(*args, **kw).eval()

def pics(n=2, h=32, w=32, seed=2): return torch.randn(n, 3, h, w, generator=torch.Generator().manual_seed(seed))

def outputs(model, x, module):
    "What the model gives, and what a module gives in it, in the order of its runs"
    outs = []
    hook = module.register_forward_hook(lambda m,i,o: outs.append(o))
    try: return model(x),outs
    finally: hook.remove()

def own(model, x, module, score=None, cells=lambda o: o, run=-1):
    "Grad-CAM by hand: channels of `cells(output)` weighed by their mean gradient; for the predicted class or a `score` of the logits"
    logits,outs = outputs(model, x, module)
    score = (lambda o: o.max(1).values) if score is None else score
    g, = torch.autograd.grad(score(logits).sum(), [outs[run]])
    a,g = cells(outs[run].detach()),cells(g)
    return (g.mean((2,3), keepdim=True)*a).sum(1)

def is_map(maps, want, layer=None):
    "The one layer's map, or that of `layer`, is the one made by hand"
    (layer,) = [layer] if layer else maps.layers
    assert maps[layer].shape==tuple(want.shape), f'{layer}: {maps[layer].shape} for {tuple(want.shape)}'
    torch.testing.assert_close(torch.from_numpy(maps[layer]), want.float(), rtol=1e-4, atol=1e-6*want.abs().max().item())
