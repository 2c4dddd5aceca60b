"What a notebook can't show of training: processes that are killed, and processes that train together."
import json, os, re, signal, subprocess, sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
from PIL import Image
from cifar_cam.cli import main
from cifar_cam.learner import pick_precision

CLI = [sys.executable, '-m', 'cifar_cam']
TWO = sys.executable, '-W', 'ignore', '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', 2
LAUNCH = (sys.executable, *'-W ignore -m accelerate.commands.launch --cpu --num_processes 2 --num_machines 1'.split(),
          *'--mixed_precision no --dynamo_backend no'.split())
SMALL = '--data digits --n-train 200 --n-valid 101 --width 8'.split()

def sh(*args, **kw): return subprocess.run([*map(str, args)], capture_output=True, text=True, **kw)
def cli(*args, **kw): return sh(*CLI, *args, **kw)

def test_killed_at_random():
    "Twenty kills, and the same bits"
    res = sh(sys.executable, '-W', 'ignore', Path(__file__).parent/'kills.py', '--kills', 20)
    assert res.returncode==0, res.stderr
    n,torn,damaged = map(int, re.match(r'(\d+) kills, (\d+) of them .*?, (\d+) checkpoints damaged', res.stdout).groups())
    assert n>=20 and torn>=5 and damaged==0, res.stdout

def test_resume_in_the_shell(tmp_path):
    "Killed after its first epoch, a run goes on to the weights of one that was not; meanwhile, nobody else gets in"
    args = 'train', *SMALL, '--epochs', 3, '--recipe', 'fast'
    assert cli(*args, '--out', tmp_path/'ref').returncode==0
    p = subprocess.Popen([*CLI, *map(str, args), '--out', str(tmp_path/'run')], stdout=subprocess.PIPE, text=True)
    for line in p.stdout:
        if line.startswith('epoch 1/'): break
    while not list((tmp_path/'run'/'checkpoint').glob('epoch-*')): assert p.poll() is None
    p.send_signal(signal.SIGSTOP)
    res = cli(*args, '--out', tmp_path/'run', '--resume')
    assert res.returncode==1 and res.stderr.count('\n')==1 and 'another process trains' in res.stderr, res.stderr
    p.kill(); p.wait()
    res = cli(*args, '--out', tmp_path/'run')
    assert res.returncode==1 and '--resume' in res.stderr, res.stderr
    res = cli(*args, '--seed', 2, '--out', tmp_path/'run', '--resume')
    assert res.returncode==1 and res.stderr.count('\n')==1 and 'same settings' in res.stderr, res.stderr
    res = cli(*args, '--out', tmp_path/'run', '--resume')
    assert res.returncode==0 and 'epoch 3/3' in res.stdout and 'epoch 1/3' not in res.stdout, res
    assert (tmp_path/'run'/'model.safetensors').read_bytes()==(tmp_path/'ref'/'model.safetensors').read_bytes()
    a,b = (pd.read_csv(tmp_path/o/'history.csv').drop(columns='seconds') for o in ('run','ref'))
    assert a.equals(b) and len(list((tmp_path/'run'/'checkpoint').glob('epoch-*')))==2
    res = cli(*args, '--out', tmp_path/'run', '--resume')
    assert res.returncode==0 and 'complete' in res.stdout, res

def test_interrupted_goes_on(tmp_path):
    "Ctrl-C in the middle of an epoch, and --resume goes on to the same bits"
    args = 'train', *SMALL, '--epochs', 12
    assert cli(*args, '--out', tmp_path/'ref').returncode==0
    p = subprocess.Popen([*CLI, *map(str, args), '--out', str(tmp_path/'run')], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in p.stdout:
        if line.startswith('epoch 1/'): break
    p.send_signal(signal.SIGINT)
    _,err = p.communicate(timeout=120)
    assert p.returncode==130 and err.count('\n')==2 and '--resume goes on' in err, err
    assert cli(*args, '--out', tmp_path/'run', '--resume').returncode==0
    assert (tmp_path/'run'/'model.safetensors').read_bytes()==(tmp_path/'ref'/'model.safetensors').read_bytes()
    assert 'interrupted' not in json.loads((tmp_path/'run'/'config.json').read_text())

def test_another_run_is_not_this_one(tmp_path):
    "A complete run is taken for no other one"
    args = 'train', '--data', 'digits', '--n-train', 200, '--n-valid', 101, '--width', 8, '--epochs', 1, '--out', tmp_path/'run'
    assert cli(*args).returncode==0
    other = tmp_path/'other'
    for o in 'train/a','train/b','test/a','test/b':
        (other/o).mkdir(parents=True)
        for i in range(101): Image.new('RGB', (32,32)).save(other/o/f'{i}.png')
    others = [('--seed',2),('--width',4),('--lr',.5),('--n-train',201),('--size',16),('--data',other),('--epochs',2)]
    if pick_precision()!='fp32': others.append(('--precision','fp32'))
    for more in others:
        res = cli(*args, *more, '--resume')
        assert res.returncode==1 and res.stderr.count('\n')==1 and 'give another --out' in res.stderr, res.stderr

def test_killed_while_saving(tmp_path):
    "Killed when some files of the run are in their place and others not, it is not taken for complete"
    code = """
import os, sys
from pathlib import Path
from cifar_cam.cli import main
left,replace = int(sys.argv[1]),Path.replace
def counted(self, to):
    global left
    if self.parent.name.startswith(f'.{to.parent.name}-'):
        if not left: os._exit(9)
        left -= 1
    return replace(self, to)
Path.replace = counted
main(sys.argv[2:])
"""
    args = 'train', *SMALL, '--epochs', 1
    assert cli(*args, '--out', tmp_path/'ref').returncode==0
    for n in 1,4:
        assert sh(sys.executable, '-W', 'ignore', '-c', code, n, *args, '--out', tmp_path/str(n)).returncode==9
        res = cli(*args, '--out', tmp_path/str(n), '--resume')
        assert res.returncode==0, res.stderr
        assert (tmp_path/str(n)/'model.safetensors').read_bytes()==(tmp_path/'ref'/'model.safetensors').read_bytes()

def _env(): return {k:v for k,v in os.environ.items() if k not in ('RANK','WORLD_SIZE')} | dict(OMP_NUM_THREADS='1')

def test_two_processes(tmp_path):
    "Two gloo processes: each sees the other half of the pictures, changed in its own way, and both end with the same weights"
    code = tmp_path/'two.py'
    code.write_text("""
import hashlib, json
from cifar_cam.all import *
seen,changes = [],[]
class Seen(Callback):
    def before_batch(self):
        if self.training: seen.append(len(self.yb[0])); changes.append(flip.rand(self.xb[0]).tolist())
dls = cifar_dls(digits_path(), bs=32, augs=device_augs(crop=4), n_train=200, n_valid=51)
create = dls.train.create_batches
def noted(samps): samps = list(samps); order.extend(samps); return create(samps)
order,dls.train.create_batches = [],noted
flip = first(o for o in dls.train.after_batch.fs if isinstance(o, RandomFlip))
set_seed(rank_distrib())   # even from different first weights
learn = resnet_learner(dls, cifar_resnet18(dls.c, 8), 'fast')
with distributed(learn), learn.no_bar(), learn.no_logging(): learn.fit_recipe(2, cbs=Seen())
sha = hashlib.sha256(b''.join(v.contiguous().numpy().tobytes() for v in learn.model.state_dict().values())).hexdigest()
acc = learn.history.epochs[-1]['valid_acc']
Path(f'rank{rank_distrib()}').write_text(json.dumps(dict(sha=sha, n=sum(seen), acc=acc, order=order, changes=changes)))
""")
    res = sh(*TWO, code, cwd=tmp_path, env=_env())
    assert res.returncode==0, res.stderr
    a,b = (json.loads((tmp_path/f'rank{i}').read_text()) for i in (0,1))
    assert a['sha']==b['sha'] and a['n']==b['n']==200
    for e in 0,100: assert sorted(a['order'][e:e+100]+b['order'][e:e+100])==list(range(200))   # two epochs, each picture once in each
    assert a['order'][:100]!=a['order'][100:] and a['changes']!=b['changes']
    assert abs(a['acc']*51-round(a['acc']*51))<1e-6   # over the 51 pictures, none of them twice

def test_two_processes_are_interrupted(tmp_path):
    "Ctrl-C, without a traceback of ours, and --resume goes on to the bits of two processes that were not"
    args = [*map(str, TWO), '-m', 'cifar_cam', 'train', *SMALL, '--epochs', '20']
    assert sh(*args, '--out', tmp_path/'ref', env=_env()).returncode==0
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    p = subprocess.Popen([*args, '--out', str(tmp_path/'run')], **pipes, env=_env(), start_new_session=True)
    for line in p.stdout:
        if line.startswith('epoch 2/'): break
    os.killpg(p.pid, signal.SIGINT)   # as a terminal does
    _,err = p.communicate(timeout=120)
    assert p.returncode and '--resume goes on' in err and not {'learner.py','cli.py'} & set(re.findall(r'\w+\.py', err)), err
    res = sh(*args, '--out', tmp_path/'run', '--resume', env=_env())
    assert res.returncode==0 and 'epoch 20/20' in res.stdout and 'epoch 1/20' not in res.stdout, res.stderr
    assert (tmp_path/'run'/'model.safetensors').read_bytes()==(tmp_path/'ref'/'model.safetensors').read_bytes()

BROKEN = """
import functools, multiprocessing, os, signal, sys
from datetime import timedelta
from cifar_cam import cli, learner, run
from cifar_cam.all import Callback
class Break(Callback):
    def after_batch(self):
        if self.training and self.epoch==1: {}
learner._patience = timedelta(seconds=10)
run.train_run = functools.partial(run.train_run, check=lambda o: o.add_cb(Break()))
sys.exit(cli.main(sys.argv[1:]))
"""

def goes_on(args, out, env=None):
    "The run in `out`, whose first epoch is done, is completed"
    res = cli(*args, '--out', out, '--resume', env=env) if args[0]=='train' else sh(*args, '--out', out, '--resume', env=env)
    assert res.returncode==0 and 'epoch 3/3' in res.stdout and 'epoch 1/3' not in res.stdout, res

def test_a_process_that_is_stopped(tmp_path):
    "The other one does not wait for ever, and --resume goes on"
    code,args = tmp_path/'stop.py',('train', *SMALL, '--epochs', 3)
    code.write_text(BROKEN.format("os.environ['RANK']=='1' and os.kill(os.getpid(), signal.SIGSTOP)"))
    res = sh(*TWO, code, *args, '--out', tmp_path/'run', env=_env())
    said = [o for o in res.stderr.splitlines() if 'does not answer' in o]
    assert res.returncode and len(said)==1 and '--resume goes on' in said[0], res.stderr
    goes_on([*TWO, '-m', 'cifar_cam', *args], tmp_path/'run', _env())

def test_a_worker_that_is_killed(tmp_path):
    "A line, and --resume goes on to the same bits"
    code,args = tmp_path/'kill.py',('train', *SMALL, '--epochs', 3, '--workers', 2)
    code.write_text(BROKEN.format("[o.kill() for o in multiprocessing.active_children()]"))
    assert cli(*args, '--out', tmp_path/'ref').returncode==0
    res = sh(sys.executable, '-W', 'ignore', code, *args, '--out', tmp_path/'run')
    assert res.returncode==1 and res.stderr.count('\n')==1, res.stderr
    assert 'fewer --workers' in res.stderr and '--resume goes on' in res.stderr, res.stderr
    goes_on(args, tmp_path/'run')
    assert (tmp_path/'run'/'model.safetensors').read_bytes()==(tmp_path/'ref'/'model.safetensors').read_bytes()

def test_two_processes_in_the_shell(tmp_path):
    args = *TWO, '-m', 'cifar_cam', 'run', *SMALL, '--epochs', 2, '--k', 2, '--mistakes', 0, '--out', tmp_path/'run'
    res = sh(*args, env=_env())
    assert res.returncode==0, res.stderr
    assert res.stdout.count('epoch 1/2')==1 and [o.name for o in tmp_path.iterdir()]==['run']
    pred,metrics = pd.read_csv(tmp_path/'run'/'predictions.csv'),json.loads((tmp_path/'run'/'metrics.json').read_text())
    assert len(pred)==101 and abs(pred.correct.mean()-metrics['accuracy'])<.011
    res = sh(*args, '--resume', env=_env())
    assert res.returncode==0 and res.stdout.count('complete')==1, res.stderr
    res = sh(*LAUNCH, '-m', 'cifar_cam', 'train', *SMALL, '--epochs', 1, '--out', tmp_path/'acc', env=_env())
    assert res.returncode==0 and res.stdout.count('epoch 1/1')==1, res.stderr

def test_tensorboard(tmp_path):
    res = cli('train', *SMALL, '--epochs', 1, '--tensorboard', '--out', tmp_path/'run')
    assert res.returncode==0, res.stderr
    assert list((tmp_path/'run'/'tensorboard').glob('events*'))

def test_wandb(tmp_path):
    env = os.environ | dict(WANDB_MODE='offline', WANDB_SILENT='true')
    res = cli('train', *SMALL, '--epochs', 1, '--wandb', '--out', tmp_path/'run', cwd=tmp_path, env=env)
    assert res.returncode==0 and 'could not' not in res.stdout+res.stderr, res.stderr
    (log,) = tmp_path.glob('wandb/offline-run-*/*.wandb')
    assert b'raw_loss' in log.read_bytes() and b'nesterov' in log.read_bytes()

def test_wandb_without_a_login(tmp_path, monkeypatch, capsys):
    "Said in a line, before anything is read; and so is what it can't do later"
    class Error(Exception): pass
    def fails(**kwargs): raise Error('No API key configured.\nUse `wandb login` to log in.')
    wandb = SimpleNamespace(Error=Error, login=fails, init=fails, config={})
    monkeypatch.setitem(sys.modules, 'wandb', wandb)
    monkeypatch.setitem(sys.modules, 'fastai.callback.wandb', SimpleNamespace(WandbCallback=None))
    args = list(map(str, ['train', *SMALL, '--epochs', 1, '--wandb', '--out', tmp_path/'run']))
    for before in '','training a ResNet18':
        assert main(args)==1
        said = capsys.readouterr()
        assert said.err=='cifar-cam: --wandb: No API key configured: log in by `wandb login`, or set WANDB_MODE=offline\n'
        assert before in said.out and bool(said.out)==bool(before) and not (tmp_path/'run').exists(), said
        wandb.login = lambda **kwargs: True
