"""Arguments that can't be meant, at every public door: each is answered by one line of the package's own, and good ones are taken

`doors` crosses each argument of a function with the hostile values of its kind; `cases` has what no kind covers. Both take a line
more for a new door or a new fault. `python tests/hostile/test_arguments.py` prints those that are answered badly.
"""
import dis, functools, linecache, math, tempfile, time, warnings
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import matplotlib
matplotlib.use('agg')
import numpy as np, pytest
from PIL import Image
from cifar_cam.all import *
from cifar_cam.recipe import schedule as recipe_schedule

for o in [o for o in globals() if o.startswith('test')]: del globals()[o]   # fastcore's, which pytest would take for ours
nan,inf = math.nan,math.inf

# what everybody may get wrong, by the kind of an argument; a kind with `?` takes None

odd = ['', 'nosuch', [], {}, object(), True, b'3', 1j, np.array([1,2]), torch.full((2,), nan)]
kinds = dict(
    whole = [0, -1, 2.5, nan, inf, '3', None, *odd],
    zero = [-1, 2.5, nan, inf, '3', None, *odd],            # 0 is meant
    upto = [-1, 2.5, nan, inf, '3', *odd],                  # 0 and None are meant
    size = [0, -1, 2.5, nan, 10**9, '32', None, *odd],
    seed = [-1, 2.5, nan, 2**40, '1', None, *odd],
    share = [-.1, 2, nan, inf, '0.5', None, *odd],
    number = [-1, nan, inf, '0.5', None, *odd],
    above = [0, -1, nan, inf, '0.5', None, *odd],
    pct = [0, 1, -.1, 2, nan, inf, '0.2', None, *odd],
    flag = ['', 'no', 'False', 0, 1, 2.5, nan, None, [], {}, object(), b'no', np.array([True,False])],
    word = ['', 'nosuch', 5, 2.5, [], {}, object(), b'nosuch', None, np.array([1,2])],
    path = ['', 'nosuch/at/all', 0, 2.5, [], {}, object(), b'nosuch', 'a\0b', True, None],
    texts = [0, 2.5, [], {}, object(), b'nosuch', True, None],
    fresh = [0, 2.5, [], {}, object(), b'nosuch', 'a\0b', True],    # a path that need not be there
    colour = ['', 'red', 5, (), (1,2), (nan,)*3, (None,)*3, (.5,.5,'x'), object(), {}],
    stats = [0, '', 'nosuch', (), (0,), ((0,)*3,(0,)*3), ((nan,)*3,(1,)*3), ((0,)*3,(-1,)*3), ((0,0),(1,1)), object()],
    module = [0, '', 'nosuch', [], {}, object(), 2.5, torch.zeros(2), None],
    files = ['', 'nosuch', 5, [], [None], [5], ['nosuch.png'], object()],
    images = [None, '', 0, [], {}, object(), np.zeros((2,3)), np.zeros((0,16,16,3), np.uint8), np.zeros((2,16,16,5), np.uint8),
              np.full((2,16,16,3), nan), np.full((2,16,16,3), 'x')],
    bytes = [None, '', 0, [], {}, object(), np.zeros((2,3), np.uint8), np.zeros((0,8,8,3), np.uint8), np.zeros((2,8,8,3))],
    pictures = [None, '', 0, [], {}, object(), torch.zeros(3), torch.zeros(3,16,16), torch.zeros(0,3,16,16), np.zeros((2,3,16,16)),
                torch.zeros(2,3,16,16, dtype=torch.uint8)],
    heat = [None, '', 0, [], object(), np.zeros((2,3)), np.full((2,16,16), nan), np.full((2,16,16), 5.), np.zeros((1,16,16))],
    layers = [0, 2.5, '', 'nosuch', [], [None], object(), nn.Linear(2, 2), True, b'layer1', {}],
    method = [0, '', 'nosuch', [], object(), int, b'gradcam', None, 2.5],
    klass = [99, -1, 2.5, nan, '', 'nosuch', [], {}, object(), True, b'a'],
    targets = [99, -1, 2.5, nan, 'nosuch', [], [0]*7, [None,'nosuch'], object(), True, b'a', {}],
    idxs = [99, -1, 2.5, nan, '', 'nosuch', [], {}, [1.5], [99], [-1], ['0'], [None], [True], object(), b'0', np.array([[0]])],
    area = [0, -1, 2.5, nan, 10**9, '32', None, '', 'nosuch', [], {}, object(), True, b'3', 1j, torch.full((2,), nan)],
    device = ['', 'nosuch', 2.5, [], {}, object(), b'nosuch', True, np.array([1,2])],
    fill = ['', 'red', 5, (), (nan,)*3, (inf,)*3, (None,)*3, (.5,.5,'x'), object(), {}],
    rate = [0, -1, nan, inf, '0.5', '', [], {}, object(), True, None, np.array([nan])],
    steps = [0, -1, 2.5, nan, inf, '3', None, '', {}, object(), True, (0,), (2.5,), ('x',)],
    sizes = [0, 2.5, '', (), ((1,),), ((0,16),), ((1,0),), ((nan,16),), None, object()],
    pair = ['', 'red', 5, (), (1,), (0,4), (-1,4), (2.5,4), (nan,nan), ('a','b'), (10**9,4), object(), {}, None],
    titles = [0, 5, '', 'nosuch', [], ['one'], object(), True, {}],
    rows = [None, '', 'nosuch', 5, 2.5, {}, [None], [5], ['nosuch'], [{}], [dict(file='a')], [dict(label='a')], [dict(file=5, label='a')],
            [dict(file='', label='a')], [dict(file='a\0', label='a')], [dict(file='a', label={})], [dict(file='a', label='\ud800')],
            [dict(file='a', label='x'*10**5)], [dict(file='a', label='b', nosuch=1)], [{5: 1, 'file': 'a', 'label': 'b'}], object(), b'a'],
    figsize = [0, -1, '', 'nosuch', (), (1,), (0,0), (-1,2), (nan,2), (inf,2), (1,2,3), object(), ('a','b')],
)
for k in 'whole zero size seed share number above word flag path method module steps area'.split():
    kinds[k+'?'] = [o for o in kinds[k] if o is not None]

# a small world, made once

def colours(folder, n, size=16):
    "`n` pictures of each of two classes, whose colours tell them apart"
    for i,c in enumerate('ab'):
        (folder/c).mkdir(parents=True)
        for j in range(n):
            x = np.random.default_rng([i,j,n]).integers(0, 256, (size,size,3), dtype=np.uint8)
            x[...,i] = 255
            Image.fromarray(x).save(folder/c/f'{j}.png')

@functools.cache
def world():
    "Data, a network, its interpretation and its maps; and the folder that they are in"
    w = SimpleNamespace(keep=tempfile.TemporaryDirectory())
    w.home = Path(w.keep.name)
    w.data = w.home/'data'
    colours(w.data/'train', 6)
    colours(w.data/'test', 5)
    (w.home/'file').write_text('text')
    (w.home/'text.jpg').write_text('text')
    (w.home/'empty').mkdir()
    w.files = picture_files(w.data/'train')
    w.images = read_images(w.files, 16)
    w.dls = cifar_dls(w.data, bs=4, size=16)
    set_seed(1)
    w.net = cifar_resnet18(2, width=2)
    w.learn = resnet_learner(w.dls, w.net, Recipe(augs='none', lr=1e-4, epochs=1))
    with w.learn.no_bar(), w.learn.no_logging(): w.learn.fit_recipe()
    w.interp = CAMInterpretation.from_learner(w.learn)
    w.mistakes = w.interp.misclassified().idx.tolist()
    assert len(w.mistakes)>1, 'no mistakes to look at'
    w.x = w.interp.inputs([0,1])
    w.seen = w.interp.pictures([0,1])
    w.maps = cam(w.net, w.x, [0,1], 'layer2')
    w.heat = w.maps.heat('layer2')
    w.run = w.learn.save_run(w.home/'run')
    return w

class World:
    "What is made when it is asked for"
    def __getattr__(self, k): return getattr(world(), k)
W = World()

# the doors: a name, what is called, good arguments, and the kinds of those that are crossed

doors = []
def door(name, f, good=dict, /, **args): doors.append((name, f, good, args))

door('load_rgb', load_rgb, lambda: dict(fn=W.files[0]), fn='path')
door('valid_name', valid_name, lambda: dict(path=W.data), path='path')
door('class_name', class_name, lambda: dict(fn=W.files[0]), fn='fresh')
door('check_folder', check_folder, lambda: dict(path=W.data), path='path')
door('write_whole', write_whole, lambda: dict(fn=W.home/'written', write=b''), fn='fresh')
door('digits_path', digits_path, dict, dest='fresh')
door('cifar10_path', cifar10_path, lambda: dict(path=W.data), path='fresh')
door('picture_files', picture_files, lambda: dict(path=W.data/'train', n=2), path='path', n='whole?', seed='seed')
door('baseline_augs', baseline_augs, dict, size='size', mean='colour')
door('RandomFlip', RandomFlip, dict, p='share')
door('RandomPadCrop', RandomPadCrop, dict, pad='zero', fill='fill')
door('RandomGrey', RandomGrey, dict, p='share')
door('RandomCutOut', RandomCutOut, dict, length='zero', fill='fill', p='share', inside='flag')
door('RandomAffine', RandomAffine, dict, shift='share', scale='share', degrees='number', p='share')
door('device_augs', device_augs, dict, size='size', mean='colour', crop='zero', cutout='flag')
door('find_pictures', find_pictures, lambda: dict(data=W.data), data='path', n_train='whole?',
     n_valid='whole?', valid_pct='pct', seed='seed')
door('becomes', lambda **k: find_pictures(W.data).becomes(**k), dict, size='size', resize='word', n='whole')
door('some', lambda **k: find_pictures(W.data).some(**k), dict, n_train='whole?', n_valid='whole?', seed='seed')
door('from_cell', from_cell, lambda: dict(text="'=a"), text='texts')
door('read_labels', read_labels, None, fn='path')
door('add_labels', add_labels, lambda: dict(fn=W.home/'labels.csv', rows=[dict(file='a.png', label='a')]), fn='fresh', rows='rows')
door('relabel', lambda **k: find_pictures(W.data).relabel(**k), lambda: dict(labels=right()), labels='path', new_classes='flag')
door('Square', Square, lambda: dict(size=16), size='size', resize='word')
door('cifar_block', cifar_block, dict, size='size', stats='stats', n_train='whole?',
     n_valid='whole?', seed='seed', valid_pct='pct', resize='word')
door('read_images', read_images, lambda: dict(files=W.files, size=16), files='files', size='size', resize='word')
door('image_stats', image_stats, lambda: dict(images=W.images), images='bytes')
door('cached_images', cached_images, lambda: dict(files=W.files, folder=W.data/'train', size=16), files='files', folder='path', size='size',
     resize='word')
door('ArrayDL', ArrayDL, lambda: dict(dataset=W.dls.train_ds, images=W.images), images='bytes', seed='seed')
door('cifar_dls', cifar_dls, lambda: dict(path=W.data, bs=4, size=16, n_train=4, n_valid=4), path='path', bs='whole', n_train='whole?',
     n_valid='whole?', seed='seed', size='size', stats='stats', num_workers='zero?', device='device', valid_pct='pct', resize='word',
     labels='path?', new_classes='flag')
door('BasicBlock', BasicBlock, lambda: dict(ni=2, nf=2), ni='whole', nf='whole', stride='whole')
door('ResNet18', ResNet18, lambda: dict(width=2), n_out='whole', width='whole', dropout='share')
door('cifar_resnet18', cifar_resnet18, lambda: dict(width=2), n_out='whole', width='whole', dropout='share')
door('load_weights', load_weights, lambda: dict(model=W.net, sd=W.net.state_dict()), model='module', sd='module')
door('load_checkpoint', lambda **k: W.net.load_checkpoint(**k), None, fn='path')
door('unwrap', unwrap, lambda: dict(model=W.net), model='module')
door('find_layers', find_layers, lambda: dict(model=W.net, layers='layer1'), model='module', layers='layers')
door('Recipe', Recipe, dict, epochs='whole', bs='whole', lr='above', momentum='share', nesterov='flag', wd='number', bias_lr='number',
     schedule='word', gamma='above', augs='word', crop='zero', label_smoothing='share', l1='number', l2='number', dropout='share')
door('recipe', recipe, dict, name='word')
door('make_augs', lambda **k: Recipe().make_augs(**k), dict, size='size')
door('Penalty', Penalty, dict, l1='number', l2='number')
door('LabelSmoothing', LabelSmoothing, dict, eps='share')
door('pick_precision', pick_precision, dict, precision='word', device='device')
door('StepDecay', StepDecay, lambda: dict(lr=.1, step_size=2, gamma=.5), lr='rate', gamma='above', step_size='steps')
door('ProgressiveResizing', ProgressiveResizing, lambda: dict(sizes=((1,16),)), sizes='sizes')
door('schedule', recipe_schedule, lambda: dict(r=Recipe(), lr=.1), r='module', lr='rate')
door('recipe_cbs', recipe_cbs, lambda: dict(r=Recipe()), r='module')
door('checkpoints', checkpoints, lambda: dict(folder=W.home), folder='fresh')
door('Checkpoint', Checkpoint, lambda: dict(folder=W.home/'ck'), folder='fresh', keep='whole', resume='flag')
door('run_config', run_config, lambda: dict(folder=W.run), folder='path')
door('load_run', load_run, lambda: dict(folder=W.run), folder='path', precision='word?', model='module?')
door('save_run', lambda **k: W.learn.save_run(**k), lambda: dict(folder=W.home/'saved'), folder='fresh')
door('train_run', train_run, None, data='path', out='fresh', recipe='word', epochs='whole?', n_train='whole?', n_valid='whole?',
     width='whole?', bs='whole?', lr='above?', seed='seed', precision='word', size='size?', workers='zero?',
     resume='flag', compile='flag', tensorboard='flag', wandb='flag', valid_pct='pct', resize='word', labels='fresh', new_classes='flag')
door('class_index', class_index, lambda: dict(c='a', vocab=['a','b']), c='klass')
door('as_probs', as_probs, lambda: dict(preds=torch.tensor([[.5,.5]]), vocab=['a','b'], how='this'), preds='bytes', known='flag')
door('to_see', to_see, lambda: dict(x=np.zeros((2,8,8,3)), known=True), x='images')
door('map_status', map_status, lambda: dict(m=np.ones((2,2))), m='module')
door('heat', lambda **k: W.maps.heat(**k), lambda: dict(layer='layer2'), layer='word', size='area?', native='flag')
door('shared', lambda **k: W.maps.shared(**k), lambda: dict(layer='layer2'), layer='word', size='area?', native='flag')
door('overlay', lambda **k: W.maps.overlay(**k), lambda: dict(images=W.seen, layer='layer2'), images='images', layer='word', alpha='share',
     cmap='word?', native='flag', shared_scale='flag')
door('rgba', lambda **k: W.maps.rgba(**k), lambda: dict(layer='layer2'), layer='word', size='area?', alpha='share', cmap='word?',
     native='flag', shared_scale='flag')
door('show', lambda **k: W.maps.show(**k), lambda: dict(images=W.seen), images='images', figsize='figsize', titles='titles',
     native='flag', shared_scale='flag')
door('whose', lambda **k: W.maps.whose(**k), lambda: dict(i=0), i='klass')
door('CamMaps.save', lambda **k: W.maps.save(**k), lambda: dict(fn=W.home/'maps.npz'), fn='fresh')
door('CamMaps.load', CamMaps.load, lambda: dict(fn=saved_maps()), fn='path')
door('check_targets', check_targets, lambda: dict(targets=[0,1], n=2, c=2), targets='targets', n='whole', c='whole')
door('cam_class', cam_class, lambda: dict(method='gradcam'), method='method')
door('cam', cam, lambda: dict(model=W.net, x=W.x), model='module', x='pictures', targets='targets', layers='layers', method='method',
     reshape='whole?')
door('usable_layers', usable_layers, lambda: dict(model=W.net, x=W.x), model='module', x='pictures')
faith = lambda: dict(model=W.net, images=W.x, heat=W.heat, targets=[0,1])
door('rank_places', rank_places, lambda: dict(heat=W.heat), heat='module', seed='seed')
door('road', road, faith, model='module', images='pictures', heat='heat', targets='targets', shares='colour', seed='seed')
door('deletion_insertion', deletion_insertion, faith, images='pictures', heat='heat', targets='targets', steps='whole', seed='seed')
door('drop_increase', drop_increase, faith, images='pictures', heat='heat', targets='targets')
many = lambda: dict(images=torch.cat([W.x]*2), labels=[0,1,0,1], n=2)
door('mosaics', mosaics, many, images='pictures', labels='targets', n='whole', seed='seed')
door('focus', focus, lambda: dict(model=W.net, **many()), images='pictures', labels='targets', n='whole', seed='seed', method='method')
door('randomisation', randomisation, lambda: dict(model=W.net, images=W.x), model='module', images='pictures', targets='targets',
     layers='layers', seed='seed', cascade='flag')
door('centred_blob', centred_blob, lambda: dict(size=(8,8)), size='pair')
door('faithfulness', faithfulness, lambda: dict(model=W.net, maps=W.maps, images=W.x, metrics=['drop']), model='module', maps='module',
     images='pictures', metrics='word?', n_mosaics='whole', seed='seed', each='flag')
door('logit_ledger', logit_ledger, lambda: dict(model=W.net, x=W.x), model='module', x='pictures', targets='targets', layer='layers')
door('from_learner', CAMInterpretation.from_learner, lambda: dict(learn=W.learn), learn='module', ds_idx='word?', dl='module?')
door('inputs', lambda **k: W.interp.inputs(**k), lambda: dict(idxs=[0]), idxs='idxs')
door('pictures', lambda **k: W.interp.pictures(**k), lambda: dict(idxs=[0]), idxs='idxs')
door('interp[]', lambda idxs: W.interp[idxs], lambda: dict(idxs=[0]), idxs='idxs')
door('misclassified', lambda **k: W.interp.misclassified(**k), dict, k='whole?', by='word', actual='klass', predicted='klass')
door('confused', lambda **k: W.interp.confused(**k), lambda: dict(actual='a', predicted='b'), k='whole?', actual='klass', by='word')
door('similar', lambda **k: W.interp.similar(**k), lambda: dict(idx=[0], k=1), idx='idxs', to='word', k='whole')
door('plot_similar', lambda **k: W.interp.plot_similar(**k), lambda: dict(idx=[0], k=1),
     idx='idxs', to='word', k='whole', figsize='figsize')
door('duplicates', lambda **k: W.interp.duplicates(**k), lambda: dict(k=1), least='share', k='whole')
door('label_issues', lambda **k: W.interp.label_issues(**k), dict, of='word', by='word', most='share?')
door('label_quality', label_quality, lambda: dict(labels=[0,1], probs=np.eye(2)), by='word')
door('people_disagree', lambda **k: W.interp.people_disagree(**k), None, humans='path')
door('cross_validate', cross_validate, None, run='path', out='fresh', folds='whole')
door('calibration', lambda **k: W.interp.calibration(**k), dict, n_bins='whole')
door('ece', lambda **k: W.interp.ece(**k), dict, n_bins='whole')
door('cams', lambda **k: W.interp.cams(**k), lambda: dict(idxs=[0]), idxs='idxs', layers='layers', method='method', target='klass')
door('mean_map', lambda **k: W.interp.mean_map(**k), dict, actual='klass', layer='layers', method='method', target='klass', bs='whole')
door('export', lambda **k: W.interp.export(**k), None, folder='fresh', k='whole?')
door('plot_confusion_matrix', lambda **k: W.interp.plot_confusion_matrix(**k), dict, cmap='word?', norm_dec='zero', figsize='figsize',
     normalize='flag', plot_txt='flag')
door('plot_calibration', lambda **k: W.interp.plot_calibration(**k), dict, n_bins='whole', figsize='figsize')
door('plot_misclassified', lambda **k: W.interp.plot_misclassified(**k), dict, k='whole', ncols='whole', idxs='idxs', by='word',
     figsize='figsize', label_issues='flag')
door('plot_top_losses', lambda **k: W.interp.plot_top_losses(**k), dict, k='whole', nrows='whole?', ncols='whole?', figsize='figsize',
     largest='flag')
door('plot_cams', lambda **k: W.interp.plot_cams(**k), lambda: dict(k=1), k='whole?', layers='layers', method='method', target='klass',
     idxs='idxs', by='word', figsize='figsize', native='flag', shared_scale='flag')
door('plot_mean_maps', lambda **k: W.interp.plot_mean_maps(**k), dict, pairs='klass', k='whole', figsize='figsize')
door('ProbeCallback', ProbeCallback, lambda: dict(interp=W.interp, idxs=[0]), interp='module', idxs='idxs', layer='layers', method='method')
door('interp.save', lambda **k: W.interp.save(**k), None, folder='fresh', k='whole')
door('report', lambda **k: W.interp.report(**k), None, folder='fresh', k='whole?', layers='layers', method='method',
     faithfulness='flag?', label_issues='flag?', humans='path?')
door('check_explain', check_explain, dict, k='whole', mistakes='upto', method='method', size='size')
door('explain_run', explain_run, None, run='path', k='whole', mistakes='upto', method='method', target='klass', faithfulness='flag',
     humans='path?')
door('read_pictures', read_pictures, lambda: dict(learn=W.learn, files=W.files[:2]), learn='module', files='files')
door('look', lambda **k: W.learn.look(**k), lambda: dict(files=W.files[0]), files='files', k='whole', layers='layers', method='method')
door('look_run', look_run, lambda: dict(run=W.learn, files=W.files[0]), run='path', files='files', k='whole', method='method')
door('compare', lambda other, **k: compare(W.interp, other, **k), lambda: dict(other=W.interp), other='path', names='titles')
for o in 'repaired','new','common','by_class':
    door(f'Comparison.{o}', lambda run, o=o: getattr(compared(), o)(run), lambda: dict(run=1), run='klass')
door('Comparison.plot_cams', lambda **k: differing().plot_cams(**k), lambda: dict(k=1), k='whole', kind='word?', run='klass',
     layers='layers', method='method', target='klass', native='flag', figsize='figsize')
door('Comparison.plot_by_class', lambda **k: differing().plot_by_class(**k), dict, run='klass', k='whole', figsize='figsize')
door('Comparison.report', lambda **k: differing().report(**k), None, out='fresh', k='whole', layers='layers', method='method')
door('export_onnx', lambda **k: W.learn.export_onnx(**k), None, path='fresh')
door('export_run', export_run, None, run='path', path='fresh')
door('open_run', lambda **k: open_run(**k).close(), lambda: dict(run=W.run), run='path', port='whole?', height='size')
door('Looked.show', lambda **k: looked().show(**k), dict, n='whole', figsize='figsize', native='flag')
door('resnet_learner', resnet_learner, lambda: dict(dls=W.dls, model=W.net), dls='module', recipe='word', precision='word',
     l1='number?', l2='number?', compile='flag')
door('fit_step', lambda **k: W.learn.fit_step(**k), None, n_epoch='whole?', lr='above?', gamma='above?', step_size='steps?', resume='flag')

def right(*rows):
    "Rows for labels of the small world"
    return pd.DataFrame(rows or [(W.files[0].relative_to(W.data).as_posix(),'b')], columns=['file','label'])

class Taken(Exception): "What was given was taken"
def taken(learn): raise Taken

needed = dict(explain_run=lambda: dict(run=W.run), report=lambda: dict(folder=W.home/'page'),
    train_run=lambda: dict(data=W.data, out=W.home/'new', check=taken),
    export=lambda: dict(folder=W.home/'exported'), fit_step=dict, load_checkpoint=dict)
needed |= dict(export_onnx=dict, export_run=lambda: dict(run=W.run, path=W.home/'x.onnx'))
needed['read_labels'] = needed['people_disagree'] = dict
needed['Comparison.report'] = lambda: dict(out=W.home/'page.html', k=1)
needed['cross_validate'] = lambda: dict(run=W.learn, out=W.home/'folds')
needed['people_disagree'] = dict
needed['interp.save'] = lambda: dict(folder=W.home/'kept')

@functools.cache
def looked(): return W.learn.look(W.files[0])

@functools.cache
def compared(): return compare(W.interp, W.interp)

@functools.cache
def differing():
    "A comparison with mistakes of each kind"
    other = deepcopy(W.learn.model)
    *_,head = [m for m in other.modules() if isinstance(m, nn.Linear)]
    for o in head.parameters(): o.data = o.data.flip(0)   # it takes one class for the other
    return compare(W.interp, CAMInterpretation.from_learner(Learner(W.learn.dls, other, W.learn.loss_func), dl=W.interp.dl))

def saved_maps():
    fn = W.home/'good.npz'
    if not fn.exists(): W.maps.save(fn)
    return fn

# what no kind covers: the call, and words of its answer

cases = [
    (lambda: cifar_dls(W.data, labels=right(('nosuch.png','a'))), 'no picture nosuch.png'),
    (lambda: cifar_dls(W.data, labels=right((None,'a'))), 'path of a picture'),
    (lambda: add_labels(W.home/'labels.csv', [], drop=5), 'drop'),
    (lambda: add_labels(W.home/'labels.csv', [], drop=[None]), 'drop'),
    (lambda: cifar_dls(W.data, labels=right(('train/a/0.png',object()))), 'no class'),
    (lambda: cifar_dls(W.data, labels=right(('train/a/0.png','nosuch'))), 'new_classes'),
    (lambda: cifar_dls(W.data, labels=pd.DataFrame(dict(file=['a']))), 'no column label'),
    (lambda: cifar_dls(W.data, labels=W.home/'text.jpg'), 'no column file'),
    (lambda: train_run(W.data, W.home/'new', labels=W.home/'nosuch.csv'), 'nosuch.csv'),
    (lambda: train_run(W.data, W.home/'new', labels=W.home), 'no file'),
    (lambda: add_labels(W.home, []), 'no file'),
    (lambda: add_labels(W.home/'file'/'labels.csv', []), 'no folder'),
    (lambda: add_labels(W.home/'text.jpg', []), 'no column file'),
    (lambda: picture_files(W.home/'empty'), 'no pictures'),
    (lambda: picture_files(W.home/'file'), 'folder'),
    (lambda: check_folder(W.home/'file'), 'no folder'),
    (lambda: cifar10_path(W.home/'file'), 'archive'),
    (lambda: cifar10_path('~nosuchuser/data'), 'nosuchuser'),
    (lambda: load_rgb(W.data), 'directory'),
    (lambda: load_rgb(W.home/'file'), 'replace or remove'),
    (lambda: RGBImage.create(b'no picture'), 'picture'),
    (lambda: RGBImage.create(None), 'picture'),
    (lambda: RGBImage.create(5), 'picture'),
    (lambda: RGBImage.create(np.zeros(3)), 'picture'),
    (lambda: write_whole(W.home, b''), 'directory'),
    (lambda: write_whole(W.home/'new', 'text'), 'bytes'),
    (lambda: AlbumentationsTransform(5), 'albumentations'),
    (lambda: AlbumentationsTransform('nosuch'), 'albumentations'),
    (lambda: AlbumentationsTransform(RandomFlip()), 'albumentations'),
    (lambda: PickOne([], []), 'augs'),
    (lambda: PickOne([RandomFlip()], []), 'ps'),
    (lambda: PickOne([RandomFlip()], [-1]), 'ps'),
    (lambda: PickOne([RandomFlip()], [nan]), 'ps'),
    (lambda: PickOne([RandomFlip()], [0]), 'ps'),
    (lambda: PickOne([RandomFlip()], ['x']), 'ps'),
    (lambda: PickOne(['nosuch'], [1]), 'augs'),
    (lambda: PickOne(None, None), 'augs'),
    (lambda: RandomPadCrop(pad=16)(TensorImage(torch.zeros(2,3,8,8)), split_idx=0), 'pad'),
    (lambda: batch_augs(5), 'augmentations'),
    (lambda: batch_augs([5]), 'augmentation'),
    (lambda: batch_augs([dict(name='Nosuch')]), 'RandomFlip'),
    (lambda: batch_augs([dict(name='RandomFlip', nosuch=1)]), 'RandomFlip'),
    (lambda: batch_augs([dict(name='RandomFlip', p=5)]), 'p is 5'),
    (lambda: batch_augs([dict()]), 'RandomFlip'),
    (lambda: augs_from_config(5), 'augmentations'),
    (lambda: augs_from_config('nosuch'), 'augmentations'),
    (lambda: augs_from_config(dict(nosuch=1)), 'augmentations'),
    (lambda: augs_from_config(dict(device=5)), 'augmentations'),
    (lambda: augs_config(None), 'DataLoaders'),
    (lambda: cifar_block(augs=5), 'albumentations'),
    (lambda: cifar_block(augs=[RandomFlip(), 5]), 'one kind'),
    (lambda: cifar_dls(W.data, augs='nosuch'), 'albumentations'),
    (lambda: cifar_dls(W.home/'file'), 'is no archive'),
    (lambda: cifar_dls(W.home/'nosuch'), 'no file or folder'),
    (lambda: find_pictures(W.home/'empty'), 'taken are'),
    (lambda: find_pictures(pd.DataFrame(dict(file=['a']))), 'no column label'),
    (lambda: cifar_dls(W.data, device='nosuch'), 'device'),
    (lambda: cached_images(W.files, W.data/'test'), 'folder'),
    (lambda: ArrayDL(W.dls.train_ds, W.images[:3]), 'images'),
    (lambda: W.net.load_checkpoint(W.home/'file'), 'weights'),
    (lambda: find_logits(dict(a=torch.zeros(1), b=torch.zeros(1))), 'output'),
    (lambda: find_logits(5), 'output'),
    (lambda: find_logits((torch.zeros(1),), 7), 'no output 7'),
    (lambda: Recipe(step_size=(0,)), 'step_size'),
    (lambda: Recipe(step_size='25'), 'step_size'),
    (lambda: Recipe(sizes=((1,),)), 'sizes'),
    (lambda: Recipe(sizes=5), 'sizes'),
    (lambda: Recipe(sizes=((-1,16),)), 'sizes'),
    (lambda: Recipe(augs='crop', crop=0), 'crop'),
    (lambda: Recipe(nesterov=True, momentum=0), 'momentum'),
    (lambda: recipe('fast', epochs=-1), 'epochs'),
    (lambda: recipe('fast', nosuch=1), 'nosuch'),
    (lambda: described(None), 'loss function'),
    (lambda: hardware('nosuch'), 'device'),
    (lambda: ProgressiveResizing(()), 'sizes'),
    (lambda: ProgressiveResizing(((0,16),)), 'sizes'),
    (lambda: class_index('a', None), 'vocab'),
    (lambda: class_index('a', []), 'no class'),
    (lambda: class_names(None), 'loader'),
    (lambda: class_names(W.dls.valid, vocab='ab'), 'names'),
    (lambda: class_names(W.dls.valid, vocab=5), 'names'),
    (lambda: class_names(W.dls.valid, vocab=[]), 'names'),
    (lambda: check_labels(None), 'loader'),
    (lambda: file_names(None, W.home), 'loader'),
    (lambda: of_logits('nosuch', noop), 'not a tensor'),
    (lambda: of_logits(torch.zeros(2,2), None), 'act'),
    (lambda: as_probs(torch.full((2,2), nan), ['a','b'], 'this'), 'not finite'),
    (lambda: as_probs(torch.full((2,2), 5.), ['a','b'], 'this'), 'no probabilities'),
    (lambda: as_probs(torch.zeros(2,3), ['a','b'], 'this'), '3 figures'),
    (lambda: map_status(np.zeros((0,0))), 'map'),
    (lambda: map_status('nosuch'), 'map'),
    (lambda: W.maps['nosuch'], 'layer2'),
    (lambda: W.maps.overlay(W.seen[:1], 'layer2'), '1 images for 2 maps'),
    (lambda: W.maps.overlay(np.full((2,16,16,3), nan), 'layer2'), 'images'),
    (lambda: W.maps.heat('layer2', (16,)), 'size'),
    (lambda: W.maps.heat('layer2', (0,16)), 'size'),
    (lambda: W.maps.heat('layer2', (16,'x')), 'size'),
    (lambda: W.maps.show(W.seen, titles=['one']), '1 titles'),
    (lambda: W.maps.show(W.seen, nosuch=1), 'nosuch'),
    (lambda: W.maps.whose(2), '2 maps'),
    (lambda: W.maps.save(W.home/'maps.npz', layers=[1]), "'layers'"),
    (lambda: CamMaps.load(W.home/'file'), 'file of maps'),
    (lambda: CamMaps.load(W.files[0]), 'file of maps'),
    (lambda: CamMaps.load(W.home), 'directory'),
    (lambda: CamMaps(None, [0], None, (16,16)), 'maps'),
    (lambda: CamMaps([], [0], None, (16,16)), 'maps'),
    (lambda: CamMaps(dict(a=np.zeros((2,4,4))), [0], None, (16,16)), 'maps'),
    (lambda: CamMaps(dict(a=np.zeros((2,4))), [0,1], None, (16,16)), 'maps'),
    (lambda: CamMaps(dict(a=np.zeros((1,4,4))), [0], None, 16), 'size'),
    (lambda: CamMaps(dict(a='nosuch'), [0], None, (16,16)), 'maps'),
    (lambda: check_targets([0,1,0], 2, 2), '3 targets for 2'),
    (lambda: check_targets(contrast(0,0), 2, 2), 'itself'),
    (lambda: check_targets(contrast(0,99), 2, 2), '99'),
    (lambda: check_targets(contrast('a',0), 2, 2), 'vocab'),
    (lambda: check_targets('a', 2, 2), 'vocab'),
    (lambda: cam(W.net, torch.zeros(2,3,4,4), layers='layer4'), '1x1'),
    (lambda: cam(W.net, torch.zeros(2,1,16,16)), 'n x 3'),
    (lambda: cam(W.net, torch.zeros(2,4,16,16), layers='layer2'), 'n x 3'),
    (lambda: usable_layers(W.net, torch.zeros(2,1,16,16)), 'n x 3'),
    (lambda: road(W.net, torch.zeros(2,1,16,16), W.heat, [0,1]), 'n x 3'),
    (lambda: deletion_insertion(W.net, torch.zeros(2,4,16,16), W.heat, [0,1]), 'n x 3'),
    (lambda: logit_ledger(W.net, torch.zeros(2,1,16,16)), 'n x 3'),
    (lambda: cam(W.net, W.x, targets='a'), 'vocab'),
    (lambda: cam(W.net, W.x, contrast(0,0)), 'itself'),
    (lambda: cam(W.net, W.x, contrast(0,1), method='eigencam'), 'another method'),
    (lambda: cam(W.net, W.x, layers='layer1', method='fullgrad'), 'leave `layers` out'),
    (lambda: cam(W.net, W.x, layers='layer1', reshape=lambda o: 5), '`reshape`'),
    (lambda: cam(W.net, W.x, output='nosuch'), 'nosuch'),
    (lambda: road(W.net, W.x, W.heat, [0,1], shares=(2,)), 'shares'),
    (lambda: road(W.net, W.x, W.heat, [0,1], shares=5), 'shares'),
    (lambda: road(W.net, W.x, W.heat, [(0,1),(0,1)]), 'contrast'),
    (lambda: drop_increase(W.net, W.x, W.heat, [0]), '2 images for 1'),
    (lambda: mosaics(W.x, [0,1]), 'no mosaic'),
    (lambda: mosaics(W.x, [0]), 'labels'),
    (lambda: faithfulness(W.net, [], W.x), 'no maps'),
    (lambda: faithfulness(W.net, [W.maps]*2, W.x, ['drop']), 'each once'),
    (lambda: faithfulness(W.net, W.maps, W.x, ['focus'], each=True), 'focus'),
    (lambda: faithfulness(W.net, W.maps, W.x, ['nosuch']), 'no metric'),
    (lambda: faithfulness(W.net, W.maps, W.x, []), 'metric'),
    (lambda: faithfulness(W.net, W.maps, torch.zeros(2,3,8,8)), '8x8'),
    (lambda: CAMInterpretation.from_learner(W.learn, ds_idx=5), 'none is number 5'),
    (lambda: CAMInterpretation.from_learner(W.learn, vocab=['a']), '1 classes'),
    (lambda: CAMInterpretation.from_learner(W.learn, act='softmax'), 'act'),
    (lambda: W.interp.misclassified(actual='a', predicted='nosuch'), 'nosuch'),
    (lambda: W.interp.cams([0], target='nosuch'), 'nosuch'),
    (lambda: W.interp.mean_map(target='both'), 'both'),
    (lambda: W.interp.mean_map(layer=['layer1','layer2']), 'one layer'),
    (lambda: W.interp.export(W.home), 'is there already'),
    (lambda: W.interp.plot_mean_maps(pairs=[('a',)]), 'pairs'),
    (lambda: W.interp.plot_mean_maps(pairs=[('a','nosuch')]), 'nosuch'),
    (lambda: W.interp.plot_mean_maps(pairs='ab'), 'pairs'),
    (lambda: ProbeCallback(W.interp, [0]).plot(), 'nothing to plot'),
    (lambda: W.interp.report(W.home/'file'), 'file'),
    (lambda: W.interp.save(W.home/'file'), 'file'),
    (lambda: check_explain(k=101), '1 to 100'),
    (lambda: check_explain(mistakes=2001), '2000'),
    (lambda: check_explain(W.learn, layers='nosuch'), 'nosuch'),
    (lambda: explain_run(W.home/'empty'), 'not a run folder'),
    (lambda: explain_run(W.home/'file'), 'run folder'),
    (lambda: explain_run(W.run, export=W.home), 'new folder'),
    (lambda: explain_run(None), 'run folder'),
    (lambda: explain_run(W.net), 'run folder'),
    (lambda: load_run(W.home/'file'), 'run folder'),
    (lambda: W.learn.look(W.home/'text.jpg'), 'not a picture'),
    (lambda: W.learn.look(W.home/'empty'), 'no pictures'),
    (lambda: W.learn.look([]), '0 pictures'),
    (lambda: W.learn.look([W.files[0]]*1001), '1,001 pictures'),
    (lambda: W.learn.look(dict(a=1)), 'files'),
    (lambda: W.learn.look(np.zeros((8,8,3))), 'uint8'),
    (lambda: W.learn.look(np.zeros((0,8,3), np.uint8)), 'uint8'),
    (lambda: W.learn.look(np.zeros((8,8,2), np.uint8)), 'uint8'),
    (lambda: W.learn.look(W.files[0], method='eigencam'), 'another method'),
    (lambda: W.learn.look(W.files[0], layers='nosuch'), 'layer2'),
    (lambda: look_run(W.home/'empty', W.files[0]), 'not a run folder'),
    (lambda: differing().report(W.home/'file'), 'ends in .html'),
    (lambda: differing().report(W.home/'file'/'x.html'), 'is a file'),
    (lambda: differing().plot_cams(target='both'), 'one map'),
    (lambda: compare(), '2 to 26 runs'),
    (lambda: compare(W.interp), '2 to 26 runs'),
    (lambda: compare(*[W.interp]*27), '2 to 26 runs'),
    (lambda: compare(W.interp, None), '2 to 26 runs'),
    (lambda: compare(W.interp, W.net), '2 to 26 runs'),
    (lambda: compare(W.run, W.home/'empty'), 'not a run folder'),
    (lambda: compare(W.run, W.run, names=['a','a']), 'different names'),
    (lambda: Comparison([W.interp]*2, ['a','b\n']), 'different names'),
    (lambda: W.learn.export_onnx(W.home/'x.pt'), '.onnx'),
    (lambda: W.learn.export_onnx(W.home/'nosuch'/'x.onnx'), 'no folder'),
    (lambda: W.learn.export_onnx(W.home), '.onnx'),
    (lambda: export_run(W.home/'empty', W.home/'x.onnx'), 'not a run folder'),
    (lambda: export_run(W.net, W.home/'x.onnx'), 'run folder'),
    (lambda: look_run(W.run, W.files[0], out=W.home/'file'), 'file'), (lambda: look_run(W.run, W.files[0], say=5), 'say'),
    (lambda: cam(W.learn, W.home/'text.jpg'), 'not a picture'),
    (lambda: cam(W.net, W.files[0]), 'made ready'),
    (lambda: load_run(W.run, dls=5), 'dls'),
    (lambda: open_run(W.home/'empty'), 'not a run folder'),
    (lambda: open_run(W.net), 'run folder'),
    (lambda: open_run(W.run, port=65536), '65535'),
    (lambda: train_run('nosuch'), 'nosuch'),
    (lambda: train_run(W.home/'file', W.home/'new'), 'archive'),
    (lambda: train_run(W.data, W.home/'file'), 'is a file'),
    (lambda: train_run(W.data, W.run), 'there is a run'),
    (lambda: train_run(W.data, '~nosuchuser/run'), 'nosuchuser'),
    (lambda: train_run(W.data, W.home/'new', check=5), 'check'),
    (lambda: train_run(W.data, resume=True), 'resume'),
    (lambda: W.learn.fit_recipe(1, resume=True), 'checkpoint'),
    (lambda: W.learn.fit_recipe(1, sizes=5), 'sizes'),
    (lambda: W.learn.plot_curves(figsize='nosuch'), 'figsize'),
]

# what an answer is

ours = Path(__import__('cifar_cam').__file__).parent
told = ValueError,TypeError,OSError,ImportError,KeyError
raw = 'NoneType',"object has no attribute",'unsupported operand','not supported between','object is not','unhashable','argument must be'

def verdict(f):
    "What is wrong with the answer to `f()`, in words, or nothing; and the answer"
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try: f()
        except Taken: return 'accepted',''
        except Exception as e: return fault_of(e),f'{type(e).__name__}: {e}'
    return 'accepted',''

def fault_of(e):
    "Why `e` is no answer of the package's own"
    tb = e.__traceback__
    while tb.tb_next: tb = tb.tb_next
    code = tb.tb_frame.f_code
    line = linecache.getline(code.co_filename, tb.tb_lineno).strip()
    signature = isinstance(e, TypeError) and 'unexpected keyword argument' in str(e)   # Python's, and as clear
    own = Path(code.co_filename).parent==ours and dis.opname[code.co_code[tb.tb_lasti]]=='RAISE_VARARGS'   # it says `raise` there
    system = isinstance(e, OSError) and e.errno and e.filename
    if not isinstance(e, told): return f'a {type(e).__name__}'
    if not (own or system or signature): return f'from below ({Path(code.co_filename).name}: {line})'
    text = str(e.args[0]) if isinstance(e, KeyError) and e.args else str(e)
    if '\n' in text or not text: return 'not one line'
    if len(text)>500: return f'{len(text)} characters'
    return next((f'says {o!r}' for o in raw if o in text), None)

def called(o):
    "A hostile value in a few letters, for the name of a case"
    text = o.__name__ if isinstance(o, type) else ' '.join(repr(o).split()) if type(o) is not object else 'object'
    return text[:24]

def _call(f, good, k, v): return f(**{**good(), k: v})

def crossed():
    "Cases of all doors: a name, and the call"
    for name,f,good,args in doors:
        good = good or needed[name]
        for k,kind in args.items():
            for v in kinds[kind]: yield f'{name} {k}={called(v)}',functools.partial(_call, f, good, k, v)

crosses = list(crossed())

def test_there_are_enough(): assert len(crosses)+len(cases)>=440

@pytest.mark.parametrize('f', [o for _,o in crosses], ids=[o for o,_ in crosses])
def test_crossed(f):
    fault,said = verdict(f)
    assert fault is None, f'{fault}: {said}'

@pytest.mark.parametrize('f,word', cases)
def test_case(f, word):
    fault,said = verdict(f)
    assert fault is None, f'{fault}: {said}'
    assert word in said

@pytest.mark.parametrize('f,good', [(f,good) for _,f,good,_ in doors if good], ids=[o[0] for o in doors if o[2]])
def test_good(f, good): f(**good())

if __name__=='__main__':
    every = crosses + [(f'case {i}: {word}', f) for i,(f,word) in enumerate(cases)]
    count = dict(accepted=0)
    for name,f in every:
        t0 = time.perf_counter()
        fault,said = verdict(f)
        if time.perf_counter()-t0>2: print(f'{name:55s} SLOW {time.perf_counter()-t0:.1f}', flush=True)
        if fault is None and name.startswith('case ') and name.partition(': ')[2] not in said: fault = 'other words'
        if fault: print(f'{name:55s} {fault}: {said[:200]}')
        count[fault and fault.split(' ')[0]] = count.get(fault and fault.split(' ')[0], 0)+1
    print(len(every), count)
