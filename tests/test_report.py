"""The templates of the report, checked by their own tools; and what only a browser can show: its controls, its maps, the marks
that people make, what it asks for, and how it looks in the dark and on a narrow screen"""
import csv, io, json, os, re, shutil, subprocess
from pathlib import Path

import html5lib, pytest, tinycss2

BAD = '<img src=x onerror=document.title=1>'
TEMPLATES = Path(__file__).resolve().parent.parent/'cifar_cam'/'templates'
def sources(ext): return sorted(TEMPLATES.glob(f'*.{ext}'))
def named(o): return o.name

@pytest.mark.parametrize('fn', sources('*'), ids=named)
def test_lines(fn):
    "Formatted to be read: two spaces a level, no long lines"
    text = fn.read_text(encoding='utf-8')
    assert text.endswith('\n') and '\t' not in text and not re.search(' $', text, re.M)
    for line in text.splitlines():
        assert len(line)<=120, line
        assert not (len(line)-len(line.lstrip()))%2, line

@pytest.mark.parametrize('fn', sources('js'), ids=named)
def test_javascript(fn):
    node = shutil.which('node') or shutil.which('nodejs')
    if node is None:
        assert not os.environ.get('CI'), 'no node: install nodejs'
        pytest.skip('no node to check JavaScript')
    res = subprocess.run([node, '--check', fn], capture_output=True, text=True)
    assert res.returncode==0, res.stderr
    for line in fn.read_text(encoding='utf-8').splitlines():
        code = re.sub(r"'[^']*'|`[^`]*`", "''", line).partition('//')[0]
        assert not re.search(r';\s*\S', code), f'one statement a line: {line}'

def declarations(rules):
    "The declarations of CSS rules, also inside @media; a mistake in any of them fails"
    for r in rules:
        assert r.type in ('qualified-rule','at-rule','comment'), r
        if r.type=='at-rule':
            assert r.at_keyword=='media', r
            yield from declarations(tinycss2.parse_rule_list(r.content, skip_whitespace=True))
        if r.type=='qualified-rule': yield from tinycss2.parse_blocks_contents(r.content, skip_whitespace=True)

@pytest.mark.parametrize('fn', sources('css'), ids=named)
def test_css(fn):
    text = fn.read_text(encoding='utf-8')
    rules = tinycss2.parse_stylesheet(text, skip_whitespace=True)
    assert rules[0].type=='comment'
    found = list(declarations(rules))
    assert found
    for o in found: assert o.type=='declaration' and o.value, (o.source_line, getattr(o, 'message', o))
    assert all(b.source_line>a.source_line for a,b in zip(found, found[1:])), 'one declaration a line'

def test_css_of_something():
    "No rule without an element, and no colour without a value"
    def text(*exts): return ''.join(o.read_text(encoding='utf-8') for ext in exts for o in sources(ext))
    css,rest = text('css'),text('html','js')
    classes = set(re.findall(r'\.([a-z][a-z-]*)(?=[^{};]*\{)', css))
    assert {'tile','stack','probs'} <= classes
    for o in classes: assert re.search(rf'["\' ]{o}["\' ]', rest), f'.{o} is nowhere'
    for o in re.findall(r'var\((--\w+)', css): assert f'{o}:' in css+rest or f"'{o}'" in rest, f'{o} has no value'

def test_every_template_is_used():
    pages = ''.join(o.read_text(encoding='utf-8') for o in sources('html'))
    asked = ''.join(o.read_text(encoding='utf-8') for o in TEMPLATES.parent.glob('*.py'))
    for o in sources('*'): assert f"include '{o.name}'" in pages or f"'{o.name}'" in asked, o.name

def test_script_and_markup_agree():
    "What the script looks up by its id is there"
    pages = ''.join(o.read_text(encoding='utf-8') for o in sources('html'))
    js = ''.join(o.read_text(encoding='utf-8') for o in sources('js'))
    asked = set(re.findall(r"'#(\w+)'", js))
    assert len(asked)>20
    for o in asked: assert f'id="{o}"' in pages, o

@pytest.fixture(scope='module')
def report(tmp_path_factory):
    "A report of many mistakes: a network that has hardly learned the digits, one of which has markup for a name"
    from cifar_cam.all import CAMInterpretation, cifar_dls, digits_path, picture_files, resnet_learner, set_seed
    from cifar_cam.models import cifar_resnet18
    top = tmp_path_factory.mktemp('report')
    for split,n in ('train',300),('test',80):
        for f in picture_files(digits_path()/split, n):
            to = top/'data'/split/(BAD if f.parent.name=='3' else f.parent.name)
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy(f, to)
    dls = cifar_dls(top/'data', bs=32)
    set_seed(1)
    learn = resnet_learner(dls, cifar_resnet18(dls.c, width=8))
    with learn.no_bar(), learn.no_logging(): learn.fit_step(2)
    interp = CAMInterpretation.from_learner(learn)
    return interp, interp.report(top/'run', label_issues=False)

def data_of(fn): return json.loads(re.search(r'id="data">(.*?)</script>', fn.read_text(encoding='utf-8'), re.S)[1])

def test_html(report):
    "A strict parser reads the page; ids are unique, what is referred to is there, and all that can be used has a name"
    doc = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(report[1].read_text(encoding='utf-8'))
    ids = [o.get('id') for o in doc.iter() if o.get('id')]
    assert len(ids)==len(set(ids))
    for o in doc.iter():
        if o.get('aria-labelledby'): assert o.get('aria-labelledby') in ids
    own_words = lambda o: ''.join([o.text or '', *(p.tail or '' for p in o)]).strip()
    labelled = [p for o in doc.iter('label') for p in o.iter() if own_words(o)]
    for o in [*doc.iter('select'), *doc.iter('input')]: assert o in labelled or o.get('aria-label'), o.attrib
    for o in doc.iter('button'):
        assert o.get('type')=='button' and (o.get('aria-label') or ''.join(o.itertext()).strip()), o.attrib
    for o in doc.iter('th'): assert o.get('scope') in ('row','col')
    levels = [int(o.tag[1]) for o in doc.iter() if o.tag in ('h1','h2','h3')]
    assert levels[0]==1 and levels.count(1)==1

def test_all_inside(report):
    "No address but of data inside the file"
    text = report[1].read_text(encoding='utf-8')
    assert not re.search(r'(src|href)\s*=\s*["\']?(?!data:)[a-z]+:', text)
    assert '@import' not in text and 'url(' not in re.sub(r'url\(#\w+\)', '', text)

def test_no_mistakes(report, tmp_path):
    import torch.nn.functional as F
    interp,_ = report
    probs = F.one_hot(interp.targs, len(interp.vocab)).float()
    perfect = type(interp)(interp.learn, interp.dl, interp.losses, None, probs, interp.targs)
    fn = perfect.report(tmp_path, label_issues=False)
    text = fn.read_text(encoding='utf-8')
    html5lib.HTMLParser(strict=True).parse(text)
    assert 'No mistakes among 80 pictures' in text and data_of(fn)['rows']==[]

def test_one_mistake_of_many_is_no_hundred_percent(report):
    "In Python, and on the page that is served: the figure beside a mistake does not deny it"
    from cifar_cam.choices import as_percent
    rights = (0,1), (1,1), (1,3), (59999,60000), (1,60000), (1999,2000)
    said = '0.0', '100.0', '33.3', '99.998', '0.002', '99.95'
    assert [as_percent(a/b, 1).rstrip('%') for a,b in rights]==list(said)
    assert [as_percent(o) for o in (.5, .99996, 1e-20, float('nan'))]==['50.00%','99.996%','0.00%','nan%']
    its,_ = report
    n = len(its.table)
    probs = its.preds.new_zeros(n, len(its.vocab)).scatter(1, its.targs[:,None], 1.)
    probs[0] = probs[0].roll(1)
    its = type(its)(its.learn, its.dl, its.losses, None, probs, its.targs)
    its.table = its.table.iloc[[*range(n)]*750].reset_index(drop=True).assign(correct=[False]+[True]*(750*n-1))   # 60,000 rows
    assert its._of_what()['accuracy']=='99.998% of 60,000 pictures (1 mistake)' and dict(its._cards(None))['accuracy']=='99.998%'
    node = shutil.which('node') or shutil.which('nodejs')
    own = re.search(r'function shareOf.*?^}', (TEMPLATES/'own.js').read_text(encoding='utf-8'), re.M|re.S)[0]
    js = f'{own};console.log(JSON.stringify({json.dumps(rights)}.map(o => shareOf(...o))))'
    if node: assert json.loads(subprocess.run([node, '-e', js], capture_output=True, text=True).stdout)==list(said)

def test_losses_that_are_not_finite(browser, report, tmp_path):
    "As of a class that a network rules out: JSON has no Infinity, the worst stand first, and the mean is of all pictures"
    its,_ = report
    losses,(a,b) = its.losses.clone(),its.misclassified().idx.tolist()[-2:]
    losses[a],losses[b] = float('inf'),float('nan')
    interp = type(its)(its.learn, its.dl, losses, None, its.preds, its.targs)
    assert sorted(interp.misclassified(2).idx)==sorted([a,b]) and interp.metrics()['loss'] is None
    assert dict(interp._cards(None))['mean loss']=='nan'
    metrics = json.loads((interp.save(tmp_path/'run', k=1)/'metrics.json').read_text(), parse_constant=pytest.fail)
    assert metrics['loss'] is None and metrics['mistakes']==len(interp.misclassified())
    fn = interp.report(tmp_path, k=3, label_issues=False, faithfulness=False)
    text = re.search(r'id="data">(.*?)</script>', fn.read_text(encoding='utf-8'), re.S)[1]
    assert [o['loss'] for o in json.loads(text, parse_constant=pytest.fail)['rows']][:2]==[None,None]
    page = browser.new_page()
    page.goto(f'{fn.as_uri()}#{a}')
    assert 'loss not finite, margin' in page.inner_text('#large')
    assert page.locator('.tile').count()==3 and f'#{its.misclassified(1).idx.iat[0]}' in page.locator('.tile').last.inner_text()
    page.close()

@pytest.mark.skipif(os.name!='posix', reason='names are bytes')
def test_names_that_are_no_text(tmp_path):
    "Of classes, files and folders, as fastai takes them: they are written as `as_text` has them"
    from fastai.vision.all import CrossEntropyLossFlat, Image, ImageDataLoaders, Learner, np
    from cifar_cam.interp import CAMInterpretation
    from cifar_cam.models import cifar_resnet18
    top = os.fsencode(tmp_path/'of')+b'\xfc'
    for i,f in enumerate([b'train/a/0', b'train/b\xe9/1', b'valid/a/2\xe8', b'valid/a/3', b'valid/b\xe9/4']):
        fn = os.path.join(top, f)+b'.png'
        os.makedirs(os.path.dirname(fn), exist_ok=True)
        with open(fn, 'wb') as o: Image.fromarray(np.full((16,16,3), 40*i, np.uint8)).save(o, 'png')
    try: dls = ImageDataLoaders.from_folder(os.fsdecode(top), valid='valid', bs=2, num_workers=0)
    except UnicodeError: pytest.skip('this system has no such names')
    interp = CAMInterpretation.from_learner(Learner(dls, cifar_resnet18(2, 2), CrossEntropyLossFlat()))
    text = interp.report(tmp_path/'run', label_issues=False).read_text(encoding='utf-8')
    for o in '<th scope="col">b\\xe9</th>', '<title>Mistakes of ResNet18 on of\\xfc</title>': assert o in text
    assert data_of(tmp_path/'run'/'report.html')['classes']==['a','b\\xe9']

def test_many_classes_hostile_names_oblong_pictures(tmp_path):
    "A learner of any kind, whose classes and files have markup for names"
    from fastai.vision.all import CrossEntropyLossFlat, Image, ImageDataLoaders, Learner, np
    from fastai.vision.all import Normalize, Resize, imagenet_stats
    from cifar_cam.interp import CAMInterpretation
    from cifar_cam.models import cifar_resnet18
    ends,n = '"two" & </script>'.replace('/', '∕'),41
    for split in 'train','test':
        for c in [BAD, ends, *map(str, range(n-2))]:
            to = tmp_path/'names'/split/c
            to.mkdir(parents=True)
            for i in range(3):
                pixels = np.random.default_rng(i).integers(0, 256, (48,64,3), np.uint8)
                Image.fromarray(pixels).save(to/f'{i}<b>.png')
    dls = ImageDataLoaders.from_folder(tmp_path/'names', valid='test', bs=8, num_workers=0, item_tfms=Resize((48,64)),
                                       batch_tfms=Normalize.from_stats(*imagenet_stats))
    interp = CAMInterpretation.from_learner(Learner(dls, cifar_resnet18(n, 4), CrossEntropyLossFlat()))
    text = interp.report(tmp_path/'run', k=3, faithfulness=False, label_issues=False).read_text(encoding='utf-8')
    html5lib.HTMLParser(strict=True).parse(text)
    assert '<img src=x' not in text and '&lt;img src=x' in text and '<b>' not in text
    assert '64/48' in text and f'among {n} classes' in text and len(re.findall(r'→ [^<]*: \d', text))==40
    assert 1<=text.count('data-pair="')<=3   # of the three that are in the gallery

def test_link(report, tmp_path, monkeypatch):
    "What Jupyter shows leads to the page from where the notebook runs, whatever the folder is called"
    fn = report[1]
    assert isinstance(fn, Path) and fn==Path(str(fn)) and hash(fn)==hash(Path(str(fn))) and os.fspath(fn)==str(fn)
    monkeypatch.chdir(fn.parent.parent)
    assert fn._repr_html_()=='<a href="run/report.html" target="_blank">run/report.html</a>'
    odd = type(fn)(tmp_path/'a "b" & #1 <i>'/'report.html')
    monkeypatch.chdir(tmp_path)
    href,words = 'a%20%22b%22%20%26%20%231%20%3Ci%3E/report.html','a &#34;b&#34; &amp; #1 &lt;i&gt;/report.html'
    assert odd._repr_html_()==f'<a href="{href}" target="_blank">{words}</a>'
    assert odd.parent._repr_html_() is None

def until(page, is_so):
    "Wait till an expression is true; Playwright's own way is forbidden by the page's rules"
    for _ in range(100):
        if page.evaluate(is_so): return
        page.wait_for_timeout(100)
    assert page.evaluate(is_so), is_so

@pytest.fixture
def page(browser, report):
    "The report, opened; at the end: nothing in the console, and no request but the file"
    context,heard,asked = browser.new_context(),[],[]
    page = context.new_page()
    page.on('console', lambda m: heard.append(m.text))
    page.on('pageerror', lambda e: heard.append(str(e)))
    page.on('request', lambda r: None if r.url.startswith('data:') else asked.append(r.url))
    page.goto(report[1].as_uri())
    yield page
    context.close()
    assert not heard and asked==[report[1].as_uri()], (heard, asked)

def tiles(page): return [int(re.search(r'#(\d+)', o)[1]) for o in page.locator('.tile').all_inner_texts()]
def shown(page): return page.evaluate('state.shown.map(row => row.idx)')

@pytest.mark.parametrize('width,height', [(390,844), (1400,900)])
def test_first_tile_is_on_the_first_screen(browser, report, width, height):
    page = browser.new_page(viewport=dict(width=width, height=height))
    page.goto(report[1].as_uri())
    assert page.locator('.tile').first.bounding_box()['y']<height/2
    assert page.evaluate("document.querySelector('.tile').compareDocumentPosition(document.querySelector('#facts')) & 4")
    page.close()

def test_maps_are_true(page, report):
    "What the browser draws from the cells is what Python draws: smooth and in cells, plain and signed, at each layer"
    import numpy as np
    interp,_ = report
    for idx in interp.misclassified(3).idx:
        for kind,maps in interp._evidence_maps([idx], None, 'gradcam').items():
            for layer,in_cells in [(l,o) for l in maps.layers for o in (False,True)]:
                if maps.status[layer]!=['ok']: continue
                size = maps[layer].shape[1:] if in_cells else maps.size
                want = maps.rgba(layer, size, native=in_cells, shared_scale=kind=='contrast')[0].astype(float)
                got = page.evaluate("""async ([idx, layer, kind, inCells]) => {
                    const place = partsOf(BY_NAME.get(String(idx))).maps
                    const sheet = await open(place.address).ready
                    return Array.from(mapPixels(numbersOf(sheet), place, layer, kind, inCells).data)
                }""", [int(idx), layer, kind, in_cells])
                got = np.array(got, float).reshape(want.shape)
                laid = [o[...,:3]*o[...,3:]/255 for o in (got,want)]   # as it is laid over the picture
                off = 12 if maps[layer].size>256 else 4
                assert np.abs(laid[0]-laid[1]).max()<=off and np.abs(got-want)[...,3].max()<=off, (idx, kind, layer, in_cells)

def test_canvases_show_them(page, report):
    "The canvases on a tile are the picture and its map"
    import numpy as np
    interp,_ = report
    first = page.locator('.tile').first
    first.locator('canvas.map').wait_for()
    pixels = "o => Array.from(o.getContext('2d').getImageData(0, 0, o.width, o.height).data)"
    idx = [tiles(page)[0]]
    seen = np.array(first.locator('canvas.picture').evaluate(pixels)).reshape(32, 32, 4)
    assert (seen[...,:3]==interp.pictures(idx)[0]).all()
    maps = interp.cams(idx)
    alpha = np.array(first.locator('canvas.map').evaluate(pixels)).reshape(32, 32, 4)[...,3]
    assert np.abs(alpha-maps.rgba(maps.layers[-1])[0,...,3].astype(int)).max()<=3

def test_sort(page, report):
    t = report[0].misclassified()
    assert len(t)>10 and tiles(page)==t.idx.tolist()
    page.select_option('#sort', 'confidence')
    assert t.set_index('idx').loc[tiles(page)].prob.round(4).is_monotonic_decreasing
    page.select_option('#sort', 'margin')
    assert t.set_index('idx').loc[tiles(page)].margin.round(4).is_monotonic_increasing
    page.select_option('#sort', 'class')
    names = list(report[0].vocab)
    assert [names.index(o) for o in t.set_index('idx').loc[tiles(page)].actual]==sorted(map(names.index, t.actual))

def test_filter_by_pair(page, report):
    t,names = report[0].misclassified(),list(report[0].vocab)
    cell = page.locator('[data-pair]').first
    a,b = (names[int(o)] for o in cell.get_attribute('data-pair').split(','))
    page.fill('#text', 'nothing has this')   # no other filter is left, or there might be nothing to see
    assert tiles(page)==[] and page.is_visible('#nothing')
    cell.click()
    own = t[(t.actual==a) & (t.predicted==b)]
    assert tiles(page)==own.idx.tolist() and cell.get_attribute('aria-pressed')=='true'
    assert f'{len(own)} of {len(t)}' in page.inner_text('#count') and not page.is_visible('#nothing')
    page.click('.side .all')
    assert len(tiles(page))==len(t) and cell.get_attribute('aria-pressed')=='false' and page.is_disabled('.side .all')
    cell.click(); cell.click()   # a second click takes the filter back
    assert len(tiles(page))==len(t)

def test_no_cell_leads_to_nothing(browser, report, tmp_path):
    "Of a gallery that has only some of the mistakes, the other cells of the matrix are no buttons"
    interp,_ = report
    page = browser.new_page()
    page.goto(interp.report(tmp_path, k=3, label_issues=False, faithfulness=False).as_uri())
    t = interp.misclassified(3)
    cells = page.locator('[data-pair]')
    assert cells.count()==len(set(zip(t.actual, t.predicted)))
    for o in cells.all(): o.click(); assert tiles(page)
    assert page.locator('.matrix span[title$="not in the gallery"]').count()
    assert 'largest loss among' in page.inner_text('#count')
    page.close()

def test_filter_by_class_and_confidence_and_text(page, report):
    t,names = report[0].misclassified(),list(report[0].vocab)
    page.select_option('#actual', str(names.index(t.actual.iloc[0])))
    assert tiles(page)==t[t.actual==t.actual.iloc[0]].idx.tolist()
    page.click('.side .all')
    page.select_option('#predicted', str(names.index(t.predicted.iloc[0])))
    assert tiles(page)==t[t.predicted==t.predicted.iloc[0]].idx.tolist()
    page.click('.side .all')
    sure = (100*t.prob.astype(float).round(4)).round()
    page.focus('#least')   # by keys
    for _ in range(40): page.keyboard.press('ArrowRight')
    assert tiles(page)==t[sure>=40].idx.tolist() and '40\u00a0% to 100\u00a0%' in page.inner_text('#sure')
    page.keyboard.press('Home')
    box = page.locator('#most').bounding_box()   # by the pointer
    y = box['y']+box['height']/2
    page.mouse.move(box['x']+box['width']-6, y); page.mouse.down(); page.mouse.move(box['x']+box['width']/2, y); page.mouse.up()
    most = int(page.input_value('#most'))
    assert 40<most<60 and tiles(page)==t[sure<=most].idx.tolist()
    page.focus('#least'); page.keyboard.press('End')   # an end pushes the other along
    assert page.input_value('#most')=='100'
    page.click('.side .all')
    page.fill('#text', f'#{t.idx.iloc[2]}')
    assert t.idx.iloc[2] in tiles(page)
    page.fill('#text', t.file.iloc[1].rpartition('/')[2].upper())
    assert t.idx.iloc[1] in tiles(page)

def test_filter_doubtful(browser, report, tmp_path, monkeypatch):
    interp,_ = report
    two = interp.misclassified(2).assign(label_quality=.1)
    two.attrs['said'] = 'Two labels are doubtful.'
    monkeypatch.setattr(type(interp), 'label_issues', lambda self: two)
    page = browser.new_page()
    page.goto(interp.report(tmp_path, label_issues=True, faithfulness=False).as_uri())
    assert page.locator('.tile .badge').count()==2
    page.check('#doubtful')
    assert tiles(page)==two.idx.tolist()
    page.close()

def test_layer_kind_maps_and_cells(page, report):
    words = lambda: page.locator('.tile .stack').first.get_attribute('aria-label')
    drawn = lambda: page.evaluate("[...document.querySelectorAll('.tile canvas.map')].map(o => o.toDataURL()).join()")
    seen = []
    def look(do=lambda: None):
        do()
        page.locator('.tile canvas.map').first.wait_for(); page.wait_for_timeout(100)
        seen.append(drawn())
    look()
    for layer in 'layer1','layer3':
        look(lambda: page.select_option('#layer', layer))
        assert layer in words()
    assert 'little' in page.inner_text('#legend')
    for kind in 'actual','contrast': look(lambda: page.select_option('#kind', kind))
    assert 'against' in words() and 'what it predicted' in page.inner_text('#legend')
    look(lambda: page.check('#cells'))
    assert len(set(seen))==len(seen)
    assert page.evaluate("[...document.querySelectorAll('.tile canvas.map.cells')].every(o => o.width === 8)")
    page.uncheck('#maps'); page.locator('.tile canvas.picture').first.wait_for()
    assert page.locator('.tile canvas.map').count()==0

def test_large_view_by_keyboard(page, report):
    interp,_ = report
    t = interp.misclassified()
    page.locator('.tile').first.focus()
    page.keyboard.press('ArrowRight'); page.keyboard.press('ArrowLeft')
    page.keyboard.press('Enter')
    text = lambda: page.inner_text('#large')
    first = t.iloc[0]
    assert page.is_visible('#large')
    assert f'#{first.idx}, {first.file}' in text() and f'{first.actual} → {first.predicted}' in text()
    assert page.locator('#large .maps .stack').count()==15 and 'ROAD' in text() and f'{100*first.prob:.2f}\u00a0%' in text()
    maps = interp._evidence_maps([first.idx], None, 'gradcam')
    for kind,row in zip(maps, page.locator('#large .maps tr').all()[1:]):
        for layer,cell in zip(maps[kind].layers, row.locator('td').all()):
            said,status = cell.inner_text().split('\n')[0],maps[kind].status[layer][0]
            quiet = said=='' or said.startswith('ROAD')
            assert quiet if status=='ok' else said==status or quiet and kind=='contrast'   # where all speaks against
    assert page.is_disabled('#previous')
    page.keyboard.press('ArrowRight')
    assert f'#{t.iloc[1].idx},' in text()
    page.keyboard.press('ArrowLeft')
    page.click('#next')
    assert f'#{t.iloc[1].idx},' in text()
    page.click('#previous')
    assert f'#{first.idx},' in text()
    page.keyboard.press('Escape')
    until(page, "document.activeElement.className === 'tile'")
    assert not page.is_visible('#large')
    page.locator('.tile').last.click()
    assert page.is_disabled('#next')
    page.click('#close')
    assert not page.is_visible('#large')

def test_links(page, report):
    "#526 is a picture; the address goes along, and an unknown number is said to be one"
    t,uri = report[0].misclassified(),report[1].as_uri()
    a,b = t.idx.iloc[2],t.idx.iloc[3]
    where = lambda: page.evaluate('location.hash')
    page.evaluate(f"location.hash = '#{a}'")
    page.locator('#large').wait_for()
    assert f'#{a},' in page.inner_text('#sight')
    page.keyboard.press('ArrowRight')
    assert where()==f'#{b}'
    page.keyboard.press('Escape')
    until(page, "location.hash === ''")
    page.fill('#text', 'nothing has this')   # a picture that is filtered away is shown all the same
    page.evaluate(f"location.hash = '#{b}'")
    page.locator('#large').wait_for()
    page.keyboard.press('Escape')
    page.evaluate("location.hash = '#987654'")
    until(page, "document.querySelector('#problem').textContent.includes('no picture #987654')")

def test_link_from_outside(browser, report):
    page,idx = browser.new_page(),report[0].misclassified().idx.iloc[5]
    page.goto(f'{report[1].as_uri()}#{idx}')
    page.locator('#large').wait_for()
    assert f'#{idx},' in page.inner_text('#sight')
    page.close()

def kept(page): return page.evaluate('[...MARKS.values()]')

def labels_csv(page):
    from cifar_cam.all import read_labels
    with page.expect_download() as d: page.click('#take')
    assert d.value.suggested_filename=='labels.csv'
    return read_labels(d.value.path()).to_dict('records')

def test_marks(page, report):
    "By key and mouse, on tiles and in the large view; undone, kept, filtered, and taken along"
    interp,uri = report[0],report[1].as_uri()
    t = interp.misclassified()
    assert page.is_disabled('#take') and page.is_disabled('#undo')
    page.locator('.tile').nth(0).focus(); page.keyboard.press('r')
    page.keyboard.press('ArrowRight'); page.keyboard.press('x')
    page.locator('.item').nth(2).hover(); page.locator('.item').nth(2).locator('.quick button').nth(2).click()
    assert [o['why'] for o in kept(page)]==['right label','bad picture','both'] and page.inner_text('#n')=='3'
    assert 'bad picture' in page.locator('.tile').nth(1).inner_text()
    page.locator('.tile').nth(3).focus(); page.keyboard.press('w')   # which label is right? The most probable one is proposed
    page.keyboard.press('Enter')
    assert kept(page)[3]['label']==t.predicted.iloc[3] and t.predicted.iloc[3] in page.inner_text('#said')
    page.keyboard.press('n'); page.keyboard.type('born "wrong", u see'); page.keyboard.press('Enter')   # a u in a field undoes nothing
    assert kept(page)[3]['why']=='wrong label; born "wrong", u see'
    page.keyboard.press('w'); page.select_option('#label', label=interp.vocab[7]); page.click('#keep')
    assert kept(page)[3]['label']==interp.vocab[7] and kept(page)[3]['why'].endswith('u see')
    page.keyboard.press('ArrowRight'); page.keyboard.press('n'); page.keyboard.type('=1+1'); page.click('#next')
    assert kept(page)[4]['why']=='note; =1+1' and kept(page)[4]['label']==kept(page)[4]['was']
    page.keyboard.press('b')
    page.click('#unmark')
    assert len(kept(page))==5
    page.keyboard.press('Escape')
    until(page, 'state.open === null')
    page.keyboard.press('u')
    assert len(kept(page))==6
    page.keyboard.press('u')
    assert len(kept(page))==5
    page.select_option('#marked', 'wrong label')
    assert tiles(page)==[t.idx.iloc[3]]
    page.select_option('#marked', 'none')
    assert len(tiles(page))==len(t)-5
    page.click('.side .all')
    page.fill('#text', 'u see')
    assert tiles(page)==[t.idx.iloc[3]]
    rows = labels_csv(page)
    again = page.context.new_page()   # as if it were opened tomorrow
    again.goto(uri)
    until(again, 'MARKS.size === 5')
    again.close()
    assert [o['file'] for o in rows]==t.file.iloc[:5].tolist() and [o['was'] for o in rows]==t.actual.iloc[:5].tolist()
    assert rows[3]['why']=='wrong label; born "wrong", u see' and rows[3]['label']==interp.vocab[7] and rows[1]['label']==''
    assert all(re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', o['when']) for o in rows)

def test_cells_as_python_has_them(page):
    "No spreadsheet computes what is in labels.csv: as by `as_cell`"
    from cifar_cam.classes import as_cell
    names = ['cat', '=1+1', '-1', '-1e3', '@x', '+', '-', '', ' =1', '\tx', '＝1', '-inf', '+1.5', '-1_000', '-１２',
             "'", "'=1", "''=1", "'-1", "'a", 'a,b', 'a"b', 'a\nb']
    assert page.evaluate('names => names.map(asCell)', names)==list(map(as_cell, names))
    mark = dict(file='a,"b"\n=c', label='=1+1', was='', why='note; x', when='')
    (row,) = csv.DictReader(io.StringIO(page.evaluate('mark => csvOf([mark])', mark)))
    assert row==mark | dict(label="'=1+1")

def test_marks_of_a_table_by_hand(page):
    "What it says in words of its own, or not at all, is told by its labels"
    def told(label, why): return page.evaluate('mark => [kindOf(mark), noteOf(mark)]', dict(label=label, was='3', why=why))
    assert told('5', '')==['wrong label',''] and told('3', 'seen by me; twice')==['right label','seen by me; twice']
    assert told('', 'blurred')==['bad picture','blurred'] and told('3', 'both; of them')==['both','of them']

def test_marks_where_nothing_may_be_kept(browser, report):
    "A browser that forbids pages to keep things: marks can be made and taken along, and it is said that they are not kept"
    page = browser.new_page()
    page.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('forbidden') }})")
    page.goto(report[1].as_uri())
    assert "can't be read (forbidden)" in page.inner_text('#problem')
    page.locator('.tile').first.focus(); page.keyboard.press('r')
    until(page, "document.querySelector('#problem').textContent.includes('Not kept in this browser')")
    assert len(labels_csv(page))==1
    page.close()

def test_marks_in_two_tabs(browser, report):
    "Each tab has what the other one marks, and nothing is lost"
    context = browser.new_context()
    a,b = (context.new_page() for _ in range(2))
    for o in a,b: o.goto(report[1].as_uri()); o.locator('.tile').first.wait_for()
    for o in a,b: o.evaluate("document.querySelector('.item').isOld = true")
    for i,o in enumerate((a,b,a,b)): o.locator('.tile').nth(i).focus(); o.keyboard.press('r')
    for o in a,b: until(o, 'MARKS.size === 4')
    for o in a,b: assert o.evaluate("document.querySelector('.item').isOld") and o.locator('.item .badge').count()==4
    a.reload()
    until(a, 'MARKS.size === 4')
    context.close()

def test_paper(page):
    "On paper there are colours, and nothing to press"
    page.emulate_media(media='print')
    assert page.evaluate("getComputedStyle(document.body).printColorAdjust")=='exact'
    assert not page.is_visible('.side') and page.locator('.tile').first.is_visible()
    until(page, '[...opened.values()].every(it => it.isReady)')
    page.evaluate('dispatchEvent(new Event("beforeprint"))')   # what is out of sight is drawn, too
    assert page.locator('.tile canvas.picture').count()==page.locator('.tile').count()

def test_filters_fold(browser, report):
    "On a phone the controls are folded, and on a wide screen they are not"
    page = browser.new_page(viewport=dict(width=390, height=844))
    page.goto(report[1].as_uri())
    assert not page.is_visible('#sort')
    page.click('summary:has-text("Sort and filter")')
    assert page.is_visible('#sort') and page.evaluate('document.documentElement.scrollWidth')<=390
    page.close()

def test_figures_do_not_break(page):
    "48 % stays on a line"
    text = page.inner_text('body')
    assert '\u00a0%' in text and not re.search(r'\d %', text)

def grown(report, fn, n, n_classes):
    "The report as a page of `n` mistakes among `n_classes`"
    text = report[1].read_text(encoding='utf-8')
    (whole,) = re.findall(r'id="data">(.*?)</script>', text, re.S)
    data = json.loads(whole)
    some = data['rows']
    def row(i): return some[i%len(some)] | dict(idx=i, file=f'test/{i}.png', actual=i%n_classes, predicted=(7*i+1)%n_classes)
    many = data | dict(rows=[row(i) for i in range(n)], classes=[f'class {i}' for i in range(n_classes)], n_mistakes=n)
    many['sheets']['per'] = 50
    for k in 'pictures','maps': many['sheets'][k] = many['sheets'][k]*(n//50+1)
    fn.write_text(text.replace(whole, json.dumps(many)), encoding='utf-8')
    return fn

def opened(page, fn):
    "Open a file; the seconds of processor time that its thread took, which other tests beside it do not lengthen"
    cdp = page.context.new_cdp_session(page)
    cdp.send('Performance.setTimeDomain', dict(timeDomain='threadTicks'))
    cdp.send('Performance.enable')
    page.goto(fn.as_uri())
    res = next(o['value'] for o in cdp.send('Performance.getMetrics')['metrics'] if o['name']=='TaskDuration')
    print(f'{fn.name}: {res:.2f} s')
    assert res>0
    return res

def test_thousands_of_mistakes_and_hundreds_of_classes(browser, report, tmp_path):
    "Tiles are made as one scrolls; a list has 200 names; the last picture is a step away"
    page = browser.new_page(viewport=dict(width=1300, height=900))
    assert opened(page, grown(report, tmp_path/'many.html', 2000, 200))<1.5
    n = page.locator('.tile').count()
    assert 50<n<1000 and len(shown(page))==2000 and '2,000 mistakes' in page.inner_text('#count')
    page.locator('.tile').last.scroll_into_view_if_needed()
    until(page, f"document.querySelectorAll('.tile').length > {n}")
    assert page.locator('#actual option').count()==201
    page.select_option('#actual', '199')
    assert len(tiles(page))==10
    page.click('.side .all')
    page.evaluate("location.hash = '#1999'")
    page.locator('#large').wait_for()
    page.keyboard.press('w'); page.keyboard.type('class 150'); page.keyboard.press('Enter')   # names are found by typing
    assert [o['label'] for o in kept(page)]==['class 150']
    page.keyboard.press('Escape')
    until(page, "document.activeElement.closest('.item')?.row.idx === 1999")
    page.close()

def test_markup_stays_text(page, report):
    assert BAD in page.inner_text('table') and page.title().startswith('Mistakes')
    assert page.locator('img[src=x]').count()==0
    assert page.locator('.tile', has_text=BAD).count()

def test_every_picture_has_words(page):
    page.locator('.tile').first.click()
    assert page.evaluate("[...document.querySelectorAll('.stack')].every(o => o.role === 'img' && o.ariaLabel)")
    assert page.evaluate("[...document.images].every(o => o.alt)") and page.locator('figure[aria-label]').count()==2

@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [380, 1300])
def test_looks(browser, report, scheme, width, tmp_path):
    "Nothing hangs out at the side, and the colours are those asked for"
    page = browser.new_page(color_scheme=scheme, viewport=dict(width=width, height=900))
    page.goto(report[1].as_uri())
    assert page.evaluate('document.documentElement.scrollWidth')<=width
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(map(int, re.findall(r'\d+', colour)))/3
    assert (light>128)==(scheme=='light')
    page.locator('.tile').first.click()
    assert page.evaluate("document.querySelector('#large').getBoundingClientRect().right")<=width
    page.close()

def test_quick(browser, report):
    "The seconds by the clock are measured by benchmarks/report.py"
    page = browser.new_page()
    assert opened(page, report[1])<1.5
    page.close()
