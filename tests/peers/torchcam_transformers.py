"What the tests of torch-cam ask of transformers"
from peers.nets import *

VIT = 'tests/test_methods_transformer.py::test_'

@tc(VIT+'reshape_transform_validation', 'a `reshape` that is no function, or gives no grid')
def _():
    yield refusal(cam, vit(), x, layers=ln_1, reshape=1),'reshape is 1: give a function'
    yield refusal(cam, vit(), x, layers=ln_1, reshape=lambda t: t[:,1:]),'it has to give n x channels x height x width'

@tc(VIT+'reshape_transform_validation', 'a `reshape` without a layer', why='the layer is found')
def _(): yield raw(cam(vit(), x, 1, reshape=places)),raw(cam(vit(), x, 1, ln_1, reshape=places))

for m,o in (('layercam', gradcam.LayerCAM), ('scorecam', gradcam.ScoreCAM)):
    @tc(VIT+f'{m}_with_reshape_transform', f'{o.__name__} of a ViT, with a `reshape`')
    def _(m=m, o=o):
        model = vit()
        maps,other = cam(model, x, 1, ln_1, m, reshape=places),deepcopy(model)
        want = o(other, [other.get_submodule(ln_1)], reshape_transform=places)(x, [ClassifierOutputTarget(1)]*2)
        yield heat(maps),want

@tc(VIT+'legrad_matches_manual_oracle', 'LeGrad by hand', 'refused', 'no method')
def _(): yield raw(cam(vit(), x, 1, 'encoder.layers.encoder_layer_1', 'legrad')).shape,(2,4,4)

@tc(VIT+'legrad_torchvision_vit_repeated_calls_and_frozen_parameters',
    'a frozen ViT in float64, twice: the same map, the model as before (Grad-CAM)')
def _():
    model = vit().double().requires_grad_(False)
    before = state(model)
    want = own(model, x.double().requires_grad_(), model.get_submodule(ln_1), lambda o: o[[0,1],[0,1]], places)
    for _ in range(2): yield raw(cam(model, x, [0,1])),want
    yield state(model),before
    yield [p.grad for p in model.parameters() if p.grad is not None],[]

@tc(VIT+'legrad_classification_metric_compatibility', 'measures of a map of a ViT (Grad-CAM)')
def _():
    model = vit()
    h,p = heat(cam(model, x, 6)),model(x).softmax(1)[:,6]
    q = model(x*torch.from_numpy(h)[:,None]).softmax(1)[:,6]
    yield drop_increase(model, x, h, 6)['drop'],((p-q).clamp(min=0)/p)

@tc(VIT+'legrad_restores_model_and_hooks',
    'attention, modes and frozen weights are as before, also after an error (Grad-CAM)')
def _():
    for fail in False,True:
        model = vit().train()
        for i,p in enumerate(model.parameters()): p.requires_grad_(i%2==0)
        forward,before = model.encoder.layers[0].self_attention.forward.__func__,state(model)
        if fail: yield refusal(cam, model, x, 10),'class 10 does not exist'
        else: cam(model, x)
        yield state(model),before
        yield model.encoder.layers[0].self_attention.forward.__func__ is forward,True

legrad = 'there is no LeGrad'
for f,asks in (('rejects_unsupported_target_blocks', 'blocks without attention of the right kind'),
               ('rejects_invalid_configuration', "LeGrad's settings: projection, prefix, grid"),
               ('supports_positional_attention_options', "attention's options by position"),
               ('rejects_invalid_attention_inputs', "attention's queries"),
               ('rejects_incompatible_attention_outputs', "attention's weights"),
               ('rejects_incompatible_block_outputs', 'blocks that drop tokens'),
               ('rejects_missing_captured_state', 'attention that was not caught'),
               ('rejects_missing_attention_return_options', 'options that were not caught')):
    no_tc(VIT+f'legrad_{f}', f'LeGrad: {asks}', legrad)

@tc(VIT+'legrad_rejects_disconnected_scores_and_invalid_forward_modes', 'a ViT with dropout in training mode (Grad-CAM)',
    why='it is put into evaluation mode for the maps, and back')
def _():
    model = vit()
    want = raw(cam(model, x, 1))
    for m in model.modules():
        if isinstance(m, nn.Dropout): m.p = .5
    yield raw(cam(model.train(), x, 1)),want

@tc(VIT+'legrad_rejects_disconnected_scores_and_invalid_forward_modes', 'scores that no gradient comes from (Grad-CAM)')
def _(): yield refusal(cam, vit(), x, lambda o: o[0].detach()),'no gradient reaches the layers'

@tc(VIT+'legrad_rejects_cross_attention', 'attention to other tokens than its own (Grad-CAM)')
def _():
    model = made(Crossed)
    yield raw(cam(model, x, 1, 'attend')),own(model, x, model.attend, lambda o: o[:,1], lambda o: o.transpose(1,2).unflatten(2, (4,4)))

class Attend(nn.Module):
    def __init__(self): super().__init__(); self.attn = nn.MultiheadAttention(12, 2, batch_first=True)
    def forward(self, q, kv): return q+self.attn(q, kv, kv, need_weights=False)[0]

class Crossed(Plain):
    "A network whose places attend to their neighbours"
    def __init__(self): super().__init__(); self.attend = Attend()
    def forward(self, x):
        q = self.features(x).flatten(2).transpose(1,2)
        return self.head(self.attend(q, q.roll(1, 1)).transpose(1,2).unflatten(2, (4,4)))

@tc(VIT+'legrad_remove_hooks_restores_attention', 'no hook is left on attention (Grad-CAM)')
def _():
    model = vit()
    cam(model, x)
    yield hooks(model),0
