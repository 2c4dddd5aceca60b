"Data of one picture, a last batch of one, and a loader that drops all it has"
import pytest
from cifar_cam.all import CAMInterpretation
from people import dls_of, learner

@pytest.mark.parametrize('n', [1, 2, 5])
def test_few(n):
    learn = learner(dls_of(['cat','dog','owl']*2))
    interp = CAMInterpretation.from_learner(learn, dl=learn.dls.test_dl(list(range(n)), with_labels=True))
    assert len(interp.table)==n and interp.metrics()['n']==n

def test_batch_that_would_be_dropped():
    "A training loader drops what fills no batch; the pass has all pictures"
    dls = dls_of(['cat','dog','owl'])
    assert not len(dls.train)
    assert len(CAMInterpretation.from_learner(learner(dls), 0).table)==3
