"""How well rankings of doubtful labels find those that people, too, disagree with, in CIFAR-10's test pictures

    python benchmarks/doubt.py --run RUN --humans FILE [--rounds 1000] [--quick] [--out FILE]

FILE is a CSV with the columns file, humans_top (the class that most of about 51 people chose, CIFAR-10H, Peterson et al. 2019) and
mturk_given (how many of five people took the label, of the 275 pictures that were asked about, Northcutt et al. 2021). Only totals
leave it. A label is wrong by `other` if people as a group chose another class, by `refused` if fewer than three of five took it.
For each ranking: the precision among the first 50 and 100 and the average precision, with 95 % intervals by the bootstrap over pictures.
The 275 were chosen with the help of a ranking much like these: `refused` favours such rankings, `other` does not.
"""
import json
from pathlib import Path
from fastcore.script import call_parse, store_true

def figures(np, scores, wrong, rounds, seed=1):
    "Precision among the first 50 and 100, and average precision, with intervals; the lowest of `scores` come first"
    def of(s, w):
        first = w[np.argsort(s, kind='stable')]
        return first[:50].mean(),first[:100].mean(),(np.cumsum(first)/np.arange(1, len(w)+1))[first].mean()
    rng,n = np.random.default_rng(seed),len(wrong)
    many = [of(scores[i],wrong[i]) for i in (rng.integers(0, n, n) for _ in range(rounds))]
    ends = np.percentile(many, [2.5,97.5], axis=0).round(4).T.tolist()
    names = 'first_50','first_100','average_precision'
    return {k: dict(value=round(float(v), 4), interval=e) for k,v,e in zip(names, of(scores, wrong), ends)}

def rankings(interp, np, quick):
    "Scores of all pictures by each ranking, the lowest the most doubtful"
    res,n = dict(loss=-interp.table.loss.to_numpy(float)),len(interp.table)
    for by in 'confidence self_confidence normalized_margin confidence_weighted_entropy confident_learning neighbours combined'.split():
        if quick and by in ('neighbours','combined'): continue
        try: t = interp.label_issues(by=by, most=None)
        except ImportError as e: print(f'left out: {e}'); continue
        res[by] = np.full(n, float(n))   # those that confident learning does not name come last, in no order
        res[by][t.idx] = range(len(t))
        print(f'ranked by {by}', flush=True)
    return res

@call_parse
def main(
    run:str='', # A run folder, of CIFAR-10
    humans:str='', # What people saw
    rounds:int=1000, # Of the bootstrap
    quick:store_true=False, # Leave out what needs features of the training set, a pass over 50,000 pictures
    out:str='' # JSON file
):
    "Measure"
    from cifar_cam.all import CAMInterpretation, hardware, load_run, np, torch, versions
    interp = CAMInterpretation.from_learner(load_run(run))
    t = interp.people_disagree(humans)
    wrong = {k: t[k].to_numpy() for k in ('other','refused')} | dict(either=(t.other|t.refused).to_numpy())
    m = t[~t.correct]
    scores,doubt = rankings(interp, np, quick),interp.label_issues()
    res = dict(accuracy=float(interp.table.correct.mean()), n=len(t), epochs=interp.learn.config.get('epochs_done'),
        width=(interp.learn.config.get('arch') or {}).get('width'), wrong={k: int(v.sum()) for k,v in wrong.items()},
        mistakes=dict(n=len(m), other=int(m.other.sum()), refused=int(m.refused.sum()), either=int((m.other|m.refused).sum())),
        doubtful=dict(n=len(doubt), said=doubt.attrs['said'], **{k: int(v[t.idx.isin(doubt.idx)].sum()) for k,v in wrong.items()}),
        rankings={k: {w: figures(np, s[t.idx], o, rounds) for w,o in wrong.items()} for k,s in scores.items()}, rounds=rounds,
        hardware=hardware(torch.device('cpu')), versions=versions())
    for w in wrong:
        print(f'\n{w}: {wrong[w].sum()} labels\n{"":30s}first 50  first 100  average precision')
        for k,v in res['rankings'].items():
            a,b,c = v[w].values()
            lo,hi = c['interval']
            print(f'{k:30s}{a["value"]:8.0%}  {b["value"]:9.0%}  {c["value"]:.3f} ({lo:.3f} to {hi:.3f})')
    if out: Path(out).write_text(json.dumps(res, indent=2)+'\n')
