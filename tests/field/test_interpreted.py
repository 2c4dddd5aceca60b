"What an interpretation is of: pictures, however their files are spelt; classes; weights; and what is said, and kept, of other pictures"
import json, shutil

import numpy as np
import pytest
import people
from cifar_cam.all import (CAMInterpretation, CategoryBlock, ColReader, Counter, DataBlock, DataLoaders, Image, ImageBlock,
    ImageDataLoaders, IndexSplitter, Learner, Normalize, Path, PILImage, Pipeline, RandomSplitter, Recipe, Resize, add_labels, cifar_dls,
    cifar_resnet18, explain_run, get_image_files, load_run, pd, resnet_learner, set_seed, torch)
from people import dls_of
from test_sets import folder

def learner(dls):
    set_seed(1)
    return resnet_learner(dls, cifar_resnet18(dls.c, 2), Recipe(augs='none', epochs=1), precision='fp32')

@pytest.fixture
def home(tmp_path, monkeypatch):
    "Here: pictures of cats and dogs, which have the relative path two"
    monkeypatch.setenv('FASTAI_HOME', str(tmp_path/'home'))
    monkeypatch.chdir(tmp_path)
    folder(tmp_path/'two', 4)
    return tmp_path

@pytest.fixture
def learn(home): return learner(cifar_dls('two', bs=4, size=8))

def looked(learn, files, **kwargs): return CAMInterpretation.from_learner(learn, dl=learn.dls.test_dl(files, with_labels=True), **kwargs)

# files

FILE = Path('two/test/dog/000.png')

@pytest.mark.parametrize('path', [FILE, Path('two/../two/test/dog/000.png'), FILE.absolute], ids=['relative','dots','absolute'])
@pytest.mark.parametrize('given', [Path('two'), Path('two').absolute], ids=['from relative','from absolute'])
def test_labels_of_a_file_however_it_is_spelt(home, path, given):
    path,given = (o() if callable(o) else o for o in (path,given))
    add_labels('labels.csv', [dict(file='test/dog/000.png', label='cat', was='dog')])
    learn = learner(cifar_dls(given, bs=4, size=8, labels='labels.csv'))
    t = looked(learn, [path]).table
    assert t.actual.tolist()==['cat'] and t.file.tolist()==['test/dog/000.png']
    assert looked(learn, [path.with_name('001.png')]).table.actual.tolist()==['dog']

def test_labels_of_a_table_however_it_is_spelt(home):
    fs = sorted(get_image_files('two'))
    pd.DataFrame(dict(file=list(map(str, fs)), label=[f'kind {i%2}' for i in range(len(fs))])).to_csv('table.csv', index=False)
    learn = learner(cifar_dls('table.csv', bs=4, size=8))
    for its in fs,[o.absolute() for o in fs]: assert looked(learn, its).table.actual.tolist()==['kind 0','kind 1']*8
    shutil.copy(FILE, 'elsewhere.png')
    with pytest.raises(ValueError, match='elsewhere.png is not in the table'): looked(learn, [Path('elsewhere.png')])

def test_files_as_text(learn):
    with pytest.raises(ValueError, match="the first picture is the text 'two/test/dog/000.png', .* give pictures as `Path`s"):
        looked(learn, [str(FILE)])

HOW = dict(bs=4, num_workers=0, item_tfms=Resize(8), device=torch.device('cpu'))

def of_list(fs): return ImageDataLoaders.from_lists('two', fs, [o.parent.name for o in fs], valid_pct=.5, seed=1, **HOW)

def of_steps(fs):
    "A column without a folder and an ending, which a function of one's own adds"
    get_x = Pipeline([ColReader('id'),lambda o: Path('two')/f'{o}.png'])
    block = DataBlock((ImageBlock,CategoryBlock), get_x=get_x, get_y=ColReader('label'),
                      splitter=RandomSplitter(.5, seed=1), item_tfms=Resize(8))
    rows = [(str(o.relative_to('two'))[:-4],o.parent.name) for o in fs]
    return block.dataloaders(pd.DataFrame(rows, columns=['id','label']), 'two', bs=4, num_workers=0)

@pytest.mark.parametrize('make', [of_list,of_steps])
def test_files_of_pairs_and_tables(home, make):
    "The path that the picture is read from, below the folder of the data"
    fs = sorted(get_image_files('two'))
    interp = CAMInterpretation.from_learner(learner(make(fs)))
    assert set(interp.table.file)<={o.relative_to('two').as_posix() for o in fs}
    for _,r in interp.table.iterrows():
        assert Path(r.file).parts[1]==r.actual
        im = np.asarray(Image.open(Path('two')/r.file))
        assert abs(interp.pictures(r.idx)[0].astype(int)-im).max()<=1
    assert CAMInterpretation.from_learner(interp.learn, 0).table.file.isin(interp.table.file).sum()==0

def test_pixels_in_a_table(home):
    "There are no files, and each picture is read no more often than others"
    seen = []
    def pixels(row):
        seen.append(row.name)
        return PILImage.create(row.values[1:].astype(np.uint8).reshape(8, 8).repeat(3).reshape(8, 8, 3))
    rows = pd.DataFrame(np.random.default_rng(0).integers(0, 255, (12,65))).assign(**{'0': ['cat','dog']*6})
    block = DataBlock((ImageBlock,CategoryBlock), get_x=lambda o: pixels(o.iloc[:65]), get_y=ColReader('0'),
                      splitter=IndexSplitter(range(6,12)))
    dls = block.dataloaders(rows, bs=4, num_workers=0)
    seen.clear()
    interp = CAMInterpretation.from_learner(learner(dls))
    assert interp.table.file.tolist()==list('012345')
    assert Counter(seen)[11]<=3   # twice to see that pictures stay as they are

# maps, and where they are kept

def test_an_index_a_map(learn):
    interp = CAMInterpretation.from_learner(learn)
    idx = interp.misclassified(2).idx.tolist()
    for target,want in ('both',np.repeat(idx, 2).tolist()),('predicted',idx):
        with np.load(interp.export(target, 2, layers='layer1', target=target)/'maps.npz') as f:
            assert f['idx'].tolist()==want and len(f['layer1'])==len(want)

def test_explained_without_a_run(learn):
    with pytest.raises(ValueError, match='give `folder`'): explain_run(learn)
    explain_run(learn, k=1, layers='layer1', mistakes=0, folder='x')
    assert (Path('x')/'metrics.json').exists()

# weights

def test_maps_are_of_the_weights_of_the_table(learn):
    "Not of those that the network has after more training: whoever asks for maps is told"
    interp = CAMInterpretation.from_learner(learn)
    probe = interp.probe_callback([0], 'layer1')
    with learn.no_bar(), learn.no_logging(): learn.fit_step(1, cbs=probe)
    assert len(probe.maps)==1
    how = dict(layers='layer1')
    asked = [lambda: interp.cams([0], **how), lambda: interp.plot_cams(1, **how), lambda: interp.mean_map(layer='layer1'),
             lambda: interp.save('kept', 1, **how), lambda: interp.export('out', 1, **how), lambda: interp.report('page', 1, **how)]
    for f in asked:
        with pytest.raises(ValueError, match='the weights have changed since this interpretation was made: make it again'): f()
    assert not any(Path(o).exists() for o in ('kept','out','page'))
    assert CAMInterpretation.from_learner(learn).cams([0], **how)

@pytest.mark.parametrize('cast', [torch.half, torch.bfloat16, torch.double])
def test_a_cast_is_no_other_network(learn, cast):
    interp = CAMInterpretation.from_learner(learn)
    learn.model.to(cast)
    assert interp.cams([0], 'layer1')

def test_moved_frozen_or_in_training_mode_it_is_the_same(learn):
    interp = CAMInterpretation.from_learner(learn)
    want = interp.cams([0], 'layer1')['layer1']
    learn.model.to(memory_format=torch.channels_last).train()
    learn.model.requires_grad_(False)
    np.testing.assert_allclose(interp.cams([0], 'layer1')['layer1'], want, atol=1e-5)

# classes

def three(home): return learner(cifar_dls(folder(home/'three', 2, ('bird','cat','dog')), bs=4, size=8))

def test_classes_of_other_data(home, learn):
    "Indices of one are not those of the other, also where there are as many; files with labels are read by name"
    others = cifar_dls(folder(home/'others', 2, ('dog','wolf')), bs=4, size=8)
    said = r'the data has 2 classes \(dog, wolf\), and the network 2 classes \(cat, dog\): .* `dl=learn.dls.test_dl\(files'
    for vocab in None,['cat','dog'],['x','y']:
        with pytest.raises(ValueError, match=said): CAMInterpretation.from_learner(learn, dl=others.valid, vocab=vocab)
    net = three(home)
    said = r'the data has 2 classes \(cat, dog\), and the network 3 classes \(bird, cat, dog\)'
    for vocab in None,net.dls.vocab:
        with pytest.raises(ValueError, match=said): CAMInterpretation.from_learner(net, dl=learn.dls.valid, vocab=vocab)
    assert looked(net, learn.dls.valid.items).table.actual.tolist()==['cat']*4+['dog']*4

def test_names_that_contradict_the_data(learn):
    for vocab in ['dog','cat'],['wolf','cat'],['bird','cat','dog']:
        with pytest.raises(ValueError, match=r'the data 2 classes \(cat, dog\): leave `vocab` out'):
            CAMInterpretation.from_learner(learn, vocab=vocab)
    for vocab in ['cat','dog'],['Katze','Hund'],['cat','Hund']:
        assert CAMInterpretation.from_learner(learn, vocab=vocab).table.actual.tolist()==[vocab[0]]*4+[vocab[1]]*4

def test_the_same_classes_in_other_data(home, learn):
    other = cifar_dls(folder(home/'new', 2), bs=4, size=8)
    assert CAMInterpretation.from_learner(learn, dl=other.valid).table.actual.tolist()==['cat']*2+['dog']*2

def of_torchvision(path, **kwargs):
    from torchvision import transforms as T
    from torchvision.datasets import ImageFolder
    return torch.utils.data.DataLoader(ImageFolder(path, T.ToTensor(), **kwargs), 4)

def test_classes_of_torchvision(home):
    "A folder for validation that lacks a class; labels that are changed on their way are named by whoever changed them"
    folder(home/'three', 2, ('bird','cat','dog'))
    shutil.rmtree('three/test/bird')
    learn = Learner(DataLoaders(*map(of_torchvision, ('three/train','three/test'))), cifar_resnet18(3, 2), torch.nn.CrossEntropyLoss())
    for vocab in None,['bird','cat','dog']:
        with pytest.raises(ValueError, match='the data has 2 classes'): CAMInterpretation.from_learner(learn, vocab=vocab)
    coarse = [of_torchvision(f'three/{o}', target_transform=lambda y: int(y>0)) for o in ('train','test')]
    learn = Learner(DataLoaders(*coarse), cifar_resnet18(2, 2), torch.nn.CrossEntropyLoss())
    assert CAMInterpretation.from_learner(learn, 0, vocab=['bird','mammal']).table.actual.tolist()==['bird']*2+['mammal']*4

# which pictures

@pytest.fixture
def run(home, learn):
    "A run folder, explained"
    with learn.no_bar(), learn.no_logging(): learn.fit_step(1)
    learn.save_run('run')
    explain_run('run', k=1, layers='layer1', mistakes=0)
    return load_run('run')

def other_folder(home):
    folder(home/'elsewhere', 3)
    return sorted(get_image_files(Path('elsewhere/test')))   # relative, as somebody here would have it

TAUGHT = 'train', 'two, the training set', 'which the network learned from'
OTHER = 'not known to be those of the run'
OF = dict(   # how it is asked for; the set, its title, and what is said of it
    valid=(lambda l,h: CAMInterpretation.from_learner(l), 'valid', 'two', None),
    train=(lambda l,h: CAMInterpretation.from_learner(l, ds_idx=0), *TAUGHT),
    last=(lambda l,h: CAMInterpretation.from_learner(l, ds_idx=-2), *TAUGHT),
    loader=(lambda l,h: CAMInterpretation.from_learner(l, dl=l.dls.train), *TAUGHT),
    taught=(lambda l,h: looked(l, l.dls.train.items[:5]), *TAUGHT),
    some=(lambda l,h: looked(l, [FILE.absolute()]), 'valid', 'two', None),
    both=(lambda l,h: looked(l, [*l.dls.train.items, FILE]), 'other', 'two', OTHER),
    elsewhere=(lambda l,h: looked(l, other_folder(h)), 'other', 'test', OTHER),
    one=(lambda l,h: looked(l, other_folder(h)[:1]), 'other', 'cat', OTHER),
    other_data=(lambda l,h: CAMInterpretation.from_learner(load_run('run', dls=cifar_dls(folder(h/'new', 3), bs=4, size=8,
        stats=l.dls.source['stats']))), 'other', 'new', OTHER))

@pytest.mark.parametrize('how', OF)
def test_whose_pictures_they_are(home, run, how):
    "Said by table, metrics and report; and a run's metrics stay those of its own pictures"
    make,its,title,words = OF[how]
    interp = make(run, home)
    assert interp.metrics()['set']==its and interp.metrics()['n']==len(interp.table)
    page = interp.report('page', 1, 'layer1', faithfulness=False, label_issues=False).read_text()
    assert f'<title>Mistakes of resnet18 on {title}</title>' in page
    for text in page,repr(interp): assert (words or 'set: ') in text if words else 'not known' not in text
    assert ('trained on' in page)==(its=='other')
    assert its!='other' or f'data: {title}' in repr(interp)
    before = Path('run/metrics.json').read_text()
    assert json.loads(before)['set']=='valid' and json.loads(before)['n']==8
    if how=='valid': interp.save('run', 1, layers='layer1')
    else:
        with pytest.raises(ValueError, match='run is a run folder, .* give another folder'): interp.save('run', 1, layers='layer1')
    assert Path('run/metrics.json').read_text()==before
    assert json.loads((interp.save('other', 1, layers='layer1')/'metrics.json').read_text())['set']==its

def test_data_that_moved_is_still_that_of_the_run(home, run):
    shutil.move('two', 'moved')
    back = load_run('run', dls=cifar_dls('moved', bs=4, size=8, stats=run.dls.source['stats']))
    assert explain_run(back, k=1, layers='layer1', mistakes=0).metrics()['set']=='valid'

# pictures

@pytest.mark.parametrize('n', [1,2,3])
def test_pictures_that_are_normalised_more_than_once(n):
    "As by a step of one's own, and by `vision_learner`'s"
    dls = dls_of(['cat','dog','owl']*4)
    for i in range(n): dls.add_tfms([Normalize.from_stats([.5-i]*3, [.2+i]*3)], 'after_batch')
    ims = CAMInterpretation.from_learner(people.learner(dls)).pictures([0,5])
    assert abs(ims.astype(int)-[people.picture(0),people.picture(5)]).max()<=1
