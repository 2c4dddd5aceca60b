"""Is `cam`'s own choice of layer and grid right? Asked of the classifiers of torchvision, timm, transformers and fastai

    python tools/zoo.py [--quick] [--only REGEX] [--library timm] [--again] [--out FILE]

Each network is built with random weights, at its size and at one that is not square, in a process of its own. What is judged
is the package's public face; what it is judged by is measured here, with none of its code:

- *share*: hooks on all modules note the order in which they end. Of the parameters that run before the last place where the
  network still has places that gradient reaches (so without pooling and head), the share that has run at the chosen layer.
- *match*: a patch of the picture is exchanged, at nine places in turn. What changes at the layer, cell by cell, less what
  changes for a patch anywhere, must be largest in the ninth of the map where the patch is. By chance one place in nine is.
- *follow*: the centre of what changes follows the patch down and across: the smaller correlation over the nine places.
  0 for axes that are exchanged or channels in the place of places; *match* also sees an order that is wrong cell by cell.
  Where random weights blur what a few cells see, other weights are tried, twice: what is in the wrong order is so with all.
- maps finite and not all zero, one a picture, and the same for a picture alone.
- *gap*: the largest difference from grad-cam's map at the same layer, and *raw* from one by `torch.autograd.grad`.

A refusal is a ValueError or a TypeError that the package raises; one that asks for larger pictures where a layer has places is
false, and counts as wrong. Rows are kept in the file of results, and made again when
the package's `cam` or `models`, this script or a library has changed; --again REGEX makes those of that outcome again.
"""
import hashlib, inspect, json, multiprocessing as mp, re, resource, sys, time, traceback, warnings
from functools import partial
from importlib.metadata import version
from multiprocessing.pool import ThreadPool
from pathlib import Path

warnings.filterwarnings('ignore')

import fastai.vision.all, numpy as np, timm, torch, torchvision, transformers
from torch import nn
from fastai.vision.learner import create_timm_model, create_vision_model
from fastcore.script import call_parse
from huggingface_hub.errors import StrictDataclassError
from pytorch_grad_cam import EigenCAM, GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from cifar_cam.all import cam, stages, usable_layers

TOP,PACKAGE = Path(__file__).resolve().parent.parent,Path(inspect.getfile(cam)).resolve().parent
# a sound layer has at least these, two of them for grids of fewer than 8 cells a side, and of more; a larger gap is explained
SHARE,MATCH,FOLLOW,GAP = .5,(.3,.5),(.5,.7),1e-4

# ---- the networks

# the smallest of each family in each of its modules, and a few that differ in kind
TIMM = '''
beit_base_patch16_224 halonet_h1 eca_botnext26ts_256 lambda_resnet26t haloregnetz_b botnet26t_256 sehalonet33ts
sebotnet33ts_256 lamhalobotnet50ts_256 halo2botnet50ts_256 mobileone_s1 gernet_s repvgg_a0 regnetz_b16
resnext26ts eca_resnext26ts seresnext26ts gcresnext26ts bat_resnext26ts resnet32ts seresnet33ts gcresnet33ts
mobileone_s0 cait_xxs24_224 coat_tiny coat_lite_tiny convit_tiny convmixer_768_32 convnext_zepto_rms
convnextv2_atto convnext_tiny cpubone_nano crossvit_tiny_240 csatv2 cs3darknet_focus_s darknet17 cspresnext50
sedarknet21 cspresnet50 cspdarknet53 darknetaa53 cspnext_tiny davit_tiny
deit_tiny_patch16_224 deit_tiny_distilled_patch16_224 deit3_small_patch16_224 densenet121 densenetblur121d
dla46x_c dpn48b edgenext_xx_small efficientformer_l1 efficientformerv2_s0 efficientformerv2_s1 mobilenetv2_035
mnasnet_small tinynet_e semnasnet_050 mobilenet_edgetpu_100 mixnet_s spnasnet_100 efficientnet_lite0 fbnetc_100
tf_efficientnetv2_b0 gc_efficientnetv2_rw_t efficientnet_b0 efficientvim_m1 efficientvit_b0 efficientvit_m0
vit_tiny_patch16_dinov3_qkvb eva02_tiny_patch14_224 fasternet_t0 fastvit_t8 fastvit_mci0 focalnet_tiny_srf
gcvit_xxtiny gemma4_vit_167m ghostnet_050 ghostnetv3_050 hardcorenas_b hgnetv2_b0 hgnet_tiny hiera_tiny_224
sam2_hiera_tiny hieradet_small hrnet_w18_small iformer_t inception_next_atto inception_resnet_v2 inception_v3
inception_v4 lcnetv2_small levit_128s levit_conv_128s lowformer_b0 mambaout_femto maxvit_pico_rw_256
coatnet_pico_rw_224 coatnext_nano_rw_224 maxxvit_rmlp_nano_rw_256 maxxvitv2_nano_rw_256 maxvit_tiny_tf_224
poolformerv2_s12 poolformer_s12 caformer_s18 convformer_s18 gmlp_ti16_224 gmixer_12_224 resmlp_12_224
mixer_s16_224 mixer_b32_224 mobilenetv3_small_050 lcnet_035 fbnetv3_b mobilenetv4_conv_small
mobilenetv4_hybrid_medium tf_mobilenetv3_small_minimal_100 mobilenetv5_base mobilevit_xxs mobilevitv2_050
mvitv2_tiny naflexvit_base_patch16_parfac_gap naflexvit_base_patch16_gap nasnetalarge nest_tiny nextvit_small
nf_regnet_b0 eca_nfnet_l0 nfnet_l0 nf_resnet26 dm_nfnet_f0 pit_ti_224 pnasnet5large pvt_v2_b0 qwen3_vit_88m
rdnet_tiny regnetx_002 regnety_002 regnetz_005 regnetv_040 repghostnet_050 repvit_m1 res2next50
res2net50_14w_8s resnest14d resnet10t resnetblur18 seresnet18 ecaresnext26t_32x4d ecaresnet26t
seresnext26t_32x4d resnetaa34d resnext50_32x4d seresnetaa50d ecaresnetlight resnetrs50 resnet18 resnet26d
resnetv2_18 resnetv2_50x1_bit rexnet_100 rexnetr_100 selecsls42 legacy_seresnet18 legacy_seresnext26_32x4d
sequencer2d_s sequencer2d_m shvit_s1 skresnet18 skresnext50_32x4d starnet_s050 swiftformer_xs
swin_tiny_patch4_window7_224 swin_s3_tiny_224 swinv2_tiny_window8_256 swinv2_cr_tiny_224 tiny_vit_5m_224
tnt_s_legacy_patch16_224 tnt_s_patch16_224 tresnet_m twins_svt_small twins_pcpvt_small vgg11 vgg11_bn
visformer_tiny vit_tiny_patch16_224 flexivit_small vit_wee_patch16_reg1_gap_256 vit_small_patch14_reg4_dinov2
vit_medium_patch16_gap_256 vit_base_patch32_clip_224 vit_base_patch32_siglip_256 beit3_base_patch16_224
vit_tiny_r_s16_p8_224 vit_srelpos_small_patch16_224 samvit_base_patch16_224 vitamin_small_224 volo_d1_224
ese_vovnet19b_slim_dw vovnet39a eca_vovnet39b legacy_xception xception41p xcit_nano_12_p8_224
xcit_tiny_12_p16_224
'''.split()

VIT = dict(hidden_size=48, num_hidden_layers=6, num_attention_heads=3, intermediate_size=96, image_size=224, patch_size=16)
SWIN = dict(image_size=224, patch_size=4, embed_dim=16, depths=[2,2,4,2], num_heads=[1,2,4,8], window_size=7)
CELLS = dict(embedding_size=16, hidden_sizes=[16,32,64,128], depths=[2,2,2,2])
WIDTHS = dict(hidden_sizes=[16,32,64,128], depths=[2,2,4,2])
PYRAMID = dict(image_size=224, hidden_sizes=[16,32,80,128], depths=[2,2,4,2])
HF = dict(
    ResNet=CELLS, Bit=CELLS | dict(num_groups=8), RegNet=CELLS | dict(groups_width=16),
    ConvNext=WIDTHS, ConvNextV2=WIDTHS, PoolFormer=WIDTHS, Segformer=WIDTHS,
    MobileNetV1=dict(depth_multiplier=.25, image_size=224), MobileNetV2=dict(depth_multiplier=.35, image_size=224),
    EfficientNet=dict(image_size=224, width_coefficient=.35, depth_coefficient=.35, hidden_dim=448),
    HGNetV2=dict(), TextNet=dict(image_size=[224,224]),
    SwiftFormer=dict(image_size=224, depths=[2,2,4,2], embed_dims=[24,32,48,96]),
    MobileViT=dict(image_size=224, hidden_sizes=[24,32,48], neck_hidden_sizes=[16,16,24,32,48,64,128]),
    MobileViTV2=dict(image_size=224, width_multiplier=.5),
    ViT=VIT, DeiT=VIT, ViTMSN=VIT, IJepa=VIT, Dinov2=VIT, Dinov2WithRegisters=VIT,
    Data2VecVision=VIT | dict(use_relative_position_bias=True), Beit=VIT | dict(use_relative_position_bias=True),
    Swin=SWIN, DonutSwin=SWIN, Swinv2=SWIN, FocalNet=dict(image_size=224, patch_size=4, embed_dim=16, depths=[2,2,4,2]),
    Pvt=PYRAMID, PvtV2=PYRAMID, Cvt=dict(embed_dim=[16,32,64], num_heads=[1,2,4], depth=[1,2,6]),
    Levit=dict(image_size=224, hidden_sizes=[32,48,64], key_dim=[8,8,8], num_attention_heads=[2,3,4]),
    Hiera=dict(image_size=[224,224], embed_dim=16, depths=[2,2,4,2], num_heads=[1,2,4,8]),
    CLIP=dict(vision_config=VIT), Siglip=dict(vision_config=VIT))

# fastai's own, and what `vision_learner` makes of others: a body, and a head that pools in two ways
FASTAI = '''xresnet18 xse_resnet18 xresnext18 resnet18 densenet121 vgg11_bn squeezenet1_1 alexnet
    timm_convnext_zepto_rms timm_resnet10t timm_vit_tiny_patch16_224'''.split()

QUICK = '''squeezenet1_1 mobilenet_v3_small levit_128s efficientvit_m0 mobilevit_xxs mnasnet_small
    hf_ResNet hf_ViT hf_Swin hf_Swinv2 hf_MobileViT hf_Hiera hf_PoolFormer'''.split()

# sizes that are known to mislead: channels as many as cells, cells that overhang the picture
ODD = dict(swin_t=(384,384), swin_b=(128,256), resnet18=(150,230), densenet121=(75,110), efficientnet_b0=(165,230), convnext_tiny=(100,180),
           squeezenet1_1=(64,200), vit_tiny_patch16_224=(150,230), resnetv2_18=(90,50), mobilevit_xxs=(130,190))

class Logits(nn.Module):
    "A network of transformers that gives a tensor"
    def __init__(self, net):
        super().__init__()
        self.net = net
    def forward(self, x): return self.net(x).logits

def tv_net(name, size):
    kw = dict(image_size=size[0]) if name.startswith('vit') else dict(input_size=size) if name=='maxvit_t' else {}
    kw |= dict(init_weights=True) if name in ('googlenet', 'inception_v3') else {}
    return torchvision.models.get_model(name, num_classes=10, **kw)

def timm_net(name, size):
    "Transformers ask for their size, or to pad to their patches; the rest knows no such argument"
    kw = dict(dynamic_img_size=True, dynamic_img_pad=True) if ODD.get(name)==size else dict(img_size=size)
    try: return timm.create_model(name, num_classes=10, **kw)
    except TypeError: return timm.create_model(name, num_classes=10)

def hf_net(name, size):
    "Some take height and width, some one number, and some of those go by the picture"
    make,kw = getattr(transformers, f'{name[3:]}ForImageClassification'),HF[name[3:]]
    for s in (list(size), max(size)):
        try: return Logits(make(make.config_class(num_labels=10, **(kw | (dict(image_size=s) if 'image_size' in kw else {})))))
        except (TypeError, ValueError, StrictDataclassError) as e: err = e
    raise err

def fastai_net(name, size):
    name = name[3:]
    if name.startswith('x'): return getattr(fastai.vision.all, name)(n_out=10)
    if name.startswith('timm_'): return create_timm_model(name[5:], 10, pretrained=False)[0]
    return create_vision_model(getattr(torchvision.models, name), 10, pretrained=False)

def timm_size(name): return timm.get_pretrained_cfg(name).input_size[-1]
def tv_size(name): return 299 if name=='inception_v3' else 256 if name.startswith('swin_v2') else 224

def cases():
    "(library, name, size, what makes it) of all"
    tv = [('torchvision', o, tv_size(o), tv_net) for o in torchvision.models.list_models(module=torchvision.models)]
    return (tv + [('timm', o, timm_size(o), timm_net) for o in TIMM]
            + [('transformers', f'hf_{o}', 224, hf_net) for o in HF] + [('fastai', f'fa_{o}', 224, fastai_net) for o in FASTAI])

def kinds(name): return ('square', 'wide', 'odd') if name in ODD else ('square', 'wide')

def sizes(name, s, kind):
    "Sizes of a kind, the likelier ones first: networks take multiples of their strides, patches or windows; large ones last"
    if kind=='odd': return [ODD[name]]
    few = list(dict.fromkeys([min(s, 256), 224, 252, s]))
    if kind=='square': return [(o,o) for o in few]
    low = [(round(.7*o/m)*m,o) for o in few[:2] for m in (32,28,48,1)]
    return [o for o in dict.fromkeys(low) if o[0]<o[1]] + [(224,448),(256,512)]

def quiet(p):
    "Whether a parameter is a constant near 0, or a convolution so small that norms, with their epsilon, silence it"
    if p.ndim==4: return p.std()*p[0].numel()**.5 < .2
    return p.mean().abs()<=.1 and (p.numel()==1 or p.std()<=1e-3)

def damped(m, i, o): return .2*o

def lively(net, x):
    "Random numbers for what starts as next to nothing, and statistics of its own: signals pass as through a trained network"
    for n,p in net.named_parameters():
        p = p.data
        if not quiet(p): continue
        if n.endswith('bias') or p.ndim==3 or 'bias_table' in n or 'pos' in n: p.normal_(0, .02)
        elif p.ndim<2 or p.numel()==max(p.shape): p.uniform_(.03, .1)     # of a branch: what goes past it carries the places
        else: p.normal_(0, 2*p[0].numel()**-.5)
    for n,m in net.named_modules():     # at the end of a branch: as in training, what goes past it is more than what it adds
        if type(m).__name__ in ('StochasticDepth','DropPath') or 'drop_path' in n.split('.')[-1]: m.register_forward_hook(damped)
    norms = [o for o in net.modules() if isinstance(o, nn.modules.batchnorm._BatchNorm)]
    for o in norms: o.train().momentum = None
    with torch.no_grad(): net(x)
    return net.eval()

def built(make, name, size, seed):
    torch.manual_seed(seed)
    x = pictures(4, size, 7)
    return lively(make(name, size).eval(), x), x[:2]

def runnable(make, name, s, kind, seed=0):
    "The network and two pictures, at the first size of that kind that it takes"
    errs = []
    for size in sizes(name, s, kind):
        try: return built(make, name, size, seed)
        except Exception as e: errs.append(e)
        if 'memory' in str(errs[-1]).lower(): raise errs[-1]
    raise Untaken(' | '.join(f'{type(e).__name__}: {e}' for e in errs)) from errs[0]

class Untaken(Exception): "The network itself does not take such pictures"

# ---- what is measured

def tensors(o):
    "The tensors in what a module gave"
    if isinstance(o, torch.Tensor): return [o]
    parts = o.values() if hasattr(o, 'values') else o if isinstance(o, (list,tuple)) else ()
    return [t for p in parts for t in tensors(p)]

def has_places(g):
    "Whether gradient reaches more than one place of a layer, whatever the order of its axes: picture, and 2 or 3 more"
    if g is None or g.shape[0]!=1 or g.ndim not in (3,4) or sum(n>1 for n in g.shape[1:])<g.ndim-1: return False
    hit = g[0]!=0
    if g.ndim==3: return hit.any(1).sum()>max(1, g.shape[1]/8) and hit.any(0).sum()>1
    return hit.any(0).sum()>1 and hit.any(2).sum()>1

class Trace:
    "The order in which modules end, and the last of them that has places and gradient"
    def __init__(self, net, x):
        self.ended,outs = [],[]
        def note(name, m, i, o):
            for t in tensors(o): outs.append((len(self.ended),t))
            self.ended.append(name)
        hooks = [m.register_forward_hook(lambda m,i,o,n=n: note(n, m, i, o)) for n,m in net.named_modules()]
        try: logits = net(x[:1])
        finally:
            for h in hooks: h.remove()
        outs = [(i,t) for i,t in outs if t.requires_grad]
        grads = torch.autograd.grad(logits[0,logits[0].argmax()], [t for _,t in outs], allow_unused=True)
        self.last = max((i for (i,_),g in zip(outs, grads) if has_places(g)), default=None)
        self.first = {n: self.ended.index(n) for n in self.ended}
        self.sizes = {}
        for n,p in net.named_parameters():
            at = self.first[self.owner(n)]
            self.sizes[at] = self.sizes.get(at, 0)+p.numel()
    def owner(self, name):
        "The innermost module around a parameter that was called: some are used without"
        while name not in self.first: name = name.rpartition('.')[0]
        return name
    def before(self, at): return sum(v for k,v in self.sizes.items() if k<=at)
    def share(self, name):
        "Of the parameters that run while there are places, the share that has run when the module `name` has"
        if name not in self.first: return 0.
        at = len(self.ended)-1-self.ended[::-1].index(name)
        last = len(self.ended) if self.last is None else self.last
        return round(min(1., self.before(at)/max(1, self.before(last))), 3)

class Cells(EigenCAM):
    "A method without gradients, which notes the activations as `cam` hands them over: pictures x channels x height x width"
    seen = []
    def get_cam_image(self, x, layer, targets, acts, grads, eigen_smooth=False):
        Cells.seen.append(np.asarray(acts))
        return np.asarray(acts).sum(1)

class Peer(GradCAM):
    "grad-cam as it is, and the activations that it saw"
    def get_cam_image(self, x, layer, targets, acts, grads, eigen_smooth=False):
        self.saw = acts
        return super().get_cam_image(x, layer, targets, acts, grads, eigen_smooth)

def in_cells(net, x, layers):
    "Activations by layer, as `cam` arranges them"
    Cells.seen.clear()
    maps = cam(net, x, 0, layers, method=Cells)
    return {k: np.concatenate(Cells.seen[i::len(maps.layers)]) for i,k in enumerate(maps.layers)}

def pictures(n, size, seed):
    "Random pictures, coarse and fine: white noise alone would average out on its way"
    rng = torch.Generator().manual_seed(seed)
    coarse = [nn.functional.interpolate(torch.randn(n, 3, k, k, generator=rng), size, mode='bilinear') for k in (4,14,56)]
    return sum(coarse)/1.2+.1*torch.randn(n, 3, *size, generator=rng)

def patched(places, size, seed):
    "A picture, then once more for each place of a 3x3 grid, with another picture's patch there"
    xs,others = pictures(1, size, seed).repeat(len(places)+1, 1, 1, 1),pictures(len(places), size, 100+seed)
    for to,other,p in zip(xs[1:], others, places):
        y,x = (int((v+.5)/3*n-n/10) for v,n in zip(divmod(p, 3), size))
        at = np.s_[:, y:y+size[0]//5, x:x+size[1]//5]
        to[at] = other[at]
    return xs

def changes(acts):
    "How much each cell changes with each patch, on a scale where neither channels, cells nor patches differ as a whole"
    d = np.abs(np.float64(acts[1:])-acts[:1])
    d = np.log(d+.01*d.mean((2,3), keepdims=True)+1e-30)
    d = (d-d.mean(0)).mean(1)
    return d-d.mean((1,2), keepdims=True)

def ninths(d, places):
    "Share of the places that are answered most in their own ninth of the map, of those ninths that it can tell apart"
    rows,cols = (((np.arange(n)+.5)*3//n).astype(int) for n in d.shape[1:])     # the third of the picture that a row of cells is in
    can = [i for i,p in enumerate(places) if p//3 in rows and p%3 in cols]
    if len(can)<2: return 0.
    own,d = [places[i] for i in can],d[can]-d[can].mean(0)
    answer = np.stack([d[:,rows==p//3][:,:,cols==p%3].mean((1,2)) for p in own])     # ninth x place
    answer /= np.maximum(answer.std(1, keepdims=True), 1e-30)
    return float(np.mean(answer.argmax(0)==np.arange(len(own))))

def follows(d, places):
    "How well the centre of what changes follows the patch: correlation over places, down and across, the smaller one"
    e = np.maximum(d-d.mean(0), 0)
    e /= np.maximum(e.sum((1,2), keepdims=True), 1e-30)
    centres = [e.sum(2)@np.arange(d.shape[1]), e.sum(1)@np.arange(d.shape[2])]
    wanted = np.transpose([divmod(p, 3) for p in places])
    return min(float(np.corrcoef(c, v)[0,1]) if np.ptp(c)>1e-6 else 0. for c,v,n in zip(centres, wanted, d.shape[1:]))

def answers(d, places): return dict(match=round(ninths(d, places), 3), follow=round(follows(d, places), 3), fine=min(d.shape[1:])>=8)
def right(row): return row['match']>=MATCH[row['fine']] and row['follow']>=FOLLOW[row['fine']]

def answered(net, size, places, layer, most=6):
    "`answers` at a layer, from as many pictures as it takes, and their number: a network of random weights may blur"
    ds = []
    for i in range(most):
        ds.append(changes(in_cells(net, patched(places, size, i), layer)[layer]))
        row = answers(np.mean(ds, 0), places)
        if right(row) or (i>1 and row['follow']<.2): break
    return row | dict(tries=len(ds))

def every_layer(net, size, places):
    "The match of all layers that `usable_layers` lists, with one picture, or what `cam` says to them"
    try: acts = in_cells(net, patched(places, size, 0), usable_layers(net, pictures(1, size, 0)))
    except Exception as e: return dict(layers_said=said(e, {}))
    rows = {k: answers(changes(v), places) for k,v in acts.items()}
    return dict(layers=len(rows), layers_off={k: [v['match'],v['follow']] for k,v in rows.items() if not right(v)})

def readings(h, w):
    "Ways from a layer's output to n x channels x height x width"
    yield 'n x channels x height x width',lambda t: t
    yield 'n x height x width x channels',lambda t: t.permute(0,3,1,2)
    for p in range(9): yield f'tokens after {p}',lambda t,p=p: t[:,p:].transpose(1,2).unflatten(2, (h,w))
    yield 'channels, then tokens',lambda t: t.unflatten(2, (h,w))

def reading(out, acts):
    "The one that gives `acts`, or None"
    for name,f in readings(*acts.shape[-2:]):
        try: got = f(out).detach().numpy()
        except Exception: continue   # a reading that does not fit these outputs; one that does is looked for
        if got.shape==acts.shape and np.allclose(got, acts, rtol=1e-4, atol=1e-5*np.abs(acts).max()): return name,f
    return None,None

def by_autograd(net, x, module, ts, acts):
    "Activations in cells and a Grad-CAM map of theirs by torch.autograd.grad, and how the layer was read; None if it can't be"
    outs = []
    def keep(m, i, o):
        outs.append(o)
        return o.clone() if isinstance(o, torch.Tensor) else None
    hook = module.register_forward_hook(keep)
    try: logits = net(x)
    finally: hook.remove()
    if len(outs)!=1 or not isinstance(outs[0], torch.Tensor): return None
    way,f = reading(outs[0], acts)
    if f is None: return None
    g, = torch.autograd.grad(sum(o[t] for o,t in zip(logits, ts)), outs)
    a,g = f(outs[0]).detach().numpy(),f(g).numpy()
    return a,(g.mean((2,3), keepdims=True)*a).sum(1),way,f

def gaps(net, x, layer, maps, acts):
    "Largest differences from maps by torch.autograd.grad, as parts of their largest value, and from grad-cam, with the reason"
    module,ts = (dict(net.named_modules()) | known(net))[layer],[int(t) for t in maps.targets]
    got = by_autograd(net, x, module, ts, acts)
    if got is None: return dict(why='not compared: the layer runs twice, gives no tensor, or has cells in another order')
    a,own,way,f = got
    row = dict(raw=float(np.abs(own-maps[layer]).max()/max(np.abs(own).max(), 1e-30)), reading=way)
    with Peer(net, [module], reshape_transform=f) as peer: theirs = peer(x, [ClassifierOutputTarget(t) for t in ts])
    gap = float(np.abs(theirs-maps.heat(layer)).max())
    clipped = np.abs(peer.saw-a).max()>1e-6*np.abs(a).max()
    small = np.maximum(own, 0).max((1,2)).min()<1e-2
    whys = [(gap<=GAP, ''), (clipped, 'changed in place: grad-cam sees what became of it'),
            (small, 'grad-cam adds 1e-7 to the largest value'), (True, '')]
    return row | dict(gap=gap, why=next(why for so,why in whys if so))

def known(net):
    try: return stages(net)
    except Exception: return {}

def said(e, row):
    "What an error is: a refusal that the package raises, a false one, or a fault"
    at,words = traceback.extract_tb(e.__traceback__)[-1],' '.join(str(e).split())
    own = Path(at.filename).is_relative_to(PACKAGE) and 'raise' in at.line
    if not (own and isinstance(e, (ValueError,TypeError))): return f'error: {type(e).__name__}: {words[:200]} ({Path(at.filename).name})'
    if 'larger' in words and row.get('last'): return f'wrong: a false refusal, size is not the cause: {words}'
    return f'refused: {words}'

def judged(row):
    "What is wrong with what was measured"
    if row['finite']!='yes': yield row['finite']
    if row['share']<SHARE: yield f'early: {row["share"]:.0%} of the parameters have run'
    if not right(row): yield f'not the places: match {row["match"]:.0%}, follow {row["follow"]:.2f}'
    if row['skew']>1.1: yield f'cells are {np.exp(row["skew"]):.0f} times as long as wide'
    if row['alone']>1e-3 and not row['alone_by_autograd']>1e-3: yield f'a picture alone gives another map ({row["alone"]:.0e})'
    if row.get('raw', 0)>1e-3: yield f'another map by autograd ({row["raw"]:.0e})'
    if row.get('gap', 0)>GAP and not row['why']: yield f'another map by grad-cam ({row["gap"]:.0e})'

def alone(net, x, maps, layer):
    "How far the second picture's map is from its map alone; where it is far, how far torch's own gradients of the input are"
    one,m = cam(net, x[1:])[layer][0],maps[layer][1]
    off = float(np.abs(one-m).max()/max(np.abs(m).max(), 1e-30)) if one.shape==m.shape else 1.
    if off<=1e-3: return dict(alone=off)
    both,single = x.clone().requires_grad_(),x[1:].clone().requires_grad_()
    t = int(maps.targets[1])
    a,b = torch.autograd.grad(net(both)[1,t], both)[0][1],torch.autograd.grad(net(single)[0,t], single)[0][0]
    return dict(alone=off, alone_by_autograd=float((a-b).abs().max()/a.abs().max()))

def measured(net, x, row):
    "What `cam` gives for the network, in numbers"
    maps = cam(net, x)
    layer, = maps.layers
    m,(H,W) = maps[layer],x.shape[-2:]
    h,w = m.shape[-2:]
    row |= dict(layer=layer, grid=[h,w], skew=round(abs(float(np.log(H/h/(W/w)))), 3), status=maps.status[layer][0])
    words = [(len(m)!=2, f'{len(m)} maps of 2 pictures'), (not np.isfinite(m).all(), 'not finite'),
             (not m.any(), 'all zero'), (True, 'yes')]
    row['finite'] = next(word for so,word in words if so)
    row['share'] = row['trace'].share(layer)
    places = range(9) if row['parameters']<6e7 else (0,2,4,6,8)
    row |= answered(net, (H,W), places, layer)
    if row['kind']!='wide': row |= every_layer(net, (H,W), places)
    row |= alone(net, x, maps, layer)
    row |= gaps(net, x, layer, maps, in_cells(net, x, layer)[layer])
    return row

def examined(lib, name, s, make, kind):
    "The row of a network at a kind of size"
    for seed in range(3):
        row = with_weights(lib, name, s, make, kind, seed)
        if not row['outcome'].startswith('wrong: not the places'): break
    return row

def family(lib, name, net):
    "The module that a network is in"
    module = timm.model_entrypoint(name).__module__ if lib=='timm' else type(getattr(net, 'net', net)).__module__
    return module.rpartition('.')[2].removeprefix('modeling_')

def with_weights(lib, name, s, make, kind, seed):
    "The row, with the random weights of a `seed`"
    t0,row = time.time(),dict(name=name, library=lib, kind=kind)
    if seed: row['seed'] = seed
    try: net,x = runnable(make, name, s, kind, seed)
    except Untaken as e:
        words = ' '.join(str(e).split())[:300]
        return row | dict(outcome=f'not taken: {words}')
    row |= dict(family=family(lib, name, net), trace=Trace(net, x),
                parameters=sum(p.numel() for p in net.parameters()), size=list(x.shape[-2:]))
    if row['trace'].last is not None: row['last'] = row['trace'].ended[row['trace'].last]
    try:
        faults = list(judged(measured(net, x, row)))
        row['outcome'] = f"wrong: {'; '.join(faults)}" if faults else 'sound'
    except Exception as e:   # of anybody's network: a row says which, and counts against us unless it is a refusal
        row['outcome'] = said(e, row)
        if row['outcome'].startswith('error'): row['where'] = traceback.format_exc()[-1500:]
    if isinstance(net, Logits): row['bare'] = bare(net.net, x, row)
    del row['trace']
    return row | dict(seconds=round(time.time()-t0, 1))

def bare(net, x, row):
    "What `cam` says to a network that gives an object"
    try: return 'works' if f'net.{cam(net, x).layers[0]}'==row.get('layer') else 'another layer'
    except Exception as e: return said(e, row)

# ---- the run

def key():
    "What the results depend on"
    used = [inspect.getsource(inspect.getmodule(f)) for f in (cam, stages)]
    libs = [version(o) for o in ('torch', 'torchvision', 'timm', 'transformers', 'fastai', 'grad-cam')]
    here = Path(__file__).read_text().partition('# ---- the run')[0].partition('def kinds(')     # not the lists
    return hashlib.sha256('\n'.join([*used, *libs, here[-1]]).encode()).hexdigest()[:12]

def child(conn, *args):
    "A row by itself, within limits"
    resource.setrlimit(resource.RLIMIT_DATA, (12*2**30,)*2)
    torch.set_num_threads(1)
    try: conn.send(examined(*args))
    except Exception as e:   # of anybody's network, or its library: the row says that it was not measured
        conn.send(dict(outcome=f'not measured: {type(e).__name__}: {str(e)[:200]}', where=traceback.format_exc()[-1500:]))

def apart(args, limit):
    "`examined` in a process of its own"
    lib,name,_,_,kind = args
    mine,its = mp.Pipe(duplex=False)
    p = mp.Process(target=child, args=(its,*args))
    p.start()
    its.close()
    try: row = mine.recv() if mine.poll(limit) else dict(outcome=f'not measured: more than {limit} s')
    except EOFError: row = dict(outcome='not measured: the process ended')
    p.kill()
    p.join()
    return dict(name=name, library=lib, kind=kind) | row

def ident(o): return (o['library'],o['name'],o['kind']) if isinstance(o, dict) else (o[0],o[1],o[-1])
def word(row): return row['outcome'].partition(':')[0]

def line(row):
    "What there is to read of a row"
    parts = [f'{k} {row[k]:.2f}' for k in ('share','match','follow') if k in row]
    head = f"{row['library']:12} {row['name']:32} {row['kind']:6} {row.get('seconds', 0):4.0f} s  {row.get('layer', '')}"
    return ' '.join([head, *parts, '', row['outcome'][:150]])

def summary(rows):
    "Counts by library, and what is not sound"
    for r in rows:
        if word(r) not in ('sound', 'not taken'): print(line(r))
    for lib in dict.fromkeys(r['library'] for r in rows):
        of = [word(r) for r in rows if r['library']==lib]
        print(f'{lib:12}', ', '.join(f'{of.count(o)} {o}' for o in dict.fromkeys(of)))

def load(out):
    "Rows that are kept"
    rows = json.loads(Path(out).read_text())['rows'] if out and Path(out).exists() else []
    return {ident(r): r for r in rows}

def save(out, rows):
    "Rows in the order of `cases`, a line each"
    order = {ident((*c,k)): i for i,(c,k) in enumerate((c,k) for c in cases() for k in kinds(c[1]))}
    rows = sorted((r for r in rows if ident(r) in order), key=lambda r: order[ident(r)])
    libs = {o: version(o) for o in ('torch', 'torchvision', 'timm', 'transformers', 'fastai', 'grad-cam', 'cifar_cam')}
    about = json.dumps(dict(limits=dict(share=SHARE, match=MATCH, follow=FOLLOW, gap=GAP), versions=libs))
    lines = ',\n'.join(json.dumps(r) for r in rows)
    if out: Path(out).write_text(f'{{"about": {about},\n"rows": [\n{lines}\n]}}\n')
    return rows

@call_parse
def main(
    quick:bool=False, # A handful, for continuous integration; nothing is kept
    only:str='', # Names that this regular expression finds
    library:str='', # torchvision, timm, transformers or fastai
    kind:str='', # square, wide or odd
    again:str='', # Also those whose outcome this finds: wrong, refused
    stale:bool=False, # Keep rows that were made by another version of what they depend on
    jobs:int=1, # Processes at once
    limit:int=600, # Seconds a row
    out:str='' # The results, and where they are kept; by default benchmarks/results/zoo.json
):
    "Ask all of them"
    torch.set_num_threads(1)
    mp.set_start_method('fork')
    if not quick: out = out or str(TOP/'benchmarks'/'results'/'zoo.json')
    todo = [(*c,k) for c in cases() for k in kinds(c[1])]
    todo = [c for c in todo if re.search(only, c[1]) and library in c[0] and kind in c[-1] and (c[1] in QUICK or not quick)]
    kept,now = load(out),key()
    def due(c):
        r = kept.get(ident(c))
        return r is None or not stale and r['key']!=now or again and re.search(again, r['outcome'])
    with ThreadPool(jobs) as pool:
        for row in pool.imap_unordered(partial(apart, limit=limit), [c for c in todo if due(c)]):
            kept[ident(row)] = row | dict(key=now)
            print(line(row), flush=True)
            save(out, kept.values())
    mine = set(map(ident, todo))
    rows = [r for r in save(out, kept.values()) if ident(r) in mine]
    summary(rows)
    sys.exit(any(word(r) in ('wrong', 'error', 'not measured') for r in rows))
