"What is built from the repository: what it holds, what it says of itself, and how it behaves where it is installed."
import csv, email, json, os, re, shutil, subprocess, sys, sysconfig, tarfile, venv, zipfile
from collections import defaultdict
from configparser import ConfigParser
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
VERSION = re.search(r'__version__ = "(.+)"', (TOP/'cifar_cam/__init__.py').read_text())[1]
INFO = f'cifar_cam-{VERSION}.dist-info'

def sh(*args, cwd, **env):
    env = {k: v for k,v in os.environ.items() if k!='PYTHONPATH'} | env
    return subprocess.run(list(map(str, args)), cwd=cwd, capture_output=True, text=True, env=env)

def ok(res):
    assert res.returncode==0, res.stdout+res.stderr
    return res.stdout

@pytest.fixture(scope='module')
def copy(tmp_path_factory):
    "The repository as git would commit it now: nothing that a build or a test left there"
    to = tmp_path_factory.mktemp('package')/'copy'
    for f in ok(sh('git', 'ls-files', '-co', '--exclude-standard', cwd=TOP)).splitlines():
        if (TOP/f).is_file():
            (to/f).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP/f, to/f)
    return to

@pytest.fixture(scope='module')
def dist(copy):
    "(sdist, wheel); `build` makes the wheel from the sdist alone"
    out = copy.parent/'dist'
    res = sh(sys.executable, '-m', 'build', '--no-isolation', '--outdir', out, copy, cwd=copy.parent)
    said = ok(res)+res.stderr
    assert not re.search('deprecat|is absent from the', said, re.I), said
    return next(out.glob('*.tar.gz')), next(out.glob('*.whl'))

@pytest.fixture(scope='module')
def meta(dist):
    with zipfile.ZipFile(dist[1]) as z: return email.message_from_bytes(z.read(f'{INFO}/METADATA'))

@pytest.fixture(scope='module')
def user(copy, dist):
    "An environment with the wheel, not the repository, and with the libraries of this one; and a folder to work in"
    env = copy.parent/'env'
    venv.create(env)
    site = Path(sysconfig.get_path('purelib', vars=dict(base=env, platbase=env)))
    libraries = {sysconfig.get_path(o) for o in ('purelib','platlib')}   # their own .pth files do not count
    (site/'libraries.pth').write_text('\n'.join(libraries))
    py = env/'bin'/'python'
    install = 'install', '-q', '--no-deps', '--no-index', '--ignore-installed', dist[1]
    ok(sh(sys.executable, '-m', 'pip', '--python', py, *install, cwd=copy.parent))
    work = copy.parent/'work'
    work.mkdir()
    assert Path(ok(sh(py, '-c', 'import cifar_cam; print(cifar_cam.__file__)', cwd=work)).strip()).is_relative_to(site)
    return py, work

def modules():
    "What the package has: modules, the marker of typed packages, the templates of its pages, and a network with its card"
    own = TOP/'cifar_cam'
    more = own/'py.typed',own/'weights/cifar10.safetensors',own/'weights/cifar10.json'
    return {f'cifar_cam/{o.relative_to(own)}' for o in [*own.glob('*.py'), *own.glob('templates/*'), *more]}

def test_wheel(dist):
    names = zipfile.ZipFile(dist[1]).namelist()
    about = 'METADATA WHEEL RECORD entry_points.txt top_level.txt licenses/LICENSE'.split()
    assert set(names)==modules() | {f'{INFO}/{o}' for o in about}

def test_sdist(dist):
    with tarfile.open(dist[0]) as t: names = {o.name.partition('/')[2] for o in t.getmembers() if o.isfile()}
    own = {o for o in names if not o.startswith('cifar_cam.egg-info/')}
    texts,build = 'LICENSE README.md CHANGELOG.md CITATION.cff','MANIFEST.in pyproject.toml settings.ini setup.py setup.cfg PKG-INFO'
    assert own==modules() | set(texts.split()) | set(build.split())

def test_twine(dist): ok(sh(sys.executable, '-m', 'twine', 'check', '--strict', *dist, cwd=TOP))

def test_metadata(dist, meta):
    want = {'Name': 'cifar_cam', 'Version': VERSION, 'Requires-Python': '>=3.10', 'License-Expression': 'Apache-2.0'}
    assert {k: meta[k] for k in want}==want
    assert {o.partition(',')[0] for o in meta.get_all('Project-URL')}=={'Repository','Documentation','Changelog','Issues'}
    pythons = {f'Programming Language :: Python :: 3.{o}' for o in range(10, 14)}
    assert pythons | {'Typing :: Typed'} <= set(meta.get_all('Classifier'))
    with zipfile.ZipFile(dist[1]) as z: points = z.read(f'{INFO}/entry_points.txt').decode()
    cfg = ConfigParser()
    cfg.read_string(points)
    scripts,nbdev = {'cifar-cam': 'cifar_cam.cli:main'},{'cifar_cam': 'cifar_cam._modidx:d'}
    assert {k: dict(cfg[k]) for k in cfg.sections()}==dict(console_scripts=scripts, nbdev=nbdev)

def test_extras(meta):
    needs = defaultdict(set)
    for o in meta.get_all('Requires-Dist'):
        extra = re.search(r'extra == "(\w+)"', o)
        needs[extra[1] if extra else ''].add(re.match(r'[\w.-]+', o)[0])
    assert set(meta.get_all('Provides-Extra'))==set(needs)-{''}=={'dev','label','track','distributed','timm','onnx'}
    own = 'fastai torch torchvision albumentations grad-cam matplotlib safetensors filelock jinja2 argcomplete'.split()
    assert needs['']==set(own)
    assert (needs['label'],needs['track'],needs['distributed'])==({'cleanlab'}, {'tensorboard','wandb'}, {'accelerate'})
    assert needs['onnx']=={'onnx','onnxruntime','onnxscript'} <= needs['dev']
    assert {'nbdev','pytest','build','twine','mypy','cleanlab','accelerate','tensorboard'} <= needs['dev']

def links(text):
    "(where it leads, is it a picture?) for each link of Markdown or HTML, code left out"
    text = re.sub(r'^```.*?^```|`[^`\n]*`', '', text, flags=re.S|re.M)
    found = re.findall(r'(!\[[^\]]*)?\]\(([^)\s]+)[^)]*\)|\b(src|href)="([^"]+)"', text)
    return [(b or d, bool(a) or c=='src') for a,b,c,d in found]

def test_description(copy, meta):
    "The README's links lead to files of the repository; as soon as the project has a home, to their addresses there"
    readme = (TOP/'README.md').read_text()
    assert meta['Description-Content-Type']=='text/markdown'
    assert meta.get_payload(decode=True).decode().strip()==readme.strip()
    there = copy.parent/'hosted'
    shutil.copytree(copy, there)
    f = there/'pyproject.toml'
    f.write_text(re.sub(r'(?<=github\.com/)[^/"]+|[^/"]+(?=\.github\.io)', 'an-owner', f.read_text()))
    ok(sh(sys.executable, 'tools/readme.py', cwd=there, PYTHONPATH=str(there)))
    got = links((there/'README.md').read_text())
    homes = 'https://raw.githubusercontent.com/an-owner/cifar_cam/main/','https://github.com/an-owner/cifar_cam/blob/main/'
    ours = [(o[len(h):],pic,h) for o,pic in got for h in homes if o.startswith(h)]
    assert len(ours)>10 and all((there/o.partition('#')[0]).is_file() and h==homes[not pic] for o,pic,h in ours), ours
    assert not [o for o,_ in got if not re.match('https://|#', o)]
    if 'OWNER' in (TOP/'pyproject.toml').read_text():
        near = [o.partition('#')[0] for o,_ in links(readme) if not re.match(r'\w+:|#', o)]
        assert sorted(near)==sorted(o.partition('#')[0] for o,*_ in ours) and all((TOP/o).is_file() for o in near), near

def test_figures_of_the_readme():
    "README and page of results say what the benchmarks recorded"
    train,maps,imports = (json.loads((TOP/f'benchmarks/results/{o}.json').read_text()) for o in ('train','cams','imports'))
    s,p,h = train['step'],train['pipeline'],train['host']
    one,layer = maps['times_faster_than_one_by_one'],maps['times_faster_than_a_layer_at_a_time']
    readme,page = (TOP/'README.md').read_text(),(TOP/'nbs/results.ipynb').read_text()
    for o in (f"{s['learner']['median']:.0f} pictures a second: {s['times_start']:.2f} times the course notebook's float32 loop, "
              f"{s['times_bare']:.3f} times a bare bf16 loop",
              f"{p['cifar_dls']['median']:,.0f} pictures a second: {p['times_start']:.2f} times a torch DataLoader, "
              f"{p['times_fastai']:.1f} times fastai's",
              f"{h['bs64']['median']:.1f} µs in batches of 64, {h['bs512']['median']:.1f} µs in batches of 512",
              f"{max(o['gb'] for o in train['memory']):.1f} GB at the most",
              f"{imports['times_fastai']:.2f} times fastai's own import",
              f"{one:.0f} times as fast as grad-cam a picture and layer at a time, {layer:.0f} times as fast as a layer at a time, "
              f"{maps['times_a_bare_pass']:.2f} times a bare pass"):
        assert o in readme, o
    for i in 1,2:
        with (TOP/f'benchmarks/results/fast-{i}.csv').open() as f: epochs = list(csv.DictReader(f))
        minutes,acc = sum(float(o['seconds']) for o in epochs)/60,100*float(epochs[-1]['valid_acc'])
        assert f'**{acc:.2f} %** after **{minutes:.0f} minutes**' in readme and f'{minutes:.2f}' in page
    with (TOP/'benchmarks/results/step20-1.csv').open() as f: acc = 100*float([*csv.DictReader(f)][-1]['valid_acc'])
    assert f'step decay, all 50,000 pictures, a test after each | **{acc:.2f} %**' in readme and '<td>'+f'{acc/100:.4f}'.rstrip('0') in page
    ratios = [(3,s['times_start']), (3,s['times_bare']), (2,p['times_start']), (2,p['times_fastai']), (2,imports['times_fastai'])]
    for d,v in ratios:
        assert '<td>'+f'{v:.{d}f}'.rstrip('0') in page, f'{v}: nbdev-test --save nbs/results.ipynb'

def new_modules(user, code, before='', after=''):
    "Names of the modules that `code` imports in a fresh process, more than `before` does"
    py,work = user
    code = ['import sys', before, 'seen = set(sys.modules)', code, 'new = set(sys.modules)-seen', after, 'print("|".join(new))']
    return set(ok(sh(py, '-c', '\n'.join(code), cwd=work, PYTHONWARNINGS='ignore')).strip().splitlines()[-1].split('|'))

def test_import_is_light(user):
    assert new_modules(user, 'import cifar_cam')=={'cifar_cam'}
    cli = {o.partition('.')[0] for o in new_modules(user, 'import cifar_cam.cli')}
    assert not cli & {'torch','fastai','numpy','pandas','matplotlib'}, cli   # `cifar-cam --help` answers at once

def test_all_imports_little_more_than_fastai(user):
    "albumentations and what it needs are imported where they are first used, its question to the network switched off"
    new = {o.partition('.')[0] for o in new_modules(user, 'from cifar_cam.all import *',
        'import os; os.environ.pop("NO_ALBUMENTATIONS_UPDATE", None)\nfrom fastai.vision.all import *',
        'assert os.environ["NO_ALBUMENTATIONS_UPDATE"]=="1"\nbaseline_augs()\nassert "albumentations" in sys.modules')}
    assert {'cifar_cam','pytorch_grad_cam'} <= new
    later = 'albumentations pydantic cleanlab accelerate wandb tensorboard nbdev pytest torch torchvision'.split()
    assert not new & set(later), new

@pytest.mark.parametrize('module', ['all', *(o.stem[3:] for o in sorted((TOP/'nbs').glob('[0-9][0-9]_*.ipynb')))])
def test_imports_in_silence(user, module):
    "Each module, as the first that is imported; in Jupyter, a line to stderr is a red box"
    py,work = user
    res = sh(py, '-W', 'always', '-c', f'from cifar_cam.{module} import *', cwd=work, PYTHONWARNINGS='')
    assert (res.returncode,res.stdout,res.stderr)==(0,'','')

def test_filters_of_warnings_stay(user):
    "Those of the user, in their order, and those that other libraries set when they are imported"
    py,work = user
    before = "import warnings; warnings.filterwarnings('error', 'of the user'); warnings.simplefilter('ignore')"
    def filters(module): return ok(sh(py, '-c', f'{before}\nfrom {module} import *\nprint(warnings.filters)', cwd=work))
    ours,theirs = filters('cifar_cam.imports'),filters('fastai.vision.all')
    assert ours==theirs and 'of the user' in ours

@pytest.mark.parametrize('before', ['enable','disable'])
def test_garbage_is_collected_as_before(user, before):
    "Imports switch the collector off, and back to what it was"
    py,work = user
    code = f'import gc; gc.{before}()\nfrom cifar_cam.all import *\nprint(gc.isenabled(), gc.get_freeze_count())'
    assert ok(sh(py, '-c', code, cwd=work)).split()==[str(before=='enable'),'0']

def test_commands(user):
    "The installed command, as a newcomer tries it, away from the repository"
    py,work = user
    exe,mod = [py.parent/'cifar-cam'],[py,'-m','cifar_cam']
    for cmd in exe,mod:
        assert ok(sh(*cmd, '--version', cwd=work)).strip()==VERSION
        assert 'usage: cifar-cam COMMAND' in ok(sh(*cmd, '--help', cwd=work))==ok(sh(*cmd, cwd=work))
    said = ok(sh(*mod, 'doctor', cwd=work, FASTAI_HOME=str(work/'fastai'), CIFAR_CAM_DATA=''))
    assert re.search(rf'^cifar_cam +{re.escape(VERSION)}$', said, re.M) and re.search('^torch +[0-9]', said, re.M)
    assert '--data digits' in said
    for bad,word in (['fly'],"no command 'fly'"),(['doctor','--fast'],'--fast'),(['explain','nowhere'],'nowhere'):
        res = sh(*exe, *bad, cwd=work)
        assert res.returncode==1 and res.stderr.count('\n')==1, res.stderr
        assert res.stderr.startswith('cifar-cam: ') and word in res.stderr, res.stderr
    assert {o.name for o in work.iterdir()} <= {'fastai'}

def test_types(user):
    "A type checker reads the annotations, knows the methods of `CamMaps`, and finds the one mistake"
    py,work = user
    (work/'mine.py').write_text('''from cifar_cam.all import CAMInterpretation, CamMaps, baseline_augs, cam
from cifar_cam.all import cifar_dls, digits_path, resnet_learner
dls = cifar_dls(digits_path(), bs=64, augs=baseline_augs())
learn = resnet_learner(dls, recipe='fast')
learn.fit_recipe()
maps: CamMaps = cam(learn, dls.one_batch()[0], layers=['layer3'])
maps.show(maps.heat('layer3', (32,32)))
CAMInterpretation.from_learner(learn).plot_cams(3)
dls = cifar_dls(digits_path(), bs='64')
''')
    args = '--strict', '--python-executable', py, '--cache-dir', work.parent/'mypy', 'mine.py'
    res = sh(sys.executable, '-m', 'mypy', *args, cwd=work)
    (work/'mine.py').unlink()
    errors = [o for o in res.stdout.splitlines() if ' error: ' in o]
    assert len(errors)==1 and errors[0].startswith('mine.py:9: ') and '"bs"' in errors[0], res.stdout+res.stderr
