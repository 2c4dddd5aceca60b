"Whose evidence: every way to say it, and those that say nothing"
import numpy as np, pytest, torch
from torch import nn
from fieldnets import Head, Plain, is_map, made, own, pics
from cifar_cam.all import cam, contrast

@pytest.mark.parametrize('targets', [range(3), (o for o in (0,1,2)), [torch.tensor(o) for o in (0,1,2)], np.arange(3),
                                     torch.arange(3), (0,1,2), map(int, '012')],
                         ids=['range','generator','0-d tensors','array','tensor','tuple','map'])
def test_a_class_a_picture(targets):
    net,x = made(Plain),pics(3)
    is_map(cam(net, x, targets), own(net, x, net.three, lambda o: o.diagonal()))

def test_own_target():
    "A function of a picture's logits, as grad-cam takes it: everything but class 1"
    net,x = made(Plain),pics(3)
    is_map(cam(net, x, lambda o: o.sum()-o[1]), own(net, x, net.three, lambda o: o.sum(1)-o[:,1]))

def test_contrast_with_itself():
    net,x = made(Plain),pics(3)
    top = net(x).argmax(1).tolist()
    for t in (contrast(3, 3), contrast(None, top), contrast(top, None), [(3,3)], [(0,1),(2,2),(1,0)]):
        with pytest.raises(ValueError, match='itself'): cam(net, x, t)

def test_contrast_with_what_is_predicted_for_one_of_many():
    net,x = made(Plain),pics(8)
    top = net(x).argmax(1).tolist()
    with pytest.raises(ValueError, match='itself'): cam(net, x, contrast(None, top[-1]))
    other = [(o+1)%4 for o in top]
    is_map(cam(net, x, contrast(None, other)), own(net, x, net.three, lambda o: o[range(8),top]-o[range(8),other]))

def test_rounding_is_no_evidence():
    "The largest value is 1e-15 of what the activations would give: nothing is drawn of it"
    net,x = made(Plain),pics(3)
    net.head.lin.weight.data[2] *= 1e-15
    maps = cam(net, x, 2)
    assert maps.status['three']==['no positive evidence']*3
    assert not maps.heat('three').any()

def test_small_evidence_is_evidence():
    "All of the network's numbers are small, by one factor: its maps are as large beside its activations"
    net,x = made(Plain),pics(3)
    was = cam(net, x).status['three']
    net.one[0].weight.data *= 1e-4; net.one[0].bias.data *= 1e-4
    for o in (net.two, net.three): o[0].bias.data *= 1e-4
    assert cam(net, x).status['three']==was

@pytest.mark.parametrize('method', ['eigencam','eigengradcam'])
def test_sign_of_a_principal_component(method):
    "A network of 1x1 convolutions sees a mirrored picture mirrored, so its maps are"
    net = made(nn.Sequential, *(nn.Sequential(nn.Conv2d(i, o, 1), nn.ReLU(), nn.AvgPool2d(2)) for i,o in ((3,8),(8,12))), Head(12))
    x = pics(8)
    a,b = (cam(net, o, 1, layers='1', method=method)['1'] for o in (x, x.flip(3)))
    np.testing.assert_allclose(a[...,::-1], b, rtol=1e-3, atol=1e-4*np.abs(a).max())

def test_sign_of_eigencam_agrees_with_the_activations():
    net,x = made(Plain),pics(8)
    maps = cam(net, x, method='eigencam')['three']
    acts = net.features(x).detach().mean(1).numpy()
    assert all(np.corrcoef(m.ravel(), a.ravel())[0,1]>0 for m,a in zip(maps, acts))

@pytest.mark.parametrize('targets', [{0,1,2}, {0: 1, 1: 2, 2: 3}, frozenset([1])], ids=['set','dict','frozenset'])
def test_what_has_no_order_is_no_list_of_targets(targets):
    with pytest.raises(ValueError, match='give a list'): cam(made(Plain), pics(3), targets)

def test_a_contrast_is_of_classes():
    net,x = made(Plain),pics(2)
    for o in contrast(lambda o: o[0], 1),contrast(None, [0,lambda o: o[0]]):
        with pytest.raises(ValueError, match='has a function in it: give classes, or one function of the logits'): cam(net, x, o)
