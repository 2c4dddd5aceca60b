"Put the owner that [project.urls] in pyproject.toml names into the tutorials: Colab badge, and the cell that installs there"
import re, sys
from pathlib import Path

from nbdev.config import get_config

top = Path(__file__).resolve().parent.parent

def owned(text, name, git_url):
    "`text` of the notebook `name` with links to the repository at `git_url`"
    colab,folder = 'colab.research.google.com/github/','/blob/main/nbs/tutorials/'
    badge = colab + git_url.removeprefix('https://github.com/') + folder + name
    text = re.sub(re.escape(colab) + r'[\w.-]+/[\w.-]+' + folder + r'[\w.-]+?\.ipynb', badge, text)
    return re.sub(r'git\+https://github\.com/[\w.-]+/[\w-]+', f'git+{git_url}', text)

def main():
    for fn in sorted((top/'nbs'/'tutorials').glob('*.ipynb')):
        old = fn.read_text(encoding='utf-8')
        new = owned(old, fn.name, get_config(top).git_url)
        if new!=old: fn.write_text(new, encoding='utf-8')

if __name__=='__main__': sys.exit(main())
