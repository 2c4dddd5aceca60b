"Networks, pictures and maps that several cases need"
import gc, importlib.metadata, subprocess, sys, tempfile
from copy import deepcopy
from itertools import cycle
from types import SimpleNamespace
from unittest import mock
import matplotlib as mpl, pytorch_grad_cam as gradcam
from matplotlib.colors import ListedColormap
from PIL import Image
from pytorch_grad_cam.metrics.cam_mult_image import DropInConfidence
from pytorch_grad_cam.metrics.road import ROADLeastRelevantFirstAverage, ROADMostRelevantFirstAverage
from pytorch_grad_cam.utils.model_targets import (ClassifierOutputSoftmaxTarget, ClassifierOutputTarget, FasterRCNNBoxScoreTarget,
                                                  SemanticSegmentationTarget)
from torch import nn
from torchvision.models import MobileNetV2, SwinTransformer, VisionTransformer, mobilenet_v3_large, resnet18, vgg11
from field.fieldnets import Head, Plain, conv, made, own, pics
from cifar_cam.all import (CamMaps, cam, cam_class, cam_methods, cifar_resnet18, contrast, deletion_insertion, drop_increase, faithfulness,
                           load_rgb, logit_ledger, road, usable_layers)
from peers.asking import *

x = pics()
net = made(Plain)

def heat(maps): return maps.heat(maps.layers[-1])
def raw(maps): return maps[maps.layers[-1]]

def theirs(cls, model, x, layer, targets, **kwargs):
    "grad-cam's map at one layer, scaled as it does"
    model = deepcopy(model)
    layers = [model.get_submodule(layer)] if layer else []
    fs = [t if callable(t) else ClassifierOutputTarget(t) for t in targets]
    return cls(model, layers)(x.clone(), fs, **kwargs)

def by_sign(maps, k, want):
    "Each map of a layer, or its negative, whichever is like `want`: grad-cam leaves the sign of a component open"
    plus,minus = (CamMaps({k: s*maps[k]}, maps.targets, None, maps.size).heat(k) for s in (1,-1))
    return np.stack([min(p, m, key=lambda o: np.abs(o-w).max()) for p,m,w in zip(plus, minus, want)])

def hooks(model): return sum(len(m._forward_hooks)+len(m._forward_pre_hooks)+len(m._backward_hooks) for m in model.modules())
def modes(model): return [m.training for m in model.modules()]
def wants(model): return [p.requires_grad for p in model.parameters()]
def tensors(): gc.collect(); return [o for o in gc.get_objects() if issubclass(type(o), torch.Tensor)]

class Gives(nn.Module):
    "A plain network, and what becomes of its logits"
    def __init__(self, wrap, **kwargs): super().__init__(); self.net,self.wrap = Plain(**kwargs),wrap
    def forward(self, x): return self.wrap(self.net(x))

class Fails(Plain):
    "A network that fails when it has been called often enough"
    def __init__(self, after): super().__init__(); self.left = after
    def forward(self, x):
        self.left -= 1
        if self.left<0: raise ValueError('the network fails')
        return super().forward(x)

class Sum(nn.Module):
    "Two classes: the sum of a picture's values, up to 1, and the rest"
    def __init__(self): super().__init__(); self.seen = []
    def forward(self, x):
        self.seen.append(x.dtype)
        s = x.flatten(1).sum(1)
        s = s + (s.clamp(0, 1)-s).detach()   # whose gradient does not end at 1
        return torch.stack([s,1-s], 1)

four = torch.tensor([[[[.4,.3],[.2,.1]]]]).repeat(2,1,1,1)     # two pictures of four values, in the order of their map
four_heat = (four[:,0]/.4).numpy()

def vit():
    "A ViT of 4x4 patches"
    model = made(VisionTransformer, image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64, num_classes=10)
    nn.init.normal_(model.heads.head.weight)
    return model

ln_1 = 'encoder.layers.encoder_layer_1.ln_1'
def places(t): return t[:,1:].unflatten(1, (4,4)).permute(0,3,1,2)

def detections(y): return [dict(primary=o[0], secondary=o[1]) for o in y]
def table_of(outs): return torch.stack([torch.stack([o['primary'],o['secondary']]) for o in outs])

video = torch.rand(1, 3, 8, 16, 16)

res = made(cifar_resnet18, 120, width=4)
deep = ['layer4.1','layer4.0']

def as_theirs(cls, targets=None, layers=deep, model=res, x=x, signed=True, **kwargs):
    "Pairs of our maps and grad-cam's, at each layer"
    maps = cam(model, x, targets, layers, cls, **kwargs)
    for k in maps.layers:
        want = theirs(cls, model, x, None if k=='input' else k, maps.targets, **kwargs)
        yield (maps.heat(k) if signed else by_sign(maps, k, want)),want

def state(model): return hooks(model),modes(model),wants(model),{k: v.sum().item() for k,v in model.state_dict().items()}

def in_folder(f):
    "Pairs that `f` makes of a folder"
    def pairs():
        with tempfile.TemporaryDirectory() as tmp: yield from f(Path(tmp))
    return pairs

def structured(method):
    "Pairs of maps of a network that gives a list of dictionaries, and of the network in it"
    model = made(Gives, detections)
    yield raw(cam(model, x, [0,1], 'net.three', method, output=table_of)),raw(cam(model.net, x, [0,1], 'three', method))

pick = '`output=` makes a table of it'
def of_video(**kwargs): yield raw(cam(net, video, 1, **kwargs)).shape,(1,8,16,16)

by_product = 'as the product of `maps.heat(layer)` over layers'
fuse = 'layers are kept apart: what is asked for at each of them is a map of its own'
