"Everything, as in fastai: `from cifar_cam.all import *`"
from .imports import *
from .files import *
from .layouts import *
from .labels import *
from .augment import *
from .data import *
from .models import *
from .arch import *
from .recipe import *
from .checkpoint import *
from .learner import *
from .run import *
from .pretrained import *
from .classes import *
from .trace import *
from .maps import *
from .cam import *
from .faith import *
from .interp import *
from .gallery import *
from .features import *
from .report import *
from .look import *
from .compare import *
from .export import *
from .page import *

# what rooms ask of their arguments is not for visitors
_asked = 'short_repr check_value check_args allowed is_whole is_number is_above_0 is_share is_path are or_none at_home as_device'.split()
__all__ = [k for k in dict(globals()) if k[0]!='_' and k not in _asked]
