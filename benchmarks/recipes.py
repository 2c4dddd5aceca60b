"""Recipes against `baseline`, `fast` and `step20` without each of their parts, too, at equal epochs on a part of the data

    OMP_NUM_THREADS=1 python benchmarks/recipes.py [--n-train 8000] [--epochs 8] [--seeds 3] [--width 16] [--at-once 2] [--out FILE]
    OMP_NUM_THREADS=1 python benchmarks/recipes.py --what more --epochs 20 --n-train 10000 --n-valid 5000 --seeds 2 --out FILE
    OMP_NUM_THREADS=1 python benchmarks/recipes.py --what rates --epochs 20 --n-train 45000 --n-valid 5000 --seeds 1 --out FILE

Several seeds each. Accuracy is measured on training pictures that are held out, so that nothing is chosen on the test set. A seed
decides first weights, order and augmentation; the pictures are the same. Seconds are those of the processor. The file is written
after each run and taken up again, so that it can be interrupted. The second line asks what `step20` could have besides, the third
about its rates, which few pictures would have too high.
"""
import json, statistics, tempfile, time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from fastcore.script import call_parse

# what each part of a recipe is replaced with to see what it does
parts = dict(
    fast={
        'bias lr x1': dict(bias_lr=1.),
        'crop 4': dict(crop=4),
        'batch 128, lr .2': dict(bs=128, lr=.2),
        'no label smoothing': dict(label_smoothing=0.),
        'no weight decay': dict(wd=0.),
        'no resizing': dict(sizes=()),
        'step decay': dict(schedule='step', step_size=(6,8,9), gamma=.2),
        'no Nesterov': dict(nesterov=False)},
    step20={
        'lr .01': dict(lr=.01),
        'no weight decay': dict(wd=0.),
        'baseline augmentation': dict(augs='baseline'),
        'no Nesterov': dict(nesterov=False),
        'batch 64': dict(bs=64),
        'no decay': dict(step_size=1000)})
whole = 'baseline','step20','fast'
halved = dict(step_size=(4,7,10,12,14,16,18,19), gamma=.5)   # of 20 epochs
rest = dict(label_smoothing=.1, bias_lr=16., crop=2)
more = dict(step20={
    'label smoothing .1': dict(label_smoothing=.1),
    'bias lr x16': dict(bias_lr=16.),
    'crop 2': dict(crop=2),
    'batch 64, lr .05': dict(bs=64, lr=.05),
    'steps at 12, 16, 19': dict(step_size=(12,16,19)),
    'halved eight times': halved,
    'halved, and the rest': halved|rest,
    'halved, the rest, lr .2': halved|rest|dict(lr=.2)})
rates = dict(step20={   # which depend on how many steps there are, so that they are asked of all pictures
    'lr .03': dict(lr=.03),
    'lr .03, batch 64': dict(lr=.03, bs=64),
    'lr .05, halved eight times': halved|dict(lr=.05),
    'lr .03, batch 64, halved, and the rest': halved|rest|dict(lr=.03, bs=64),
    'lr .05, batch 64, halved, and the rest': halved|rest|dict(lr=.05, bs=64)})

def held_out(path, n_train, n_valid, dest):
    "A folder `dest` of links to training pictures of `path`: `n_train` to learn from, `n_valid` others to measure on"
    from cifar_cam.all import groupby, picture_files
    every = groupby(picture_files(path/'train', n_train+n_valid), lambda o: o.parent.name)
    for name,fs in every.items():
        n = round(len(fs)*n_train/(n_train+n_valid))
        for split,part in dict(train=fs[:n], test=fs[n:]).items():
            (dest/split/name).mkdir(parents=True)
            for f in part: (dest/split/name/f.name).symlink_to(f.resolve())
    return dest

def short(r, epochs):
    "The recipe `r` in `epochs` epochs"
    if isinstance(r.step_size, tuple) and r.epochs!=epochs:
        r = replace(r, step_size=tuple(max(1, round(o*epochs/r.epochs)) for o in r.step_size))
    return replace(r, epochs=epochs)

def runs(epochs, what):
    "The recipes to run, by name: whole, and with what is changed in them"
    from cifar_cam.all import recipe
    changes = dict(whole={}, parts=parts, more=more, rates=rates)[what]
    jobs = {o: short(recipe(o), epochs) for o in (changes if what in ('more','rates') else whole)}
    return jobs | {f'{k}: {name}': replace(jobs[k], **change) for k,ps in changes.items() for name,change in ps.items()}

def run(r, path, width, seed):
    "Train by recipe `r`: the last epoch's figures, and the processor's seconds"
    from cifar_cam.all import cifar_dls, cifar_resnet18, resnet_learner, set_seed
    dls = cifar_dls(path, r.bs, r.make_augs(), seed=seed)
    set_seed(seed)
    learn = resnet_learner(dls, cifar_resnet18(dls.c, width), r)
    t0 = time.process_time()
    with learn.no_bar(), learn.no_logging(): learn.fit_recipe()
    seconds,last = time.process_time()-t0,learn.history.epochs[-1]
    return {k: last[k] for k in ('valid_acc','valid_loss','train_acc')} | dict(seconds=seconds)

@call_parse
def main(
    data:str='', # A folder or archive; by default where `cifar10_path` finds it
    n_train:int=8000, # Training pictures
    n_valid:int=2500, # Other training pictures, to measure accuracy on
    epochs:int=8, # Of each run; a tuple of step sizes shrinks with it
    seeds:int=3, # Runs of each
    width:int=16, # Channels of the network's first stage
    what:str='parts', # 'whole': the recipes alone; 'parts': without each of their parts, too; 'more', 'rates': what `step20` could have
    at_once:int=1, # Runs side by side, a process each
    out:str='recipes.json' # JSON file
):
    "Compare"
    from cifar_cam.all import cifar10_path, default_device, hardware, versions
    fn = Path(out)
    about = dict(n_train=n_train, n_valid=n_valid, epochs=epochs, width=width,
                 hardware=hardware(default_device()), versions=versions())
    res = json.loads(fn.read_text()) if fn.exists() else dict(about=about, runs=[])
    if res['about']!=json.loads(json.dumps(about)): raise SystemExit(f'{fn} holds runs with other settings: give another --out')
    jobs,done = runs(epochs, what),{(o['name'],o['seed']) for o in res['runs']}
    todo = [(name,seed) for names in ([o for o in whole if o in jobs], jobs) for seed in range(1, seeds+1) for name in names]
    with tempfile.TemporaryDirectory() as tmp, ProcessPoolExecutor(at_once, get_context('spawn')) as pool:
        path = held_out(cifar10_path(data or None), n_train, n_valid, Path(tmp))
        asked = {pool.submit(run, jobs[name], path, width, seed): dict(name=name, seed=seed)
                 for name,seed in dict.fromkeys(todo) if (name,seed) not in done}
        try:
            for o in as_completed(asked):
                res['runs'].append(now := asked[o] | o.result())
                fn.write_text(json.dumps(res, indent=1))
                print(f"{now['seed']} {now['name']:32s} {now['valid_acc']:.4f}  {now['seconds']:.0f} s", flush=True)
        finally: pool.shutdown(cancel_futures=True)
    for name in jobs:
        accs = [100*o['valid_acc'] for o in res['runs'] if o['name']==name]
        sd = statistics.stdev(accs) if len(accs)>1 else 0
        print(f'{name:32s} {statistics.mean(accs):5.2f} ± {sd:.2f} %  n={len(accs)}')
