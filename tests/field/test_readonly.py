"A learner whose folder can't be written to, as on Kaggle: all of it works, and files go where one says"
from pathlib import Path

import pytest
from people import interpretation

def test_path(tmp_path):
    interp = interpretation(['cat','dog','owl']*4)
    interp.learn.path = Path('/dev/null/nowhere')
    interp.plot_cams(2, 'body'); interp.plot_misclassified(2); interp.metrics(); repr(interp)
    assert (interp.save(tmp_path/'run', 2, layers='body')/'metrics.json').exists()
    assert (interp.export(tmp_path/'out', 2, layers='body')/'maps.npz').exists()

@pytest.mark.parametrize('write', ['save','export'])
def test_folder(write):
    interp = interpretation(['cat','dog','owl']*4)
    with pytest.raises(OSError, match='/dev/null'): getattr(interp, write)('/dev/null/out', 2, layers='body')
