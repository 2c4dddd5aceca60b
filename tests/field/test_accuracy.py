"Accuracy is that of one class a picture: of numbers, masks, several labels, and of pictures that there are not, nothing is claimed"
import json, math

import numpy as np, pandas as pd, pytest
from fastai.vision.all import BCEWithLogitsLossFlat, CrossEntropyLossFlat, DataLoaders, F, MSELossFlat, nn, torch
from fastcore.test import test_close as close
from cifar_cam.all import CAMInterpretation, Callback, History, load_run, resnet_learner
from cifar_cam.learner import _EpochLines
from people import Net, dls_of, learner, pairs

def trained(dls, model, loss=None, n=1, **kwargs):
    torch.manual_seed(1)
    learn = resnet_learner(dls, model, loss_func=loss or CrossEntropyLossFlat(), precision='fp32', metrics=[])
    with learn.no_bar(), learn.no_logging(): learn.fit_recipe(n, **kwargs)
    return learn

def sets(ys, bs=4):
    "Pictures with targets of any kind, the same for training and validation"
    items = list(zip(torch.rand(len(ys), 3, 16, 16, generator=torch.Generator().manual_seed(1)), ys))
    return DataLoaders.from_dsets(items, items, bs=bs, shuffle=False, num_workers=0, device=torch.device('cpu'))

@pytest.mark.parametrize('flat', [False,True])
def test_one_figure_for_two_classes(flat):
    "As the interpretation of the same network has it"
    model = Net(1)
    with torch.no_grad(): model.head[2].bias -= model(torch.stack([x for x,_ in pairs([0]*12)])).median()
    learn = trained(dls_of(['no','yes','yes']*4), nn.Sequential(model, nn.Flatten(0)) if flat else model, BCEWithLogitsLossFlat())
    interp = CAMInterpretation.from_learner(learn)
    close(learn.history.epochs[-1]['valid_acc'], interp.table.correct.mean(), 1e-6)

class Gives(nn.Module):
    "A network that gives what `wrap` makes of its logits"
    def __init__(self, wrap, n_out=3):
        super().__init__()
        torch.manual_seed(1)
        self.net,self.wrap = Net(n_out),wrap
    def forward(self, x): return self.wrap(self.net(x))

LABELS = ['cat','dog','owl']*4
def tensors(o): return o if isinstance(o, torch.Tensor) else list(o.values() if isinstance(o, dict) else o)[0]
def of_first(pred, y): return F.cross_entropy(tensors(pred), y)

@pytest.mark.parametrize('wrap,clear', [(lambda o: o, True), (lambda o: (o,), True), (lambda o: dict(logits=o, more=2*o), True),
    (lambda o: (o,2*o), False), (lambda o: dict(a=o, b=2*o), False)], ids=['tensor','one','logits','two','names'])
def test_what_a_model_gives(wrap, clear):
    "Where it is clear which are the logits, they are looked at"
    learn = trained(dls_of(LABELS), Gives(wrap), of_first)
    with torch.no_grad(): right = [(tensors(learn.model.eval()(x)).argmax(1)==y) for x,y in learn.dls.valid]
    acc = learn.history.epochs[-1]['valid_acc']
    if clear: close(acc, torch.cat(right).float().mean().item(), 1e-6)
    else: assert math.isnan(acc)

def by_hand(pred, y): return F.binary_cross_entropy_with_logits(pred[:,0], y.float())
def near(pred, y): return pred.pow(2).mean()

ONE = torch.tensor([0.,1.,1.]*4)
MANY = torch.tensor([[1.,0.,1.],[0.,1.,1.]]*6)
NONE = dict(
    numbers=lambda: trained(sets(ONE), Net(1), MSELossFlat()),
    masks=lambda: trained(sets(torch.zeros(12, 16, 16).long()), nn.Conv2d(3, 2, 1), CrossEntropyLossFlat(axis=1)),
    several=lambda: trained(sets(MANY), Net(3), BCEWithLogitsLossFlat()),
    as_many_as_pictures=lambda: trained(sets(MANY, 3), Net(3), BCEWithLogitsLossFlat()),
    unknown=lambda: trained(dls_of(['no','yes']*6), Net(1), by_hand),
    embedding=lambda: trained(dls_of(LABELS), Net(5), near))

@pytest.mark.parametrize('case', NONE)
def test_no_accuracy(case, tmp_path):
    "Neither in the history nor in what is made of it"
    learn = NONE[case]()
    h,run = learn.history,learn.save_run(tmp_path/'run')
    assert all(math.isnan(o['acc']) for o in h.batches) and all(math.isfinite(o['loss']) for o in h.batches)
    assert math.isnan(h.epochs[0]['train_acc']) and math.isnan(h.epochs[0]['valid_acc'])
    assert 'accuracy:' not in repr(learn)
    assert len(learn.plot_curves().axes)==1 and len(learn.plot_curves().axes[0].lines)==3
    close(json.loads((run/'metrics.json').read_text())['loss'], h.epochs[0]['valid_loss'])
    assert set(json.loads((run/'metrics.json').read_text()))=={'loss','n'}
    kept = pd.read_csv(run/'history.csv')
    assert kept.valid_acc.isna().all() and kept.train_acc.isna().all() and kept.valid_loss.notna().all()
    back = load_run(run, dls=learn.dls, model=learn.model)
    pd.testing.assert_frame_equal(pd.DataFrame(back.history.epochs), pd.DataFrame(h.epochs))
    assert len(back.plot_curves().axes)==1

class Break(Callback):
    order = 101   # after the checkpoint
    def after_epoch(self):
        if not self.epoch: raise KeyboardInterrupt

def test_resumed_without_accuracy(tmp_path):
    "To the same bits, and the same empty places"
    def go(**kwargs): return trained(sets(ONE), Gives(lambda o: o, 1), MSELossFlat(), 2, **kwargs)
    with pytest.raises(KeyboardInterrupt): go(checkpoint=tmp_path/'ck', cbs=Break())
    a,b = go(),go(checkpoint=tmp_path/'ck', resume=True)
    for x,y in zip(a.model.state_dict().values(), b.model.state_dict().values()): assert torch.equal(x, y)
    x,y = (pd.DataFrame(o.history.epochs).drop(columns='seconds') for o in (a,b))
    pd.testing.assert_frame_equal(x, y, check_exact=True)
    np.testing.assert_array_equal(*(pd.DataFrame(o.history.batches) for o in (a,b)))
    assert len(b.history.fits)==1

def test_no_validation(tmp_path, capsys):
    "What was not measured is not spoken of, and what there is is drawn"
    items = [(x,y) for x,y in pairs([0,1,2]*4)]
    dls = DataLoaders.from_dsets(items, [], bs=4, num_workers=0, device=torch.device('cpu'))
    dls.c,dls.vocab = 3,['cat','dog','owl']
    learn = trained(dls, Net(3), cbs=_EpochLines())
    said = capsys.readouterr().out
    assert 'train' in said and 'valid' not in said and 'nan' not in said
    run = learn.save_run(tmp_path/'run')
    assert 'accuracy:' not in repr(learn) and not (run/'metrics.json').exists()
    left,right = learn.plot_curves().axes
    assert [o.get_label() for o in left.lines]==[o.get_label() for o in right.lines]==['training, batches','training, epochs']
    kept = pd.read_csv(run/'history.csv')
    assert kept.valid_loss.isna().all() and kept.train_acc.notna().all()
    assert len(load_run(run, dls=dls, model=learn.model).plot_curves().axes)==2

def test_a_plain_learner():
    "History alone, in fastai's"
    learn = learner(dls_of(LABELS))
    learn.add_cb(History())
    with learn.no_bar(), learn.no_logging(): learn.fit(1)
    close(learn.history.epochs[0]['valid_acc'], CAMInterpretation.from_learner(learn).table.correct.mean(), 1e-6)
