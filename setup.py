"Reads settings.ini, nothing else: what the package needs. What it is stands in pyproject.toml."
from configparser import ConfigParser
from setuptools import setup

cfg = ConfigParser()
cfg.read('settings.ini', encoding='utf-8')
lines = lambda key: [o.strip() for o in cfg['DEFAULT'][key].splitlines() if o.strip()]

setup(install_requires=lines('requirements'), extras_require={k.removesuffix('_requirements'): lines(k) for k in cfg['DEFAULT'] if k.endswith('_requirements')},
      entry_points=dict(console_scripts=lines('console_scripts'), nbdev=['cifar_cam=cifar_cam._modidx:d']))
