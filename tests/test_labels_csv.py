"""labels.csv beside others who write it, in processes that are killed, and in the shell"""
import itertools, json, multiprocessing, os, random, time, unicodedata
from contextlib import suppress
from pathlib import Path

import pandas as pd, pytest
from PIL import Image
from fastai.callback.core import Callback
from cifar_cam.cli import main
from cifar_cam.labels import add_labels, read_labels
from cifar_cam.layouts import find_pictures
from cifar_cam.run import load_run, train_run

posix = os.name=='posix'
mp = multiprocessing.get_context('fork' if posix else 'spawn')   # a fork need not import torch again

def write(fn, who, n, out):
    "Add two rows at once, `n` times, and tell after each"
    for i in range(n):
        add_labels(fn, [dict(file=f'train/{who}/{j}.png', label='cat', why='right label') for j in (2*i,2*i+1)])
        out.send(i)

def writer(fn, who, n):
    told,out = mp.Pipe(False)
    p = mp.Process(target=write, args=(fn, who, n, out), daemon=True)
    p.start()
    out.close()
    return p,told

def test_writers_at_once(tmp_path):
    "Nobody's rows are lost"
    fn,n = tmp_path/'labels.csv',8
    them = [writer(fn, who, n)[0] for who in range(4)]
    for o in them: o.join(120)
    assert [o.exitcode for o in them]==[0]*4
    assert sorted(read_labels(fn).file)==sorted(f'train/{who}/{j}.png' for who in range(4) for j in range(2*n))
    assert {o.name for o in tmp_path.iterdir()} <= {'labels.csv','.labels.csv.lock'}

@pytest.mark.skipif(not posix, reason='kill -9')
def test_killed(tmp_path):
    "Whoever is killed leaves a whole file, with all that it had been told was written, and nobody waits for the dead"
    fn,done = tmp_path/'labels.csv',0
    for who in range(6):
        p,told = writer(fn, who, 10**6)
        for _ in range(3): last = told.recv()
        time.sleep(random.Random(who).random()*.02)
        p.kill()
        with suppress(EOFError):
            while True: last = told.recv()
        p.join()
        files = [o for o in read_labels(fn).file if o.startswith(f'train/{who}/')]
        assert len(files)%2==0 and len(files)//2 in (last+1,last+2), 'half of what was written at once, or none of it'
        done += len(files)
    start = time.time()
    assert len(add_labels(fn, [dict(file='a.png', label='dog')]))==done+1 and time.time()-start<5
    assert not list(tmp_path.glob('.*unfinished'))

@pytest.mark.parametrize('new,wins', [('2024-05-02T10:00:00Z', True), ('2024-05-01T10:00:00Z', True), ('2024-05-01T09:59:59Z', False),
    ('2024-05-01T11:30:00+02:00', False), ('2024-04-30', False), ('last week', True), ('', True), (None, True)])
def test_the_later_row_is_kept(tmp_path, new, wins):
    "Whichever file is read into the other; a row without a time is of now"
    fn,other = tmp_path/'a.csv',tmp_path/'b.csv'
    add_labels(fn, [dict(file='x.png', label='cat', was='fox', why='new', when='2024-05-01T10:00:00Z')])
    t = add_labels(fn, [dict(file='x.png', label='dog', why='old', when=new)])
    row = t.iloc[0]
    assert (row.label,row.why,row.was)==(('dog','old','fox') if wins else ('cat','new','fox'))
    assert row.when==(new or row.when if wins else '2024-05-01T10:00:00Z') and (new or not wins or row.when>'2025')
    if wins: return
    add_labels(other, [dict(file='x.png', label='dog', when=new)])
    assert add_labels(other, read_labels(fn)).label.tolist()==['cat']

def test_waits_in_vain(tmp_path, monkeypatch):
    "A lock that is not given up is said, and nothing is written"
    import cifar_cam.labels as its
    fn = tmp_path/'labels.csv'
    with its._locked(fn):
        monkeypatch.setattr(its, '_locked', lambda fn: its.FileLock(fn.with_name(f'.{fn.name}.lock'), timeout=.1))
        with pytest.raises(TimeoutError, match='another process'): add_labels(fn, [dict(file='a', label='b')])
    assert not fn.exists()

def test_a_link_stays(tmp_path):
    "What a link leads to is written, and the link stays"
    (tmp_path/'at').mkdir()
    (tmp_path/'labels.csv').symlink_to(tmp_path/'at'/'own.csv')
    add_labels(tmp_path/'labels.csv', [dict(file='a', label='b')])
    assert (tmp_path/'labels.csv').is_symlink() and len(read_labels(tmp_path/'at'/'own.csv'))==1

def world(path, n=4):
    "Two classes in two sets"
    for k,(split,c,i) in enumerate(itertools.product(('train','test'), ('cat','dög'), range(n))):
        (path/split/c).mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (16,16), (9*k,200*(c=='cat'),0)).save(path/split/c/f'{i}.png')
    return path

@pytest.mark.parametrize('text', ['file;label;was;why;when\ntrain/cat/0.png;dög\n', 'file,label,,\ntrain/cat/0.png,dög,,\n'])
def test_fields_that_a_spreadsheet_leaves_out_or_adds(tmp_path, text):
    "Empty ones at the end of lines, and columns without a name, are no matter, and none of them come back"
    data,fn = world(tmp_path/'data'),tmp_path/'labels.csv'
    fn.write_text(text, encoding='utf-8')
    assert find_pictures(data).relabel(fn).relabelled.record['changed']=={'train': 1}
    assert add_labels(fn, [dict(file='train/cat/1.png', label='')]).columns.tolist()==['file','label','was','why','when']

def test_in_the_shell(tmp_path, capsys):
    "`--labels` counts in the first line, is kept with the run, and is what its report says"
    data,fn = world(tmp_path/'data'),tmp_path/'my labels.csv'
    rows = 'file;label;was', 'train/cat/0.png;do\u0308g;cat', 'train/dög/1.png;;dög', 'test/cat/1.png;cat;cat', 'test/dög/0.png;cat;dög'
    fn.write_bytes('\r\n'.join(['\ufeff'+rows[0], *rows[1:]]).encode())
    small = ['--data', str(data), '--epochs', '1', '--width', '2', '--size', '16', '--labels', str(fn)]
    assert main(['run', *small, '--out', str(tmp_path/'run'), '--mistakes', '3', '--k', '2'])==0
    said = capsys.readouterr().out.splitlines()[0]
    assert 'my labels.csv: 2 labels changed, 1 picture left out, 1 found right (1 in test: accuracy there is on labels put right)' in said
    its = json.loads((tmp_path/'run'/'config.json').read_text())['data']['labels_used']
    assert its['changed']==dict(train=1, test=1) and its['file']==str(fn)
    assert '2 labels changed' in (tmp_path/'run'/'report.html').read_text(encoding='utf-8')
    t = pd.read_csv(tmp_path/'run'/'predictions.csv').set_index('file')
    assert t.actual['test/dög/0.png']=='cat' and len(t)==8
    fn.write_text(fn.read_text(encoding='utf-8').replace('dög/0','dög/9'), encoding='utf-8')
    assert main(['train', *small, '--out', str(tmp_path/'other')])==1
    assert 'there is no picture test/dög/9.png in' in capsys.readouterr().err and not (tmp_path/'other').exists()

def test_a_new_class(tmp_path, capsys):
    "A label that is no class is most often a slip, and one only where that is asked for"
    data,fn = world(tmp_path/'data'),tmp_path/'labels.csv'
    add_labels(fn, [dict(file=f'train/cat/{i}.png', label='fox', was='cat') for i in range(2)])
    small = ['--data', str(data), '--epochs', '1', '--width', '2', '--size', '16', '--labels', str(fn)]
    assert main(['train', *small, '--out', str(tmp_path/'run')])==1
    assert 'there is cat, dög; --new-classes makes new ones' in capsys.readouterr().err
    assert main(['train', *small, '--out', str(tmp_path/'run'), '--new-classes'])==0
    assert list(load_run(tmp_path/'run').dls.vocab)==['cat','dög','fox']

def test_an_unfinished_run_goes_on_with_its_labels(tmp_path):
    "Checkpoints of other labels are refused"
    class Stop(Callback):
        def before_epoch(self):
            if self.epoch==1: raise KeyboardInterrupt
    data = world(tmp_path/'data')
    put = pd.DataFrame(dict(file=['train/cat/0.png'], label=['dög']))
    small = dict(data=data, out=tmp_path/'run', epochs=2, width=2, size=16)
    with pytest.raises(KeyboardInterrupt): train_run(**small, labels=put, check=lambda o: o.add_cb(Stop()))
    with pytest.raises(ValueError): train_run(**small, resume=True)
    assert len(train_run(**small, labels=put, resume=True).history.epochs)==2

@pytest.mark.parametrize('fault', ['gone', 'damaged'])
def test_a_run_whose_labels_are_damaged(tmp_path, fault):
    "It is said which file it is"
    data = world(tmp_path/'data')
    put = pd.DataFrame(dict(file=['train/cat/0.png'], label=['dög']))
    train_run(data, tmp_path/'run', epochs=1, width=2, size=16, labels=put)
    fn = tmp_path/'run'/'labels_used.csv'
    if fault=='gone': fn.unlink()
    else: fn.write_text('file,label\na,b,c\n')
    with pytest.raises((ValueError,FileNotFoundError), match='labels_used.csv'): load_run(tmp_path/'run')

def test_held_out_and_some(tmp_path):
    "Where pictures are held out, or not all taken, a run finds its own again, with the labels as they were used"
    data = world(tmp_path/'data', 8)/'train'
    def names(**kw): return [o.relative_to(data).as_posix() for o in find_pictures(data, valid_pct=.4, **kw).files()]
    taken,there = names(n_train=6),names()
    put = {o: '' for o in [taken[0],*there] if o==taken[0] or o not in taken} | {taken[-1]: 'cat'}
    small = dict(epochs=1, width=2, size=16, valid_pct=.4, n_train=6)
    learn = train_run(data, tmp_path/'run', labels=pd.DataFrame(dict(file=put.keys(), label=put.values())), **small)
    assert learn.dls.source['labels_used']['not_taken']==len(put)-2>0 and len(learn.dls.train_ds)==5
    assert load_run(tmp_path/'run').dls.source==learn.dls.source
    assert 'labels_used' not in train_run(data, tmp_path/'plain', **small).dls.source

def test_two_spellings_of_a_name(tmp_path):
    "Two files with one name in two spellings of Unicode: a row is of the one that it spells; of one file, in either spelling"
    composed,apart = (unicodedata.normalize(o, 'é.png') for o in ('NFC','NFD'))
    for c,names in dict(cat=(composed,apart,'x.png'), dog=(apart,'y.png','z.png')).items():
        (tmp_path/c).mkdir()
        for o in names: Image.new('RGB', (4,4)).save(tmp_path/c/o)
    if len(list((tmp_path/'cat').iterdir()))<3: pytest.skip('this system has one of the two')
    rows = [(f'cat/{composed}','dog'), (f'dog/{composed}','cat')]
    t = find_pictures(tmp_path).relabel(pd.DataFrame(rows, columns=['file','label'])).table
    now = {f'{o.parent.name}/{o.name}': k for o,k in zip(t.file, t.label)}
    assert now[f'cat/{composed}']=='dog' and now[f'cat/{apart}']=='cat' and now[f'dog/{apart}']=='cat'
