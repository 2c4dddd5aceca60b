"""The circle: wrong labels are planted, found, marked on the page in a browser, and a network is trained again with labels.csv

`python -m pytest -s tests/test_circle.py` prints the figures.
"""
import random, shutil, time

from cifar_cam.compare import compare
from cifar_cam.files import digits_path, picture_files
from cifar_cam.interp import CAMInterpretation
from cifar_cam.labels import read_labels
from cifar_cam.page import open_run
from cifar_cam.recipe import recipe
from cifar_cam.run import train_run

def planted(data, n_train=700, share=.05):
    "The digits in `data`, of which `share` of the training pictures are in another class; by file, what they are"
    shutil.copytree(digits_path(), data)
    train,rng,wrong = set(picture_files(data/'train', n_train)),random.Random(1),{}
    for f in picture_files(data/'train'):
        if f not in train: f.rename(data/'test'/f.parent.name/f.name)
    for f in rng.sample(sorted(train), int(share*n_train)):
        to = data/'train'/rng.choice([o for o in '0123456789' if o!=f.parent.name])/f.name
        f.rename(to)
        wrong[to.relative_to(data).as_posix()] = f.parent.name
    return wrong

def train(data, out, **kwargs):
    "A small network that learns its labels by heart, the wrong ones too"
    r = recipe('baseline', epochs=8, step_size=6, gamma=.2, augs='none', lr=.03)
    return train_run(data, out, r, width=8, size=16, precision='fp32', **kwargs)

def ranks(interp, wrong):
    "Training pictures, those first whose label is most doubtful, by loss and by `label_issues`; how many of the first are wrong is printed"
    by = dict(loss=interp.table.sort_values('loss', ascending=False), doubt=interp.label_issues(of='train', by='combined', most=None))
    n = len(wrong)
    for k,o in by.items():
        hits = o.file.isin(wrong)
        print(f'{k}: of the first {n}, {hits[:n].sum()} are wrong; of the first {2*n}, {hits[:2*n].sum()} of {n} are found')
    return by

def mark(browser, run, looked, wrong, classes, limit=120):
    "Look at pictures on the page of a run, and say what they are"
    its,until = open_run(run),time.time()+limit
    try:
        while not its.desk.features and time.time()<until: time.sleep(.05)   # all pictures have been predicted, and more
        tab = browser.new_page()
        for i,file in looked:
            tab.goto(f'{its.url}#train-{i}')
            tab.locator('#sight', has_text=file).wait_for()
            tab.click(f'[data-mark={"w" if file in wrong else "r"}]')
            if file not in wrong: continue
            tab.select_option('#label', value=str(list(classes).index(wrong[file])))
            tab.click('#keep')
        while len(read_labels(run/'labels.csv'))<len(looked) and time.time()<until: tab.wait_for_timeout(50)
        tab.close()
        assert time.time()<until, f'not done in {limit} s'
    finally: its.close()

def there(folder): return sorted((str(o), o.stat().st_mtime_ns) for o in folder.rglob('*'))

def test_circle(tmp_path, browser):
    "From wrong labels to a better network, and the originals stay as they are"
    data = tmp_path/'data'
    wrong = planted(data)
    before,files = train(data, tmp_path/'before'),there(data)
    interp = CAMInterpretation.from_learner(before, ds_idx=0)
    by,n = ranks(interp, wrong),len(wrong)
    found = {k: o.file[:2*n].isin(wrong).sum() for k,o in by.items()}
    assert min(found.values())>=.7*n
    looked = list(by['doubt'][['idx','file']][:2*n].itertuples(index=False, name=None))
    mark(browser, before.run_path, looked, wrong, interp.vocab)
    t = read_labels(before.run_path/'labels.csv').set_index('file')
    assert set(t.index)=={o for _,o in looked} and all(t.label[o]==wrong.get(o, t.was[o]) for o in t.index)
    after = train(data, tmp_path/'after', labels=before.run_path/'labels.csv')
    assert after.dls.source['labels_used']['changed']==dict(train=found['doubt']) and there(data)==files
    its = compare(before.run_path, after.run_path).results.iloc[1]
    print(f'{its.n} pictures: {its.difference:+.2%} ({its.from_:+.2%} to {its.to:+.2%}), p={its.p:.2g}')
    assert its.from_<=its.difference<=its.to and its.difference>0
