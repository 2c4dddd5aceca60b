"""Training, side by side with its alternatives, interleaved: the step, the input pipeline, and memory

    python benchmarks/train.py [--what step,pipeline,host,memory] [--data DIR] [--rounds 5] [--out FILE]

- step: ResNet18, batch 64, prepared batches, each side in a process of its own (`--side`). The starting notebook's loop (float32, NCHW, `loss.item()` a batch), a bare torch loop (bf16,
  channels_last), and our `Learner` with the callbacks that `resnet_learner` and fastai give it.
- pipeline: `baseline_augs` on pictures in memory by a torch DataLoader, a picture at a time, as the starting notebook has it; fastai's
  DataBlock over files with albumentations as item transform; and `cifar_dls`. Two workers each, batches of 64, normalised.
- host: what a picture costs the host until its batch is handed to the device, with `device_augs`.
- memory: the highest resident set of a process that reads the full data set and trains.
"""
import json, statistics, subprocess, sys, time
from pathlib import Path
from fastcore.script import call_parse

def spread(vs): return dict(median=statistics.median(vs), min=min(vs), max=max(vs), n=len(vs))

def interleaved(sides, rounds, unit, own=None):
    "Call each of `sides`, by name, once a round; what they return, by name, and how many times that of each other side `own` is, the median over the rounds"
    res = {}
    for r in range(rounds):
        for k,f in sides.items(): res.setdefault(k, []).append(f())
        print(f'round {r+1}: ' + '  '.join(f'{k} {v[-1]:.4g}' for k,v in res.items()), unit, flush=True)
    return {k: spread(v) for k,v in res.items()} | {f'times_{k}': statistics.median(a/b for a,b in zip(res[own], v)) for k,v in res.items() if own and k!=own}

def step(data, rounds, n=40, bs=64):
    "Pictures a second of a training step, each side in a process of its own"
    from cifar_cam.all import pick_precision
    def one(side):
        res = subprocess.run([sys.executable, '-W', 'ignore', __file__, '--side', side, '--data', data or '', '--batches', str(n), '--bs', str(bs)], capture_output=True, text=True)
        if res.returncode: sys.exit(res.stderr)
        return float(res.stdout)
    return interleaved({k: lambda k=k: one(k) for k in ('start','bare','learner')}, rounds, 'images/s', 'learner') | dict(precision=pick_precision(), batches=n, bs=bs)

def step_of(side, data, n, bs):
    "Pictures a second of one side, in this process"
    from cifar_cam.all import Callback, DataLoaders, cifar10_path, cifar_dls, default_device, nn, pick_precision, cifar_resnet18, resnet_learner, set_seed, torch
    dev,prec = default_device(),pick_precision()
    half = dict(bf16=torch.bfloat16, fp16=torch.float16).get(prec)
    dls = cifar_dls(cifar10_path(data), bs=bs, n_train=n*bs, n_valid=100)
    batches = list(dls.train)[:n]
    class Prepared(list):
        device = dls.device
        def __init__(self, items): super().__init__(items); self.bs = bs
    def loop(autocast, channels_last):
        "A torch loop of `n` steps, and the seconds that they took"
        set_seed(1)
        model = cifar_resnet18(dls.c).to(dev)
        if channels_last: model = model.to(memory_format=torch.channels_last)
        opt,crit = torch.optim.SGD(model.parameters(), lr=.01, momentum=.9, fused=channels_last),nn.CrossEntropyLoss()
        right = total = 0
        def one(x, y):
            nonlocal right, total
            opt.zero_grad()
            with torch.autocast(dev.type, half, enabled=autocast):
                out = model(x)
                loss = crit(out, y)
            loss.backward()
            opt.step()
            if not channels_last: right += (out.argmax(1)==y).sum().item(); total += loss.item()
        xs = [(x.as_subclass(torch.Tensor), y.as_subclass(torch.Tensor)) for x,y in batches]
        xs = [(x.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format), y) for x,y in xs]
        for o in xs[:3]: one(*o)
        return timed(lambda: [one(*o) for o in xs])
    def timed(f):
        if dev.type=='cuda': torch.cuda.synchronize()
        t0 = time.perf_counter()
        f()
        if dev.type=='cuda': torch.cuda.synchronize()
        return n*bs/(time.perf_counter()-t0)
    class Clock(Callback):
        order = 60
        def before_train(self): self.n,self.t0 = 0,None
        def before_batch(self):
            if self.training and self.n==3:
                if dev.type=='cuda': torch.cuda.synchronize()
                self.t0 = time.perf_counter()
            self.n += 1
        def after_train(self):
            if dev.type=='cuda': torch.cuda.synchronize()
            self.speed = n*bs/(time.perf_counter()-self.t0)
    def learner():
        set_seed(1)
        ldls = DataLoaders(Prepared(batches[:3]+batches), Prepared(batches[:1]))
        ldls.c,clock = dls.c,Clock()
        learn = resnet_learner(ldls, cifar_resnet18(dls.c))
        with learn.no_bar(), learn.no_logging(): learn.fit_recipe(1, cbs=clock)
        return clock.speed
    return dict(start=lambda: loop(False, False), bare=lambda: loop(bool(half), True), learner=learner)[side]()

def _epoch(dl):
    "Pictures a second of an epoch of batches"
    t0,n = time.perf_counter(),0
    for x,y in dl: n += len(y)
    return n/(time.perf_counter()-t0)

def pipeline(data, rounds, n=10_000, bs=64, workers=2):
    "Pictures a second of batches, augmented and normalised"
    from cifar_cam.all import (CategoryBlock, DataBlock, GrandparentSplitter, Image, ImageBlock, Normalize, PILImage, Transform, baseline_augs, cifar10_path, cifar_dls, np,
                               parent_label, picture_files, read_images, torch, valid_name)
    import albumentations as A
    from albumentations.pytorch import ToTensorV2
    path = cifar10_path(data)
    files = picture_files(path/'train', n)
    pictures,vocab = read_images(files),sorted({o.parent.name for o in files})
    dls = cifar_dls(path, bs=bs, augs=baseline_augs(), n_train=n, n_valid=100, num_workers=workers)
    mean,std = dls.source['stats']
    class Start(torch.utils.data.Dataset):
        "As torchvision's CIFAR10 has it, with a list of albumentations"
        def __init__(self): self.tfm,self.ys = A.Compose([*baseline_augs(), A.Normalize(mean, std), ToTensorV2()]),[vocab.index(o.parent.name) for o in files]
        def __len__(self): return n
        def __getitem__(self, i): return self.tfm(image=np.array(Image.fromarray(pictures[i])))['image'],self.ys[i]
    class Albumentations(Transform):
        "As fastai's tutorial on augmentation has it"
        split_idx = 0
        def __init__(self): self.aug = A.Compose(baseline_augs())
        def encodes(self, img: PILImage): return PILImage.create(self.aug(image=np.array(img))['image'])
    start = torch.utils.data.DataLoader(Start(), batch_size=bs, shuffle=True, num_workers=workers)
    block = DataBlock(blocks=(ImageBlock,CategoryBlock), get_items=lambda p: picture_files(p/'train', n)+picture_files(p/valid_name(p), 100),
                      splitter=GrandparentSplitter('train', valid_name(path)), get_y=parent_label, item_tfms=Albumentations(), batch_tfms=Normalize.from_stats(mean, std))
    fast = block.dataloaders(path, bs=bs, num_workers=workers)
    for o in start,fast.train,dls.train: next(iter(o))
    res = interleaved(dict(start=lambda: _epoch(start), fastai=lambda: _epoch(fast.train), cifar_dls=lambda: _epoch(dls.train)), rounds, 'images/s', 'cifar_dls')
    return res | dict(pictures=n, bs=bs, workers=workers)

def host(data, rounds, n=20_000):
    "Microseconds of the host for each picture, until the batch is handed to the device"
    from cifar_cam.all import cifar10_path, cifar_dls, device_augs, Pipeline
    path,sides = cifar10_path(data),{}
    for bs in 64,512:
        dl = cifar_dls(path, bs=bs, augs=device_augs(), n_train=n, n_valid=100, num_workers=0).train
        dl.after_batch = Pipeline()
        sides[f'bs{bs}'] = lambda dl=dl: 1e6/_epoch(dl)
    for f in sides.values(): f()
    return interleaved(sides, rounds, 'µs/picture') | dict(pictures=n)

def memory(data, recipe='baseline', batches=60):
    "GB at the highest, of a process that reads all pictures, and trains on some batches of each size of the recipe and tests on all"
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
with learn.no_bar(), learn.no_logging(), tempfile.TemporaryDirectory() as tmp: learn.fit_recipe(max(len(r.sizes), 1), checkpoint=tmp, sizes=[(1,o) for _,o in r.sizes], cbs=Some())
print(int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])/2**20)   # Linux; not inherited, as ru_maxrss is
'''
    res = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True)
    if res.returncode: sys.exit(res.stderr)
    gb = float(res.stdout.split()[-1])
    print(f'memory, {recipe}: {gb:.2f} GB', flush=True)
    return dict(recipe=recipe, gb=gb, batches=batches)

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
    import warnings; warnings.simplefilter('ignore')
    if side: return print(step_of(side, data or None, batches, bs))
    from cifar_cam.all import default_device, versions
    from cifar_cam.learner import _hardware
    data,res = data or None,dict(hardware=_hardware(default_device()), versions=versions(), rounds=rounds)
    for k,f in dict(step=step, pipeline=pipeline, host=host).items():
        if k in what.split(','): print(f'{k}: {f.__doc__}'); res[k] = f(data, rounds)
    if 'memory' in what.split(','): res['memory'] = [memory(data, o) for o in ('baseline','fast')]
    print(json.dumps(res, indent=2))
    if out: Path(out).write_text(json.dumps(res, indent=2))
