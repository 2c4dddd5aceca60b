"A `$` in the name of a class or a file is text, never mathematics"
import matplotlib as mpl, pytest
from people import interpretation

NAMES = ['$', '$5 to $9', r'$\frac{1$', r'a\$b$', '$x$', '_^$%$']

@pytest.fixture(scope='module')
def interp():
    interp = interpretation(NAMES*3)
    interp.table['file'] = [f'{c.replace("/", "")}/$a_{i}$.png' for i,c in enumerate(interp.table.actual)]
    return interp

def drawn(fig, tmp_path):
    "All texts of `fig`, none of which is mathematics, after it was written"
    for kind in 'png','svg': fig.savefig(tmp_path/f'figure.{kind}')
    texts = fig.findobj(mpl.text.Text)
    assert not any(o.get_parse_math() for o in texts)
    return '\n'.join(o.get_text() for o in texts)

def test_matrix(interp, tmp_path):
    text = drawn(interp.plot_confusion_matrix(), tmp_path)
    assert all(o in text for o in NAMES)

def test_galleries(interp, tmp_path):
    for fig in interp.plot_misclassified(), interp.plot_top_losses(18): assert '$a_' in drawn(fig, tmp_path)

def test_maps(interp, tmp_path):
    for target in 'predicted','both','$x$': assert '$' in drawn(interp.plot_cams(9, 'body', target=target), tmp_path)
    a,b,_ = interp.most_confused()[0]
    assert f'{a} → {b}' in drawn(interp.plot_mean_maps(layer='body'), tmp_path)

def test_maps_alone(interp, tmp_path):
    maps = interp.cams([0,1,2], 'body')
    assert '$' in drawn(maps.show(interp.pictures([0,1,2])), tmp_path)

def test_probe(interp, tmp_path):
    probe = interp.probe_callback(list(range(6)), 'body')
    with interp.learn.no_bar(), interp.learn.no_logging(): interp.learn.fit(1, 0., cbs=probe)
    assert '$' in drawn(probe.plot(), tmp_path)

def test_run_folder(interp, tmp_path):
    assert (interp.save(tmp_path/'run', 9, layers='body')/'cams.png').exists()

def test_axes_of_others(interp):
    "Their figure stays open, and their other text as it was"
    fig,axs = mpl.pyplot.subplots(1, 2)
    axs[1].set_title('$x^2$')
    assert interp.plot_confusion_matrix(ax=axs[0]) is fig and fig.number in mpl.pyplot.get_fignums()
    assert axs[1].title.get_parse_math()
    mpl.pyplot.close(fig)
