"What a notebook can't show of comparing: the shell, data that was moved, changed or labelled anew, records of every kind"
import re, shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import html5lib
import numpy as np
import pytest
import torch
from PIL import Image

from fastai.callback.mixup import MixUp
from fastai.callback.tracker import SaveModelCallback
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat, FocalLossFlat
from fastai.vision.augment import Resize
from fastai.vision.data import ImageDataLoaders

from cifar_cam.cli import main
from cifar_cam.compare import _p_text, compare
from cifar_cam.data import cifar_block, cifar_dls
from cifar_cam.interp import CAMInterpretation
from cifar_cam.layouts import find_pictures
from cifar_cam.learner import resnet_learner
from cifar_cam.models import cifar_resnet18
from cifar_cam.run import load_run, train_run

HOW = dict(recipe='fast', augs='none', epochs=1, width=2, size=16)

def colours(folder, n, classes='ab'):
    "`n` pictures of each class, which are hard to tell apart"
    for i,c in enumerate(classes):
        (folder/c).mkdir(parents=True)
        for j in range(n):
            x = np.random.default_rng([i,j,n]).integers(0, 256, (16,16,3))
            x[...,i%3] = x[...,i%3]//2+100
            Image.fromarray(x.astype(np.uint8)).save(folder/c/f'{j}.png')

@pytest.fixture(scope='module')
def home(tmp_path_factory):
    "Data, and two runs on it, of one and of two epochs"
    home = tmp_path_factory.mktemp('compare')
    colours(home/'data'/'train', 8)
    colours(home/'data'/'test', 20)
    for name,epochs in ('short',1),('long',2): train_run(home/'data', home/name, **HOW | dict(epochs=epochs))
    return home

def test_the_folder_where_one_is(home, tmp_path, monkeypatch):
    "It is a folder as any other, for data, runs, and what is written"
    there = {o: Path(shutil.copytree(home/o, tmp_path/o)) for o in ('data','short','long')}
    monkeypatch.chdir(there['data'])
    assert len(find_pictures('.').table)==len(find_pictures(Path()).table)==len(find_pictures(there['data']).table)
    assert main(['train', '--data', '.', '--width', '2', '--epochs', '1', '--out', '../again'])==0
    monkeypatch.chdir(there['short'])
    for line in 'explain . --k 1 --mistakes 1', 'look . ../data/test/a/0.png', 'runs .', 'compare . ../long --out page.html':
        assert main(line.split())==0, line
    assert Path('page.html').exists() and Path('report.html').exists() and load_run('.').dls.c==2

def said(*args):
    with redirect_stdout(StringIO()) as out: status = main(['compare', *map(str, args)])
    return status,out.getvalue()

def test_shell(home):
    "Names of the folders, the line, the classes, and what differs"
    status,text = said(home/'short', home/'long')
    assert status==0
    for o in '  short: ','  long: ','mistakes repaired','level 95 %','\nclass','what differs','recipe.epochs  ': assert o in text, text
    assert text.count(' of 40 pictures')==2

def test_same_run_twice(home):
    status,text = said(home/'short', home/'short')
    assert status==0 and 'B is the same network as A: both say the same of all 40 pictures, so there is no difference (p=1)' in text
    assert '0 mistakes repaired, 0 new' in text and 'nothing differs' in text

def test_three_runs(home):
    status,text = said(home/'short', home/'long', home/'short')
    assert status==0 and text.count('by Holm')==2 and text.count('\nclass')==2

def test_folders_learners_and_interpretations(home):
    "One answer, whatever is given"
    learns = [load_run(home/o) for o in ('short','long')]
    given = [home/'short',home/'long'],learns,[CAMInterpretation.from_learner(o) for o in learns],[str(home/'short'),learns[1]]
    tables = [compare(*o).table.to_csv() for o in given]
    assert len(set(tables))==1 and 'correct_long' in tables[0]

@pytest.fixture
def copy(home, tmp_path):
    "A copy of the data, elsewhere"
    return Path(shutil.copytree(home/'data', tmp_path/'copy'))

def run_on(data, **kwargs): return train_run(data, data.parent/'run', **HOW | kwargs)

def test_moved_data_of_another_size(home, copy):
    "The same files elsewhere, and in another size, are the same pictures"
    c = compare(home/'short', run_on(copy, size=32))
    assert len(c.table)==40 and not c.notes
    assert {'data.size','data.path'} <= set(c.differs().index)

def test_pixels_that_changed(home, copy):
    "A picture that was replaced is not compared, in the same size or another"
    shutil.copy(copy/'test'/'a'/'1.png', copy/'test'/'a'/'0.png')
    for size in 16,32:
        c = compare(home/'short', train_run(copy, copy.parent/f'run{size}', **HOW | dict(size=size)))
        assert len(c.table)==39 and c.notes==['pictures of the same name with other pixels, left out: 1']

def test_pictures_that_are_gone(home, copy):
    for i in range(15): (copy/'test'/'a'/f'{i}.png').unlink()
    c = compare(home/'short', run_on(copy))
    assert len(c.table)==25 and c.notes==['short is of 40 pictures, run is of 25 pictures: 25 are the same by name']
    shutil.rmtree(copy/'test'/'b')
    for o in (copy/'test'/'a').iterdir(): o.rename(o.with_stem('x'+o.stem))
    renamed = train_run(copy, copy.parent/'x', **HOW)
    with pytest.raises(ValueError, match='there is no picture that all have'): compare(home/'short', renamed)

def test_labels_that_changed(home):
    "Pictures of the test set with another label are left out, and so are those that a run leaves out; it is said"
    rows = 'file,label,was\ntest/a/0.png,b,a\ntest/a/1.png,b,a\ntest/b/0.png,,b\n'
    (home/'labels.csv').write_text(rows)
    c = compare(home/'short', train_run(home/'data', home/'put', labels=home/'labels.csv', **HOW))
    assert len(c.table)==37 and any(o.startswith('data.labels_used') for o in c.differs().index)
    assert c.notes[-1]=='pictures that have not the same label in short and put, left out: 2'
    assert 'put is of 39 pictures' in c.notes[0]

def test_other_classes(home, tmp_path):
    colours(tmp_path/'data'/'train', 8, 'ac')
    colours(tmp_path/'data'/'test', 5, 'ac')
    learn = run_on(tmp_path/'data')
    with pytest.raises(ValueError, match="'b' is a class of"): compare(home/'short', learn)
    with pytest.raises(ValueError, match="'c' is a class of"): compare(home/'short', learn.run_path)
    assert said(home/'short', learn.run_path)[0]==1

def chosen(dls, path):
    "A learner that kept the best of its epochs, in `path`"
    learn = resnet_learner(dls, cifar_resnet18(2, width=2), 'fast')
    learn.path = path
    with learn.no_bar(), learn.no_logging(): learn.fit(2, cbs=SaveModelCallback(monitor='valid_loss'))
    return learn

def test_a_choice_is_said(home, tmp_path):
    "Early stopping on the pictures that are compared is said, and on others it is not"
    c = compare(home/'short', CAMInterpretation.from_learner(chosen(cifar_dls(home/'data', size=16), tmp_path)))
    said = 'B chose its weights on the validation pictures: SaveModelCallback by valid_loss; the accuracy on them is higher than on others'
    assert c.notes==[said]
    three = Path(shutil.copytree(home/'data', tmp_path/'three'))
    colours(three/'valid', 4)
    learn = chosen(cifar_dls(three, size=16), tmp_path)
    assert not compare(home/'short', learn).notes
    assert 'selection' in compare(home/'short', learn).differs().index

def test_what_was_learned_is_said(home):
    "Of pictures that a network was trained on, its accuracy says little"
    learn = load_run(home/'short')
    other = CAMInterpretation.from_learner(load_run(home/'long'), dl=learn.dls.train)
    c = compare(CAMInterpretation.from_learner(learn, dl=learn.dls.train), other)
    assert c.notes==[f'{o} was trained on 16 of these pictures: of them it knew the label' for o in c.names]

def test_files_are_pictures_wherever_their_folder_is(home, copy):
    "DataLoaders of fastai's, which know no folder, have the same files as ours; a copy elsewhere has others"
    def theirs(path):
        "Our own, trained on none, and `path` as fastai's `DataBlock` has it"
        dls = cifar_block(size=16, augs=None).dataloaders(path, bs=8, num_workers=0)
        assert str(dls.path)=='.'
        return Learner(dls, cifar_resnet18(2, width=2), CrossEntropyLossFlat())
    ours,block = load_run(home/'short'),theirs(home/'data')
    for runs in (ours,block),(block,ours):
        c = compare(*runs)
        assert len(c.table)==40 and not c.notes
    trained = [CAMInterpretation.from_learner(o, dl=o.dls.train) for o in (ours,block)]
    c = compare(*trained)
    assert c.notes==[f'{o} was trained on 16 of these pictures: of them it knew the label' for o in c.names]
    with pytest.raises(ValueError, match='there is no picture that all have'): compare(ours, theirs(copy))

def fitted(home, lr=.01, loss=None, cbs=None, **kwargs):
    "A learner that no recipe trained"
    dls = cifar_dls(home/'data', size=16, bs=8)
    learn = resnet_learner(dls, cifar_resnet18(2, width=2), precision='fp32', loss_func=loss or CrossEntropyLossFlat())
    with learn.no_bar(), learn.no_logging(): learn.fit_one_cycle(1, lr, cbs=cbs, **kwargs)
    return learn

def test_what_differs_without_a_recipe(home):
    "Loss, callbacks, rates and more of the fits, as they were used; not how the training went"
    def told(**kwargs): return compare(fitted(home), fitted(home, **kwargs)).differs()
    assert not len(told())
    t = told(loss=FocalLossFlat(), cbs=MixUp(.3))
    assert list(t.loc['fits.1.loss.name'])==['CrossEntropyLossFlat','FocalLossFlat'] and list(t.loc['fits.1.loss.gamma'])==['–','2.0']
    assert list(t.loc['fits.1.callbacks.2.name'])==['–','MixUp'] and t.loc['fits.1.callbacks.2.alpha','B']=='0.3'
    assert {'fits.1.lr','fits.1.schedule.1.lr'}=={o for o in told(lr=.02).index if not o.startswith('fits.1.optimiser')}
    assert list(told(wd=.1).index)==['fits.1.optimiser.groups.1.wd']
    two = fitted(home)
    with two.no_bar(), two.no_logging(): two.fit(1)
    t = compare(fitted(home), two).differs()
    assert list(t.index)==['epochs_done','fits'] and t.loc['fits','B']=='fit_one_cycle, 1 epoch; fit, 1 epoch'
    t = compare(fitted(home), load_run(home/'short')).differs()
    assert t.loc['fits.1.function'].tolist()==['fit_one_cycle','fit_recipe'] and not any('recipe' in o for o in t.index if o[:4]=='fits')

def test_long_settings_that_differ_at_their_end(home):
    "Numbers beyond what is shown make a difference too"
    runs = [fitted(home) for _ in range(2)]
    for i,o in enumerate(runs): o.history.fits[0]['loss']['weight'] = [1.]*100+[float(i)]
    assert list(compare(*runs).differs().index)==['fits.1.loss.weight']

def test_shell_page(home, tmp_path):
    "With --out there is a page, in a folder or as a file; what can't be a page is refused before anything is read"
    for out,fn in (tmp_path/'new'/'folder',tmp_path/'new'/'folder'/'compare.html'),(tmp_path/'page.html',)*2:
        status,text = said(home/'short', home/'long', '--out', out, '--k', 3)
        assert status==0 and f'the page is {fn}' in text and fn.is_file()
    (tmp_path/'text').touch()
    for out in tmp_path/'text',tmp_path/'text'/'x',tmp_path/'page.html'/'x': assert said(home/'short', home/'long', '--out', out)[0]==1

# the page

ODD = '<b title="x">odd & $1'

def as_told(interp, wrong):
    "`interp` with mistakes at `wrong`, of a probability that grows with the index"
    sure = torch.linspace(.6, .9, len(interp.targs))
    said = torch.tensor([1-t if i in wrong else t for i,t in enumerate(interp.targs.tolist())])
    preds = torch.stack([1-sure]*2, 1).scatter(1, said[:,None], sure[:,None])
    return CAMInterpretation(interp.learn, interp.dl, interp.losses, None, preds, interp.targs)

@pytest.fixture(scope='module')
def pages(home):
    "Comparisons of two and of three networks, the second one of other pixels and layers, and their pages"
    a = CAMInterpretation.from_learner(load_run(home/'short'))
    other = train_run(home/'data', home/'other', arch='torchvision/mobilenet_v3_small', **HOW | dict(size=64, width=None))
    b = CAMInterpretation.from_learner(other)
    a,b,c = as_told(a, range(10)),as_told(b, range(6, 13)),as_told(a, [0])
    two,three = compare(a, b, names=['first', ODD]),compare(a, b, c, names=['first', ODD, 'third'])
    return two,two.report(home/'pages'/'two.html'),three,three.report(home/'pages'),two.report(home/'pages'/'few.html', k=2)

def test_page_is_html(pages):
    "A strict parser reads it, what came from outside is text, and nothing is asked of anybody"
    for fn in pages[1],pages[3],pages[4]:
        text = fn.read_text(encoding='utf-8')
        doc = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
        ids = [o.get('id') for o in doc.iter() if o.get('id')]
        assert len(ids)==len(set(ids)) and '<b title' not in text and '&lt;b title' in text
        assert not re.search(r'(src|href)\s*=\s*["\']?(?!data:)[a-z]+:', text)
    text = re.sub(r'\s+', ' ', ''.join(doc.itertext()))
    for o in pages[0].lines[0],'2 of 6 repaired, 2 of 3 new, 2 of 4 common','McNemar’s exact test','data.size': assert o in text, o

@pytest.fixture(params=[(1400,900),(390,844)], ids=['wide','phone'])
def page(browser, pages, request):
    "The page of two, opened; at the end: nothing in the console, no request but the file, nothing wider than the screen"
    w,h = request.param
    context,heard,asked = browser.new_context(viewport=dict(width=w, height=h)),[],[]
    page = context.new_page()
    page.on('console', lambda m: heard.append(m.text))
    page.on('pageerror', lambda e: heard.append(str(e)))
    page.on('request', lambda r: None if r.url.startswith('data:') else asked.append(r.url))
    page.goto(pages[1].as_uri())
    yield page
    assert page.evaluate('document.documentElement.scrollWidth')<=w
    context.close()
    assert not heard and asked==[pages[1].as_uri()], (heard, asked)

def shown(page): return page.evaluate('state.shown.map(row => row.idx)')

def choose(page, id, value):
    page.evaluate("document.querySelectorAll('.side details').forEach(o => (o.open = true))")
    page.select_option(id, value)

def test_tiles(page, pages):
    "A tile has both maps and what both said; the most telling repaired ones are first"
    t = pages[0].table
    assert shown(page)==[*pages[0].repaired().index, *pages[0].new().index, *pages[0].common().index]
    first = page.locator('.tile').first
    assert first.bounding_box()['y']<844 and first.locator('.stack').count()==2
    first.locator('canvas.picture').nth(1).wait_for()
    r = t.loc[shown(page)[0]]
    words = first.inner_text().replace('\u00a0', ' ')
    for o in f'{r.actual}: {r.predicted_first} {r.prob_first:.0%} → '.replace('%', ' %'),'repaired': assert o in words, words

def test_filter(page, pages):
    for kind in 'repaired','new','common':
        choose(page, '#change', kind)
        assert shown(page)==getattr(pages[0], kind)().index.tolist()
        assert f'{len(shown(page))} of 13 pictures' in page.inner_text('#count')
    page.click('.side .all')
    assert len(shown(page))==13 and page.input_value('#change')==''

def test_large_view(page, pages):
    "Maps of both networks, a row each, and what each said"
    page.locator('.tile').first.click()
    heads = page.locator('#evidence table.maps th[scope=row]').all_inner_texts()
    assert [o.split('\n')[0] for o in heads]==['first',ODD]
    said = page.locator('#evidence table.said').inner_text()
    assert ODD in said and 'repaired' in said and 'first' in said
    page.keyboard.press('ArrowRight')
    assert page.evaluate('location.hash')==f'#{shown(page)[1]}'
    page.click('#close')

def test_maps_are_true(page, pages):
    "What the browser draws is what Python draws, for both networks, whatever their layers are called"
    c = pages[0]
    layers = page.evaluate('Object.keys(DATA.layers)')
    assert layers[-1]=='stage-1' and '·' in page.evaluate('DATA.layers["stage-1"].words')
    rows = c.table.loc[shown(page)[:2]]
    for name,o in zip(c.names, c.interps):
        maps = o.cams(rows[f'idx_{name}'].tolist())
        for i,idx in enumerate(rows[f'idx_{ODD}']):
            got = page.evaluate("""async ([idx, kind]) => {
                const place = partsOf(BY_NAME.get(String(idx))).maps
                const sheet = await open(place.address).ready
                const pixels = mapPixels(numbersOf(sheet), place, 'stage-1', kind, true)
                return [hasMap(BY_NAME.get(String(idx)), 'stage-1', kind), Array.from(pixels.data)]
            }""", [int(idx), name])
            layer = maps.layers[-1]
            assert got[0]==(maps.status[layer][i]=='ok')
            want = maps.rgba(layer, maps[layer].shape[1:], native=True)[i].astype(float)
            off = np.abs(np.array(got[1]).reshape(want.shape)-want)[...,3].max()
            assert not got[0] or off<=4, (name, idx, off)

def test_names_that_are_numbers(browser, pages, tmp_path):
    "JavaScript has an order of its own for them"
    c = compare(*pages[0].interps, names=['2','1'])
    page = browser.new_page()
    page.goto(c.report(tmp_path/'x.html', k=2).as_uri())
    assert page.locator('#kind option').all_inner_texts()==['2 and 1']
    assert page.locator('.item .badge').first.inner_text()=='repaired'
    page.locator('.tile').first.click()
    heads = page.locator('#evidence table.maps th[scope=row]').all_inner_texts()
    assert [o.split('\n')[0] for o in heads]==['2','1']
    page.close()

def test_three_networks(browser, pages):
    "Which one stands beside the first is chosen, and the filter goes by it"
    page = browser.new_page(viewport=dict(width=1400, height=900))
    page.goto(pages[3].as_uri())
    assert page.locator('#kind option').all_inner_texts()==[f'first and {ODD}', 'first and third']
    choose(page, '#change', 'repaired')
    for name in 'third',ODD:
        choose(page, '#kind', name)
        assert set(shown(page))==set(pages[2].repaired(name).index)
    assert 'by Holm’s way' in page.inner_text('body')
    page.close()

def test_p_values_stand_on_their_side():
    "What is below 0.05 is not said to be it"
    ps = {9e-5: '<0.0001', .0004: '=0.0004', .0496: '=0.0496', .049996: '=0.049996', .05: '=0.05', .0504: '=0.05', .123456: '=0.12'}
    assert {p: _p_text(p) for p in ps}=={p: f'p{o}' for p,o in ps.items()}

def test_pictures_that_fastai_cuts_in_other_ways(tmp_path):
    "They are the same pictures, whatever each network sees of them; one that was replaced is another one"
    for i,f in enumerate(['train/a/0','train/b/0','valid/a/0','valid/a/1','valid/b/0']):
        for top in 'one','two':
            fn = tmp_path/top/f'{f}.png'
            fn.parent.mkdir(parents=True, exist_ok=True)
            x = np.random.default_rng(9 if (top,f)==('two','valid/b/0') else i).integers(0, 256, (12,18,3), np.uint8)
            Image.fromarray(x).save(fn)
    def seen(top, how):
        dls = ImageDataLoaders.from_folder(tmp_path/top, valid='valid', item_tfms=Resize(16, how), bs=2, num_workers=0)
        return CAMInterpretation.from_learner(Learner(dls, cifar_resnet18(2, 2), CrossEntropyLossFlat()))
    ours = cifar_dls(tmp_path/'one', bs=2, size=16, resize='pad')
    squish,crop,pad = seen('one', 'squish'),seen('one', 'crop'),CAMInterpretation.from_learner(resnet_learner(ours, cifar_resnet18(2, 2)))
    for a,b in (squish,crop),(pad,squish),(crop,pad):
        c = compare(a, b)
        assert (len(c.table),c.notes)==(3,[])
    c = compare(squish, seen('two', 'crop'))
    assert (len(c.table),c.notes)==(2,['pictures of the same name with other pixels, left out: 1'])
