"Public names: none is taken from other libraries; `help` and Shift-Tab say what each argument means, as the site does."
import ast, importlib, inspect, pydoc, re, subprocess, sys
from pathlib import Path

import pytest
from fastcore.docments import docments
from IPython.core.interactiveshell import InteractiveShell
from nbdev.doclinks import patch_name

TOP = Path(__file__).resolve().parent.parent
SHELL = 'cli'   # its functions are commands, of which `cifar-cam COMMAND --help` tells
MODULES = [o.stem[3:] for o in sorted((TOP/'nbs').glob('[0-9][0-9]_*.ipynb')) if o.stem[3:]!=SHELL]
VARIABLE = inspect.Parameter.VAR_POSITIONAL,inspect.Parameter.VAR_KEYWORD

def names(module):
    "Public names of `module`, and whether all arguments of each need a word: a method may follow a base class's"
    public = importlib.import_module(f'cifar_cam.{module}').__all__
    found = dict.fromkeys(public, True)
    for o in ast.parse((TOP/'cifar_cam'/f'{module}.py').read_text(encoding='utf-8')).body:
        if isinstance(o, ast.FunctionDef) and '.' in patch_name(o) and '_' not in (o.name[0],patch_name(o)[0]):
            bases = named(module, patch_name(o).partition('.')[0]).__mro__[1:]
            found[patch_name(o)] = not any(hasattr(b, o.name) for b in bases)
        if not isinstance(o, ast.ClassDef) or o.name not in public: continue
        for f in o.body:
            if isinstance(f, ast.FunctionDef) and f.name[0]!='_': found[f'{o.name}.{f.name}'] = False
    return found

def named(module, name):
    o = importlib.import_module(f'cifar_cam.{module}')
    for part in name.split('.'): o = getattr(o, part)
    return getattr(o, 'fget', o)

def unsaid(o, text, strict=True):
    "Arguments of `o`, and what it returns, of which `text` lacks what their comments say; `strict`: each has one"
    own = docments(o, args_kwargs=True)
    if isinstance(o, type) and '__init__' not in vars(o): return []
    args = {k: p for k,p in inspect.signature(o).parameters.items() if k!='self'}
    args = [k for k,p in args.items() if own.get(k) or strict and p.kind not in VARIABLE]
    missing = [k for k in args if not re.search(rf'^ *{k}( : .+)?\n +{re.escape(own.get(k) or "?")}$', text, re.M)]
    back = own.get('return')
    return missing + ['return']*bool(back and not re.search(rf'^ *Returns\n *-+\n.+\n +{re.escape(back)}$', text, re.M))

def star(module):
    "What `from module import *` gives"
    m = importlib.import_module(module)
    return {k: getattr(m, k) for k in getattr(m, '__all__', [o for o in vars(m) if o[0]!='_'])}

@pytest.mark.parametrize('other', ['fastai.vision.all', 'torch', 'torchvision.models', 'nbdev.showdoc'])
def test_no_name_is_taken(other):
    "`vision_learner(dls, resnet18)` means torchvision's, whatever else was imported"
    theirs,taken = star(other),[]
    for module in MODULES: taken += [k for k,v in star(f'cifar_cam.{module}').items() if theirs.get(k, v) is not v]
    assert not taken

def test_no_method_is_taken():
    "What the package adds to classes of fastai was not there before"
    pairs = [(m,*o.split('.')) for m in MODULES for o in names(m) if '.' in o]
    added = [(cls,name) for m,cls,name in pairs if not named(m, cls).__module__.startswith('cifar_cam')]
    code = f'import fastai.vision.all as fv\nprint([o for o in {added} if hasattr(getattr(fv, o[0]), o[1])])'
    res = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True)
    assert added and res.stdout.strip()=='[]', res.stdout+res.stderr

@pytest.mark.parametrize('module', MODULES)
def test_help_says_what_each_argument_means(module):
    silent = {}
    for name,strict in names(module).items():
        o = named(module, name)
        text = re.sub(r'^ \|', '', pydoc.plain(pydoc.render_doc(o)), flags=re.M)   # the bar beside a class
        if callable(o) and (missing := unsaid(o, text, strict)): silent[name] = missing
    assert not silent, f'{silent}: does the last exported cell of the notebook say document(__name__)?'

def test_jupyter_shows_it():
    "What the kernel answers to ? and to Shift-Tab"
    shell = InteractiveShell()
    assert shell.run_cell('from cifar_cam.all import *\nmaps = CamMaps({}, [], None, (2,2))').success
    for name,o in dict(cam='cam.cam', CamMaps='cam.CamMaps', plot_cams='interp.CAMInterpretation.plot_cams').items():
        code = dict(plot_cams='CAMInterpretation.plot_cams').get(name, name)
        assert not unsaid(named(*o.split('.', 1)), shell.object_inspect(code)['docstring'])
    assert 'Parameters\n' in shell.object_inspect('maps.heat')['docstring']
    assert ' # ' in shell.object_inspect('cam', detail_level=1)['source']   # ?? shows the code as it is written

def test_of_one_module_alone():
    code = 'from cifar_cam.cam import cam; help(cam)'
    res = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert not unsaid(named('cam', 'cam'), res.stdout), res.stderr
