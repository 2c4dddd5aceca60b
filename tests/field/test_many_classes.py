"200 classes: a matrix that can be looked at, and a list of what is confused most"
import time

import pytest
from people import interpretation

@pytest.fixture(scope='module')
def interp(): return interpretation([f'kind {i:03}' for i in range(200)]*2)

def test_matrix(interp, tmp_path):
    t0 = time.perf_counter()
    fig = interp.plot_confusion_matrix()
    fig.savefig(tmp_path/'matrix.png')
    assert time.perf_counter()-t0<20
    assert max(fig.get_size_inches())<=12 and not fig.axes[0].texts
    a,b,n = interp.most_confused()[0]
    assert f'{a} → {b}: {n}' in fig.axes[0].get_xlabel()

def test_text_of_few():
    fig = interpretation([f'kind {i:03}' for i in range(40)]*2).plot_confusion_matrix()
    assert len(fig.axes[0].texts)==1600 and max(fig.get_size_inches())<=12

def test_by_class(interp):
    assert len(interp.per_class())==200
    assert '…' in repr(interp) and len(repr(interp))<400
    with pytest.raises(ValueError) as e: interp.confused('none', 0)
    assert len(str(e.value))<400

def test_own_axes(interp):
    import matplotlib.pyplot as plt
    fig,ax = plt.subplots(figsize=(4,4))
    assert 'most confused' in interp.plot_confusion_matrix(ax=ax).axes[0].get_xlabel()
    plt.close(fig)
