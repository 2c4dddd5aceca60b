"""Training, side by side with its alternatives, interleaved: the step, the input pipeline, and memory

    python benchmarks/train.py [--what step,pipeline,host,memory] [--data DIR] [--rounds 5] [--out FILE]

- step: ResNet18, batch 64, prepared batches, each side in a process of its own (`--side`). The starting notebook's loop (float32,
  NCHW, `loss.item()` a batch), a bare torch loop (bf16, channels_last), and our `Learner` with the callbacks that
  `resnet_learner` and fastai give it.
- pipeline: `baseline_augs` on pictures in memory by a torch DataLoader, a picture at a time, as the starting notebook has it;
  fastai's DataBlock over files with albumentations as item transform; and `cifar_dls`. Two workers each, batches of 64, normalised.
- host: what a picture costs the host until its batch is handed to the device, with `device_augs`.
- memory: the highest resident set of a process that reads the full data set and trains.
"""
import json, statistics, subprocess, sys, time, warnings
from pathlib import Path

from fastcore.script import call_parse
from cifar_cam.all import *
import albumentations as A
from albumentations.pytorch import ToTensorV2

def spread(vs): return dict(median=statistics.median(vs), min=min(vs), max=max(vs), n=len(vs))

def interleaved(sides, rounds, unit, own=None):
    "What `sides`, called once a round, return, by name; and how many times that of each other side `own` is: medians over rounds"
    res = {}
    for r in range(rounds):
        for k,f in sides.items(): res.setdefault(k, []).append(f())
        print(f'round {r+1}: ' + '  '.join(f'{k} {v[-1]:.4g}' for k,v in res.items()), unit, flush=True)
    spreads = {k: spread(v) for k,v in res.items()}
    if not own: return spreads
    def times(other): return statistics.median(a/b for a,b in zip(res[own], res[other]))
    return spreads | {f'times_{k}': times(k) for k in res if k!=own}

def alone(*args):
    "What Python prints with `args`, in a process of its own"
    res = subprocess.run([sys.executable, '-W', 'ignore', *map(str, args)], capture_output=True, text=True)
    if res.returncode: sys.exit(res.stderr)
    return res.stdout

def step(data, rounds, n=40, bs=64):
    "Pictures a second of a training step, each side in a process of its own"
    args = __file__, '--data', data or '', '--batches', n, '--bs', bs
    sides = {k: lambda k=k: float(alone(*args, '--side', k)) for k in ('start','bare','learner')}
    return interleaved(sides, rounds, 'images/s', 'learner') | dict(precision=pick_precision(), batches=n, bs=bs)

def synchronised():
    "The time when the device has done all that was asked of it"
    if default_device().type=='cuda': torch.cuda.synchronize()
    return time.perf_counter()

class Loop:
    "A torch loop: as the starting notebook has it, or, `bare`, the least that torch needs in the best precision of the machine"
    def __init__(self, n_out, bare):
        half = dict(bf16=torch.bfloat16, fp16=torch.float16).get(pick_precision())
        self.bare,self.device = bare,default_device()
        self.format = torch.channels_last if bare else torch.contiguous_format
        self.cast = torch.autocast(self.device.type, half, enabled=bool(bare and half))
        self.model = cifar_resnet18(n_out).to(self.device, memory_format=self.format)
        self.opt = torch.optim.SGD(self.model.parameters(), lr=.01, momentum=.9, fused=bare)
        self.right = self.total = 0

    def prepare(self, x, y):
        return x.as_subclass(torch.Tensor).contiguous(memory_format=self.format),y.as_subclass(torch.Tensor)

    def step(self, x, y):
        self.opt.zero_grad()
        with self.cast:
            out = self.model(x)
            loss = F.cross_entropy(out, y)
        loss.backward()
        self.opt.step()
        if self.bare: return
        self.right += (out.argmax(1)==y).sum().item()
        self.total += loss.item()

def loop(batches, n_out, bare):
    "Seconds of a torch loop over `batches`"
    set_seed(1)
    o = Loop(n_out, bare)
    batches = [o.prepare(*b) for b in batches]
    for b in batches[:3]: o.step(*b)
    t0 = synchronised()
    for b in batches: o.step(*b)
    return synchronised()-t0

class Prepared(list):
    "Batches as a `DataLoader`"
    def __init__(self, batches):
        super().__init__(batches)
        self.bs,self.device = len(batches[0][1]),default_device()

class Clock(Callback):
    "Seconds of the training steps after the third"
    order = 60
    def before_train(self): self.n,self.t0 = 0,None
    def before_batch(self):
        if self.training and self.n==3: self.t0 = synchronised()
        self.n += 1
    def after_train(self): self.seconds = synchronised()-self.t0

def learner(batches, n_out):
    "Seconds of our `Learner` over `batches`"
    set_seed(1)
    dls,clock = DataLoaders(Prepared(batches[:3]+batches), Prepared(batches[:1])),Clock()
    dls.c = n_out
    learn = resnet_learner(dls, cifar_resnet18(n_out))
    with learn.no_bar(), learn.no_logging(): learn.fit_recipe(1, cbs=clock)
    return clock.seconds

def step_of(side, data, n, bs):
    "Pictures a second of one side, in this process"
    dls = cifar_dls(cifar10_path(data), bs=bs, n_train=n*bs, n_valid=100)
    batches = list(dls.train)[:n]
    seconds = learner(batches, dls.c) if side=='learner' else loop(batches, dls.c, side=='bare')
    return n*bs/seconds

def epoch(dl):
    "Pictures a second of an epoch of batches"
    t0,n = time.perf_counter(),0
    for x,y in dl: n += len(y)
    return n/(time.perf_counter()-t0)

class Start(torch.utils.data.Dataset):
    "As torchvision's CIFAR10 has it, with a list of albumentations"
    def __init__(self, pictures, ys, stats):
        self.pictures,self.ys = pictures,ys
        self.tfm = A.Compose([*baseline_augs(), A.Normalize(*stats), ToTensorV2()])
    def __len__(self): return len(self.ys)
    def __getitem__(self, i): return self.tfm(image=np.array(Image.fromarray(self.pictures[i])))['image'],self.ys[i]

class Albumentations(Transform):
    "As fastai's tutorial on augmentation has it"
    split_idx = 0
    def __init__(self): self.aug = A.Compose(baseline_augs())
    def encodes(self, img: PILImage): return PILImage.create(self.aug(image=np.array(img))['image'])

def pipeline(data, rounds, n=10_000, bs=64, workers=2):
    "Pictures a second of batches, augmented and normalised"
    path = cifar10_path(data)
    files,valid = picture_files(path/'train', n),valid_name(path)
    vocab = sorted({o.parent.name for o in files})
    dls = cifar_dls(path, bs=bs, augs=baseline_augs(), n_train=n, n_valid=100, num_workers=workers)
    stats = dls.source['stats']
    dataset = Start(read_images(files), [vocab.index(o.parent.name) for o in files], stats)
    start = torch.utils.data.DataLoader(dataset, batch_size=bs, shuffle=True, num_workers=workers)
    def items(path): return picture_files(path/'train', n)+picture_files(path/valid, 100)
    block = DataBlock(blocks=(ImageBlock,CategoryBlock), get_items=items, splitter=GrandparentSplitter('train', valid),
                      get_y=parent_label, item_tfms=Albumentations(), batch_tfms=Normalize.from_stats(*stats))
    fast = block.dataloaders(path, bs=bs, num_workers=workers)
    sides = dict(start=start, fastai=fast.train, cifar_dls=dls.train)
    for o in sides.values(): next(iter(o))
    res = interleaved({k: lambda o=o: epoch(o) for k,o in sides.items()}, rounds, 'images/s', 'cifar_dls')
    return res | dict(pictures=n, bs=bs, workers=workers)

def host(data, rounds, n=20_000):
    "Microseconds of the host for each picture, until the batch is handed to the device"
    path,sides = cifar10_path(data),{}
    for bs in 64,512:
        dl = cifar_dls(path, bs=bs, augs=device_augs(), n_train=n, n_valid=100, num_workers=0).train
        dl.after_batch = Pipeline()
        sides[f'bs{bs}'] = lambda dl=dl: 1e6/epoch(dl)
    for f in sides.values(): f()
    return interleaved(sides, rounds, 'µs/picture') | dict(pictures=n)

def memory(data, recipe='baseline', batches=60):
    "GB at the highest, of a process that reads all pictures, trains on batches of each size of the recipe, and tests on all"
    code = f'''
import tempfile
from cifar_cam.all import *
r = recipe({recipe!r})
dls = cifar_dls(cifar10_path({data!r}), r.bs, r.make_augs())
class Some(Callback):
    order = 90
    def after_batch(self):
        if self.training and self.iter=={batches}: raise CancelTrainException
learn = resnet_learner(dls, recipe=r)
sizes = [(1,o) for _,o in r.sizes]
with learn.no_bar(), learn.no_logging(), tempfile.TemporaryDirectory() as tmp:
    learn.fit_recipe(max(len(sizes), 1), checkpoint=tmp, sizes=sizes, cbs=Some())
print(int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])/2**20)   # Linux; ru_maxrss is inherited
'''
    gb = float(alone('-c', code).split()[-1])
    print(f'memory, {recipe}: {gb:.2f} GB', flush=True)
    return dict(recipe=recipe, gb=gb, batches=batches)

def memories(data, rounds):
    "Gigabytes at the highest"
    return [memory(data, o) for o in ('baseline','fast')]

@call_parse
def main(
    what:str='step,pipeline,host,memory', # Parts to measure
    data:str='', # A folder or archive; by default where `cifar10_path` finds it
    rounds:int=5, # Times that each side runs
    out:str='', # JSON file
    side:str='', # Of `step`: start, bare or learner, alone and in this process
    batches:int=40, # Of `side`
    bs:int=64 # Pictures in a batch of `side`
):
    "Compare"
    warnings.simplefilter('ignore')
    if side: return print(step_of(side, data or None, batches, bs))
    res = dict(hardware=hardware(default_device()), versions=versions(), rounds=rounds)
    for k,f in dict(step=step, pipeline=pipeline, host=host, memory=memories).items():
        if k not in what.split(','): continue
        print(f'{k}: {f.__doc__}')
        res[k] = f(data or None, rounds)
    print(json.dumps(res, indent=2))
    if out: Path(out).write_text(json.dumps(res, indent=2))
