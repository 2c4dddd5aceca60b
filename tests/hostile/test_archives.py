"""Archives that nobody should trust: each is refused in one line, writes nothing outside of its folder, and leaves nothing

A case is one line: a name, what the archive holds, and a word of the answer. A member is (path, bytes), or a `TarInfo` in
place of the path.
"""
import bz2, gzip, io, lzma, os, shutil, stat, tarfile, time, zipfile
from pathlib import Path

import pytest
from PIL import Image

from cifar_cam import archives
from cifar_cam.files import cifar10_path, get_image_files

def picture(colour):
    f = io.BytesIO()
    Image.new('RGB', (8,8), colour).save(f, 'PNG')
    return f.getvalue()

PNG = picture('red')
GOOD = [(f'pets/{split}/{c}/{i}.png', picture((i,90,0)))
        for split in ('train','test') for c in ('cat','dog') for i in range(2)]
LONG,DEEP = 'n'*256,'d/'*40

def info(name, kind=tarfile.REGTYPE, **kwargs):
    res = tarfile.TarInfo(name)
    res.type = kind
    for k,v in kwargs.items(): setattr(res, k, v)
    return res

def tar(members):
    f = io.BytesIO()
    with tarfile.open(fileobj=f, mode='w', format=tarfile.PAX_FORMAT) as t:
        for name,data in members:
            o = name if isinstance(name, tarfile.TarInfo) else info(name)
            if o.type==tarfile.REGTYPE: o.size = len(data)
            t.addfile(o, io.BytesIO(data))
    return f.getvalue()

def zipped(members, mode=None):
    f = io.BytesIO()
    with zipfile.ZipFile(f, 'w', zipfile.ZIP_DEFLATED) as z:
        for name,data in members:
            o = zipfile.ZipInfo(name)
            o.external_attr = (mode or stat.S_IFREG | 0o644)<<16
            z.writestr(o, data)
    return f.getvalue()

def link(name, to, kind=tarfile.SYMTYPE): return info(name, kind, linkname=to), b''
def pax(name, **headers): return info(name, pax_headers=headers), PNG
def header(kind, size): return info('x', kind, size=size).tobuf(tarfile.GNU_FORMAT)
def half(data): return data[:len(data)//2]
def flipped(data): return data[:len(data)//2] + bytes([data[len(data)//2]^1]) + data[len(data)//2+1:]
def crafted(data): return gzip.compress(data)

at = 'pets/train/cat/'
# name of the case, members of a .tar, a word of the answer
TARS = [
    ('absolute path', [('/tmp/poison.png', PNG)], 'leads out'),
    ('absolute path, twice the slash', [('//tmp/poison.png', PNG)], 'leads out'),
    ('parent folder', [('../poison.png', PNG)], 'leads out'),
    ('parent folder, later', [(f'{at}../../../../poison.png', PNG)], 'leads out'),
    ('parent folder, at the end', [(f'{at}..', PNG)], 'leads out'),
    ('backslashes', [('pets\\..\\..\\poison.png', PNG)], 'leads out'),
    ('backslashes between folders', [('pets\\train\\cat\\0.png', PNG)], 'pack it again, with / between'),
    ('drive', [('C:/poison.png', PNG)], 'leads out'),
    ('null in a name', [pax('x', path=f'{at}a\0b.png')], 'unpack'),
    ('absolute path in a pax header', [pax('x', path='/tmp/poison.png')], 'leads out'),
    ('parent folder in a pax header', [pax('x', path='../../poison.png')], 'leads out'),
    ('folder outside', [(info('../poison', tarfile.DIRTYPE), b'')], 'leads out'),
    ('link', [link(f'{at}l.png', '0.png')], 'link or a device'),
    ('link out', [link(f'{at}l.png', '/etc/passwd')], 'link or a device'),
    ('link to a folder, then through it', [link('pets/train/cat', '/tmp'), (f'{at}poison.png', PNG)], 'link or a device'),
    ('link to the folder above', [link('pets/up', '..'), ('pets/up/poison.png', PNG)], 'link or a device'),
    ('hard link', [link(f'{at}l.png', f'{at}0.png', tarfile.LNKTYPE)], 'link or a device'),
    ('hard link out', [link(f'{at}l.png', '/etc/passwd', tarfile.LNKTYPE)], 'link or a device'),
    ('chain of links (CVE-2025-4517)', [link('a'*200, 'b'*200), link('c', 'a'*200+'/../..')], 'link or a device'),
    ('link of a train folder', [link('pets/train', '/tmp')], 'link or a device'),
    ('pipe', [(info(f'{at}p.png', tarfile.FIFOTYPE), b'')], 'link or a device'),
    ('character device', [(info(f'{at}z.png', tarfile.CHRTYPE, devmajor=1, devminor=5), b'')], 'link or a device'),
    ('block device', [(info(f'{at}z.png', tarfile.BLKTYPE, devmajor=8), b'')], 'link or a device'),
    ('contiguous file', [(info(f'{at}z.png', tarfile.CONTTYPE), b'')], 'link or a device'),
    ('type that nobody knows', [(info(f'{at}z.png', b'Z'), b'')], 'link or a device'),
    ('name too long', [(f'{at}{LONG}.png', PNG)], 'too long'),
    ('folder name too long', [(f'pets/train/{LONG}/0.png', PNG)], 'too long'),
    ('path too long', [('d/'*600+'0.png', PNG)], 'too long'),
    ('the same file twice', [(f'{at}0.png', PNG)], 'twice'),
    ('a file where a folder is', [('pets/train/cat', PNG)], 'twice'),
    ('a folder where a file is', [(f'{at}0.png/1.png', PNG)], 'twice'),
    ('folder inside a class', [(f'{at}{DEEP}0.png', PNG)], 'inside a class'),
    ('a class that only the test has', [('pets/test/fox/0.png', PNG)], 'could not learn'),
    ('picture in no class', [('pets/train/0.png', PNG)], 'in no class'),
]
# name of the case, the whole file, a word of the answer
FILES = [
    ('nothing', b'', 'not a complete archive'),
    ('text', b'no archive', 'is no archive, table or folder'),
    ('a page', b'404: not found'*100, 'is no archive, table or folder'),
    ('one picture', PNG, 'is no archive, table or folder'),
    ('an array', b'\x93NUMPY\1\0'+bytes(600), 'is no archive, table or folder'),
    ('an array of MATLAB', b'MATLAB 5.0 MAT-file'+bytes(600), 'is no archive, table or folder'),
    ('digits of MNIST', b'\0\0\x08\x03'+bytes(12)+b'\1'*600, 'is no archive, table or folder'),
    ('digits of MNIST, compressed', gzip.compress(b'\0\0\x08\x03'+bytes(12)+b'\1'*600), 'is no archive, table or folder'),
    ('nothing, compressed', gzip.compress(b''), 'not a complete archive'),
    ('text, compressed', gzip.compress(b'no archive'*100), 'is no archive, table or folder'),
    ('a .tar without members', tar([]), 'no train folder'),
    ('half a .tgz', half(gzip.compress(tar(GOOD))), 'not a complete archive'),
    ('half a .tar', half(tar(GOOD)), 'not a complete archive'),
    ('half a .tar.xz', half(lzma.compress(tar(GOOD))), 'not a complete archive'),
    ('half a .tar.bz2', half(bz2.compress(tar(GOOD))), 'not a complete archive'),
    ('half a .zip', half(zipped(GOOD)), 'not a complete archive'),
    ('a bit of a .tgz wrong', flipped(gzip.compress(tar(GOOD))), 'not a complete archive'),
    ('a bit of a .tar.xz wrong', flipped(lzma.compress(tar(GOOD))), 'not a complete archive'),
    ('a bit of a .zip wrong', flipped(zipped(GOOD[:1])), 'not a complete archive'),
    ('a header of a .tar wrong', tar(GOOD[:1])[:1024] + b'\xff'*512 + tar(GOOD[1:]), 'not a complete archive'),
    ('checksum of a .tgz missing', gzip.compress(tar(GOOD))[:-4], 'not a complete archive'),
    ('a name of 3 GB', crafted(header(tarfile.GNUTYPE_LONGNAME, 3*2**30)+b'\0'*2**20), '3,221,225,472'),
    ('a pax header of 3 GB', crafted(header(tarfile.XHDTYPE, 3*2**30)+b'\0'*2**20), '3,221,225,472'),
    ('a file that claims 1 TB', crafted(header(tarfile.REGTYPE, 2**40)+b'\0'*2**20), '1.0 GB'),
    ('a sparse file of 1 TB', crafted(header(tarfile.GNUTYPE_SPARSE, 2**40)+b'\0'*2**20), 'unpack'),
    ('size below zero', crafted(header(tarfile.REGTYPE, -512)+b'\0'*2**20), 'below zero'),
    ('half a .tar, between two files', tar(GOOD)[:5*1024], 'its end is missing'),
    ('.zip: absolute path', zipped([('/tmp/poison.png', PNG)]), 'leads out'),
    ('.zip: parent folder', zipped([('../poison.png', PNG)]), 'leads out'),
    ('.zip: parent folder, later', zipped([*GOOD, (f'{at}../../../../poison.png', PNG)]), 'leads out'),
    ('.zip: backslashes', zipped([('pets\\..\\poison.png', PNG)]), 'leads out'),
    ('.zip: drive', zipped([('C:/poison.png', PNG)]), 'leads out'),
    ('.zip: link', zipped([(f'{at}l.png', b'/etc/passwd')], stat.S_IFLNK | 0o777), 'link or a device'),
    ('.zip: pipe', zipped([(f'{at}l.png', b'')], stat.S_IFIFO | 0o644), 'link or a device'),
    ('.zip: name too long', zipped([(f'{at}{LONG}.png', PNG)]), 'too long'),
    ('.zip: twice', zipped([*GOOD, (f'{at}0.png/1.png', PNG)]), 'twice'),
    ('.zip: encrypted', zipped(GOOD).replace(b'PK\1\2\x14\3\x14\0\0', b'PK\1\2\x14\3\x14\0\1'), 'encrypted'),
    ('.zip: no train folder', zipped([('a.png', PNG)]), 'no train folder'),
]

@pytest.fixture
def home(tmp_path, monkeypatch):
    "A folder of its own for what is unpacked, and nothing but the archive beside it"
    monkeypatch.setenv('FASTAI_HOME', str(tmp_path/'fastai'))
    (tmp_path/'fastai'/'data').mkdir(parents=True)
    monkeypatch.setattr('cifar_cam.files.fastai_path', lambda k: tmp_path/'fastai'/k)
    return tmp_path

def files(folder): return sorted(o.relative_to(folder).as_posix() for o in folder.rglob('*'))

def refused(home, data, word):
    arch = home/'pets.tgz'
    arch.write_bytes(data)
    before = files(home)
    with pytest.raises(ValueError) as e: cifar10_path(arch)
    msg = str(e.value)
    assert word in msg and '\n' not in msg and 'pets.tgz' in msg
    assert files(home)==before and not Path('/tmp/poison.png').exists()
    return msg

@pytest.mark.parametrize('members,word', [o[1:] for o in TARS], ids=[o[0] for o in TARS])
def test_tar(home, members, word): refused(home, gzip.compress(tar(GOOD+members)), word)

@pytest.mark.parametrize('data,word', [o[1:] for o in FILES], ids=[o[0] for o in FILES])
def test_file(home, data, word): refused(home, data, word)

MAC = [('pets/._train', b'mac'), (f'{at}.DS_Store', b'mac'), ('__MACOSX/pets/train/cat/._0.png', b'mac')]
POISON = [('pets/.cifar_cam/train-32.npy', b'poison')]
TOP = [(k.removeprefix('pets/'), v) for k,v in GOOD]

@pytest.mark.parametrize('members', [GOOD, GOOD+MAC+POISON, [(f'./{k}', v) for k,v in GOOD], TOP],
                         ids=['folder','with dots','dot','top'])
@pytest.mark.parametrize('kind', ['tar','gzip','bz2','lzma','zip'])
def test_good(home, kind, members):
    "What is to be unpacked, is: also from the top, and without what a Mac adds"
    compress = dict(gzip=gzip.compress, bz2=bz2.compress, lzma=lzma.compress).get(kind, bytes)
    arch = home/'pets.tgz'
    arch.write_bytes(zipped(members) if kind=='zip' else compress(tar(members)))
    folder = cifar10_path(arch)
    assert [o.relative_to(folder).as_posix() for o in get_image_files(folder).sorted()] == sorted(k for k,_ in TOP)
    assert not [o for o in files(folder) if '/.' in f'/{o}']
    assert (folder/'train/cat/1.png').read_bytes()==GOOD[1][1]

@pytest.mark.parametrize('name', ['café', '日本'])
def test_names_that_unix_writes_into_a_zip(home, name):
    "In UTF-8, without a word about it"
    ascii = 'x'*len(name.encode())
    data = zipped([(k.replace('cat', ascii), v) for k,v in GOOD]).replace(ascii.encode(), name.encode())
    (home/'pets.zip').write_bytes(data)
    assert (cifar10_path(home/'pets.zip')/'train'/name).is_dir()

@pytest.mark.skipif(os.name=='nt', reason='a colon ends the name of a drive there')
def test_a_colon_is_no_drive(home):
    "A class may be called so"
    (home/'x.tgz').write_bytes(gzip.compress(tar([(o.replace('cat', 'a: x'), b) for o,b in GOOD])))
    assert {o.parent.name for o in get_image_files(cifar10_path(home/'x.tgz'))}=={'a: x','dog'}

def test_names_of_the_code_page_in_a_zip(home):
    (home/'pets.zip').write_bytes(zipped([(k.replace('cat', 'cafx'), v) for k,v in GOOD]).replace(b'cafx', b'caf\x82'))
    assert (cifar10_path(home/'pets.zip')/'train'/'café').is_dir()

def test_modes_follow_the_umask(home):
    arch = home/'pets.tgz'
    arch.write_bytes(gzip.compress(tar([(info(k, mode=0o7777), v) for k,v in GOOD])))
    old = os.umask(0o027)
    try: folder = cifar10_path(arch)
    finally: os.umask(old)
    assert {oct(stat.S_IMODE(o.stat().st_mode)) for o in folder.rglob('*.png')}=={'0o640'}
    assert {oct(stat.S_IMODE(o.stat().st_mode)) for o in (folder, folder/'train', folder/'train'/'cat')}=={'0o750'}

BLOCK = gzip.compress(bytes(2**24))   # what is compressed may follow one another

def test_bomb(home):
    "3 GB in 3 MB: refused before a byte is written"
    data = gzip.compress(header(tarfile.REGTYPE, 3*2**30)) + 192*BLOCK + gzip.compress(bytes(1024))
    assert len(data)<5*2**20
    refused(home, data, '1.0 GB')

def test_many_small_ones(home):
    "A bomb of files of 16 MB"
    data = 70*(gzip.compress(header(tarfile.REGTYPE, 2**24)) + BLOCK)
    refused(home, data + gzip.compress(bytes(1024)), '1.0 GB')

def test_zeros_after_the_end(home):
    "An archive that goes on after its end is not read for ever"
    refused(home, gzip.compress(tar(GOOD)) + 192*BLOCK, '1.0 GB')

def test_zip_bomb(home):
    f = io.BytesIO()
    with zipfile.ZipFile(f, 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as z:
        with z.open(f'{at}big.png', 'w', force_zip64=True) as out:
            for _ in range(66): out.write(bytes(2**24))
    refused(home, f.getvalue(), '1.0 GB')

def test_too_many_files(home, monkeypatch):
    monkeypatch.setattr(archives, 'most', 5)
    refused(home, gzip.compress(tar(GOOD)), 'more than 5 files')

def test_no_room(home, monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda o: shutil._ntuple_diskusage(2**30, 2**30, 100))
    refused(home, gzip.compress(tar(GOOD)), 'GB left')

def to_zero(fn): os.symlink('/dev/zero', fn)

@pytest.mark.parametrize('make', [os.mkfifo, to_zero], ids=['pipe','/dev/zero'])
def test_no_file(home, make):
    "Reading these would never end"
    make(home/'pets.tgz')
    start = time.time()
    with pytest.raises(ValueError, match='a folder|an archive'): cifar10_path(home/'pets.tgz')
    assert time.time()-start<5
