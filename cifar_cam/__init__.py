"""Train ResNet18 on CIFAR-10 with fastai, and see where it looked for every mistake, in Grad-CAM maps that can be trusted

Modules:

- `cifar_cam.guard`: Who may ask a page on one's own machine, and for how much: an ASGI application in front of another one"""

__version__ = "0.0.1"
