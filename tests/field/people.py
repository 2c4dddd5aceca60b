"What people bring: small data sets and networks, as their notebooks have them, and not as ours would"
import matplotlib
matplotlib.use('agg')

import numpy as np
from fastai.vision.all import (CategoryBlock, CrossEntropyLossFlat, DataBlock, Image, ImageBlock, Learner, PILImage,
    nn, torch)
from torch.utils.data import TensorDataset
from cifar_cam.all import CAMInterpretation

class Net(nn.Module):
    "A plain network that ends in pooling and a linear layer"
    def __init__(self, n_out, n_in=3):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(n_in, 6, 3, padding=1), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, n_out))
    def forward(self, x): return self.head(self.body(self.stem(x)))

def picture(i, side=16): return np.random.default_rng(i).integers(0, 256, (side,side,3), dtype=np.uint8)

def dls_of(labels, kind=PILImage, **kwargs):
    "fastai `DataLoaders` of pictures in memory with `labels`; all of them are for validation, too"
    def get_x(i): return kind.create(Image.fromarray(picture(i)).convert(kind._open_args.get('mode', 'RGB')))
    block = DataBlock((ImageBlock(kind),CategoryBlock(**kwargs)), get_items=lambda n: list(range(n)), get_x=get_x,
                      get_y=lambda i: labels[i], splitter=lambda o: (list(range(len(o))),)*2)
    return block.dataloaders(len(labels), bs=4, num_workers=0)

def learner(dls, n_out=None, loss=None, n_in=3):
    torch.manual_seed(1)
    return Learner(dls, Net(n_out or dls.c, n_in), loss or CrossEntropyLossFlat())

def interpretation(labels, **kwargs): return CAMInterpretation.from_learner(learner(dls_of(labels, **kwargs)))

def pairs(labels, n_in=3):
    "A plain data set of torch: floats and indices, and nothing else"
    xs = torch.rand(len(labels), n_in, 16, 16, generator=torch.Generator().manual_seed(1))
    return TensorDataset(xs, torch.tensor(labels))
