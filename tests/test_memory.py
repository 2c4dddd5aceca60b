"What a process holds at the most, whatever the number of pictures, as Linux counts it"
import json, subprocess, sys

import pytest

STREAM = """
import json
from pathlib import Path
from cifar_cam.all import cam_batches, cifar_resnet18, torch

def peak(): return int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])/2**10   # MB
def stream(n):
    batches = (torch.randn(16, 3, 32, 32) for _ in range(n//16))
    for maps in cam_batches(cifar_resnet18(width=8), batches, layers=['layer1','layer4']): yield maps.heat('layer1', 128)

peaks = []
for n in 64,1600:
    for _ in stream(n): pass
    peaks.append(peak())
kept = list(stream(1600))
print(json.dumps([*peaks, peak()]))
"""

@pytest.mark.skipif(sys.platform!='linux', reason='other systems count otherwise')
def test_stream():
    "25 times as many pictures, and no more memory; what is kept of them would have been seen"
    res = subprocess.run([sys.executable, '-W', 'ignore', '-c', STREAM], capture_output=True, text=True)
    assert res.returncode==0, res.stderr
    few,many,kept = json.loads(res.stdout)
    assert many-few<20<80<kept-many, (few, many, kept)
