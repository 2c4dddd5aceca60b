"Two threads at once: each gets what it would get alone, and nothing stays behind"
import threading, numpy as np, tqdm
from concurrent.futures import ThreadPoolExecutor
from fieldnets import Plain, made, pics
from cifar_cam.all import cam

def together(*fs, times=6):
    "The results of functions that run over and over at the same time"
    gate = threading.Barrier(len(fs))
    def run(f):
        gate.wait()
        return [f() for _ in range(times)]
    with ThreadPoolExecutor(len(fs)) as pool: return [o.result() for o in [pool.submit(run, f) for f in fs]]

def same(got, want):
    for o in got: np.testing.assert_allclose(o['three'], want['three'], rtol=1e-4, atol=1e-7)

def test_one_model():
    net = made(Plain).train()
    xs = [pics(8, 64, 64, seed) for seed in (3,4)]
    want = [cam(net, x, 1) for x in xs]
    for got,w in zip(together(*(lambda x=x: cam(net, x, 1) for x in xs)), want): same(got, w)
    assert all(m.training for m in net.modules()) and all(p.requires_grad and p.grad is None for p in net.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())

def test_ablation_of_two_models():
    nets,x = [made(Plain, seed=s) for s in (1,2)],pics(2)
    want = [cam(o, x, 1, method='ablationcam') for o in nets]
    for got,w in zip(together(*(lambda o=o: cam(o, x, 1, method='ablationcam') for o in nets), times=3), want): same(got, w)

def test_bars_of_others():
    "`tqdm.tqdm` is theirs, also while maps are made"
    net,x,was,seen = made(Plain),pics(2),tqdm.tqdm,set()
    net.register_forward_hook(lambda *_: seen.add(tqdm.tqdm))
    for o in ('scorecam','ablationcam'): cam(net, x, 1, method=o)
    assert seen=={was} and tqdm.tqdm is was
