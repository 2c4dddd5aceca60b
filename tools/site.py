"""Build the documentation by pip alone: nbdev's processing of the notebooks, then smalldocs in the place of Quarto

`python tools/site.py [FOLDER]`, by default to `_docs`"""
import base64, hashlib, re, shutil, subprocess, sys
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from fastcore.script import call_parse
import nbdev.serve, nbdev.showdoc
from nbdev.config import get_config
from nbdev.quarto import refresh_quarto_yml
from nbdev.serve import proc_nbs
from smalldocs.config import load
from smalldocs.site import ASSETS, Site, rel

import pages

cfg = get_config(Path(__file__).parent)
url = f'{cfg.doc_host}{cfg.doc_baseurl}/'

def dark_theme(fn):
    "Write to `fn` Bootstrap's style with its own dark colours, for a page that is dark as a whole"
    css = (ASSETS/'vendor/bootstrap/bootstrap.min.css').read_text(encoding='utf-8')
    fn.write_text(css.replace('[data-bs-theme=dark]', ':root'), encoding='utf-8')

class NbdevSite(Site):
    "Pages under the names that nbdev links to; what links to this site's own address stays on the site"
    def read(self, src):
        page = super().read(src)
        page.out = page.out.with_name(page.front.get('output-file', page.out.name))
        return page

    def find_page(self, target):
        return super().find_page(target) or next((o for o in self.pages.values() if o.out==target), None)

    def local(self, href): return '/'+href.removeprefix(url) if href.startswith(url) else href
    def resolve(self, href, page, record=True): return super().resolve(self.local(href), page, record)
    def llms_link(self, href, page): return super().llms_link(self.local(href), page)

    def render_page(self, page):
        "As smalldocs does it, with figures in files, each a link to itself; words are not looked for in folded sources"
        super().render_page(page)
        page.html = re.sub('<img ([^>]*)src="data:image/png;base64,([^"]*)"([^>]*)>', lambda m: self.figure(page, m), page.html)
        folded = [' '.join(o.split()) for o in re.findall(pages.source_block, page.body, re.S|re.M)]
        for part in page.env['search']:
            for o in folded: part['text'] = part['text'].replace(o, '')

    def figure(self, page, m):
        "The picture of match `m` as a file of the site, which a tap opens"
        data = base64.b64decode(m[2])
        fn = PurePosixPath('figures', f'{page.out.stem}-{hashlib.sha256(data).hexdigest()[:8]}.png')
        (self.root/fn).parent.mkdir(exist_ok=True)
        (self.root/fn).write_bytes(data)
        self.resources.add(fn)
        src = rel(fn, page)
        wide = ' wide' if int.from_bytes(data[16:20], 'big')>=1100 else ''   # the width in a PNG's head
        return f'<a href="{src}" class="figure-link{wide}"><img {m[1]}src="{src}"{m[3]}></a>'

def example(folder):
    "Begin a run of the shell's on the digits, a small one; what it leaves is the report that the site shows"
    cmd = 'run --data digits --epochs 3 --width 8 --mistakes 60 --out'.split()
    return subprocess.Popen([sys.executable, '-m', cfg.lib_name, *cmd, folder], cwd=cfg.config_path, stdout=subprocess.DEVNULL)

def show_example(run, folder, to):
    "Wait for the `run` in `folder`, and put its report where the site finds it"
    if run.wait(): sys.exit(f'the run of the example ended with status {run.returncode}')
    to.parent.mkdir()
    shutil.copy(folder/'report.html', to)

def build(dest):
    "The site in the folder `dest`"
    refresh_quarto_yml()
    nbdev.serve.FilterDefaults,nbdev.showdoc.BasicMarkdownRenderer = pages.Shown,pages.Doc
    with TemporaryDirectory() as tmp:
        run = example(Path(tmp)/'run')   # beside the notebooks
        root = proc_nbs(n_workers=0, force=True)
        show_example(run, Path(tmp)/'run', root/'example/report.html')
    dark_theme(root/'dark.css')
    pages.gallery(root)
    site = NbdevSite(load(root))
    site.project.website['navbar']['tools'] = [{'icon': 'github', 'href': cfg.git_url, 'aria-label': 'Repository'}]
    site.out = Path(dest).resolve()
    site.build()
    lost = site.out/'404.html'   # which a host shows at any address
    lost.write_text(lost.read_text(encoding='utf-8').replace('<head>', f'<head><base href="{urlsplit(url).path}">', 1), encoding='utf-8')
    for f in site.out.rglob('*.llms.md'): shutil.copy(f, f.with_name(f.name.replace('.llms.md', '.html.md')))  # Quarto's names
    return site

@call_parse(pos=['dest'])
def main(
    dest:str=str(cfg.doc_path) # Folder
):
    "Build the documentation"
    site = build(dest)
    print(f'{len(site.pages)} pages in {site.out}')
    broken = {href: page for page,href in site.broken}
    if broken: sys.exit('links that go nowhere:\n' + '\n'.join(f'  {href}, in {page}' for href,page in broken.items()))
