"What modules import first: fastai's names, without the warnings that its imports give, and `document`"
import gc, warnings
from .docs import document

# Nobody who imports this package can do anything about them. Python's `catch_warnings` would, in the end, take back the
# filters that fastai and torch set for themselves, too.
_quiet = 'ignore', None, Warning, None, 0
warnings.filters.insert(0, _quiet)

# Imports make hundreds of thousands of objects that stay, and looking for garbage among them takes much of their time.
_collects = gc.isenabled()
gc.disable()
try: from fastai.vision.all import *
finally:
    warnings.filters.remove(_quiet)
    if _collects: gc.enable()
