"""Run folders that are damaged, or made by somebody who means harm: one line says what is wrong, or the run is what it was

Each case changes a copy of one good run; a line more is a case more. `python tests/hostile/test_runs.py` prints what is answered badly.
"""
import copy, functools, hashlib, itertools, json, os, pickle, shutil, struct, sys, tempfile, warnings
from pathlib import Path

import matplotlib
matplotlib.use('agg')
import pytest, torch
from safetensors import safe_open
from safetensors.torch import save as to_bytes
import cifar_cam.run as run_module
from cifar_cam.all import (ProgressCallback, Recipe, checkpoints, cifar_resnet18, diagnose, explain_run, first, load_run, resnet_learner,
    run_config)
sys.path.insert(0, str(Path(__file__).parent))
from test_arguments import W, fault_of, world

posix = os.name=='posix'
weights,config = 'model.safetensors','config.json'

# what stands in a run

@functools.cache
def good():
    "The good run: its settings, its tensors and what is said of them"
    d = W.run
    with safe_open(d/weights, 'pt') as f: tensors,about = {k: f.get_tensor(k) for k in f.keys()},json.loads(f.metadata()['about'])
    return json.loads((d/config).read_text()),tensors,about

def put(d, keys, v):
    "The dictionary `d` with `v` at the path `keys`; without it, for `gone`"
    d = copy.deepcopy(d)
    *path,last = keys
    at = functools.reduce(lambda o, k: o[k], path, d)
    if v is gone: del at[last]
    else: at[last] = v
    return d

gone = object()
deep = functools.reduce(lambda o, _: [o], range(500), [])
values = [gone, None, 0, -1, 2.5, 10**30, float('nan'), 'nosuch', '\udce9', [], {'a': None}, deep, True]

def tell(folder, text): (folder/config).write_text(text) if isinstance(text, str) else (folder/config).write_bytes(text)
def keep(folder, tensors, about): (folder/weights).write_bytes(to_bytes(tensors, about))
def said(about): return dict(about=json.dumps(about))

cases = []
def line(name, f): cases.append((name, f))

# config.json: each setting is each of `values`

settings = [('vocab',), ('arch',), ('recipe',), ('fits',), ('data',), ('augs',), ('precision',), ('epochs_done',), ('selection',),
    ('hardware',), ('versions',), *itertools.product(['data'], 'path fingerprint bs n_train n_valid total seed size stats'.split()),
    *itertools.product(['recipe'], 'epochs bs lr momentum schedule step_size sizes augs crop dropout'.split()), ('arch','width')]
def with_setting(folder, keys, v): tell(folder, json.dumps(put(good()[0], keys, v)))
for keys,v in itertools.product(settings, values):
    shown = 'gone' if v is gone else 'deep' if v is deep else ascii(v)
    line(f'config {".".join(keys)}={shown[:12]}', functools.partial(with_setting, keys=keys, v=v))
line('config foreign', lambda o: with_setting(o, ('foreign',), 1))
line('config recipe.foreign', lambda o: with_setting(o, ('recipe','foreign'), 1))
line('config fits of numbers', lambda o: with_setting(o, ('fits',), [1]))
line('config fits of text', lambda o: with_setting(o, ('fits',), [dict(steps='x', epochs_done='y')]))
line('config vocab of others', lambda o: with_setting(o, ('vocab',), ['a','c']))
line('config vocab in another order', lambda o: with_setting(o, ('vocab',), ['b','a']))
line('config path is a file', lambda o: with_setting(o, ('data','path'), str(W.home/'file')))
line('config path leads out', lambda o: with_setting(o, ('data','path'), '../../../../etc'))
line('config path with a zero', lambda o: with_setting(o, ('data','path'), 'a\0b'))
line('config path too long', lambda o: with_setting(o, ('data','path'), 'x'*5000))
line('config stats of zeros', lambda o: with_setting(o, ('data','stats'), [[0,0,0],[0,0,0]]))
line('config augs that are a class', lambda o: with_setting(o, ('augs',), dict(transform=dict(__class_fullname__='os.system'))))
line('config augs of a device', lambda o: with_setting(o, ('augs',), dict(device=[dict(name='RandomFlip', p=5)])))
line('config augs of a class inside', lambda o: with_setting(o, ('augs',), dict(device=[dict(name='__init__')])))
record = dict(file='labels.csv', rows=1, changed={}, left_out={}, right={}, not_taken=0, new_classes=[],
    before=dict(n_train=12, n_valid=10))
def with_labels(folder, text='file,label\ntrain/a/0.png,b\n', **said):
    with_setting(folder, ('data','labels_used'), {k: v for k,v in (record | said).items() if v is not gone})
    if text is not None: (folder/'labels_used.csv').write_bytes(text if isinstance(text, bytes) else text.encode())
for k,v in itertools.product(record, [o for o in values if o is not deep]):
    line(f'labels_used {k}={"gone" if v is gone else ascii(v)[:12]}', functools.partial(with_labels, **{k: v}))
for i,v in enumerate([None, 5, 'x', [], {}, deep]): line(f'labels_used {i}', lambda o, v=v: with_setting(o, ('data','labels_used'), v))
rows = [None, '', 'file,label\n', 'file\n', 'a,b\n1,2\n', 'file,label\nnosuch.png,a\n', 'file,label\ntrain/a/0.png,nosuch\n', b'\xff\xfe',
        '\0', 'file,label\ntrain/a/0.png\n', '"', 'file,label\n' + ''.join(f'train/a/{i}.png,b\n' for i in range(6))]
for i,text in enumerate(rows): line(f'labels_used.csv {i}', functools.partial(with_labels, text=text))
texts = ['', '{', '[]', 'null', '"text"', '5', '['*10**5, '{"a":'*10**5, '9'*5000, '{"vocab": NaN}', '\ufeff{}', '{}'*2, '\0', b'\xff\xfe',
         b'\x80\x04.', '{"vocab": ["a","b"], "data": {}, "recipe": {}}']
for i,text in enumerate(texts):
    line(f'config text {i}', functools.partial(tell, text=text))
line('config cut', lambda o: tell(o, (W.run/config).read_text()[:200]))

# history.csv and batches.csv

epochs = 'epoch,train_loss,train_acc,valid_loss,valid_acc,lr,seconds\n'
tables = ['', '\n', 'epoch\n', 'nosuch,columns\n1,2\n', 'a,b\n1\n1,2,3\n1,2,3,4\n', '"', b'\xff\xfe\x00', b'\0'*100, b'PK\x03\x04',
    epochs+'one,two,3,4,5,6,7\n',
    epochs+'1.5,1,1,1,1,1,1\n', 'step,loss,acc,lr\nx,y,z,w\n', 'step,loss,acc,lr\n1,,,\n',
    epochs+'1,1e999,1,nan,inf,1,1\n', 'step,loss,acc,lr\n1,1e999,nan,-inf\n',
    'epoch,epoch,epoch\n1,2,3\n', '=cmd|x,b\n1,2\n', epochs + '9'*400 + ',1,1,1,1,1,1\n']
def with_table(folder, name, text):
    (folder/name).write_bytes(text if isinstance(text, bytes) else text.encode())
for name,(i,text) in itertools.product(('history.csv','batches.csv'), enumerate(tables)):
    line(f'{name} {i}', functools.partial(with_table, name=name, text=text))

# model.safetensors

def with_about(folder, keys, v): keep(folder, good()[1], said(put(good()[2], keys, v)))
abouts = [('arch',), *itertools.product(['arch'], 'n_out width dropout name'.split()), ('stats',), ('size',)]
for keys,v in itertools.product(abouts, values):
    shown = 'gone' if v is gone else 'deep' if v is deep else ascii(v)
    line(f'about {".".join(keys)}={shown[:12]}', functools.partial(with_about, keys=keys, v=v))
for n in 3, 2000, 10**6, 10**9: line(f'about n_out={n}', lambda o, n=n: with_about(o, ('arch','n_out'), n))
for n in 1, 3, 512, 1024, 10**6: line(f'about width={n}', lambda o, n=n: with_about(o, ('arch','width'), n))
for i,text in enumerate(['', '{', '[]', 'null', '5', '['*10**5, '"text"']):
    line(f'about text {i}', lambda o, text=text: keep(o, good()[1], dict(about=text)))
line('about nothing', lambda o: keep(o, good()[1], None))

def with_tensors(folder, f):
    tensors = {k: v.clone() for k,v in good()[1].items()}
    f(tensors)
    keep(folder, tensors, said(good()[2]))
def of_width(folder, n): keep(folder, {'conv1.weight': torch.zeros(n,3,3,3), 'linear.weight': torch.zeros(2,8*n)},
                             said(put(good()[2], ('arch','width'), n)))
for n in 3, 3000: line(f'two tensors of width {n}', lambda o, n=n: of_width(o, n))
line('no tensors', lambda o: with_tensors(o, lambda t: t.clear()))
line('a tensor gone', lambda o: with_tensors(o, lambda t: t.pop('linear.bias')))
line('a tensor more', lambda o: with_tensors(o, lambda t: t.update(more=torch.zeros(1))))
line('a tensor of another shape', lambda o: with_tensors(o, lambda t: t.update({'linear.bias': torch.zeros(3)})))
line('a tensor without places', lambda o: with_tensors(o, lambda t: t.update({'linear.bias': torch.zeros(0)})))
line('a tensor of one number', lambda o: with_tensors(o, lambda t: t.update({'linear.bias': torch.tensor(1.)})))
line('tensors of other names', lambda o: with_tensors(o, lambda t: t.update(x=t.pop('linear.bias'))))
for kind in torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool:
    line(f'a tensor of {kind}', lambda o, kind=kind: with_tensors(o, lambda t: t.update({'linear.bias': t['linear.bias'].to(kind)})))
for n in 0, 1, 7, 8, 9, 100, 2000, -1: line(f'weights cut at {n}', lambda o, n=n: (o/weights).write_bytes((o/weights).read_bytes()[:n]))
def header(folder, text, data=b''):
    raw = text.encode()
    (folder/weights).write_bytes(struct.pack('<Q', len(raw)) + raw + data)
for i,text in enumerate(['{}', '[]', 'null', '{', '['*10**5, '{"a": 5}', '{"a": {"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
        '{"a": {"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}',
        '{"a": {"dtype":"X","shape":[1],"data_offsets":[0,4]}}',
        '{"a": {"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', '{"__metadata__": {"about": 5}}']):
    line(f'header {i}', lambda o, text=text: header(o, text))
line('header longer than the file', lambda o: (o/weights).write_bytes(struct.pack('<Q', 2**63-1)))
line('header of 100 MB', lambda o: (o/weights).write_bytes(struct.pack('<Q', 10**8) + b'{'))

class Harm:
    "Writes a file when it is unpickled"
    def __reduce__(self): return open,(str(W.home/'harm'), 'w')
line('weights are a pickle', lambda o: (o/weights).write_bytes(pickle.dumps(Harm())))
line('weights are of torch.save', lambda o: torch.save(dict(x=Harm()), o/weights))
line('config is a pickle', lambda o: (o/config).write_bytes(pickle.dumps(Harm())))

# files that are no files

def other(folder, name, make):
    (folder/name).unlink()
    make(folder/name)
for name in config,weights,'history.csv','batches.csv':
    line(f'{name} gone', lambda o, name=name: other(o, name, lambda fn: None))
    line(f'{name} a folder', lambda o, name=name: other(o, name, Path.mkdir))
    if not posix: continue
    line(f'{name} a link to nothing', lambda o, name=name: other(o, name, lambda fn: fn.symlink_to('nosuch')))
    line(f'{name} a link to itself', lambda o, name=name: other(o, name, lambda fn: fn.symlink_to(fn)))
    line(f'{name} a pipe', lambda o, name=name: other(o, name, os.mkfifo))
    line(f'{name} endless', lambda o, name=name: other(o, name, lambda fn: fn.symlink_to('/dev/zero')))
    line(f'{name} a link to another file', lambda o, name=name: other(o, name, lambda fn: fn.symlink_to(W.home/'file')))
    line(f'{name} of zeros', lambda o, name=name: (o/name).write_bytes(b'\0'*5000))
for i,text in enumerate(['', '{', '[]', '"', '['*10**5]): line(f'metrics {i}', lambda o, text=text: (o/'metrics.json').write_text(text))
line('metrics a folder', lambda o: other(o, 'metrics.json', Path.mkdir))
line('a checkpoint that is none', lambda o: ((o/'checkpoint').mkdir(), (o/'checkpoint'/'epoch-00001-0.safetensors').write_text('x')))

# what an answer is

def listing(folder):
    "All that is under `folder`, to the byte and the minute"
    return sorted((str(o), o.lstat().st_size, o.lstat().st_mtime_ns, o.is_file() and o.lstat().st_size<10**6 and o.read_bytes())
                  for o in folder.rglob('*'))

def answer(f):
    "The result of `f()`, and what is wrong with its error, if there is one"
    try: return f(),None,''
    except Exception as e:   # of any kind: which kinds are a fault is what is judged
        fault = fault_of(e)
        return None,fault,f'{type(e).__name__}: {str(e)[:600]}'

def is_good(learn):
    "Are the weights those that were saved, in the model that they were trained in?"
    t = good()[1]
    own = learn.model.state_dict()
    return own.keys()==t.keys() and all(torch.equal(own[k].cpu(), v) for k,v in t.items())

def look(name, f, folder):
    "What is wrong with the answers to the run that `f` changes in `folder`, in words; nothing, if nothing is"
    shutil.copytree(W.run, folder)
    f(folder)
    before,built,make = listing(folder.parent),[],run_module.cifar_resnet18
    def noted(n_out, width, dropout):
        if torch.get_default_device().type!='meta': built.append((n_out, width))   # which takes no memory
        return make(n_out, width, dropout)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        run_module.cifar_resnet18 = noted
        try:
            learn,fault,words = answer(lambda: load_run(folder))
            if learn is None and not fault: _,fault,words = answer(lambda: explain_run(folder, mistakes=0))
        finally: run_module.cifar_resnet18 = make
        if (learn is None and not words) or (W.home/'harm').exists(): return 'harm was done'
    if fault: return f'{fault}: {words}'
    if listing(folder.parent)!=before: return 'something was written'
    if any(o!=(2,2) for o in built): return f'a model was built for {built}'
    if learn is not None and not (is_good(learn) or 'tensor' in name): return 'other weights'

def test_there_are_enough(): assert len(cases)>=200

@pytest.mark.parametrize('name,f', cases, ids=[o for o,_ in cases])
def test_run(name, f, tmp_path):
    fault = look(name, f, tmp_path/'here'/'run')
    assert not fault, fault

def test_good(tmp_path):
    shutil.copytree(W.run, tmp_path/'run')
    assert is_good(load_run(tmp_path/'run'))

def test_weights_that_are_not_finite(tmp_path):
    "They are what was saved; that they are of no use is said when they are used"
    shutil.copytree(W.run, tmp_path/'run')
    with_tensors(tmp_path/'run', lambda t: t.update({'linear.bias': t['linear.bias']*float('nan')}))
    before = listing(tmp_path)
    with pytest.raises(ValueError, match='not finite'): explain_run(tmp_path/'run', mistakes=0)
    assert listing(tmp_path)==before

@pytest.mark.skipif(not posix, reason='names of other systems')
def test_name_that_is_no_utf8(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path)+b'/caf\xe9'))
    shutil.copytree(W.run, folder)
    for f in load_run,run_config,explain_run:
        with pytest.raises(ValueError, match='is not UTF-8: rename it'): f(folder)

@pytest.mark.parametrize('where', ['nosuch', 'file', 'empty', 'a\udce9'])
def test_diagnose(monkeypatch, where):
    "A data set that is none is a note, and no failure"
    world()
    monkeypatch.setenv('CIFAR_CAM_DATA', str(W.home/where))
    _,notes = diagnose()
    assert any('CIFAR-10' in o and '\n' not in o for o in notes)

# checkpoints, whose names are made to fit what is in them

def fresh():
    learn = resnet_learner(W.dls, cifar_resnet18(2, width=2), Recipe(augs='none', epochs=2))
    learn.remove_cb(ProgressCallback)
    return learn

@functools.cache
def checkpoint():
    "Tensors and state of a good checkpoint, after the first of two epochs"
    learn = fresh()
    with learn.no_logging(): learn.fit_recipe(checkpoint=W.home/'checkpoint')
    with safe_open(checkpoints(W.home/'checkpoint')[1], 'pt') as f:
        return {k: f.get_tensor(k) for k in f.keys()},json.loads(f.metadata()['state'])

def resumed(folder, raw):
    "What is wrong with the answer of a training that goes on from the bytes `raw`"
    folder.mkdir()
    (folder/f'epoch-00001-{hashlib.sha256(raw).hexdigest()[:16]}.safetensors').write_bytes(raw)
    learn,before = fresh(),W.net.state_dict()
    learn.model.load_state_dict(before)
    with warnings.catch_warnings(), learn.no_logging():
        warnings.simplefilter('ignore')
        _,fault,words = answer(lambda: learn.fit_recipe(checkpoint=folder, resume=True))
    if 'the loss of' in words: return   # numbers that can be meant, and lead nowhere
    if fault: return f'{fault}: {words}'
    if words and not all(map(torch.equal, learn.model.state_dict().values(), before.values())): return f'the network was changed: {words}'
    if not words and len(learn.history.epochs)!=2: return 'taken, and not trained to its end'

states = 'done settings versions epochs random opt groups scaler fits'.split()
@pytest.mark.parametrize('k', states)
def test_state_of_a_checkpoint(k, tmp_path):
    tensors,state = checkpoint()
    faults = [resumed(tmp_path/str(i), to_bytes(tensors, dict(state=json.dumps(put(state, (k,), v))))) for i,v in enumerate(values)]
    assert not any(faults), [(ascii(v)[:20], o) for v,o in zip(values, faults) if o]

inside = [('done',), ('epochs',0), ('epochs',0,'train_loss'), ('fits',0), ('fits',0,'steps'), ('groups',0), ('groups',0,'momentum'),
    ('groups',0,'nesterov'), ('groups',0,'lr'), ('opt','0'), ('random',0), *itertools.product(['random'], [0], ['python','numpy','torch']),
    ('random',0,'numpy',1), ('random',0,'python',1)]
@pytest.mark.parametrize('keys', inside, ids=lambda o: '.'.join(map(str, o)))
def test_inside_the_state_of_a_checkpoint(keys, tmp_path):
    tensors,state = checkpoint()
    odd = [*values, 99, [1], 'ab', {'x': [1]}]
    faults = [resumed(tmp_path/str(i), to_bytes(tensors, dict(state=json.dumps(put(state, keys, v))))) for i,v in enumerate(odd)]
    assert not any(faults), [(ascii(v)[:20], o) for v,o in zip(odd, faults) if o]

def test_momentum_of_a_checkpoint(tmp_path):
    tensors,state = checkpoint()
    name = first(k for k in tensors if k.startswith('opt.'))
    good = tensors[name]
    odd = torch.zeros(7),good[:1],good.flatten(),good[None]
    more = [tensors | {name: o} for o in odd] + [tensors | {f'opt.{i}.momentum_buffer': good.clone()} for i in (-1,99)]
    for i,o in enumerate(more):
        fault = resumed(tmp_path/str(i), to_bytes(o, dict(state=json.dumps(state))))
        assert not fault, (i, fault)

def test_checkpoints_that_are_none(tmp_path):
    tensors,state = checkpoint()
    less = {k: v for k,v in tensors.items() if k!='history.batches'}
    other = tensors | {'model.linear.bias': torch.zeros(7)}
    more = {'opt.99.momentum_buffer': torch.zeros(2)},{'opt.x': torch.zeros(2)},{'history.batches': torch.zeros(3)}
    odd = [tensors | o for o in more]
    said = dict(state=json.dumps(state))
    raws = [b'', b'text', pickle.dumps(Harm()), to_bytes(tensors), to_bytes(tensors, dict(state='['*10**5)),
            to_bytes(tensors, dict(state='5')), *(to_bytes(o, said) for o in ({}, less, other, *odd))]
    faults = [resumed(tmp_path/str(i), raw) for i,raw in enumerate(raws)]
    assert not any(faults), [(i, o) for i,o in enumerate(faults) if o]
    assert not (W.home/'harm').exists()

if __name__=='__main__':
    bad = 0
    for name,f in cases:
        with tempfile.TemporaryDirectory() as tmp: fault = look(name, f, Path(tmp)/'here'/'run')
        bad += bool(fault)
        if fault: print(f'{name:40s} {fault[:260]}', flush=True)
    print(len(cases), bad)
