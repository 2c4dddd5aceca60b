"""The shape of the project in figures; exit status 1 where a limit is broken without an excuse

`python tools/shape.py`

- line: at most 140 characters in the package, in code cells, templates, tests, benchmarks and tools.
- cell: at most 40 lines of code in a cell, exported or not; lines that start with `#|` do not count.
- module: at most 350 lines.
- lesson: an exported cell that defines something public (function, class or `@patch`ed method) has a lesson before the next
  heading, with at most one other exported cell between the two. A lesson is code that is shown, and not only imports.
- row: at most two exported cells in a row, with neither prose nor a lesson between them. A heading is no prose; cells that only
  import, or that call `document`, do not count.
- nested: no conditional expression inside another one, no comprehension inside another one.
- inner: no class inside a function.
- number: one notebook a number.
- arrow: a module imports from modules of lower numbers only; `cifar_cam.all` stands above all but the shell.
"""
import ast, re, sys
from collections import Counter
from pathlib import Path

from fastcore.nbio import read_nb

top = Path(__file__).resolve().parent.parent
max_line,max_cell,max_module,max_row = 140,40,350,2
# rule, place as the fault names it, and why it may be so
excuses = [
    ('module', 'cifar_cam/files.py', 'the floor of the house: reading, checking and writing files, in small cells'),
    ('module', 'cifar_cam/classes.py', 'what data says, pictures from elsewhere as it reads them, and what a model says'),
    ('module', 'cifar_cam/layouts.py', 'all layouts, from a line of a table to the sentence, in small cells'),
    ('module', 'cifar_cam/data.py', 'what is read once and the loaders over it are one subject, in small cells'),
    ('module', 'cifar_cam/models.py', 'our network with its convolution, and what is found out of any other'),
    ('module', 'cifar_cam/recipe.py', 'a recipe, its checks, and the callbacks that it switches on'),
    ('module', 'cifar_cam/checkpoint.py', 'history and checkpoint are two halves of what goes on to the same bits'),
    ('module', 'cifar_cam/learner.py', 'one learner, its training, and several processes of it'),
    ('module', 'cifar_cam/run.py', 'a run folder is written and read in one place'),
    ('module', 'cifar_cam/report.py', 'the page, and explain_run, which is little more than the page'),
    ('module', 'cifar_cam/trace.py', 'what a forward pass shows, read in one order: modules, places, grids, the choice'),
    ('module', 'cifar_cam/cam.py', 'methods, targets and the one pass that they share'),
    ('module', 'cifar_cam/faith.py', 'seven measures with one table, and the ledger'),
    ('module', 'cifar_cam/interp.py', 'a line more than the rest'),
    ('module', 'cifar_cam/cli.py', 'names and checks before anything is imported, the list of runs, and the commands'),
    ('module', 'cifar_cam/compare.py', 'what can be concluded, which pictures are the same, and what is shown of them, in small cells'),
    ('lesson', 'nbs/22_compare.ipynb#959f86bc', 'its lessons follow what it has to say of itself'),
    ('module', 'cifar_cam/page.py', 'one desk and what is asked of it: sets, strips, marks, photos, in small cells'),
    ('module', 'cifar_cam/features.py', 'what features are for: neighbours, pictures that are there twice, doubtful labels'),
    ('arrow', 'cifar_cam/models.py', '`stages` stood there once, and is found there still, when it is asked for'),
    ('lesson', 'nbs/05_models.ipynb#138b0e99', 'the lesson follows the function that people call'),
    ('lesson', 'nbs/13_trace.ipynb#dc2e8a7a', 'its methods, and their lessons, follow'),
    ('lesson', 'nbs/16_faith.ipynb#0378f5bd', 'steps of `faithfulness`, whose table is the lesson'),
    ('lesson', 'nbs/16_faith.ipynb#ff28b684', 'steps of `faithfulness`, whose table is the lesson'),
    ('lesson', 'nbs/16_faith.ipynb#8865d1fd', 'the lesson follows `logit_ledger`, which makes one'),
    ('cell', 'nbs/10_run.ipynb#0049d5a9', 'the arguments of train_run are 27, a line each'),
]
faults = []

def at(fn): return fn.relative_to(top).as_posix()
def fault(rule, place, text): faults.append((rule, place, text))

def tree(code):
    "The syntax tree of `code`; an empty one for a cell with magics"
    try: return ast.parse(code)
    except SyntaxError: return ast.parse('')

def imports_only(code): return all(isinstance(o, (ast.Import, ast.ImportFrom)) for o in tree(code).body)
def defined(code): return [o.name for o in tree(code).body if isinstance(o, (ast.FunctionDef, ast.ClassDef))]
def public(code): return [o for o in defined(code) if o[0]!='_']

def code_of(cell): return re.sub(r'^#\|.*\n?', '', cell.source, flags=re.M).strip()
def heading(cell): return cell.cell_type=='markdown' and cell.source.startswith('#')

def kind(cell):
    "What `cell` is to a reader: heading, prose, export, lesson, or nothing"
    if cell.cell_type!='code': return 'heading' if heading(cell) else 'prose'
    code = code_of(cell)
    if imports_only(code) or code=='document(__name__)': return None
    if {'export','exports','exporti'} & set(cell.directives): return 'export'
    return None if 'hide' in cell.directives else 'lesson'

def check_lines(where, code):
    "The longest line of `code`; a fault for each that is too long"
    for i,o in enumerate(code.splitlines(), 1):
        if len(o)>max_line: fault('line', where, f'line {i} has {len(o)} characters: {o.strip()[:50]}…')
    return max(map(len, code.splitlines()), default=0)

def check_cells(fn, cells):
    "Figures of the cells of notebook `fn`"
    longest = line = 0
    for o in cells:
        if o.cell_type!='code': continue
        place,lines = f'{at(fn)}#{o.id}',code_of(o).splitlines()
        if len(lines)>max_cell: fault('cell', place, f'{len(lines)} lines: {lines[0][:50]}')
        longest,line = max(longest, len(lines)),max(line, check_lines(place, o.source))
    return {'longest line': line, 'longest cell': longest}

def check_lessons(fn, cells):
    "How many exported cells of `fn` nothing is shown of"
    seen,n = [(kind(o),o) for o in cells if kind(o)],0
    for i,(k,o) in enumerate(seen):
        if k!='export' or not public(code_of(o)): continue
        after = [k for k,_ in seen[i+1:]]
        nearest = next((o for o in after if o in ('lesson','heading')), 'heading')
        if nearest=='lesson' and after[:after.index('lesson')].count('export')<2: continue
        n += 1
        fault('lesson', f'{at(fn)}#{o.id}', f'no lesson of {", ".join(public(code_of(o)))}')
    return n

def check_rows(fn, cells):
    "The most exported cells of `fn` in a row"
    row,most = [],0
    for o in [*(o for o in cells if kind(o) not in (None,'heading')), None]:
        if o and kind(o)=='export': row.append(o); continue
        if len(row)>max_row: fault('row', f'{at(fn)}#{row[0].id}', f'{len(row)} exported cells in a row')
        row,most = [],max(most, len(row))
    return most

comprehensions = ast.ListComp,ast.SetComp,ast.DictComp,ast.GeneratorExp

def inside(tree, outer, inner):
    "Nodes of type `inner` that stand in one of type `outer`"
    parents = [o for o in ast.walk(tree) if isinstance(o, outer)]
    return {o for parent in parents for o in ast.walk(parent) if isinstance(o, inner) and o is not parent}

def check_tree(fn, code):
    "How many things of `code` are nested, and how many classes stand in functions"
    t = tree(code)
    nested = inside(t, ast.IfExp, ast.IfExp) | inside(t, comprehensions, comprehensions)
    inner = inside(t, ast.FunctionDef, ast.ClassDef)
    for o in nested: fault('nested', f'{at(fn)}: {ast.unparse(o)[:60]}', f'line {o.lineno}')
    for o in inner: fault('inner', f'{at(fn)}: class {o.name}', f'line {o.lineno}')
    return {'nested': len(nested), 'class in function': len(inner)}

def imported(code):
    "The modules of the package that `code` imports from, in functions too"
    found = [('.'*o.level + (o.module or '')) for o in ast.walk(tree(code)) if isinstance(o, ast.ImportFrom)]
    return {re.sub(r'^(cifar_cam)?\.', '', o) for o in found if re.match(r'(cifar_cam)?\.', o)}

def check_arrows(order, module, code):
    "A fault for each import of `module` that points up"
    for o in imported(code):
        if order.get(o, -1)>=order[module]: fault('arrow', f'cifar_cam/{module}.py', f'imports from {o}, above it')

def table(rows):
    "`rows`, dictionaries with the same keys, in columns"
    rows = [list(rows[0])] + [['' if v is None else str(v) for v in o.values()] for o in rows]
    widths = [max(map(len, col)) for col in zip(*rows)]
    for name,*figures in rows: print(' ', name.ljust(widths[0]), *map(str.rjust, figures, widths[1:]), sep='  ')
    print()

def notebooks():
    "Check notebooks and their modules"
    fns = sorted((top/'nbs').glob('*.ipynb')) + sorted((top/'nbs/tutorials').glob('*.ipynb'))
    mods = {fn: top/'cifar_cam'/f'{fn.stem[3:]}.py' for fn in fns if re.match(r'\d\d_', fn.name)}
    order = {o.stem: int(fn.name[:2]) for fn,o in mods.items()}
    order['all'] = order.get('cli', 100)-.5
    for n,k in Counter(fn.name[:2] for fn in mods).items():
        if k>1: fault('number', f'nbs/{n}_*.ipynb', f'{k} notebooks')
    rows = []
    for fn in fns:
        cells = read_nb(fn).cells
        row = {'notebook': fn.stem, 'module': None} | check_cells(fn, cells)
        row |= {'no lesson': check_lessons(fn, cells), 'in a row': check_rows(fn, cells)}
        row |= {'nested': None, 'class in function': None}
        if fn in mods:
            code = mods[fn].read_text(encoding='utf-8')
            row['module'] = len(code.splitlines())
            if row['module']>max_module: fault('module', f'cifar_cam/{mods[fn].name}', f'{row["module"]} lines')
            row |= check_tree(mods[fn], code)
            check_arrows(order, mods[fn].stem, code)
        rows.append(row)
    table(rows)

def files():
    "Check what is written by hand"
    rows = []
    for folder in 'cifar_cam','tests','benchmarks','tools':
        fns = [o for o in (top/folder).rglob('*') if o.suffix in ('.py','.html','.css','.js')]
        for fn in sorted(fns):
            if fn.name=='_modidx.py': continue
            text = fn.read_text(encoding='utf-8')
            lines = text.splitlines()
            code = [o for o in lines if o.strip() and not o.startswith('#')]
            rows.append({'file': at(fn), 'lines': len(lines), 'of code': len(code), 'longest line': check_lines(at(fn), text)})
    table(rows)
    package = [o for o in rows if re.fullmatch(r'cifar_cam/.*\.py', o['file'])]
    lines,code = (sum(o[k] for o in package) for k in ('lines','of code'))
    print(f'  {lines:,} lines in the modules of the package, _modidx.py left out; {code:,} of them neither blank nor a comment\n')

def main():
    notebooks()
    files()
    known,found = {o[:2] for o in excuses},{o[:2] for o in faults}
    for rule,place,text in faults:
        if (rule,place) not in known: print(f'{rule}, {place}: {text}')
    for rule,place in known-found: print(f'excuse, {place}: keeps the rule {rule!r}: take its excuse out of tools/shape.py')
    return known!=found

if __name__=='__main__': sys.exit(main())
