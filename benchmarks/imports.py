"""Time of `import cifar_cam`, and of `from cifar_cam.all import *` against fastai's own `from fastai.vision.all import *`

    python benchmarks/imports.py [--rounds 10] [--out FILE]

Each import is timed in a fresh process, without the start of Python; the sides run in each round, one after the other, after a
round that does not count, which fills the disk's cache and writes the byte code. What we add to fastai is timed in one process,
too: a small difference of two large times is mostly noise where the machine does something else. Medians and ranges over rounds.
"""
import json, statistics, subprocess, sys
from pathlib import Path
from fastcore.script import call_parse

FASTAI,OURS = 'from fastai.vision.all import *','from cifar_cam.all import *'
SIDES = {'cifar_cam': ('import cifar_cam',), 'fastai.vision.all': (FASTAI,), 'cifar_cam.all': (OURS,),
         'cifar_cam.all after fastai': (OURS,FASTAI)}

def seconds(code, before=''):
    "What `code` takes in a process of its own, after `before`"
    code = f'{before}\nimport time; t0 = time.perf_counter()\n{code}\nprint(time.perf_counter()-t0)'
    res = subprocess.run([sys.executable, '-c', code], check=True, stdout=subprocess.PIPE, text=True)
    return float(res.stdout.split()[-1])

@call_parse
def main(
    rounds:int=10, # Times that each side runs
    out:str='' # JSON file
):
    "Compare"
    from cifar_cam.all import hardware, torch, versions
    secs = {}
    for r in range(rounds+1):
        now = {k: seconds(*v) for k,v in SIDES.items()}
        if r==0: continue
        for k,v in now.items(): secs.setdefault(k, []).append(v)
        print(f'round {r}: ' + '  '.join(f'{k} {v:.4f}' for k,v in now.items()) + '  s', flush=True)
    med = {k: statistics.median(v) for k,v in secs.items()}
    res = dict(rounds=rounds, hardware=hardware(torch.device('cpu')), versions=versions(),
        seconds={k: dict(median=med[k], min=min(v), max=max(v)) for k,v in secs.items()},
        times_fastai=med['cifar_cam.all']/med['fastai.vision.all'])
    print(json.dumps(res, indent=2))
    if out: Path(out).write_text(json.dumps(res, indent=2))
