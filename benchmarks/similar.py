"""Time and memory of the exact search for the nearest pictures: random features, 10,000 pictures against 50,000

    python benchmarks/similar.py [--n 10000] [--among 50000] [--width 512] [--k 5] [--rounds 3] [--out FILE]

Memory is what the process holds at most while it searches, less what it held before, both sets of features included.
"""
import json, resource, time
from pathlib import Path
from fastcore.script import call_parse

def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss*1024

def held():
    "Bytes that the process holds now"
    return int(Path('/proc/self/statm').read_text().split()[1])*resource.getpagesize()

@call_parse
def main(
    n:int=10_000, # Pictures to find the nearest of
    among:int=50_000, # Pictures to search
    width:int=512, # Features a picture
    k:int=5, # Nearest ones for each
    rounds:int=3, # Times that it is done
    out:str='' # JSON file
):
    "Measure"
    from cifar_cam.all import hardware, torch, versions
    from cifar_cam.features import _nearest
    before = held()
    torch.manual_seed(1)
    q,fs,secs,cpu = torch.randn(n, width).relu(),torch.randn(among, width).relu(),[],[]
    for _ in range(rounds):
        t0,c0 = time.perf_counter(),time.process_time()
        _nearest(q, fs, k)
        secs.append(round(time.perf_counter()-t0, 2))
        cpu.append(round(time.process_time()-c0, 2))
    res = dict(n=n, among=among, width=width, k=k, seconds=secs, cpu_seconds=cpu, peak_bytes=peak()-before,
        features_bytes=(n+among)*width*4, threads=torch.get_num_threads(), hardware=hardware(torch.device('cpu')), versions=versions())
    print(json.dumps(res, indent=2))
    if out: Path(out).write_text(json.dumps(res, indent=2)+'\n')
