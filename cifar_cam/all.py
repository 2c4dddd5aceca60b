"Everything, as in fastai: `from cifar_cam.all import *`"
from .imports import *
from .files import *
from .augment import *
from .data import *
from .models import *
from .recipe import *
from .checkpoint import *
from .learner import *
from .run import *
from .classes import *
from .trace import *
from .maps import *
from .cam import *
from .faith import *
from .interp import *
from .gallery import *
from .report import *
