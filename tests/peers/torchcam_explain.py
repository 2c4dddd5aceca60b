"What the tests of torch-cam ask of one call, and of its import"
from peers.nets import *

# explain, all of it in one call

EXPLAIN = 'tests/test_explain.py::test_explain_'

@tc(EXPLAIN+'predicted_class_with_automatic_cnn_target',
    'the predicted class at a layer that is found, with its logits, detached')
def _():
    maps = cam(net, x)
    yield maps.layers,usable_layers(net, x)[-1:]
    yield raw(maps),own(net, x, net.three)
    yield maps.logits,net(x)
    yield (maps.logits.requires_grad, maps.logits.dtype, raw(maps).dtype),(False, torch.float32, np.dtype('float32'))

@tc(EXPLAIN+'predicted_class_with_automatic_cnn_target', 'classes by their names')
def _():
    learner = SimpleNamespace(model=net, dls=SimpleNamespace(vocab=list('abcd')))
    yield cam(learner, x, 'c').whose(0),'c'
    yield raw(cam(learner, x, 'c')),own(net, x, net.three, lambda o: o[:,2])

class Counts(Plain):
    n = 0
    def forward(self, x): self.n += len(x); return super().forward(x)

@tc(EXPLAIN+'runs_fresh_forward_for_distinct_expected_class',
    'the predicted and the expected class of a picture, each with a map')
def _():
    top = net(x[:1]).argmax().item()
    other = (top+1)%4
    want = torch.cat([own(net, x[:1], net.three, lambda o: o[:,c]) for c in (top,other)])
    yield raw(cam(net, x[:1].expand(2,-1,-1,-1), [top,other])),want

@tc(EXPLAIN+'reuses_map_when_expected_class_is_predicted', 'no more passes than maps')
def _():
    counts = made(Counts)
    cam(counts, x)     # when a layer is looked for, too
    counts.n = 0
    cam(counts, x)
    yield counts.n,len(x)

@tc(EXPLAIN+'supports_torchvision_vit_with_legrad', 'LeGrad, of attention, as a method', 'refused', 'no method')
def _(): yield heat(cam(vit(), x, method='LeGrad')).shape,(2,32,32)

REJECTS = EXPLAIN+'rejects_invalid_requests'

@tc(REJECTS, 'no model, no tensor, whole numbers as pictures')
def _():
    yield refusal(cam, None, x),'None is not a model'
    yield refusal(cam, net, None),'x is None'
    yield refusal(cam, net, x.byte()),'x is torch.uint8'

@tc(REJECTS, 'a class that is not there, or no whole number')
def _():
    yield refusal(cam, net, x, 4),'class 4 does not exist: the model has 4 classes'
    yield refusal(cam, net, x, '0'),"no class '0'"
    yield refusal(cam, net, x, 1.5),'is not a class'

@tc(REJECTS, 'a class that is no method')
def _():
    yield refusal(cam, net, x, method=nn.Module),'give a class built on BaseCAM of grad-cam'

@tc(REJECTS, 'names of classes that are too few')
def _():
    yield refusal(cam, SimpleNamespace(model=net, dls=SimpleNamespace(vocab=['a'])), x),'gives 4 outputs for 1 classes'

@tc(REJECTS, 'logits that are no table')
def _():
    yield refusal(cam, made(Gives, lambda y: y[:,:,None,None]), x),'gives n x 4 x 1 x 1: expected logits'

@tc(REJECTS, 'a model in training mode is not taken as it is', why='it is put into evaluation mode for the maps, and back')
def _():
    model = made(cifar_resnet18, 10, width=4)
    want = raw(cam(model, x, 1))
    model.train()
    yield raw(cam(model, x, 1)),want
    yield all(modes(model)),True

no_tc(REJECTS, 'more than one picture', 'any number of pictures is taken, each with its map')
no_tc(REJECTS, "a layer given twice, in the method's own settings", 'methods have no settings of their own')

OUTPUTS = EXPLAIN+'rejects_invalid_outputs'

@tc(OUTPUTS, 'a model that gives several tensors')
def _(): yield refusal(cam, made(Gives, lambda y: (y,y)), x),'gives 2 tensors, 0, 1: say which are the logits'

@tc(OUTPUTS, 'logits, and maps, that are not finite: said, not raised')
def _():
    maps = cam(made(Gives, lambda y: y*torch.tensor(torch.nan)), x, layers='net.three')
    yield maps.status['net.three'],['nonfinite']*2
    yield heat(maps),np.zeros((2,32,32))

class Changes(Plain):
    "A network whose last stage runs in its first passes only"
    n = 0
    def forward(self, x): self.n += 1; return super().forward(x) if self.n<2 else self.head(conv(3, 12)(x))

@tc(OUTPUTS, 'a model that changes between two passes')
def _(): yield refusal(cam, made(Changes), x, layers='three'),"'three' did not run for these pictures"

@tc(OUTPUTS, 'torch.inference_mode, which keeps no graph', why='gradients are on for the maps, whatever is around them')
def _():
    with torch.inference_mode(): maps = cam(net, x)
    yield raw(maps),own(net, x, net.three)

@tc(EXPLAIN+'cleans_hooks_and_preserves_model_state', 'hooks, modes, weights, gradients and the picture are as before')
def _():
    model,pic = made(cifar_resnet18, 10, width=4),x.clone().requires_grad_()
    model.layer1.train()
    p = next(model.parameters())
    p.grad = g = torch.ones_like(p)
    before = state(model)
    cam(model, pic)
    yield state(model),before
    yield (p.grad is g, pic.grad, pic.requires_grad),(True, None, True)
    yield p.grad,torch.ones_like(p)

SAVE = 'tests/test_explain.py::test_save_writes_'

@tc(SAVE+'complete_deterministic_bundle', 'maps to a file and back, with layer, class, size and method; the same file twice')
@in_folder
def _(tmp):
    maps = cam(net, x, [0,1], ['two','three'])
    for o in 'a','b': maps.save(tmp/f'{o}.npz')
    again = CamMaps.load(tmp/'a.npz')
    for k in maps.layers: yield again[k],maps[k]
    yield (again.layers, again.targets, again.size, again.method),(maps.layers, maps.targets, maps.size, maps.method)
    yield np.load(tmp/'a.npz', allow_pickle=False)['three'],maps['three']
    yield (tmp/'a.npz').read_bytes()==(tmp/'b.npz').read_bytes(),True

@tc(SAVE+'complete_deterministic_bundle', 'an overlay of the size of the picture; what is no picture is refused')
def _():
    maps = cam(net, x)
    yield maps.overlay(np.zeros((2,13,19,3), np.uint8), 'three').shape,(2,13,19,3)
    yield refusal(maps.overlay, None, 'three'),'images are None'

@tc(SAVE+'complete_deterministic_bundle', 'what is there already is not written over', 'does not hold',
    'a file of maps is replaced, as NumPy does')
@in_folder
def _(tmp):
    cam(net, x).save(tmp/'a.npz')
    yield refusal(cam(net, x, 1).save, tmp/'a.npz'),'is there already'

@tc(SAVE+'manifest_only_after_artifacts', 'a file whose writing fails is not there')
@in_folder
def _(tmp):
    maps,failed = cam(net, x),[]
    with mock.patch('numpy.savez_compressed', side_effect=OSError('full')):
        try: maps.save(tmp/'a.npz')
        except OSError as e: failed.append(str(e))
    yield (failed, list(tmp.iterdir())),(['full'], [])
    maps.save(tmp/'a.npz')
    yield [o.name for o in tmp.iterdir()],['a.npz']

# importing

INIT = 'tests/test_init.py::test_'

@tc(INIT+'lazy_imports_in_fresh_process', 'importing the package imports neither torch nor matplotlib')
def _():
    code = 'import sys, cifar_cam; print([o in sys.modules for o in ("torch","matplotlib.pyplot","fastai")])'
    yield subprocess.run([sys.executable, '-c', code], cwd=home.parent, capture_output=True, text=True).stdout.strip(),str([False]*3)

no_tc(INIT+'lazy_module_is_cached', 'modules that are imported when they are asked for',
      "modules are imported by Python's own import")

@tc(INIT+'package_version', "the package's version is the one that is installed")
def _(): yield cifar_cam.__version__,importlib.metadata.version('cifar_cam')

@tc(INIT+'unknown_attribute', 'a name that is not there')
def _(): yield hasattr(cifar_cam, 'missing'),False
