"""What the pages of the documentation show of a notebook: signatures as people write them, sources in folds, words for figures

`Doc` renders the entry of a name, and `Shown` is nbdev's list of processors with those of this file in it; `tools/site.py` uses both."""
import ast, base64, importlib, inspect, io, re
from dataclasses import is_dataclass
from functools import partial
from pathlib import Path

from fastcore.docments import DocmentText, ann_parts, empty
from fastcore.nbio import mk_cell, read_nb
from nbdev.doclinks import NbdevLookup, patch_name
from nbdev.process import Processor
from nbdev.processors import FilterDefaults, add_show_docs
from nbdev.showdoc import BasicMarkdownRenderer
from PIL import Image
import yaml

# --- the entry of a name

def made(reads, default):
    "The type of what `reads`, a function that takes an argument of the shell, makes of it"
    anno = inspect.signature(reads).return_annotation
    return type(default) if anno is empty else anno

def type_name(anno, default=empty):
    "The name of the type `anno`, without its modules; `empty` if nothing is known"
    o = ann_parts(anno)[0]
    if isinstance(o, partial): o = o.func
    if inspect.isfunction(o): o = made(o, default)
    if o in (None, empty, type(None), type): return empty
    return re.sub(r'\b(?!torch\.\w+\b(?!\.))(?:\w+\.)+(?=[A-Za-z_])', '', inspect.formatannotation(o).strip("'"))

class Signature(DocmentText):
    "A signature with its comments, where a type stands if it says something; that of a class is none of a function"
    def __init__(self, obj, **kwargs):
        super().__init__(obj, **kwargs)
        for o in self.dm.values(): o['anno'] = type_name(o['anno'], o['default'])

    def __str__(self):
        o = self.obj
        if not inspect.isclass(o): return super().__str__()
        if '__init__' in vars(o): return super().__str__().replace('def ', 'class ', 1)
        return f'class {o.__name__}({", ".join(b.__name__ for b in o.__bases__ if b is not object)})'

def exported(cls):
    "The class `cls` of a notebook as the package has it, with a source that can be read"
    py = NbdevLookup()[cls.__name__][1]
    return getattr(importlib.import_module(py.removesuffix('.py').replace('/', '.')), cls.__name__)

def unmarked(text): return ''.join(o if o[0]=='`' else o.replace('<', r'\<') for o in re.findall(r'`[^`]*`?|[^`]+', text))

class Doc(BasicMarkdownRenderer):
    "nbdev's entry, with `Signature`, and with a docstring that is text and no HTML"
    def __init__(self, sym, **kwargs):
        super().__init__(sym, **kwargs)
        known = exported(sym) if is_dataclass(sym) and sym.__module__=='__main__' else self.sym
        self.dm,self.docs = Signature(known, docstring=False),unmarked(self.docs)

# --- the cells of a notebook

def private(name): return any(o[0]=='_' for o in name.split('.'))

class public_entries(add_show_docs):
    "nbdev's entries, of names that people write: no methods of private classes, and none that Python calls by itself"
    def begin(self):
        super().begin()
        self.nb.cells[:] = [o for o in self.nb.cells if not (getattr(o, 'has_sd', 0) and private(o.source[9:-1]))]

def defined(cell):
    "Names of the functions, methods and classes that `cell` defines"
    found = [o for o in ast.parse(cell.source).body if isinstance(o, (ast.FunctionDef, ast.ClassDef))]
    return [patch_name(o) or o.name for o in found]

source_block = r'^```\{[^}]*code-summary="Source of [^}]*\}\n(.*?)^```'   # as smalldocs makes it of what `fold` gives

def fold(cell):
    "A cell that shows the source of `cell`, in a fold that says of what"
    names = ', '.join(defined(cell))
    res = mk_cell(f'#| code-fold: true\n#| code-summary: "Source of {names}"\n{cell.source.strip()}')
    res.directives_,res.metadata = {'eval': 'false'},dict(cell.metadata)
    return res

class fold_source(Processor):
    "What is exported, below the entries of what it defines"
    def begin(self):
        cells = []
        for cell in reversed(self.nb.cells):
            cells.insert(0, cell)
            if not (cell.cell_type=='code' and 'export' in cell.directives_ and 'hide' not in cell.directives_): continue
            if not defined(cell): continue
            entries = next((i for i,o in enumerate(cells[1:]) if not getattr(o, 'has_sd', 0)), len(cells)-1)
            cells.insert(1+entries, fold(cell))
        self.nb.cells[:] = cells

def pictures(cell): return [o for o in cell.get('outputs', []) if 'image/png' in o.get('data', {})]
def sentence(prose): return re.split(r'(?<=[.:?!])\s+', re.sub(r'[`*]|\]\([^)]*\)|\[', '', prose.strip()))[-1].rstrip(':.')

class name_figures(Processor):
    "Words in the place of a figure, where its cell has no `fig-alt`: what was said before it"
    def begin(self): self.said = ''

    def cell(self, cell):
        if cell.cell_type=='markdown' and cell.source.strip()[:3] not in ('', '---', '<!-'): self.said = cell.source.lstrip('# ')
        if not pictures(cell) or '#| fig-alt:' in cell.source: return
        alt = sentence(self.said).replace('"', "'")
        cell.source = f'#| fig-alt: "{alt[:1].upper()}{alt[1:]}"\n{cell.source}'

class fold_code(Processor):
    "Every cell's code in a fold, on a page whose front matter has `code-fold`, as Quarto does it"
    def cell(self, cell):
        page = getattr(self.nb, 'frontmatter_', {})
        if cell.cell_type=='code' and page.get('code-fold'): cell.source = f'#| code-fold: true\n{cell.source}'

class Shown(FilterDefaults):
    "nbdev's processors, and those of this file"
    def base_procs(self):
        procs = super().base_procs()
        at = procs.index(add_show_docs)
        return [*procs[:at], public_entries, fold_source, *procs[at+1:], name_figures, fold_code]

# --- the figures of all pages

def listed(contents): return [o for c in contents for o in (listed(c['contents']) if isinstance(c, dict) else [c])]

def options(cell): return yaml.safe_load('\n'.join(o[2:] for o in cell.source.splitlines() if o.startswith('#|')))

def thumb(png, fn):
    "A small copy of the picture, base64 of a PNG, in the file `fn`"
    img = Image.open(io.BytesIO(base64.b64decode(png))).convert('RGB')
    img.thumbnail((480, 360))
    fn.parent.mkdir(exist_ok=True)
    img.save(fn, quality=85)

def shown_figures(root, page):
    "A line of Markdown for each figure of the notebook `page`: a small copy, its words, and a link to it"
    for n,cell in enumerate(read_nb(root/page).cells):
        for i,o in enumerate(pictures(cell) if cell.cell_type=='code' else []):
            fn = root/'thumbs'/f'{page.stem}-{n}-{i}.jpg'
            thumb(''.join(o['data']['image/png']), fn)
            alt = options(cell)['fig-alt']
            yield f'[![{alt}](thumbs/{fn.name}) {alt}]({page}#cell-{n})'

def gallery(root):
    "Add the figures of all pages of `root`, in their order, to figures.md"
    bar = yaml.safe_load((root/'sidebar.yml').read_text(encoding='utf-8'))['website']['sidebar']['contents']
    parts = []
    for page in [Path(o) for o in listed(bar) if o.endswith('.ipynb')]:
        found = list(shown_figures(root, page))
        title = read_nb(root/page).cells[0].source
        if found: parts += [f'## {yaml.safe_load(title.strip().strip("-"))["title"]}', '::: {.gallery}', *found, ':::']
    with (root/'figures.md').open('a', encoding='utf-8') as f: f.write('\n' + '\n\n'.join(parts) + '\n')
