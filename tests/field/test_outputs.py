"What a model may give: objects, dictionaries, several tensors, one logit, probabilities, another number than there are classes"
import warnings
from copy import deepcopy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import NamedTuple
import numpy as np, pytest, torch
from torch import nn
from fieldnets import Plain, is_map, made, own, pics
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from cifar_cam.all import cam, drop_increase, road

class Gives(nn.Module):
    "A plain network, and what becomes of its logits"
    def __init__(self, wrap, **kw):
        super().__init__()
        self.net,self.wrap = Plain(**kw),wrap
    def forward(self, x): return self.wrap(self.net(x))

def learner(net, vocab): return SimpleNamespace(model=net, dls=SimpleNamespace(vocab=vocab))     # what `cam` knows of a Learner

def refused(*args, **kw):
    with pytest.raises((ValueError,TypeError)) as e: cam(*args, **kw)
    assert '\n' not in str(e.value)
    return str(e.value)

@pytest.mark.parametrize('wrap', [lambda y: SimpleNamespace(logits=y), lambda y: SimpleNamespace(loss=None, logits=y, hidden_states=(y,))],
                         ids=['alone','with more'])
def test_logits_of_an_object(wrap):
    net,x = made(Gives, wrap),pics()
    is_map(cam(net, x), own(net.net, x, net.net.three))

@pytest.mark.parametrize('wrap', [lambda y: dict(out=y, aux=2*y), lambda y: (y,2*y), lambda y: [y,2*y]], ids=['dict','tuple','list'])
def test_several_tensors_are_a_question(wrap):
    said = refused(made(Gives, wrap), pics())
    assert 'output=' in said
    if isinstance(wrap(torch.zeros(1)), dict): assert 'out' in said and 'aux' in said

def test_which_of_several():
    x = pics()
    for wrap,output in (
            (lambda y: dict(out=y, aux=y.flip(1)*3), 'out'), (lambda y: (y.flip(1)*3,y), 1),
            (lambda y: dict(a=dict(b=y)), lambda o: o['a']['b']), (lambda y: SimpleNamespace(scores=y), 'scores')):
        net = made(Gives, wrap)
        maps = cam(net, x, output=output)
        is_map(maps, own(net.net, x, net.net.three))
        torch.testing.assert_close(maps.logits, net.net(x).detach())

def test_an_output_that_is_not_there():
    x = pics()
    assert 'aux' in refused(made(Gives, lambda y: dict(out=y, aux=y)), x, output='third')
    refused(made(Gives, lambda y: (y,y)), x, output=2)

def test_one_logit():
    net,x = made(Plain, n_out=1),pics(6)
    net.head.lin.bias.data -= net(x).detach().mean()     # both classes are predicted
    y,one = net(x).detach().flatten(),own(net, x, net.three, lambda o: o)
    is_map(cam(net, x, 1), one)
    is_map(cam(net, x, 0), -one)
    maps = cam(net, x)
    assert list(maps.targets)==(y>0).int().tolist()
    is_map(maps, torch.where((y>0)[:,None,None], one, -one))
    assert 'class' in refused(net, x, 2)

def test_one_logit_without_its_axis():
    "`squeeze(1)`, as losses for two classes want it: the same maps, or a line that says what was given"
    net,x = made(Gives, lambda y: y.squeeze(1), n_out=1),pics()
    try: maps = cam(net, x, 1)
    except ValueError as e: assert '\n' not in str(e) and 'logits' in str(e)
    else: is_map(maps, own(net.net, x, net.net.three, lambda o: o))

def test_one_logit_has_two_names():
    net,x = made(Plain, n_out=1),pics()
    one = own(net, x, net.three, lambda o: o)
    is_map(cam(learner(net, ['cat','dog']), x, 'dog'), one)
    is_map(cam(learner(net, ['cat','dog']), x, 'cat'), -one)

@pytest.mark.parametrize('last', [nn.Softmax(1),nn.Sigmoid()], ids=['softmax','sigmoid'])
def test_probabilities_are_noticed(last):
    net = nn.Sequential(*made(Plain).children(), last).eval()
    with pytest.warns(UserWarning, match='output='): maps = cam(net, pics(4))
    assert 'prob' in repr(maps).lower() or 'softmax' in repr(maps).lower() or 'sigmoid' in repr(maps).lower()

def test_logits_are_no_probabilities():
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        cam(made(Plain), pics(4))

@pytest.mark.parametrize('n_out,vocab', [(512,['a','b']), (1000,['a','b']), (2,['a','b','c']), (1,['a','b','c']), (1,['a'])])
def test_as_many_outputs_as_names(n_out, vocab):
    said = refused(learner(made(Plain, n_out=n_out), vocab), pics())
    assert str(n_out) in said and str(len(vocab)) in said

def test_places_instead_of_logits():
    "A segmentation network"
    said = refused(made(nn.Sequential, nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 1)), pics())
    assert 'larger' not in said

def test_logits_between_0_and_1_are_no_sigmoid():
    "By chance all of them may be: only what a module gave before can tell"
    net = made(Plain)
    last = [o for o in net.modules() if isinstance(o, nn.Linear)][-1]
    nn.init.normal_(last.weight, std=1e-3)
    nn.init.constant_(last.bias, .5)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert not cam(net, pics(), 0).note
    with pytest.warns(UserWarning, match='gives probabilities'): assert 'sigmoid' in cam(nn.Sequential(net, nn.Sigmoid()), pics(), 0).note

class Dropping(Plain):
    "Dropout that is always on, as for an estimate of uncertainty"
    def features(self, x): return nn.functional.dropout(super().features(x), .5, training=True)

class Together(Plain):
    "Statistics of the batch, also in evaluation"
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(12, track_running_stats=False)
    def features(self, x): return self.norm(super().features(x))

@pytest.mark.parametrize('cls, word', [(Dropping,'of one random pass'), (Together,'of pictures that are seen together')])
def test_what_is_not_the_same_again_is_said(cls, word):
    net,x = made(cls),pics(4)
    with pytest.warns(UserWarning, match='same picture' if cls is Dropping else 'mixes the pictures'): maps = cam(net, x)
    assert word in repr(maps) and maps.layers==['three' if cls is Dropping else 'norm']
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert 'random' not in repr(cam(made(Plain), x))

def test_a_model_that_gives_one_answer_for_all():
    assert 'for 3 pictures: expected logits' in refused(made(Gives, lambda y: y.mean(0)), pics())
    assert 'one number for 3 pictures' in refused(made(Gives, lambda y: y.mean()), pics())

def test_classes_instead_of_logits():
    assert 'the model gives torch.int64: expected logits' in refused(made(Gives, lambda y: y.argmax(1)), pics())

class Squeezed(Plain):
    "`squeeze` drops the axis of a single picture: before the last layer, or after it"
    def __init__(self, after=False, n_out=4):
        super().__init__(n_out)
        self.after = after
    def forward(self, x):
        x = nn.functional.adaptive_avg_pool2d(self.features(x), 1)
        return self.head.lin(x.flatten(1)).squeeze() if self.after else self.head.lin(x.squeeze())

@pytest.mark.parametrize('after, n_out', [(False,4), (True,4), (True,1)])
def test_a_single_picture_that_is_squeezed(after, n_out):
    net,x = made(Squeezed, after, n_out=n_out),pics(3)
    maps = cam(net, x, 1)
    for one,want,logits in zip(x.split(1), maps['three'], maps.logits.split(1)):
        got = cam(net, one, 1)
        is_map(got, torch.from_numpy(want)[None])
        torch.testing.assert_close(got.logits, logits)
    assert cam(net, x[:1]).targets==cam(net, x).targets[:1]

@pytest.mark.parametrize('method', ['scorecam','ablationcam','fullgrad','shapleycam'])
def test_squeezed_by_every_kind_of_method(method):
    net,x = made(Squeezed),pics()
    one,two = (cam(net, o, 1, method=method) for o in (x[:1], x))
    (k,) = two.layers
    is_map(one, torch.from_numpy(two[k][:1]))

def test_squeezed_pictures_too_large_to_go_together():
    net,x = made(Squeezed),pics(2, 736, 736)
    is_map(cam(net, x, 1), own(net, x, net.three, lambda o: o[:,1]))

def test_squeezed_logits_are_measured():
    net,x = made(Squeezed),pics()
    heat = cam(net, x, 1, 'one').heat('one')
    assert road(net, x[:1], heat[:1], 1)['road_morf'].shape==(1,)
    one,two = (drop_increase(net, x[:n], heat[:n], 1)['drop'] for n in (1,2))
    assert abs(one[0]-two[0])<1e-5

class Threes(Plain):
    "Works for three pictures, as the trace has them, and for no other number"
    def forward(self, x): return super().forward(x)[:3]

def test_another_number_of_logits_than_pictures():
    assert 'the model gives 3x4 for 5 pictures' in refused(made(Threes), pics(5))

@pytest.mark.parametrize('wrap', [lambda y: (2*y,[y,y]), lambda y: dict(embedding=2*y, heads=dict(a=y, b=y)),
                                  lambda y: SimpleNamespace(features=2*y, heads=[y])], ids=['list','dict','object'])
def test_a_tensor_beside_others_in_a_part_is_a_question(wrap):
    assert 'output=' in refused(made(Gives, wrap), pics())

def test_a_function_gets_the_one_logit_as_it_is():
    net,x = made(Plain, n_out=1),pics()
    one = own(net, x, net.three, lambda o: o)
    for f in (lambda o: o[0]), ClassifierOutputTarget(0): is_map(cam(net, x, f), one)
    is_map(cam(net, x, lambda o: -o), -one)

class Twice(Plain):
    def forward(self, x): return super().forward(x),super().forward(-x)

class Unused(Plain):
    def forward(self, x): return self.features(x).mean((2,3))

@pytest.mark.parametrize('cls, why', [(Twice,'runs more than once'), (Unused,'did not run')])
def test_a_module_that_gives_not_one_output(cls, why):
    assert f"'head' {why}" in refused(made(cls), pics(), output='head')

@pytest.mark.parametrize('n', [1, 2, 5])
def test_sigmoid_of_two_outputs(n):
    with pytest.warns(UserWarning, match='gives probabilities'): cam(nn.Sequential(made(Plain, n_out=2), nn.Sigmoid()), pics(n), 0)

class Named(NamedTuple):
    logits:torch.Tensor
    aux:torch.Tensor

@dataclass
class Slots:
    __slots__ = 'aux','logits'
    aux:torch.Tensor
    logits:torch.Tensor

@pytest.mark.parametrize('kind', [Named, Slots])
def test_outputs_that_have_names(kind):
    net,x = made(Gives, lambda y: kind(logits=y, aux=-2*y)),pics()
    for output in None,'logits': is_map(cam(net, x, 1, output=output), own(net.net, x, net.net.three, lambda o: o[:,1]))
    is_map(cam(net, x, 1, output='aux'), -2*own(net.net, x, net.net.three, lambda o: o[:,1]))
    assert "there is 'logits', 'aux'" in refused(net, x, output='out') or kind is Slots

def test_a_named_tuple_has_indices_too():
    net,x = made(Gives, lambda y: Named(2*y, y)),pics()
    is_map(cam(net, x, 1, output=1), own(net.net, x, net.net.three, lambda o: o[:,1]))

class Aux(Plain):
    "With a second head, which is computed last"
    def __init__(self): super().__init__(); self.aux = deepcopy(self.head); self.aux.lin.reset_parameters()
    def forward(self, x):
        f = self.features(x)
        y,self.seen = self.head(f),self.aux(f)
        return y.softmax(1)

def test_the_logits_that_are_advised_are_those():
    net,x = made(Aux),pics()
    with pytest.warns(UserWarning, match="give `output='head"): cam(net, x, 1)

def test_probabilities_of_no_one_module():
    net,x = made(Gives, lambda y: (y.softmax(1)+(-y).softmax(1))/2),pics()
    with pytest.warns(UserWarning, match='or the model without its last step'): cam(net, x, 1)

class HalfInside(Plain):
    def features(self, x):
        with torch.autocast('cpu', torch.bfloat16): return super().features(x)
    def forward(self, x): return self.head(self.features(x).float())

def test_half_precision_inside(): assert 'so leave the cast out' in refused(made(HalfInside), pics(), 1)

class Two(Plain):
    def forward(self, x, y): return super().forward(x+y)

class Casts(Plain):
    def forward(self, x): return super().forward(x.half())

@pytest.mark.parametrize('cls, output, why', [(Two,None,"'y', and the model is called with pictures alone"),
    (Casts,None,'half precision meets float32'), (Plain,['a'],"output is ['a']: give a name, an index, or a function")])
def test_what_can_not_be_run(cls, output, why): assert why in refused(made(cls), pics(), output=output)

def ruled_out(y): return y.masked_fill(torch.tensor([True,False,False,False]), -torch.inf)

@pytest.mark.parametrize('method', ['gradcam','hirescam','eigencam','finercam','scorecam','ablationcam','fullgrad','shapleycam'])
def test_classes_that_are_ruled_out(method):
    "Logits of -inf, as of classes that can't be: the maps of others are as they were"
    net,x = made(Gives, ruled_out),pics(4)
    maps,same = cam(net, x, 2, method=method),cam(net.net, x, 2, method=method)
    assert 'nonfinite' not in maps.status[maps.layers[0]] and not maps.note
    if method not in ('finercam','ablationcam','scorecam'):
        torch.testing.assert_close(*(torch.from_numpy(o[o.layers[0]]) for o in (maps,same)))
    assert 0 not in cam(net, x, method=method).targets

def test_a_class_that_is_ruled_out():
    net = made(Gives, ruled_out)
    assert set(cam(net, pics(), 0).status['net.three'])=={'nonfinite'}
    assert set(cam(made(Gives, lambda y: y*torch.nan), pics(), 1).status['net.three'])=={'nonfinite'}

class Sure(Plain):
    "The same network, whose logits are `k` times as large, and probabilities of them"
    def __init__(self, k, last, n_out=4):
        super().__init__(n_out)
        self.k,self.last = k,last
    def forward(self, x): return self.last(self.k*super().forward(x))

class Flip(nn.Module):
    def forward(self, y): return y.flip(1)*1.1

class Mean(nn.Module):
    "Of two networks, one as sure as the other, of another class"
    def forward(self, y): return (y.softmax(1)+Flip()(y).softmax(1))/2

class ByHand(nn.Module):
    def forward(self, y):
        e = (y-y.amax(1, keepdim=True)).exp()
        return e/e.sum(1, keepdim=True)

class ExpLog(nn.Module):
    def forward(self, y): return y.log_softmax(1).exp()

def made_sure(k, last, x, n_out=4):
    net = made(Sure, 1, nn.Identity(), n_out=n_out)
    net.head.lin.bias.data -= net(x).detach().mean(0)     # all classes are predicted
    net.k,net.last = k,last
    return net

def of_logits(net, x, ts, before=nn.Identity()):
    "The maps of probabilities, and what is left of 1: by hand, in float64, from maps of the logits, of which nothing is small"
    net = deepcopy(net).double()
    last,net.last = net.last,before
    y,n = net(x.double()).detach(),len(ts)
    each = torch.stack([own(net, x.double(), net.three, lambda o, j=j: o[:,j]) for j in range(y.shape[1])], 1)
    if y.shape[1]==1: return each[:,0]*torch.tensor([2.*t-1 for t in ts])[:,None,None],None
    if isinstance(last, nn.Sigmoid): return each[range(n),ts],None     # up to a factor
    p = y.softmax(1)
    its,p[range(n),ts] = p[range(n),ts],0
    return (its[:,None]*p)[...,None,None].mul(each[range(n),ts][:,None]-each).sum(1),p.sum(1)

def shape_of(o):
    o = torch.as_tensor(o).double()
    return o/o.abs().amax((-2,-1), keepdim=True)

lasts = [(1,nn.Sigmoid()), *((4,o) for o in (nn.Sigmoid(), nn.Softmax(1), nn.LogSoftmax(1), ByHand(), ExpLog()))]

@pytest.mark.filterwarnings('ignore:.*gives probabilities', 'ignore:.*numbers that add up')
@pytest.mark.parametrize('n_out, last', lasts)
@pytest.mark.parametrize('k', [1,1e3,3e3,1e4,1e5,1e7])
def test_probabilities_are_true_or_not_drawn(n_out, last, k):
    "Whatever is left of 1; where nothing is, that is said"
    x = pics(12)
    net = made_sure(k, last, x, n_out)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        maps = cam(net, x)
    (want,rest),there,p = of_logits(net, x, maps.targets),np.isfinite(maps['three']).all((1,2)),net(x).detach()
    if rest is not None: assert there[rest>1e-29].all() and not there[rest<(1e-31 if 'softmax' in maps.note else 1e-34)].any()
    else: assert there.tolist()==[1e-30<=o<1 for o in p[range(12),maps.targets if n_out>1 else 0]]
    for i in there.nonzero()[0]:
        assert (shape_of(maps['three'][i])-shape_of(want[i])).abs().max()<=max(1e-4, k*1e-6)   # as far as float32 knows the logits
        assert maps.status['three'][i]==('ok' if shape_of(want[i]).max()>1e-5 else 'no positive evidence')
        if maps.status['three'][i]=='ok': assert maps.heat('three')[i].max()>.8
    assert any('so sure of' in str(o.message) for o in said)==(not there.all())==('too near to 0 or 1' in maps.note)
    if k<=1e3: assert there.all()

@pytest.mark.filterwarnings('ignore:.*numbers that add up', 'ignore:.*gives probabilities')
@pytest.mark.parametrize('k', [1e3,3e3])
def test_a_mean_of_probabilities(k):
    x = pics(12)
    net = made_sure(k, Mean(), x)
    maps = cam(net, x)
    want = shape_of(sum(of_logits(net, x, maps.targets, o)[0] for o in (nn.Identity(),Flip())))
    assert (shape_of(maps['three'])-want).abs().max()<=k*1e-6
