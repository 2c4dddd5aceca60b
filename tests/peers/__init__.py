"""What the tests of pytorch-grad-cam and of torch-cam ask, asked of cifar_cam

A case is a generator of pairs: what came out, and what it has to be. `look` compares each pair and says what became of the case:

- holds: there was a pair, and in all pairs the two agree. Where the other project expects an error, a pair has the words of ours.
- refused: cifar_cam has raised an error of its own, of one line, where the other project gives something.
- does not apply: nothing is run, since there is nothing of the kind; the reason is in words.
- does not hold: two did not agree, there was no pair, or an error came that is not cifar_cam's own.

To add a row: a function below, with the test that asks, what it asks in a few words, and, if it does not hold, what is expected instead
and words of the refusal. `tests/test_peers.py` and the page nbs/peers.ipynb ask them all.
Nothing of the other projects' tests is here but what they ask.
"""
from peers.asking import cases, look
from peers import gradcam_tests, gradcam_tutorials, torchcam_explain, torchcam_methods
from peers import torchcam_gradients, torchcam_transformers, torchcam_measures
