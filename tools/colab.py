"Put the owner that [project.urls] in pyproject.toml names into the tutorials: their Colab badge, and the cell that installs the package there"
import re, sys
from pathlib import Path

from nbdev.config import get_config

top = Path(__file__).resolve().parent.parent

def owned(text, name, git_url):
    "`text` of the notebook `name` with links to the repository at `git_url`"
    where = git_url.removeprefix('https://github.com/')
    text = re.sub(r'(colab\.research\.google\.com/github/)[\w.-]+/[\w.-]+/blob/main/nbs/tutorials/[\w.-]+?\.ipynb', rf'\g<1>{where}/blob/main/nbs/tutorials/{name}', text)
    return re.sub(r'git\+https://github\.com/[\w.-]+/[\w-]+', f'git+{git_url}', text)

def main():
    for fn in sorted((top/'nbs'/'tutorials').glob('*.ipynb')):
        old = fn.read_text(encoding='utf-8')
        new = owned(old, fn.name, get_config(top).git_url)
        if new!=old: fn.write_text(new, encoding='utf-8')

if __name__=='__main__': sys.exit(main())
