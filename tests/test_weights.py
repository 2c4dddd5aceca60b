"The network that comes with the package: its file and its card agree, the card is true, the shell looks with it, pages are of it."
import hashlib, json, os, re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from fastcore.nbio import read_nb
from safetensors import safe_open
from sklearn.datasets import load_sample_image
from cifar_cam.files import cifar10_path
from cifar_cam.imports import Image
from cifar_cam.interp import CAMInterpretation
from cifar_cam.pretrained import pretrained_cifar10
from cifar_cam.cli import main

top = Path(__file__).resolve().parent.parent
home = top/'cifar_cam'/'weights'
card = json.loads((home/'cifar10.json').read_text())
measured = card['measured']
with_data = pytest.mark.skipif(not os.getenv('CIFAR_CAM_DATA'), reason='CIFAR-10 is not at hand: $CIFAR_CAM_DATA says where it is')

def test_file():
    "The file is the one that the card speaks of: half precision, width 32, less than 6 MB, nothing of the machine that made it"
    data = (home/'cifar10.safetensors').read_bytes()
    assert (hashlib.sha256(data).hexdigest(), len(data))==(card['sha256'], card['bytes']) and len(data)<6e6
    with safe_open(home/'cifar10.safetensors', 'pt') as f:
        about,kinds = json.loads(f.metadata()['about']),{str(f.get_tensor(k).dtype) for k in f.keys()}
    assert kinds=={'torch.float16','torch.int64'} and about['arch']==card['arch'] and card['arch']['width']==32
    assert sum(p.numel() for p in pretrained_cifar10().model.parameters())==card['parameters']
    assert not any(o in json.dumps(card) for o in ('/home','/root','/work','/tmp'))

def test_card():
    "It was trained to the end, on all pictures, and says what was chosen on the test pictures: whether and how to go on, if it did"
    assert all(o['ended']=='complete' and o['n_train']==50_000 for o in card['fits'])
    assert card['selection'].startswith('none' if len(card['fits'])==1 else 'on the test pictures, whether to train a second cycle')
    assert measured['n']==10_000 and measured['accuracy']>=.91
    assert sum(o['support'] for o in measured['per_class'].values())==10_000

@with_data
def test_true():
    "The figures of the card are those of the network: to a picture or two on another machine, which rounds otherwise"
    learn = pretrained_cifar10(cifar10_path())
    assert learn.dls.source['fingerprint']==card['data']['fingerprint']
    with learn.no_bar(): its = CAMInterpretation.from_learner(learn).metrics()
    assert abs(its['accuracy']-measured['accuracy'])<=.0005 and abs(its['ece']-measured['ece'])<.002
    assert all(abs(its['per_class'][k]['recall']-o['recall'])<=.003 for k,o in measured['per_class'].items())

@pytest.fixture
def flower(tmp_path):
    fn = tmp_path/'flower.jpg'
    Image.fromarray(load_sample_image('flower.jpg')).save(fn)
    return fn

def printed(*args):
    with redirect_stdout(StringIO()) as out: assert main(['look', *map(str, args)])==0
    return out.getvalue()

def test_shell(flower, tmp_path):
    "A look at a photo without a run: ten classes, a figure, and that the nearest pictures are not known, with what to do about it"
    one = json.loads(printed('--pretrained', flower, '--json'))
    assert [o['class'] for o in sorted(one['classes'], key=lambda o: o['class'])]==card['vocab'] and one['nearest'] is None
    said = printed(flower, '--pretrained', '--out', tmp_path/'seen.png')
    assert 'pretrained_cifar10(cifar10_path())' in said and Image.open(tmp_path/'seen.png').size[0]>500

def test_shell_page(flower):
    "What the Shell page shows of the flower is what the command prints: the same classes in the same order, to a tenth of a per cent or so"
    def classes(text): return [(k, float(v)) for k,v in re.findall(r'(\w+) ([\d.]+)%', re.search(r'flower.jpg\n(.*)', text)[1])]
    page = '\n'.join(c.source for c in read_nb(top/'nbs'/'25_cli.ipynb').cells if c.cell_type=='markdown')
    page = page[page.index('$ cifar-cam look --pretrained'):].split('\n', 1)[1]
    shown,now = classes(page),classes(printed('--pretrained', flower))
    assert len(shown)==5 and [k for k,_ in shown]==[k for k,_ in now]
    assert max(abs(a-b) for (_,a),(_,b) in zip(shown, now))<=.3

def test_shell_without(flower, capsys):
    "A picture alone, without the network that is to look: what to give"
    assert main(['look', str(flower)])!=0
    said = capsys.readouterr().err
    assert 'there is only' in said and 'pretrained' in said and 'Traceback' not in said

def outputs(page):
    "All text that the saved page shows"
    cells = read_nb(top/'nbs'/f'{page}.ipynb').cells
    return '\n'.join(json.dumps(o, ensure_ascii=False) for c in cells if c.cell_type=='code' for o in c.outputs)

@pytest.mark.parametrize('page', ['17_interp','18_gallery'])
def test_pages(page):
    "The saved page is of this network: accuracy and mistakes"
    assert f'{measured["accuracy"]:.2%} of 10,000 pictures' in outputs(page)

def test_trust():
    mean = re.search(r'mean +([\d.]+)', outputs('tutorials/trust'))[1]
    assert float(mean)==measured['accuracy']

def test_home():
    "Home says how often it is right in whole per cents"
    assert f'right about {measured["accuracy"]:.0%} of'.replace('%', ' %') in (top/'README.md').read_text()
