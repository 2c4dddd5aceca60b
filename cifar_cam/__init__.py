"Train ResNet18 on CIFAR-10 with fastai, and see where it looked for every mistake; the public names are in `cifar_cam.all`"

__version__ = "0.0.1"
