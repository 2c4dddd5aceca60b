"What the tests of pytorch-grad-cam ask"
from peers.nets import *

# all methods on all models

RUN = 'tests/test_run_all_models.py::test_all_cam_models_can_run'

def each_method(cls, **kwargs):
    for targets in None,99: yield from as_theirs(cls, targets, **kwargs)

for o in (gradcam.GradCAM, gradcam.ScoreCAM, gradcam.AblationCAM, gradcam.GradCAMPlusPlus, gradcam.XGradCAM, gradcam.LayerCAM,
          gradcam.SegEigenCAM):
    pgc(RUN, f"{o.__name__}: two pictures, two layers, the predicted class and class 99, as grad-cam's")(partial(each_method, o))
for o in gradcam.EigenCAM, gradcam.EigenGradCAM, gradcam.KPCA_CAM:
    pgc(RUN, f"{o.__name__}: likewise, up to a sign that grad-cam leaves open")(partial(each_method, o, signed=False))
pgc(RUN, "FullGrad: likewise, of the whole network")(partial(each_method, gradcam.FullGrad, layers=None))
pgc(RUN, "GradCAM with eigen_smooth")(partial(each_method, gradcam.GradCAM, signed=False, eigen_smooth=True))
pgc(RUN, 'a picture that is not square')(partial(as_theirs, gradcam.GradCAM, x=pics(1, 32, 40)))

@pgc(RUN, 'ResNet18 at its last stage, of pictures of 32x32', 'refused', 'is 1x1 for pictures of 32x32')
def _():
    net = resnet18(num_classes=10).eval()
    yield raw(cam(net, x, layers=[net.layer4[-1],net.layer4[-2]])).std()>0,True

@pgc(RUN, 'VGG11 after its last pooling, of pictures of 32x32', 'refused', 'is 1x1 for pictures of 32x32')
def _():
    net = vgg11(num_classes=10).eval()
    yield raw(cam(net, x, layers=net.features[-1])).std()>0,True

@pgc(RUN, 'no target: the predicted class')
def _():
    maps = cam(net, x)
    yield maps.targets,net(x).argmax(1).tolist()
    yield raw(maps),own(net, x, net.three)

@pgc(RUN, "a target of its own for each picture")
def _(): yield raw(cam(net, x, [3,0])),own(net, x, net.three, lambda o: o[[0,1],[3,0]])

@pgc(RUN, 'masked pictures in batches: a map does not depend on what stands beside it')
def _():
    for m in 'scorecam','ablationcam':
        yield raw(cam(net, x, 1, method=m)),np.concatenate([raw(cam(net, o[None], 1, method=m)) for o in x])

no_pgc(RUN, 'cam.batch_size, of masked pictures',
       'there is no such setting: the size is found by the memory that a batch takes')

# memory, channels, boxes, components

def keeps_nothing(method):
    def again(n):
        for _ in range(n): cam(net, x, 1, method=method)
        return tensors()
    before = again(3)   # which these lines keep: another's may go meanwhile
    yield len({*map(id, again(30))} - {*map(id, before)}),0
    yield hooks(net),0

for m in 'gradcam','shapleycam':
    pgc('tests/test_context_release.py::test_memory_usage_in_loop',
        f'{m} in a loop keeps no tensor and no hook')(partial(keeps_nothing, m))
no_pgc('tests/test_context_release_cuda.py::test_memory_usage_in_loop', "the same in a GPU's memory",
       'this page runs on a CPU')

@pgc('tests/test_one_channel.py::test_memory_usage_in_loop', 'sixteen grey pictures, of one channel')
def _():
    net,grey = made(Plain),pics(16)[:,:1]
    net.one = conv(1, 6)
    yield raw(cam(net, grey)),own(net, grey, net.three)

BOX = 'tests/test_fasterrcnn_target_device.py::test_target_'

class Detects(nn.Module):
    "One box a picture, or none, with a score"
    def __init__(self): super().__init__(); self.net = Plain(1)
    def forward(self, x):
        boxes = torch.tensor([[0.,0,10,10]]).to(x)
        some = [slice(int(o.mean()<5)) for o in x]
        return [dict(boxes=boxes[s], labels=torch.ones(1)[s], scores=y.sigmoid()[s]) for y,s in zip(self.net(x), some)]

box = FasterRCNNBoxScoreTarget(labels=[1], bounding_boxes=[np.array([0,0,10,10], np.float32)])
def boxed(outs): return torch.stack([torch.as_tensor(box(o)).sum() for o in outs])     # IoU 1, and the score

@pgc(BOX+'inherits_output_device_cpu', "the score of a detector's box as target")
def _():
    det = made(Detects)
    yield raw(cam(det, x, 1, 'net.three', output=boxed)),own(det.net, x, det.net.three, lambda y: y.sigmoid())

@pgc(BOX+'returns_zero_on_empty_boxes', 'a picture without a box has an empty map, beside one that has one')
def _():
    det,mixed = made(Detects),torch.cat([x[:1], x[1:]+10])
    maps = cam(det, mixed, 1, 'net.three', output=boxed)
    yield maps['net.three'][1],np.zeros((4,4))
    yield maps.status['net.three'][1],'no positive evidence'

@pgc(BOX+'preserves_boxes_dtype', 'a detector in float64 stays in float64')
def _():
    det = made(Detects).double()
    yield raw(cam(det, x, 1, 'net.three', output=boxed)),own(det.net, x.double(), det.net.three, lambda y: y.sigmoid())
    yield {p.dtype for p in det.parameters()},{torch.float64}

REFINE = 'tests/test_refine_cam.py::test_refine_cam'

@pgc(REFINE, 'RefineCAM as a method', 'refused', 'give a class built on BaseCAM')
def _(): yield heat(cam(net, x, method=gradcam.RefineCAM, layers=['two','three'])),theirs(gradcam.RefineCAM, net, x, 'three', [2,2])

def refined(*classes, signed=True):
    "Pairs of the product of our maps at two layers, and grad-cam's RefineCAM"
    for cls in classes:
        model = deepcopy(net)
        want = gradcam.RefineCAM(model, [model.two,model.three], base_method=cls)(x, [ClassifierOutputTarget(2)]*2)
        maps = cam(net, x, 2, ['two','three'], cls)
        parts = [maps.heat(k) if signed else by_sign(maps, k, theirs(cls, net, x, k, maps.targets)) for k in maps.layers]
        yield CamMaps(dict(l=np.prod(parts, 0)), maps.targets, None, (32,32)).heat('l'),want

pgc(REFINE, 'RefineCAM over GradCAM, ++, XGradCAM, LayerCAM and ScoreCAM', why=by_product)(
    partial(refined, gradcam.GradCAM, gradcam.GradCAMPlusPlus, gradcam.XGradCAM, gradcam.LayerCAM, gradcam.ScoreCAM))
pgc(REFINE, 'RefineCAM over EigenCAM and EigenGradCAM, up to the sign', why=by_product)(
    partial(refined, gradcam.EigenCAM, gradcam.EigenGradCAM, signed=False))
no_pgc(REFINE, 'ARCC: one figure of coherence, complexity and confidence',
       'there is no such measure; `faithfulness_metrics()` lists those there are')

def unharmed(method):
    bad = x.clone()
    bad[0,0,0,0] = np.nan
    before = bad.clone()
    maps = cam(net, bad, 1, 'three', method)
    yield bad,before
    yield maps.status['three'][0],'nonfinite'
    yield maps['three'][1:],cam(net, x[1:], 1, 'three', method)['three']

for f,m in (('', 'eigencam'), ('_kernel', 'kpcacam'), ('_with_sign_correction', gradcam.SegEigenCAM)):
    pgc(f'tests/test_svd_no_side_effect.py::test_get_2d_projection{f}_does_not_mutate_caller',
        f'{cam_class(m).__name__} of values that are not finite: they are left alone, and said')(partial(unharmed, m))
