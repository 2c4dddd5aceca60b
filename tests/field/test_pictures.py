"Pictures as people have them: from phones, cameras, microscopes, other systems; read as they are meant, or refused by name"
import os, struct, sys, unicodedata, warnings, zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps, features
from fastai.data import transforms
from fastai.vision.core import TensorImage
from cifar_cam.data import cifar_block, cifar_dls, read_images
from cifar_cam.files import RGBImage, check_folder, load_rgb, picture_files

RNG = np.random.default_rng(0)
PHOTO = Image.fromarray(RNG.integers(0, 256, (12,16,3), dtype=np.uint8))
RAMP = np.linspace(0, 255, 64, dtype=np.uint8)[None].repeat(8, 0)

def folder(path, ext='png', classes=('cat','dog'), n=2, make=None):
    "A folder of different pictures"
    for split in 'train','test':
        for c in classes:
            (path/split/c).mkdir(parents=True)
            for i in range(n): (make or noise)(path/split/c/f'{i}.{ext}')
    return path

def noise(fn): Image.fromarray(RNG.integers(0, 256, (12,16,3), dtype=np.uint8)).save(fn)

def said(f, *args, **kwargs):
    "What `f` warns of, and what it gives"
    with warnings.catch_warnings(record=True) as o:
        warnings.simplefilter('always')
        res = f(*args, **kwargs)
    return [str(w.message) for w in o if w.category is UserWarning],res

# a phone, held in eight ways

@pytest.mark.parametrize('how', range(1, 9))
@pytest.mark.parametrize('ext', ['jpg','png','webp','tiff'])
def test_orientation(tmp_path, ext, how):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = how
    fn = tmp_path/f'photo.{ext}'
    PHOTO.save(fn, exif=exif)
    with Image.open(fn) as im: want = np.array(ImageOps.exif_transpose(im))
    assert want.shape[:2]==((12,16) if how<5 else (16,12))
    with Image.open(fn) as im: created = RGBImage.create(im)
    for o in load_rgb(fn), RGBImage.create(fn), RGBImage.create(str(fn)), RGBImage.create(fn.read_bytes()), created:
        np.testing.assert_array_equal(np.array(o), want)
    np.testing.assert_array_equal(read_images([fn], 8), read_images([saved(tmp_path/'upright.png', want)], 8))

def saved(fn, a): Image.fromarray(a).save(fn); return fn

@pytest.mark.parametrize('exif', [b'Exif\0\0', b'Exif\0\0MM', b'Exif\0\0XXXXXXXXXXXXXXXX', b'Exif\0\0II*\0\xff\xff\xff\xff'])
def test_damaged_exif_says_nothing(tmp_path, exif):
    PHOTO.save(tmp_path/'a.jpg', exif=exif)
    PHOTO.save(tmp_path/'b.jpg')
    np.testing.assert_array_equal(np.array(load_rgb(tmp_path/'a.jpg')), np.array(load_rgb(tmp_path/'b.jpg')))

# more than 8 bits

def deep(bits): return (RAMP*((2**bits-1)/255)).astype(np.uint16)

@pytest.mark.parametrize('ext', ['png','tiff'])
@pytest.mark.parametrize('bits', [12, 16])
def test_12_and_16_bits(tmp_path, bits, ext):
    fn = saved(tmp_path/f'a.{ext}', deep(bits))
    words,im = said(load_rgb, fn)
    assert abs(np.array(im)[...,0].astype(int)-RAMP).max()<=1
    assert len(words)==(bits==12) and all('12 bits' in o for o in words)

def test_black_is_black(tmp_path):
    words,im = said(load_rgb, saved(tmp_path/'a.png', np.zeros((4,4), np.uint16)))
    assert not words and not np.array(im).any()

def test_set_of_12_bits_is_said_once(tmp_path):
    path = folder(tmp_path, make=lambda fn: saved(fn, RNG.integers(0, 4096, (8,8)).astype(np.uint16)))
    words,dls = said(cifar_dls, path, bs=2, size=8)
    assert sum(o.startswith('4 pictures of more than 8 bits with') for o in words)==2   # once a set
    assert .4<dls.source['stats'][0][0]<.6

def test_set_of_both_is_refused(tmp_path):
    path = folder(tmp_path, make=lambda fn: saved(fn, np.full((8,8), 60000 if '0' in fn.name else 4000, np.uint16)))
    with pytest.raises(ValueError, match='2 have no value above 4,095.*and 2 have'): cifar_dls(path, bs=2, size=8)

WIDE = [np.full((4,4), 2**20, np.int32), np.full((4,4), -1, np.int32), RAMP.astype(np.float32), np.eye(4, dtype=np.float32)]

@pytest.mark.parametrize('a', WIDE, ids=['20 bits','below zero','floats','floats to 1'])
def test_no_fixed_range(tmp_path, a):
    with pytest.raises(ValueError, match='a.tiff: .*no fixed range: save it with 8 or 16 bits'):
        load_rgb(saved(tmp_path/'a.tiff', a))

def test_16_bits_in_32(tmp_path):
    np.testing.assert_array_equal(np.array(load_rgb(saved(tmp_path/'a.tiff', deep(16).astype(np.int32))))[...,0], RAMP)

def png48(fn, a):
    "Save colours of 16 bits each, which Pillow can't"
    h,w = a.shape[:2]
    rows = b''.join(b'\0'+o.astype('>u2').tobytes() for o in a)
    def chunk(name, data): return struct.pack('>I', len(data))+name+data+struct.pack('>I', zlib.crc32(name+data))
    head = struct.pack('>IIBBBBB', w, h, 16, 2, 0, 0, 0)
    fn.write_bytes(b'\x89PNG\r\n\x1a\n'+chunk(b'IHDR', head)+chunk(b'IDAT', zlib.compress(rows))+chunk(b'IEND', b''))
    return fn

def test_colours_of_16_bits(tmp_path):
    a = RNG.integers(0, 65536, (4,4,3))
    np.testing.assert_array_equal(np.array(load_rgb(png48(tmp_path/'a.png', a))), a//256)
    with pytest.raises(ValueError, match='uses 12 of the 16 bits'): load_rgb(png48(tmp_path/'a.png', a//16))

@pytest.mark.parametrize('bits', [12,16])
def test_white_is_zero(tmp_path, bits):
    "A negative in its file, as scans are: TIFF's tag 262 is 0"
    Image.fromarray(deep(bits)).save(tmp_path/'a.tiff', tiffinfo={262: 0})
    with Image.open(tmp_path/'a.tiff') as im: assert im.tag_v2[262]==0
    np.testing.assert_array_equal(np.array(said(load_rgb, tmp_path/'a.tiff')[1])[...,0], 255-RAMP)

def test_arrays():
    "Read as files are, or refused: no float is taken for black, and no transparent picture has a fourth channel"
    assert np.array(RGBImage.create(deep(16)))[...,1].tolist()==RAMP.tolist()
    rgba = np.array(PHOTO.convert('RGBA'))
    assert RGBImage.create(rgba).mode=='RGB' and np.array_equal(RGBImage.create(rgba), PHOTO)
    x = TensorImage(np.array(PHOTO).transpose(2,0,1))
    assert np.array_equal(RGBImage.create(x), PHOTO) and np.array_equal(RGBImage.create(x[0]), np.array(PHOTO)[...,:1].repeat(3, 2))
    for o in x.float()/255,np.array(PHOTO)/255.,np.zeros((3,4,2), np.uint8):
        with pytest.raises(ValueError, match='a picture is .*: give uint8'): RGBImage.create(o)

@pytest.mark.parametrize('mode', ['1','L','LA','P','RGBA','CMYK','YCbCr'])
def test_other_modes(tmp_path, mode):
    im = PHOTO.convert(mode)
    im.save(tmp_path/'a.tiff', compression='jpeg' if mode=='YCbCr' else None)
    assert load_rgb(tmp_path/'a.tiff').mode=='RGB'
    assert RGBImage.create(im).mode=='RGB'

# names

avif = pytest.param('avif', marks=pytest.mark.skipif(not features.check('avif'), reason='this Pillow has no AVIF'))

@pytest.mark.parametrize('ext', ['webp','jfif','bmp','WEBP','tif',avif])
def test_found_without_a_table_of_the_system(tmp_path, monkeypatch, ext):
    monkeypatch.setattr(transforms, 'image_extensions', {'.png'})
    kind = dict(jfif='jpeg', tif='tiff').get(ext, ext)
    dls = cifar_dls(folder(tmp_path, ext, make=lambda fn: PHOTO.save(fn, kind)), bs=2)
    assert dls.source['n_train']==4
    assert len(picture_files(tmp_path/'test'))==4

def test_what_pillow_does_not_know_is_named(tmp_path):
    path = folder(tmp_path)
    (path/'train'/'cat'/'phone.heic').write_bytes(b'\0\0\0 ftypheic')
    with pytest.raises(ValueError, match='phone.heic'): cifar_dls(path, bs=2)

def test_skipped_files_are_counted(tmp_path):
    path = folder(tmp_path)
    for o in 'train/cat/a.txt','train/cat/Thumbs.db','test/dog/b.txt','test/dog/.DS_Store': (path/o).touch()
    words,_ = said(cifar_dls, path, bs=2)
    assert words==[f'{path}: 3 files of other kinds (2 .txt, 1 .db) are skipped: their names are not those of pictures']

def test_a_class_of_other_files_says_so(tmp_path):
    path = folder(tmp_path)
    for o in (path/'train'/'cat').iterdir(): o.rename(o.with_suffix('.svg'))
    with pytest.raises(ValueError, match=r'no pictures but 2 files of other kinds \(2 .svg\)'): check_folder(path)

NFC,NFD = (unicodedata.normalize(o, 'café') for o in ('NFC','NFD'))

@pytest.mark.parametrize('train,test', [(NFC,NFD),(NFD,NFC),(NFD,NFD)])
def test_spellings_of_unicode(tmp_path, train, test):
    path = folder(tmp_path, classes=['bar','x'])
    (path/'train'/'x').rename(path/'train'/train)
    (path/'test'/'x').rename(path/'test'/test)
    dls = cifar_dls(path, bs=2)
    assert list(dls.vocab)==['bar',NFC]
    assert len(picture_files(path/'train', 2))==2
    assert cifar_block().dataloaders(path, bs=2, num_workers=0).c==2

def test_two_spellings_in_one_set(tmp_path):
    with pytest.raises(ValueError, match='two spellings of Unicode'): check_folder(folder(tmp_path, classes=[NFC,NFD]))

@pytest.mark.skipif(sys.platform!='linux', reason='other systems allow no such names')
@pytest.mark.parametrize('old,new', [('train/cat',b'train/caf\xe9'), ('train/cat/0.png',b'train/cat/caf\xe9.png'),
                                     ('',b'../caf\xe9')], ids=['class','file','folder'])
def test_names_of_another_system(tmp_path, old, new):
    "One line that every terminal can show"
    path = folder(tmp_path/'data')
    new = os.path.normpath(bytes(path)+b'/'+new)
    os.rename(path/old, new)
    with pytest.raises(ValueError, match='is not UTF-8: rename it') as e: check_folder(path if old else os.fsdecode(new))
    str(e.value).encode('ascii')

@pytest.mark.skipif(not features.check('avif'), reason='this Pillow reads no AVIF')
def test_a_damaged_avif(tmp_path):
    "Pillow has an error of its own for each format: whichever it is, the file is named"
    fn = tmp_path/'a.avif'
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (32,32,3), np.uint8)).save(fn)
    raw = fn.read_bytes()
    said = []
    for cut in range(40, len(raw), 40):
        fn.write_bytes(raw[:cut]+bytes(len(raw)-cut))
        try: load_rgb(fn)
        except ValueError as e: said.append(str(e))
    assert said and all(o.startswith(f"can't read the picture {fn}: ") for o in said)
