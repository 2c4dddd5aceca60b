"""Train the network that comes with the package, and write its weights and their card

`python tools/pretrained.py` trains on CIFAR-10 (about an hour and a half on two CPU cores with bf16; started again, it goes on
from its last checkpoint), and writes cifar_cam/weights/cifar10_resnet18.safetensors and .json.
Recipe, epochs and seed were decided beforehand; no choice was made on the test pictures.
"""
import hashlib, json
from pathlib import Path

import torch
from fastcore.script import call_parse
from safetensors.torch import save
from cifar_cam.all import CAMInterpretation, load_run, train_run
from cifar_cam.files import write_whole
from cifar_cam.recipe import recipe

top = Path(__file__).resolve().parent.parent
how = recipe('fast', epochs=36, sizes=((10,16),(8,24),(18,32)), crop=4)
not_for = ('anything but the ten classes of CIFAR-10, at 32x32 pixels: of any other picture it still names one of them; decisions about '
           'people; or claims about larger networks. CIFAR-10 has wrong labels and pictures twice, and this network learned from them')
kept = 'arch recipe precision data vocab augs versions hardware selection epochs_done seed command'.split()

def half(v): return v.half() if v.ndim>1 and v.is_floating_point() else v

def packed(model):
    "The weights of `model` as bytes: in float16, but for the few of norms and biases"
    return save({k: half(v.detach().cpu()).contiguous() for k,v in model.state_dict().items()})

def card(learn, raw):
    "What is known of the network whose weights are `raw`, measured on them as they are in the file"
    config = {k: learn.config[k] for k in kept}
    config['data'] = {k: v for k,v in config['data'].items() if k!='path'}
    interp = CAMInterpretation.from_learner(learn)
    return config | dict(sha256=hashlib.sha256(raw).hexdigest(), metrics=interp.metrics(), not_for=not_for,
        copy="the JPEG copy of CIFAR-10 that fastai's `URLs.CIFAR` names, whose pictures differ a little from the original's",
        parameters=sum(p.numel() for p in learn.model.parameters()), valid_acc=[round(o['valid_acc'], 4) for o in learn.history.epochs])

@call_parse
def main(
    run:str='runs/pretrained' # Run folder, in which a training that was interrupted goes on
):
    "Train the network of the package, and write its weights and their card"
    learn = train_run(out=run, recipe=how, width=32, seed=1, resume=True, command='python tools/pretrained.py')
    raw = packed(learn.model)
    learn = load_run(run, precision='fp32')
    with torch.no_grad():
        for v in learn.model.state_dict().values(): v.copy_(half(v))   # as they are in the file
    where = top/'cifar_cam'/'weights'
    where.mkdir(exist_ok=True)
    write_whole(where/'cifar10_resnet18.safetensors', raw)
    write_whole(where/'cifar10_resnet18.json', (json.dumps(card(learn, raw), indent=1)+'\n').encode())
