"`python -m cifar_cam` is `cifar-cam`"
from .cli import main

if __name__ == '__main__': raise SystemExit(main())
