"""Time until the shell answers, and the processor time of `explain`, each in processes of their own

    python benchmarks/shell.py [--what answers,explain] [--rounds 5] [--out FILE]

- answers: seconds on the clock of lines that are answered before anything heavy is imported.
- explain: seconds of processor time, of user and system together, of `cifar-cam explain` of 100 mistakes of a ResNet18 of width 64 on
  pictures of 32x32 at five layers, with and without `--faithfulness`, and of the import alone, on one thread. The network was trained
  on 64 of the digits for one epoch, so that it makes mistakes enough; what is drawn of a mistake does not depend on the training.

Medians and ranges over rounds.
"""
import json, os, resource, statistics, subprocess, sys, tempfile, time
from pathlib import Path
from fastcore.script import call_parse

LINES = ['--help', 'run --help', 'run --recipe nosuch', 'run --data nosuch', 'run --method nosuch', 'run --epochs 0', 'runs', 'explain']
TRAIN = 'train --data digits --n-train 64 --n-valid 200 --epochs 1 --lr 0.001 --out run'
EXPLAIN = dict(explain='explain run', faithfulness='explain run --faithfulness')

def cifar_cam(line, home):
    "Seconds on the clock, and of processor time, of `cifar-cam` with `line`"
    before,t0 = resource.getrusage(resource.RUSAGE_CHILDREN),time.perf_counter()
    cmd = [sys.executable, '-W', 'ignore', *(['-m', 'cifar_cam', *line.split()] if line else ['-c', 'import cifar_cam.all'])]
    subprocess.run(cmd, cwd=home, env=os.environ | dict(OMP_NUM_THREADS='1'), capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter()-t0,sum(getattr(after, k)-getattr(before, k) for k in ('ru_utime','ru_stime'))

def spread(vs): return dict(median=round(statistics.median(vs), 3), min=round(min(vs), 3), max=round(max(vs), 3), n=len(vs))

def answers(home, rounds):
    "Seconds on the clock"
    for o in LINES: cifar_cam(o, home)
    return {o: spread([cifar_cam(o, home)[0] for _ in range(rounds)]) for o in LINES}

def explain(home, rounds):
    "Seconds of processor time"
    cifar_cam(TRAIN, home)
    res = {k: [] for k in ('import',*EXPLAIN)}
    for _ in range(rounds):
        res['import'].append(cifar_cam('', home)[1])
        for k,line in EXPLAIN.items(): res[k].append(cifar_cam(line, home)[1])
    return {k: spread(v) for k,v in res.items()}

@call_parse
def main(
    what:str='answers,explain', # Parts to measure
    rounds:int=5, # Times that each line runs
    out:str='' # JSON file
):
    "Measure"
    from cifar_cam.all import hardware, torch, versions
    res = dict(hardware=hardware(torch.device('cpu')), versions=versions(), rounds=rounds)
    with tempfile.TemporaryDirectory() as tmp:
        for k in what.split(','): res[k] = globals()[k](Path(tmp), rounds)
    print(json.dumps(res, indent=2))
    if out: Path(out).write_text(json.dumps(res, indent=2))
