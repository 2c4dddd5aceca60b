"Networks of torchvision and timm through the shell: trained, killed, resumed to the same bits, explained"
import json, os, signal, subprocess, sys, time
from pathlib import Path
import pytest
from safetensors.torch import load_file

SMALL = '--data digits --size 64 --n-train 60 --n-valid 30 --bs 20 --epochs 2 --seed 3'.split()

def shell(*args, **kw): return subprocess.run([sys.executable, '-m', 'cifar_cam', *map(str, args)], capture_output=True, text=True, **kw)

def killed(*args, folder):
    "Start a command, and kill it once the first checkpoint is whole"
    p = subprocess.Popen([sys.executable, '-m', 'cifar_cam', *map(str, args)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while p.poll() is None and not list(folder.glob('checkpoint/epoch-*')): time.sleep(.01)
    p.send_signal(signal.SIGKILL)
    assert p.wait() in (-signal.SIGKILL, 0)

ASKED = [('resnet34','baseline'), ('timm/convnext_atto','step20'), ('timm/vit_tiny_patch16_224','finetune')]

@pytest.mark.parametrize('arch,recipe', ASKED)
def test_killed_and_resumed(arch, recipe, tmp_path):
    args = ['train', *SMALL, '--arch', arch, '--recipe', recipe]
    whole,cut = tmp_path/'whole',tmp_path/'cut'
    res = shell(*args, '--out', whole)
    assert res.returncode==0, res.stderr
    killed(*args, '--out', cut, folder=cut)
    assert not (cut/'config.json').exists() or json.loads((cut/'config.json').read_text())['epochs_done']==2
    res = shell(*args, '--out', cut, '--resume')
    assert res.returncode==0, res.stderr
    a,b = (load_file(o/'model.safetensors') for o in (whole,cut))
    assert list(a)==list(b) and all((a[k]==b[k]).all() for k in a)
    res = shell('explain', cut, '--k', 2, '--mistakes', 2)
    assert res.returncode==0 and (cut/'report.html').exists(), res.stderr
    res = shell('export', cut, tmp_path/'model.onnx')
    assert res.returncode==0 and (tmp_path/'model.onnx').exists(), res.stderr
    config = json.loads((cut/'config.json').read_text())
    assert config['arch']['name'].endswith(arch) and config['recipe'] and not config['recipe']['flip']

BAD = [
    ('--arch nosuch', 'no network'),
    ('--arch resnet43', 'did you mean resnet34'),
    ('--arch timm/convnext_ato', 'convnext_atto'),
    ('--arch hf-hub/x', 'torchvision or timm'),
    ('--arch resnet18 --pretrained', 'give torchvision/resnet18'),
    ('--arch resnet34 --width 8', '--width is of this project'),
    ('--arch alexnet --size 32', "can't take pictures of 32x32"),
    ('--arch resnet34 --weights nosuch.pth', 'no file nosuch.pth'),
    ('--augs nosuch', 'there is baseline'),
    ('--flip maybe', 'give yes or no'),
]

@pytest.mark.parametrize('args,said', BAD)
def test_bad(args, said, tmp_path):
    res = shell('train', '--data', 'digits', *args.split(), '--out', tmp_path/'run')
    assert res.returncode==1 and len(res.stderr.strip().splitlines())==1 and said in res.stderr, res.stderr
    assert not list(tmp_path.iterdir())

def test_offline_weights_are_named(tmp_path):
    nowhere = dict.fromkeys(('http_proxy','https_proxy'), 'http://127.0.0.1:9')
    env = os.environ | nowhere | dict(TORCH_HOME=str(tmp_path), HF_HUB_OFFLINE='1', HF_HOME=str(tmp_path))
    for arch,name in ('squeezenet1_1','squeezenet1_1-b8a52dc0.pth'),('timm/convnext_atto','models--timm--convnext_atto'):
        res = shell('train', '--data', 'digits', '--arch', arch, '--pretrained', '--out', tmp_path/'run', env=env)
        assert res.returncode==1 and len(res.stderr.strip().splitlines())==1 and name in res.stderr, res.stderr
        assert not (tmp_path/'run').exists()
