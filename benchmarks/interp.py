"""Time of `CAMInterpretation.from_learner`, table included, against fastai's `learn.get_preds` alone, on the same pictures

    python benchmarks/interp.py [--data DIR] [--n 10000] [--width 16] [--rounds 5] [--out FILE]

Both sides run in each round, one after the other; medians and ranges over rounds. A narrow network is the harder test: the table costs
the same, the pass less.
"""
import json, statistics, time
from pathlib import Path
from fastcore.script import call_parse

@call_parse
def main(
    data:str='', # A folder or archive; by default where `cifar10_path` finds it
    n:int=10_000, # Pictures
    width:int=16, # Channels of the network's first stage
    rounds:int=5, # Times that each side runs
    out:str='' # JSON file
):
    "Compare"
    from cifar_cam.all import CAMInterpretation, cifar10_path, cifar_dls, cifar_resnet18, resnet_learner
    from cifar_cam.all import hardware, set_seed, torch, versions
    set_seed(1)
    dls = cifar_dls(cifar10_path(data or None), n_train=100, n_valid=n)
    learn = resnet_learner(dls, cifar_resnet18(dls.c, width=width))
    def get_preds():
        with learn.no_bar(): learn.get_preds(with_loss=True)
    def from_learner(): CAMInterpretation.from_learner(learn)
    secs = {}
    get_preds()
    for r in range(rounds):
        for f in get_preds,from_learner:
            t0 = time.perf_counter()
            f()
            secs.setdefault(f.__name__, []).append(time.perf_counter()-t0)
        print(f'round {r+1}: ' + '  '.join(f'{k} {v[-1]:.2f}' for k,v in secs.items()) + '  s', flush=True)
    med = {k: statistics.median(v) for k,v in secs.items()}
    res = dict(n=n, width=width, rounds=rounds, precision=learn.precision,
        hardware=hardware(torch.device('cpu')), versions=versions(),
        seconds={k: dict(median=med[k], min=min(v), max=max(v)) for k,v in secs.items()},
        times_get_preds=med['from_learner']/med['get_preds'])
    print(json.dumps(res, indent=2))
    if out: Path(out).write_text(json.dumps(res, indent=2))
