"""The circle on CIFAR-10: wrong labels planted in the training set, found, put right in labels.csv, and trained again

`python benchmarks/circle.py` plants them in 5 % of 20,000 training pictures, trains a ResNet18 of width 16, and ranks the labels: by the
network's own loss, by `label_issues`, and by the mean of both. Of the first 1,000 pictures by that mean it is said on the page of the run,
in Chromium, what they are. It trains again with the labels.csv of the page, and compares both networks on the 10,000 test pictures.
Who looks at the pictures is played by the planted labels themselves. Writes benchmarks/results/circle.json; takes about half an hour.
"""
import json, random, sys, tempfile, time
from pathlib import Path

import numpy as np
from fastcore.script import call_parse
from playwright.sync_api import sync_playwright
from sklearn.metrics import average_precision_score
from cifar_cam.checkpoint import hardware, versions
from cifar_cam.compare import compare
from cifar_cam.files import cifar10_path, cifar10_vocab
from cifar_cam.interp import CAMInterpretation
from cifar_cam.layouts import find_pictures
from cifar_cam.recipe import recipe
from cifar_cam.run import load_run, train_run

here = Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent/'tests'))
from conftest import CHROMIUM   # noqa: E402
from test_circle import mark   # noqa: E402

n_train,n_test,share,seed = 20_000,10_000,.05,1

def planted(path):
    "A table of pictures, some of them with a wrong label, and what those are, by file"
    t = find_pictures(path, n_train, n_test, seed=seed).table[['file','label','split']].reset_index(drop=True)
    rng,truth = random.Random(seed),{}
    for i in rng.sample(t.index[t.split=='train'].tolist(), int(share*n_train)):
        truth[str(t.file[i])] = t.label[i]
        t.loc[i,'label'] = rng.choice([o for o in cifar10_vocab if o!=t.label[i]])
    return t,truth

def rankings(learn):
    "Training pictures with their files, and scores of all by each ranking, the lowest the most doubtful"
    own = CAMInterpretation.from_learner(learn, ds_idx=0)
    interp,loss = CAMInterpretation.from_learner(learn),own.table.sort_values('idx').loss.to_numpy(float)
    res = {'loss': -loss}
    for by in ('self_confidence','combined'):
        t = interp.label_issues(of='train', by=by, most=None).sort_values('idx')
        res[f'label_issues, {by}'] = t.label_quality.to_numpy(float)
    res['mean of loss and label_issues'] = np.exp(-loss) + res['label_issues, self_confidence']   # both are probabilities of the label
    return t,res

def figures(wrong, scores):
    "Precision among the first, as many as are wrong and twice as many, and the share of the wrong ones that is found there"
    first,n = wrong[np.argsort(scores, kind='stable')],int(wrong.sum())
    its = {f'first {k:,}': dict(precision=float(first[:k].mean()), recall=float(first[:k].sum()/n)) for k in (n//5, n, 2*n)}
    return its | dict(average_precision=round(average_precision_score(wrong, -scores), 4))

@call_parse
def main(
    out:str='', # Folder of the two runs; by default a temporary one
    epochs:int=16, # Of each training
    width:int=16 # Of each network
):
    "Plant, find, mark, train again, compare"
    out = Path(out or tempfile.mkdtemp())
    table,truth = planted(cifar10_path())
    how = dict(recipe=recipe('fast', epochs=epochs), width=width, seed=seed, resume=True)
    learn = train_run(table, out/'before', **how)
    t,scores = rankings(learn)
    full = [str(Path.cwd()/o) for o in t.file]
    wrong = np.array([o in truth for o in full])
    found = {k: figures(wrong, v) for k,v in scores.items()}
    print(json.dumps(found, indent=1), flush=True)
    first = np.argsort(scores['mean of loss and label_issues'], kind='stable')[:len(truth)]
    looked = [(int(t.idx.iloc[i]), t.file.iloc[i]) for i in first]
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        its = {t.file.iloc[i]: truth[full[i]] for i in first if wrong[i]}
        mark(browser, learn.run_path, looked, its, learn.dls.vocab, limit=1800)
    after = train_run(table, out/'after', **how, labels=learn.run_path/'labels.csv')
    its = compare(load_run(out/'before'), load_run(out/'after')).results
    res = dict(n_train=n_train, n_test=len(after.dls.valid_ds), wrong=len(truth), epochs=epochs, width=width, seed=seed, recipe='fast',
        marked=len(looked), put_right=after.dls.source['labels_used']['changed'], rankings=found,
        accuracy=its.accuracy.round(4).tolist(), gain={k: float(its.iloc[1][k]) for k in ('difference','from_','to','p','repaired','new')},
        hardware=f'{hardware(after.dls.device)}, beside other work', versions=versions(),
        date=time.strftime('%Y-%m-%d'))
    text = json.dumps(res, indent=1)
    (here/'results'/'circle.json').write_text(text + '\n')
    print(text)
