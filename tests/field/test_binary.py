"One output for two classes: the probability of the second"
import numpy as np, pytest
from fastai.vision.all import BCEWithLogitsLossFlat, DataLoaders, F, Learner, nn, torch
from cifar_cam.all import CAMInterpretation, cam
from people import Net, dls_of, learner, pairs

LABELS = ['no','yes','yes']*4

def check(interp, learn, names):
    with torch.no_grad(): yes = learn.model(interp.inputs(range(12))).flatten().sigmoid()
    np.testing.assert_allclose(interp.preds, torch.stack([1-yes,yes], 1), atol=1e-6)
    assert interp.table.predicted.tolist()==[names[int(o>.5)] for o in yes]
    np.testing.assert_allclose(interp.table.loss, -np.log(interp.table.prob_actual), rtol=1e-3)
    assert interp.confusion_matrix().sum()==12 and len(interp.per_class())==2

def test_fastai():
    learn = learner(dls_of(LABELS), 1, BCEWithLogitsLossFlat())
    check(CAMInterpretation.from_learner(learn), learn, ['no','yes'])

def by_hand(pred, y): return F.binary_cross_entropy_with_logits(pred.squeeze(-1), y.float())

def test_loss_of_one_s_own():
    learn = learner(dls_of(LABELS), 1, by_hand)
    with pytest.raises(ValueError, match='act='): CAMInterpretation.from_learner(learn)
    with pytest.warns(UserWarning, match='by_hand gives no loss'):
        interp = CAMInterpretation.from_learner(learn, act=torch.sigmoid)
    check(interp, learn, ['no','yes'])

@pytest.mark.parametrize('shape', [(-1,), (-1,1)])
def test_plain_torch(shape):
    "Labels as torch's loss takes them: floats, in a column or not"
    data = pairs([0.,1.,1.]*4)
    data.tensors = data.tensors[0],data.tensors[1].view(shape)
    model = Net(1) if len(shape)==2 else nn.Sequential(Net(1), nn.Flatten(0))
    dls = DataLoaders(*[torch.utils.data.DataLoader(data, 4) for _ in range(2)])
    learn = Learner(dls, model, nn.BCEWithLogitsLoss())
    check(CAMInterpretation.from_learner(learn, vocab=['no','yes']), learn, ['no','yes'])

def test_three_classes():
    with pytest.raises(ValueError, match='1 figure a picture, and there are 3 classes'):
        CAMInterpretation.from_learner(learner(dls_of(['a','b','c']*4), 1, lambda p,y: p.mean()))

class Probability(nn.Module):
    "One number from 0 to 1, in the ways that people write it"
    def __init__(self, how, n_out=1):
        super().__init__()
        self.net,self.how = Net(n_out),how
    def forward(self, x): return self.how(self.net(x))

WAYS = dict(sigmoid=torch.sigmoid, module=nn.Sigmoid(), squeezed=lambda o: o.squeeze(1).sigmoid(),
            clamped=lambda o: o.sigmoid().clamp(1e-6, 1-1e-6), functional=lambda o: F.linear(o, torch.ones(1, 1)).sigmoid(),
            mean=lambda o: torch.stack([o.sigmoid(),(2*o).sigmoid()]).mean(0))

def centred(net, x):
    "`net`, such that half of the pictures are likelier to be of class 1"
    with torch.no_grad():
        last = [m for m in net.modules() if isinstance(m, nn.Linear)][-1]
        y = net.net(x)
        last.bias -= y.median() if len(last.bias)==1 else torch.stack([0*y[:,0].median(), (y[:,1]-y[:,0]).median()])
    return net.eval()

@pytest.mark.filterwarnings('ignore:.*gives probabilities')
@pytest.mark.parametrize('how', WAYS.values(), ids=WAYS)
def test_one_probability(how):
    "The likelier class is predicted, not the second whatever it is"
    x = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    net = centred(Probability(how), x)
    p = net(x).detach().flatten()
    for _ in range(2):   # the second time from a trace that is remembered
        maps = cam(net, x)
        assert maps.targets==(p>.5).int().tolist() and 0<sum(maps.targets)<8
        torch.testing.assert_close(maps.logits, torch.stack([1-p,p], 1))
        assert 'of probabilities (sigmoid)' in maps.note
    first,second = [cam(net, x, c) for c in (0,1)]
    torch.testing.assert_close(first[first.layers[0]], -second[second.layers[0]])

@pytest.mark.filterwarnings('ignore:.*gives probabilities')
def test_one_probability_of_two():
    x = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    net = centred(Probability(lambda o: o.softmax(1)[:,1], 2), x)
    maps = cam(net, x)
    assert maps.targets==(net(x)>.5).int().tolist() and 0<sum(maps.targets)<8
    assert 'of probabilities (softmax)' in maps.note

def test_the_way_to_its_logits():
    x = torch.randn(4, 3, 32, 32)
    with pytest.warns(UserWarning) as said: cam(Probability(lambda o: o.softmax(1)[:,1], 2).eval(), x)
    output = str(said[0].message).rpartition('`output=')[2].strip("`'")
    net = Probability(lambda o: o.softmax(1)[:,1], 2).eval()
    torch.testing.assert_close(cam(net, x, output=output).logits, net.net(x).detach())

def hidden(o): return 1/(1+(-F.linear(o, torch.full((1,1), 2.))).exp())

def test_a_sigmoid_that_nobody_sees():
    x = torch.randn(4, 3, 32, 32)
    net = Probability(hidden).eval()
    with pytest.raises(ValueError, match='from 0 to 1, and no sigmoid is seen.*torch.logit'): cam(net, x)
    p = net(x).detach()
    assert cam(net, x, output=torch.logit).targets==(p.flatten()>.5).int().tolist()
    assert cam(net, x, 1).targets==[1]*4
    with pytest.raises(ValueError, match='logarithm'): cam(Probability(F.logsigmoid).eval(), x)

def test_logits_between_0_and_1():
    "Those of a linear layer are none but logits"
    net = Net(1).eval()
    last = [m for m in net.modules() if isinstance(m, nn.Linear)][-1]
    nn.init.zeros_(last.weight); nn.init.constant_(last.bias, .3); last.weight.data += 1e-3
    assert cam(net, torch.randn(4, 3, 32, 32)).targets==[1]*4

@pytest.mark.filterwarnings('ignore:.*gives probabilities')
def test_learner_of_probabilities():
    data = pairs([0.,1.,1.]*4)
    data.tensors = data.tensors[0],data.tensors[1].view(-1, 1)
    net = Probability(torch.sigmoid)
    net = centred(net, data.tensors[0])
    learn = Learner(DataLoaders(*[torch.utils.data.DataLoader(data, 4) for _ in range(2)]), net, nn.BCELoss())
    interp = CAMInterpretation.from_learner(learn, vocab=['no','yes'])
    p = net(interp.inputs(range(12))).detach().flatten()
    assert interp.table.predicted.tolist()==['yes' if o>.5 else 'no' for o in p] and interp.table.predicted.nunique()==2
    maps = interp.cams(range(12))
    assert [interp.vocab[t] for t in maps.targets]==interp.table.predicted.tolist()
