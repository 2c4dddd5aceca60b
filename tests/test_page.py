"""The page of one's own under attack and in use: who may ask, how much may be sent, many at once, two tabs, a kill, a browser"""
import http.client, io, json, os, re, shlex, signal, socket, subprocess, sys, threading, time, urllib.request, zlib
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from struct import pack

import pytest
from PIL import Image
from cifar_cam.page import open_run
from cifar_cam.run import train_run

BAD = '<img src=x onerror=document.title=1>'

@pytest.fixture(scope='module')
def run(tmp_path_factory):
    "A run whose pictures have markup in the names of a class and of a file"
    import shutil
    from cifar_cam.files import digits_path, picture_files
    top = tmp_path_factory.mktemp("it's a page")
    for split,n in ('train',200),('test',60):
        for f in picture_files(digits_path()/split, n):
            to = top/'data'/split/(BAD.replace('/', '') if f.parent.name=='3' else f.parent.name)
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy(f, to/(f.name if f.parent.name!='4' else f'<b>{f.name}'))
    return train_run(top/'data', top/'run', width=4, epochs=1).run_path

@pytest.fixture(scope='module')
def page(run):
    page = open_run(run)
    wait(lambda: page.desk.features!='')
    yield page
    page.close()

def wait(done, seconds=120):
    end = time.time()+seconds
    while not done():
        assert time.time()<end, 'it took too long'
        time.sleep(.02)

def ask(page, method, path, body=None, token=True, **headers):
    "Status, words and headers of an answer; no header is sent but these, and those that HTTP needs"
    con = http.client.HTTPConnection('127.0.0.1', page.port, timeout=60)
    path = f'/{page.token}/{path}' if token is True else path
    if isinstance(body, (dict,list)): body,headers = json.dumps(body).encode(),{'Content-Type': 'application/json'}|headers
    con.putrequest(method, path, skip_host='Host' in headers, skip_accept_encoding=True)
    if isinstance(body, bytes): headers = {'Content-Length': str(len(body))}|headers
    for k,v in headers.items(): con.putheader(k.replace('_', '-'), v)
    con.endheaders()
    if isinstance(body, bytes): con.send(body)
    try:
        for o in body or () if not isinstance(body, bytes) else (): con.send(o)
    except (BrokenPipeError, ConnectionResetError): pass
    res = con.getresponse()
    words = res.read()
    con.close()
    return res.status,words.decode(errors='replace'),res.headers

def rows(page, name='test'): return json.loads(ask(page, 'GET', f'rows/{name}/0')[1])
def mark(page, i=0, **kwargs): return dict(file=rows(page)[i]['file'], label='5', why='wrong label') | kwargs
def put(page, *marks): return ask(page, 'POST', 'marks', dict(put=list(marks)))
def drop_all(page): ask(page, 'POST', 'marks', dict(drop=[o['file'] for o in json.loads(ask(page, 'GET', 'marks')[1])['marks']]))

@pytest.fixture
def marked(page):
    "The page with one mark, which is there and whole when the test has ended"
    drop_all(page)
    status,words,_ = put(page, mark(page))
    assert status==200, words
    before = page.marked.read_bytes()
    yield page
    assert page.marked.read_bytes()==before, 'labels.csv has changed'

def refused(answer, status, *words):
    assert answer[0]==status, answer[:2]
    assert '\n' not in answer[1] and 'Traceback' not in answer[1] and len(answer[1])<700
    for o in words: assert o in answer[1], answer[1]

hosts = ['evil.example', 'evil.example:{port}', '127.0.0.1.evil.example', 'localhost.evil.example:{port}', '127.0.0.1@evil.example',
         '', '0.0.0.0:{port}', '[::1]:{port}', '127.1', '2130706433', '169.254.169.254', '127.0.0.1:{port}, evil.example',
         '127.0.0.1:port', ' x']
@pytest.mark.parametrize('host', hosts)
@pytest.mark.parametrize('method,path', [('GET','state'), ('POST','marks'), ('GET','')])
def test_foreign_host(marked, method, path, host):
    "A name of somebody else's that points here: DNS rebinding"
    body = dict(drop=[mark(marked)['file']]) if method=='POST' else None
    refused(ask(marked, method, path, body, Host=host.format(port=marked.port)), 421, '127.0.0.1 and localhost')

origins = ['http://evil.example', 'null', 'https://127.0.0.1:{port}', 'http://127.0.0.1', 'http://localhost:{port}',
           'http://127.0.0.1:{other}', 'file://', 'http://127.0.0.1:{port}.evil.example', '']
@pytest.mark.parametrize('origin', origins)
@pytest.mark.parametrize('method,path', [('GET','rows/test/0'), ('POST','marks'), ('POST','look'), ('GET','')])
def test_foreign_origin(marked, method, path, origin):
    body = dict(drop=[mark(marked)['file']]) if method=='POST' else None
    origin = origin.format(port=marked.port, other=marked.port%65535+1)
    refused(ask(marked, method, path, body, Origin=origin), 403, 'another page')

@pytest.mark.parametrize('site', ['cross-site', 'same-site', 'x', ''])
@pytest.mark.parametrize('mode', ['no-cors', 'cors', 'navigate'])
def test_foreign_site(marked, site, mode):
    "Pictures and scripts that another page loads, and forms that it sends"
    for method,path in ('GET','strip/test/0'),('GET','state'),('POST','marks'):
        refused(ask(marked, method, path, {} if method=='POST' else None, Sec_Fetch_Site=site, Sec_Fetch_Mode=mode), 403, 'another site')

def test_a_link_opens_the_page(page):
    "From a terminal, from Jupyter, from a file; and nothing but the page"
    assert ask(page, 'GET', '', Sec_Fetch_Site='cross-site', Sec_Fetch_Mode='navigate')[0]==200
    assert ask(page, 'GET', '', Sec_Fetch_Site='none', Sec_Fetch_Mode='navigate')[0]==200
    refused(ask(page, 'GET', '', Sec_Fetch_Site='cross-site', Sec_Fetch_Mode='no-cors'), 403)
    status,_,headers = ask(page, 'GET', f'/{page.token}', token=False)
    assert status==308 and headers['Location']==f'/{page.token}/'

@pytest.mark.parametrize('path', ['/', '/state', '/x/state', '//state', '/{t}x/', '/{half}/', '/%00/', '/%C3%A9/', '/../{t}/',
    '/?token={t}', '/x/../{t}/state', '/{upper}/', '/favicon.ico', '*'])
def test_no_token(marked, path):
    t = marked.token
    path = path.format(t=t, half=t[:16], upper=t.upper())
    refused(ask(marked, 'GET', path, token=False), 403, 'secret part')

paths = ['../config.json', '..%2fconfig.json', '%2e%2e/config.json', 'strip/..%2f..%2fetc%2fpasswd/0', 'strip/../../etc/passwd',
         'rows/test/../0', 'rows/%2e%2e/0', 'rows/test%00/0', 'strip//etc/passwd/0', 'picture/train%5c..%5c/0', 'static/page.js',
         'labels.csv', 'strip/test/0/../../x', 'file:///etc/passwd', 'strip/test/-1', 'strip/test/99999999999999999999999',
         'strip/test/1e3', 'rows/nosuch/0', 'near/test/60', 'x'*5000]
@pytest.mark.parametrize('path', paths)
def test_no_path(marked, path):
    status,words,_ = ask(marked, 'GET', path)
    assert status in (403,404) and '\n' not in words, (status,words)
    assert 'root:' not in words and '"vocab"' not in words

def test_methods(marked):
    for method in 'PUT','DELETE','PATCH','OPTIONS','TRACE':
        assert ask(marked, method, 'marks')[0]==405
    assert ask(marked, 'GET', 'ahead')[0]==405 and ask(marked, 'POST', 'state')[0]==405

def test_headers(page):
    for method,path,token in ('GET','',True),('GET','state',True),('GET','nosuch',True),('GET','/',False):
        headers = ask(page, method, path, token=token)[2]
        found = [headers[k] for k in ('X-Content-Type-Options','Cache-Control','Referrer-Policy')]
        assert found==['nosniff','no-store','no-referrer']
        rules = headers['Content-Security-Policy']
        assert "default-src 'none'" in rules and "'unsafe-eval'" not in rules and "script-src 'unsafe-inline'" not in rules
        assert 'frame-ancestors' in rules and 'Set-Cookie' not in headers and 'Access-Control-Allow-Origin' not in headers

def test_100_megabytes(marked):
    "With its length, without one, and with a false one: refused, and never in memory"
    import resource
    mb = bytes(2**20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(ask(marked, 'POST', 'look', (mb for _ in range(100)), Content_Length=str(100*2**20)), 413, '32 MB')
    chunks = iter([b'%x\r\n' % len(mb), mb, b'\r\n']*100+[b'0\r\n\r\n'])
    refused(ask(marked, 'POST', 'look', chunks, Transfer_Encoding='chunked'), 413, '32 MB')
    refused(ask(marked, 'POST', 'look', Content_Length=str(10**15)), 413, '32 MB')
    refused(ask(marked, 'POST', 'marks', b'['*70_000, Content_Type='application/json'), 413, '64 kB')
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss-before<60*1024

def bomb(side):
    "A PNG of a few hundred kB which has side x side pixels"
    def chunk(kind, data): return pack('>I', len(data))+kind+data+pack('>I', zlib.crc32(kind+data))
    z = zlib.compressobj(9)
    line = bytes(side//8+1)
    data = b''.join(z.compress(line) for _ in range(side))+z.flush()
    return b'\x89PNG\r\n\x1a\n'+chunk(b'IHDR', pack('>IIBBBBB', side, side, 1, 0, 0, 0, 0))+chunk(b'IDAT', data)+chunk(b'IEND', b'')

def tile(side):
    "A TIFF of 10x10 pixels in one tile, which has side x side"
    data = zlib.compress(bytes(2**20))
    tags = {256: 10, 257: 10, 258: 8, 259: 8, 262: 1, 277: 1, 322: side, 323: side, 324: 8, 325: len(data)}
    return b'II*\0'+pack('<I', 8+len(data))+data+pack('<H', len(tags))+b''.join(pack('<HHII', k, 4, 1, v) for k,v in tags.items())+bytes(4)

def photo(size=(60,40), kind='png'):
    f = io.BytesIO()
    Image.new('RGB', size, 'orange').save(f, kind)
    return f.getvalue()

@pytest.mark.parametrize('raw,words', [
    (bomb(12_000),'million pixels'), (bomb(30_000),'million pixels'), (tile(2**15),'million pixels'),
    (b'','no picture'), (b'GIF89a','no picture'),
    (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n','no picture'), (b'<svg xmlns="http://www.w3.org/2000/svg"/>','no picture'),
    (photo()[:80],''), (b'PK\x03\x04'+bytes(100),'no picture')], ids=range(9))
def test_bad_photos(marked, raw, words): refused(ask(marked, 'POST', 'look', raw), 400, words)

def test_photo(page):
    for kind in 'png','jpeg','webp':
        status,words,_ = ask(page, 'POST', 'look', photo(kind=kind))
        assert status==200, words
        o = json.loads(words)
        assert len(o['near'])==5 and len(o['maps'])>1 and o['word'] and abs(sum(c['prob'] for c in o['classes']))<=1.001

odd = [[], 5, None, 'x', dict(put=5), dict(put=[5]), dict(put=[{}]), dict(drop=['../../etc/passwd']), dict(drop=[5]), dict(nosuch=1),
       dict(put=[dict(file='x', label='5', why='both')]), dict(put=[dict(file=None, label='5', why='both')]), dict(put=[[]]*2000)]
@pytest.mark.parametrize('body', odd, ids=range(len(odd)))
def test_odd_marks(marked, body):
    refused(ask(marked, 'POST', 'marks', json.dumps(body).encode(), Content_Type='application/json'), 400, 'give')

changes = [dict(label='nosuch'), dict(label=5), dict(why=''), dict(why='because'), dict(why='both; '+'x'*600),
           dict(why='both; \x00'), dict(why='both\n=1+1'),
           dict(file='config.json'), dict(nosuch=1), dict(label='=cmd()'), dict(why=['both'])]
@pytest.mark.parametrize('change', changes, ids=range(len(changes)))
def test_odd_mark(marked, change): refused(put(marked, mark(marked, 1, **change)), 400, 'give')

def test_odd_json(marked):
    for body in b'', b'{', b'['*60_000, b'{"put": 1e99999}', b'\xff', b'{"put": '+b'9'*5000+b'}':
        refused(ask(marked, 'POST', 'marks', body, Content_Type='application/json'), 400)
    refused(ask(marked, 'POST', 'marks', b'{}', Content_Type='text/plain'), 415, 'application/json')
    refused(ask(marked, 'POST', 'marks', b'put=1', Content_Type='application/x-www-form-urlencoded'), 415)

def test_garbage(marked):
    "What is no HTTP, headers without an end, a host twice: the page goes on, and says nothing on standard error"
    host = f'Host: 127.0.0.1:{marked.port}\r\n'
    for raw in b'\x16\x03\x01'+bytes(200), b'GET / HTTP/9.9\r\n\r\n', b'x'*100_000, b'GET / HTTP/1.1\r\n'+b'a: b\r\n'*5000, \
            f'GET /{marked.token}/state HTTP/1.1\r\n{host}{host}\r\n'.encode(), f'GET /{marked.token}/state HTTP/1.0\r\n\r\n'.encode():
        with socket.create_connection(('127.0.0.1', marked.port), timeout=20) as s:
            try:
                s.sendall(raw)
                s.shutdown(socket.SHUT_WR)
                said = s.recv(4096)
            except ConnectionResetError: said = b''
            assert b'200 OK' not in said and b'Traceback' not in said
    assert ask(marked, 'GET', 'state')[0]==200

def test_200_at_once(marked):
    "Strips, rows, marks, photos: all are served"
    what = [('GET','state',None), ('GET','rows/train/0',None), ('GET','strip/test/{}',None), ('GET','strip/train/{}',None),
            ('GET','picture/test/{}',None), ('POST','ahead',dict(name='train', idxs=[1,2,3])), ('GET','marks',None), ('GET','',None),
            ('POST','marks',dict(put=[])), ('GET','again',None)]
    asked = [(method,path.format(i%60),body) for i,(method,path,body) in enumerate(what*20)]
    with ThreadPoolExecutor(200) as ex: answers = list(ex.map(lambda o: ask(marked, *o), asked))
    assert {o[0] for o in answers}=={200}, [o[:2] for o in answers if o[0]!=200][:3]

def test_many_write_at_once(page):
    "Marks of twenty writers: none is lost"
    drop_all(page)
    with ThreadPoolExecutor(20) as ex: answers = list(ex.map(lambda i: put(page, mark(page, i)), range(40)))
    assert {o[0] for o in answers}=={200}
    assert len(json.loads(ask(page, 'GET', 'marks')[1])['marks'])==40
    drop_all(page)

def test_two_tabs(page):
    "The last one wins, and both are told"
    drop_all(page)
    start = json.loads(ask(page, 'GET', 'state')[1])['version']
    one = json.loads(put(page, mark(page, why='wrong label; from one'))[1])
    two = json.loads(put(page, mark(page, label='6', why='wrong label; from two'))[1])
    assert one['before']==[] and two['before'][0]['why'].endswith('one')
    now = json.loads(ask(page, 'GET', 'state')[1])['version']
    assert len({start,one['version'],two['version']})==3 and now==two['version']
    (row,) = json.loads(ask(page, 'GET', 'marks')[1])['marks']
    assert row['label']=='6' and row['was']==rows(page)[0]['file'].split('/')[1]
    assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', row['when'])
    drop_all(page)

def test_a_clock_that_was_ahead(page):
    "A mark made now is taken, whatever time the one before it claims"
    drop_all(page)
    put(page, mark(page))
    fn = page.marked
    fn.write_text(re.sub(r'\d{4}(-\d\d-\d\dT)', r'2999\1', fn.read_text()))
    put(page, mark(page, label='6'))
    (row,) = json.loads(ask(page, 'GET', 'marks')[1])['marks']
    assert row['label']=='6' and row['when']<'2999'
    drop_all(page)

def test_a_file_that_was_damaged_by_hand(page):
    "It is said, and left as it is"
    drop_all(page)
    page.marked.write_bytes(b'\xff\xfe nothing of ours')
    refused(put(page, mark(page)), 400, 'labels.csv')
    assert page.marked.read_bytes()==b'\xff\xfe nothing of ours'
    page.marked.unlink()
    assert put(page, mark(page))[0]==200
    drop_all(page)

def test_the_line(page, run):
    line = json.loads(ask(page, 'GET', 'again')[1])['line']
    words = shlex.split(line)
    assert words[:2]==['cifar-cam','run'] and words[words.index('--labels')+1]==str(run/'labels.csv') and "it's a page" in words[3]
    assert '--n-train' not in words and words[words.index('--width')+1]=='4' and words[words.index('--epochs')+1]=='1'

def test_the_line_of_data_that_grew(tmp_path, monkeypatch):
    "A line can't keep pictures that were added out of its sets: it says so"
    monkeypatch.setenv('FASTAI_HOME', str(tmp_path/'fastai'))
    def save(layout, c, i):
        fn = tmp_path/layout/c/f'{i}.png'
        fn.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (16,16), (int(5*i),90*len(c),0)).save(fn)
    for c,i in product(('a','bb'), range(10)): save('flat', c, i); save('three/train', c, i); save('three/valid', c, i+20)
    small = dict(width=2, size=16, epochs=1)
    runs = [train_run(tmp_path/o, tmp_path/f'run {o}', **small, **how).run_path for o,how in (('flat',{}), ('three',dict(n_train=10)))]
    def whys():
        for run in runs:
            with open_run(run) as page: yield json.loads(ask(page, 'GET', 'again')[1])['why']
    assert list(whys())==['','']
    for c in 'a','bb': save('flat', c, 11); save('three/train', c, 5.5)
    assert all('the data has changed since' in o for o in whys())

# the command, as a process of its own

def started(run, *args, **kwargs):
    "`cifar-cam open`, and its address"
    env = os.environ | dict(PYTHONUNBUFFERED='1')
    command = [sys.executable, '-m', 'cifar_cam', 'open', str(run), '--no-browser', *args]
    heard = None if os.name!='posix' else lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)   # who tests in the background ignores it
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, preexec_fn=heard, **kwargs)
    for line in p.stdout:
        if found := re.search('http://127.0.0.1:([0-9]+)/(.*)/', line): break
    else: raise AssertionError(p.stderr.read())
    return p, type('Address', (), dict(port=int(found[1]), token=found[2]))

@pytest.mark.skipif(os.name!='posix', reason='signals')
def test_ctrl_c_and_kill(run, page):
    "Ctrl-C ends it with a line; killed in the middle of marks, labels.csv is whole; a port that is in use is said"
    drop_all(page)
    p,address = started(run)
    command = [sys.executable, '-m', 'cifar_cam', 'open', str(run), '--port', str(address.port)]
    used = subprocess.run(command, capture_output=True, text=True)
    assert used.returncode==1 and used.stderr.startswith(f'cifar-cam: --port {address.port}:') and used.stderr.count('\n')==1
    wait(lambda: len(rows(address))==60)
    files = [o['file'] for o in rows(address)]
    def go_on():
        for i in range(10**6):
            try: put(address, dict(file=files[i%60], label='5', why=f'wrong label; {i}'))
            except OSError: return
    threads = [threading.Thread(target=go_on) for _ in range(4)]
    for o in threads: o.start()
    time.sleep(2)
    p.kill()
    for o in threads: o.join()
    p.wait()
    marks = json.loads(ask(page, 'GET', 'marks')[1])['marks']
    assert len(marks)>3 and all(o['file'] in files for o in marks)
    drop_all(page)
    p,address = started(run, '--port', str(address.port))
    p.send_signal(signal.SIGINT)
    out,err = p.communicate(timeout=60)
    assert p.returncode==0 and not err and out.strip().count('\n')<=1 and 'ended' in out

def test_beside_a_running_loop(run):
    "As in Jupyter; and a script that forgets to close it ends"
    code = f"""if True:
        import asyncio
        from cifar_cam.page import open_run
        async def main():
            page = open_run({str(run)!r})
            await asyncio.sleep(.1)
            assert 'iframe' in page._repr_html_() and page.url in repr(page)
            return page
        page = asyncio.run(main())"""
    res = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, timeout=300)
    assert res.returncode==0 and not res.stderr, res.stderr

# the page itself, in Chromium

def test_html(page):
    import html5lib
    doc = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(ask(page, 'GET', '')[1])
    ids = [o.get('id') for o in doc.iter() if o.get('id')]
    assert len(ids)==len(set(ids))
    for o in doc.iter():
        for k in 'src','href','action': assert (o.get(k) or 'data:').startswith('data:')
    for o in doc.iter('button'):
        named = o.get('aria-label') or ''.join(o.itertext()).strip()
        assert o.get('type')=='button' and (named or o.get('id')=='fresh')

@pytest.fixture
def tab(browser, page):
    drop_all(page)
    context = browser.new_context(permissions=['clipboard-read','clipboard-write'])
    tabs,errors = [],[]
    def another(**kwargs):
        tab = context.new_page(**kwargs)
        tab.on('pageerror', lambda e: errors.append(str(e)))
        tab.on('console', lambda m: errors.append(m.text) if m.type=='error' and ' 400 ' not in m.text else None)
        tab.goto(page.url)
        tab.wait_for_selector('.tile .stack canvas')
        return tab
    yield another
    context.close()
    drop_all(page)
    assert not errors, errors

def until(tab, js, seconds=60):
    "Wait for what a page says; its rules let nobody else evaluate anything in it"
    end = time.time()+seconds
    while not tab.evaluate(js):
        assert time.time()<end, f'it took too long: {js}'
        tab.wait_for_timeout(50)

def kept(page): return json.loads(ask(page, 'GET', 'marks')[1])['marks']
def first_file(tab): return tab.evaluate("document.querySelector('.item').row.file")

def test_marked_in_the_browser(tab, page):
    "By key on a tile, and in the large view; taken back; and there again when the page is opened again"
    t = tab()
    file = first_file(t)
    t.locator('.tile').first.focus()
    t.keyboard.press('x')
    wait(lambda: kept(page))
    assert [(o['file'],o['label'],o['why']) for o in kept(page)]==[(file,'','bad picture')]
    assert page.marked.read_text().startswith('file,label,was,why,when')
    t.locator('.tile').first.click()
    t.wait_for_selector('#large[open]')
    t.keyboard.press('w')
    t.select_option('#label', index=1)
    t.fill('#note', 'a <b>note</b>, "quoted"')
    t.click('#keep')
    t.keyboard.press('Escape')
    wait(lambda: kept(page)[0]['label'] and 'note' in kept(page)[0]['why'])
    assert kept(page)[0]['why']=='wrong label; a <b>note</b>, "quoted"' and kept(page)[0]['label']!=kept(page)[0]['was']
    again = tab()
    assert again.locator('.item .badge').first.inner_text() and 'to change' in again.inner_text('#changing')
    again.locator('.tile').first.click()
    again.click('#unmark')
    wait(lambda: not kept(page))

def test_notes_stay_with_their_picture(tab, page):
    "Keys may be quicker than answers: what is typed is of the picture in the view, and no answer takes it back"
    t = tab()
    files = t.evaluate('state.shown.slice(0, 4).map(row => row.file)')
    t.route('**/picture/**', lambda route: (time.sleep(.3), route.continue_()))
    t.route('**/marks', lambda route: (time.sleep(.3), route.continue_()))
    t.locator('.tile').first.click()
    t.wait_for_selector('#large[open]')
    t.keyboard.press('r')
    t.keyboard.press('n')
    t.keyboard.type('of the first', delay=80)
    t.keyboard.press('Enter')
    for _ in range(3): t.keyboard.press('ArrowRight')
    until(t, f'state.open?.file==={json.dumps(files[3])}')
    assert t.input_value('#note')==''
    wait(lambda: kept(page) and kept(page)[0]['why']=='right label; of the first')
    assert [o['file'] for o in kept(page)]==[files[0]]

def test_a_view_that_can_not_be(tab, page):
    "It is told, and keys are of the tile that has the focus"
    t = tab()
    t.route('**/picture/**', lambda route: route.fulfill(status=400, body='not now'))
    t.locator('.tile').first.click()
    until(t, "document.querySelector('#problem').textContent.includes('not now')")
    t.locator('.tile').nth(1).focus()
    t.keyboard.press('x')
    wait(lambda: kept(page))
    assert kept(page)[0]['file']==t.evaluate('state.shown[1].file')
    t.evaluate('console.clear()')

def test_numbers_and_hidden_pictures(tab, page):
    "#7 is one of each set; and a picture that the filters hide leads back to the tile that led to it"
    t = tab()
    until(t, 'DATA.rows.length===260')
    t.fill('#text', '#7')
    until(t, "new Set(state.shown.map(row => row.set)).size===2 && state.shown.every(row => String(row.idx).startsWith('7'))")
    t.select_option('#set', 'test')
    t.locator('.tile').first.click()
    t.locator('.taught button').first.click()
    until(t, "location.hash.startsWith('#train-')")
    assert t.is_disabled('#next') and t.is_disabled('#previous')
    t.keyboard.press('Escape')
    until(t, "document.activeElement===document.querySelector('.tile')")

def test_two_tabs_in_the_browser(tab, page):
    one,two = tab(),tab()
    one.locator('.tile').first.focus()
    one.keyboard.press('b')
    until(two, "!document.querySelector('#notice').hidden")
    assert first_file(one) in two.inner_text('#notice') and two.locator('.item .badge').first.inner_text()=='both'
    for t,key in (one,'r'),(two,'x'): t.locator('.tile').first.focus(); t.keyboard.press(key)
    wait(lambda: kept(page)[0]['why']=='bad picture')
    for t in one,two: until(t, "document.querySelector('.item .badge').innerText==='bad picture'")
    assert len(kept(page))==1

def test_photo_in_the_browser(tab, page, tmp_path):
    t = tab()
    (tmp_path/'a.png').write_bytes(photo())
    t.set_input_files('#file', tmp_path/'a.png')
    t.wait_for_selector('.looked .strip button')
    assert t.locator('#seen .probs li').count()==5 and t.locator('#seen img').count()>=1+2+5
    t.evaluate("""() => {
        const files = new DataTransfer()
        files.items.add(new File(['nothing'], 'x.png', {type: 'image/png'}))
        document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: files, bubbles: true, cancelable: true}))
    }""")
    until(t, "document.querySelector('#seen').innerText.includes('no picture of a kind')")

def test_all_pictures(tab, page):
    "Right and wrong, of both sets, made as one scrolls; and few elements for many rows"
    t = tab()
    until(t, 'DATA.rows.length===260')
    assert t.locator('.item').count()==120 and '260 pictures' in t.inner_text('#count')
    t.select_option('#correct', 'right')
    t.select_option('#set', 'train')
    shown = t.evaluate('state.shown.map(o => [o.set, o.actual===o.predicted])')
    assert shown and all(o==['train',True] for o in shown)
    t.select_option('#correct', '')
    t.evaluate("document.querySelector('#ending').scrollIntoView()")
    until(t, "document.querySelectorAll('.item').length===200")
    t.locator('.item').last.scroll_into_view_if_needed()
    until(t, "Boolean(document.querySelector('.item:last-child canvas.map'))")
    assert t.evaluate("document.querySelectorAll('.item canvas').length")<200

def test_60000_pictures(browser, page):
    "The page is there in seconds, filters answer at once, and few elements stand for many rows"
    t = browser.new_page()
    n,row = 50_000,rows(page, 'train')[0]
    known = json.loads(ask(page, 'GET', 'state')[1])
    many = known | dict(doubtful={}, sets=[known['sets'][0], dict(name='train', n=n, done=n)])
    def some(route):
        a = int(route.request.url.rpartition('/')[2])
        more = [row | dict(idx=i, file=f'train/5/{i:05}.png', loss=round(9-i/n, 4), prob=(i%1000)/1000) for i in range(a, min(a+5000, n))]
        route.fulfill(json=more)
    t.route('**/state', lambda route: route.fulfill(json=many))
    t.route('**/rows/train/*', some)
    t.goto(page.url)
    until(t, f'DATA.rows.length==={n+60}')
    assert t.evaluate("document.querySelectorAll('*').length")<5000
    start = time.time()
    t.fill('#text', '#train-49999')
    until(t, "document.querySelectorAll('.item').length===1")
    assert time.time()-start<5
    t.close()

def test_doubtful(tab, page):
    "What is said of doubtful labels, by set, and the filter"
    wait(lambda: len(page.desk.doubtful)==2)
    t = tab()
    until(t, "document.querySelector('#progress').innerText.split('labels changed at random').length===3")
    n = sum(len(o['idxs']) for o in page.desk.doubtful.values())
    t.check('#doubtful')
    until(t, f"document.querySelectorAll('.item').length==={n}")

def test_taught_these(tab, page):
    t = tab()
    t.locator('.tile').first.click()
    t.wait_for_selector('.taught button')
    assert t.locator('.taught button').count()==6
    t.locator('.taught button').first.click()
    until(t, "location.hash.startsWith('#train-')")

def test_the_line_is_copied(tab, page):
    t = tab()
    t.click('#again summary')
    t.click('#line button')
    until(t, "document.querySelector('#line button').innerText==='copied'")
    assert t.evaluate('navigator.clipboard.readText()')==json.loads(ask(page, 'GET', 'again')[1])['line']

def test_names_stay_text(tab, page):
    t = tab()
    until(t, 'DATA.rows.length===260')
    t.fill('#text', '<img')
    until(t, "document.querySelector('.tile')?.innerText.includes('<img src=x onerror')")
    t.locator('.tile').first.click()
    t.wait_for_selector('.taught button')
    t.keyboard.press('Escape')
    t.fill('#text', '<b>')
    until(t, "document.querySelector('.item')?.row.file.includes('<b>')")
    assert t.locator('img[src=x]').count()==0 and t.locator('.item b').count()==0 and t.title()!='1'

def test_another_page(browser, page, tmp_path):
    "One that knows the address all the same can neither read, nor write, nor show pictures"
    import http.server
    (tmp_path/'index.html').write_text('<title>elsewhere</title>')
    handler = type('Handler', (http.server.SimpleHTTPRequestHandler,), dict(log_message=lambda *args: None))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), lambda *args: handler(*args, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    drop_all(page)
    put(page, mark(page))
    before = page.marked.read_bytes()
    for host in '127.0.0.1','localhost':
        t = browser.new_page()
        t.goto(f'http://{host}:{server.server_port}/')
        said = t.evaluate("""async url => {
            const tried = async (path, options) => fetch(url + path, options).then(o => o.type, () => 'refused')
            const loaded = new Promise(resolve => {
                const image = new Image()
                image.onload = () => resolve('shown')
                image.onerror = () => resolve('refused')
                image.src = url + 'strip/test/0'
            })
            const body = JSON.stringify({drop: []})
            const form = {method: 'POST', mode: 'no-cors', body}
            return [await tried('state'), await tried('marks', {method: 'POST', headers: {'Content-Type': 'application/json'}, body}),
                    await loaded, await tried('marks', form), await tried('rows/test/0', {mode: 'no-cors'})]
        }""", page.url)
        assert said[:3]==['refused']*3 and set(said[3:])<={'refused','opaque'}, said
        t.close()
    server.shutdown()
    assert page.marked.read_bytes()==before

@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [390, 1400])
def test_looks(browser, page, scheme, width):
    t = browser.new_page(color_scheme=scheme, viewport=dict(width=width, height=900))
    t.goto(page.url)
    t.wait_for_selector('.tile .stack canvas')
    colour = t.evaluate('getComputedStyle(document.body).backgroundColor')
    assert (sum(map(int, re.findall(r'\d+', colour)))/3>128)==(scheme=='light')
    t.locator('.tile').first.click()
    t.wait_for_selector('.taught button')
    assert t.evaluate('document.documentElement.scrollWidth')<=width
    t.close()

def test_in_a_frame(browser, page, tmp_path):
    "As Jupyter shows it"
    import http.server
    (tmp_path/'index.html').write_text(page._repr_html_())
    handler = type('Handler', (http.server.SimpleHTTPRequestHandler,), dict(log_message=lambda *args: None))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), lambda *args: handler(*args, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    t = browser.new_page()
    t.goto(f'http://localhost:{server.server_port}/')
    t.frame_locator('iframe').locator('.tile .stack canvas').first.wait_for()
    t.close()
    server.shutdown()
