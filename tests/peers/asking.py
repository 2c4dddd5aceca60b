"How a question of another project's test is asked, and what becomes of it"
import io, linecache, re, tempfile, warnings
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import partial
from pathlib import Path
import numpy as np, torch
import cifar_cam

commits = {'pytorch-grad-cam': ('jacobgil', '084273b3f30b54ad0c64cf8020a4337d979a66e0'),
           'torch-cam': ('frgfm', 'f44afef870a11c5ecd616c7ac5aea2bb28e260bf')}     # as the tests were read

@dataclass
class Case:
    "A question of another project's test, how it is asked here, and what is expected to become of it"
    project:str
    test:str # File::function, or a file
    asks:str
    expected:str
    why:str # Beside the outcome; of a refusal, what its words have in them
    f:object=None
    @property
    def link(self):
        owner,commit = commits[self.project]
        path = self.test.partition('::')[0].replace(' ', '%20')
        return f'https://github.com/{owner}/{self.project}/blob/{commit}/{path}'

cases = []

def ask(project, test, asks, expected='holds', why=''):
    "A decorator: the function is the case"
    def add(f):
        cases.append(Case(project, test, asks, expected, why, f))
        return f
    return add

def none(project, test, asks, why): cases.append(Case(project, test, asks, 'does not apply', why))

pgc,tc = (partial(ask, k) for k in commits)
no_pgc,no_tc = (partial(none, k) for k in commits)

class Said(str): "The words of an error of cifar_cam's own"

home = Path(cifar_cam.__file__).parent

temporary = re.compile(re.escape(tempfile.gettempdir()) + r'[/\\][^/\\ ]+[/\\]')

def words(e):
    "What `e` says, of files in a temporary folder by their names alone"
    return temporary.sub('', str(e.args[0] if e.args else e))

def is_own(e):
    "Is `e` an error that stands in cifar_cam's code as one, and of one line?"
    tb = e.__traceback__
    while tb.tb_next: tb = tb.tb_next
    fn = tb.tb_frame.f_code.co_filename
    meant = Path(fn).parent==home and 'raise ' in linecache.getline(fn, tb.tb_lineno)
    return meant and isinstance(e, (ValueError,TypeError,KeyError)) and '\n' not in words(e)

def refusal(f, *args, **kwargs):
    "The words in which cifar_cam refuses something"
    try: f(*args, **kwargs)
    except Exception as e:   # of any kind: one that is not in our own words fails
        assert is_own(e), f"{type(e).__name__}, not cifar_cam's own: {words(e)}"
        return Said(words(e))
    raise AssertionError('nothing was refused')

def numbers(o): return np.asarray(o.detach().cpu() if isinstance(o, torch.Tensor) else o, np.float64)

def agree(got, want, eps=1e-4):
    "`AssertionError` if the two are not the same: words in an error, numbers up to rounding, anything else by `==`"
    if isinstance(got, Said): assert want in got, f'says {got!r}'
    elif isinstance(want, (np.ndarray,torch.Tensor,float)):
        got,want = numbers(got),numbers(want)
        assert got.shape==want.shape, f'{got.shape} for {want.shape}'
        assert (np.isfinite(got)==np.isfinite(want)).all(), 'other places are finite'
        gap = np.nan_to_num(np.abs(got-want)).max(initial=0)
        assert gap<=eps*np.nan_to_num(np.abs(want)).max(initial=1e-12), f'differs by {gap:.1e}'
    else: assert got==want, f'{got!r} for {want!r}'

def look(c):
    "What became of a case, and why"
    if c.f is None: return 'does not apply',c.why
    pairs,said = 0,[]
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter('ignore')
            torch.manual_seed(0)
            for got,want in c.f():
                agree(got, want)
                pairs += 1
                if isinstance(got, Said): said.append(got)
    except Exception as e:   # of any kind: what is not a refusal in our own words is told as not holding
        if is_own(e) and c.why in words(e): return 'refused',words(e)
        return 'does not hold',isinstance(e, AssertionError) and c.why or f'{type(e).__name__}: {words(e)}'
    if not pairs: return 'does not hold','nothing was compared'
    return 'holds',c.why or ''.join(said[:1])
