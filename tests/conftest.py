"What several tests share: a browser, to look at pages as people do"
import os, shutil

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)

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
