"What a notebook should not show of run folders: damaged files, other data, other pictures."
import json, re, shutil, warnings
from functools import partial
from pathlib import Path

import albumentations as A
import pytest
from fastcore.test import expect_fail, test_eq as same
from PIL import Image
from cifar_cam.all import (AlbumentationsTransform, aug_transforms, augs_config, baseline_augs, BatchAug, BCEWithLogitsLossFlat,
                           CAMInterpretation, CamMaps, cifar_dls, cifar_resnet18, compare, CrossEntropyLossFlat, DataLoaders, described,
                           digits_path, explain_run, F, first, FocalLossFlat, History, ImageDataLoaders, imagenet_stats, L, Learner,
                           load_learner, load_run, look_run, nn, Normalize, open_run, pd, PickOne, RandomErasing, RandomGrey, Recipe,
                           Resize, resnet_learner, run_config, SaveModelCallback, set_seed, SimpleNamespace, torch, train_run)
from cifar_cam.cli import main

TRAIN,VALID = 100,50

def digits(**kw): return cifar_dls(digits_path(), **dict(dict(augs=baseline_augs(), n_train=TRAIN, n_valid=VALID), **kw))

def trained(dls):
    set_seed(1)
    learn = resnet_learner(dls, cifar_resnet18(dls.c, 4), precision='fp32')
    with learn.no_bar(), learn.no_logging(): learn.fit_step(2)
    return learn

@pytest.fixture(scope='module')
def learn(): return trained(digits())

@pytest.fixture(scope='module')
def run(learn, tmp_path_factory): return learn.save_run(tmp_path_factory.mktemp('runs')/'run')

@pytest.fixture
def copy(run, tmp_path): return shutil.copytree(run, tmp_path/'copy')

def test_augmentations_come_back(run):
    same(load_run(run).dls.train.one_batch()[0], digits().train.one_batch()[0])

@pytest.mark.parametrize('name,bad', [('config.json','{'), ('model.safetensors','x')])
def test_damaged(copy, name, bad):
    (copy/name).write_text(bad)
    with expect_fail(ValueError, contains=name): load_run(copy)

def test_a_loss_that_is_not_finite_is_left_out(learn, monkeypatch):
    "JSON has no Infinity"
    from cifar_cam.run import _metrics
    was = _metrics(learn)
    for o in 'inf','nan':
        monkeypatch.setitem(learn.history.epochs[-1], 'valid_loss', float(o))
        same(_metrics(learn), {k: v for k,v in was.items() if k!='loss'})
    assert set(was)>={'accuracy','loss','n'}

def test_other_data(run, learn):
    bare = dict(device='cpu', valid=SimpleNamespace(after_batch=SimpleNamespace(fs=[])))
    with expect_fail(ValueError, contains="vocab ['a', 'b']"): load_run(run, dls=SimpleNamespace(vocab=['a','b'], **bare))
    with expect_fail(ValueError, contains='stats None'): load_run(run, dls=SimpleNamespace(vocab=learn.dls.vocab, **bare))
    few = dict(n_train=20, n_valid=20)
    with expect_fail(ValueError, contains='stats'): load_run(run, dls=digits(stats=imagenet_stats, **few))
    with expect_fail(ValueError, contains='size'): load_run(run, dls=digits(size=16, stats=learn.dls.source['stats'], **few))

def test_data_that_moved(copy):
    config = json.loads((copy/'config.json').read_text())
    config['data']['path'] = '/nosuch'
    (copy/'config.json').write_text(json.dumps(config))
    with expect_fail(FileNotFoundError, contains='give `load_run` a `dls=`'): load_run(copy)

def test_no_augmentations(tmp_path):
    same(run_config(trained(digits(augs=None)).save_run(tmp_path/'plain'))['augs'], None)

def test_data_may_be_used_twice():
    "What an epoch sees depends on its number alone"
    dls = digits()
    a,b = trained(dls),trained(dls)
    same(list(a.model.state_dict().values()), list(b.model.state_dict().values()))

def test_a_loss_that_is_not_finite():
    learn = trained(digits())
    with expect_fail(ValueError, contains='smaller learning rate'), learn.no_bar(), learn.no_logging(): learn.fit_step(1, lr=1e20)
    same((learn.fitted.lr, learn.recipe), (1e20, Recipe(bs=learn.dls.bs)))

def test_a_learner_that_was_saved_warns_of_nothing(learn, tmp_path):
    "fastai's callbacks set attributes of their own, and warn of those that the learner has, too"
    learn.save_run(tmp_path/'run')
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        with learn.no_bar(), learn.no_logging(): learn.get_preds()
    assert not [o for o in said if 'shadowing' in str(o.message)]

def coloured(path, n=10):
    "Pictures in class folders without a split"
    for c,name in enumerate(('red','blue')):
        (path/name).mkdir(parents=True)
        for i in range(n): Image.new('RGB', (16,16), (200-180*c, 8*i, 20+180*c)).save(path/name/f'{i}.png')
    return path

HOW = dict(epochs=1, width=2, size=16)

def test_saved_over_an_earlier_run(tmp_path, learn):
    "What an earlier run left in the folder is neither kept nor believed, and what a run needs is the one that it saved"
    data = coloured(tmp_path/'data')
    first = train_run(data, tmp_path/'run', labels=pd.DataFrame(dict(file=['red/0.png'], label=['blue'])), seed=1, **HOW)
    split = (first.run_path/'split.csv').read_bytes()
    second = train_run(data, tmp_path/'other', seed=2, **HOW)
    second.save_run(first.run_path)
    back = load_run(first.run_path)
    same(back.dls.found.sets(), second.dls.found.sets())
    assert not (first.run_path/'labels_used.csv').exists() and (first.run_path/'labels.csv').exists(), 'marks are of people'
    (first.run_path/'split.csv').write_bytes(split)
    with expect_fail(ValueError, contains='split.csv is not the one that was saved with the run'): load_run(first.run_path)
    learn.save_run(first.run_path)
    assert not (first.run_path/'split.csv').exists()
    (first.run_path/'split.csv').write_bytes(split)   # as if the computer had stopped before it was gone
    same(load_run(first.run_path).dls.source, learn.dls.source)
    config = json.loads((first.run_path/'config.json').read_text())
    del config['files']   # an older version wrote none
    (first.run_path/'config.json').write_text(json.dumps(config))
    same(load_run(first.run_path).dls.source, learn.dls.source)

def test_what_was_explained_of_other_weights_goes(learn, tmp_path, capsys):
    "A report or maps of other weights than those in the folder are nowhere, which is said; marks, and what is of the same weights, stay"
    run,other = learn.save_run(tmp_path/'run'),trained(digits(n_train=TRAIN//2))
    explain_run(learn, k=1, mistakes=1)
    explain_run(learn, k=1, mistakes=1, method='layercam', target='contrast')
    (run/'labels.csv').touch()
    (run/'notes').mkdir()
    names = {o.name for o in run.iterdir()}
    learn.save_run(run)
    assert {o.name for o in run.iterdir()}==names and 'removed' not in capsys.readouterr().out
    other.save_run(run)
    gone = {'predictions.csv','misclassified.png','cams.png','cams-layercam-contrast.png','report.html','report-layercam.html'}
    assert {o.name for o in run.iterdir()}==names-gone
    said = capsys.readouterr().out
    assert f'{run} has new weights: removed predictions.csv, misclassified.png, cams.png' in said and all(o in said for o in gone)

def test_what_is_explained_replaces_nothing_of_another_run(learn, run, copy, tmp_path):
    before = {o.name: o.read_bytes() for o in copy.iterdir()}
    for one in run,load_run(run),Learner(learn.dls, learn.model):
        with expect_fail(ValueError, contains='holds another run'): explain_run(one, k=1, mistakes=0, folder=copy)
    interp = CAMInterpretation.from_learner(learn)
    for write in interp.save,interp.report:
        with expect_fail(ValueError, contains='holds another run'): write(copy, k=1)
    assert {o.name: o.read_bytes() for o in copy.iterdir()}==before
    explain_run(copy, k=1, mistakes=0, folder=copy.parent/'.'/'copy')
    changed = load_run(copy)
    with torch.no_grad(): first(changed.model.parameters()).mul_(2)
    with expect_fail(ValueError, contains='the weights have changed since the run was saved'): explain_run(changed, mistakes=0, folder=copy)

def test_an_exported_learner_says_no_count(learn, tmp_path):
    "Its pictures are not in it: the accuracy is as it was, and of how many is not known any more"
    assert f'of {VALID} pictures' in repr(learn)
    learn.export(tmp_path/'learn.pkl')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        back = load_learner(tmp_path/'learn.pkl')
    assert 'accuracy: ' in repr(back) and 'pictures' not in repr(back).split('data:')[0]

def test_one_picture_is_one(tmp_path, capsys):
    "In what is said while a run is made and explained, and of it"
    table = coloured(tmp_path/'data', n=2)/'t.csv'
    table.write_text('file,label,is_valid\nred/0.png,red,False\nblue/0.png,blue,False\nred/1.png,red,True\n')
    assert main(f'run --data {table} --out {tmp_path}/run --epochs 1 --width 2 --size 16 --mistakes 0 --k 1'.split())==0
    said = capsys.readouterr().out
    assert 'on 2 pictures' in said and 'predicting 1 picture\n' in said
    assert re.search(r'accuracy [\d.]+% on 1 picture, \d mistakes?\n', said), said
    back = load_run(tmp_path/'run')
    assert '% of 1 picture\n' in repr(back) and '% of 1 picture (' in repr(CAMInterpretation.from_learner(back))

def test_an_older_run_without_checksums(tmp_path):
    learn = train_run(coloured(tmp_path/'data'), tmp_path/'run', **HOW)
    config = json.loads((tmp_path/'run'/'config.json').read_text())
    del config['files']
    (tmp_path/'run'/'config.json').write_text(json.dumps(config))
    Image.new('RGB', (16,16)).save(tmp_path/'data'/'red'/'new.png')
    same(load_run(tmp_path/'run').dls.source, learn.dls.source)

def test_home(tmp_path, monkeypatch, capsys):
    "`~` is the home folder wherever a path is given, and no folder is called so"
    monkeypatch.setenv('HOME', str(tmp_path/'home'))
    (tmp_path/'here').mkdir()
    monkeypatch.chdir(tmp_path/'here')
    data = coloured(tmp_path/'home'/'data')
    train_run('~/data', '~/runs/a', **HOW)
    train_run('~/data', '~/runs/b', weights='~/runs/a/model.safetensors', **HOW)
    same(run_config('~/runs/a')['data']['path'], str(data))
    interp = explain_run('~/runs/a', k=1, mistakes=1, export='~/out')
    interp.export('~/more', 1); interp.report('~/page', 1, label_issues=False); interp.cams([0]).save('~/maps')
    same(CamMaps.load('~/maps.npz').layers, interp.cams([0]).layers)
    with expect_fail(FileExistsError, contains='is there already'): interp.export('~/more', 1)
    same(look_run('~/runs/a', '~/data/red/0.png', 1).files, [str(data/'red'/'0.png')])
    same(len(look_run('~/runs/a', '~/data', 1)), 20)
    same(compare('~/runs/a', '~/runs/b').names, ['a','b'])
    with open_run('~/runs/a') as page: same(page.marked, tmp_path/'home'/'runs'/'a'/'labels.csv')
    digits = digits_path('~/digits')
    same(digits.parent, tmp_path/'home')
    for o in ['runs','~/runs'],['look','~/runs/a','~/data/red/0.png'],['explain','~/runs/a','--k','1','--mistakes','0','--out','~/shell']:
        same(main(o), 0)
    same(main(['explain','~/runs/a','--export','~/more']), 1)
    assert 'it is there already' in capsys.readouterr().err
    same((list((tmp_path/'here').iterdir()), (tmp_path/'home'/'shell'/'cams.png').exists()), ([], True))

def test_names_that_a_table_could_lose(tmp_path, monkeypatch):
    "A class that is called a blank, or has the end of a line in its name; and data in a hidden folder"
    monkeypatch.chdir(tmp_path)
    data = coloured(tmp_path/'.photos')
    (data/'red').rename(data/' '); (data/'blue').rename(data/'a\rb')
    learn = train_run(data, labels=pd.DataFrame(dict(file=[' /0.png'], label=['a\rb'])), **HOW)
    same(learn.run_path, Path('runs')/'photos')
    same(load_run(learn.run_path).dls.source, learn.dls.source)
    same(load_run(learn.run_path).dls.vocab, [' ','a\rb'])

def one_epoch(dls=None, model=None, **kwargs):
    dls = dls or digits(n_train=40, n_valid=20, size=16, bs=8, augs=None)
    set_seed(1)
    learn = resnet_learner(dls, model or cifar_resnet18(dls.c, 2), **dict(precision='fp32')|kwargs)
    with learn.no_bar(), learn.no_logging(): learn.fit_recipe(1)
    return learn

LOSSES = dict(
    margin=nn.MultiMarginLoss(margin=.5), focal=FocalLossFlat(gamma=3.), weighted=CrossEntropyLossFlat(weight=torch.linspace(1, 9, 10)),
    smooth=nn.CrossEntropyLoss(label_smoothing=.1), function=F.cross_entropy, partial=partial(F.cross_entropy, label_smoothing=.1))

@pytest.mark.parametrize('name', LOSSES)
def test_the_loss_comes_back(name, tmp_path):
    learn = one_epoch(loss_func=LOSSES[name])
    back = load_run(learn.save_run(tmp_path/name))
    assert described(back.loss_func)==described(learn.loss_func)
    same(back.validate(), learn.validate())
    if name=='margin':
        with pytest.raises(ValueError, match='these are no probabilities'): CAMInterpretation.from_learner(back)

def test_a_loss_that_is_not_made_again(tmp_path):
    "is known by its name, and nothing is said of probabilities"
    class Mine(nn.Module):
        def forward(self, pred, y): return F.cross_entropy(pred, y)
    folder = one_epoch(loss_func=Mine()).save_run(tmp_path/'mine')
    with pytest.warns(UserWarning, match='was trained with Mine, .* `loss_func=`'): learn = load_run(folder)
    with pytest.raises(ValueError, match='give it to `load_run`'): learn.validate()
    with pytest.raises(ValueError, match='give it to `load_run`'): CAMInterpretation.from_learner(learn)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert load_run(folder, loss_func=Mine()).validate()

def of_fastai(**kwargs):
    fs = L(o for c in '01' for o in sorted((digits_path()/'train'/c).iterdir())[:24])
    how = dict(bs=8, num_workers=0, item_tfms=Resize(16), seed=1, device=torch.device('cpu'))
    return ImageDataLoaders.from_path_func(digits_path(), fs, lambda o: o.parent.name, **how|kwargs)

def test_one_output_for_two_classes(tmp_path):
    dls = of_fastai()
    folder = one_epoch(dls, cifar_resnet18(1, 4), loss_func=BCEWithLogitsLossFlat(), metrics=[]).save_run(tmp_path/'one')
    back = CAMInterpretation.from_learner(load_run(folder, dls=dls))
    assert back.preds.shape==(len(dls.valid_ds),2)

def test_data_of_fastai_is_not_found_again(tmp_path):
    folder = one_epoch(of_fastai()).save_run(tmp_path/'fastai')
    with pytest.raises(ValueError, match="can't be found again.* `load_run`, as `dls=`"): load_run(folder)
    assert load_run(folder, dls=of_fastai()).validate()

GREY = [.5]*3,[.25]*3

@pytest.mark.parametrize('steps, other', [([imagenet_stats],[]), ([imagenet_stats],[GREY]), ([imagenet_stats,GREY],[imagenet_stats])])
def test_statistics_of_fastai_s_data(steps, other, tmp_path):
    "Of a step of one's own and of that which `vision_learner` adds, what both do"
    def normalised(steps): return of_fastai(batch_tfms=[Normalize.from_stats(*o) for o in steps])
    learn = one_epoch(normalised(steps))
    folder = learn.save_run(tmp_path/'fastai')
    same(load_run(folder, dls=normalised(steps)).validate(), learn.validate())
    with expect_fail(ValueError, contains='give data with the same stats'): load_run(folder, dls=normalised(other))

def test_statistics_beside_those_of_the_source(tmp_path):
    dls = digits(n_train=40, n_valid=20, size=16, bs=8, augs=None)
    dls.add_tfms([Normalize.from_stats(*GREY)], 'after_batch')
    folder = one_epoch(dls).save_run(tmp_path/'twice')
    with expect_fail(ValueError, contains='give data with the same stats'): load_run(folder)

def test_validation_pictures_that_are_changed(tmp_path):
    learn = one_epoch(digits(n_train=40, n_valid=20, size=16, bs=8, augs=AlbumentationsTransform(None, A.InvertImg(p=1))))
    same(load_run(learn.save_run(tmp_path/'inverted')).validate(), learn.validate())

class Down(BatchAug):
    def change(self, x): return x.flip(2)

class Dim(A.ImageOnlyTransform):
    def apply(self, img, **params): return img//2

def test_augmentations_of_ones_own_are_described(tmp_path):
    few = dict(n_train=40, n_valid=20, size=16, bs=8)
    class RandomFlip(BatchAug):   # not ours, though it is called so
        def __init__(self, k=1): super().__init__(); self.times = k
        def change(self, x): return x.flip(2)
    for augs,names in ([Down()],'Down'), ([RandomFlip()],'RandomFlip'), ([PickOne([Down(),RandomGrey()], [.5,.5])],'PickOne'):
        folder = one_epoch(digits(augs=augs, **few)).save_run(tmp_path/names)
        assert run_config(folder)['augs']==dict(described=names) and run_config(folder)['recipe'] is None
        with pytest.warns(UserWarning, match=f'{names}, so there are none'): load_run(folder)
    folder = one_epoch(digits(augs=[Dim(p=1)], **few)).save_run(tmp_path/'dim')
    fn = folder/'config.json'
    fn.write_text(fn.read_text().replace(f'{__name__}.Dim', 'elsewhere.Dim'))   # as another process, which does not have it
    with pytest.warns(UserWarning, match='so there are none'): load_run(folder)

def test_transforms_of_fastai_are_described():
    same(augs_config(of_fastai(batch_tfms=aug_transforms(max_lighting=0, max_warp=0))), dict(described='Resize, Flip'))
    dls = digits()
    dls.train.after_batch.add(RandomErasing(p=1.))
    assert augs_config(dls)['described'].endswith('OneOf, RandomErasing')

def test_the_record_is_of_what_was_used(tmp_path, monkeypatch):
    monkeypatch.setattr('cifar_cam.recipe._precisions', lambda dev: ['bf16','fp32'])   # of a CPU that may not have the first
    learn = resnet_learner(digits(n_train=40, n_valid=20, size=16, bs=8, augs=None), cifar_resnet18(10, 2), Recipe(augs='none'), 'bf16')
    learn.dls = digits(n_train=40, n_valid=20, size=16, bs=20, augs=None)
    assert learn.precision=='bf16'
    learn.to_fp32()
    with learn.no_bar(), learn.no_logging(): learn.fit_recipe(1)
    config = run_config(learn.save_run(tmp_path/'run'))
    assert (config['precision'],config['recipe'],config['data']['bs'])==('fp32',None,20)
    learn.to_fp16()
    assert learn.precision=='fp32' or torch.cuda.is_available()   # which fastai's own is for

def test_what_a_run_can_not_keep(learn, tmp_path):
    "Told before anything is written"
    told = (dict(data='pets'),'config.json has its own data'),(dict(files=1),'its own files'),(dict(x=Path('x')),'give what JSON has')
    for info,said in told:
        with expect_fail(ValueError, contains=said): learn.save_run(tmp_path/'run', **info)
    assert not (tmp_path/'run').exists()
    same(run_config(learn.save_run(tmp_path/'run', note='a'))['note'], 'a')

@pytest.mark.parametrize('how,chosen', [(dict(every_epoch=True),False), (dict(at_end=True),False), ({},True)])
def test_saving_is_no_choice(how, chosen, tmp_path):
    "Weights that are saved and not loaded back were not chosen, and leave the recipe alone"
    learn = resnet_learner(digits(), cifar_resnet18(10, 4), precision='fp32', path=tmp_path)
    with learn.no_bar(), learn.no_logging(): learn.fit_recipe(1, cbs=SaveModelCallback(**how))
    config = run_config(learn.save_run(tmp_path/'run'))
    same((config['selection'].startswith('on the validation'), config['recipe'] is None), (chosen,chosen))

class Own(nn.Module):
    "A model that is not built here"
    def __init__(self):
        super().__init__()
        self.net = cifar_resnet18(10, 4)
    def forward(self, x): return self.net(x)

def test_own_models_from_the_shell(tmp_path, capsys):
    "Which takes no model: the way on is in Python"
    learn = resnet_learner(digits(), Own(), precision='fp32')
    run = str(learn.save_run(tmp_path/'own'))
    for o in ['compare',run,run],['export',run,str(tmp_path/'x.onnx')],['explain',run]:
        same(main(o), 1)
        said = capsys.readouterr().err
        assert 'which is not built here: in Python, give it as `model=` to `load_run`, and its learner here' in said, said
    with expect_fail(ValueError, contains='to `load_run`, and its learner here'): compare(run, run)
    same(len(compare(load_run(run, model=Own()), learn).lines), 1)

def test_loaders_of_torch_are_kept(tmp_path):
    noise = [(torch.rand(3, 16, 16), i%3) for i in range(12)]
    dls = DataLoaders(*(torch.utils.data.DataLoader(noise, 4) for _ in range(2)))
    learn = Learner(dls, cifar_resnet18(3, 2), CrossEntropyLossFlat(), cbs=History())
    with learn.no_bar(), learn.no_logging(): learn.fit(1)
    assert run_config(learn.save_run(tmp_path/'run'))['augs'] is None
    again = load_run(tmp_path/'run', dls=dls)
    assert all((a==b).all() for a,b in zip(learn.model.state_dict().values(), again.model.state_dict().values()))
    with pytest.raises(ValueError, match="dls is .*: give `DataLoaders` of fastai's, or None"): load_run(tmp_path/'run', dls=dls.valid)

@pytest.mark.parametrize('about', [None,'by me','[]','{"stats": null}'])
def test_weights_bring_their_statistics(learn, run, tmp_path, about):
    "A run that begins with the weights of another takes pictures as these were trained on; what others write into their files is theirs"
    from safetensors.torch import load_file, save_file
    fn,norm = run/'model.safetensors',{}
    if about: fn = tmp_path/'own.safetensors'; save_file(load_file(run/'model.safetensors'), fn, dict(about=about))
    small = dict(epochs=1, n_train=20, n_valid=20, width=4, workers=0)
    train_run('digits', tmp_path/'again', weights=fn, check=lambda o: norm.update(o.dls.source), **small)
    its,own = learn.dls.source['stats'],digits(n_train=20, n_valid=20).source['stats']
    assert its!=own and norm['stats']==(own if about else its)

def as_table(folder, name='table.csv', n=6):
    "A few digits as a table in `folder`"
    rows = ['file,label']
    for c in '37':
        for f in sorted((digits_path()/'train'/c).iterdir())[:n]:
            (folder/'pics'/c).mkdir(parents=True, exist_ok=True)
            shutil.copy(f, folder/'pics'/c)
            rows.append(f'pics/{c}/{f.name},{c}')
    (folder/name).write_text('\n'.join(rows))
    return folder/name

def kept(folder): return {o: o.read_bytes() for o in folder.rglob('*') if o.is_file()}

@pytest.mark.parametrize('name', ['split.csv','labels.csv','metrics.json','model.safetensors','config.json'])
def test_a_folder_of_ones_own(learn, tmp_path, name):
    "A folder without a run, in which a run would replace or remove a file: refused before anything is done, and nothing is lost"
    mine = tmp_path/'mine'
    table = as_table(mine, name if name.endswith('csv') else 'table.csv')
    if name!=table.name: (mine/name).write_text('{"model_type": "resnet"}')
    (mine/'report-2025.html').touch()
    before = kept(mine)
    how = dict(epochs=1, width=4, precision='fp32', augs='none')
    with pytest.raises(ValueError, match=f'{name}.*give another folder'): train_run(str(table), mine, **how)
    if name!='labels.csv':
        with pytest.raises(ValueError, match=f'holds a {name} that is of no run'): learn.save_run(mine)
    assert kept(mine)==before

def test_what_lies_beside_stays(tmp_path):
    "Whatever a run does not write is as before, hidden folders that begin with its name included"
    mine = tmp_path/'mine'
    table = as_table(mine)
    (mine/'.mine-notes').mkdir()
    for o in '.mine-notes/diary.txt','report-2025.html','predictions.csv': (mine/o).write_text('mine')
    before = kept(mine)
    learn = train_run(str(table), mine, epochs=1, width=4, precision='fp32', augs='none')
    assert {k: o for k,o in kept(mine).items() if k in before}==before
    assert load_run(mine).dls.vocab==learn.dls.vocab
