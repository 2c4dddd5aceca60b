"What other projects' tests ask: each case comes out as expected, and none can hold without having been looked at"
import numpy as np, pytest
from cifar_cam.all import cam
from field.fieldnets import Plain, made, pics
from peers import cases, look
from peers.asking import Case

@pytest.mark.parametrize('case', cases, ids=lambda c: f'{c.test}: {c.asks}')
def test_outcome(case):
    outcome,why = look(case)
    assert outcome==case.expected, why
    if outcome!='holds': assert case.why in why

def came_out(f, why=''): return look(Case('torch-cam', 'a test', 'asks', 'holds', why, f))

def raises(e):
    raise e
    yield 1,1

def test_what_is_not_looked_at_does_not_hold():
    assert came_out(lambda: [])==('does not hold', 'nothing was compared')

differ = [(1,2), (np.zeros(3),np.ones(3)), (np.ones(3),np.ones(2)), (np.full(2, np.nan),np.ones(2)), (1.001,1.)]

@pytest.mark.parametrize('got,want', differ)
def test_what_differs_does_not_hold(got, want):
    assert came_out(lambda: [(1,1),(got,want)])[0]=='does not hold'
    assert came_out(lambda: [(want,want)])==('holds', '')

def test_only_errors_of_the_package_are_refusals():
    net,x = made(Plain),pics()
    assert came_out(lambda: raises(ValueError('from elsewhere')))[0]=='does not hold'
    assert came_out(lambda: [(cam(net, x, 7), None)])==('refused', 'class 7 does not exist: the model has 4 classes, 0 to 3')
    assert came_out(lambda: [(cam(net, x, 7), None)], 'other words')[0]=='does not hold'
    assert came_out(lambda: [(cam(net, x, lambda o: 1/0), None)])[0]=='does not hold'
