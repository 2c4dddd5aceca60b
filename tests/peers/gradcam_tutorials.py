"What the tutorials and examples of pytorch-grad-cam do"
from peers.nets import *

pgc('README.md', 'aug_smooth')(partial(as_theirs, gradcam.GradCAM, [1,2], aug_smooth=True))

@pgc('README.md', 'a video, or a volume, of three axes', 'refused', 'x is 1x3x8x16x16')
def _(): yield raw(cam(net, video)).ndim,4

no_pgc('README.md', 'guided backpropagation',
       'it makes pictures of pixels, not maps of evidence; there is nothing of the kind')
no_pgc('README.md', 'the demo in a browser',
       '`explain` and the report write pages that need no server; there is no demo to upload pictures to')

METRICS = 'tutorials/CAM Metrics And Tuning Tutorial.ipynb'

@pgc(METRICS, 'drop in confidence, of the picture times the map')
def _():
    h,p = heat(cam(net, x, 2)),net(x).softmax(1)[:,2]     # ours is the relative drop
    want = DropInConfidence()(x, h, [ClassifierOutputSoftmaxTarget(2)]*2, net)
    yield drop_increase(net, x, h, 2)['drop'],want/p.detach().numpy()

@pgc(METRICS, 'ROAD, most and least relevant first, without its noise')
def _():
    model,h = deepcopy(net),np.random.default_rng(1).random((2,32,32), np.float32)     # no two equal: grad-cam removes all of a tie
    model.head.lin.weight.data *= 30
    with mock.patch('torch.randn_like', torch.zeros_like):
        ours = road(model, x, h, 1, shares=(.2,.5))
        for k,cls in dict(road_morf=ROADMostRelevantFirstAverage, road_lerf=ROADLeastRelevantFirstAverage).items():
            yield ours[k],cls(percentiles=[80,50])(x, h, [ClassifierOutputSoftmaxTarget(1)]*2, model)

@pgc('tutorials/Class Activation Maps for Semantic Segmentation.ipynb', 'the pixels of a class as target')
def _():
    seg,mask = nn.Sequential(made(Plain).one, nn.Conv2d(6, 4, 1), nn.Upsample((32,32))).eval(),np.float32(np.eye(32))
    maps = cam(seg, x, SemanticSegmentationTarget(2, mask), '0')
    yield maps['0'],own(seg, x, seg[0], lambda o: (o[:,2]*torch.from_numpy(mask)).sum((1,2)))

class Pyramid(nn.Module):
    def forward(self, x): return dict(p1=x)

class Detector(Plain):
    "Its backbone gives a dictionary of layers"
    def __init__(self): super().__init__(); self.body = nn.Sequential(conv(3, 12), Pyramid())
    def forward(self, x): return self.head(self.body(x)['p1'])

BOXES = 'tutorials/Class Activation Maps for Object Detection With Faster RCNN.ipynb'

@pgc(BOXES, 'a backbone that gives several layers at once, as the layer', 'refused', 'gives a dict, not a tensor')
def _(): yield raw(cam(made(Detector), x, layers='body')).ndim,3

@pgc(BOXES, 'the layer in it that gives one')
def _():
    model = made(Detector)
    yield raw(cam(model, x, layers='body.0')),own(model, x, model.body[0])

no_pgc('tutorials/Deep Feature Factorizations.ipynb', 'parts that pictures share (deep feature factorization)',
       'there is nothing of the kind')

@pgc('tutorials/EigenCAM for YOLO5.ipynb', 'EigenCAM of a detector that gives boxes, without a target', 'refused',
     'say which are the logits')
def _():
    boxes = made(Gives, lambda y: (y[:,:,None].repeat(1,1,6), y))
    yield heat(cam(boxes, x, method='eigencam')).shape,(2,32,32)

@pgc('tutorials/EigenCAM for YOLO5.ipynb', 'EigenCAM of a detector, its boxes named, with any function as target')
def _():
    boxes = made(Gives, lambda y: (y[:,:,None].repeat(1,1,6), y))
    maps = cam(boxes, x, lambda o: o.sum(), method='eigencam', output=0)
    yield raw(maps),raw(cam(boxes.net, x, method='eigencam'))
    yield maps.whose(0),'no class'

@pgc('tutorials/HuggingFace.ipynb', 'a model that gives an object with logits in it')
def _():
    hf = made(Gives, lambda y: SimpleNamespace(logits=y, hidden_states=None))
    yield raw(cam(hf, x)),own(hf.net, x, hf.net.three)

@pgc('tutorials/Pixel Attribution for embeddings.ipynb', 'likeness to the embedding of another picture as target')
def _():
    concept = net(pics(1, seed=9))[0].detach()
    like = partial(torch.cosine_similarity, x2=concept, dim=-1)
    yield raw(cam(net, x, like)),own(net, x, net.three, like)

@pgc('usage_examples/clip_example.py', 'CLIP: logits of pictures against sentences')
def _():
    text = nn.functional.normalize(torch.randn(3, 4), dim=1)
    clip = made(Gives, lambda y: SimpleNamespace(logits_per_image=y@text.T, logits_per_text=text@y.T))
    yield raw(cam(clip, x, 2, output='logits_per_image')),own(clip.net, x, clip.net.three, lambda o: (o@text.T)[:,2])

@pgc('usage_examples/vit_example.py', 'a ViT, its class token set apart: found, and as told by `reshape`')
def _():
    model = vit()
    maps = cam(model, x, 1)
    yield maps.layers,[ln_1]
    yield raw(maps),own(model, x, model.get_submodule(ln_1), lambda o: o[:,1], places)
    yield raw(cam(model, x, 1, ln_1, reshape=places)),raw(maps)

@pgc('usage_examples/swinT_example.py', 'a Swin, its channels last: found')
def _():
    model = made(SwinTransformer, [2,2], 16, [2,2], [2,2], [4,4], num_classes=5)
    for k in 'features.1','features.3':
        yield raw(cam(model, x, 1, k)),own(model, x, model.get_submodule(k), lambda o: o[:,1], lambda o: o.permute(0,3,1,2))
