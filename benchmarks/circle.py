"""The circle on CIFAR-10: wrong labels planted in the training set, found, put right in labels.csv, and trained again

`python benchmarks/circle.py` plants them in 5 % of 10,000 training pictures, trains a narrow ResNet18, ranks the labels by loss and by
`label_issues`, puts right what is wrong among the first 1,000 of the latter, trains again, and compares both on 5,000 test pictures.
Who looks at the pictures is played by the planted labels themselves. Writes benchmarks/results/circle.json; takes some minutes.
"""
import json, random, sys, tempfile, time
from pathlib import Path

import pandas as pd
from cifar_cam.checkpoint import hardware, versions
from cifar_cam.compare import compare
from cifar_cam.files import cifar10_path, cifar10_vocab
from cifar_cam.interp import CAMInterpretation
from cifar_cam.labels import add_labels
from cifar_cam.layouts import find_pictures
from cifar_cam.recipe import recipe
from cifar_cam.run import train_run

n_train,n_test,share,epochs,width,seed = 10_000,5_000,.05,5,8,1

def planted(path):
    "A table of pictures, some of them with a wrong label, and what those are, by file"
    t = find_pictures(path, n_train, n_test, seed=seed).table[['file','label','split']].reset_index(drop=True)
    rng,truth = random.Random(seed),{}
    for i in rng.sample(t.index[t.split=='train'].tolist(), int(share*n_train)):
        truth[str(t.file[i])] = t.label[i]
        t.loc[i,'label'] = rng.choice([o for o in cifar10_vocab if o!=t.label[i]])
    return t,truth

def figures(ranked, truth):
    "Precision among the first, as many as are wrong and twice as many, and the share of the wrong ones that is found there"
    hits,n = ranked.file.map(lambda o: str(Path.cwd()/o) in truth).to_numpy(),len(truth)
    return {f'first {k:,}': dict(precision=float(hits[:k].mean()), recall=float(hits[:k].sum()/n)) for k in (n//5, n, 2*n)}

def main():
    start,tmp = time.time(),Path(tempfile.mkdtemp())
    t,truth = planted(cifar10_path())
    how = dict(recipe=recipe('fast', epochs=epochs), width=width, seed=seed)
    before = train_run(t, tmp/'before', **how)
    by_loss = CAMInterpretation.from_learner(before, ds_idx=0).table.sort_values('loss', ascending=False)
    doubted = CAMInterpretation.from_learner(before).label_issues(of='train', by='combined', most=None)
    looked = doubted[:2*len(truth)]
    right = [truth.get(str(Path.cwd()/o.file), o.actual) for o in looked.itertuples()]
    why = ['right label' if r==o else 'wrong label' for r,o in zip(right, looked.actual)]
    rows = looked.assign(label=right, was=looked.actual, why=why)[['file','label','was','why']]
    add_labels(before.run_path/'labels.csv', rows)
    after = train_run(t, tmp/'after', **how, labels=before.run_path/'labels.csv')
    its = compare(before, after).results
    res = dict(n_train=n_train, n_test=len(after.dls.valid_ds), wrong=len(truth), epochs=epochs, width=width, seed=seed, recipe='fast',
        put_right=after.dls.source['labels_used']['changed'], by_loss=figures(by_loss, truth), by_label_issues=figures(doubted, truth),
        accuracy=its.accuracy.round(4).tolist(), gain={k: float(its.iloc[1][k]) for k in ('difference','from_','to','p','repaired','new')},
        seconds=round(time.time()-start), hardware=f'{hardware(after.dls.device)}, beside other work', versions=versions(),
        date=time.strftime('%Y-%m-%d'))
    text = json.dumps(res, indent=1)
    (Path(__file__).parent/'results'/'circle.json').write_text(text + '\n')
    print(text)

if __name__=='__main__': sys.exit(main())
