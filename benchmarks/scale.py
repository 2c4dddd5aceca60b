"""Memory of large sets: 20,000 pictures of 224x224 and 100,000 of 64x64, prepared, trained on and explained; and maps in a stream

    OMP_NUM_THREADS=1 python benchmarks/scale.py [--what px224,px64,stream] [--width 8] [--folder DIR] [--out FILE]

- px224, px64: a folder of JPEG files, all different, four fifths of them to train on. `prepare` is `cifar_dls`, which reads it for
  the first time, and `part` that of three quarters of each set; `train` is `train_run`, left after some batches of the epoch but
  validated in full; `explain` is `explain_run` of that run, with the table of all pictures, and figures, report and export of the
  worst mistakes.
- stream: `cam_batches` and `heat` of 1,000 and of 10,000 pictures of 224x224, which are drawn when they are asked for.

Each step is a process of its own that is watched from here: `peak_gb` is its VmHWM, as the kernel has it. Of that, `mapped_gb` are
pages of the arrays of pictures, which the kernel takes away when it needs them; `beyond_gb` are all others: the most anonymous memory
(fifty samples a second) and the most of libraries and other files (one every other second), and no less than the peak without what
is mapped. Memory of a training step grows with pictures in a batch, their pixels and the network's width, so these stand beside it.
A file that is there keeps its other parts.
"""
import itertools, json, os, subprocess, sys, tempfile, time
from pathlib import Path
from fastcore.script import call_parse

SETS = dict(px224=dict(n=20_000, size=224, bs=16), px64=dict(n=100_000, size=64, bs=64))

def make(folder, n, size, classes=10):
    "`n` different JPEG files: noise of a quarter of the size, enlarged"
    import numpy as np
    from PIL import Image
    rng = np.random.default_rng(1)
    for i in range(n):
        where = folder/('train' if i<.8*n else 'test')/f'class {i%classes}'
        where.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(rng.integers(0, 256, (size//4,size//4,3), np.uint8))
        small.resize((size,size), Image.Resampling.BILINEAR).save(where/f'{i:06}.jpg')

def prepare(data, size, bs, n_train=None, n_valid=None, **kwargs):
    from cifar_cam.all import cifar_dls
    source = cifar_dls(data, bs, n_train=n_train, n_valid=n_valid, size=size).source
    return {k: source[k] for k in ('n_train','n_valid')}

def part(n, **kwargs): return prepare(n_train=int(.6*n), n_valid=int(.15*n), **kwargs)

def train(data, run, size, bs, width, steps=20, **kwargs):
    from cifar_cam.all import Callback, CancelTrainException, train_run
    class Some(Callback):
        order = 90
        def after_batch(self):
            if self.training and self.iter==steps-1: raise CancelTrainException
    learn = train_run(data, out=run, epochs=1, size=size, bs=bs, width=width, check=lambda o: o.add_cb(Some()))
    return dict(steps=steps, precision=learn.precision)

def explain(run, mistakes=100, **kwargs):
    from cifar_cam.all import explain_run
    interp = explain_run(run, mistakes=mistakes, export=Path(run)/'export')
    return dict(mistakes=int((~interp.table.correct).sum()), in_report=mistakes)

def stream(n, layers, width, size=224, bs=64):
    "Maps and their heat at `layers` of `n` pictures"
    from cifar_cam.all import cam_batches, cifar_resnet18, set_seed, torch
    class Drawn(torch.utils.data.Dataset):
        def __len__(self): return n
        def __getitem__(self, i): return torch.randn(3, size, size, generator=torch.Generator().manual_seed(i))
    set_seed(1)
    loader,seen = torch.utils.data.DataLoader(Drawn(), bs),0
    for maps in cam_batches(cifar_resnet18(width=width), loader, layers=layers):
        for k in maps.layers: seen += len(maps.heat(k))/len(maps.layers)
    return dict(n=round(seen), size=size, bs=bs, width=width, layers=layers)

def status(pid):
    "The kernel's figures of a process, in GB; none of one that has ended"
    rows = dict(o.split(':', 1) for o in Path(f'/proc/{pid}/status').read_text().splitlines())
    return {k: int(rows[k].split()[0])/2**20 for k in ('VmHWM','RssAnon') if k in rows}

def in_files(pid, home):
    "What a process holds of files in `home`, and of all others, in GB"
    ours,kb = False,{True: 0, False: 0}
    for o in Path(f'/proc/{pid}/smaps').read_text().splitlines():
        k,*rest = o.split()
        if k[-1]!=':': ours = str(home) in o
        if k=='Rss:': kb[ours] += int(rest[0])
        if k=='Anonymous:': kb[ours] -= int(rest[0])
    return kb[True]/2**20,kb[False]/2**20

def watch(p, home):
    "The most that the process `p` held"
    most,i = dict(VmHWM=0, RssAnon=0, mapped=0, other=0),0
    while p.poll() is None:
        try:
            now = status(p.pid)
            if now and i%100==0: now['mapped'],now['other'] = in_files(p.pid, home)
        except (FileNotFoundError, ProcessLookupError): now = {}
        most,i = {k: max(v, now.get(k, 0)) for k,v in most.items()},i+1
        time.sleep(.02)
    beyond = max(most['RssAnon']+most['other'], most['VmHWM']-most['mapped'])
    return {k: round(v, 3) for k,v in dict(peak_gb=most['VmHWM'], mapped_gb=most['mapped'], beyond_gb=beyond).items()}

def alone(step, home, **kwargs):
    "What `step` says of itself, and what a process of its own held while it ran"
    cmd,env = [sys.executable, '-W', 'ignore', __file__, '--step', step],os.environ|dict(FASTAI_HOME=str(home))
    with tempfile.TemporaryFile('w+') as said:
        p = subprocess.Popen([*cmd, '--kwargs', json.dumps(kwargs)], env=env, stdout=said)
        held = watch(p, home)
        said.seek(0)
        if p.returncode: sys.exit(f'{step} ended with status {p.returncode}')
        res = json.loads(said.read().splitlines()[-1]) | held
    print(step, res, flush=True)
    return res

def of_set(tmp, n, size, bs, width):
    "All steps of a set of pictures"
    make(tmp/'pictures', n, size)
    how = dict(n=n, size=size, bs=bs, width=width, data=str(tmp/'pictures'), run=str(tmp/'run'))
    steps = {o: alone(o, tmp/'home', **how) for o in ('prepare','part','train','explain')}
    return dict(size=size, bs=bs, width=width, array_gb=n*3*size**2/2**30, steps=steps)

def of_stream(tmp, width):
    "Streams of some and of many pictures, at one layer and at five"
    sides = itertools.product((['layer4'], [f'layer{i}' for i in range(5)]), (1000,10_000))
    return [alone('stream', tmp/'home', n=n, layers=o, width=width) for o,n in sides]

@call_parse
def main(
    what:str='px224,px64,stream', # Parts to measure
    width:int=8, # Channels of the network's first stage
    folder:str='', # Where there is room for 8 GB of pictures, arrays and runs, which are removed; by default that of temporary files
    out:str='scale.json', # JSON file
    step:str='', # What a process of its own is started with
    kwargs:str='' # Arguments of `step`
):
    "Measure"
    if step: return print(json.dumps(globals()[step](**json.loads(kwargs))))
    from cifar_cam.all import hardware, torch, versions
    fn = Path(out)
    res = json.loads(fn.read_text()) if fn.exists() else {}
    res |= dict(hardware=hardware(torch.device('cpu')), versions=versions())
    for k in what.split(','):
        with tempfile.TemporaryDirectory(dir=folder or None) as tmp:
            res[k] = of_stream(Path(tmp), width) if k=='stream' else of_set(Path(tmp), width=width, **SETS[k])
        fn.write_text(json.dumps(res, indent=1))
