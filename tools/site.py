"""Build the documentation by pip alone: nbdev's processing of the notebooks, then smalldocs in the place of Quarto

`python tools/site.py [FOLDER]`, by default to `_docs`"""
import shutil, sys
from pathlib import Path

from fastcore.script import call_parse
import nbdev.serve, nbdev.showdoc
from nbdev.config import get_config
from nbdev.quarto import refresh_quarto_yml
from nbdev.serve import proc_nbs
from smalldocs.config import load
from smalldocs.site import Site

import pages

cfg = get_config(Path(__file__).parent)
url = f'{cfg.doc_host}{cfg.doc_baseurl}/'

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

@call_parse(pos=['dest'])
def main(
    dest:str=str(cfg.doc_path) # Folder
):
    "Build the documentation"
    refresh_quarto_yml()
    nbdev.serve.FilterDefaults,nbdev.showdoc.BasicMarkdownRenderer = pages.Shown,pages.Doc
    site = NbdevSite(load(proc_nbs(n_workers=0, force=True)))
    site.out = Path(dest).resolve()
    site.build()
    for f in site.out.rglob('*.llms.md'): shutil.copy(f, f.with_name(f.name.replace('.llms.md', '.html.md')))  # Quarto's names
    print(f'{len(site.pages)} pages in {site.out}')
    broken = {href: page for page,href in site.broken}
    if broken: sys.exit('links that go nowhere:\n' + '\n'.join(f'  {href}, in {page}' for href,page in broken.items()))

