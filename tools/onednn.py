"""Where the gradient of a 1x1 convolution writes past its memory, on CPUs: oneDNN's, for pictures in channels_last

    python tools/onednn.py [--channels 1,2,4,8,12,15,16,24] [--sizes 16,32,48,64,96,128] [--isa AVX2]

Each case is a process of its own, in which glibc checks every block of memory that is freed (`MALLOC_CHECK_=3`), and what comes
out is compared with the same in float64: `ok`, `wrong`, or the `abort` of a process whose heap is damaged. A table a precision;
then a case that aborts, with one thing changed at a time.
"""
import ctypes.util, json, os, subprocess, sys
from fastcore.script import call_parse

case = dict(precision='fp32', channels=8, size=128, batch=8, out=16, stride=2, layout='channels_last', grad='weights')
others = [dict(batch=1), dict(batch=64), dict(out=1), dict(out=64), dict(stride=1), dict(stride=3, size=126), dict(stride=3),
          dict(stride=4), dict(size=127), dict(layout='contiguous_format'), dict(grad='none'), dict(grad='pictures')]

def result(x, w, stride, grad):
    "The gradient asked for; the output, where none is"
    from torch.nn.functional import conv2d
    x,w = x.detach().requires_grad_(grad=='pictures'),w.detach().requires_grad_(grad=='weights')
    y = conv2d(x, w, stride=stride)
    if grad=='none': return y
    y.backward(y.detach().sign())
    return (x if grad=='pictures' else w).grad.double()

def once(precision, channels, size, batch, out, stride, layout, grad):
    "Is a convolution right, five times in a row?"
    import torch
    dtype,tol = dict(fp32=(torch.float32,1e-3), bf16=(torch.bfloat16,3e-2))[precision]
    torch.manual_seed(1)
    x,w = torch.randn(batch, channels, size, size),torch.randn(out, channels, 1, 1)
    x,w = (o.to(dtype).contiguous(memory_format=getattr(torch, layout)) for o in (x,w))
    want = result(x.double(), w.double(), stride, grad)
    return all((result(x, w, stride, grad)-want).abs().max()<=tol*want.abs().max() for _ in range(5))

def outcome(isa, **kwargs):
    "What becomes of a case in a process of its own"
    lib = ctypes.util.find_library('c_malloc_debug')
    env = os.environ | dict(MALLOC_CHECK_='3', OMP_NUM_THREADS='1') | (dict(LD_PRELOAD=lib) if lib else {})
    if isa: env['ONEDNN_MAX_CPU_ISA'] = isa
    p = subprocess.run([sys.executable, __file__, '--one', json.dumps(case | kwargs)], env=env, capture_output=True, text=True)
    if p.returncode>0: sys.exit(p.stderr)
    return 'abort' if p.returncode else p.stdout.strip()

def table(rows, cols, cell):
    "Print `cell(row, column)` for all"
    print('channels', *(f'{o:6}' for o in cols))
    for r in rows: print(f'{r:8}', *(f'{cell(r, c):>6}' for c in cols), flush=True)

@call_parse
def main(
    channels:str='1,2,4,8,12,15,16,24', # Channels of the pictures
    sizes:str='16,32,48,64,96,128', # Height and width of the pictures
    isa:str='', # The most that oneDNN may use, such as AVX2
    one:str='' # A case, as this program calls itself with
):
    if one: print('ok' if once(**json.loads(one)) else 'wrong'); return
    import torch
    onednn = torch.__config__.show().partition('MKL-DNN ')[2].split()[0]
    print(f'torch {torch.__version__}, oneDNN {onednn}, {torch.cpu.get_capabilities().get("cpu_name")}, {isa or "all that it has"}')
    rows,cols = (list(map(int, o.split(','))) for o in (channels,sizes))
    for p in 'fp32','bf16':
        print(f'\n{p}, by channels and size:')
        table(rows, cols, lambda c, s: outcome(isa, precision=p, channels=c, size=s))
    print('\nfp32, 8 channels, 128 pixels, and')
    for o in others: print(f'{str(o):36}', outcome(isa, **o), flush=True)
