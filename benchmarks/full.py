"""A recipe on all pictures of CIFAR-10, at full width, and what it recorded

    python benchmarks/full.py [--recipe baseline] [--seed 1] [--runs runs] [--out benchmarks/results]

Trains in RUNS/RECIPE-SEED, goes on there after an interruption, and takes a complete run as it is. RECIPE-SEED.json says what was done
and how good the network is, RECIPE-SEED.csv has a row for each epoch: loss and accuracy of training and test, learning rate, seconds."""
import json, shutil
from pathlib import Path

from fastcore.script import call_parse
from cifar_cam.all import *

kept = 'recipe precision hardware versions selection'.split()

@call_parse
def main(
    recipe:str='baseline', # One that `recipes` lists
    seed:int=1, # Decides weights, order and augmentation
    runs:str='runs', # Where the run folder is, or will be
    out:str='benchmarks/results' # Where the record goes
):
    "Train, if need be, and record"
    name = f'{recipe}-{seed}'
    learn = train_run('cifar10', Path(runs)/name, recipe, seed=seed, resume=True)
    c,m,fit = learn.config,json.loads((learn.run_path/'metrics.json').read_text()),learn.config['fits'][0]
    about = {k: c[k] for k in kept} | {k: c['data'][k] for k in ('n_train','n_valid','seed','fingerprint')}
    about |= dict(data='CIFAR-10, JPEG copy', command=f'python benchmarks/full.py --recipe {recipe} --seed {seed}',
        accuracy=m['accuracy'], resumed_after=fit.get('resumed_after', []))
    (Path(out)/f'{name}.json').write_text(json.dumps(about, indent=1)+'\n')
    shutil.copyfile(learn.run_path/'history.csv', Path(out)/f'{name}.csv')
    print(f'{name}: {m["accuracy"]:.2%} of {m["n"]:,} test pictures')
