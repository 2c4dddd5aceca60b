"""The templates of the report, checked by their own tools; and what only a browser can show: its controls, what it asks for,
and how it looks in the dark and on a narrow screen"""
import json, os, re, shutil, subprocess
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
        assert not re.search(r';\s*\S', line.partition('//')[0]), f'one statement a line: {line}'

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
    classes = set(re.findall(r'\.([a-z]+)(?=[^{};]*\{)', css))
    assert {'tile','stack','probs'} <= classes
    for o in classes: assert re.search(rf'["\' ]{o}["\' ]', rest), f'.{o} is nowhere'
    for o in re.findall(r'var\((--\w+)', css): assert f'{o}:' in css+rest or f"'{o}'" in rest, f'{o} has no value'

def test_every_template_is_used():
    pages = ''.join(o.read_text(encoding='utf-8') for o in sources('html'))
    asked = (TEMPLATES.parent/'report.py').read_text(encoding='utf-8')
    for o in sources('*'): assert f"include '{o.name}'" in pages or f"'{o.name}'" in asked, o.name

def test_script_and_markup_agree():
    "What the script looks up by its id is there"
    pages = ''.join(o.read_text(encoding='utf-8') for o in sources('html'))
    js = ''.join(o.read_text(encoding='utf-8') for o in sources('js'))
    asked = set(re.findall(r"[$][(]'#(\w+)", js))
    assert len(asked)>10
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
    for o in [*doc.iter('select'), *doc.iter('input')]: assert o in labelled, o.attrib
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
    assert 'No mistakes among 80 pictures' in text and data_of(fn)['mistakes']==[]

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
    assert '64/48' in text and f'among {n} classes' in text and text.count('data-pair="')==40

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

@pytest.fixture
def page(browser, report):
    "The report, opened; at the end: nothing in the console, and no request but the file"
    page,heard,asked = browser.new_page(),[],[]
    page.on('console', lambda m: heard.append(m.text))
    page.on('pageerror', lambda e: heard.append(str(e)))
    page.on('request', lambda r: None if r.url.startswith('data:') else asked.append(r.url))
    page.goto(report[1].as_uri())
    yield page
    page.close()
    assert not heard and asked==[report[1].as_uri()], (heard, asked)

def tiles(page): return [int(o.split('#')[1].split(',')[0].split()[0]) for o in page.locator('.tile').all_inner_texts()]

def test_sort(page, report):
    t = report[0].misclassified()
    assert len(t)>10 and tiles(page)==t.idx.tolist()
    page.select_option('#sort', 'confidence')
    shown = t.set_index('idx').loc[tiles(page)]
    assert shown.prob.round(4).is_monotonic_decreasing
    page.select_option('#sort', 'margin')
    assert t.set_index('idx').loc[tiles(page)].margin.round(4).is_monotonic_increasing
    page.select_option('#sort', 'class')
    names = list(report[0].vocab)
    assert [names.index(o) for o in t.set_index('idx').loc[tiles(page)].actual]==sorted(map(names.index, t.actual))

def test_filter_by_pair(page, report):
    t,names = report[0].misclassified(),list(report[0].vocab)
    cell = page.locator('[data-pair]').first
    a,b = (names[int(o)] for o in cell.get_attribute('data-pair').split(','))
    cell.click()
    own = t[(t.actual==a) & (t.predicted==b)]
    assert tiles(page)==own.idx.tolist() and cell.get_attribute('aria-pressed')=='true'
    assert f'{len(own)} of {len(own)}' in page.inner_text('#count')
    page.click('#all')
    assert len(tiles(page))==len(t) and cell.get_attribute('aria-pressed')=='false' and page.is_disabled('#all')
    cell.click(); cell.click()   # a second click takes the filter back
    assert len(tiles(page))==len(t)

def test_layer_target_maps_and_cells(page, report):
    interp,_ = report
    src = lambda: page.evaluate("[...document.querySelectorAll('.tile .map')].map(o => o.src)")
    alt = lambda: page.locator('.tile .map').first.get_attribute('alt')
    seen = [src()]
    for layer in 'layer1','layer3':
        page.select_option('#layer', layer)
        seen.append(src())
        assert layer in alt()
    for target in 'actual','contrast':
        page.select_option('#target', target)
        seen.append(src())
    assert 'against' in alt()
    page.check('#cells')
    seen.append(src())
    assert all(a!=b for i,a in enumerate(seen) for b in seen[:i])
    assert page.evaluate("[...document.querySelectorAll('.tile .map.cells')].every(o => o.naturalWidth==8)")
    page.uncheck('#maps')
    assert not page.locator('.tile .map').first.is_visible() and page.locator('.tile .picture').first.is_visible()

def test_large_view_by_keyboard(page, report):
    interp,_ = report
    t = interp.misclassified()
    page.locator('.tile').first.focus()
    page.keyboard.press('Enter')
    text = lambda: page.inner_text('#large')
    first = t.iloc[0]
    assert page.is_visible('#large')
    assert f'#{first.idx}, {first.file}' in text() and f'{first.actual} → {first.predicted}' in text()
    assert page.locator('#large .maps .stack').count()==15 and 'ROAD' in text() and f'{100*first.prob:.2f} %' in text()
    statuses,maps = page.locator('#large .maps small').all_inner_texts()[5:],interp.cams([first.idx])
    assert [o.split('\n')[0] for o in statuses[:5]]==[maps.status[k][0] for k in maps.layers]
    assert page.is_disabled('#previous')
    page.keyboard.press('ArrowRight')
    assert f'#{t.iloc[1].idx},' in text()
    page.keyboard.press('ArrowLeft')
    page.click('#next')
    assert f'#{t.iloc[1].idx},' in text()
    page.click('#previous')
    assert f'#{first.idx},' in text()
    page.keyboard.press('Escape')
    assert not page.is_visible('#large') and page.evaluate("document.activeElement.className")=='tile'
    page.locator('.tile').last.click()
    assert page.is_disabled('#next')
    page.click('#close')
    assert not page.is_visible('#large')

def test_markup_stays_text(page, report):
    assert BAD in page.inner_text('table') and page.title().startswith('Mistakes')
    assert page.locator('img[src=x]').count()==0
    assert page.locator('.tile', has_text=BAD).count()

def test_every_picture_has_words(page):
    page.locator('.tile').first.click()
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
    page = browser.new_page()
    page.goto(report[1].as_uri())
    assert page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive")<1000
    page.close()
