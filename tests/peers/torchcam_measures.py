"What the tests of torch-cam ask of measures, overlays and scripts"
from peers.nets import *

# measures

MEASURE = 'tests/test_metrics.py::test_'
one_place = np.float32([[[1,0],[0,0]]]*2)

@tc(MEASURE+'classification_metric', 'drop and increase, within 0…1, of a model that is afterwards as before')
def _():
    model = made(Plain).train()
    model.two.eval()
    before = state(model)
    res = drop_increase(model, x, heat(cam(model, x)), cam(model, x).targets)
    yield all(((v>=0)&(v<=1)).all() for v in res.values()),True
    yield state(model),before

@tc(MEASURE+'classification_metric_exact_value', 'drop of a score that is known: from 1 to 0.4')
def _():
    res = drop_increase(Sum(), four, one_place, 0)
    yield res['drop'],np.array([.6,.6])
    yield res['increase'],np.zeros(2)

@tc(MEASURE+'classification_metric_accepts_output_targets', 'drop of a function of the logits', 'refused',
    'have no probability of their own')
def _(): yield drop_increase(Sum(), four, one_place, [lambda o: o[0]]*2)['drop'],np.array([.6,.6])

DI = MEASURE+'deletion_insertion_'

@tc(DI+'complete_curves_and_auc', 'deletion of a score that is known: 1, 0.3, 0')
def _(): yield deletion_insertion(Sum(), four, four_heat, 0, steps=2)['deletion'],np.array([.4,.4])

no_tc(DI+'complete_curves_and_auc', 'insertion into a picture of zeros',
      'insertion begins with a blurred picture, as its paper has it')

@tc(DI+'accepts_output_targets', 'deletion of a function of the logits', 'refused', 'have no probability of their own')
def _(): yield deletion_insertion(Sum(), four, four_heat, [lambda o: o[0]]*2, steps=2)['deletion'],np.array([.4,.4])

@tc(DI+'non_divisible_steps', 'five places in three steps: each at its true share')
def _():
    five = torch.tensor([[[[.3,.25,.2,.15,.1]]]]).repeat(2,1,1,1)
    yield deletion_insertion(Sum(), five, (five[:,0]/.3).numpy(), 0, steps=3)['deletion'],np.array([.41,.41])

def apart(h):
    whole,parts = deletion_insertion(net, x, h, 1),[deletion_insertion(net, x[i:i+1], h[i:i+1], 1) for i in range(2)]
    for k,v in whole.items(): yield v,np.concatenate([o[k] for o in parts])

tc(DI+'chunked_parity', 'the same for pictures together and apart')(partial(apart, np.random.default_rng(0).random((2,32,32), np.float32)))

@tc(DI+'chunked_parity', 'the same, of maps with equal values', 'does not hold',
    'the order among equal values is drawn for one picture after the other')
def _(): return apart(heat(cam(net, x, 1)))

no_tc(DI+'custom_baselines_and_non_mutation', 'other baselines',
      'there is no such setting: 0, the mean colour, and a blurred picture')
no_tc(DI+'rejects_invalid_baseline_result', 'baselines that do not fit', 'there is no such setting')

@tc(DI+'custom_baselines_and_non_mutation', 'pictures and maps are left as they were')
def _():
    pic,h = x.clone(),heat(cam(net, x, 1))
    before = h.copy()
    for f in deletion_insertion,drop_increase,road: f(net, pic, h, 1)
    yield pic,x
    yield h,before

@tc(DI+'class_indices', 'one class, one a picture, and those that are predicted')
def _():
    h,top = heat(cam(net, x)),cam(net, x).targets
    yield deletion_insertion(net, x, h, 0)['deletion'],deletion_insertion(net, x, h, [0,0])['deletion']
    yield deletion_insertion(net, x, h, torch.tensor([0,1]))['deletion'],deletion_insertion(net, x, h, [0,1])['deletion']
    table = faithfulness(net, cam(net, x), x, ['deletion'])
    yield table.loc[('three','gradcam'),'deletion'],float(deletion_insertion(net, x, h, top)['deletion'].mean())

@tc(MEASURE+'metrics_reject_invalid_class_indices', 'classes that are not there, no whole numbers, or too few')
def _():
    f = partial(drop_increase, Sum(), four, four_heat)
    yield refusal(f, 2),'class 2 does not exist'
    yield refusal(f, '0'),"no class '0'"
    yield refusal(f, [0]),'2 images for 1 maps'
    yield refusal(f, [0,2]),'class 2 does not exist'
    yield refusal(f, [False,0]),'False is not a class'

@tc(MEASURE+'metrics_reject_unsupported_spatial_rank', 'pictures without places')
def _(): yield refusal(drop_increase, net, torch.ones(1, 1), np.ones((1,1)), 0),'give the tensor that `cam` was given'

@tc(MEASURE+'metrics_skip_nan_cams', 'maps that are not finite, beside others', 'refused', 'give a map a picture')
def _():
    h = four_heat.copy()
    h[1] = np.nan
    yield drop_increase(Sum(), four, h, 0)['drop'][:1],drop_increase(Sum(), four[:1], h[:1], 0)['drop']

@tc(MEASURE+'metrics_all_nan_cams', 'nothing but maps that are not finite')
def _():
    for f in drop_increase,deletion_insertion: yield refusal(f, Sum(), four, four_heat*np.nan, 0),'finite and from 0 to 1'

@tc(MEASURE+'metrics_spatial_inputs', 'pictures of two axes, at a layer of their size')
def _():
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), Sum()).eval()
    model[0].weight.data.fill_(1.)
    maps = cam(model, four, 0, '0', 'layercam')
    yield deletion_insertion(model, four, maps.heat('0'), 0, steps=2)['deletion'],np.array([.4,.4])

@tc(MEASURE+'metrics_spatial_inputs', 'pictures of three axes', 'refused', 'give the tensor')
def _(): yield drop_increase(net, video, np.ones((1,8,16,16)), 0)['drop'].shape,(1,)

@tc(DI+'extractor_protocols', 'maps of one layer, of two, and of FinerCAM')
def _():
    for layers,m in (('three','layercam'), (['two','three'],'layercam'), ('three','finercam')):
        maps = cam(net, x, None, layers, m)
        table = faithfulness(net, maps, x, ['deletion'])
        for k in maps.layers:
            want = deletion_insertion(net, x, maps.heat(k), maps.targets)['deletion'].mean()
            yield table.loc[(k,m),'deletion'],float(want)

class Scaled(Sum):
    def __init__(self): super().__init__(); self.one = nn.Parameter(torch.ones(1))
    def forward(self, x): return super().forward(x*self.one)

@tc(DI+'preserves_dtype_and_device', 'a model in float64 sees pictures in float64')
def _():
    model,exact = Scaled().double(),torch.tensor([[[[.5,.25],[.125,.125]]]]).repeat(2,1,1,1).double()
    yield deletion_insertion(model, exact, 2*exact[:,0].numpy(), 0, steps=2)['deletion'],np.array([.375,.375])
    yield set(model.seen),{torch.float64}

@tc(MEASURE+'metrics_restore_model_and_hooks_on_scoring_error',
    'a network that fails on the way: modes and hooks are as before')
def _():
    for f in drop_increase,deletion_insertion,road:
        model = made(Fails, 1).train()
        model.two.eval()
        before,failed = (modes(model),wants(model),hooks(model)),[]
        try: f(model, x, np.ones((2,32,32), np.float32), 0)
        except ValueError as e: failed.append(str(e))
        yield (failed, (modes(model),wants(model),hooks(model))),(['the network fails'], before)

no_tc(DI+'reset', 'a measure that is begun again', 'measures are functions, which keep nothing')

@tc(DI+'rejects_invalid_configuration', 'steps that are none, or no whole number')
def _():
    for o in 0,1.5: yield refusal(deletion_insertion, Sum(), four, four_heat, 0, steps=o),f'steps is {o}: expected a whole number'

no_tc(DI+'rejects_invalid_configuration', 'batches of no pictures', 'there is no such setting')

# maps over pictures

OVER = 'tests/test_utils.py::test_overlay_mask'
full = CamMaps(dict(l=np.random.default_rng(0).random((1,4,5), np.float32)), [0], None, (7,9))

def blended(pic, alpha, cmap):
    "The overlay by hand: the colour of the map's value, as strong as the value"
    v = full.heat('l')
    return (1-alpha*v[...,None])*pic+alpha*v[...,None]*mpl.colormaps.get_cmap(cmap)(v)[...,:3]

@tc(OVER, 'a map over a grey and over a coloured picture')
def _():
    want = np.round(255*blended(np.zeros((1,7,9,3)), .65, 'inferno'))
    for shape in (1,1,7,9),(1,7,9,3): yield full.overlay(np.zeros(shape, np.uint8), 'l'),want

@tc(OVER+'_parity', "any size, strength and colour map, one's own too: by hand")
def _():
    pic = np.random.default_rng(1).random((1,7,9,3), np.float32)
    for alpha in 0.,.5,.999:
        for cmap in 'jet',ListedColormap(['black','red','white']):
            yield full.overlay(pic, 'l', alpha, cmap),np.round(255*blended(pic, alpha, cmap))

@tc(OVER+'_preserves_raw_band_modes', "PIL's pictures with a palette, or in HSV", 'refused', 'images are 7x9')
def _(): yield full.overlay(Image.new('P', (9,7)), 'l').shape,(1,7,9,3)

@tc(OVER+'_preserves_nan_alpha', 'a strength that is no number, as NumPy would have it', 'refused', 'alpha is nan')
def _(): yield full.overlay(np.zeros((1,7,9,3)), 'l', np.nan).shape,(1,7,9,3)

@tc(OVER+'_errors', 'what is no picture, of four channels, or of another number')
def _():
    yield refusal(full.overlay, 'picture', 'l'),'expected n x 3'
    yield refusal(full.overlay, np.zeros((1,7,9,4)), 'l'),'images are 1x7x9x4: expected n x 3'
    yield refusal(full.overlay, np.zeros((2,7,9,3)), 'l'),'2 images for 1 maps'

@tc(OVER+'_errors', 'a colour map that is not there')
def _(): yield refusal(full.overlay, np.zeros((1,7,9,3)), 'l', cmap='missing'),"cmap is 'missing': give a colour map"

@tc(OVER+'_invalid_alpha', 'a strength that is no number from 0 to 1')
def _():
    for o in -.1,1.5,'0.5',None: yield refusal(full.overlay, np.zeros((1,7,9,3)), 'l', o),'give a number from 0 to 1'

# its scripts

SCRIPT = 'tests/test_cam_example.py::test_load_image_'

@tc(SCRIPT+'from_local_path_and_url', 'a picture from a file, in three channels')
@in_folder
def _(tmp):
    Image.new('RGB', (4,4), 'red').save(tmp/'a.png')
    yield np.asarray(load_rgb(tmp/'a.png'))[0,0].tolist(),[255,0,0]

no_tc(SCRIPT+'from_local_path_and_url', 'a picture from the web',
      'pictures are files, or tensors; only the data sets are fetched')
no_tc(SCRIPT+'propagates_read_errors', 'a picture from the web that breaks off',
      'pictures are files, or tensors; only the data sets are fetched')

@tc(SCRIPT+'rejects_corrupt_payload', 'a file that is no picture')
@in_folder
def _(tmp):
    (tmp/'a.png').write_bytes(b'no picture')
    yield refusal(load_rgb, tmp/'a.png'),'a.png'

timing = 'benchmarks/cams.py is a script that measures `cam` against grad-cam; it is no part of the package'
for f,asks in (('synchronize_dispatch', 'clocks that wait for the device'), ('timing_scope', 'what is between two readings of the clock'),
               ('validate_cams_rejects_invalid_output', 'timing of maps that are wrong'),
               ('cli_rejects_invalid_values', 'options of the timing script')):
    no_tc(f'tests/test_eval_latency.py::test_{f}', asks, timing)
