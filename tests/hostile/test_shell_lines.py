"""Lines that nobody should type: each ends with status 1 (as `main` documents), one line on standard error, and nothing left behind

Most run in this process, for speed; those about what surrounds a process have one of their own.
`python tests/hostile/test_shell_lines.py` prints what is answered badly.
"""
import io, itertools, os, subprocess, sys, tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
sys.path.insert(0, str(Path(__file__).parent))
from test_arguments import W, world
from cifar_cam.cli import main

posix = os.name=='posix'
OUT = '{out}'   # a folder that is not there

def small(*args): return ['run', '--data', '{data}', '--out', OUT, '--epochs', '1', '--width', '2', '--size', '16', *args]

numbers = ['0', '-1', '2.5', 'two', '', 'nan', 'inf', '1e3', '0x10', '1_000', ' ', '1 2', "1'", '½']
bad = dict(epochs=numbers, n_train=[*numbers, '999999', '9'*40], n_valid=[*numbers, '999999'], width=[*numbers, '1025', '9'*40], bs=numbers,
    size=[*numbers, '15', '513', '9'*40], k=[*numbers, '101'], lr=['0', '-1', 'nan', 'inf', 'x', '', '1e999'],
    seed=['-1', '2.5', 'x', '', '4294967296', '9'*40], workers=['-1', '2.5', 'x', ''], mistakes=['-1', '2001', '2.5', 'x', ''],
    valid_pct=['0', '1', '-0.1', '2', '20%', 'nan', 'inf', '', 'x'], resize=['', 'Crop', 'fit', 'crop ', '1'],
    precision=['', 'fp7', 'FP32', '32', 'fp16 '],
    recipe=['', 'nosuch', 'Baseline', 'fast ', '{}'], method=['', 'nosuch', 'GradCAM;ls', '../x'],
    layers=['nosuch', 'layer9', '.', 'layer4.nosuch', 'layer1,nosuch', '*'], target=['nosuch', '99', '-1', '2.5', 'PREDICTED'],
    data=['', 'nosuch', '/dev/null', '{home}/file', '{home}/empty', '~nosuchuser/data', 'https://a.b/c.tgz', '{home}/*', '{run}'],
    out=['{home}/file', '{home}/file/run', '~nosuchuser/run', '{run}', '{data}', '{data}/train/new', '{data}/test/a/new', 'x'*300])
lines = [small(f'--{k.replace("_", "-")}={v}') for k,vs in bad.items() for v in vs]
wrong = [['--nosuch'], ['--epochs'], ['--epochs', '--width'], ['extra'], ['--resume'], ['-x'], ['--data'], ['--lr'], ['--resume=yes'],
         ['--epochs=1', '--epoch=0']]
lines += [[c, *o] for c,o in itertools.product(['run','train'], wrong)]
lines += [[c] for c in ('fly', '', '-', '--', '-x', '--nosuch', 'RUN', 'run ', 'rm -rf', '../run', '\u202erun', 'a'*1000, 'run\n')]
folders = [], ['nosuch'], ['{home}'], ['{home}/file'], ['{home}/empty'], ['{data}'], [''], ['{run}', 'more'], ['~nosuchuser/run']
more = dict(weights=['nosuch', '{home}'], new_classes=['yes', ''],
    labels=['nosuch.csv', '{home}', '{home}/file', '/dev/null', '~nosuchuser/labels.csv', 'x'*300, '{pic}'],
    method=['gradcam,layercam', 'GradCam+'], target=['', '10', '1e1'], faithfulness=['yes'],
    recipe=['basline', 'BASELINE'])
lines += [small(f'--{k.replace("_", "-")}={v}') for k,vs in more.items() for v in vs]
lines += [['runs', *o] for o in (['nosuch'], ['{home}/file'], [''], ['a', 'b'], ['--nosuch'], ['--k=1'], ['~nosuchuser/runs'], ['x'*300])]
options = ['--out={home}/file', '--out={home}/file/x', '--faithfulness=1', '--k=', '--k=1e2', '--target=', '--method=', '--recipe=fast',
           '--k=0', '--k=101', '--method=nosuch', '--layers=nosuch', '--target=99', '--target=nosuch', '--mistakes=-1', '--export={home}',
           '--export={home}/file', '--humans=nosuch.csv', '--humans={home}', '--humans={home}/file', '--humans', '--nosuch',
           '--method=fullgrad --layers=layer4', '--method=eigencam --target=contrast']
lines += [['explain', *o] for o in folders] + [['explain', '{run}', *o.split()] for o in options]
lines += [['explain'], ['explain', '--k=3'], ['explian'], ['Explain', '{run}']]
looks = [], ['{run}'], ['nosuch', '{pic}'], ['{home}', '{pic}'], ['{home}/file', '{pic}'], ['', '{pic}'], \
    ['~nosuchuser/run', '{pic}'], ['{data}', '{pic}']
pictures = 'nosuch.jpg', '{home}/file', '{home}/empty', '{run}/config.json', '', '/dev/null','x'*300, 'https://a.b/c.jpg', '{home}/text.jpg'
options = ['--k=0', '--k=101', '--k=two', '--method=nosuch', '--method=eigencam', '--method=fullgrad', '--layers=nosuch',
           '--layers=layer4.nosuch', '--out={home}/file', '--out={home}/file/x.png', '--out={run}', '--out=nosuch/x.png', '--out=x.doc',
           '--out=x', '--out=/dev/full/x.png', '--out=/proc/x.png', '--nosuch', '--json=yes', '--out']
lines += [['look', *o] for o in looks] + [['look', '{run}', o] for o in pictures] + [['look', '{run}', '{pic}', 'nosuch.png']]
lines += [['look', '{run}', '{pic}', o] for o in options]
places = '', 'x', 'x.pt', 'nosuch/x.onnx','{home}/file/x.onnx', '{home}/file', '{run}', '/dev/null', '/proc/x.onnx', \
    '~nosuchuser/x.onnx', 'x'*300+'.onnx'
runs = [], ['{run}'], ['nosuch', 'x.onnx'], ['{home}', 'x.onnx'], ['{home}/file', 'x.onnx'], ['', 'x.onnx'], ['{data}', 'x.onnx']
lines += [['export', *o] for o in runs] + [['export', '{run}', o] for o in places]
lines += [['export', '{run}', 'x.onnx', o] for o in ('more', '--nosuch', '--opset=18')]
lines += [['open', *o] for o in folders] + [['open', '{run}', f'--port={o}'] for o in ['0', '65536', '-1', '80.5', 'http', '', '9'*40]]
lines += [['open', '{run}', o] for o in ('--nosuch', '--no-browser=1', '--host=0.0.0.0', '--port')]
compared = [], ['{run}'], ['nosuch', 'other'], ['{run}', 'nosuch'], ['{run}', '{home}'], ['{home}/file', '{run}'], ['{run}', ''], \
    ['{run}', '{data}'], ['~nosuchuser/run', '{run}'], ['{run}', '{run}', '--nosuch'], ['{run}']*27
lines += [['compare', *o] for o in compared]
options = ['--out={home}/file', '--out={home}/file/x', '--out={home}/file/x.html', '--k=0', '--k=1001', '--k=two', '--out', '--nosuch']
lines += [['compare', '{run}', '{run}', o] for o in options]
lines += [['doctor', 'extra'], ['doctor', '--nosuch'], ['doctor', '--epochs=1']]
latin = os.fsdecode(b'caf\xe9')
if posix: lines += [small('--out='+latin), small('--data='+latin), ['explain', latin], [latin], small('--recipe='+latin)]

def filled(line, out):
    known = dict(out=out, data=W.data, home=W.home, run=W.run, pic=W.files[0])
    return [o.format(**known) if '{' in o and '{}' not in o else o for o in line]

def there(folder): return sorted((str(o), o.lstat().st_mtime_ns) for o in folder.rglob('*'))

def look(line, tmp):
    "What is wrong with the answer to `line`, in words; nothing, if nothing is"
    world()
    line,before,err = filled(line, tmp/'out'),there(W.home),io.StringIO()
    with redirect_stderr(err), redirect_stdout(io.StringIO()):
        try: status = main(line)
        except BaseException as e: return f'{type(e).__name__}: {e}'
    said = err.getvalue()
    notes,last = said.splitlines()[:-1],said.splitlines()[-1:]
    if status!=1: return f'status {status}: {said[:200]}'
    if notes or not said.startswith('cifar-cam: ') or len(said)>700: return f'{len(said.splitlines())} lines: {said[:300]}'
    if any(o in said for o in ('Traceback', 'NoneType', 'object has no')): return said
    if there(W.home)!=before or list(tmp.iterdir()): return 'something was left behind'

def test_there_are_enough(): assert len(lines)>=180

@pytest.mark.parametrize('line', lines, ids=[' '.join(o)[-40:].encode('ascii', 'backslashreplace').decode() for o in lines])
def test_line(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fault = look(line, tmp_path)
    assert not fault, fault

NOWHERE = '/dev/null/home'   # which nobody can make

def sh(*args, **env):
    cmd = [sys.executable, '-W', 'ignore', '-m', 'cifar_cam', *map(str, args)]
    return subprocess.run(cmd, capture_output=True, env={k: v for k,v in (os.environ | env).items() if v is not None})

@pytest.mark.skipif(not posix, reason='surroundings of other systems')
@pytest.mark.parametrize('name,env', [
    (b'caf\xc3\xa9', dict(HOME=None)), (b'caf\xe9', dict(HOME='')),
    (b'~nosuchuser/run', dict(HOME=NOWHERE, MPLCONFIGDIR=tempfile.gettempdir())),
    (b'caf\xe9', dict(PYTHONIOENCODING='ascii', LC_ALL='C')), (b'caf\xc3\xa9', dict(TERM=None, COLUMNS='0')),
    (b'caf\xe9', dict(CIFAR_CAM_DATA='/nosuch'))])
def test_surroundings(name, env, tmp_path):
    "A line with names of all kinds, where there is no home, or a terminal that knows ASCII alone"
    res = sh('explain', os.fsdecode(name), **env)
    assert res.returncode==1 and res.stderr.count(b'\n')==1 and res.stderr.startswith(b'cifar-cam: '), res.stderr
    assert not list(tmp_path.iterdir())

@pytest.mark.skipif(not posix, reason='a home that is not there')
def test_without_a_home(tmp_path):
    "Where the home is nowhere, a run is made all the same"
    world()
    for home in None,NOWHERE:
        out = tmp_path/f'run-{home and 1}'
        res = sh('train', '--data', W.data, '--out', out, '--epochs', 1, '--width', 2, '--size', 16, HOME=home)
        assert res.returncode==0 and (out/'config.json').exists(), res.stderr

if __name__=='__main__':
    n = 0
    for o in lines:
        with tempfile.TemporaryDirectory() as tmp:
            os.chdir(tmp)
            fault = look(o, Path(tmp))
            os.chdir('/')
        n += bool(fault)
        if fault: print(f'{" ".join(o)[-60:].encode("ascii", "backslashreplace").decode():60s} {fault[:260]}', flush=True)
    print(len(lines), n)
