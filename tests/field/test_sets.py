"Training sets as people have them: one picture too many, both test and val, the same picture twice; and what is kept of them"
import os, shutil, subprocess, sys, warnings

import numpy as np
import pytest
from PIL import Image
from fastai.vision.all import CrossEntropyLossFlat, Learner, cast, nn, torch
from cifar_cam import data
from cifar_cam.augment import baseline_augs
from cifar_cam.data import ArrayDL, cached_images, cifar_dls, read_images
from cifar_cam.files import picture_files, valid_name

def folder(path, n=3, classes=('cat','dog'), splits=('train','test')):
    "A folder of different pictures"
    rng = np.random.default_rng(len(splits))
    for split in splits:
        for c in classes:
            (path/split/c).mkdir(parents=True)
            for i in range(n):
                Image.fromarray(rng.integers(0, 256, (8,8,3), dtype=np.uint8)).save(path/split/c/f'{i:03}.png')
    return path

def said(f, *args, **kwargs):
    with warnings.catch_warnings(record=True) as o:
        warnings.simplefilter('always')
        res = f(*args, **kwargs)
    return [str(w.message) for w in o if w.category is UserWarning],res

@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    "A cache folder of its own"
    monkeypatch.setenv('FASTAI_HOME', str(tmp_path/'home'))
    return tmp_path/'home'/'cifar_cam'

# a last batch of one picture

@pytest.fixture
def many(tmp_path):
    "65 pictures to train on, and as many to validate"
    path = folder(tmp_path/'many', 32)
    for split in 'train','test': shutil.copy(path/split/'cat'/'001.png', path/split/'cat'/'extra.png')
    return path

def sizes(dl): return [len(y) for _,y in dl]

@pytest.mark.parametrize('augs', [None, baseline_augs(8)], ids=['plain','augmented'])
@pytest.mark.parametrize('num_workers', [0, 1, 2, 3])
@pytest.mark.parametrize('bs,want', [(64,[65]), (32,[32,33]), (16,[16]*3+[17]), (63,[63,2]), (65,[65]), (66,[65]),
                                     (13,[13]*5)])
def test_last_picture_joins(many, num_workers, bs, want, augs):
    dls = cifar_dls(many, bs=bs, size=8, num_workers=num_workers, augs=augs)
    assert sizes(dls.train)==want and len(dls.train)==len(want)
    assert sum(sizes(dls.valid))==65 and sizes(dls.valid)[-1]==(65%bs or bs)

def test_same_with_workers(many):
    def epoch(n):
        dls = cifar_dls(many, bs=16, size=8, augs=baseline_augs(8), num_workers=n)
        return torch.cat([cast(x, torch.Tensor) for x,_ in dls.train])
    torch.testing.assert_close(epoch(0), epoch(2), rtol=0, atol=0)

def test_item_transforms(many):
    dls = cifar_dls(many, bs=64, size=8)
    dls.train.after_item.add(data.Transform(lambda o: o))
    assert not dls.train.whole and sizes(dls.train)==[65]

def test_dropped_where_asked_for(many):
    assert sizes(cifar_dls(many, bs=64, size=8).train.new(drop_last=True))==[64]

def test_training_with_batchnorm(many):
    "A network that dies of a batch of one"
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    learn = Learner(cifar_dls(many, bs=32, size=8), model, CrossEntropyLossFlat())
    with learn.no_bar(), learn.no_logging(): learn.fit(1, 0.01)
    assert model[2].num_batches_tracked==2

def test_others_are_as_they_were(many):
    "Sets without such a batch: the same order and batches, to the bit"
    def epoch(cls):
        dl = cifar_dls(many, bs=20, size=8, seed=3).train
        dl.__class__ = cls
        return [cast(x, torch.Tensor) for x,_ in dl]
    class Old(ArrayDL):
        __len__,sample,chunkify = (getattr(data.TfmdDL, o) for o in ('__len__','sample','chunkify'))
    for a,b in zip(epoch(ArrayDL), epoch(Old), strict=True): torch.testing.assert_close(a, b, rtol=0, atol=0)

NONE = [dict(n_train=0), dict(n_train=1), dict(n_train=10**6), dict(n_valid=0), dict(bs=0), dict(bs=2.5), dict(size=0)]

@pytest.mark.parametrize('kw', NONE)
def test_nothing_to_train_on(many, kw):
    with pytest.raises(ValueError, match='asked for in|whole number'): cifar_dls(many, **kw)

# which pictures

def test_test_and_val(tmp_path):
    "valid, or val, is looked at while training; test is the third set"
    path = folder(tmp_path/'data', splits=('train','test','val','valid'))
    words,name = said(valid_name, path)
    assert name=='valid' and words==[f'{path} has valid and val: valid is the set that is used']
    words,dls = said(cifar_dls, path, bs=2, size=8)
    assert any('valid is the set that is used' in o for o in words)
    assert all('valid' in o.parts for o in dls.valid_ds.items) and all('test' in o.parts for o in dls[2].items)
    assert dls.source['sets']==['train','valid','test'] and dls.source['n_test']==6

@pytest.mark.parametrize('ext', ['png','bmp'])
def test_same_picture_in_both(tmp_path, ext):
    path = folder(tmp_path/'data')
    for i in range(2): Image.open(path/'train'/'cat'/f'00{i}.png').save(path/'test'/'dog'/f'other{i}.{ext}')
    words,_ = said(cifar_dls, path, bs=2, size=8)
    assert words==[f'2 of the 8 pictures in {path}/test are among those in {path}/train, to the pixel']

# what is kept

def kept(cache): return sorted(cache.rglob('*.npy'))

def test_nothing_is_written_into_the_data(tmp_path, cache):
    path = folder(tmp_path/'data')
    before = sorted(path.rglob('*'))
    cifar_dls(path, bs=2, size=8)
    assert sorted(path.rglob('*'))==before and len(kept(cache))==2

def foreign(a):
    def write(fn):
        with open(fn, 'wb') as f: np.save(f, a)
    return write

SHAPE = 6,8,8,3
FOREIGN = dict(
    empty=lambda fn: fn.write_bytes(b''), text=lambda fn: fn.write_text('no array'), short=lambda fn: os.truncate(fn, 300),
    header=lambda fn: fn.write_bytes(b'\x93NUMPY\1\0\xff\xff{'), floats=foreign(np.zeros(SHAPE)), pickle=foreign(np.array([{}])),
    structured=foreign(np.zeros(SHAPE, 'u1,u1')), shape=foreign(np.zeros(SHAPE[1:], np.uint8)),
    fortran=foreign(np.asfortranarray(np.zeros(SHAPE, np.uint8))), zipped=lambda fn: np.savez(open(fn, 'wb'), a=1),
    nonsense=lambda fn: fn.write_bytes(os.urandom(500)))

@pytest.mark.parametrize('write', FOREIGN.values(), ids=FOREIGN)
def test_foreign_cache_is_made_again(tmp_path, cache, write):
    path = folder(tmp_path/'data')/'train'
    fs = picture_files(path)
    want = np.array(cached_images(fs, path, 8))   # in memory: what is mapped is going to be changed
    write(kept(cache)[0])
    np.testing.assert_array_equal(cached_images(fs, path, 8), want)
    assert type(cached_images(fs, path, 8)) is np.memmap and len(kept(cache))==1

def test_another_reader_reads_again(tmp_path, cache, monkeypatch):
    "Folders that were read before photos were turned are read again"
    path = folder(tmp_path/'data')/'train'
    monkeypatch.setattr(data, '_reader', 1)
    cached_images(picture_files(path), path, 8)
    old = kept(cache)
    monkeypatch.undo(); monkeypatch.setenv('FASTAI_HOME', str(tmp_path/'home'))
    cached_images(picture_files(path), path, 8)
    assert len(kept(cache))==1 and kept(cache)!=old

def test_links_are_not_followed(tmp_path, cache):
    "Neither what is deleted nor what is written goes elsewhere"
    path = folder(tmp_path/'data')/'train'
    fs = picture_files(path)
    cached_images(fs, path, 8)
    fn, = kept(cache)
    elsewhere = tmp_path/'elsewhere'
    elsewhere.mkdir()
    for o in 'mine.npy','lock': (elsewhere/o).write_text('mine')
    fn.unlink(); fn.symlink_to(elsewhere/'mine.npy')
    old = fn.with_name('train-8-0.npy'); old.symlink_to(elsewhere/'mine.npy')
    np.testing.assert_array_equal(cached_images(fs, path, 8), read_images(fs, 8))
    assert not fn.is_symlink() and not old.is_symlink()
    lock = fn.with_name('lock'); lock.unlink(); lock.symlink_to(elsewhere/'lock'); fn.unlink()
    np.testing.assert_array_equal(cached_images(fs, path, 8), read_images(fs, 8))
    assert {o.read_text() for o in elsewhere.iterdir()}=={'mine'}

def test_no_place_to_keep_it(tmp_path, cache, monkeypatch):
    path = folder(tmp_path/'data')/'train'
    fs = picture_files(path)
    (tmp_path/'home').write_text('a file')
    assert type(cached_images(fs, path, 8)) is np.ndarray
    monkeypatch.setenv('FASTAI_HOME', '~nosuch/x')
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(cached_images(fs, path, 8), read_images(fs, 8))

def test_broken_picture_leaves_nothing(tmp_path, cache):
    path = folder(tmp_path/'data')/'train'
    (path/'dog'/'002.png').write_bytes(b'\x89PNG')
    with pytest.raises(ValueError, match='002.png'): cached_images(picture_files(path), path, 8)
    assert sorted(o.name for o in cache.rglob('*') if o.is_file())==['lock','of']

def test_many_are_not_held(tmp_path, cache, monkeypatch):
    "Some of the pictures, where these are many: mapped from a file without a name, or in memory, if there is no place for one"
    path = folder(tmp_path/'data')/'train'
    fs = picture_files(path)
    def some(kind):
        res = cached_images(fs[4:1:-1], path, 8)
        assert type(res) is kind
        np.testing.assert_array_equal(res, read_images(fs[4:1:-1], 8))
    some(np.ndarray)
    monkeypatch.setattr(data, '_many', 3*8*8*3)
    some(np.memmap)   # from their files
    assert not [o for o in cache.rglob('*') if o.is_file()]
    cached_images(fs, path, 8)
    some(np.memmap)   # from what is kept
    assert sorted(o.name for o in cache.rglob('*') if o.is_file())==sorted([kept(cache)[0].name,'lock','of'])
    def full(**kwargs): raise OSError(28, 'No space left on device')
    monkeypatch.setattr(data.tempfile, 'TemporaryFile', full)
    some(np.ndarray)

def test_what_is_gone_is_not_kept(tmp_path, cache):
    paths = [folder(tmp_path/o)/'train' for o in ('one','two')]
    for o in paths: cached_images(picture_files(o), o, 8)
    assert len(kept(cache))==2
    shutil.rmtree(paths[0].parent)
    (paths[1]/'dog'/'002.png').unlink()
    cached_images(picture_files(paths[1]), paths[1], 8)
    assert len(kept(cache))==1 and len(list(cache.iterdir()))==1

SHORTEN = """
import os, sys
from pathlib import Path
from cifar_cam.data import *; from cifar_cam.files import *
path = Path(sys.argv[1])
images = cached_images(picture_files(path), path, 64)
for o in Path(os.environ['FASTAI_HOME']).rglob('*.npy'): os.truncate(o, 200)
image_stats(images)
"""

@pytest.mark.skipif(os.name!='posix', reason='other systems do not let go of a file that is in use')
def test_shortened_while_in_use(tmp_path):
    "The process ends, but not without a word"
    res = subprocess.run([sys.executable, '-c', SHORTEN, folder(tmp_path/'data')/'train'], capture_output=True, text=True)
    assert res.returncode and 'Bus error' in res.stderr and 'image_stats' in res.stderr
