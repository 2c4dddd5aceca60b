"Pictures of one channel are grey, in every figure and file"
import numpy as np, pytest
from fastai.vision.all import Image, Normalize, PILImageBW
from cifar_cam.all import CAMInterpretation
from people import dls_of, learner, picture

@pytest.fixture(scope='module')
def interp():
    return CAMInterpretation.from_learner(learner(dls_of(['cat','dog','owl']*4, PILImageBW), n_in=1))

def test_pictures(interp):
    ims = interp.pictures([0,5])
    assert ims.shape==(2,16,16,3) and ims.dtype==np.uint8
    for i,im in zip([0,5], ims):
        assert np.ptp(im, axis=-1).max()==0
        assert abs(im[...,0].astype(int)-np.asarray(Image.fromarray(picture(i)).convert('L'))).max()<=1

def test_normalised(interp):
    dls = dls_of(['cat','dog','owl']*4, PILImageBW)
    for o in dls.loaders: o.after_batch.add(Normalize.from_stats([.4], [.2]))
    other = CAMInterpretation.from_learner(learner(dls, n_in=1))
    assert abs(other.pictures([0,5]).astype(int)-interp.pictures([0,5])).max()<=1

def test_figures(interp):
    figs = [interp.plot_misclassified(3), interp.plot_top_losses(3), interp.plot_cams(2, ['stem','body']),
            interp.plot_cams(2, 'body', target='both')]
    for ax in [o for fig in figs for o in fig.axes]:
        assert all(o.get_array().shape[-1]==3 for o in ax.images)   # colours of their own: no colour map
    shown = interp.plot_misclassified(1).axes[0].images[0].get_array()
    assert np.ptp(shown, axis=-1).max()==0

def test_files(interp, tmp_path):
    interp.save(tmp_path/'run', 2, layers='body')
    out = interp.export(tmp_path/'out', 2, layers='body')
    for f in (out/'pictures').iterdir(): assert np.ptp(np.asarray(Image.open(f)), axis=-1).max()==0

def test_probe(interp):
    probe = interp.probe_callback([0,1], 'body')
    with interp.learn.no_bar(), interp.learn.no_logging(): interp.learn.fit(1, 0., cbs=probe)
    assert probe.plot().axes
