"What a killed process leaves is removed by the next one, and nothing else is; links lead nowhere"
import os, signal

import numpy as np
import pytest
from cifar_cam.data import cached_images
from cifar_cam.files import digits_path, picture_files, staged, write_whole
from test_archives import GOOD, gzip, tar
from cifar_cam import files

pytestmark = pytest.mark.skipif(os.name!='posix', reason='needs fork and locks')

def die(*_): os.kill(os.getpid(), signal.SIGKILL)

def killed(f, *args):
    "Run `f` in a process that kills itself somewhere in it"
    pid = os.fork()
    if not pid:
        try: f(*args)
        finally: os._exit(3)   # it was to be dead
    assert os.waitpid(pid, 0)[1]==signal.SIGKILL

def in_folder(path):
    with staged(path/'run') as d:
        (d/'sub').mkdir()
        (d/'a').write_text('half')
        die()

def in_file(path): write_whole(path/'run.json', lambda f: f.write(b'half') and die())

def in_archive(path):
    (path/'pets.tgz').write_bytes(gzip.compress(tar(GOOD), mtime=0))   # the same bytes each time
    files.fastai_path = lambda k: path
    files.check_folder = die
    files._unpack(path/'pets.tgz')

def in_digits(path):
    files._digits = lambda: [('train', '0', np.zeros((8,8,3), np.uint8)), die]
    files._write_png = die
    digits_path(path/'digits')

def names(path): return sorted(o.name for o in path.iterdir())

@pytest.mark.parametrize('times', [1, 3])
@pytest.mark.parametrize('f,again', [
    (in_folder, lambda o: staged(o/'run')), (in_archive, lambda o: staged(o/names(o)[0][1:].rpartition('-')[0])),
    (in_digits, lambda o: staged(o/'digits'))], ids=['folder','archive','digits'])
def test_folders(tmp_path, f, again, times):
    for _ in range(times): killed(f, tmp_path)
    assert [o for o in names(tmp_path) if o.endswith('.unfinished')]
    with again(tmp_path): pass
    assert not [o for o in names(tmp_path) if o.endswith('.unfinished')]

def test_folder_that_is_there(tmp_path):
    (tmp_path/'run').mkdir()
    killed(in_folder, tmp_path)
    assert len(names(tmp_path/'run'))==1
    with staged(tmp_path/'run') as d: (d/'a').write_text('whole')
    assert names(tmp_path/'run')==['a']

def test_files(tmp_path):
    for _ in range(3): killed(in_file, tmp_path)
    write_whole(tmp_path/'run.json', b'whole')
    assert names(tmp_path)==['run.json']

def test_living_are_left_alone(tmp_path):
    "Of a process that is at it, and of people who like dots"
    (tmp_path/'.run-mine').mkdir()
    (tmp_path/'.run.unfinished').touch()
    with staged(tmp_path/'run') as d:
        (d/'a').touch()
        killed(in_folder, tmp_path)
        with staged(tmp_path/'other'): pass
        assert d.exists()
    assert (tmp_path/'run'/'a').exists()
    assert {'.run-mine','.run.unfinished','run','other'}<=set(names(tmp_path))

def test_links(tmp_path):
    "A link under such a name is not followed; a link under the file's name is replaced"
    (tmp_path/'elsewhere').mkdir()
    (tmp_path/'elsewhere'/'mine').write_text('mine')
    (tmp_path/'.a-1.unfinished').symlink_to(tmp_path/'elsewhere')
    (tmp_path/'.a-2.unfinished').symlink_to(tmp_path/'elsewhere'/'mine')
    (tmp_path/'a').symlink_to(tmp_path/'elsewhere'/'mine')
    write_whole(tmp_path/'a', b'new')
    assert (tmp_path/'a').read_bytes()==b'new' and not (tmp_path/'a').is_symlink()
    with staged(tmp_path/'b') as d: (d/'a').touch()
    assert (tmp_path/'elsewhere'/'mine').read_text()=='mine'

def test_pipes_do_not_hang(tmp_path):
    os.mkfifo(tmp_path/'.a-1.unfinished')
    write_whole(tmp_path/'a', b'new')
    assert (tmp_path/'a').read_bytes()==b'new'

def test_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('FASTAI_HOME', str(tmp_path/'home'))
    path = digits_path(tmp_path/'digits')/'test'
    fs = picture_files(path)
    def half(*_): cached_images(fs, path, 8)
    monkeypatch.setattr('cifar_cam.data._read_into', lambda *_, **__: die())
    killed(half)
    assert [o for o in (tmp_path/'home').rglob('*.unfinished')]
    monkeypatch.undo()
    monkeypatch.setenv('FASTAI_HOME', str(tmp_path/'home'))
    half()
    assert sorted(o.suffix for o in (tmp_path/'home').rglob('*') if o.is_file())==['','','.npy']   # lock, of
