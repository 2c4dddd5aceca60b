"What the tests of torch-cam ask of all methods, of those without gradients, and of the layer that is taken"
from peers.nets import *

# methods without gradients

ACT = 'tests/test_methods_activation.py::test_'
ledger = 'as `logit_ledger`, whose cells and bias add up to the logit'

def cam_by_hand(model, x, weight, c):
    "CAM of Zhou et al.: the classifier's weights times what the last stage gave"
    return (model.features(x)*weight[c].flatten()[:,None,None]).sum(1)

@tc(ACT+'img_cams', "CAM: the classifier's weights times the last stage, for one class and one a picture", why=ledger)
def _():
    w = net.head.lin.weight
    yield logit_ledger(net, x, 1).cells*16,cam_by_hand(net, x, w, 1)
    want = torch.cat([cam_by_hand(net, o[None], w, c) for o,c in zip(x, (0,1))])
    yield logit_ledger(net, x, [0,1]).cells*16,want

no_tc(ACT+'img_cams', "CAM's linear layer, by name or as a module",
      'it is found, and the sum says whether it is the right one')

@tc(ACT+'base_cam_constructor', 'CAM at several layers')
def _(): yield refusal(logit_ledger, net, x, layer=['two','three']),'2 layers given'

@tc(ACT+'cam_conv1x1', 'CAM of a network that ends in a 1x1 convolution', why=ledger)
def _():
    features = made(Plain)
    model = nn.Sequential(features.one, features.two, nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 3, 1), nn.Flatten()).eval()
    want = (model[:2](x)*model[3].weight[1]).sum(1)
    yield logit_ledger(model, x, 1).cells*64,want

@tc(ACT+'scorecam_torchvision_integration', "ScoreCAM inside a block of MobileNetV2, the layer given as a module")
def _():
    model = made(MobileNetV2, num_classes=5, width_mult=.1)
    layer = model.features[1].conv[1]
    yield heat(cam(model, x, 1, layer, 'scorecam')),theirs(gradcam.ScoreCAM, model, x, 'features.1.conv.1', [1,1])

@tc(ACT+'scorecam_chunk_parity', 'ScoreCAM: the same in batches of any size, for one class and one a picture, at two layers')
def _():
    for ts in 1,[1,2]:
        whole = cam(net, x, ts, ['one','three'], 'scorecam')
        with mock.patch('cifar_cam.cam._slice_size', lambda *args: 1): parts = cam(net, x, ts, ['one','three'], 'scorecam')
        for k in whole.layers: yield parts[k],whole[k]

for m in 'SSCAM','ISCAM':
    @tc(ACT+'scorecam_chunk_parity', f'{m} as a method', 'refused', 'no method')
    def _(m=m): yield heat(cam(net, x, method=m)).shape,(2,32,32)

no_tc(ACT+'scorecam_preserves_disabled_hooks', 'hooks that are switched off stay off',
      'a call hooks the model for its own length: there is nothing to switch')

@tc(ACT+'scorecam_restores_state_on_error', 'ScoreCAM of a network that fails on the way: hooks and modes are as before')
def _():
    model = made(Fails, 3).train()
    model.two.eval()
    before,failed = (modes(model),wants(model)),[]
    try: cam(model, x, 1, 'three', 'scorecam')
    except ValueError as e: failed.append(str(e))
    yield failed,['the network fails']
    yield (modes(model),wants(model)),before
    yield hooks(model),0

tc(ACT+'score_cams_support_per_sample_output_targets',
   "ScoreCAM of a list of dictionaries, another entry for each picture", why=pick)(
    partial(structured, 'scorecam'))

for m in 'ScoreCAM','CAM, SSCAM, ISCAM':
    tc(ACT+'video_cams', f'{m} of a video', 'refused', 'x is 1x3x8x16x16')(partial(of_video, method='scorecam'))

# what all methods share

CORE = 'tests/test_methods_core.py::test_'

@tc(CORE+'cam_constructor', 'layers that are not there, are no layers, or are of another model')
def _():
    yield refusal(cam, net, x, layers='four'),"no layer 'four'"
    yield refusal(cam, net, x, layers=3),'3 given as a layer is not a part of the model'
    yield refusal(cam, net, x, layers=[3]),'3 given as a layer is not a part of the model'
    yield refusal(cam, net, x, layers=nn.ReLU()),'the ReLU given as a layer is not a part of the model'

@tc(CORE+'cam_context_manager', 'hooked while it works, and not afterwards')
def _():
    seen,model = [],made(Gives, lambda y: (seen.append(hooks(model)), y)[1])
    cam(model, x)
    yield (min(seen)>0, hooks(model)),(True, 0)

@tc(CORE+'cam_context_manager_cleans_up_on_exception', 'no hook is left after an error')
def _():
    for n in 0,1,2:
        model = made(Fails, n)
        try: cam(model, x, 1, 'three', 'ablationcam')
        except ValueError: pass
        yield hooks(model),0

no_tc(CORE+'cam_hooks_off_restores_state', 'hooks off for a while',
      'a call hooks the model for its own length: there is nothing to switch')

@tc(CORE+'cam_eval_mode_restores_state', 'each module has its mode back, also if `eval` itself fails')
def _():
    model = made(Plain).train()
    model.two.eval()
    before = modes(model)
    cam(model, x)
    yield modes(model),before
    def fails():
        for m in model.modules(): m.training = False
        raise RuntimeError('eval fails')
    model.eval,failed = fails,[]
    try: cam(model, x)
    except RuntimeError as e: failed.append(str(e))
    yield (failed, modes(model)),(['eval fails'], before)

no_tc(CORE+'cam_remove_hooks_idempotent', 'removing hooks twice', 'nothing is left to remove')
no_tc(CORE+'cam_remove_hooks', 'what a layer gave is kept until the hooks are removed', 'nothing is left to remove')
no_tc(CORE+'cam_precheck', 'maps asked for before a pass, or without scores', 'a call makes the pass itself')

@tc(CORE+'cam_precheck', 'classes below 0')
def _():
    yield refusal(cam, net, x, -1),'class -1 does not exist'
    yield refusal(cam, net, x, [-1,0]),'class -1 does not exist'

TARGETS = CORE+'output_target_validation'
no_tc(TARGETS, 'a class and a function at once', 'both are given as `targets`, so it is one or the other')

@tc(TARGETS, 'as many targets as pictures')
def _(): yield refusal(cam, net, pics(3), [lambda o: o[0]]*2),'2 targets for 3 pictures'

@tc(TARGETS, 'a target that gives no tensor')
def _(): yield refusal(cam, net, x, lambda o: 1),'a target gives int'

@tc(TARGETS, 'a method that takes no function', 'does not hold',
    'it is called, and left without effect: the maps are of no class, and say so')
def _(): yield refusal(cam, net, x, lambda o: o[0], method='eigencam'),'function'

@tc(TARGETS, 'an output that is neither a tensor nor one for each picture')
def _():
    yield refusal(cam, made(Gives, lambda y: y.sum()), x),'the model'
    yield refusal(cam, made(Gives, lambda y: (y.sum(),y.sum())), x),'say which are the logits'

@tc(CORE+'cam_normalize', 'scaled to 0…1, whatever the map, the largest place being 1')
def _():
    ms = np.random.default_rng(0).normal(size=(3,8,8)).astype(np.float32)
    ms[1],ms[2] = -1,0
    h = CamMaps(dict(l=ms), [0]*3, None, (8,8)).heat('l')
    pos = np.maximum(ms[0], 0)
    yield h[0],pos/pos.max()
    yield h[1:],np.zeros((2,8,8))

no_tc(CORE+'cam_normalize', 'scaling of three axes, and of pictures together',
      '`shared` has one scale for all pictures; three axes are refused')

@tc(CORE+'cam_repr', 'what it is, in words')
def _(): yield repr(cam(net, x, 1)).splitlines()[0],'2 maps (gradcam) of 32x32 pictures'

no_tc(CORE+'fuse_cams', 'maps of several layers in one', fuse)

# the layer that is taken

LAYER = 'tests/test_methods_utils.py::test_locate_candidate_layer'

@tc(LAYER, "ResNet18's last stage, MobileNetV3's last features")
def _():
    big = pics(1, 64, 64)
    yield usable_layers(resnet18(num_classes=5), big)[-1],'layer4'
    yield usable_layers(mobilenet_v3_large(num_classes=5), big)[-1].split('.')[0],'features'

@tc(LAYER, "a network of one's own: the last layer before places are pooled; modes as before")
def _():
    body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    model = nn.Sequential(body, nn.Flatten(1), nn.Linear(16, 2)).train()
    body[1].eval()
    before = modes(model)
    yield usable_layers(model, x)[-1],'0.3'
    yield modes(model),before
