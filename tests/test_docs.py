"What `help`, `?` and Shift-Tab say of each public name: every argument with its meaning, as the documentation has it."
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
    "What `module` exports and the public methods that it adds to classes, each with whether all its arguments need a word; and methods in classes"
    public = importlib.import_module(f'cifar_cam.{module}').__all__
    found = dict.fromkeys(public, True)
    for o in ast.parse((TOP/'cifar_cam'/f'{module}.py').read_text(encoding='utf-8')).body:
        if isinstance(o, ast.FunctionDef) and '.' in patch_name(o) and o.name[0]!='_': found[patch_name(o)] = True
        if not isinstance(o, ast.ClassDef) or o.name not in public: continue
        for f in o.body:
            if isinstance(f, ast.FunctionDef) and f.name[0]!='_': found[f'{o.name}.{f.name}'] = False
    return found

def named(module, name):
    o = importlib.import_module(f'cifar_cam.{module}')
    for part in name.split('.'): o = getattr(o, part)
    return getattr(o, 'fget', o)

def unsaid(o, text, strict=True):
    "Arguments of `o`, and what it returns, that `text` does not name with what the comment beside them says; `strict`: each needs a comment"
    own = docments(o, args_kwargs=True)
    if isinstance(o, type) and '__init__' not in vars(o): return []
    args = [k for k,p in inspect.signature(o).parameters.items() if k!='self' and (own.get(k) or strict and p.kind not in VARIABLE)]
    missing = [k for k in args if not re.search(rf'^ *{k}( : .+)?\n +{re.escape(own.get(k) or "?")}$', text, re.M)]
    back = own.get('return')
    return missing + ['return']*bool(back and not re.search(rf'^ *Returns\n *-+\n.+\n +{re.escape(back)}$', text, re.M))

@pytest.mark.parametrize('module', MODULES)
def test_help_says_what_each_argument_means(module):
    silent = {}
    for name,strict in names(module).items():
        o = named(module, name)
        text = re.sub(r'^ \|', '', pydoc.plain(pydoc.render_doc(o)), flags=re.M)   # what stands in front of the lines of a class
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
    res = subprocess.run([sys.executable, '-c', 'from cifar_cam.cam import cam; help(cam)'], capture_output=True, text=True)
    assert not unsaid(named('cam', 'cam'), res.stdout), res.stderr
