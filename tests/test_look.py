"What a notebook can't show of a look: the shell, files of all kinds, features that are kept, data that is gone."
import itertools, json, os, re, shutil, subprocess, sys
from contextlib import redirect_stdout
from io import BytesIO, StringIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_image

from fastai.vision.all import (CategoryBlock, ColReader, DataBlock, ImageBlock, ImageDataLoaders, IntToFloatTensor, PILImage,
    PILImageBW, Pipeline, RatioResize, Resize, TensorImage, TransformBlock, get_image_files, load_learner, resnet18, vision_learner)

from cifar_cam import features as rooms
from cifar_cam.cli import main
from cifar_cam.data import Square, cifar_dls
from cifar_cam.export import _resizing
from cifar_cam.cam import cam
from cifar_cam.classes import read_pictures
from cifar_cam.files import RGBImage, class_name, digits_path
from cifar_cam.learner import resnet_learner
from cifar_cam.look import look_run
from cifar_cam.models import cifar_resnet18
from cifar_cam.run import load_run, train_run

def said(*args):
    "What `cifar-cam look` prints"
    with redirect_stdout(StringIO()) as out: assert main(['look', *map(str, args)])==0
    return out.getvalue()

@pytest.fixture(scope='module')
def run(tmp_path_factory):
    "A run whose data is a folder of its own, and a home for what is kept"
    home = tmp_path_factory.mktemp('look')
    old,os.environ['FASTAI_HOME'] = os.environ.get('FASTAI_HOME'),str(home/'fastai')
    data = home/'data'
    shutil.copytree(digits_path(), data)
    learn = train_run(data, home/'run', width=16, epochs=4, n_train=1000, n_valid=200, recipe='fast')
    yield learn, home
    if old is None: del os.environ['FASTAI_HOME']
    else: os.environ['FASTAI_HOME'] = old

@pytest.fixture(scope='module')
def flower(run):
    fn = run[1]/'flower.png'
    Image.fromarray(load_sample_image('flower.jpg')).save(fn)
    return fn

def kept(home): return sorted((home/'fastai'/'cifar_cam'/'features').rglob('*.safetensors'))

def test_neighbours_are_alike_and_strangers_are_far(run, flower):
    learn,_ = run
    seen = learn.look([*learn.dls.valid_ds.items, flower])
    top = seen.table.groupby('picture')['class'].first()[:200]
    near = seen.nearest[seen.nearest['rank']==1].set_index('picture').label[:200]
    right = top==[o.parent.name for o in learn.dls.valid_ds.items]
    assert right.mean()>.7 and (near==top)[right].mean()>=.95
    assert seen.far[-1] is True and sum(map(bool, seen.far))<8

def test_made_once(run, flower, monkeypatch):
    "A second look reads no training picture, and its tensors are those of the first"
    learn,home = run
    first = look_run(home/'run', flower)
    assert len(kept(home))==1
    with monkeypatch.context() as m:
        m.setattr(rooms, '_features', None)
        again = look_run(home/'run', flower)
    assert again.to_json()==first.to_json()

@pytest.mark.parametrize('harm', ['cut', 'empty', 'other', 'text'])
def test_damaged_features_are_made_again(run, flower, harm):
    _,home = run
    first,(fn,) = look_run(home/'run', flower),kept(home)
    raw = fn.read_bytes()
    other = rooms.tensors_to_bytes(dict(features=torch.zeros(3,3)))
    fn.write_bytes(dict(cut=raw[:-5], empty=b'', other=other, text=b'text')[harm])
    assert look_run(home/'run', flower).to_json()==first.to_json()
    assert kept(home)==[fn] and fn.read_bytes()==raw

def test_new_weights_have_new_features(run, flower):
    learn,home = run
    copy = load_run(home/'run')
    before = copy.look(flower).nearest.similarity.tolist()
    with torch.no_grad(): copy.model.layer4[0].conv1.weight.mul_(-1)
    assert copy.look(flower).nearest.similarity.tolist()!=before and len(kept(home))==1   # these weights are in no run folder

def test_model_stays_as_it_was(run, flower):
    learn,_ = run
    learn.model.train()
    for p in learn.model.layer1.parameters(): p.requires_grad_(False)
    def state():
        modes = [(k, m.training, len(m._forward_hooks)) for k,m in learn.model.named_modules()]
        wants = [p.requires_grad for p in learn.model.parameters()]
        return modes, wants, rooms._checksum(learn.model), torch.get_rng_state().tolist()
    before = state()
    learn.look(flower)
    assert state()==before
    for p in learn.model.parameters(): p.requires_grad_(True)

@pytest.mark.parametrize('name,im', [
    ('grey.png', Image.new('L', (50,40), 200)), ('clear.png', Image.new('RGBA', (20,30))),
    ('deep.png', Image.fromarray(np.full((9,12), 60000, np.uint16))),
    ('huge.jpg', Image.new('RGB', (4000,3000), 'red')), ('one.gif', Image.new('P', (1,1)))])
def test_pictures_of_all_kinds(run, tmp_path, name, im):
    learn,_ = run
    im.save(tmp_path/name)
    seen = learn.look([tmp_path/name, im])
    assert seen.pictures.shape==(2,32,32,3) and np.abs(seen.pictures[0].astype(int)-seen.pictures[1]).max()<=2

def test_turned_as_exif_says(run, tmp_path):
    learn,_ = run
    im = Image.fromarray(load_sample_image('china.jpg')[:400,:400])
    im.save(tmp_path/'up.png')
    exif = Image.Exif()
    exif[0x112] = 6
    im.rotate(90).save(tmp_path/'side.png', exif=exif)
    a,b = learn.look([tmp_path/'up.png', tmp_path/'side.png']).pictures
    assert (a==b).all()

@pytest.mark.skipif(sys.platform!='linux', reason='names that are no UTF-8')
def test_names_that_are_no_text(run, flower, tmp_path):
    fn = tmp_path/os.fsdecode(b'caf\xe9 $5$.png')
    shutil.copy(flower, fn)
    o = json.loads(said(run[1]/'run', fn, '--json'))
    assert o['file'].endswith(r'caf\xe9 $5$.png') and said(run[1]/'run', tmp_path, '--out', tmp_path/'seen.pdf')
    assert (tmp_path/'seen.pdf').read_bytes().startswith(b'%PDF')

def test_shell(run, flower, tmp_path):
    learn,home = run
    lines = said(home/'run', flower, home/'data'/'test'/'3', '--json', '--k', 2, '--layers', 'layer3').splitlines()
    os_ = list(map(json.loads, lines))
    assert os_[0]['far'] and len(os_)==1+len(list((home/'data'/'test'/'3').iterdir())) and {len(o['nearest']) for o in os_}=={2}
    text = said(home/'run', flower, '--out', tmp_path/'seen.png')
    assert 'far from all training pictures' in text and Image.open(tmp_path/'seen.png').width>500

def test_a_figure_that_fails(run, flower, tmp_path, capsys, monkeypatch):
    "What was seen is said before the figure is written"
    def full(*args): raise OSError(28, 'No space left on device', str(args[0]))
    monkeypatch.setattr('cifar_cam.look.write_whole', full)
    assert main(['look', str(run[1]/'run'), str(flower), '--out', str(tmp_path/'seen.png')])==1
    said = capsys.readouterr()
    assert 'far from all training pictures' in said.out and said.err==f'cifar-cam: No space left on device: {tmp_path/"seen.png"}\n', said

def test_progress_in_a_pipe_is_apart(run, flower):
    "JSON on standard output, and nothing but lines elsewhere"
    _,home = run
    shutil.rmtree(home/'fastai'/'cifar_cam'/'features', ignore_errors=True)
    cmd = [sys.executable, '-m', 'cifar_cam', 'look', str(home/'run'), str(flower), '--json']
    res = subprocess.run(cmd, capture_output=True, text=True)
    assert res.returncode==0 and json.loads(res.stdout)['far'] and '\r' not in res.stderr and 'Error' not in res.stderr, res.stderr

def test_clipboard(run, flower, monkeypatch):
    from PIL import ImageGrab
    learn,_ = run
    monkeypatch.setattr(ImageGrab, 'grabclipboard', lambda: Image.open(flower))
    assert learn.look('clipboard').to_json()==learn.look(Image.open(flower)).to_json()
    monkeypatch.setattr(ImageGrab, 'grabclipboard', lambda: [str(flower)])
    assert learn.look('clipboard').files==[str(flower)]
    monkeypatch.setattr(ImageGrab, 'grabclipboard', lambda: None)
    with pytest.raises(ValueError, match='no picture in the clipboard'): learn.look('clipboard')

def test_other_learners(tmp_path):
    "A `vision_learner` over files, and one in half precision"
    fs = get_image_files(digits_path()/'test')[:40]
    how = dict(bs=8, num_workers=0, item_tfms=Resize(64), seed=1, device='cpu')
    dls = ImageDataLoaders.from_path_func(tmp_path, fs, lambda o: o.parent.name, **how)
    learn = vision_learner(dls, resnet18, pretrained=False, path=tmp_path)
    with learn.no_bar():
        full = learn.look(fs[:2], k=3)
        assert full.n_known==8 and full.far==[False]*2 and full.nearest.shape==(6,6) and full.maps.size==(64,64)
        learn.model.half()
        half = learn.look(fs[:2], k=3)
    assert next(learn.model.parameters()).dtype==torch.float16 and half.nearest.shape==(6,6)

@pytest.mark.filterwarnings('ignore:.*load_learner')
def test_an_exported_learner(flower, tmp_path):
    "fastai's `export` leaves the pictures out: what is known without them is shown, and that they are missing is said"
    fs = get_image_files(digits_path()/'test')[:40]
    dls = ImageDataLoaders.from_path_func(tmp_path, fs, class_name, bs=8, num_workers=0, item_tfms=Resize(64), device='cpu')
    vision_learner(dls, resnet18, pretrained=False, path=tmp_path).export()
    seen = load_learner(tmp_path/'export.pkl').look(flower)
    assert seen.table.prob.sum()==pytest.approx(1) and seen.maps.layers
    assert 'not known: the network came without its training pictures' in repr(seen)

def test_runs_without_their_data(run, flower):
    _,home = run
    full = look_run(home/'run', flower)
    (home/'data').rename(home/'elsewhere')
    try: alone = look_run(home/'run', flower)
    finally: (home/'elsewhere').rename(home/'data')
    assert alone.farther is None and 'no longer in' in alone.word(0) and alone.show()
    assert np.allclose(alone.table.prob, full.table.prob, atol=1e-5) and (alone.pictures==full.pictures).all()

def test_open_files_and_bytes(run, flower):
    "What is open is read from its beginning, whatever bytes are in is bytes, and what is none of it is refused in words"
    learn,home = run
    raw = flower.read_bytes()
    wanted = learn.look(flower).table.prob.tolist()
    written = BytesIO()
    written.write(raw)
    with open(flower, 'rb') as f:
        for o in f, written, bytearray(raw), memoryview(raw), pd.DataFrame(dict(file=[str(flower)])).file:
            assert learn.look(o).table.prob.tolist()==wanted
    with open(flower) as f, pytest.raises(ValueError, match='open for bytes'): learn.look(f)
    for o,why in ((pd.DataFrame(dict(file=[flower])),'such as `df.file`'), ('https://example.org/a.jpg','download it first'),
                  ([Path('s3://bucket/a.jpg')],'download it first'),
                  (TensorImage(torch.rand(8,8)),'TensorImage of 8x8, torch.float32: give uint8')):
        with pytest.raises(ValueError, match=why): learn.look(o)

def test_a_folder_with_links_and_other_files(run, tmp_path):
    "Each picture once, wherever links lead, and what is passed over is said"
    learn,_ = run
    (tmp_path/'of'/'deep').mkdir(parents=True)
    for i in range(3): Image.new('RGB', (8,8), (80*i,0,0)).save(tmp_path/'of'/('deep/c.png' if i==2 else f'{i}.png'))
    (tmp_path/'of'/'notes.txt').write_text('no picture')
    for name,to in ('loop','.'),('deep/up','..'),('twin.png','0.png'): (tmp_path/'of'/name).symlink_to(to)
    with pytest.warns(UserWarning) as said: seen = learn.look(tmp_path/'of')
    assert [Path(o).name for o in seen.files]==['0.png','1.png','c.png']
    assert any('1 file of other kinds (1 .txt) is skipped' in str(o.message) for o in said)
    assert any('links to what is in it already are skipped (3)' in str(o.message) for o in said)

@pytest.mark.parametrize('how', ['path', 'bytes', 'array', 'picture', 'open file'])
def test_a_dark_picture_of_16_bits(run, tmp_path, how):
    "That it is read as one of 12 bits is said, however it is given"
    a,fn = np.full((8,8), 3000, np.uint16),tmp_path/'dark.png'
    Image.fromarray(a).save(fn)
    ways = dict(path=fn, bytes=fn.read_bytes(), array=a, picture=Image.open(fn), **{'open file': BytesIO(fn.read_bytes())})
    with pytest.warns(UserWarning, match='no value above 4,095 is read as one of 12 bits'): seen = run[0].look(ways[how])
    assert seen.pictures.max()==187

def test_no_label_reads_as_another(tmp_path):
    "Names that begin alike stand in full, and what is too long ends in an ellipsis"
    names,rng = ('shelf number 1','shelf number 12','shelf number 1, on the left side'),np.random.default_rng(1)
    for split,name in itertools.product(('train','test'), names):
        (tmp_path/split/name).mkdir(parents=True)
        Image.fromarray(rng.integers(0, 256, (32,32,3), dtype=np.uint8)).save(tmp_path/split/name/'x.png')
    learn = resnet_learner(cifar_dls(tmp_path, bs=2), cifar_resnet18(3, width=2))
    seen = learn.look(tmp_path/'test'/names[0]/'x.png', k=3)
    sub, = seen.show().subfigs
    titles = [ax.get_title().split('\n') for ax in sub.axes]
    near = [' '.join(o[:-1]) for o in titles if re.fullmatch(r'-?\d\.\d{3}', o[-1])]
    shown = {names[0]: names[0], names[1]: names[1], names[2]: 'shelf number 1, on the …'}
    assert near==[shown[o] for o in seen.nearest.label] and len(near)==3
    bars = [o.get_text() for o in sub.axes[1].texts[::2]]
    assert bars==[shown[o] for o in seen.table['class']]

class Upright(PILImage):
    "A class of one's own, as in many notebooks, that turns pictures as cameras say"
    @classmethod
    def create(cls, fn, **kwargs): return cls(ImageOps.exif_transpose(fn if isinstance(fn, Image.Image) else PILImage.create(fn)))

@pytest.mark.parametrize('kind', [PILImage, PILImageBW, RGBImage, Upright])
@pytest.mark.parametrize('what', ['turned','clear','deep','clear palette'])
def test_read_as_the_data_is(tmp_path, kind, what):
    "A file, its bytes and the open picture are the same numbers: those of the class that read the training pictures, fastai's or ours"
    rng,fn,exif = np.random.default_rng(0),tmp_path/'a.png',Image.Exif()
    im = Image.fromarray(rng.integers(0, 256, (16,16,3), dtype=np.uint8))
    exif[0x112] = 6
    clear = im.copy()
    clear.putalpha(Image.fromarray(rng.integers(0, 256, (16,16), dtype=np.uint8)))
    deep = Image.fromarray(rng.integers(0, 65536, (16,16), dtype=np.uint16))
    dict(turned=im, clear=clear, deep=deep).get(what, clear.quantize(16)).save(fn, exif=exif if what=='turned' else None)
    files = [fn]*8
    block = DataBlock((ImageBlock(kind),CategoryBlock), get_y=lambda o: 'a', splitter=lambda o: (list(range(4)),list(range(4,8))))
    dls = block.dataloaders(files, bs=4, num_workers=0)
    want = dls.valid.one_batch()[0][:1].numpy()
    learn = SimpleNamespace(dls=dls, model=None)
    opened = Image.open(fn)
    for o in fn, fn.read_bytes(), open(fn, 'rb'), opened: np.testing.assert_array_equal(read_pictures(learn, o)[1].numpy(), want)
    assert type(opened) is not kind   # which is the caller's

def test_what_is_as_likely_is_in_one_order():
    "The first class and the second of a map are those of the table, whichever others are as likely"
    learn = resnet_learner(cifar_dls(digits_path(), n_train=20, n_valid=10, bs=10), cifar_resnet18(10, width=2))
    with torch.no_grad(): learn.model.linear.weight.zero_(); learn.model.linear.bias.copy_(torch.tensor([0.,0,0,9,0,0,9,0,0,0]))
    seen = learn.look(learn.dls.valid_ds.items[:3], k=1, layers='layer2')
    assert [seen.table[seen.table.picture==i]['class'].tolist()[:2] for i in range(3)]==[['3','6']]*3
    assert [seen.maps.whose(i) for i in range(3)]==['3 against 6']*3
    with torch.no_grad(): learn.model.linear.bias[6] = 0
    assert learn.look(learn.dls.valid_ds.items[0], k=1, layers='layer2').maps.whose(0)=='3 against 0'

def test_a_transform_that_fails(run, tmp_path, flower):
    "Is said of the picture that it fails at, before anything is given"
    block = DataBlock((ImageBlock,CategoryBlock), get_y=lambda o: 'a', splitter=lambda o: ([0,1],[2,3]), item_tfms=RatioResize(16))
    dls = block.dataloaders([flower]*4, bs=2, num_workers=0)
    Image.new('RGB', (300,2)).save(tmp_path/'wide.png')
    with pytest.raises(ValueError, match="can't take .*wide.png, which is 300x2 .ZeroDivisionError: .*: give another picture"):
        read_pictures(SimpleNamespace(dls=dls, model=None), [flower, tmp_path/'wide.png'])

def test_maps_of_files_however_they_are_given(run, flower):
    "`cam` takes what `look` does"
    learn,raw = run[0],flower.read_bytes()
    want = cam(learn, flower)['layer4']
    for o in (BytesIO(raw), bytearray(raw), (o for o in [flower]), flower.parent.glob('flower.png'), pd.Series([str(flower)]),
              [BytesIO(raw)], np.array([str(flower)]), np.array([flower], object)):
        np.testing.assert_array_equal(cam(learn, o)['layer4'], want)
    for o in {}, object(), (o for o in ()), {'a': 1}, np.zeros((8,8,3), np.uint8):
        with pytest.raises(ValueError, match='x is .*: expected a tensor'): cam(learn, o)

def negative(fn): return PILImage.create(255-np.asarray(Image.open(fn)))
def opened_by(kind, folder):
    "Data of the pictures in a folder, all of them in both sets, which opens them by a function of its own"
    blocks,files = [TransformBlock(batch_tfms=IntToFloatTensor),CategoryBlock],sorted(folder.glob('*.png'))
    how = dict(get_y=lambda o: 'a', splitter=lambda o: (list(range(len(o))),)*2)
    if kind=='type_tfms': blocks[0] = TransformBlock(type_tfms=[negative], batch_tfms=IntToFloatTensor)
    elif kind=='get_x of an ImageBlock': blocks[0],how['get_x'] = ImageBlock,negative
    elif kind=='table':
        files,how['get_x'] = pd.DataFrame(dict(n=[o.name for o in files])),Pipeline([ColReader('n', pref=f'{folder}/'), negative])
    else: how['get_x'] = negative
    return DataBlock(blocks, **how).dataloaders(files, bs=4, num_workers=0, device='cpu')

@pytest.mark.parametrize('kind', ['get_x','type_tfms','get_x of an ImageBlock','table'])
def test_data_that_opens_files_by_a_function_of_its_own(tmp_path, kind):
    "Opens new ones by it: here, as negatives; a picture that is no file can't be opened so"
    a = np.random.default_rng(0).integers(0, 256, (4,16,16,3), dtype=np.uint8)
    for i,o in enumerate(a): Image.fromarray(o).save(tmp_path/f'{i}.png')
    dls = opened_by(kind, tmp_path)
    learn = SimpleNamespace(dls=dls, model=None)
    np.testing.assert_array_equal(read_pictures(learn, tmp_path)[2], 255-a)
    np.testing.assert_array_equal(read_pictures(learn, str(tmp_path/'1.png'))[2], 255-a[1:2])
    for o in (tmp_path/'1.png').read_bytes(), Image.open(tmp_path/'1.png'), a[:1]:
        with pytest.raises(ValueError, match='picture 1 is no file, .* by a step of its own, negative: give the'): read_pictures(learn, o)
    gone = SimpleNamespace(dls=dls.new_empty(), model=None)   # as `Learner.export` leaves it
    np.testing.assert_array_equal(read_pictures(gone, tmp_path/'2.png')[2], 255-a[2:3])
    (tmp_path/'bad.png').write_bytes(b'no picture')
    why = "can't read the picture .*bad.png: it is not a picture that Pillow knows"
    with pytest.raises(ValueError, match=why): read_pictures(learn, tmp_path/'bad.png')

def test_what_an_export_says_of_opening(tmp_path):
    "Upright is what this package's class makes of a picture, and fastai's does not; a function of one's own is named"
    for i in range(4): Image.new('RGB', (20,16), (60*i,0,0)).save(tmp_path/f'{i}.png')
    def words(block, **kw):
        block = DataBlock((block,CategoryBlock), get_y=lambda o: 'a', splitter=lambda o: (list(range(4)),)*2, item_tfms=Square(8), **kw)
        dls = block.dataloaders(
            sorted(tmp_path.glob('*.png')), bs=2, num_workers=0, device='cpu')
        return _resizing(dls.valid)
    how = 'scaled to 8x8 pixels (bilinear, as by Pillow)'
    assert words(ImageBlock(RGBImage))==f'the middle square of the picture, upright, {how}'
    assert words(ImageBlock)==f'the middle square of the picture, {how}'
    assert words(ImageBlock, get_x=negative)==f'opened by negative, the middle square of the picture, {how}'
