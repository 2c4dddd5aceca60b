"""Wrong labels planted among the training pictures of the digits: how well each judgement finds them

    python benchmarks/planted.py [--share 0.05] [--n-train 1000] [--epochs 8] [--width 8] [--folds 3] [--seed 1] [--out FILE]

A network is trained on the labels, the wrong ones too. Judges are: itself, which saw them; a linear classifier on its features, that
did not see the label of the picture it judges, though the features did; the labels of the nearest neighbours; both; and networks
trained on other parts of the pictures, the whole way.
"""
import json, tempfile
from pathlib import Path
from fastcore.script import call_parse

def judged(interp, found, bad, np):
    "Precision among as many as there are wrong ones, and average precision, of a ranking `found`"
    first = bad[found.idx.to_numpy()]
    ap = (np.cumsum(first)/np.arange(1, len(first)+1))[first].mean()
    return dict(precision=round(float(first[:bad.sum()].mean()), 4), average_precision=round(float(ap), 4))

@call_parse
def main(
    share:float=.05, # Of the labels
    n_train:int=1000, # Pictures
    epochs:int=8, # Of each network
    width:int=8, # Channels of the first stage
    folds:int=3, # Networks of the whole way
    seed:int=1, # Decides which labels are wrong, and all else
    out:str='' # JSON file
):
    "Measure"
    from cifar_cam.all import CAMInterpretation, cifar_dls, cross_validate, digits_path, np, pd, train_run
    rng,tmp = np.random.default_rng(seed),Path(tempfile.mkdtemp())
    dls = cifar_dls(digits_path(), n_train=n_train, n_valid=200)
    t = pd.DataFrame(dict(file=list(map(str, dls.train.items)), split='train'))
    t['label'] = [Path(o).parent.name for o in t.file]
    some = rng.choice(len(t), round(share*len(t)), replace=False)
    t.loc[some,'label'] = [str((int(o)+rng.integers(1, 10))%10) for o in t.label[some]]
    wrong = set(t.file[some])
    valid = pd.DataFrame(dict(file=list(map(str, dls.valid.items)), split='valid'))
    valid['label'] = [Path(o).parent.name for o in valid.file]
    learn = train_run(pd.concat([t,valid], ignore_index=True), tmp/'run', recipe='fast', epochs=epochs, width=width, seed=seed, workers=0)
    interp = CAMInterpretation.from_learner(learn)
    bad = np.array([str(o) in wrong for o in learn.dls.train.items])
    seen = CAMInterpretation.from_learner(learn, 0)
    res = {'the network itself': judged(interp, seen.label_issues(most=None), bad, np)}
    for by in 'normalized_margin','self_confidence','confidence_weighted_entropy','neighbours','combined':
        res[f'on features, {by}'] = judged(interp, interp.label_issues('train', by, most=None), bad, np)
    probs = cross_validate(learn, tmp/'folds', folds, workers=0)
    for by in 'normalized_margin','self_confidence','combined':
        res[f'the whole way, {by}'] = judged(interp, interp.label_issues('train', by, probs, None), bad, np)
    said = interp.label_issues('train').attrs['said']
    res = dict(share=share, n=len(bad), wrong=int(bad.sum()), epochs=epochs, width=width, folds=folds, seed=seed,
               accuracy=float(interp.table.correct.mean()), accuracy_in_training=float(seen.table.correct.mean()), said=said, judges=res)
    print(json.dumps(res, indent=2))
    if out: Path(out).write_text(json.dumps(res, indent=2)+'\n')
