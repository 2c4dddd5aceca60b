"Names of classes and files whose bytes are no UTF-8"
import os

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
