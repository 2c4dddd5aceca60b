"""What computing convolutions on small grids, and their gradients, as products of matrices saves, by size of the pictures

    python benchmarks/conv.py [--rounds 30] [--out benchmarks/results/conv.json]

Steps of training of our ResNet18 at its full width, in bfloat16 and `channels_last`, on prepared batches as the recipe `fast` has them,
in one process: a step of oneDNN's, a step of ours, and so on. The last figure weighs the sizes as `fast` does. Without a
CPU that has AMX there is nothing to compare, and nothing is written."""
import json, time
from pathlib import Path
from unittest.mock import patch as mock

from fastcore.script import call_parse
from cifar_cam.all import *
from cifar_cam.learner import _keep_memory
from cifar_cam.models import _Conv3x3
from train import Loop, spread

def seconds(loop, batch, ours):
    "Of one step"
    with mock.object(_Conv3x3, '_on_amx', _Conv3x3._on_amx if ours else lambda *_: False):
        start = time.perf_counter()
        loop.step(*batch)
        return time.perf_counter()-start

@call_parse
def main(
    rounds:int=30, # Of each side
    out:str='benchmarks/results/conv.json' # Where the record goes
):
    "Measure, and record"
    if not torch.cpu.get_capabilities().get('amx_bf16'): raise SystemExit('this CPU has no AMX: all is computed by oneDNN')
    _keep_memory()   # as `resnet_learner` does
    r,res,total = recipe('fast'),{},dict(onednn=0, product=0)
    for epochs,px in r.sizes:
        loop,times = Loop(10, bare=True),{k: [] for k in total}
        batch = loop.prepare(torch.randn(r.bs, 3, px, px), torch.arange(r.bs)%10)
        for i in range(rounds+3):
            for k in times: times[k].append(seconds(loop, batch, k=='product'))
        times = {k: v[3:] for k,v in times.items()}   # the first are slower
        res[px] = {k: spread([r.bs/o for o in v]) for k,v in times.items()}
        for k in total: total[k] += epochs/res[px][k]['median']
        print(f'{px} px: ' + '  '.join(f"{k} {v['median']:.0f} pictures/s" for k,v in res[px].items()), flush=True)
    share = total['product']/total['onednn']
    about = dict(hardware=hardware('cpu'), versions=versions(), bs=r.bs, sizes=res, share_of_fast=share)
    Path(out).write_text(json.dumps(about, indent=1)+'\n')
    print(f"the training steps of `fast`: {share:.2f} of the time")
