"What the tests of torch-cam ask of methods with gradients"
from peers.nets import *

GRAD = 'tests/test_methods_gradient.py::test_'
mobile = made(MobileNetV2, num_classes=5, width_mult=.25)

for name,o in (('GradCAM', gradcam.GradCAM), ('GradCAMpp', gradcam.GradCAMPlusPlus), ('XGradCAM', gradcam.XGradCAM),
               ('LayerCAM', gradcam.LayerCAM)):
    @tc(GRAD+'img_cams', f'{name} of a frozen MobileNetV2, the layer given as a module; as grad-cam\'s')
    def _(name=name, o=o):
        yield cam_class(name),o
        mobile.requires_grad_(False)
        maps = cam(mobile, pics(2, 64, 64), [0,1], mobile.features[18][0], name)
        yield heat(maps),theirs(o, mobile.requires_grad_(), pics(2, 64, 64), 'features.18.0', [0,1])     # which needs weights that learn

@tc(GRAD+'img_cams', 'SmoothGradCAMpp as a method', 'refused', 'no method')
def _(): yield heat(cam(net, x, method='SmoothGradCAMpp')).shape,(2,32,32)

@tc(GRAD+'img_cams', 'a layer before an operation in place: its output as it was')
def _():
    one = nn.Sequential(conv(3, 8, 1), nn.Conv2d(8, 8, 3), nn.ReLU(inplace=True), Head(8)).eval()
    two = deepcopy(one)
    two[2].inplace = False
    for m in 'gradcam','gradcampp','xgradcam','layercam': yield raw(cam(one, x, 1, '1', m)),raw(cam(two, x, 1, '1', m))

for m in 'GradCAM','GradCAMpp','XGradCAM','LayerCAM':
    tc(GRAD+'video_cams', f'{m} of a video', 'refused', 'x is 1x3x8x16x16')(partial(of_video, method=m))
no_tc(GRAD+'video_cams', 'SmoothGradCAMpp of a video', 'there is no such method')
no_tc(GRAD+'smoothgradcampp_repr', 'SmoothGradCAMpp in words', 'there is no such method')

@tc(GRAD+'gradcam_supports_per_sample_output_targets_without_touching_parameter_grads',
    'a list of dictionaries, another entry for each picture; no gradient is left on a weight, or lost', why=pick)
def _():
    model = made(Gives, detections)
    for p in model.parameters(): p.grad = torch.ones_like(p)
    yield raw(cam(model, x, [0,1], 'net.three', output=table_of)),own(model.net, x, model.net.three, lambda o: o[[0,1],[0,1]])
    yield all((p.grad==1).all() for p in model.parameters()),True

no_tc(GRAD+'smoothgradcampp_supports_output_targets', 'SmoothGradCAMpp for a function', 'there is no such method')

@tc(GRAD+'gradcam_reports_disconnected_output_target', 'a target that no gradient comes from')
def _(): yield refusal(cam, net, x, lambda o: o[0].detach()),'no gradient reaches the layers'

@tc(GRAD+'output_target_must_return_a_scalar_tensor', 'a target that gives several numbers')
def _(): yield refusal(cam, net, x, lambda o: o[:2]),'a target gives a tensor of 2'

REF = GRAD+'refinecam_'

@tc(REF+'supports_output_targets', 'RefineCAM over LayerCAM for a function', why=by_product)
def _():
    maps = cam(net, x, lambda o: o[1], ['two','three'], 'layercam')
    named = cam(net, x, 1, ['two','three'], 'layercam')
    yield maps.heat('two')*maps.heat('three'),named.heat('two')*named.heat('three')

@tc(REF+'fuse_cams', 'the product of two maps, by hand', why=by_product)
def _():
    maps = CamMaps(dict(a=np.float32([[[0,1],[2,3]]]), b=np.float32([[[3,2],[1,0]]])), [0], None, (2,2))
    yield maps.heat('a')*maps.heat('b'),np.array([[[0,2/9],[2/9,0]]])

@tc(REF+'base_methods', 'RefineCAM as a method', 'refused', 'no method')
def _(): yield heat(cam(net, x, [0,1], ['two','three'], 'RefineCAM')).shape,(2,32,32)

no_tc(REF+'metric_compatibility', 'measures of RefineCAM',
      'there is no such method; `drop_increase`, `road` and `deletion_insertion` take any map')
no_tc(REF+'rejects_invalid_configuration', 'RefineCAM of one layer', 'there is no such method')
no_tc(REF+'shared_wrapper_regression', "RefineCAM's hooks, switched off and on", 'there is no such method')
no_tc(GRAD+'layercam_fuse_cams', "LayerCAM's maps of several layers in one", fuse)

FINER = GRAD+'finercam_'

@tc(FINER+'rejects_output_targets', 'FinerCAM for a function')
def _(): yield refusal(cam, net, x, lambda o: o[0], method='finercam'),'its target is a class'

def against(a, others, gamma=.6): return lambda o: o[a]-gamma*o[others].mean()
function = 'the score is given as a function, to any method'

def contrastive(m):
    "Pairs for a class against others, by hand from the logits of both pictures"
    for a,b in (((0,0), ([2],[2])), ((0,1), ([2],[2])), ((0,1), ([1,2],[0,2]))):
        score = lambda y: torch.stack([against(i, j)(o) for o,i,j in zip(y, cycle(a), cycle(b))])
        table = made(Gives, lambda y: score(y)[:,None].repeat(1, 3))     # a network whose logits are that score
        table.net = net
        yield raw(cam(net, x, [against(*o) for o in zip(a, b)], 'three', m)),raw(cam(table, x, 0, 'net.three', m))

for m in 'GradCAM','GradCAMpp','LayerCAM':
    tc(FINER+'matches_manual_contrastive_score', f'{m} of a class against one, or several, others',
       why=function)(partial(contrastive, m))

@tc(FINER+'automatic_references_cap_and_use_closest_scores', "FinerCAM's references are the nearest; as grad-cam's")
def _():
    for t in 0,2,3:
        model = deepcopy(net)
        want = np.concatenate([gradcam.FinerCAM(model, [model.three])(o[None], target_idx=t) for o in x])
        yield heat(cam(net, x, t, 'three', 'finercam')),want

def nearest(model, x, targets):
    "FinerCAM's targets by hand: the class against the three that are nearest, each weighed by its probability"
    def score(o, t, near):
        p = o.softmax(-1)[near]
        return (p*(o[t]-o[near])).sum()/p.sum()
    y = model(x).detach()
    near = [[i for i in (o-o[t]).abs().argsort().tolist() if i!=t][:3] for o,t in zip(y, targets)]
    return [partial(score, t=t, near=n) for t,n in zip(targets, near)]

@tc(FINER+'caps_automatic_references_for_small_outputs', 'FinerCAM of two and of three classes')
def _():
    for n in 2,3:
        model = made(Plain, n)
        yield raw(cam(model, x, 0, 'three', 'finercam')),raw(cam(model, x, nearest(model, x, [0,0]), 'three'))

@tc(FINER+'gamma_zero_matches_base_cam', 'against nothing, it is the map of the class', why=function)
def _(): yield raw(cam(net, x, [against(0, [1], 0),against(1, [2], 0)])),raw(cam(net, x, [0,1]))

@tc(FINER+'aggregates_before_relu', 'what cancels between two others is no evidence against either', why=function)
def _():
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), Head(1, 3)).eval()
    with torch.no_grad():
        model[0].weight.fill_(1); model[1].lin.weight.copy_(torch.tensor([[1.],[3],[-1]])); model[1].lin.bias.zero_()
    maps = cam(model, torch.ones(1, 1, 2, 2), against(0, [1,2], 1), '0')
    yield maps['0'],np.zeros((1,2,2))
    yield maps.status['0'],['no positive evidence']

@tc(FINER+'multiple_layers_and_compute_cams', 'FinerCAM at two layers of other sizes')
def _():
    maps = cam(net, x, 1, ['two','three'], 'finercam')
    for k in maps.layers: yield maps[k],raw(cam(net, x, nearest(net, x, [1,1]), k))
    yield [maps[k].shape for k in maps.layers],[(2,8,8),(2,4,4)]

tc(FINER+'video_cam', 'FinerCAM of a video', 'refused', 'x is 1x3x8x16x16')(partial(of_video, method='finercam'))

@tc(FINER+'preserves_dtype_and_device', 'maps of a model in float64 are float64', 'does not hold',
    'maps are float32, made by a copy in float32; the model stays float64')
def _():
    model = made(Plain).double()
    maps = cam(model, x.double(), 0, 'three')
    yield raw(maps),own(model, x.double(), model.three, lambda o: o[:,0])
    yield next(model.parameters()).dtype,torch.float64
    yield raw(maps).dtype,np.dtype('float64')

@tc(FINER+'lifecycle_repr_and_metric_compatibility', 'FinerCAM: no hook left, in words, measured')
def _():
    maps = cam(net, x, 2, method='finercam')
    yield (hooks(net), maps.method),(0, 'finercam')
    want = drop_increase(net, x, heat(maps), maps.targets)['drop'].mean().item()
    yield faithfulness(net, maps, x, ['drop']).loc[('three','finercam'),'drop'],want

no_tc(FINER+'rejects_invalid_configuration', "FinerCAM's settings",
      'there are none: other references and weights are given as a function')

BAD = FINER+'rejects_invalid_scores_targets_and_references'

@tc(BAD, 'classes that are no whole numbers, too few, or not there')
def _():
    yield refusal(cam, net, x, True, method='finercam'),'True is not a class'
    yield refusal(cam, net, x, [0,True], method='finercam'),'True is not a class'
    yield refusal(cam, net, pics(3), [0,1], method='finercam'),'2 targets for 3 pictures'
    yield refusal(cam, net, x, [0,4], method='finercam'),'class 4 does not exist'

@tc(BAD, 'a class against itself, or against one that is not there')
def _():
    yield refusal(cam, net, x, contrast(1, 1)),'contrast of class 1 with itself'
    yield refusal(cam, net, x, contrast([0,1], 4)),'class 4 does not exist'
    yield refusal(cam, net, x, contrast(True, 0)),'True is not a class'

@tc(BAD, 'a model of one class', why='its one logit stands for two classes')
def _():
    one = made(Plain, 1)
    for t,sign in (1,1),(0,-1): yield raw(cam(one, x, t, 'three')),sign*own(one, x, one.three, lambda o: o)

no_tc(BAD, 'references of another number for each picture', 'references are given as a function a picture')

@tc(GRAD+'gradcam_does_not_accumulate_hook_handles', 'three calls leave no more hooks than one')
def _():
    for _ in range(3): cam(mobile, x, layers='features.2')
    yield hooks(mobile),0

no_tc(GRAD+'smoothgradcampp_restores_input_hook_on_error', 'SmoothGradCAMpp that fails', 'there is no such method')
