"Names of classes and files whose bytes are no UTF-8"
import csv, io, os

import pandas as pd, pytest
from people import interpretation

ODD = os.fsdecode(b'caf\xe9')

@pytest.fixture
def interp():
    interp = interpretation([ODD,'dog','owl']*4)
    interp.table['file'] = [f'{ODD}/{i}.png' for i in interp.table.idx]   # as someone else may fill it
    return interp

def test_figures(interp, tmp_path):
    figs = [interp.plot_confusion_matrix(), interp.plot_misclassified(), interp.plot_top_losses(),
            interp.plot_mean_maps([(ODD,'dog')], layer='body'), *(interp.plot_cams(3, 'body', target=o) for o in ('both',ODD))]
    for fig in figs: fig.savefig(tmp_path/'a.png')
    assert r'caf\xe9' in figs[1].axes[0].get_title()+figs[1].axes[1].get_title()

def test_files(interp, tmp_path):
    interp.save(tmp_path/'run', 2, layers='body')
    interp.export(tmp_path/'out', 2, layers='body')
    for o in 'run','out': assert pd.read_csv(tmp_path/o/'predictions.csv').actual[0]==r'caf\xe9'

def test_shown(interp):
    repr(interp).encode(); interp._repr_html_().encode()
    assert interp.metrics()['per_class']

def test_names_that_a_spreadsheet_would_compute(tmp_path):
    names = ["=cmd|' /c calc'!A0", '@SUM(1,2)', '+1+1', '-1', 'dog, "=1"']
    interp = interpretation(names*3)
    interp.table['file'] = [f'=HYPERLINK("http://a.b/{i}")' for i in interp.table.idx]
    interp.export(tmp_path/'out', 2, layers='body')
    text = (tmp_path/'out'/'predictions.csv').read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [o['actual'] for o in rows[:5]]==["'"+names[0], "'"+names[1], "'"+names[2], '-1', names[4]]
    assert all(o['file'].startswith("'=") for o in rows)
    assert interp.table.actual[0]==names[0]   # the name itself
