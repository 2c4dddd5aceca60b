"Maps in a file, and back"
import numpy as np, pytest
from torch import nn
from fieldnets import Head, Plain, conv, made, pics
from cifar_cam.all import CamMaps, cam, contrast

NAMES = ['size','targets','logits','method','status_size','vocab','file']

class Named(nn.Module):
    "Layers that are called like what stands beside the maps"
    def __init__(self):
        super().__init__()
        for i,o in enumerate(NAMES): self.add_module(o, conv(3 if i==0 else 6, 6, 2 if i<2 else 1))
        self.head = Head(6)
    def forward(self, x):
        for o in NAMES: x = getattr(self, o)(x)
        return self.head(x)

def alike(a, b):
    assert a.layers==b.layers and tuple(a.size)==tuple(b.size) and a.status==b.status and a.method==b.method
    assert [o if isinstance(o, tuple) else int(o) for o in a.targets]==[o if isinstance(o, tuple) else int(o) for o in b.targets]
    for k in a.layers: np.testing.assert_array_equal(a[k], b[k])
    np.testing.assert_array_equal(np.asarray(a.logits), np.asarray(b.logits))

def test_layers_called_like_the_rest(tmp_path):
    maps = cam(made(Named), pics(), layers=NAMES)
    maps.save(tmp_path/'maps.npz')
    alike(CamMaps.load(tmp_path/'maps.npz'), maps)

@pytest.mark.parametrize('kw', [dict(), dict(targets=[1,2]), dict(targets=contrast(0, 1)), dict(method='eigencam'),
                                dict(targets=1, method='gradcam++'),
                                dict(aug_smooth=True), dict(layers=['one','three'])], ids=lambda o: '-'.join(o) or 'plain')
def test_round_trip(kw, tmp_path):
    maps = cam(made(Plain), pics(), **kw)
    maps.save(tmp_path/'maps.npz')
    again = CamMaps.load(tmp_path/'maps.npz')
    alike(again, maps)
    for k in maps.layers: np.testing.assert_array_equal(again.heat(k), maps.heat(k))
    assert [again.whose(i) for i in range(2)]==[maps.whose(i) for i in range(2)] and repr(again)==repr(maps)

def test_no_pickle(tmp_path):
    maps = cam(made(Plain), pics())
    maps.save(tmp_path/'maps.npz')
    with np.load(tmp_path/'maps.npz', allow_pickle=False) as f: assert all(f[k] is not None for k in f.files)

def test_a_file_of_another_kind(tmp_path):
    np.savez(tmp_path/'other.npz', a=np.zeros(3))
    with pytest.raises(ValueError, match='other.npz'): CamMaps.load(tmp_path/'other.npz')
