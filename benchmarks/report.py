"""Size of report.html, time to write it, and time to open it: until its first map is drawn, until all sheets are open

    python benchmarks/report.py RUN [--k 1000] [--rounds 5] [--out FILE]

RUN is a run folder. Needs Playwright and Chromium, as the tests do; medians over rounds, each in a new browser window.
"""
import json, statistics, tempfile, time
from pathlib import Path
from fastcore.script import call_parse

def opened(page, address):
    "Seconds until the first map is drawn, until all sheets are open, and pixels down to the first tile"
    t0 = time.perf_counter()
    page.goto(address)
    page.locator('.tile canvas.map').first.wait_for()
    first = time.perf_counter()-t0
    page.evaluate('Promise.all([...DATA.sheets.pictures, ...DATA.sheets.maps].map(o => open(o).ready))')
    return dict(first=first, all=time.perf_counter()-t0, top=page.locator('.tile').first.bounding_box()['y'])

@call_parse
def main(
    run:str, # A run folder
    k:int=1000, # Mistakes
    rounds:int=5, # Times that the page is opened
    out:str='' # JSON file
):
    "Measure"
    import shutil
    from playwright.sync_api import sync_playwright
    from cifar_cam.all import CAMInterpretation, hardware, load_run, torch, versions
    interp = CAMInterpretation.from_learner(load_run(run))
    chromium = next(filter(None, map(shutil.which, ('chromium','chromium-browser','google-chrome'))), None)
    with tempfile.TemporaryDirectory() as tmp, sync_playwright() as p:
        t0 = time.perf_counter()
        fn = interp.report(tmp, k=k, faithfulness=False, label_issues=False)
        res = dict(mistakes=len(interp.misclassified(k)), mb=fn.stat().st_size/1e6, written=time.perf_counter()-t0)
        b = p.chromium.launch(executable_path=chromium, args=['--no-sandbox'])
        for name,size in dict(wide=(1400,900), phone=(390,844)).items():
            seen = []
            for _ in range(rounds):
                page = b.new_page(viewport=dict(zip(('width','height'), size)))
                seen.append(opened(page, fn.as_uri()))
                page.close()
            res[name] = {k: statistics.median(o[k] for o in seen) for k in seen[0]}
        b.close()
    print(json.dumps(res, indent=2))
    if out: Path(out).write_text(json.dumps(res | dict(hardware=hardware(torch.device('cpu')), versions=versions()), indent=2))
