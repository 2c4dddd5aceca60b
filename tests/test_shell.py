"What a notebook can't show of the shell: processes, signals, exit statuses and full disks."
import errno, json, os, re, shlex, shutil, signal, subprocess, sys, time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from cifar_cam.choices import file_name, targets
from cifar_cam.cli import _command, main
from cifar_cam.files import staged, write_whole
from cifar_cam.labels import add_labels
from cifar_cam.report import explain_run

CLI = [sys.executable, '-m', 'cifar_cam']
SMALL = '--data digits --n-train 200 --n-valid 100 --width 8'.split()

def sh(*args, **kw): return subprocess.run([*CLI, *map(str, args)], capture_output=True, text=True, **kw)

def one_line(res, *words):
    "A user's error: status 1, one line, no traceback"
    assert res.returncode==1, res
    assert res.stderr.count('\n')==1 and res.stderr.startswith('cifar-cam: '), res.stderr
    for o in words: assert o in res.stderr, res.stderr

@pytest.fixture(scope='module')
def run_dir(tmp_path_factory):
    out = tmp_path_factory.mktemp('shell')/'run'
    res = sh('run', *SMALL, '--epochs', 2, '--k', 4, '--out', out)
    assert res.returncode==0, res.stderr
    return out, res

def test_help_is_quick():
    times = []
    for _ in range(3):
        t = time.perf_counter()
        res = sh('--help')
        times.append(time.perf_counter()-t)
    assert res.returncode==0 and all(o in res.stdout for o in ('run','train','explain','doctor'))
    assert min(times)<.5, times

def test_the_module_of_the_shell_is_the_shell():
    "It was a training of hours"
    both = [subprocess.run([sys.executable, '-m', o], capture_output=True, text=True) for o in ('cifar_cam','cifar_cam.cli')]
    assert both[0].stdout==both[1].stdout and both[0].returncode==both[1].returncode and 'explain' in both[0].stdout+both[0].stderr

WITHOUT = """
import sys
class No:
    def find_spec(self, name, *_):
        if name.partition('.')[0] in ('torch','fastai','numpy','matplotlib','pandas'): raise SystemExit(f'{name} was imported')
sys.meta_path.insert(0, No())
from cifar_cam.cli import main
sys.exit(main(sys.argv[1:]))
"""

@pytest.mark.parametrize('line,words', [
    ('run --recipe basline', 'did you mean baseline?'), ('run --method gradcamm', 'did you mean gradcam?'),
    ('run --data digit', 'did you mean digits?'), ('run --precision bf61', 'did you mean bf16?'),
    ('run --augs cropp', 'did you mean crop?'), ('run --epocs 3', 'did you mean --epochs?'),
    ('trian', 'did you mean train?'), ('explian', 'did you mean explain?'),
    ('run --epochs 0', '--epochs is 0'), ('run --epochs=', "--epochs is '': give"), ('run --lr=', "--lr is '': give"),
    ('run --flip=', "--flip is '': give"), ('run --lr fast', '--lr is fast'),
    ('run --size 8', '16 to 512'), ('run --seed -1', '--seed is -1'),
    ('run --mistakes 2001', '1 to 2000'), ('run --data nosuch', 'no file or folder nosuch'),
    ('run --weights nosuch', 'no file nosuch'), ('run --data digits --target actul', 'did you mean actual?'),
    ('run --resume', 'give the folder of the run'), ('run --method fem --target contrast', 'another --method'),
    ('explain', 'no run under runs/'), ('explain nosuch', 'not a run folder'),
    ('runs nosuch', 'no folder nosuch'), ('compare nosuch', 'give two or more'), ('compare nosuch other', 'nosuch is not a run folder'),
    ("runs ''", "no folder '': give"), ("explain ''", "'' is not a run folder"), ('compare nosuch other --k 0', '1 to 1000'),
    ('look nosuch photo.png --k 0', '--k is 0: give 1 to 100\n')])
def test_answered_at_once(line, words, tmp_path):
    "Names, paths and numbers are looked at before torch, or anything of its weight, is imported"
    env = {k: v for k,v in os.environ.items() if k!='CIFAR_CAM_DATA'}
    cmd = [sys.executable, '-c', WITHOUT, *shlex.split(line)]
    one_line(subprocess.run(cmd, capture_output=True, text=True, cwd=tmp_path, env=env), words)
    assert not list(tmp_path.iterdir())

@pytest.mark.parametrize('line,answer', [
    ('explain odd', 'odd is not a run folder: it has no config.json; did you mean runodd? give'),
    ('explain odd/', 'odd/ is not a run folder: it has no config.json; did you mean runodd? give'),
    ('explain runs/half', 'runs/half is not a run folder: it has no config.json; did you mean runs/hal? give'),
    ('explain runodd/config.json', 'runodd/config.json is not a run folder: it has no config.json; did you mean runodd? give'),
    ('open runodd/history.csv', 'runodd/history.csv is not a run folder: it has no config.json; did you mean runodd? give'),
    ('look photo.png runodd', 'photo.png is not a run folder, and runodd is one: the run comes first, and then the pictures'),
    ('look photo.png odd', 'photo.png is not a run folder: it has no config.json; give'),
    ('runs runodd/config.json', 'no folder runodd/config.json: give one'),
    ('train --labels odd', 'no file odd: give --labels'),
    ('train --weights photo.pngg', 'no file photo.pngg: did you mean photo.png? give'),
    ('look runodd photo.png --method eigencam',
     'a look sets the first class against the second: eigencam has no map of one class against another, give another --method'),
    ('explain runodd --faithfulness --mistakes 0', '--faithfulness is of the report, and there is none with --mistakes 0: leave one'),
    ('explain runodd --humans photo.png --mistakes 0', '--humans is of the report, and there is none with --mistakes 0: leave one'),
    ('run --data digits --faithfulness --mistakes 0', '--faithfulness is of the report, and there is none with --mistakes 0: leave one'),
    ('explain runodd --out runodd/config.json', '--out runodd/config.json: runodd/config.json is a file, give a folder'),
    ('explain runodd --out runs/hal', 'runs/hal holds another run, whose metrics.json would be replaced: give another folder'),
    ('explain runodd --out runs/half', 'runs/half holds another run, whose metrics.json would be replaced: give another folder'),
    ('train --data digits --out runs/stopped', 'there is an unfinished run in runs/stopped: go on with it by --resume, give another --out'),
    ('train --data digits --out runodd', 'there is a run in runodd already: give another --out'),
    ('explain runodd --out photo.png/at', '--out photo.png/at: photo.png is a file, give a folder')])
def test_what_is_meant_is_not_what_was_given(line, answer, tmp_path, monkeypatch, capsys):
    "Nothing is done, and no path is proposed in place of itself, nor a file in place of a folder"
    for o in 'odd','runodd','runs/hal','runs/half/checkpoint','runs/stopped': (tmp_path/o).mkdir(parents=True)
    for o in 'runodd','runs/hal': (tmp_path/o/'config.json').write_text('{}')
    (tmp_path/'runs'/'stopped'/'config.json').write_text('{"interrupted": true}')
    for o in 'photo.png','runodd/history.csv','runodd/metrics.json','runs/half/checkpoint/epoch-00001-0.safetensors': (tmp_path/o).touch()
    monkeypatch.chdir(tmp_path)
    assert main(line.split())==1
    said = capsys.readouterr().err
    assert said.startswith(f'cifar-cam: {answer}') and said.count('\n')==1, said

def completed(line, cwd):
    "What is proposed when Tab is pressed after `line`, by a process that does without torch"
    env = dict(_ARGCOMPLETE='1', COMP_LINE=line, COMP_POINT=str(len(line)), _ARGCOMPLETE_IFS='|')
    env['_ARGCOMPLETE_STDOUT_FILENAME'] = str(cwd/'proposed')
    subprocess.run([sys.executable, '-c', WITHOUT], env=os.environ | env, check=True, cwd=cwd)
    res = (cwd/'proposed').read_text()
    (cwd/'proposed').unlink()
    return {o.strip() for o in res.split('|')}

def test_completion(tmp_path):
    (tmp_path/'runs'/'mine'/'checkpoint').mkdir(parents=True)
    (tmp_path/'runs'/'mine'/'checkpoint'/'epoch-00001-0.safetensors').touch()
    assert {'run','train','explain','runs','doctor'} <= completed('cifar-cam ', tmp_path)
    assert completed('cifar-cam tra', tmp_path)=={'train'}
    assert completed('cifar-cam run --re', tmp_path)=={'--recipe','--resume','--resize'}
    assert {'baseline','fast'} <= completed('cifar-cam run --recipe ', tmp_path)
    assert completed('cifar-cam explain --target c', tmp_path)=={'contrast'}
    assert 'digits' in completed('cifar-cam train --data d', tmp_path)
    assert 'runs/mine' in completed('cifar-cam explain ', tmp_path)

def test_page(tmp_path, monkeypatch, capsys):
    "What the Shell page says of wrong lines is what is answered"
    nb = json.loads((Path(__file__).parent.parent/'nbs'/'25_cli.ipynb').read_text(encoding='utf-8'))
    text = ''.join(next(o['source'] for o in nb['cells'] if '$ cifar-cam trian' in ''.join(o['source'])))
    said = re.findall(r'^\$ cifar-cam (.*)\n(cifar-cam: .*)$', text, re.M)
    assert len(said)>4
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('CIFAR_CAM_DATA', raising=False)
    for line,answer in said:
        assert main(line.split())==1
        assert capsys.readouterr().err.strip()==answer

def test_names_of_maps():
    "No two classes, nor a class and a method, have maps in the same file; plain names are as they are"
    classes = ['1','-1','c','c++','c#','cat','cat dog','cat-dog','layercam','layercam-cat','', *('a'*40+o for o in 'xy')]
    names = [file_name('cams.png', m, c) for m in ('gradcam','layercam') for c in [None, *targets, *classes]]
    assert len(set(names))==len(names)-2, names   # None and predicted are alike
    assert file_name('cams.png', 'LayerCAM', 'cat-dog')=='cams-layercam-cat-dog.png' and file_name('cams.png', target=3)=='cams-3.png'
    assert all(re.fullmatch(r'cams(-\w+)*\.png', o) for o in names), names

def test_the_command_is_kept_as_it_was_typed(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['/bin/cifar-cam', 'train', '--data', 'my pictures', '--out', "it's"])
    assert shlex.split(_command())==['cifar-cam', *sys.argv[1:]]

def test_where_cifar10_is_said_to_be(tmp_path, monkeypatch, capsys):
    "Where $CIFAR_CAM_DATA names nothing, that is said, and no download is promised; `~` is a home in it"
    from cifar_cam.files import cifar10_path, digits_path
    says = '$CIFAR_CAM_DATA is ~/nosuch: there is nothing there; put it right or unset it'
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('CIFAR_CAM_DATA', '~/nosuch')
    with pytest.raises(FileNotFoundError, match=re.escape(says)): cifar10_path()
    assert main(['train'])==1 and capsys.readouterr().err==f'cifar-cam: {says}\n'
    assert main(['doctor'])==0
    said = capsys.readouterr().out
    assert f'note: CIFAR-10: {says}\n' in said and 'downloaded' not in said
    (tmp_path/'ours').symlink_to(digits_path())
    monkeypatch.setenv('CIFAR_CAM_DATA', '~/ours')
    assert main(['doctor'])==0
    said = capsys.readouterr().out
    assert re.search(rf'cifar10 +{tmp_path}/ours\n', said) and 'CIFAR-10:' not in said, said

def test_installed_command():
    exe = shutil.which('cifar-cam', path=str(Path(sys.executable).parent))
    assert exe, 'the console script is not installed'
    assert subprocess.run([exe, '--version'], capture_output=True, text=True).stdout.strip()

def test_run_leaves_everything(run_dir):
    out,res = run_dir
    files = 'config.json history.csv batches.csv model.safetensors metrics.json predictions.csv curves.png'.split()
    assert {o.name for o in out.iterdir()}=={*files, 'misclassified.png', 'cams.png', 'report.html', 'checkpoint'}
    assert res.stdout.count('epoch ')==2 and '\r' not in res.stdout and str(out/'cams.png') in res.stdout
    pred = pd.read_csv(out/'predictions.csv')
    assert len(pred)==100 and {'idx','file','actual','predicted','prob','loss','correct'} <= set(pred)
    assert pred.file.str.startswith('test/').all() and pred.idx.tolist()==list(range(100))
    metrics,hist = json.loads((out/'metrics.json').read_text()),pd.read_csv(out/'history.csv')
    assert metrics['n']==100 and abs(metrics['accuracy']-hist.valid_acc.iloc[-1])<.011
    assert hist.train_loss.iloc[1]<hist.train_loss.iloc[0]
    config = json.loads((out/'config.json').read_text())
    assert config['seed']==1 and config['data']['fingerprint'] and config['versions']['torch'] and config['selection']

def test_stages(run_dir):
    "In a pipe, each stage says what it is"
    said = run_dir[1].stdout
    stages = 'reading ','training a ','epoch 1/2 ','predicting 100 pictures','drawing the maps of 4 ','writing the report of '
    assert sorted(map(said.index, stages))==list(map(said.index, stages)), said

@pytest.mark.skipif(os.name!='posix', reason='terminals of another kind')
@pytest.mark.parametrize('encoding', ['utf-8','ascii'])
def test_terminal(encoding, tmp_path):
    "On a terminal: a bar with learning rate and time left, and epochs that count from 1"
    import pty
    pid,fd = pty.fork()
    line = [*CLI, 'train', *SMALL, '--epochs', '2', '--out', str(tmp_path/'run')]
    if not pid: os.execve(sys.executable, line, os.environ | dict(PYTHONIOENCODING=encoding))
    said = b''
    try:
        while o := os.read(fd, 4096): said += o
    except OSError: pass   # the end, on Linux
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])==0
    said = said.decode()
    assert re.search(r'Epoch 1/2 : .*lr 0.01, [0-9:]+ left', said) and 'epoch 1/2  train' in said and 'train_loss' not in said, said
    assert ('\u2588' in said)==(encoding=='utf-8') and '\\u2588' not in said, said

def test_runs(run_dir, tmp_path):
    "The newest first; those that are damaged or unfinished are named as such; explain takes the newest that is whole"
    runs = tmp_path/'runs'
    for o in 'older','newer','broken','lost': shutil.copytree(run_dir[0], runs/o, ignore=shutil.ignore_patterns('checkpoint'))
    (runs/'broken'/'config.json').write_text('[]')
    (runs/'lost'/'model.safetensors').unlink()
    (runs/'half'/'checkpoint').mkdir(parents=True)
    (runs/'half'/'checkpoint'/'epoch-00003-0.safetensors').touch()
    (runs/'none').mkdir()
    for i,o in enumerate(['older','newer','broken','lost']): os.utime(runs/o/'config.json', (1e9+i,)*2)
    res = subprocess.run([sys.executable, '-c', WITHOUT, 'runs'], capture_output=True, text=True, cwd=tmp_path)
    head,*rows = res.stdout.splitlines()
    assert [o.split()[0] for o in rows]==[f'runs/{o}' for o in ('half','lost','broken','newer','older')], res
    assert 'unfinished' in rows[0] and 'no model.safetensors' in rows[1] and 'damaged: config.json' in rows[2]
    assert re.search(r'digits  resnet18, width 8 +2 +[0-9.]+% +2001-09-09', rows[3]), rows[3]
    res = sh('explain', '--k', 2, '--mistakes', 2, '--method', 'layercam', '--target', 'contrast', cwd=tmp_path)
    assert res.stdout.startswith('explaining runs/newer, the newest run\n'), res
    made = {o.name for o in (runs/'newer').iterdir()}
    assert {'cams.png','report.html','cams-layercam-contrast.png','report-layercam.html'} <= made
    assert (runs/'newer'/'cams.png').read_bytes()==(run_dir[0]/'cams.png').read_bytes()
    assert 'replaced    misclassified.png, predictions.csv\n' in res.stdout
    res = sh('explain', runs/'older', '--k', 2, '--mistakes', 0, '--out', tmp_path/'elsewhere')
    assert (tmp_path/'elsewhere'/'cams.png').exists() and 'replaced' not in res.stdout, res

def test_shell_and_package_agree(run_dir, tmp_path):
    "The same seed gives the same weights, from the shell and from Python"
    code = f'''
from cifar_cam.all import *
dls = cifar_dls(digits_path(), augs=baseline_augs(flip=False), n_train=200, n_valid=100)
set_seed(1)
learn = resnet_learner(dls, cifar_resnet18(dls.c, width=8))
with learn.no_bar(), learn.no_logging(): learn.fit_step(2)
learn.save_run({str(tmp_path/"py")!r})
'''
    subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=True, cwd=tmp_path)
    assert (tmp_path/'py'/'model.safetensors').read_bytes()==(run_dir[0]/'model.safetensors').read_bytes()

def test_elsewhere(run_dir, tmp_path, capsys):
    "The run that is read, and the folder that is written into, are told apart"
    assert main(['explain', str(run_dir[0]), '--out', str(tmp_path/'o1'), '--k', '1', '--mistakes', '0'])==0
    said = capsys.readouterr().out
    assert f'reading the run in {run_dir[0]}, and its pictures' in said and f'{tmp_path/"o1"/"cams.png"}' in said

def test_a_run_is_not_overwritten(run_dir):
    before = {o.name: o.read_bytes() for o in run_dir[0].iterdir() if o.is_file()}
    one_line(sh('run', *SMALL, '--out', run_dir[0]), 'another --out')
    one_line(sh('explain', run_dir[0], '--layers', 'nosuch'), "no layer 'nosuch'")
    one_line(sh('explain', run_dir[0], '--target', 10), '0 to 9')
    assert {o.name: o.read_bytes() for o in run_dir[0].iterdir() if o.is_file()}==before

def folder(path, **classes):
    from PIL import Image
    for split in 'train','test':
        for c,n in classes.items():
            (path/split/c).mkdir(parents=True)
            for i in range(n): Image.new('RGB', (32,32), (40*i,9,9)).save(path/split/c/f'{i}.png')
    return path

def test_bad_data(tmp_path):
    out = tmp_path/'out'
    def bad(data, *words): one_line(sh('run', '--data', data, '--epochs', 1, '--width', 4, '--out', out), *words)
    bad(tmp_path/'nosuch', 'nosuch')
    (tmp_path/'flat'/'train').mkdir(parents=True); (tmp_path/'flat'/'test').mkdir()
    bad(tmp_path/'flat', 'no class folders')
    bad(folder(tmp_path/'empty', cat=3, dog=0), 'dog', 'no pictures')
    broken = folder(tmp_path/'broken', cat=3, dog=3)
    (broken/'test'/'cat'/'1.png').write_bytes(b'\x89PNG\r\n\x1a\n, and then nothing')
    bad(broken, str(Path('cat')/'1.png'), 'replace or remove')
    (tmp_path/'half.tgz').write_bytes(b'\x1f\x8b\x08\x00half')
    bad(tmp_path/'half.tgz', 'not a complete archive')
    assert not out.exists()

def test_bad_arguments(tmp_path, capsys):
    "The first three in processes of their own, the others in this one, which is quicker"
    out = tmp_path/'out'
    def inside(*args):
        code,(stdout,stderr) = main(list(map(str, args))),capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=stdout, stderr=stderr)
    for i,(args,word) in enumerate((('--epochs 0','--epochs is 0'), ('--layers nosuch','nosuch'), ('--target 10','class 10'),
                      ('--epochs two','two'), ('--n-train 99999','1,437'), ('--precision fp7','fp7'),
                      ('--recipe nosuch','baseline'), ('--k 0','--k is 0'), ('--method nosuch','gradcam'),
                      ('--method fullgrad --layers layer4','whole network'), ('--lr inf','--lr is'),
                      ('--seed 99999999999999999999','--seed is'), ('--k 101','1 to 100'), ('--size 8','16 to 512'))):
        one_line((sh if i<3 else inside)('run', '--data', 'digits', *args.split(), '--out', out), word)
    one_line(sh('explain', tmp_path), 'not a run folder')
    one_line(sh('fly'), 'doctor')
    (tmp_path/'file').touch()
    one_line(sh('run', '--data', 'digits', '--out', tmp_path/'file'/'run'), 'is a file')
    assert not out.exists()

def test_the_loss_is_nan(tmp_path):
    "What ends the training is said in our words, with none of fastai's before them"
    res = sh('train', *SMALL, '--epochs', 1, '--lr', 1e20, '--out', tmp_path/'run')
    one_line(res)
    assert res.stderr.startswith('cifar-cam: the loss of batch '), res.stderr

def test_warnings_in_words_of_the_shell(tmp_path):
    data = folder(tmp_path/'data', cat=3, dog=3)
    res = sh('train', '--data', data, '--valid-pct', .3, '--epochs', 1, '--width', 2, '--size', 16, '--bs', 2, '--out', tmp_path/'run')
    assert res.returncode==0 and 'cifar-cam: --valid-pct is 0.3, but ' in res.stderr and '`' not in res.stderr, res.stderr

def test_nothing_is_written_among_the_pictures(tmp_path, capsys):
    "Neither maps nor figures, which would be taken for pictures of a class"
    data,run = folder(tmp_path/'data', cat=3, dog=3),tmp_path/'run'
    def says(*args):
        assert main(list(map(str, args)))==1
        return capsys.readouterr().err
    assert main(list(map(str, ['train', '--data', data, *'--epochs 1 --width 2 --size 16 --bs 2 --out'.split(), run])))==0
    before = sorted(data.rglob('*'))
    at = data/'train'/'cat'
    assert f'cifar-cam: {at}/new is among the pictures of {data}: give a folder beside them' in says('explain', run, '--out', at/'new')
    assert f'--export {at}/new is among the pictures' in says('explain', run, '--export', at/'new')
    assert f'--out {at}/seen.png is among the pictures' in says('look', run, at/'0.png', '--out', at/'seen.png')
    assert f'--out {at}/compare.html is among the pictures' in says('compare', run, run, '--out', at)
    assert sorted(data.rglob('*'))==before

@pytest.mark.parametrize('line,there', [('explain {run}', '{run}'), ('explain {run} --out {tmp}/no/new', '{tmp}/no'),
    ('explain {run} --export {tmp}/no/new', '{tmp}/no'), ('compare {run} {run} --out {tmp}/no/page.html', '{tmp}/no')])
def test_where_nothing_can_be_written(run_dir, line, there, tmp_path, monkeypatch, capsys):
    "Said before anything is read, with the folder that was given, also in Python"
    (tmp_path/'no').mkdir()
    words = dict(run=run_dir[0], tmp=tmp_path)
    there,may = Path(there.format(**words)),os.access
    monkeypatch.setattr(os, 'access', lambda p, how: Path(p).resolve()!=there.resolve() and may(p, how))
    assert main(shlex.split(line.format(**words)))==1
    said = capsys.readouterr()
    assert not said.out and re.fullmatch(f"cifar-cam: can't write to {re.escape(str(there))}: give another --(out|export)\n", said.err)
    if line!='explain {run}': return
    with pytest.raises(ValueError, match="can't write to .*: give another `folder`"): explain_run(there)
    with pytest.raises(PermissionError, match="can't write to "): add_labels(there/'labels.csv', [dict(file='a.png', label='b')])

def test_offline(tmp_path):
    "CIFAR-10 asked for, not here and no network: the error names the ways on"
    env = {k: v for k,v in os.environ.items() if k!='CIFAR_CAM_DATA'}
    env |= dict(FASTAI_HOME=str(tmp_path/'home'), http_proxy='http://127.0.0.1:9', https_proxy='http://127.0.0.1:9')
    one_line(sh('run', '--out', tmp_path/'out', env=env), '--data digits', 'CIFAR_CAM_DATA')
    assert not (tmp_path/'out').exists()

def test_importing_asks_no_network():
    code = '''
import socket
def no(*a, **k): raise SystemExit('asked the network')
socket.socket.connect = socket.getaddrinfo = no
import cifar_cam.all
'''
    res = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True)
    assert res.returncode==0 and 'network' not in res.stderr, res.stderr

def test_interrupted(tmp_path):
    "Ctrl-C after the first epoch: status 130, and what was done is there"
    cmd = [*CLI, 'run', *SMALL, '--epochs', '500', '--out', str(tmp_path/'run')]
    p = subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in p.stdout:
        if line.startswith('epoch 1/'): break
    p.send_signal(signal.SIGINT)
    _,err = p.communicate(timeout=120)
    assert p.returncode==130 and 'stopped after' in err and 'Traceback' not in err, err
    config = json.loads((tmp_path/'run'/'config.json').read_text())
    assert config['interrupted'] and config['epochs_done']>=1
    assert sh('explain', tmp_path/'run', '--k', 2).returncode==0
    p = subprocess.Popen([*cmd, '--resume'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    said = next(o for o in p.stdout if o.startswith(('going on','epoch ')))
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=120)
    done = re.fullmatch('going on after epoch ([0-9]+) of 500\n', said)
    assert done and int(done[1]) in (config['epochs_done'],config['epochs_done']-1), said

def _small_disk(path, mb):
    path.mkdir()
    if os.name!='posix' or not shutil.which('mount'): return False
    cmd = ['mount', '-t', 'tmpfs', '-o', f'size={mb}m', 'tmpfs', str(path)]
    return subprocess.run(cmd, capture_output=True).returncode==0

def test_a_full_disk_is_named(tmp_path):
    "Also where a single file is written"
    def full(f): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for write in (lambda: write_whole(tmp_path/'a.png', full)),(lambda: _staged(tmp_path/'a.png', full)):
        with pytest.raises(OSError) as e: write()
        assert e.value.filename==str(tmp_path/'a.png') and not list(tmp_path.iterdir())

def _staged(folder, write):
    with staged(folder) as tmp, (tmp/'a').open('wb') as f: write(f)

def test_no_room(tmp_path):
    "Too little room is found before training"
    disk = tmp_path/'disk'
    if not _small_disk(disk, 4): pytest.skip('mounting a small disk needs root')
    try:
        one_line(sh('run', *SMALL, '--epochs', 1, '--out', disk/'run'), 'MB are free')
        assert not list(disk.iterdir())
    finally: subprocess.run(['umount', str(disk)], check=True)

def test_disk_full_while_saving(tmp_path):
    "A limit on the size of a file stands for a disk that fills up while the run is written"
    code = '''
import resource, signal, sys
from cifar_cam.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
sys.exit(main(sys.argv[1:]))
'''
    from cifar_cam.data import digits_path
    digits_path()  # made before, without the limit
    cmd = [sys.executable, '-c', code, 'run', *SMALL, '--epochs', '1', '--out', str(tmp_path/'run')]
    res = subprocess.run(cmd, capture_output=True, text=True)
    *notes,last = res.stderr.splitlines(keepends=True)
    assert len(notes)==1, res.stderr
    assert notes[0].startswith('cifar-cam: the checkpoint of epoch 1 could not be written'), res.stderr
    res.stderr = last
    one_line(res, 'File too large', str(tmp_path/'run'))
    assert not (tmp_path/'run').exists()

@pytest.mark.skipif(sys.platform!='linux', reason='limits of memory are those of Linux')
def test_no_memory(tmp_path):
    "Memory that ends while it trains, for which a limit stands"
    code = '''
import resource, sys
from pathlib import Path
import cifar_cam.all
from cifar_cam.cli import main
used = resource.getpagesize()*int(Path('/proc/self/statm').read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (used+2**30,)*2)
sys.exit(main(sys.argv[1:]))
'''
    args = 'train --data digits --n-train 100 --n-valid 50 --width 256 --epochs 1 --out'.split()
    cmd = [sys.executable, '-W', 'ignore', '-c', code, *args, str(tmp_path/'run')]
    one_line(subprocess.run(cmd, capture_output=True, text=True), 'not enough memory', '--width')
    assert not (tmp_path/'run').exists()

def test_names():
    "Every name that the package's functions read from their module is there: a notebook may have it from elsewhere"
    code = """
import builtins, dis, importlib, pkgutil, types, cifar_cam.all
def names(c):
    yield from (o.argval for o in dis.get_instructions(c) if o.opname=='LOAD_GLOBAL')
    for k in c.co_consts:
        if isinstance(k, types.CodeType): yield from names(k)
mods = [o.name for o in pkgutil.iter_modules(cifar_cam.__path__) if o.name[0]!='_']
assert len(mods)>10
for mod in mods:
    m = importlib.import_module(f'cifar_cam.{mod}')
    src = compile(open(m.__file__).read(), m.__file__, 'exec')
    read = {n for c in src.co_consts if isinstance(c, types.CodeType) for n in names(c)}
    missing = [n for n in sorted(read) if not hasattr(m, n) and not hasattr(builtins, n)]
    assert not missing, (mod, missing)
"""
    subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=True)

def test_a_reader_that_leaves(tmp_path):
    "A pipe that is closed, as by head, does not end the training"
    cmd = f'{sys.executable} -m cifar_cam train {" ".join(SMALL)} --epochs 2 --out {tmp_path/"run"} | head -1'
    subprocess.run(['bash', '-c', cmd], check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path/'run'/'model.safetensors').exists()

def test_damaged_settings(run_dir, tmp_path):
    import json, shutil
    run = shutil.copytree(run_dir[0], tmp_path/'run')
    good = json.loads((run/'config.json').read_text())
    damaged = [], dict(data=None), dict(recipe=dict(nosuch=1)), dict(vocab=3), dict(augs=dict(x=1))
    for change in *damaged, dict(data=dict(good['data'], size='32')):
        (run/'config.json').write_text(json.dumps(good | change if isinstance(change, dict) else change))
        one_line(sh('explain', run), 'config.json')
    (run/'config.json').write_text(json.dumps(good))
    (run/'history.csv').write_text('')
    one_line(sh('explain', run), 'history.csv')

def test_compiled(tmp_path):
    "A compiled model trains, is kept and gives maps; without a compiler, one line says so"
    args = 'run', *SMALL, '--epochs', 1, '--compile', '--k', 2, '--mistakes', 0
    res = sh(*args, '--out', tmp_path/'run')
    assert res.returncode==0 and (tmp_path/'run'/'cams.png').exists(), res.stderr
    one_line(sh(*args, '--out', tmp_path/'none', env=os.environ | dict(CXX='nosuch')), 'C++ compiler')
    assert not (tmp_path/'none').exists()
