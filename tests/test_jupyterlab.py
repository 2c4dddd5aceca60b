"JupyterLab, in a browser, runs the first tutorial by *Run All Cells*; $CIFAR_CAM_SHOTS names a folder for screenshots."
import json, os, subprocess, sys, time, urllib.request
from pathlib import Path

import nbformat, pytest

sync = pytest.importorskip('playwright.sync_api')
pytest.importorskip('jupyterlab')
FN = Path(__file__).resolve().parent.parent/'nbs'/'tutorials'/'train_and_look.ipynb'
TOKEN = 'a-token-for-this-test-only'

def clean_copy(to):
    "The notebook without outputs: a figure that is seen was drawn now; how many cells there are, and have figures saved"
    nb = nbformat.read(FN, as_version=4)
    cells = [o for o in nb.cells if o.cell_type=='code']
    n = sum(any('image/png' in x.get('data', {}) for x in o.outputs) for o in cells)
    for o in cells: o.outputs,o.execution_count = [],None
    nbformat.write(nb, to/FN.name)
    return len(cells),n

@pytest.fixture
def lab(tmp_path):
    "A server of its own: settings, token, port and folder; the address, and how many cells and figures there are"
    work,conf,runtime = (tmp_path/o for o in ('work','conf','runtime'))
    for o in work,conf,runtime: o.mkdir()
    counts = clean_copy(work)
    def setting(plugin, **kw):
        fn = conf/'lab'/'user-settings'/'@jupyterlab'/f'{plugin}.jupyterlab-settings'
        fn.parent.mkdir(parents=True, exist_ok=True)
        fn.write_text(json.dumps(kw))
    setting('notebook-extension/tracker', windowingMode='none')   # all cells are in the page, whether in view or not
    setting('apputils-extension/notification', checkForUpdates=False, fetchNews='false')
    env = {k: v for k,v in os.environ.items() if k not in ('CIFAR_CAM_FULL','CIFAR_CAM_RUN','MPLBACKEND')}
    env |= dict(JUPYTER_CONFIG_DIR=str(conf), JUPYTER_RUNTIME_DIR=str(runtime))
    env |= {f'JUPYTERLAB_{o.upper()}_DIR': str(conf/'lab'/f'user-{o}') for o in ('settings','workspaces')}
    log = open(tmp_path/'log', 'w')
    cmd = [sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', '--LabApp.news_url=None', '--ServerApp.port=0',
           '--ServerApp.ip=127.0.0.1', f'--ServerApp.root_dir={work}', f'--IdentityProvider.token={TOKEN}']
    server = subprocess.Popen(cmd, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        end,url = time.monotonic()+60,None
        while url is None and time.monotonic()<end and server.poll() is None:
            for f in runtime.glob('jpserver-*.json'):
                try:
                    at = json.loads(f.read_text())['url']
                    with urllib.request.urlopen(f'{at}api/status?token={TOKEN}', timeout=5): url = at
                except (OSError, ValueError): pass   # not written out, or not listening, yet
            time.sleep(.2)
        assert url, (tmp_path/'log').read_text()
        yield url,*counts
    finally:
        server.terminate()
        try: server.wait(20)
        except subprocess.TimeoutExpired: server.kill(); server.wait()
        log.close()

PROMPTS = '.jp-CodeCell .jp-InputPrompt'
ERROR = '[data-mime-type="application/vnd.jupyter.error"]'
BEGUN = "[...document.querySelectorAll('PROMPTS')].some(o => /[*\\d]/.test(o.textContent))".replace('PROMPTS', PROMPTS)
DONE = """n => {
    const prompts = [...document.querySelectorAll('PROMPTS')].map(o => o.textContent.trim());
    return document.querySelector('ERROR') || (prompts.length==n && prompts.every(o => /^\\[\\d+\\]:$/.test(o)));
}""".replace('ERROR', ERROR).replace('PROMPTS', PROMPTS)

def test_run_all(lab, browser):
    url,n_cells,n_figures = lab
    page = browser.new_page(viewport=dict(width=1300, height=1000))
    page.set_default_timeout(60_000)
    page.goto(f'{url}lab/tree/{FN.name}?token={TOKEN}')
    page.locator('.jp-CodeCell').nth(n_cells-1).wait_for(state='attached')
    page.get_by_text('| Idle').first.wait_for()       # in the status bar: the page is connected to the kernel
    for _ in range(5):                                # what is asked of a kernel that is not quite there yet gets lost
        page.get_by_role('menuitem', name='Run', exact=True).click()
        page.get_by_role('menuitem', name='Run All Cells', exact=True).click()
        try: page.wait_for_function(BEGUN, timeout=10_000)
        except sync.TimeoutError: continue
        break
    try: page.wait_for_function(DONE, arg=n_cells, timeout=180_000)
    except sync.TimeoutError: pytest.fail(f'not done: {page.locator(PROMPTS).all_inner_texts()}, {n_cells} code cells')
    assert not page.locator(ERROR).count(), page.locator(ERROR).first.inner_text()
    figures = page.locator('.jp-CodeCell:has(.jp-RenderedImage img)')
    assert figures.count()==n_figures>5
    drawn = "[...document.querySelectorAll('.jp-RenderedImage img')].every(o => o.complete && o.naturalWidth>100)"
    assert page.evaluate(drawn)
    if shots := os.environ.get('CIFAR_CAM_SHOTS'):
        Path(shots).mkdir(parents=True, exist_ok=True)
        for i in range(n_figures):
            figures.nth(i).scroll_into_view_if_needed()
            page.screenshot(path=Path(shots)/f'jupyterlab-{i:02}.png')
    page.close()
