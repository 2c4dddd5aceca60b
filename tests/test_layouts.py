"Data as people have it: 300 photos of 200x150, held in all ways, in class folders, in a table and in three sets; and what is refused"
import json, os, re, shutil, tarfile, warnings, zipfile
from itertools import product

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images
from cifar_cam.cli import main
from cifar_cam.data import cifar_block, cifar_dls
from cifar_cam.files import load_rgb
from cifar_cam.interp import CAMInterpretation
from cifar_cam.layouts import Pictures, find_pictures
from cifar_cam.report import explain_run
from cifar_cam.run import load_run, run_config, train_run

SMALL = dict(width=8, epochs=1, size=16)
BACK = 'FLIP_LEFT_RIGHT ROTATE_180 FLIP_TOP_BOTTOM TRANSPOSE ROTATE_90 TRANSVERSE ROTATE_270'.split()   # of EXIF's 2 to 8

def photos(path, n=100):
    "Parts of two photos, and drawn discs, 200x150, stored as a camera stores them in each of the eight ways of holding it"
    rng,sources = np.random.default_rng(0),[Image.fromarray(o) for o in load_sample_images().images]
    yy,xx = np.mgrid[:150,:200]
    for c in range(3):
        (path/f'class {c}').mkdir(parents=True)
        for i in range(n):
            x,y = rng.integers(40, 110, 2)
            disc = np.where(((xx-x)**2+(yy-y)**2<900)[...,None], (250,220,30), rng.integers(0, 200, 3)).astype(np.uint8)
            im = sources[c].crop((x,y,x+400,y+300)).resize((200,150)) if c<2 else Image.fromarray(disc)
            if i%8: im = im.transpose(Image.Transpose[BACK[i%8-1]])
            exif = Image.Exif()
            exif[0x112] = i%8+1
            im.save(path/f'class {c}'/f'{i}.jpg', exif=exif)
    return path

@pytest.fixture(scope='module')
def home(tmp_path_factory):
    "flat/, flat.csv and three/ with the same photos"
    home = tmp_path_factory.mktemp('data')
    photos(home/'flat')
    fs = sorted((home/'flat').rglob('*.jpg'))
    rows = dict(file=[o.relative_to(home) for o in fs], label=[int(o.parent.name[-1]) for o in fs])
    pd.DataFrame(rows).to_csv(home/'flat.csv', index=False)
    for i,o in enumerate(fs):
        to = home/'three'/('train','train','train','valid','test')[i%5]/o.parent.name
        to.mkdir(parents=True, exist_ok=True)
        shutil.copy(o, to)
    return home

@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch): monkeypatch.setenv('FASTAI_HOME', str(tmp_path/'home'))

def small(path, size=(20,15), **folders):
    "A few pictures: `small(path, train_cat=2)` makes two in path/train/cat"
    for k,(name,n) in enumerate(folders.items()):
        to = path/name.replace('_', '/')
        to.mkdir(parents=True, exist_ok=True)
        for i in range(n): Image.new('RGB', size, (60*k%256,i,9)).save(to/f'{i}.png')
    return path

def said(f, *args, **kwargs):
    with warnings.catch_warnings(record=True) as o:
        warnings.simplefilter('always')
        res = f(*args, **kwargs)
    return [str(w.message) for w in o if w.category is UserWarning],res

# trained on

def test_flat(home, tmp_path, capsys):
    learn = train_run(home/'flat', tmp_path/'run', **SMALL)
    out,src = capsys.readouterr().out,run_config(tmp_path/'run')['data']
    assert re.search(r'300 pictures, 3 classes, no split: 20 % held out by `valid_pct`, \d+ to train on and \d+ to validate; '
                     r'200x150 \(20 looked at\) → centre square → 16x16', out), out
    assert src['layout']=='classes' and src['valid_pct']==.2 and src['resize']=='crop' and src['n_train']+src['n_valid']==300
    split = pd.read_csv(tmp_path/'run'/'split.csv')
    assert split.split.value_counts().to_dict()==dict(train=src['n_train'], valid=src['n_valid'])
    assert set(split.label)=={'class 0','class 1','class 2'} and split.file[0]=='class 0/0.jpg'
    words,back = said(load_run, tmp_path/'run')
    assert not words and back.dls.source==learn.dls.source

def test_turned_upright(home):
    "Photos are wide, however the camera was held, and their middle is what is read"
    dls = cifar_dls(home/'flat', size=16)
    fs,images = dls.train.items[::7],dls.train.images[::7]
    assert {Image.open(o).size for o in fs}=={(200,150),(150,200)} and {load_rgb(o).size for o in fs}=={(200,150)}
    middles = [load_rgb(o).crop((25,0,175,150)).resize((16,16), Image.Resampling.BILINEAR) for o in fs]
    a,b = (o[:,2:-2,2:-2].astype(int) for o in (images, np.stack(list(map(np.asarray, middles)))))   # at the edge, what was cut off is seen
    np.testing.assert_allclose(a, b, atol=2)
    assert dls.found.becomes(16, n=300)=='200x150 → centre square → 16x16'

def test_table(home, tmp_path, capsys):
    learn = train_run(home/'flat.csv', tmp_path/'run', resize='pad', **SMALL)
    assert 'padded with black' in capsys.readouterr().out and learn.dls.vocab==[0,1,2]
    assert (learn.dls.valid.images[:,0]==0).all(), 'the bars'
    words,back = said(load_run, tmp_path/'run')
    assert not words and back.dls.source==learn.dls.source and back.dls.vocab==[0,1,2]
    assert back.dls.train.after_item.fs[0].resize=='pad'

def test_frame(home, tmp_path, monkeypatch):
    "A `DataFrame` is kept in split.csv, its split and labels as they are, and read again from elsewhere"
    monkeypatch.chdir(home)
    df = pd.read_csv('flat.csv').assign(label=lambda o: o.label>0, split=['Train','Validation','TEST']*100)
    learn = train_run(df, tmp_path/'run', **SMALL)
    assert learn.dls.vocab==[False,True] and [len(o.dataset) for o in learn.dls]==[100]*3
    monkeypatch.chdir(tmp_path)
    words,back = said(load_run, tmp_path/'run')
    assert not words and back.dls.source==learn.dls.source and back.dls.vocab==[False,True]

@pytest.mark.parametrize('yes, no', [('True','False'), ('1','0'), ('1.0','0.0'), (True,False), (1,0), (np.True_,np.False_)])
def test_fastai_s_column(tmp_path, yes, no):
    "`is_valid`, as fastai's `ColSplitter` has it, in a table and in a DataFrame"
    df = frame(tmp_path, label=list('ababab'), is_valid=[no,no,no,no,yes,yes])
    df.to_csv(tmp_path/'t.csv', index=False)
    for found in map(find_pictures, (df,tmp_path/'t.csv')):
        assert found.names==('train','valid') and found.valid_pct is None and len(found.files('train'))==4 and len(found.files('valid'))==2

def test_labels_stay_text(tmp_path):
    "A column of texts that look like numbers"
    small(tmp_path/'data', cat=4, dog=4)
    df = pd.DataFrame(dict(file=[str(o) for o in sorted((tmp_path/'data').rglob('*.png'))], label=['1','10']*2+['2']*4))
    learn = train_run(df, tmp_path/'run', **SMALL)
    back = load_run(tmp_path/'run')
    assert learn.dls.vocab==['1','10','2']==back.dls.vocab

def test_three(home, tmp_path):
    "valid is looked at while training; mistakes and report are of test, and all that is kept says so"
    learn = train_run(home/'three', tmp_path/'run', **SMALL)
    src = run_config(tmp_path/'run')['data']
    assert (src['sets'],src['n_train'],src['n_valid'],src['n_test'])==(['train','valid','test'],180,60,60)
    assert not (tmp_path/'run'/'split.csv').exists()
    assert json.loads((tmp_path/'run'/'metrics.json').read_text())['set']=='valid'
    interp = explain_run(tmp_path/'run', k=2, mistakes=3)
    assert len(interp.table)==60 and all(o.startswith('test/') for o in interp.table.file)
    assert 'set: test, of which nothing was seen in training; valid was looked at' in repr(interp)
    assert json.loads((tmp_path/'run'/'metrics.json').read_text())['set']=='test'
    page = (tmp_path/'run'/'report.html').read_text()
    assert 'of which nothing was seen in training' in page and '60 to test' in page
    assert 'set:' not in repr(CAMInterpretation.from_learner(learn, 1)) and len(CAMInterpretation.from_learner(learn, ds_idx=0).table)==180

def test_in_the_shell(home, tmp_path, capsys):
    args = ['train', '--data', str(home/'flat'), '--out', str(tmp_path/'run'), '--width', '2', '--epochs', '1', '--size', '16']
    assert main([*args, '--valid-pct', '0.5', '--resize', 'squish', '--n-train', '30'])==0
    out = capsys.readouterr().out
    assert '50 % held out by --valid-pct, 30 of ' in out and 'squished' in out
    assert main([*args, '--valid-pct', '0.5', '--resize', 'squish', '--n-train', '30', '--resume'])==0
    for more,why in (['--resize=pad'],'resize squish'),(['--resize=squish', '--valid-pct=0.4'],'with n_train 30'):
        assert main([*args, '--resume', *more])==1
        assert why in capsys.readouterr().err

# what stays

def test_added_pictures_change_no_run(tmp_path):
    path = small(tmp_path/'data', cat=20, dog=20)
    learn = train_run(path, tmp_path/'run', **SMALL)
    small(path, size=(21,15), cat=60, fish=3)
    (path/'cat'/'0.png').rename(path/'cat'/'moved.png')
    with pytest.raises(ValueError, match='there is no file .*0.png'): load_run(tmp_path/'run')
    (path/'cat'/'moved.png').rename(path/'cat'/'0.png')
    words,back = said(load_run, tmp_path/'run')
    assert back.dls.found.sets()==learn.dls.found.sets() and len(back.dls.vocab)==2
    assert not [o for o in words if 'changed' in o]   # their pixels are the same
    Image.new('RGB', (20,15), 'white').save(path/'cat'/'1.png')
    assert any('they have changed since' in o for o in said(load_run, tmp_path/'run')[0])

def changed_run(path, **kwargs):
    "A run on train/ and test/ in `path`"
    small(path/'data', train_cat=4, train_dog=4, test_cat=3, test_dog=3)
    train_run(path/'data', path/'run', **SMALL, **kwargs)
    return path/'run',path/'data'

@pytest.mark.parametrize('kw,least', [({},1), (dict(n_train=8),1), (dict(n_train=7),1)])
def test_a_picture_that_is_gone(tmp_path, capsys, kw, least):
    "How many there were and are, and not that somebody asked for so many"
    run,data = changed_run(tmp_path, **kw)
    for o in range(2): (data/'train'/'cat'/f'{o}.png').unlink()
    before = (run/'metrics.json').read_text()
    assert main(['explain', str(run), '--mistakes', '0', '--k', '1'])==1
    said = capsys.readouterr().err
    assert f"the run had {kw.get('n_train', 8)} pictures in train of {data}" in said and '6 in 2 classes now: put them back' in said, said
    assert main(['look', str(run), str(data/'test'/'cat'/'0.png')])==0 and 'the run had' in capsys.readouterr().out
    assert (run/'metrics.json').read_text()==before

def test_pictures_that_were_added(tmp_path, capsys):
    "All are taken, as they were; the accuracy of the run stays that of its own pictures, and the report says that these are others"
    run,data = changed_run(tmp_path)
    small(data, size=(21,15), test_cat=5, test_dog=5)
    before = (run/'metrics.json').read_text()
    words,back = said(load_run, run)
    assert len(back.dls.valid_ds)==10 and any('they have changed since' in o for o in words)
    words,interp = said(explain_run, run, k=1)
    assert any('metrics.json stays as it is' in o for o in words) and 'not all as they were in the run' in repr(interp)
    assert 'not all as they were in the run' in (run/'report.html').read_text()
    assert (run/'metrics.json').read_text()==before and len(pd.read_csv(run/'predictions.csv'))==10

def test_some_pictures_are_taken_again(tmp_path):
    learn = train_run(small(tmp_path/'data', train_cat=9, train_dog=9, test_cat=3, test_dog=3), tmp_path/'run', n_train=6, **SMALL)
    words,back = said(load_run, tmp_path/'run')
    assert back.dls.found.sets()==learn.dls.found.sets() and not words and back.dls.source['total']==dict(train=18, valid=6)

def test_run_of_an_older_version(home, tmp_path):
    "Without the keys of today, and of three folders: test was looked at, and is"
    train_run(home/'three', tmp_path/'run', **SMALL)
    fn = tmp_path/'run'/'config.json'
    config = json.loads(fn.read_text())
    config['data'] = {k: config['data'][k] for k in ('path','n_train','seed','size','bs','stats','fingerprint')} | dict(n_valid=50)
    fn.write_text(json.dumps(config))
    dls = load_run(tmp_path/'run').dls
    assert len(dls.loaders)==2 and len(dls.valid_ds)==50 and all('test' in o.parts for o in dls.valid_ds.items)

def test_same_split_by_the_same_names(home):
    "Of a folder and of a CSV in it; by the seed; and each class in both"
    flat = find_pictures(home/'flat')
    pd.DataFrame(dict(file=flat.table.name, label='ab'[0])).assign(label=flat.table.label).to_csv(home/'flat'/'list.csv', index=False)
    table = find_pictures(home/'flat'/'list.csv')
    (home/'flat'/'list.csv').unlink()
    assert [set(o) for o in table.sets()]==[set(o) for o in flat.sets()]
    assert find_pictures(home/'flat', seed=2).files('valid')!=flat.files('valid')
    assert flat.table[flat.table.split=='valid'].label.nunique()==3

def test_kept_once(home, tmp_path):
    "One array for all sets of a flat folder, which sets of another seed are taken from; others for other ways to a square"
    def kept(): return sorted(o.name.rpartition('-')[0] for o in (tmp_path/'home').rglob('*.npy'))
    dls = cifar_dls(home/'flat', size=16)
    assert kept()==['flat-16']
    before = os.stat(next((tmp_path/'home').rglob('*.npy'))).st_mtime_ns
    other = cifar_dls(home/'flat', size=16, seed=2, n_train=30)
    assert kept()==['flat-16'] and os.stat(next((tmp_path/'home').rglob('*.npy'))).st_mtime_ns==before
    where = {f: x for o in dls for f,x in zip(o.items, o.images)}
    for f,x in zip(other.train.items, other.train.images): np.testing.assert_array_equal(x, where[f])
    cifar_dls(home/'flat', size=16, resize='squish')
    assert kept()==['flat-16','flat-16squish']

def test_block_and_arrays_are_the_same(home):
    for data in (home/'flat', home/'flat.csv', home/'three'):
        how = dict(size=16, resize='squish', n_train=30)
        fast = cifar_dls(data, bs=8, **how)
        slow = cifar_block(stats=fast.source['stats'], **how).dataloaders(data, bs=8, num_workers=0)
        assert len(fast.loaders)==len(slow.loaders)
        for a,b in zip(fast.valid, slow.valid): assert (a[0]==b[0]).all() and (a[1]==b[1]).all()

@pytest.mark.parametrize('ext', ['tgz','zip'])
def test_archives(tmp_path, ext):
    "Class folders, a table and three sets, with a folder around them or none"
    flat,three = small(tmp_path/'flat', cat=9, dog=9),small(tmp_path/'three', train_a=2, train_b=2, val_a=1, val_b=1, test_a=1, test_b=1)
    table = small(tmp_path/'table', images=8)
    rows = '\n'.join(f'images/{i}.png;{"no yes".split()[i%2]}' for i in range(8))
    (table/'labels.csv').write_text(f'\ufeffFile;Label\n{rows}\n')
    for path,layout,n in (flat,'classes',18),(three,'folders',8),(table,'table',8):
        for around in '', 'a/b':
            arch = tmp_path/f'{path.name}{len(around)}.{ext}'
            if ext=='tgz':
                with tarfile.open(arch, 'w:gz') as t: t.add(path, around or '.')
            else:
                with zipfile.ZipFile(arch, 'w') as z:
                    for o in path.rglob('*.*'): z.write(o, o.relative_to(path) if not around else f'{around}/{o.relative_to(path)}')
                    z.writestr('__MACOSX/._x', 'junk')
            found = find_pictures(arch)
            assert (found.layout,len(found.table))==(layout,n) and len(find_pictures(arch).table)==n

def test_table_of_an_archive_stays_in_it(tmp_path):
    small(tmp_path/'mine', cat=2)
    arch = small(tmp_path/'arch', images=2)
    for other in tmp_path/'mine'/'cat'/'0.png', '../mine/cat/0.png':
        (arch/'x.csv').write_text(f'file,label\nimages/0.png,a\n{other},b\n')
        with tarfile.open(tmp_path/'x.tgz', 'w:gz') as t: t.add(arch, '.')
        with pytest.raises(ValueError, match='not in the archive|no file'): find_pictures(tmp_path/'x.tgz')
    (arch/'x.csv').write_text(f'file,label\nimages/0.png,a\nimages/1.png,b\n../mine/cat/0.png,a\n{tmp_path}/mine/cat/1.png,b\n')
    assert len(find_pictures(arch).table)==4   # a folder is the user's own

def test_archive_of_two_sets(tmp_path):
    small(tmp_path/'sets', **{f'{a}_{b}_{c}': 2 for a in ('old','new') for b in ('train','test') for c in ('cat','dog')})
    with tarfile.open(tmp_path/'x.tgz', 'w:gz') as t: t.add(tmp_path/'sets', '.')
    with pytest.raises(ValueError, match='x.tgz/new and old both have a folder train'): find_pictures(tmp_path/'x.tgz')

@pytest.mark.parametrize('name', ['labels.tsv','LABELS.CSV'])
def test_table_in_a_folder(tmp_path, name):
    "It says the classes, not the folders that the pictures are in; and pictures that it leaves out are said"
    small(tmp_path/'d', part1=3, part2=3)
    rows = ['file,label', *(f'part{1+i%2}/{i//2}.png,{"cat dog".split()[i>2]}' for i in range(5))]
    put(tmp_path/'d'/name, '\n'.join(rows).replace(',', ',\t'[name[-3:]=='tsv']))
    words,found = said(find_pictures, tmp_path/'d')
    assert set(found.table.label)=={'cat','dog'} and len(found.table)==5
    assert len(words)==1 and '1 other in the folder is not taken, such as ' in words[0] and words[0].endswith('part2/2.png')

def test_table_beside_train(tmp_path):
    "Of loose pictures it says the classes; of class folders it does not, and that is said"
    put(small(tmp_path/'loose', train=4)/'train.csv', 'file,label\n'+'\n'.join(f'train/{i}.png,{"ab"[i%2]}' for i in range(4)))
    assert said(find_pictures, tmp_path/'loose')[1].table.label.tolist().count('a')==2
    put(small(tmp_path/'sets', train_cat=2, train_dog=2, validation_cat=1)/'t.csv', 'file,label\ntrain/cat/0.png,a\ntrain/dog/0.png,b\n')
    words,found = said(find_pictures, tmp_path/'sets')
    assert set(found.table.label)=={'cat','dog'} and found.names==('train','validation')
    assert len(words)==1 and 't.csv is not read: the classes are the folders in' in words[0]

def test_names_of_folders(tmp_path):
    "A class may begin with a line; what a Mac leaves in an archive is none"
    small(tmp_path, **{'-a': 2, '-b': 2})
    for o in 'ab': (tmp_path/f'-{o}').rename(tmp_path/f'_{o}')
    (tmp_path/'__MACOSX').mkdir()
    (tmp_path/'__MACOSX'/'._0.png').touch()
    assert set(find_pictures(tmp_path).table.label)=={'_a','_b'}

@pytest.mark.parametrize('text', ['label, file\na, cat/0.png\nb, dog/0.png\n', 'file, label\ncat/0.png, "a"\n"dog/0.png" , "b"\n',
    'label, "file"\n"a", "cat/0.png"\n"b", "dog/0.png"\n', 'label;file\na; cat/0.png\nb;dog/0.png \n'])
@pytest.mark.parametrize('whole', [False,True])
def test_spaces_around_fields(tmp_path, text, whole):
    "As people write tables: they are no part of a path or a label, and neither are quotes behind them"
    head,rows = text.split('\n', 1)
    fn = csv_of(tmp_path, f'{head}\n' + ''.join(rows.replace('/0', f'/{i}') for i in range(3)))
    found = find_pictures(fn if whole else tmp_path)
    assert {(o.parent.name,l) for o,l in zip(found.table.file, found.table.label)}=={('cat','a'),('dog','b')}

@pytest.mark.parametrize('head,few,many', [('file,label,remarks', '{},{}', '{},{},old'), ('file;label;;', '{};{};;', '{};{}'),
    ('file,label', '{},{},,', '{},{}')])
def test_fields_that_a_spreadsheet_leaves_out(tmp_path, head, few, many):
    "Empty ones at the end of a line, for some lines or for all; but a last line that does not end may be cut"
    rows = [o.format(f'{c}/{i}.png', c[0]) for c in ('cat','dog') for i,o in enumerate((few,many,few))]
    fn = csv_of(tmp_path, '\r\n'.join([head, *rows, '']))
    assert [o.parent.name[0] for o in find_pictures(fn).table.file]==find_pictures(fn).table.label.tolist()
    fn.write_text('file,label,remarks\ncat/0.png,cat,old\ndog/0.png,d')
    with pytest.raises(ValueError, match='line 3 of .* has 2 fields, and the first one 3'): find_pictures(fn)

def test_spaces_in_names_of_files(tmp_path):
    "Those that a file has stay, also in the table that a run keeps"
    small(tmp_path/'data', a=5, b=5)
    for i in range(5): (tmp_path/'data'/'a'/f'{i}.png').rename(tmp_path/'data'/'a'/f' "{i}".png')
    (tmp_path/'data'/'a').rename(tmp_path/'data'/' a')
    learn = train_run(tmp_path/'data', tmp_path/'run', **SMALL)
    assert load_run(tmp_path/'run').dls.source==learn.dls.source and set(learn.dls.vocab)=={' a','b'}

@pytest.mark.skipif(os.name!='posix', reason='pipes of another kind')
def test_a_pipe_among_pictures(tmp_path):
    "Refused, not waited for"
    path = small(tmp_path/'data', cat=3, dog=3)
    os.mkfifo(path/'cat'/'p.png')
    with pytest.raises(ValueError, match='p.png is no regular file, but a pipe or a device: remove it'): cifar_dls(path)
    with pytest.raises(ValueError, match="can't read the picture .*p.png: it is no regular file"): load_rgb(path/'cat'/'p.png')
    (path/'cat'/'p.png').unlink()
    (path/'cat'/'p.png').symlink_to(path/'dog'/'1.png')
    assert len(cifar_dls(path).found.table)==7

# what is refused, each in a line

def put(fn, text, **kwargs):
    fn.parent.mkdir(parents=True, exist_ok=True)
    fn.write_text(text, **kwargs)
    return fn

def csv_of(tmp, text, **kwargs): return put(small(tmp, cat=3, dog=3)/'t.csv', text, **kwargs)

def frame(tmp, **cols): return pd.DataFrame(dict(file=[str(o) for o in sorted(small(tmp, cat=3, dog=3).rglob('*.png'))]) | cols)

BAD = dict(
    nothing=(lambda t: t/'nosuch', 'no file or folder'), empty=(lambda t: t, 'no pictures and no class folders in'),
    no_classes=(lambda t: small(t, x=3)/'x', '3 pictures in .*give each class a folder'),
    one_class=(lambda t: small(t, cat=3), "only one class, 'cat'"),
    no_pictures=(lambda t: put(t/'batches'/'data_1', '') and t, 'batches has no pictures but 1 file of other kinds'),
    none_to_train=(lambda t: put(small(t, test_cat=2)/'train'/'cat'/'data_1', '') and t, 'cat has no pictures but 1 file of other kinds'),
    all_valid=(lambda t: csv_of(t, 'file,label,is_valid\ncat/0.png,a,True\ndog/0.png,b,True\n'), 'is_valid True in every row: give False'),
    deep=(lambda t: small(t, cat=2, dog=2, dog_pup=1), 'inside a class'),
    deeper=(lambda t: small(t, in_cat=2, in_dog=2), 'give .*/in;'), empty_class=(lambda t: small(t, cat=2, dog=0), 'dog has no pictures'),
    singles=(lambda t: small(t, cat=1, dog=1), 'none is left to validate'),
    capital=(lambda t: small(t, Train_cat=2, Val_cat=2), 'call it train'),
    no_train=(lambda t: small(t, valid_cat=2, test_cat=2), 'no folder train'),
    loose=(lambda t: small(small(t, cat=2, dog=2), **{'': 1}), 'is in no class'),
    odd_name=(lambda t: small(t, train_cat=2, train_dog=2, holdout_cat=2, holdout_dog=1), 'call it valid or test'),
    beside=(lambda t: small(t, train_cat=2, train_dog=2, test_cat=2, holdout_cat=2), 'holdout has classes of .*train'),
    named=(lambda t: small(t, **{'training-set_cat': 2, 'training-set_dog': 2, 'test-set_cat': 2, 'test-set_dog': 2}), 'call it train'),
    alike=(lambda t: small(t, a_cat=2, a_dog=2, b_cat=2, b_dog=2), 'a and b have folders of the same names'),
    lost_link=(lambda t: (small(t, cat=2, dog=2)/'cat'/'x.png').symlink_to(t/'nosuch') or t, 'link to nothing'),
    new_class=(lambda t: small(t, train_cat=2, train_dog=2, test_fox=2), "class 'fox'"),
    picture=(lambda t: small(t, cat=2)/'cat'/'0.png', 'is one picture'), excel=(lambda t: put(t/'t.xlsx', ''), 'save it as CSV'),
    no_archive=(lambda t: put(t/'t.tgz', 'text'), 't.tgz is no archive, table or folder that is read here'),
    seven=(lambda t: (t/'x.7z').write_bytes(b"7z\xbc\xaf'\x1c"+bytes(99)) and t/'x.7z', r'packed as \.7z, .*unpack it yourself'),
    zst=(lambda t: (t/'x.tar.zst').write_bytes(b'\x28\xb5\x2f\xfd'+bytes(99)) and t/'x.tar.zst', r'packed as \.zst'),
    gz=(lambda t: put(t/'t.csv.gz', 'x'), 'a table that is compressed: unpack it first, and give t.csv'),
    unlabelled=(lambda t: small(t, train_cat=2, train_dog=2, test=3), 'test has pictures, and no class folders, .* or give .*train alone'),
    set_column=(lambda t: csv_of(t, 'file,label,set\ncat/0.png,a,train\ncat/1.png,b,train\ncat/2.png,b,Test\n'),
                "column 'set' names sets: call it"),
    odd_valid=(lambda t: csv_of(t, 'file,label,is_valid\ncat/0.png,a,False\ncat/1.png,b,maybe\n'), "line 3 of .* has is_valid 'maybe'"),
    both_splits=(lambda t: csv_of(t, 'file,label,is_valid,split\ncat/0.png,a,0,train\n'), 'columns split and is_valid'),
    no_rows=(lambda t: csv_of(t, 'file,label\n'), 'no rows'),
    no_label=(lambda t: csv_of(t, 'file,class\ncat/0.png,a\n'), 'no column label'),
    no_file=(lambda t: csv_of(t, 'path,label\ncat/0.png,a\n'), 'no column file'),
    no_head=(lambda t: csv_of(t, 'cat/0.png,a\ncat/1.png,b'), 'no column file'),
    lost=(lambda t: csv_of(t, 'file,label\ncat/0.png,a\ncat/9.png,b\n'), 'line 3 of .*: there is no file .*9.png'),
    no_ending=(lambda t: csv_of(t, 'file,label\ncat/0,a\ndog/1,b\n'),
               r'no file .*cat/0 \(and 1 more\); there is 0.png: write names in full'),
    ending=(lambda t: csv_of(t, 'file,label\ncat/0.PNG,a\ncat/1.png,b\n'), 'there is 0.png: write names in full'),
    long=(lambda t: csv_of(t, f'file,label\n{"x"*300},a\ncat/1.png,b\n'), 'line 2 of .*: there is no file .*xxx; paths are read from'),
    kaggle=(lambda t: put(small(t, train=3, test=3)/'train.csv', 'id,label\n0,cat\n1,dog\n').parent,
            '3 pictures in .*train, and no class folders: give each class a folder, or a CSV'),
    packed=(lambda t: zipfile.ZipFile(t/'z.zip', 'w').writestr('train.zip', b'PK') or t/'z.zip',
            r'no pictures and no class folders in .*z.zip but 1 file of other kinds \(1 .zip\): taken are'),
    windows=(lambda t: csv_of(t, 'file,label\ncat\\0.png,a\ncat/1.png,b\n'), 'write / between'),
    shifted=(lambda t: csv_of(t, 'file,label\ncat/0.png,a,b\n'), 'line 2 of .* has 3 fields'),
    comma=(lambda t: csv_of(t, 'file,label\ncat/0.png,a,b\n').parent, 'line 2 of .* has 3 fields'),
    latin_in=(lambda t: csv_of(t, 'file,label\ncat/0.png,é\n', encoding='latin1').parent, 'not UTF-8'),
    utf16=(lambda t: csv_of(t, 'file,label\ncat/0.png,a\n', encoding='utf-16').parent, 'not UTF-8'),
    twice=(lambda t: csv_of(t, 'file,label\ncat/0.png,a\ncat/../cat/0.png,b\n'), 'give each picture once'),
    blank=(lambda t: csv_of(t, 'file,label\ncat/0.png,\ncat/1.png,b\n'), 'line 2 of .* has no label'),
    no_name=(lambda t: csv_of(t, 'file,label\n,a\ncat/1.png,b\n'), "has the file ''"),
    split=(lambda t: csv_of(t, 'file,label,split\ncat/0.png,a,train\ncat/1.png,b,rest\n'), "line 3 of .* has the split 'rest'"),
    half=(lambda t: csv_of(t, 'file,label,split\ncat/0.png,a,train\ncat/1.png,b,\n'), 'give train, valid or test'),
    untrained=(lambda t: csv_of(t, 'file,label,split\ncat/0.png,a,valid\ncat/1.png,b,test\n'), 'no row of .* has the split train'),
    unknown=(lambda t: csv_of(t, 'file,label,split\ncat/0.png,a,train\ncat/1.png,b,train\ncat/2.png,c,valid\n'),
             "the class 'c' of the valid set"),
    latin=(lambda t: csv_of(t, 'file,label\ncat/0.png,é\n', encoding='latin1'), 'not UTF-8'),
    two_tables=(lambda t: csv_of(t, 'file,label\ncat/0.png,a\n') and put(t/'u.csv', 'file,label\ncat/0.png,a\n').parent,
                'give the path of one'),
    mixed=(lambda t: frame(t, label=[1,'a']*3), 'labels of one type'), floats=(lambda t: frame(t, label=[.5,1.5]*3), 'whole numbers'),
    missing=(lambda t: frame(t, label=['a',None]*3), 'row 1 of the DataFrame has no label'), bare=(lambda t: pd.DataFrame(), 'no rows'),
    columns=(lambda t: frame(t), 'no column label'),
    equal=(lambda t: frame(t, label=list('ababab'), Label=list('xyxyxy')), 'the DataFrame has two columns label'),
    equals=(lambda t: pd.concat([frame(t, label=list('ababab'))]*2, axis=1), 'the DataFrame has two columns file'),
    number=(lambda t: 5, 'data is 5'), listed=(lambda t: ['a'], 'data is'))

@pytest.mark.parametrize('make,why', BAD.values(), ids=BAD)
def test_refused(tmp_path, make, why):
    data = make(tmp_path)
    with pytest.raises((ValueError,FileNotFoundError), match=why) as e: find_pictures(data)
    assert '\n' not in str(e.value) and len(str(e.value))<600
    with pytest.raises((ValueError,FileNotFoundError)): train_run(data, tmp_path/'run')
    assert not (tmp_path/'run').exists()

PCT,RESIZE = [0, 1, float('nan'), '0.2', True],['fit', None, ['crop']]

@pytest.mark.parametrize('kw', [*(dict(valid_pct=o) for o in PCT), *(dict(resize=o) for o in RESIZE)])
def test_arguments(tmp_path, kw):
    data = small(tmp_path/'data', cat=3, dog=3)
    for f in train_run,cifar_dls:
        with pytest.raises(ValueError, match=f'{list(kw)[0]} is .*: give'): f(data, **kw)

# what is said

def test_said(tmp_path):
    words,found = said(find_pictures, small(tmp_path/'a', cat=5, dog=1, fox=1))
    assert words==["the class 'dog' (and 1 more) has one picture, to train on: that it is recognised is not validated"]
    assert repr(found)=='7 pictures, 3 classes, no split: 20 % held out by `valid_pct`, 6 to train on and 1 to validate'
    words,_ = said(find_pictures, small(tmp_path/'b', train_cat=2, train_dog=2, val_cat=2), valid_pct=.3)
    assert words==[f'`valid_pct` is 0.3, but {tmp_path}/b has a set of its own to validate on, val: that one is used']
    (tmp_path/'a'/'cat'/'notes.txt').touch()
    assert any('1 file of other kinds (1 .txt) is skipped' in o for o in said(find_pictures, tmp_path/'a')[0])

def test_out_is_apart(tmp_path):
    flat,alone = small(tmp_path/'flat', cat=3, dog=3),small(tmp_path/'alone', train_cat=3, train_dog=3)
    for data,out in (flat,flat/'run'),(flat,flat),(alone,alone/'train'/'run'):
        with pytest.raises(ValueError, match='among the pictures|there is a'): train_run(data, out)
    assert isinstance(train_run(alone, alone/'run', **SMALL).dls.found, Pictures)

@pytest.mark.parametrize('split', [True,False])
def test_pictures_of_12_and_16_bits(tmp_path, monkeypatch, split):
    "How many bits they are is one thing for all sets, and is said also when they are read from what was kept"
    monkeypatch.setenv('FASTAI_HOME', str(tmp_path/'fastai'))
    def save(name, top, *sets):
        for s,c,i in product(sets, 'ab', range(4)):
            fn = tmp_path/name/s/c/f'{i}.png'
            fn.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((16,16), top-i, np.uint16)).save(fn)
    sets = ('train','test') if split else ('.',)
    save('dark', 3000, *sets)
    for _ in range(2):
        with pytest.warns(UserWarning) as ws: cifar_dls(tmp_path/'dark', size=16)
        deep = [str(o.message) for o in ws if 'are read as of 12 bits' in str(o.message)]
        few = 'pictures of more than 8 bits with no value above 4,095 are read as of 12 bits'
        assert deep==[f'{n} {few}' for n in ((8,8) if split else (6,2))]
    assert len(list((tmp_path/'fastai').rglob('*.npy')))==len(sets)
    save('mixed', 65535, 'train'); save('mixed', 3000, 'test')
    for _ in range(2):
        with pytest.raises(ValueError, match='8 have no value above 4,095, .* and 8 have'): cifar_dls(tmp_path/'mixed', size=16)
