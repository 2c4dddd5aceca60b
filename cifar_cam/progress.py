"A word while one waits, for the shell: what is being done, a bar on a terminal, a line now and then in a pipe; elsewhere, nothing"
import sys, time
from contextlib import contextmanager, suppress

__all__ = ['telling', 'is_told', 'is_terminal', 'bar_class', 'tell', 'Count', 'watched']

_to = None   # 'stdout' or 'stderr'

@contextmanager
def telling(
    to:str='stdout' # Or 'stderr', in lines, where programs read the output
):
    "Tell, in the block, what is being done"
    global _to
    before,_to = _to,to
    try: yield
    finally: _to = before

def is_told():
    "Is somebody told what is being done?"
    return _to is not None

def is_terminal():
    "Is standard output a terminal, and told?"
    return _to!='stderr' and not getattr(sys.stdout, 'closed', True) and sys.stdout.isatty()

def bar_class():
    "fastprogress's bar for terminals, drawn with what this one knows"
    from fastprogress.fastprogress import ConsoleProgressBar
    try: ConsoleProgressBar.fill.encode(getattr(sys.stdout, 'encoding', None) or 'ascii')
    except (UnicodeError, LookupError): ConsoleProgressBar.fill = '#'
    return ConsoleProgressBar

def tell(
    what:str # What is being done
):
    "Print `what`, if it is to be told, and can be"
    out = _to and getattr(sys, _to)
    if out is None: return
    with suppress(OSError, ValueError): print(what, file=out, flush=True)

class Count:
    "How much of something is done: call it with how many more are"
    def __init__(self,
        what:str, # What is being done, such as 'reading pictures'
        total:int, # How many there are
        every:float=5 # Seconds between two lines in a pipe
    ): self.what,self.total,self.every,self.done,self.bar,self.last = what,total,every,0,None,time.time()

    def __call__(self, n=1):
        self.done += n
        if _to is None: return
        long = self.bar or time.time()-self.last>.5   # what is done in less needs no bar
        if is_terminal(): return self.draw() if long else None
        if time.time()-self.last<self.every: return
        self.last = time.time()
        tell(f'{self.what}: {self.done:,} of {self.total:,}')

    def draw(self):
        "The bar on a terminal, which vanishes when all is done"
        if self.bar is None:
            self.bar = bar_class()(range(self.total), leave=False)
            self.bar.prefix = self.what
            self.bar.update(0)
        with suppress(OSError, ValueError):
            self.bar.update(min(self.done, self.total))
            if self.done>=self.total: self.bar.on_iter_end()

def watched(
    items, # With a length
    what:str, # What is being done with them
    total:int=None # How many there are, if each item stands for several; None: their number
):
    "`items` as they are, and how far one is, told"
    n = len(items)
    count = Count(what, total or n)
    for i,o in enumerate(items):
        yield o
        count((i+1)*count.total//n - count.done)
