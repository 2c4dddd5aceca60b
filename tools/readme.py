"Write README.md, and the figures it shows, from nbs/index.ipynb: nbdev's processing, nbconvert's Markdown"
import re, shutil
from pathlib import Path

from nbconvert import MarkdownExporter
from nbdev.config import get_config
import nbformat

top = Path(__file__).resolve().parent.parent
figs = top/'README_files'

def hosted(cfg): return cfg.user not in ('', 'OWNER')   # has the project a home? See [project.urls] in pyproject.toml

def badges(cfg):
    if not hosted(cfg): return ''
    tests = f'{cfg.git_url}/actions/workflows/test.yaml'
    docs = 'https://img.shields.io/badge/docs-site-blue'
    return f'[![tests]({tests}/badge.svg)]({tests}) [![docs]({docs})]({cfg.doc_url})\n\n'

def shown(cell):
    "`cell` as the README shows it, or None"
    opts = re.findall(r'^#\|[ \t]*([\w-]+)[ \t]*:?[ \t]*(.*)$', cell.source, re.M)
    if ('hide','') in opts: return None
    if cell.cell_type=='code':
        cell.source = '' if ('echo','false') in opts else re.sub(r'^#\|.*\n?', '', cell.source, flags=re.M)
    return cell

def alts(nb): return re.findall(r'^#\| fig-alt: "(.*)"', '\n'.join(o.source for o in nb.cells), re.M)

def linked(text, cfg):
    "`text`, code left alone, with links from the top of the repository; once the project has a home, to there"
    raw = f'https://raw.githubusercontent.com/{cfg.user}/{cfg.repo}/{cfg.branch}/'
    def on_site(m): return f'[{m[1]}]({cfg.doc_host}{cfg.doc_baseurl}/{m[2]})' if hosted(cfg) else ''
    def links(o):
        o = re.sub(r'(\]\([^)]*\))\{[^}]*\}', r'\1', o)                   # classes of the site's style
        o = re.sub(r'\[([^\]]*)\]\((example/[^)]*)\)', on_site, o)   # what only the site has
        o = re.sub(r'\]\((?!\w+:|#)(?=[^)]*\.ipynb)', f']({cfg.nbs_path.name}/', o)
        if not hosted(cfg): return o
        o = re.sub(r'(!\[[^\]]*\]\()(?!\w+:)', rf'\1{raw}', o)
        return re.sub(r'\]\((?!\w+:|#)', f']({cfg.git_url}/blob/{cfg.branch}/', o)
    return ''.join(o if o.startswith('```') else links(o) for o in re.split(r'(^```.*?^```)', text, flags=re.S|re.M))

def main():
    cfg = get_config(top)
    nb = nbformat.read(cfg.nbs_path/cfg.readme_nb, as_version=4)
    nb.metadata.language_info = dict(name='python')
    said = iter(alts(nb))   # a cell has one figure
    nb.cells = [o for o in map(shown, nb.cells) if o is not None]
    body,res = MarkdownExporter().from_notebook_node(nb, dict(output_files_dir=figs.name, unique_key='index'))
    body = re.sub(r'```python\s*```\n', '', body)                      # cells whose code is not shown
    body = re.sub(r'!\[png\]', lambda _: f'![{next(said)}]', body)
    body = re.sub(r'<style scoped>.*?</style>\n?', '', body, flags=re.S)  # pandas
    title,rest = re.sub(r'\n{3,}', '\n\n', body).strip().split('\n', 1)
    note = '<!-- made from nbs/index.ipynb by tools/readme.py; edit the notebook -->\n\n'
    shutil.rmtree(figs, ignore_errors=True)
    figs.mkdir()
    for name,data in res['outputs'].items(): (top/name).write_bytes(data)
    text = note + title + '\n\n' + badges(cfg) + linked(rest.strip(), cfg) + '\n'
    (top/'README.md').write_text(text, encoding='utf-8')

if __name__=='__main__': main()
