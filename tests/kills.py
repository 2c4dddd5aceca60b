"""Kill a training run with -9 at random moments, resume it until it ends, and compare it, bit by bit, with a run that was never interrupted

    python tests/kills.py [--kills 100] [--seed 1]

Each attempt is a fork of a process that has imported everything, so that moments are spread over reading, training and writing, not over
importing. Every fourth comes when half of a checkpoint is written.
"""
import hashlib, multiprocessing, os, random, signal, sys, tempfile, time
from pathlib import Path
from fastcore.script import call_parse

def train(folder, halfway=False):
    "Train on a few digits, and leave `done` with the hash of weights and history; or be killed `halfway` through a checkpoint"
    from cifar_cam.all import cifar_dls, digits_path, recipe, cifar_resnet18, resnet_learner, set_seed, torch
    torch.set_num_threads(1)
    def cut(fd): os.ftruncate(fd, os.fstat(fd).st_size//2); os.kill(os.getpid(), signal.SIGKILL)
    if halfway: os.fsync = cut
    r = recipe('fast', epochs=6, bs=32, dropout=.1)
    dls = cifar_dls(digits_path(), r.bs, r.make_augs(), n_train=96, n_valid=32)
    set_seed(1)
    learn = resnet_learner(dls, cifar_resnet18(dls.c, 4, r.dropout), r)
    with learn.no_bar(), learn.no_logging(): learn.fit_recipe(checkpoint=folder, resume=True)
    sha = hashlib.sha256()
    for k,v in learn.model.state_dict().items(): sha.update(k.encode()+v.contiguous().numpy().tobytes())
    sha.update(repr([{k:v for k,v in o.items() if k!='seconds'} for o in learn.history.epochs]+learn.history.batches).encode())
    (folder/'done').write_text(sha.hexdigest())

def attempt(folder, after=None, halfway=False):
    "Train in a fork, killed `after` seconds if it has not ended, or `halfway` through a checkpoint; was it killed?"
    p = multiprocessing.get_context('fork').Process(target=train, args=(folder, halfway))
    p.start()
    p.join(after)
    if p.exitcode is None: p.kill(); p.join()
    if p.exitcode>0: sys.exit(f'training in {folder} failed')
    return p.exitcode<0

@call_parse
def main(
    kills:int=20, # At least so many
    seed:int=1 # Of the moments
):
    import cifar_cam.all, warnings
    warnings.simplefilter('ignore')
    rng,n,runs,torn,damaged = random.Random(seed),0,0,0,0
    with tempfile.TemporaryDirectory() as tmp:
        ref = Path(tmp)/'ref'
        t0 = time.time()
        attempt(ref)
        whole,want = time.time()-t0,(ref/'done').read_text()
        while n<kills:
            folder = Path(tmp)/f'run-{runs}'
            while not (folder/'done').exists():
                halfway,before = n%4==3 and n<kills,set(folder.glob('.epoch-*'))
                if not attempt(folder, rng.uniform(.1, .7)*whole if n<kills and not halfway else None, halfway): continue
                n += 1
                torn += not before.issuperset(folder.glob('.epoch-*'))
                for o in folder.glob('epoch-*'): damaged += hashlib.sha256(o.read_bytes()).hexdigest()[:16]!=o.stem.rpartition('-')[2]
            runs += 1
            if (folder/'done').read_text()!=want: sys.exit(f'run {runs} differs from one that was never interrupted')
            if left := [o.name for o in folder.glob('.*')]: sys.exit(f'run {runs} left {left}')
    print(f'{n} kills, {torn} of them while a checkpoint was written, {damaged} checkpoints damaged; '
          f'{runs} runs, each equal to one never interrupted, which takes {whole:.1f} s')
