"Docments as docstrings: a module ends with `document(__name__)`, and `help` and Shift-Tab say what each argument means"
import ast, inspect, sys
from itertools import takewhile
from textwrap import indent
from tokenize import COMMENT, generate_tokens

__all__ = ['document']

_known = {}   # what is said of the arguments of a function, for those that delegate to it

def _comments(lines, node):
    "The comments in the signature of a function, or in a dataclass, by number of the line"
    start,end = node.lineno-1,node.end_lineno if isinstance(node, ast.ClassDef) else node.body[0].lineno
    tokens = takewhile(lambda o: start+o.start[0]<=end, generate_tokens(iter(lines[start:]).__next__))
    return {start+o.start[0]: o.string.lstrip('# ') for o in tokens if o.type==COMMENT}

def _arguments(node):
    "The arguments of a function, or the fields of a dataclass, and their annotations, by number of the line"
    if isinstance(node, ast.ClassDef):
        return {o.lineno: (o.target.id,o.annotation) for o in node.body if isinstance(o, ast.AnnAssign)}
    a = node.args
    args = [o for o in (*a.posonlyargs, *a.args, a.vararg, *a.kwonlyargs, a.kwarg) if o]
    if args and args[0].arg in ('self','cls'): del args[0]
    return {o.lineno: (o.arg,o.annotation) for o in args}

def _meaning(line, comments, args):
    "The comment beside an argument, or those in the lines above it"
    if line in comments: return comments[line]
    res = []
    while (line := line-1) in comments and line not in args: res.insert(0, comments[line])
    return '\n'.join(res)

def _said(node, lines):
    "What the docments of `node` say of its arguments, and of what it returns, each with its type in front"
    args,comments = _arguments(node),_comments(lines, node)
    params = {k: (f'{k} : {ast.unparse(t)}' if t else k, _meaning(i, comments, args)) for i,(k,t) in args.items()}
    back = getattr(node, 'returns', None)
    return params, {'': (ast.unparse(back), comments.get(back.lineno))} if back else {}

def _part(title, said):
    "A part of a docstring, as numpy has it"
    said = [f'{name}\n{indent(meaning, "    ")}' for name,meaning in said.values() if meaning]
    return '\n'.join(['', '', title, '-'*len(title), *said]) if said else ''

def _add(o, params, returns):
    "Add parts to the docstring of `o`"
    o = getattr(o, '__func__', getattr(o, 'f', o))   # of a class method, or of fastcore's by `@patch`
    if (to := getattr(o, '__delwrap__', None)):
        names = inspect.signature(o).parameters
        params = params | {k: v for k,v in _known[to].items() if k in names and k not in params}
    if inspect.isfunction(o): _known[o] = params
    parts = _part('Parameters', params) + _part('Returns', returns)
    if parts: o.__doc__ = (o.__doc__ or '').rstrip() + parts

def _classes(node):
    "Names of the classes that a function is a method of by `@patch`"
    patched = any(ast.unparse(o).startswith('patch') for o in node.decorator_list)
    return [o.id for o in ast.walk(node.args.args[0].annotation) if isinstance(o, ast.Name)] if patched else []

def _defined(module, tree):
    "The public functions, classes and methods that `module` defines, and where they stand in its syntax tree"
    methods = [(getattr(module, cls),o) for o in tree.body if isinstance(o, ast.FunctionDef) for cls in _classes(o)]
    for o in tree.body:
        if not isinstance(o, (ast.FunctionDef, ast.ClassDef)) or o.name not in module.__all__: continue
        own = getattr(module, o.name)
        if isinstance(o, ast.FunctionDef) or hasattr(own, '__dataclass_fields__'): yield own,o
        if isinstance(o, ast.ClassDef): methods += [(own,f) for f in o.body if isinstance(f, ast.FunctionDef)]
    for cls,f in methods:
        if f.name=='__init__': yield cls,f
        elif f.name[0]!='_': yield vars(cls)[f.name],f

def document(
    name:str # Of the module
):
    "Add what docments say to the docstrings of what the module `name` defines; nothing in a notebook"
    module = sys.modules[name]
    source = None if name=='__main__' else module.__loader__.get_source(name)
    if not source: return
    lines = source.splitlines(keepends=True)
    for o,node in _defined(module, ast.parse(source)): _add(o, *_said(node, lines))
