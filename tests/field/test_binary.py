"One output for two classes: the probability of the second"
import numpy as np, pytest
from fastai.vision.all import BCEWithLogitsLossFlat, DataLoaders, F, Learner, nn, torch
from cifar_cam.all import CAMInterpretation
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
    with pytest.raises(ValueError, match='1 figures a picture, and there are 3 classes'):
        CAMInterpretation.from_learner(learner(dls_of(['a','b','c']*4), 1, lambda p,y: p.mean()))
