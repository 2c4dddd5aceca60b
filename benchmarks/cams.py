"""Time and memory of maps: `cam` against grad-cam called a picture and layer at a time, a layer at a time, and a bare pass

    python benchmarks/cams.py [--data DIR] [--n 100] [--rounds 5] [--memory-n 10000] [--out FILE]

All sides run in each round, one after the other, in float32; medians and ranges over rounds. The peak of memory is that of a process
of its own.
"""
import json, statistics, subprocess, sys, time
from pathlib import Path
from fastcore.script import call_parse

def setup(data, n):
    "A ResNet18, its five layers, `n` pictures and a class for each"
    from cifar_cam.all import cifar10_path, cifar_dls, cifar_resnet18, digits_path, set_seed, stages, torch
    set_seed(1)
    path = digits_path() if data=='digits' else cifar10_path(data or None)
    dls = cifar_dls(path, n_train=100, n_valid=n, bs=n, num_workers=0)
    x = dls.valid.one_batch()[0].as_subclass(torch.Tensor)
    model = cifar_resnet18(10).eval()
    return model, stages(model), x, [i%10 for i in range(len(x))], path.name

def one_by_one(model, layers, x, ts):
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    for o,t in zip(x, ts):
        for m in layers.values():
            with GradCAM(model, [m]) as g: g(o[None], [ClassifierOutputTarget(t)])

def a_layer_at_a_time(model, layers, x, ts):
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    for m in layers.values():
        with GradCAM(model, [m]) as g: g(x, [ClassifierOutputTarget(t) for t in ts])

def bare_pass(model, layers, x, ts):
    "A forward pass, and the gradients to the five activations: nothing is made of them"
    import torch
    acts = []
    hs = [m.register_forward_hook(lambda m,i,o: acts.append(o)) for m in layers.values()]
    out = model(x)
    for h in hs: h.remove()
    torch.autograd.grad(out[range(len(x)), ts].sum(), acts)

def ours(model, layers, x, ts):
    from cifar_cam.cam import cam
    return cam(model, x, ts, list(layers))

def ours_scaled(model, layers, x, ts):
    "What the two ways of grad-cam give: each map scaled to the picture's size"
    maps = ours(model, layers, x, ts)
    for k in layers: maps.heat(k)

def memory(n):
    "The most that a process held, in GB, that made maps of `n` pictures at five layers and kept them, and before it did"
    from cifar_cam.all import cam, cifar_resnet18, torch
    def peak(): return int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])/2**20   # Linux
    x = torch.randn(n, 3, 32, 32)
    before = peak()
    maps = cam(cifar_resnet18(10), x, layers=[f'layer{i}' for i in range(5)])
    kept = sum(m.nbytes for m in maps.maps.values())/2**30
    print(json.dumps(dict(n=n, before_gb=round(before, 3), peak_gb=round(peak(), 3), kept_gb=round(kept, 3))))

def memory_alone(n):
    "`memory`, in a process of its own"
    cmd = [sys.executable, __file__, '--only-memory', '--memory-n', str(n)]
    return json.loads(subprocess.run(cmd, check=True, capture_output=True, text=True).stdout.splitlines()[-1])

@call_parse
def main(
    data:str='', # A folder or archive, or digits; by default where `cifar10_path` finds it
    n:int=100, # Pictures
    rounds:int=5, # Times that each side runs
    memory_n:int=10_000, # Pictures whose maps are held at once; 0: skip
    only_memory:bool=False, # What the process of its own is started with
    out:str='' # JSON file
):
    "Compare"
    if only_memory: return memory(memory_n)
    from cifar_cam.all import hardware, torch, versions
    model,layers,x,ts,name = setup(data, n)
    sides,secs = (one_by_one, a_layer_at_a_time, bare_pass, ours, ours_scaled),{}
    for f in sides: f(model, layers, x[:2], ts[:2])
    for r in range(rounds):
        for f in sides:
            t0 = time.perf_counter()
            f(model, layers, x, ts)
            secs.setdefault(f.__name__, []).append((time.perf_counter()-t0)/n)
        print(f'round {r+1}: ' + '  '.join(f'{k} {v[-1]*1000:.2f}' for k,v in secs.items()) + '  ms a picture', flush=True)
    med = {k: statistics.median(v) for k,v in secs.items()}
    res = dict(data=name, n=n, rounds=rounds, layers=list(layers), dtype='float32',
        hardware=hardware(torch.device('cpu')), versions=versions(),
        seconds_a_picture={k: dict(median=med[k], min=min(v), max=max(v)) for k,v in secs.items()},
        times_faster_than_one_by_one=med['one_by_one']/med['ours_scaled'],
        times_faster_than_a_layer_at_a_time=med['a_layer_at_a_time']/med['ours_scaled'],
        times_a_bare_pass=med['ours']/med['bare_pass'])
    if memory_n: res['memory'] = memory_alone(memory_n)
    print(json.dumps(res, indent=2))
    if out: Path(out).write_text(json.dumps(res, indent=2))
