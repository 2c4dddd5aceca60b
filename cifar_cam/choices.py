"What may be asked for, without fastai and torch: the names that there are, the nearest one, and the look at a run's folder"
import hashlib, json, os, re
from difflib import get_close_matches
from pathlib import Path

__all__ = ['recipe_names', 'aug_names', 'resizes', 'precisions', 'targets', 'methods', 'method_name', 'nearest', 'so_many',
           'as_percent', 'nothing_there', 'check_not_theirs', 'check_out', 'check_writable', 'check_beside', 'check_of_report', 'file_name',
           'page_file']

recipe_names = 'baseline','cutout','step20','fast','finetune'
aug_names = 'baseline','crop','cutout','none'
resizes = 'crop','squish','pad'
precisions = 'auto','fp32','bf16','fp16'
targets = 'predicted','actual','both','contrast'
# what the maps of a method are of
methods = {o: 'class or contrast' for o in 'gradcam hirescam gradcamplusplus xgradcam layercam gradcamelementwise'.split()}
methods |= dict(eigencam='none', eigengradcam='class', scorecam='class', ablationcam='class', fullgrad='class', kpcacam='none',
                shapleycam='class or contrast', finercam='class', fem='none', randomcam='none')

def method_name(
    name:str # As it is typed
) -> str:
    "The name of a method as `methods` has it: case, `-`, `_` and `+` are written as one likes"
    return re.sub(r'(\+\+|pp)$', 'plusplus', name.lower().translate({ord(o): None for o in '-_ '}))

def nearest(
    name:str, # One that is not there
    known # Those that are
) -> str: # A question with a blank before it, or nothing
    "Which of the names that there are was meant, if one is near"
    by = {str(o).lower(): str(o) for o in known}
    found = get_close_matches(str(name).lower()[:100], by, 1)
    return f' did you mean {by[found[0]]}?' if found else ''

def so_many(
    n:int, # How many
    word:str # Of what, one of them
) -> str:
    "A number and what is counted, one or several"
    return f'{n:,} {word}' + ('' if n==1 else 's')

def as_percent(
    share:float, # 0 to 1, or NaN
    digits:int=2 # After the point; more, where all or nothing would be said of what is not
) -> str:
    "`share` in percent: of 60,000 pictures with one mistake, 99.998% are right, and not 100.00%"
    its = [f'{share:.{d}%}' for d in range(digits, 16)]
    return its[0] if share in (0,1) else next((o for o in its if float(o[:-1]) not in (0,100)), its[0])

def _unfinished(p):
    "Is there a run in the folder `p` that is not complete? None: there is none at all"
    if not (p/'config.json').exists(): return True if any((p/'checkpoint').glob('epoch-*.safetensors')) else None
    if not (p/'config.json').is_file(): return False   # a pipe may never end
    try: return bool(json.loads((p/'config.json').read_text(encoding='utf-8')).get('interrupted'))
    except (OSError, ValueError, AttributeError, RecursionError): return False   # damaged, which is told elsewhere

def nothing_there(
    var:str # What `$CIFAR_CAM_DATA` is
) -> str:
    "That it names nothing that is there, and what to do"
    return f'$CIFAR_CAM_DATA is {var}: there is nothing there; put it right or unset it'

_of_run = 'config.json','model.safetensors','history.csv','batches.csv','metrics.json','split.csv','labels_used.csv','curves.png'

def check_not_theirs(
    p # A folder, which need not be there
) -> bool: # Does it hold a run?
    "`ValueError` if `p` holds no run, and a file that a run would replace or remove"
    p = Path(p)
    try: its = {*json.loads((p/'config.json').read_text(encoding='utf-8'))}
    except (OSError, ValueError, TypeError, RecursionError): its = set()   # damaged, or not there
    theirs = its and not its & {'vocab','recipe','fits','data','interrupted'}   # as libraries have theirs beside weights
    if _unfinished(p) is not None and not theirs: return True
    name = next((o for o in _of_run if (p/o).exists()), None)
    if name: raise ValueError(f'{p} holds a {name} that is of no run, and would be lost: give another folder')
    return False

def check_out(
    out, # The folder asked for, or None
    resume=False # May it hold a run?
):
    "`ValueError` if `out` holds a run, or is none"
    if resume and not out: raise ValueError('resume: give the folder of the run to go on with as `out`')
    if not out: return
    p = Path(out)
    for o in p,*p.parents:
        if o.exists() and not o.is_dir(): raise ValueError(f'out {p}: {o} is a file, give a folder')
    check_not_theirs(p)
    there = None if resume else _unfinished(p)
    if there: raise ValueError(f'there is an unfinished run in {p}: go on with it by `resume`, give another `out`, or remove it')
    if there is not None: raise ValueError(f'there is a run in {p} already: give another `out`, or remove it')

def check_writable(
    out, # A file or folder, which need not be there
    name='out' # What it is given as
) -> Path: # What there is of it
    "`ValueError` if `out`, or the folder to make it in, can't be written to"
    p = Path(out).absolute()
    p = next(o for o in (p, *p.parents) if o.exists())
    if not os.access(p, os.W_OK): raise ValueError(f"can't write to {p}: give another `{name}`")
    return p

def check_beside(
    out, # The folder asked for
    run=None # That of the run that is explained, if it is known
):
    "`ValueError` if `out` holds another run than `run`"
    p = Path(out)
    if _unfinished(p) is None or run is not None and p.resolve()==Path(run).resolve(): return
    raise ValueError(f'{p} holds another run, whose metrics.json would be replaced: give another folder')

def check_of_report(
    mistakes, # In the report; 0: there is none
    faithfulness=False, # Is it to measure the maps?
    humans=None # What people saw, if it is to be compared with it
):
    "`ValueError` for what would stand in the report, if there is to be none"
    asked = 'faithfulness' if faithfulness else 'humans'
    msg = f'`{asked}` is of the report, and there is none with `mistakes` 0: leave one of them out'
    if mistakes==0 and (faithfulness or humans): raise ValueError(msg)

def _word(o):
    "What stands for `o` in the name of a file: itself, or, if that can't be or says something else, what is left of it and a short hash"
    word = re.sub(r'\W+', '-', o).strip('-')[:40]
    if o and word==o and word.partition('-')[0] not in methods: return word
    return f'{word or "other"}-{hashlib.sha256(o.encode("utf-8", "surrogatepass")).hexdigest()[:6]}'

def file_name(
    fn:str, # Of the default method and target, such as cams.png
    method='gradcam', # A name, or a class of grad-cam
    target='predicted' # As for `CAMInterpretation.cams`
) -> str:
    "What a file is called that shows maps of `method` and `target`: it says so, where they are not the usual ones"
    method = method_name(getattr(method, '__name__', str(method)))
    own = method if method in methods else _word(method)
    words = [own]*(own!='gradcam') + [_word(str(target))]*(target is not None and str(target)!='predicted')
    return ''.join(f'-{o}' for o in words).join(re.fullmatch(r'(.*)(\.\w+)', fn).groups())

def page_file(
    out:str, # A folder, or a file whose name ends in .html
    name:str='compare.html' # What it is called in a folder
) -> Path:
    "The file that a page is written to; `ValueError` if that can't be"
    p = Path(out)
    for o in p.parents:
        if o.exists() and not o.is_dir(): raise ValueError(f'out {p}: {o} is a file, give a folder')
    page = p.suffix.lower()=='.html'
    if p.is_file() and not page: raise ValueError(f'out {p}: give a folder, or a file whose name ends in .html')
    if page and p.is_dir(): raise ValueError(f'out {p}: it is a folder, give a file, or a folder that is not called like a page')
    check_writable(p)
    return p if page else p/name
