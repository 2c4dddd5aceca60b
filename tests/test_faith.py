"The page of faithfulness says of real mistakes what the record of benchmarks/faith.py has, whatever is in it, and if there is none."
import json, random, re
from pathlib import Path

import numpy as np
import pytest
import torch
from fastcore.nbio import read_nb
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import Markdown
from matplotlib.figure import Figure

from cifar_cam.cam import cam, contrast
from cifar_cam.faith import deletion_insertion, drop_increase, logit_ledger, rank_places, road
from cifar_cam.models import cifar_resnet18

TOP = Path(__file__).resolve().parent.parent
RECORD,PAGE = TOP/'benchmarks/results/faith.json',TOP/'nbs/16_faith.ipynb'
MISSING = 'Not measured yet'
ASKED = 'road deletion insertion drop increase focus'.split()
SLOW = 'scorecam','ablationcam'

def shown(outputs): return '\n'.join(''.join(o['data'].get('text/markdown', '')) for o in outputs if 'data' in o)

def cells():
    "The code of the page that reads the record"
    every = read_nb(PAGE).cells
    at = next(i for i,o in enumerate(every) if o.source=='## On real mistakes')
    return [o for o in every[at:] if o.cell_type=='code' and 'export' not in o.directives]

def page_of(record):
    "What the page shows, as text, and its number of figures, if the record is in the file `record`"
    shell,texts,n = InteractiveShell(),[],0
    assert shell.run_cell('from cifar_cam.all import *\nimport matplotlib.pyplot as plt').success
    for o in cells():
        done = shell.run_cell(o.source.replace('../benchmarks/results/faith.json', str(record)))
        assert done.success
        if isinstance(done.result, Markdown): texts.append(done.result.data)
        n += isinstance(done.result, Figure)
    return '\n'.join(texts),n

def winners(net, measure):
    "Methods and layers that beat the blob by a measure, as the record has it"
    found = [o for o in net['maps'] if o['method']!='randomcam' and o[measure] and o[measure]['lead'] is not None]
    return {(o['method'],o['layer']) for o in found if o[measure]['lead']>2*o[measure]['lead_se']}

def said(text, measure):
    "The same, as the page says it, of each network"
    res = []
    for beat in re.findall(rf'^- \*\*{measure}\*\*: \d+ of \d+ beat the blob(.*?)\.(?: |$)', text, re.M|re.I):
        pairs = set()
        for part in filter(None, beat.removeprefix(': ').split('; ')):
            ms,ls = part.split(' at ')
            ls = re.findall('`(.*?)`', ls) + ['input']*('whole network' in ls)
            pairs |= {(m,l) for m in re.findall('`(.*?)`', ms) for l in ls}
        res.append(pairs)
    return res

def agree(text, nets):
    for o in nets.values():
        assert f"{o['accuracy']:.2%} of {o['n_test']:,} test pictures right" in text and f"of which {o['n']:,} drawn" in text
        assert o['sha256'][:16] in text
    for a in ASKED: assert said(text, a)==[winners(o, a) for o in nets.values()], a

def test_saved_page_agrees_with_the_record():
    text = '\n'.join(shown(o.outputs) for o in cells())
    if RECORD.exists(): agree(text, json.loads(RECORD.read_text()))
    else: assert MISSING in text and 'beat the blob' not in text

def figures(rng, base): return dict(mean=.1, se=.01, lead=round(rng.gauss(base, .03), 4), lead_se=.01)

def network(seed, base):
    "A record of a network, of random numbers"
    from cifar_cam.choices import methods
    rng,measures,layers = random.Random(seed),('road','road_morf','road_lerf',*ASKED[1:-1]),[f'layer{i}' for i in (4,3,2,1)]
    def one(m, l):
        its = dict(method=m, layer=l, same_as='gradcam' if (m,l)==('hirescam','layer4') else None, n=200, ok=1., ms=5.)
        own = dict(focus=None, randomisation=None) if m in SLOW else dict(focus=dict(n=9)|figures(rng, base), randomisation=rng.random())
        return its | {k: figures(rng, base) for k in measures} | own
    maps = [one(m, l) for l in layers for m in methods if m!='fullgrad'] + [one('fullgrad', 'input')]
    controls = [dict(method='blob', layer=None), *(dict(method='random', layer=l) for l in (*layers, 'input'))]
    its = dict(arch=dict(name='resnet18', width=32), epochs=9, sha256=f'{seed}'*64, accuracy=.91234, n_test=10_000, mistakes=877)
    controls = [o|{k: figures(rng, -.1) for k in measures} for o in controls]
    return its | dict(n=200, n_random=32, seed=1, mosaics=9, hardware='CPU', jobs=2, maps=maps, controls=controls)

@pytest.mark.parametrize('bases', [(), (.02,), (.02,0.), (-.5,)])
def test_page_of_any_record(bases, tmp_path):
    "None, one, two networks, and one of which no map beats the blob"
    nets = dict(zip(('pretrained','step20'), map(network, (1,2), bases)))
    if nets: (tmp_path/'faith.json').write_text(json.dumps(nets))
    text,n = page_of(tmp_path/'faith.json')
    assert (MISSING in text)==(not nets) and n==5*bool(nets)
    agree(text, nets)
    assert ('none of them beats the blob' in text)==(bases==(-.5,)) and ('On both networks' in text)==(len(bases)==2)

@pytest.fixture(scope='module')
def seen():
    "A network, pictures, and maps of them"
    torch.manual_seed(1)
    net,x = cifar_resnet18(3, width=2).eval(),torch.randn(4, 3, 32, 32)
    return net,x,cam(net, x, [0,1,2,0], 'layer3').heat('layer3')

@pytest.mark.parametrize('test', [road,deletion_insertion,drop_increase])
def test_maps_may_be_tensors(seen, test):
    net,x,heat = seen
    its = test(net, x, heat, [0,1,2,0])
    for o in torch.from_numpy(heat),torch.from_numpy(heat).requires_grad_():
        other = test(net, x, o, [0,1,2,0])
        for k in its: assert np.array_equal(its[k], other[k]), k
    with pytest.raises(ValueError, match='^heat is ndarray of 4x8x8'): test(net, x, torch.zeros(4, 8, 8), 0)

def test_places_are_ranked_whatever_numbers_maps_are_of(seen):
    one = np.array([[[0,3],[1,2]]])
    for o in one,np.uint8(one),torch.from_numpy(one),torch.from_numpy(one).bfloat16(),one.tolist():
        assert rank_places(o).tolist()==[[[3,0],[2,1]]]
    assert rank_places(one>1)[0].ravel()[[1,3]].max()==1
    assert np.array_equal(rank_places(torch.from_numpy(seen[2])), rank_places(seen[2]))

def test_a_ledger_is_of_classes(seen):
    net,x,_ = seen
    for o in (lambda o: o[...,0]),[0,1,2,lambda o: o[...,0]],iter([lambda o: o[0]]*4):
        with pytest.raises(ValueError, match='^targets has a function, and a ledger is of the logits themselves: give a class'):
            logit_ledger(net, x, o)
    assert logit_ledger(net, x, iter([0,1,2,0])).targets==[0,1,2,0]
    assert logit_ledger(net, x, contrast(0, 1)).targets==[(0,1)]*4
