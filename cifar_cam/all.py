"Everything, as in fastai: `from cifar_cam.all import *`"
from fastai.vision.all import *
from .data import *
from .augment import *
from .models import *
from .learner import *
from .cam import *
from .interp import *
from .gallery import *
from .faith import *
from .report import *
