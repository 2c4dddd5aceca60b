"""Which methods, at which layers, beat a blob in the middle of the picture, on mistakes of a network, and by which measure

    python benchmarks/faith.py [--run RUN] [--name NAME] [--data DIR] [--n 200] [--seed 1] [--methods A,B] [--layers C,D] [--out FILE]

`n` mistakes of the network's test pictures are drawn at random, and each method's maps, for the class that was predicted, are made at each
layer. Each map that is there (`ok`) is measured by all that `faithfulness` measures, and so is a centred blob, on the same pictures: the
`lead` is the mean of the differences, picture by picture, positive where the map is better, and its standard error is theirs. `focus` is
measured on mosaics of these pictures, a blob's being 0.5, `randomisation` on the first `n_random` of them. Neither is measured of
ScoreCAM and AblationCAM, which ask the network once for each channel of each picture. Maps that are the same to a ten thousandth of their
range, as HiResCAM's and Grad-CAM's at the last stage are, are measured once. FILE keeps the records of other names; nbs/16_faith.ipynb
shows those in which all methods are.
"""
import hashlib, json, re, time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from fastcore.script import call_parse

here = Path(__file__).resolve().parent
slow,whole,digits = ('scorecam','ablationcam'),'input',5   # `whole`: what FullGrad's only layer is called

def stats(np, v, blob, better):
    "Mean of the figures `v`, and of their lead over the blob's, with standard errors; None where there are fewer than two"
    def mean(o): return [round(float(f), digits) for f in (o.mean(), o.std(ddof=1)/len(o)**.5)] if len(o)>1 else [None,None]
    return dict(zip(('mean','se','lead','lead_se'), mean(v)+mean((v-blob)*(1 if better=='higher' else -1))))

def at(layer): return None if layer==whole else layer

def make(model, x, ts, layer, methods, seed):
    "Maps of each method at a layer, with the milliseconds that they took for a picture"
    from cifar_cam.all import cam, set_seed
    res = {}
    for o in methods:
        set_seed(seed)   # of random weights
        t0 = time.perf_counter()
        res[o] = cam(model, x, ts, at(layer), o)
        res[o].ms = (time.perf_counter()-t0)/len(x)*1000
        print(f'{layer}: maps by {o}, {res[o].ms:.1f} ms a picture', flush=True)
    return res

def originals(np, many, layer):
    "By method, the first one that has the same maps"
    heats,res = {k: m.heat(layer) for k,m in many.items()},{}
    for k,v in heats.items(): res[k] = next((o for o in res if res[o]==o and np.allclose(heats[o], v, rtol=0, atol=1e-4)), k)
    return res

def more(np, model, x, m, layer, seed, mosaics, n_random):
    "The two measures that need more maps: mean over mosaics, and over pictures"
    from cifar_cam.all import focus, randomisation
    if m.method in slow: return dict(focus=None, randomisation=None)
    args = dict(layers=at(layer), method=m.method, seed=seed)
    f = focus(model, x, m.targets, n=mosaics, **args)[layer]
    f = f[np.isfinite(f)]
    like = float(randomisation(model, x[:n_random], m.targets[:n_random], cascade=False, **args).iloc[-1,0])
    return dict(focus=dict(n=len(f)) | stats(np, f, .5, 'higher'), randomisation=round(like, digits) if like==like else None)

def one_layer(model, x, ts, seed, mosaics, n_random, threads, job):
    "What is recorded of the maps at a layer, and of the controls; `job`: the layer, and methods"
    import pytorch_grad_cam as pgc
    from cifar_cam.all import faithfulness, faithfulness_metrics, np, torch
    from threadpoolctl import threadpool_limits
    torch.set_num_threads(threads)
    threadpool_limits(threads)   # scipy's library of linear algebra has threads of its own
    pgc.ScoreCAM.batch_size = 64   # quicker than its 16
    (layer,methods),better = job,faithfulness_metrics().better.drop(['focus','randomisation'])
    many = make(model, x, ts, layer, methods, seed)
    same = originals(np, many, layer)
    f = faithfulness(model, [many[k] for k in dict.fromkeys(same.values())], x, list(better.index), seed=seed, each=True).loc[layer]
    def by(k, ok=slice(None)): return {o: stats(np, *(f.loc[i][o].to_numpy()[ok] for i in (k,'blob')), b) for o,b in better.items()}
    rows = []
    for k,m in many.items():
        ok = np.array(m.status[layer])=='ok'
        row = dict(method=k, layer=layer, same_as=None if same[k]==k else same[k])
        row |= dict(n=int(ok.sum()), ok=round(float(ok.mean()), digits), ms=round(m.ms, 2))
        rows.append(row | by(same[k], ok) | more(np, model, x, m, layer, seed, mosaics, n_random))
    print(f'{layer}: measured, {len(set(same.values()))} maps of {len(many)} differ', flush=True)
    return rows,dict(method='random', layer=layer) | by('random'),dict(method='blob', layer=None) | by('blob')

def mistakes(run, data, n, seed):
    "The learner, its pictures, and which of its mistakes were drawn"
    from cifar_cam.all import CAMInterpretation, cifar10_path, cifar_dls, digits_path, load_run, np, pretrained_cifar10
    dls = cifar_dls(digits_path() if data=='digits' else cifar10_path(data)) if data and run else None
    learn = load_run(run, dls) if run else pretrained_cifar10(cifar10_path(data or None))
    interp = CAMInterpretation.from_learner(learn)
    wrong = interp.misclassified().idx.sort_values().to_numpy()
    ids = np.sort(np.random.default_rng(seed).choice(wrong, min(n, len(wrong)), replace=False)).tolist()
    print(f'{interp.table.correct.mean():.2%} of {len(interp.table):,} right; {len(ids)} of {len(wrong):,} mistakes', flush=True)
    return learn,interp,ids

def about(learn, interp, run):
    "What is known of a network"
    c = learn.config
    sha = hashlib.sha256((Path(run)/'model.safetensors').read_bytes()).hexdigest() if run else c['sha256']
    return dict(arch=c['arch'], recipe=c['recipe'], epochs=sum(o['epochs_done'] for o in c['fits']), sha256=sha,
        accuracy=float(interp.table.correct.mean()), n_test=len(interp.table), mistakes=int((~interp.table.correct).sum()))

def keep(out, name, res):
    "Put `res` under its name into the file, in one step; what has no more inside stands on a line"
    out = Path(out)
    text = json.dumps((json.loads(out.read_text()) if out.exists() else {}) | {name: res}, indent=1)
    tmp = out.with_suffix('.tmp')
    tmp.write_text(re.sub(r'\{[^{}]*\}', lambda m: ' '.join(m[0].split()), text)+'\n')
    tmp.replace(out)

@call_parse
def main(
    run:str='', # A run folder; by default the network that comes with the package
    name:str='pretrained', # What the network is called in FILE
    data:str='', # A folder or archive, or digits; by default where the run had it from
    n:int=200, # Mistakes
    seed:int=1, # Of the draw, and of all else
    methods:str='', # Names with commas between them; by default all that `cam_methods` lists
    layers:str='', # Likewise; by default all stages but the first
    mosaics:int=200, # For `focus`
    n_random:int=50, # For `randomisation`
    jobs:int=2, # Layers that are measured at the same time, each by a process
    out:str=str(here/'results/faith.json') # JSON file
):
    "Measure"
    from cifar_cam.all import cam_class, cam_methods, find_layers, hardware, mosaics as squares, stages, torch, unwrap, versions
    t0 = time.perf_counter()
    methods = [cam_class(o).__name__.lower().replace('_', '') for o in methods.split(',')] if methods else list(cam_methods().index)
    learn,interp,ids = mistakes(run, data, n, seed)
    model = unwrap(learn).eval()
    layers = list(find_layers(model, layers.split(','))) if layers else list(stages(model))[1:]
    x,ts = interp.inputs(ids).cpu().as_subclass(torch.Tensor),interp.decoded[ids].tolist()
    squares(x, ts, 1, seed)   # can there be any?
    todo = [(o,[m for m in methods if m!='fullgrad']) for o in reversed(layers)] + [(whole,['fullgrad'])]*('fullgrad' in methods)
    todo = [o for o in todo if o[1]]
    f = partial(one_layer, model, x, ts, seed, mosaics, n_random, max(1, torch.get_num_threads()//jobs))
    if jobs==1: done = list(map(f, todo))
    else:
        with ProcessPoolExecutor(jobs, get_context('spawn')) as pool: done = list(pool.map(f, todo))
    rows,random,blob = zip(*done)
    res = about(learn, interp, run) | dict(n=len(ids), seed=seed, target='predicted', mosaics=mosaics, n_random=n_random,
        hardware=hardware(next(model.parameters()).device), jobs=jobs, versions=versions(), seconds=round(time.perf_counter()-t0),
        controls=[blob[0], *random], maps=sum(rows, []))
    keep(out, name, res)
    print(f'{res["seconds"]} s; recorded as {name} in {out}')
