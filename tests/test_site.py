"The documentation, built by tools/site.py: pages, links, pictures, names, search, and how it looks on a narrow screen."
import ast, html, importlib, inspect, json, os, re, subprocess, sys, threading
from dataclasses import is_dataclass
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from fastai.callback.core import Callback, event
from fastcore.docments import docments
from nbdev.config import get_config, nbpath2html
from nbdev.doclinks import patch_name

if sys.version_info<(3,11): pytest.skip('smalldocs needs Python 3.11', allow_module_level=True)
sync = pytest.importorskip('playwright.sync_api')
top = Path(__file__).resolve().parent.parent
cfg = get_config(top)
url,code_url = f'{cfg.doc_host}{cfg.doc_baseurl}/',f'{cfg.git_url}/blob/{cfg.branch}/'

example = 'example/report.html'

def read(fn): return (cfg.nbs_path/fn).read_text(encoding='utf-8')
files = [o for o in cfg.nbs_path.rglob('*.ipynb') if '.ipynb_checkpoints' not in o.parts]
notebooks = sorted(o.relative_to(cfg.nbs_path) for o in files)
nbs = {nbpath2html(o).as_posix(): o for o in notebooks}
modules = {str(o): m[1] for o in notebooks if (m := re.search(r'#\| default_exp (\w+)', read(o)))}

class Page(HTMLParser):
    "What stands in a page: its anchors, its links, its pictures, and the words of its main part"
    def __init__(self, fn):
        super().__init__()
        self.ids,self.links,self.pictures,self.alts,self.words,self.main = set(),[],[],[],'',False
        self.feed(fn.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attrs):
        d = dict(attrs)
        self.ids.add(d.get('id'))
        if tag=='main': self.main = True
        if tag=='img':
            self.pictures.append(d['src'])
            self.alts.append(d.get('alt') or '')
        elif (to := d.get('href') or d.get('src')): self.links.append(to)

    def handle_endtag(self, tag): self.main = self.main and tag!='main'
    def handle_data(self, s):
        if self.main: self.words += s

@pytest.fixture(scope='module')
def site(tmp_path_factory):
    dest = tmp_path_factory.mktemp('site')/'docs'
    done = subprocess.run([sys.executable, 'tools/site.py', dest], cwd=top, capture_output=True, text=True)
    assert not done.returncode, done.stderr[-3000:]
    return dest

@pytest.fixture(scope='module')
def pages(site):
    made = {o.relative_to(site).as_posix(): Page(o) for o in site.rglob('*.html')}
    return {k: o for k,o in made.items() if k not in ('404.html', example)}   # which have tests of their own

def lost(site, pages, page, href):
    "Does `href`, on `page`, lead to a file that is not there, or to an anchor that its page does not have?"
    if href.startswith(code_url):   # source code of this repository
        fn,_,line = href.removeprefix(code_url).partition('#L')
        return not (top/fn).is_file() or int(line or 1)>len((top/fn).read_text(encoding='utf-8').splitlines())
    to = urlsplit(href)
    if to.scheme or to.netloc: return href.startswith(url)   # elsewhere; a link to this site's own pages is relative
    fn = (site/page).parent/unquote(to.path) if to.path else site/page
    if fn.is_dir(): fn = fn/'index.html'
    own = pages.get(os.path.relpath(fn.resolve(), site.resolve()))
    return not fn.is_file() or bool(to.fragment and own and unquote(to.fragment) not in own.ids)

def figures(fn):
    "Outputs of the notebook `fn` with a picture, in cells that its page shows"
    cells = [o for o in json.loads(read(fn))['cells'] if o['cell_type']=='code']
    cells = [o for o in cells if not re.search(r'^#\| *(hide|export)', ''.join(o['source']), re.M)]
    return [x for o in cells for x in o['outputs'] if 'image/png' in x.get('data', {})]

def test_every_notebook_has_a_page_with_its_figures(pages):
    assert len(notebooks)>9
    for fn in notebooks:
        page = pages[nbpath2html(fn).as_posix()]
        assert len(page.words.split())>100, f'{fn}: next to nothing on its page'
        n = len(figures(fn))
        assert len(page.pictures)>=n, f'{fn}: {n} figures, {len(page.pictures)} on its page'

def test_every_link_leads_somewhere(site, pages):
    assert sum(len(o.links) for o in pages.values())>1000
    assert not [(page,href) for page,o in pages.items() for href in o.links if lost(site, pages, page, href)]

def test_every_picture_is_there_and_has_words(site, pages):
    found = [(page,src,alt) for page,o in pages.items() for src,alt in zip(o.pictures, o.alts)]
    assert len(found)>50
    for page,src,alt in found:
        if not urlsplit(src).scheme: assert not lost(site, pages, page, src), (page, src)
        assert src.startswith('https:') or len(alt.split())>2 and '<' not in alt, (page, src, alt)

def test_gallery_has_every_figure_and_leads_to_it(pages):
    made = sum(len(o.pictures) for k,o in pages.items() if nbs.get(k))
    there = [o for o in pages['figures.html'].links if '#cell-' in o]
    assert len(there)==len(pages['figures.html'].pictures)==sum(len(figures(o)) for o in notebooks)<=made

def signatures(fn):
    "The signatures on the page `fn`"
    entries = re.findall(r'cell-output-display cell-output-markdown">.*?<code[^>]*>(.*?)</code>', fn.read_text(), re.S)
    return [html.unescape(re.sub('<[^>]+>', '', o)) for o in entries]

def test_signatures_are_without_noise(site):
    found = [(fn.name,o) for fn in site.glob('*.html') for o in signatures(fn)]
    noise = r'NoneType|\b0x|__main__|<function|<class \W|functools|\w+\.\w+\.\w+(?=[,=)])|after_cancel_backward'
    assert len(found)>150
    assert not [(page,o) for page,o in found if re.search(noise, o)]
    said = {m[1]: o for _,o in found if (m := re.match(r'(?:class|def) (\w+)', o))}
    assert said['PlainTensors']=='class PlainTensors(Callback)'
    for part in 'resume:bool=False', "recipe:str='baseline'", 'k:int=10': assert part in said['run'], part
    assert ')->CamMaps:' in said['cam'] and 'vocab=None,' in said['check_targets']
    assert 'train/<class>/ and test/<class>/' in said['cifar10_path']

def eaten(fn):
    "Tags on the page `fn` that HTML does not have: text in angle brackets"
    found = []
    class Tags(HTMLParser):
        def handle_starttag(self, tag, attrs): found.append(tag)
    Tags().feed(fn.read_text())
    return {o for o in found if o in ('class','function','method','module','name','label')}

def test_no_words_are_eaten_and_no_entry_is_private(site, pages):
    assert not {k: v for k in pages if (v := eaten(site/k))}
    assert not [(k,i) for k,o in pages.items() for i in o.ids if re.match(r'_\w+\.|\w+\._', i or '')]

def test_sources_stand_in_folds(site):
    "Below an entry stands the exported cell that it is from, closed, and what is private has its source where lessons try it"
    page = (site/'cam.html').read_text()
    folds = re.findall(r'<details class="code-fold">\s*<summary>Source of (.*?)</summary>(.*?)</details>', page, re.S)
    code = {names: html.unescape(re.sub('<[^>]+>', '', o)) for names,o in folds}
    assert code['contrast'].lstrip().startswith('class contrast') and '_class_index' in code
    assert page.index('id="contrast"')<page.index('Source of contrast<')<page.index('id="check_targets"')
    hits = [o for o in json.loads((site/'search.json').read_text()) if o['href'].startswith('cam.html')]
    assert len(hits)>10 and not [o for o in hits if 'Contrast of class' in o['text'] and 'raise' in o['text']]

def test_lost_addresses_and_icon(site):
    "404.html goes by the site's own address, wherever it is shown"
    page,text = Page(site/'404.html'),(site/'404.html').read_text()
    base = re.search('<base href="([^"]+)">', text)[1]
    assert base==urlsplit(url).path
    near = [o.removeprefix(base).partition('#')[0] for o in page.links if not re.match(r'\w+:|#|//', o)]
    lost = [o for o in near if not (site/unquote(o)).exists()]
    assert len(near)>30 and not lost
    icon = re.search('rel="icon" href="([^"]+)"', text)[1]
    assert (site/icon).read_text().startswith('<svg')

def test_report_to_click_on(site, pages):
    assert example in pages['index.html'].links
    assert (site/example).stat().st_size<3e6 and 'digits' in (site/example).read_text()

def public(module):
    "The names of `module` that users may call: what it exports, and the methods that it adds to classes"
    tree = ast.parse((cfg.lib_path/f'{module}.py').read_text(encoding='utf-8'))
    added = [patch_name(o) for o in tree.body if isinstance(o, ast.FunctionDef) and not o.name.startswith('_')]
    mod = importlib.import_module(f'{cfg.lib_name}.{module}')
    own = [o for o in mod.__all__ if getattr(getattr(mod, o), '__module__', mod.__name__)==mod.__name__]   # others stood here once
    return own + [o for o in added if '.' in o and o[0]!='_']

def unsaid(o):
    "The arguments of `o` that no comment describes"
    if isinstance(o, type) and '__init__' not in vars(o): return []
    said = docments(o)
    args = [p for k,p in inspect.signature(o).parameters.items() if k!='self']
    return [p.name for p in args if p.kind not in (p.VAR_POSITIONAL,p.VAR_KEYWORD) and not said.get(p.name)]

def follows(mod, name):
    "Is `name` a method that a base class has, too, or an event of a callback?"
    cls,_,method = name.partition('.')
    if not method: return False
    bases = getattr(mod, cls).__mro__[1:]
    return any(hasattr(b, method) for b in bases) or Callback in bases and hasattr(event, method)

@pytest.mark.parametrize('nb,module', modules.items())
def test_every_public_name_is_documented(pages, nb, module):
    page,names = pages[nbpath2html(Path(nb)).as_posix()],public(module)
    mod = importlib.import_module(f'{cfg.lib_name}.{module}')
    lines = (cfg.lib_path/f'{module}.py').read_text(encoding='utf-8').splitlines()
    at = [o.partition('#L')[2] for o in page.links if o.startswith(f'{code_url}{cfg.lib_name}/{module}.py#L')]
    linked = ['\n'.join(lines[int(i)-1:int(i)+3]) for i in at]
    assert names
    assert not [n for n in names if n.lower() not in page.ids], 'these have no entry on their page'
    twice = [o for o in page.ids if re.fullmatch(r'(parameters|returns)(-\d+)?', o or '')]
    assert not twice, 'what a signature says stands in a docstring, too'
    for n in names:
        o = mod
        for part in n.split('.'): o = getattr(o, part)
        if not callable(o): continue
        assert follows(mod, n) or o.__doc__, f'{n} says nothing of itself'
        assert follows(mod, n) or not unsaid(o), f'{n}: an argument without a word'
        said = {k: v for k,v in docments(o).items() if v and f'**{k}' not in str(inspect.signature(o))}
        if isinstance(o, type) and '__init__' not in vars(o): said = {}   # as its base has it
        assert not [k for k,v in said.items() if v not in page.words], n
        short = n.rpartition('.')[2]
        assert f'{short}(' in page.words, n
        assert any(re.search(rf'(def|class) {short}\b', o) for o in linked), f'{n} has no link to its source'

def test_markdown_for_machines(site, pages):
    "llms.txt lists all pages, whose Markdown is there, also where module docstrings say, with its links and pictures"
    listed = re.findall(r'\]\((.*?)\)', (site/'llms.txt').read_text(encoding='utf-8'))
    assert sorted(o.removeprefix(url).replace('.llms.md', '.html') for o in listed)==sorted(pages)
    docs = [importlib.import_module(f'{cfg.lib_name}.{m}').__doc__ for m in modules.values()]
    said = [re.search(r'^Docs: (\S+)', o, re.M)[1] for o in docs]
    for o in listed+said:
        fn = site/o.removeprefix(url)
        text = re.sub(r'^(```+).*?^\1', '', fn.read_text(encoding='utf-8'), flags=re.S|re.M)
        assert len(text)>300, fn
        for to in re.findall(r'\]\(([^)\s]+)\)', re.sub(r'(`+).+?\1', '', text)):
            assert urlsplit(to).scheme or (fn.parent/unquote(to.partition('#')[0])).exists(), (fn.name, to)

@pytest.fixture(scope='module')
def host(site):
    "Where the site is served"
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_): pass
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}/'
    server.shutdown()

@pytest.fixture
def page(browser, host):
    "A page; at the end: nothing in the console, and nothing but badges was asked of another host"
    page,heard,asked = browser.new_page(),[],[]
    def said(m):
        url = m.location['url']
        if url.startswith(host) and not url.endswith('favicon.ico'): heard.append(m.text)
    def wants(r):
        if not r.url.startswith((host,'data:')) and r.resource_type!='image': asked.append(r.url)
    page.on('console', said)
    page.on('pageerror', lambda e: heard.append(str(e)))
    page.on('request', wants)
    yield page
    page.close()
    assert not heard and not asked, (heard, asked)

@pytest.mark.parametrize('start', ['index.html', 'tutorials/own_pictures.html'])
def test_search_finds_a_function(page, host, start):
    page.goto(host+start)
    page.fill('.smalldocs-search input', 'logit_ledger')
    page.locator('.search-result', has_text='logit_ledger').first.click()
    page.wait_for_url('**/faith.html#*')
    assert page.locator('#logit_ledger').is_visible()

def listed(contents): return [o for c in contents for o in (listed(c['contents']) if isinstance(c, dict) else [c])]

def test_sidebar_has_all_pages_in_order(page, pages, host):
    bar = listed(yaml.safe_load((cfg.nbs_path/'sidebar.yml').read_text())['website']['sidebar']['contents'])
    page.goto(host+'cam.html')
    hrefs = page.eval_on_selector_all('#quarto-sidebar a.sidebar-link[href]', 'os => os.map(o => o.href)')
    shown = [urlsplit(o).path.lstrip('/') for o in hrefs if not o.endswith('#')]
    assert shown==[nbpath2html(Path(o)).as_posix() if o.endswith('.ipynb') else o.replace('.md', '.html') for o in bar]
    assert sorted(shown)==sorted(pages)
    assert page.locator(f'nav a[href="{cfg.git_url}"]').is_visible()

HANGING = """[...document.querySelectorAll('main > *, main section > *, main img, main pre')]
    .filter(o => !o.closest('.wide') && o.getBoundingClientRect().right>innerWidth).map(o => o.outerHTML.slice(0, 200))"""
SMALL = "[...document.querySelectorAll('.wide > img')].filter(o => o.getBoundingClientRect().width<500).map(o => o.src)"
DRAWN = "[...document.images].every(o => o.complete && o.naturalWidth>0 || o.src.startsWith('https:'))"

CONTRAST = """() => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true})
    const rgba = c => {
        canvas.clearRect(0, 0, 1, 1)
        canvas.fillStyle = c
        canvas.fillRect(0, 0, 1, 1)
        return [...canvas.getImageData(0, 0, 1, 1).data]
    }
    const over = (a, b) => a.slice(0, 3).map((o, i) => (o*a[3] + b[i]*(255-a[3]))/255)
    const behind = o => o ? over(rgba(getComputedStyle(o).backgroundColor), behind(o.parentElement)) : [255, 255, 255]
    const linear = o => o<=.04 ? o/12.92 : ((o+.055)/1.055)**2.4
    const bright = ([r, g, b]) => .2126*linear(r/255) + .7152*linear(g/255) + .0722*linear(b/255)
    const ratio = o => {
        const b = behind(o), [x, y] = [bright(over(rgba(getComputedStyle(o).color), b)), bright(b)].sort((x, y) => x-y)
        return (y+.05)/(x+.05)
    }
    const words = 'main p, main pre span, main pre, main td, main th, main a, main summary, h1, h2, h3, nav a, nav li, input'
    const all = [...document.querySelectorAll(words)]
    return all.filter(o => o.innerText?.trim() && ratio(o)<3.5).map(o => [o.outerHTML.slice(0, 200), ratio(o)])
}"""

@pytest.mark.parametrize('width', [380, 1300])
@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('name', ['index', 'tutorials/train_and_look', 'interp', 'troubleshooting', 'results', 'figures', 'faith'])
def test_looks(browser, host, name, scheme, width):
    "Nothing hangs out at the side, every picture is drawn, and words can be told from what is behind them"
    page = browser.new_page(viewport=dict(width=width, height=900), color_scheme=scheme)
    page.goto(f'{host}{name}.html')
    ground = page.evaluate('getComputedStyle(document.body).backgroundColor')
    assert ground==dict(light='rgb(255, 255, 255)', dark='rgb(33, 37, 41)')[scheme]
    assert not page.evaluate(HANGING) and not page.evaluate(SMALL)
    assert page.evaluate('document.documentElement.scrollWidth')<=width   # what is wide is moved by itself
    assert page.evaluate(DRAWN)
    assert not page.evaluate(CONTRAST)
    page.close()
