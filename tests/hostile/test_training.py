"Runs that meet a full disk, a closed terminal, one another, a link where a file is expected, what a dead process left, or a fault below"
import ctypes.util, json, os, subprocess, sys
from pathlib import Path

import pytest

TRAIN = '-m cifar_cam train --data digits --n-train 100 --n-valid 50 --width 4 --epochs 1'.split()
FILES = {'config.json','model.safetensors','history.csv','batches.csv','metrics.json','curves.png','checkpoint'}

def start(*args, **kw):
    kw = dict(dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True), **kw)
    return subprocess.Popen([sys.executable, *TRAIN, *map(str, args)], **kw)

def train(*args, **kw):
    "Status and what was said of a run in a process of its own"
    p = start(*args, **kw)
    said,errors = p.communicate(timeout=300)
    return p.returncode,said or '',errors or ''

def whole(run): return {o.name for o in run.iterdir()}==FILES

def test_full_disk_for_the_log(tmp_path):
    if not Path('/dev/full').exists(): pytest.skip('no device that is always full')
    with open('/dev/full', 'w') as full: assert train('--out', tmp_path/'run', stdout=full)[0]==0
    assert whole(tmp_path/'run')

def test_closed_output(tmp_path):
    cmd = ' '.join([sys.executable, *TRAIN, '--out', str(tmp_path/'run'), '>&-', '2>&-'])
    assert subprocess.run(['sh', '-c', cmd]).returncode==0
    assert whole(tmp_path/'run')

def test_letters_that_the_terminal_does_not_know(tmp_path):
    env = os.environ | dict(PYTHONIOENCODING='ascii')
    code,said,errors = train('--out', tmp_path/'größe-π', env=env)
    assert (code,errors)==(0,'') and r'gr\xf6\xdfe-\u03c0' in said
    assert whole(tmp_path/'größe-π')

@pytest.mark.parametrize('env', [dict(RANK='1'), dict(RANK='one'), dict(RANK='2', WORLD_SIZE='2')])
def test_one_of_several_that_is_alone(env, tmp_path):
    code,_,errors = train('--out', tmp_path/'run', env=os.environ | env)
    assert code==1 and errors.count('\n')==1 and 'torchrun' in errors, errors
    assert not (tmp_path/'run').exists()

def test_three_at_once(tmp_path):
    "Without --out, each has a folder of its own"
    ps = [start('--seed', i, cwd=tmp_path) for i in range(3)]
    for p in ps:
        _,errors = p.communicate(timeout=600)
        assert p.returncode==0, errors
    runs = sorted((tmp_path/'runs').iterdir())
    assert [o.name for o in runs]==['digits','digits-2','digits-3'] and all(map(whole, runs))
    assert {json.loads((o/'config.json').read_text())['seed'] for o in runs}=={0,1,2}

def test_what_the_dead_left(tmp_path):
    run = tmp_path/'run'
    for o in run/'.run-abc123.unfinished',run/'checkpoint': o.mkdir(parents=True)
    (run/'.run-abc123.unfinished'/'model.safetensors').write_bytes(b'half')
    (run/'checkpoint'/'.epoch-00001-0.safetensors-abc').write_bytes(b'half')
    assert train('--out', run, '--resume')[0]==0
    assert whole(run) and not list((run/'checkpoint').glob('.*'))

@pytest.mark.parametrize('name', ['checkpoint/writing.tmp','checkpoint/lock','config.json','model.safetensors','.run-abc'])
def test_links(name, tmp_path):
    "What a link points to stays as it was"
    target,link = tmp_path/'precious',tmp_path/'run'/name
    target.write_text('mine')
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    code,_,errors = train('--out', tmp_path/'run', '--resume')
    assert target.read_text()=='mine' and errors.count('\n')<=1, errors

def test_a_link_to_a_folder(tmp_path):
    "What killed processes left is removed; a link of the same name, and what it leads to, is not"
    (tmp_path/'precious').mkdir()
    (tmp_path/'precious'/'file').write_text('mine')
    (tmp_path/'run').mkdir()
    (tmp_path/'run'/'.run-abc').symlink_to(tmp_path/'precious')
    assert train('--out', tmp_path/'run')[0]==0
    assert (tmp_path/'precious'/'file').read_text()=='mine'

@pytest.mark.parametrize('size,precision', [(48,'fp32'),(128,'auto')])
def test_memory_below_is_left_alone(size, precision, tmp_path):
    "tools/onednn.py says what would damage it; glibc looks at each block that is freed"
    lib = ctypes.util.find_library('c_malloc_debug')
    env = os.environ | dict(MALLOC_CHECK_='3') | (dict(LD_PRELOAD=lib) if lib else {})
    code,_,errors = train('--out', tmp_path/'run', '--width', 8, '--size', size, '--precision', precision, env=env)
    assert (code,errors)==(0,''), errors
    assert whole(tmp_path/'run')
