"Loss functions that say nothing of probabilities: torch's own are known, of the others the rows are looked at"
import warnings
from functools import partial

import numpy as np, pytest
from fastai.vision.all import (BCEWithLogitsLossFlat, ClassificationInterpretation, CrossEntropyLossFlat, F, FocalLoss, FocalLossFlat,
    LabelSmoothingCrossEntropy, nn, TerminateOnNaNCallback, torch)
from cifar_cam.all import CAMInterpretation, History
from people import dls_of, learner, picture

LABELS = ['cat','dog','owl']*4
WEIGHT = torch.tensor([1.,2.,3.])
SOFTMAX = [CrossEntropyLossFlat(), CrossEntropyLossFlat(weight=WEIGHT), LabelSmoothingCrossEntropy(), FocalLoss(),
    FocalLossFlat(), nn.CrossEntropyLoss(), nn.CrossEntropyLoss(weight=WEIGHT), nn.CrossEntropyLoss(label_smoothing=.1),
    F.cross_entropy, partial(F.cross_entropy, label_smoothing=.1)]

def of(loss, **kwargs):
    learn = learner(dls_of(LABELS), loss=loss)
    interp = CAMInterpretation.from_learner(learn, **kwargs)
    with torch.no_grad(): return interp,learn.model(interp.inputs(range(12))).softmax(1)

@pytest.mark.parametrize('loss', SOFTMAX, ids=lambda o: getattr(o, '__name__', type(o).__name__))
def test_logits(loss):
    interp,probs = of(loss)
    np.testing.assert_allclose(interp.preds, probs, atol=1e-6)
    assert interp.table.prob.between(0, 1).all() and (interp.preds.sum(1)-1).abs().max()<1e-5

def test_losses_are_the_loss_function_s():
    interp,probs = of(nn.CrossEntropyLoss(weight=WEIGHT))
    own = probs[range(12),interp.targs].log()*WEIGHT[interp.targs]
    np.testing.assert_allclose(interp.table.loss, -own, rtol=1e-4)

@pytest.mark.parametrize('loss', [nn.NLLLoss(), F.nll_loss])
def test_log_probabilities(loss):
    learn = learner(dls_of(LABELS), loss=loss)
    learn.model.head.append(nn.LogSoftmax(1))
    interp = CAMInterpretation.from_learner(learn)
    np.testing.assert_allclose(interp.preds.sum(1), np.ones(12), atol=1e-5)
    np.testing.assert_allclose(interp.table.loss, -np.log(interp.table.prob_actual), rtol=1e-4)

def squared(pred, y): return (pred-F.one_hot(y, 3)).pow(2).mean()

@pytest.mark.parametrize('loss', [squared, nn.MultiMarginLoss(), lambda p,y: F.cross_entropy(p, y)])
def test_unknown(loss):
    "Refused with the way on; with `act` it works, and a loss that is only the mean is replaced, which is said"
    with pytest.raises(ValueError, match='no probabilities, by the loss function .*act='): of(loss)
    softmax = partial(torch.softmax, dim=1)
    if isinstance(loss, nn.Module): interp,probs = of(loss, act=softmax)
    else:
        with pytest.warns(UserWarning, match='gives no loss of each picture'): interp,probs = of(loss, act=softmax)
        np.testing.assert_allclose(interp.table.loss, -np.log(interp.table.prob_actual), rtol=1e-4)
    np.testing.assert_allclose(interp.preds, probs, atol=1e-6)

def test_a_callback_that_takes_one_loss_a_batch():
    "It is no word about the loss function, which gives one a picture"
    learn = learner(dls_of(LABELS), loss=FocalLossFlat())
    want = CAMInterpretation.from_learner(learn).table.loss
    learn.add_cb(TerminateOnNaNCallback())
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        np.testing.assert_allclose(CAMInterpretation.from_learner(learn).table.loss, want)
    assert any(isinstance(o, TerminateOnNaNCallback) for o in learn.cbs)

def test_model_that_ends_in_softmax():
    learn = learner(dls_of(LABELS), loss=squared)
    learn.model.head.append(nn.Softmax(1))
    with pytest.warns(UserWarning, match='squared gives no loss'): interp = CAMInterpretation.from_learner(learn)
    assert interp.table.prob.between(0, 1).all()

class Careful(CrossEntropyLossFlat):
    "Says cat where that is likely indeed"
    def decodes(self, x): return (x*torch.tensor([.3,1.,1.])).argmax(-1)

class Broken(CrossEntropyLossFlat):
    def decodes(self, x): raise RuntimeError('no')

@pytest.mark.parametrize('loss, n_out', [(BCEWithLogitsLossFlat(thresh=.3),1), (BCEWithLogitsLossFlat(thresh=.7),1),
    (BCEWithLogitsLossFlat(),1), (Careful(),3), (CrossEntropyLossFlat(),3)])
def test_what_the_loss_function_decides(loss, n_out, tmp_path):
    "Threshold and `decodes` are asked, as by fastai, in every table"
    learn = learner(dls_of(LABELS if n_out>1 else ['no','yes','yes']*4), n_out, loss)
    last = learn.model.head[2]
    with torch.no_grad():
        outs = learn.model(torch.cat([x for x,_ in learn.dls.valid]))
        last.bias.sub_(outs.mean(0))
        for p in last.parameters(): p.mul_(2/outs.std(0).mean())
    with learn.no_bar(): own = ClassificationInterpretation.from_learner(learn)
    interp = CAMInterpretation.from_learner(learn)
    with learn.no_bar():
        decided = learn.get_preds(with_decoded=True)[2].flatten().long()
        np.testing.assert_array_equal(interp.confusion_matrix(), own.confusion_matrix())
        assert interp.most_confused()==own.most_confused()
    assert interp.table.predicted.tolist()==[interp.vocab[i] for i in decided] and len(decided.unique())==max(n_out, 2)
    assert interp.cams([0,1], 'body').targets==decided[:2].tolist()
    np.testing.assert_allclose(interp.table.prob, interp.preds[range(12),decided])
    probe = interp.probe_callback(range(12), 'body')
    hist = History()
    with learn.no_bar(), learn.no_logging(): learn.fit(1, 0., cbs=[probe,hist])
    assert probe.table.predicted.tolist()==interp.table.predicted.tolist()
    if n_out==1: np.testing.assert_allclose(hist.epochs[-1]['valid_acc'], interp.table.correct.mean(), rtol=1e-6)

def test_decodes_that_fail():
    interp,probs = of(Broken())
    assert interp.decoded.tolist()==probs.argmax(1).tolist()

def test_act_that_makes_none():
    with pytest.raises(ValueError, match='by `act`'): of(CrossEntropyLossFlat(), act=torch.sigmoid)

def test_refused_before_the_pass():
    "Two pictures are enough to see it"
    learn,seen = learner(dls_of(LABELS), loss=nn.MultiMarginLoss()),[]
    learn.model.register_forward_hook(lambda m, x, out: seen.append(len(out)))
    with pytest.raises(ValueError, match='no probabilities'): CAMInterpretation.from_learner(learn)
    assert sum(seen)<=2

@pytest.mark.parametrize('n_out', [1, 2, 8, 1000])
def test_number_of_outputs(n_out):
    words = rf'gives {n_out:,} figure{"s"*(n_out>1)} a picture, and there are 3 classes \(cat, dog, owl\)'
    with pytest.raises(ValueError, match=words):
        CAMInterpretation.from_learner(learner(dls_of(LABELS), n_out, lambda p,y: p.mean()))

def test_probe():
    "The callback that watches pictures has the same probabilities"
    learn = learner(dls_of(LABELS), loss=nn.CrossEntropyLoss(label_smoothing=.1))
    interp = CAMInterpretation.from_learner(learn)
    probe = interp.probe_callback([0,1], 'body')
    with learn.no_bar(), learn.no_logging(): learn.fit(1, cbs=probe)
    after = CAMInterpretation.from_learner(learn).table
    np.testing.assert_allclose(probe.table.prob, after.prob[:2], atol=1e-5)

class Several(nn.Module):
    "A network that gives more than logits"
    def __init__(self, net, wrap):
        super().__init__()
        self.net,self.wrap = net,wrap
    def forward(self, x): return self.wrap(self.net(x))

@pytest.mark.parametrize('wrap,get', [
    (lambda y: (y,2*y), lambda o: o[0]), (lambda y: dict(out=y, aux=2*y), lambda o: o['out']),
    (lambda y: dict(logits=y, more=2*y), lambda o: o['logits'])], ids=['tuple','dict','logits'])
def test_several_outputs(wrap, get):
    "Refused with the way on, which works; the `logits` of Hugging Face are taken"
    learn = learner(dls_of(LABELS), loss=lambda p,y: F.cross_entropy(get(p), y))
    plain = CAMInterpretation.from_learner(learner(dls_of(LABELS)))
    learn.model = Several(learn.model, wrap)
    words = 'no probabilities' if 'logits' in wrap(torch.zeros(1)) else 'say which are the logits, with `output=`'
    with pytest.raises(ValueError, match=words): CAMInterpretation.from_learner(learn)
    with pytest.warns(UserWarning, match='no loss of each picture'):
        interp = CAMInterpretation.from_learner(learn, act=lambda o: get(o).softmax(1))
    np.testing.assert_allclose(interp.preds, plain.preds, atol=1e-6)

class Headed(nn.Module):
    "An embedding, and two heads: the first for as many classes as there are, the other for something else"
    def __init__(self, net):
        super().__init__()
        self.net,self.other = net,nn.Linear(8, 5)
    def forward(self, x):
        h = self.net.head[:2](self.net.body(self.net.stem(x)))
        return h,dict(a=self.net.head[2](h), b=self.other(h))

def own_logits(o): return o[1]['a']
def of_own(p, y, reduction='mean'): return F.cross_entropy(own_logits(p), y, reduction=reduction)

def headed():
    learn = learner(dls_of(LABELS), loss=of_own)
    plain,learn.model = learner(learn.dls),Headed(learn.model)
    return learn,plain

softmax = partial(torch.softmax, dim=1)

def test_maps_are_of_the_logits_that_are_named():
    "Once for all that is made of them"
    learn,plain = headed()
    interp,want = CAMInterpretation.from_learner(learn, act=softmax, output=own_logits),CAMInterpretation.from_learner(plain)
    np.testing.assert_allclose(interp.preds, want.preds, atol=1e-6)
    maps,ref = interp.cams([0,1], 'net.body'),want.cams([0,1], 'body')
    np.testing.assert_allclose(maps['net.body'], ref['body'], atol=1e-6)
    assert maps.whose(0)==ref.whose(0) and interp.mean_map(layer='net.body')[1]==want.mean_map(layer='body')[1]

def test_other_logits_than_those_of_the_table():
    "As many as there are classes, or not"
    interp = CAMInterpretation.from_learner(headed()[0], act=lambda o: own_logits(o).softmax(1))
    assert len(interp.cams([0,1], output=own_logits))==2
    with pytest.raises(ValueError, match='say which are the logits'): interp.cams([0,1])
    with pytest.raises(ValueError, match='the logits are 5 a picture, and there are 3 classes'):
        interp.cams([0], output=lambda o: o[1]['b'])
    with pytest.raises(ValueError, match='where the likeliest class is .*output='): interp.cams([0,1,2], output=lambda o: -own_logits(o))

def test_a_model_that_has_changed_since():
    "Its maps would be of what it says now, and not of the table; of a table that was made by hand nobody knows the weights"
    learn = learner(dls_of(LABELS))
    interp = CAMInterpretation.from_learner(learn)
    by_hand = CAMInterpretation(learn, interp.dl, interp.losses, None, interp.preds, interp.targs)
    with torch.no_grad(): learn.model.head[2].weight.neg_()
    with pytest.raises(ValueError, match='the weights have changed since'): interp.cams([0,1,2])
    assert len(by_hand.cams([0,1,2]))==3

def test_look_at_one_of_several_outputs():
    learn,plain = headed()
    learn.loss_func,plain.loss_func = (CrossEntropyLossFlat() for _ in range(2))
    with pytest.raises(ValueError, match='say which are the logits, with `output=`'): learn.look(picture(1))
    seen,want = learn.look(picture(1), output=own_logits, layers='net.body'),plain.look(picture(1), layers='body')
    np.testing.assert_allclose(seen.maps['net.body'], want.maps['body'], atol=1e-6)
    assert seen.table['class'].tolist()==want.table['class'].tolist()

def test_look_with_a_network_that_squeezes():
    learn,plain = learner(dls_of(LABELS)),learner(dls_of(LABELS))
    learn.model.head[1] = Squeeze()
    np.testing.assert_allclose(learn.look(picture(1)).maps['body'], plain.look(picture(1)).maps['body'], atol=1e-6)

class Squeeze(nn.Module):
    def forward(self, x): return x.squeeze()
