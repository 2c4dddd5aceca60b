"What only a browser can show of the report: its controls, what it asks for, and how it looks in the dark and on a narrow screen."
import shutil

import pytest

sync = pytest.importorskip('playwright.sync_api')
BAD = '<img src=x onerror=document.title=1>'

@pytest.fixture(scope='module')
def report(tmp_path_factory):
    "A report of many mistakes: a network that has hardly learned the digits, one of which has markup for a name"
    from cifar_cam.all import CAMInterpretation, cifar_dls, digits_path, picture_files, resnet18, resnet_learner, set_seed
    top = tmp_path_factory.mktemp('report')
    for split,n in ('train',300),('test',80):
        for f in picture_files(digits_path()/split, n):
            to = top/'data'/split/(BAD if f.parent.name=='3' else f.parent.name)
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy(f, to)
    dls = cifar_dls(top/'data', bs=32)
    set_seed(1)
    learn = resnet_learner(dls, resnet18(dls.c, width=8))
    with learn.no_bar(), learn.no_logging(): learn.fit_step(2)
    interp = CAMInterpretation.from_learner(learn)
    return interp, interp.report(top/'run', label_issues=False)

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
    assert page.is_visible('#large') and f'#{first.idx}, {first.file}' in text() and f'{first.actual} → {first.predicted}' in text()
    assert page.locator('#large .maps .stack').count()==15 and 'ROAD' in text() and f'{100*first.prob:.2f} %' in text()
    statuses = page.locator('#large .maps small').all_inner_texts()[5:]
    assert [o.split('\n')[0] for o in statuses[:5]]==[interp.cams([first.idx]).status[k][0] for k in interp.cams([first.idx]).layers]
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
    assert BAD in page.inner_text('table') and page.title().startswith('Mistakes') and page.locator('img[src=x]').count()==0
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
    light = sum(map(int, page.evaluate("getComputedStyle(document.body).backgroundColor").removeprefix('rgb(').removesuffix(')').split(',')))/3
    assert (light>128)==(scheme=='light')
    page.locator('.tile').first.click()
    assert page.evaluate("document.querySelector('#large').getBoundingClientRect().right")<=width
    page.close()

def test_quick(browser, report):
    page = browser.new_page()
    page.goto(report[1].as_uri())
    assert page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive")<1000
    page.close()
