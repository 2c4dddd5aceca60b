"Data sets of torch alone, which know neither names of classes nor files"
import json
import numpy as np, pytest
from fastai.vision.all import Callback, CrossEntropyLossFlat, DataLoader, DataLoaders, Image, Learner, nn, torch
from torch.utils.data import DataLoader as TorchDL, IterableDataset, Subset, SubsetRandomSampler
from cifar_cam.all import CAMInterpretation, cifar_resnet18, compare, explain_run, load_run, resnet_learner
from cifar_cam.run import _metrics
from people import Net, pairs, picture

LABELS = [0,1,2]*4
NAMES = ['cat','dog','owl']

def learner(data, kind=TorchDL, n_out=3, loss=None):
    torch.manual_seed(1)
    dls = DataLoaders(*[kind(data, 4, shuffle=True) for _ in range(2)])
    return Learner(dls, Net(n_out), loss or nn.CrossEntropyLoss())

def fastai_dl(data, bs, **kwargs): return DataLoader(data, bs=bs, **kwargs)

@pytest.mark.parametrize('kind', [TorchDL, fastai_dl])
def test_names_are_given(kind):
    learn = learner(pairs(LABELS), kind)
    with pytest.raises(ValueError, match='does not say what its classes are called.*vocab='):
        CAMInterpretation.from_learner(learn)
    interp = CAMInterpretation.from_learner(learn, vocab=NAMES)
    assert interp.table.actual.tolist()==NAMES*4 and interp.table.file.tolist()==list(map(str, range(12)))
    with torch.no_grad(): probs = learn.model(pairs(LABELS).tensors[0]).softmax(1)
    np.testing.assert_allclose(interp.preds, probs, atol=1e-6)
    assert interp.cams([0], 'body', target='owl').targets==[2]
    assert interp.plot_cams(2, 'body') and interp.plot_misclassified(2)
    assert 'run' not in repr(interp) and 'data' not in repr(interp)   # nothing is known of them
    ims = interp.pictures([0,3])
    np.testing.assert_allclose(ims, pairs(LABELS).tensors[0][[0,3]].permute(0,2,3,1)*255, atol=1)

def test_from_dsets():
    learn = Learner(DataLoaders.from_dsets(pairs(LABELS), pairs(LABELS), bs=4), Net(3), CrossEntropyLossFlat())
    assert CAMInterpretation.from_learner(learn, vocab=NAMES).table.actual.tolist()==NAMES*4

@pytest.mark.parametrize('loss', [nn.CrossEntropyLoss(), nn.MultiMarginLoss(), lambda p,y: p.mean()])
def test_labels_are_no_indices(loss):
    "Labels 1 to 3 for three classes: a loss function of torch's stumbles over them or not, and the reason is said"
    with pytest.raises(ValueError, match='labels go from 1 to 3: expected indices of classes, 0 to 2'):
        CAMInterpretation.from_learner(learner(pairs([1,2,3]*4), loss=loss), vocab=NAMES, act=nn.Softmax(1))

def test_wrong_number_of_names():
    with pytest.raises(ValueError, match='3 figures a picture, and there are 2 classes'):
        CAMInterpretation.from_learner(learner(pairs([0,1]*6)), vocab=NAMES[:2])

@pytest.fixture
def folder(tmp_path):
    for i,c in enumerate(NAMES*2):
        (tmp_path/'photos'/c).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(i)).save(tmp_path/'photos'/c/f'{i}.png')
    return tmp_path/'photos'

def test_torchvision(folder):
    "An `ImageFolder` has names of classes and files, also as a part of it"
    from torchvision import transforms as T
    from torchvision.datasets import ImageFolder
    data = ImageFolder(folder, T.Compose([T.ToTensor(), T.Normalize([.4]*3, [.2]*3)]))
    interp = CAMInterpretation.from_learner(learner(data))
    assert interp.table.actual.tolist()==['cat','cat','dog','dog','owl','owl']
    assert interp.table.file[0].endswith('photos/cat/0.png')
    assert 'photos' in repr(interp)
    some = CAMInterpretation.from_learner(learner(Subset(data, [4,0])))
    assert some.table.file.tolist()==interp.table.file[[4,0]].tolist() and some.table.actual.tolist()==['owl','cat']
    im = interp.pictures([0])[0]   # normalised, nobody says how: stretched, not cut off
    assert im.min()==0 and im.max()==255 and (im==0).mean()<.1

class Stream(IterableDataset):
    def __iter__(self): return iter(pairs(LABELS))

def test_refused_in_words():
    learn = learner(pairs(LABELS))
    x = torch.rand(3, 16, 16)
    for data,words in ((Stream(), 'a stream'), (pairs([]), 'no pictures'), (pairs(LABELS).tensors[0], 'no labels'),
                       ([dict(image=1, label=0)]*4, 'a batch is a dict'), ([(x,'cat')]*4, 'one class a picture')):
        dl = TorchDL(data, 4)
        with pytest.raises(ValueError, match=words): CAMInterpretation.from_learner(learn, dl=dl, vocab=NAMES)

def test_one_data_set():
    "A learner with training data alone"
    learn = Learner(DataLoaders(TorchDL(pairs(LABELS), 4)), Net(3), nn.CrossEntropyLoss())
    with pytest.raises(ValueError, match='has 1 data sets, and none is number 1: give `dl=`'):
        CAMInterpretation.from_learner(learn, vocab=NAMES)
    assert len(CAMInterpretation.from_learner(learn, dl=TorchDL(pairs(LABELS), 4), vocab=NAMES).table)==12

def trained(*loaders):
    torch.manual_seed(1)
    learn = resnet_learner(DataLoaders(*loaders), cifar_resnet18(3, 4), 'step20', precision='fp32')
    with learn.no_bar(), learn.no_logging(): learn.fit_recipe(2)
    return learn

def test_trained_explained_and_kept(folder, tmp_path):
    "Loaders of torch's go the whole way, but for what they don't say"
    from torchvision import transforms as T
    from torchvision.datasets import ImageFolder
    data = ImageFolder(folder, T.ToTensor())
    dls = TorchDL(Subset(data, range(6)), 2, shuffle=True),TorchDL(data, 3)
    learn = trained(*dls)
    with torch.no_grad(): right = sum((learn.model.eval()(x).argmax(1)==y).sum().item() for x,y in dls[1])
    assert learn.history.epochs[-1]['valid_acc']==pytest.approx(right/6)
    run = learn.save_run(tmp_path/'run')
    interp = explain_run(learn, k=2, mistakes=3)
    assert json.loads((run/'metrics.json').read_text())['accuracy']==pytest.approx(right/6)
    assert list(interp.vocab)==json.loads((run/'config.json').read_text())['vocab']==NAMES
    assert len(interp.similar([0], k=2))==2
    again = CAMInterpretation.from_learner(load_run(run, dls=DataLoaders(*dls)))
    np.testing.assert_array_equal(again.preds, interp.preds)
    for ask,words in ((lambda: load_run(run), 'give them to `load_run`'), (lambda: learn.export_onnx(tmp_path/'a.onnx'), 'only bytes'),
                      (lambda: learn.look(folder/'cat'/'0.png'), 'how a picture is read')):
        with pytest.raises(ValueError, match=words): ask()

def test_kept_without_names(tmp_path):
    "A run of data that does not say what its classes are is there again where its data is given"
    dls = TorchDL(pairs(LABELS), 4),TorchDL(pairs(LABELS), 4)
    learn = trained(*dls)
    again = load_run(learn.save_run(tmp_path/'run'), dls=DataLoaders(*dls))
    first,second = [CAMInterpretation.from_learner(o, vocab=NAMES).preds for o in (learn,again)]
    np.testing.assert_array_equal(first, second)
    with pytest.raises(ValueError, match='how many classes it has: give `model`'): resnet_learner(DataLoaders(*dls))

def test_a_part_by_its_sampler():
    "One data set, parted by samplers: the figures are of the part alone, and its set is known"
    data = pairs(LABELS)
    dls = DataLoaders(TorchDL(data, 4, sampler=SubsetRandomSampler(range(8))), TorchDL(data, 4, sampler=SubsetRandomSampler([11,9,8,10])))
    torch.manual_seed(1)
    learn = Learner(dls, Net(3), nn.CrossEntropyLoss())
    with torch.no_grad(): probs = learn.model(data.tensors[0]).softmax(1)
    for dl,ids,name in (None,range(8,12),'valid'),(dls.valid,range(8,12),'valid'),(dls.train,range(8),'train'):
        interp = CAMInterpretation.from_learner(learn, dl=dl, vocab=NAMES)
        np.testing.assert_allclose(interp.preds, probs[list(ids)], atol=1e-6)
        assert (interp.metrics()['n'],interp.metrics()['set'])==(len(ids),name)
    train = resnet_learner(dls, cifar_resnet18(3, 4), precision='fp32')
    with train.no_bar(), train.no_logging(): train.fit(1)
    assert _metrics(train)['n']==4

class Flipped(torch.utils.data.Dataset):
    "Pictures that are mirrored now and then, as `ImageFolder` with a random transform gives them"
    classes = NAMES
    def __len__(self): return 12
    def __getitem__(self, i):
        x,y = pairs(LABELS)[i]
        return (x.flip(-1) if torch.rand(())<.5 else x),y

def test_other_pictures_each_time():
    with pytest.raises(ValueError, match='other ones each time that they are read'): CAMInterpretation.from_learner(learner(Flipped()))
    learn = learner(pairs(LABELS))
    learn.dls = DataLoaders(TorchDL(Flipped(), 4), learn.dls.valid)   # an augmented training set is as it should be
    interp = CAMInterpretation.from_learner(learn, vocab=NAMES)
    with pytest.raises(ValueError, match='other ones each time that they are read'): interp.similar([0], k=1)

class Brighter(Callback):
    def before_batch(self): self.learn.xb = (9*self.xb[0]-4,)

def test_callbacks_that_change_pictures():
    "The table is of what the callback made of the pictures, of which the network by itself knows nothing: no map is drawn"
    data = pairs(LABELS)
    learn = learner(data)
    learn.add_cb(Brighter())
    with torch.no_grad(): learn.model.head[-1].weight.mul_(50)
    interp = CAMInterpretation.from_learner(learn, vocab=NAMES)
    with torch.no_grad(): probs = [learn.model(o).softmax(1) for o in (data.tensors[0], 9*data.tensors[0]-4)]
    np.testing.assert_allclose(interp.preds, probs[1], atol=1e-5)
    assert (probs[0]-probs[1]).abs().max()>.2
    with pytest.raises(ValueError, match=r'the network by itself gives picture .* in the pass, as callbacks .*\(Brighter\)'):
        interp.cams(range(12), 'body')

def parted(data, model, kind=Learner, n=8, **kwargs):
    "A learner of one data set, in two parts by samplers"
    samplers = SubsetRandomSampler(range(n)),SubsetRandomSampler(range(n, len(data)))
    return kind(DataLoaders(*[TorchDL(data, 4, sampler=o) for o in samplers]), model, **kwargs)

@pytest.mark.parametrize('files', [True,False])
def test_what_is_said_of_parts(tmp_path, files):
    "With one data set in two parts: nothing is taught, twice there or compared that is not"
    from torchvision import transforms as T
    from torchvision.datasets import ImageFolder
    data = pairs(LABELS)
    if files:
        for i,c in enumerate(LABELS):
            (tmp_path/NAMES[c]).mkdir(exist_ok=True)
            Image.fromarray(picture(i)).save(tmp_path/NAMES[c]/f'{i:02}.png')
        data = ImageFolder(tmp_path, T.ToTensor())
    torch.manual_seed(1)
    learn = parted(data, cifar_resnet18(3, 4), resnet_learner, precision='fp32')
    with learn.no_bar(), learn.no_logging(): learn.fit(1)
    assert 'of 4 pictures' in repr(learn)
    interp,train = [CAMInterpretation.from_learner(learn, o, vocab=NAMES) for o in (1,0)]
    assert interp.targs.tolist()==[data[i][1] for i in range(8, 12)]
    if not files: assert interp.table.file.tolist()==['8','9','10','11']
    assert 'taught' not in interp.label_issues().attrs['said'] and 'taught these' in train.label_issues().attrs['said']
    assert interp.duplicates(.99).empty and train.duplicates(.99).empty
    assert 3 not in train.similar([3], k=7)['index'].tolist()
    assert not any('trained on' in o for o in compare(interp, interp).notes)

class Long(Stream):
    def __len__(self): return 12

def test_a_stream_with_a_length():
    learn = learner(pairs(LABELS))
    with pytest.raises(ValueError, match='a stream'): CAMInterpretation.from_learner(learn, dl=TorchDL(Long(), 4), vocab=NAMES)

@pytest.mark.parametrize('classes', [3,None,'cat dog'])
def test_classes_that_are_no_names(tmp_path, classes):
    data = pairs(LABELS)
    data.classes = classes
    learn = trained(TorchDL(data, 4), TorchDL(data, 4))
    config = json.loads((learn.save_run(tmp_path/'run')/'config.json').read_text())
    assert config['vocab']==[] and config['recipe'] is None   # what the data set does is not known
    assert load_run(tmp_path/'run', dls=learn.dls).history.epochs==learn.history.epochs

def test_labels_that_are_changed(folder, tmp_path):
    "The classes of the folders are not those that are learned"
    from torchvision import transforms as T
    from torchvision.datasets import ImageFolder
    data = ImageFolder(folder, T.ToTensor(), target_transform=lambda y: int(y==0))
    dls = DataLoaders(TorchDL(data, 2), TorchDL(data, 3))
    learn = resnet_learner(dls, cifar_resnet18(2, 4), precision='fp32')
    with learn.no_bar(), learn.no_logging(): learn.fit(1)
    run = learn.save_run(tmp_path/'run')
    assert json.loads((run/'config.json').read_text())['vocab']==[]
    load_run(run, dls=dls)
    assert learn.recipe.bs==2
