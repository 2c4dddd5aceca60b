"What several tests share: their order, and a browser, to look at pages as people do"
import os, shutil

import pytest

LONG = 'resume', 'tutorials', 'networks', 'package', 'shell', 'site'   # files that take minutes, begun first: none runs on alone at the end
CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)

def pytest_collection_modifyitems(items):
    order = [f'test_{o}' for o in LONG]
    items.sort(key=lambda o: order.index(o.path.stem) if o.path.stem in order else len(order))

@pytest.fixture(scope='session')
def browser():
    sync = pytest.importorskip('playwright.sync_api')
    if CHROMIUM is None:
        assert not os.environ.get('CI'), 'no browser: install chromium'
        pytest.skip('no Chromium to drive')
    with sync.sync_playwright() as p:
        b = p.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        yield b
        b.close()
