"""The tutorials as people meet them: top to bottom under a real Jupyter kernel, in a folder of their own

$CIFAR_CAM_KERNEL_PYTHON names the Python of another environment, which has ipykernel, to run them in."""
import json, os, re, sys
from pathlib import Path
from types import ModuleType

import nbformat, pytest
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

TOP = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((TOP/'nbs'/'tutorials').glob('*.ipynb'))
PYTHON = os.environ.get('CIFAR_CAM_KERNEL_PYTHON', '')
LARGEST = 1.5*2**20
MACHINE = '/tmp','/home/','/root','site-packages','█','<progress'   # what no saved output may show
FULL = dict(train_and_look=['50,000 to train, 10,000 to test', 'CIFAR-10, JPEG copy'], trust=['size    10000.0'])

def read(fn): return nbformat.read(fn, as_version=4)
def code(nb): return [o for o in nb.cells if o.cell_type=='code']
def images(cell): return sum('image/png' in o.get('data', {}) for o in cell.outputs)

each = pytest.mark.parametrize('fn', NOTEBOOKS, ids=lambda o: o.stem)

@pytest.fixture
def kernel(tmp_path):
    "Runs a notebook in a folder, with the Python that is asked for, at the size that needs no GPU"
    away = ['CIFAR_CAM_FULL', 'CIFAR_CAM_RUN', 'MPLBACKEND']
    if PYTHON: away += ['PYTHONPATH', 'PYTHONHOME', 'VIRTUAL_ENV']   # another environment has its own package
    env = {k: v for k,v in os.environ.items() if k not in away}
    spec = tmp_path/'kernels'/'tutorials'
    spec.mkdir(parents=True)
    argv = [PYTHON or sys.executable, '-m', 'ipykernel_launcher', '-f', '{connection_file}']
    (spec/'kernel.json').write_text(json.dumps(dict(argv=argv, display_name='tutorials', language='python')))
    specs = KernelSpecManager(kernel_dirs=[str(spec.parent)])
    def run(nb, folder, **more):
        km = AsyncKernelManager(kernel_name='tutorials', kernel_spec_manager=specs)
        resources = dict(metadata=dict(path=str(folder)))
        NotebookClient(nb, km=km, timeout=300, startup_timeout=120, resources=resources).execute(env=env | more, cleanup_kc=True)
    return run

@each
def test_runs_in_a_kernel(fn, kernel, tmp_path):
    nb,saved = read(fn),read(fn)
    for o in code(nb): o.outputs,o.execution_count = [],None
    nb.cells.append(nbformat.v4.new_code_cell('import cifar_cam; print(cifar_cam.__file__)'))
    there = tmp_path/'elsewhere'   # nothing of the repository beside it
    there.mkdir()
    kernel(nb, there)
    ran = code(nb)
    assert all(o.execution_count for o in ran)
    for a,b in zip(code(saved), ran):
        assert bool(images(a))==bool(images(b)), f'figures saved: {images(a)}, drawn: {images(b)}\n{a.source}'
    assert sum(map(images, ran))>3
    where = Path(''.join(o.text for o in ran[-1].outputs).strip())
    own = not PYTHON or where.is_relative_to(Path(PYTHON).absolute().parent.parent)
    assert own, f'the kernel has the package of {where}'
    assert not list(there.rglob('*.safetensors')), 'a run at the small size was left behind'

def test_imports_in_silence(kernel, tmp_path):
    "In a kernel, where a library may miss widgets"
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell('from cifar_cam.all import *')])
    kernel(nb, tmp_path, PYTHONWARNINGS='')
    assert not nb.cells[0].outputs

def install_cell(nb): return next(o for o in code(nb))

@each
def test_installs_in_colab_only(fn, monkeypatch):
    "The first cell, run where Colab is and where it is not"
    from nbdev.config import get_config
    asked,shell = [],InteractiveShell()
    shell.register_magic_function(asked.append, magic_name='pip')
    source = install_cell(read(fn)).source
    def run(): assert shell.run_cell(source).success
    run()
    assert not asked
    monkeypatch.setitem(sys.modules, 'google.colab', ModuleType('google.colab'))
    run()
    (args,) = asked
    assert args.split()[0]=='install' and args.split()[-1]==f'git+{get_config(TOP).git_url}'

@each
def test_badge(fn):
    "Badge and install cell name the owner that pyproject.toml names; if not: python tools/colab.py"
    from nbdev.config import get_config
    sys.path.insert(0, str(TOP/'tools'))
    try: from colab import owned
    finally: sys.path.pop(0)
    text = fn.read_text(encoding='utf-8')
    assert owned(text, fn.name, get_config(TOP).git_url)==text, 'run python tools/colab.py'
    title,badge = read(fn).cells[:2]
    assert title.source.startswith('# ') and f"/blob/main/nbs/tutorials/{fn.name})" in badge.source
    assert 'someone' in owned(text, fn.name, 'https://github.com/someone/cifar_cam')

@each
def test_saved(fn):
    "What is saved: small, with figures, without bars or paths of a machine, and with no cell that never runs"
    nb = read(fn)
    assert fn.stat().st_size<LARGEST
    for o in code(nb):
        assert not re.search(r'^#\|\s*(eval|slow|skip)\b', o.source, re.M), o.source
        for out in o.outputs:
            texts = {k: v for k,v in out.get('data', {}).items() if not k.startswith('image/')}
            shown = json.dumps({k: v for k,v in out.items() if k!='data'} | texts)
            assert out.output_type!='error' and not any(w in shown for w in MACHINE), shown[:300]
    assert sum(map(images, code(nb)))>3
    said = json.dumps([o.outputs for o in code(nb)])
    assert all(o in said for o in FULL.get(fn.stem, ())), 'what is saved is not of the full run: see CONTRIBUTING'
