"""Who may ask a page on one's own machine, and for how much: an ASGI application in front of another one

Other programs of the machine, and every page that its browser has open, can reach an address on 127.0.0.1. So the first part of
each path is a secret; the name by which the page is asked for is one of this machine's (a page elsewhere may have its own name
point here: DNS rebinding); and a browser says where a question comes from (Origin, Sec-Fetch-Site), which must be the page itself.
"""
import asyncio, re, socket, sys
from secrets import compare_digest

__all__ = ['Guard', 'listen']

MB = 2**20
host_names = re.compile(r'(127\.0\.0\.1|localhost)(:[0-9]{1,5})?', re.I)
always = {'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer',
          'Cross-Origin-Resource-Policy': 'same-origin', 'Cross-Origin-Opener-Policy': 'same-origin'}

class Refused(Exception):
    "A status and a line that says why"
    def __init__(self, status, words): self.status,self.words = status,words

def listen(
    port=None # None: a free one
):
    "A socket that listens on 127.0.0.1; `ValueError` where it can't"
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform!='win32': sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)   # there, it would share the port
    try:
        sock.bind(('127.0.0.1', port or 0))
        sock.listen(1024)
    except OSError as e:
        sock.close()
        raise ValueError(f"port {port}: {e.strerror or e}: give another `port`, or leave it out") from e
    return sock

def in_a_line(e, most=500):
    "What an error says, as one line of text"
    return ' '.join((str(e) or type(e).__name__).split())[:most]

def _one(headers, name):
    "The value of a header that may stand there once; None if it does not"
    found = [v.decode('latin-1') for k,v in headers if k==name]
    if found[1:]: raise Refused(400, f'the header {name.decode()} stands there {len(found)} times: send it once')
    return found[0] if found else None

def _check_from(scope, rest):
    "`Refused`, unless this machine's own name is asked for, by the page itself"
    headers = scope['headers']
    host,origin,site = (_one(headers, o) for o in (b'host',b'origin',b'sec-fetch-site'))
    if host is None or not host_names.fullmatch(host):
        raise Refused(421, 'this page is found by the names 127.0.0.1 and localhost alone: open the address that was printed')
    if origin is not None and origin.lower()!=f'http://{host}'.lower():
        raise Refused(403, 'the question comes from another page: this one answers none but its own')
    opened = rest=='/' and scope['method']=='GET' and _one(headers, b'sec-fetch-mode')=='navigate'
    if site not in (None,'same-origin','none') and not opened:
        raise Refused(403, 'the question comes from another site: this page answers none but its own')

def _check_token(scope, token):
    "What is asked for, after the token; `Refused` without it"
    _,given,*rest = scope['path'].split('/') if scope['path'][:1]=='/' else ['','']
    if not compare_digest(given.encode(errors='replace'), token.encode()):
        raise Refused(403, 'the address of this page has a secret part, which is not in this one: open the address that was printed')
    return '/'.join(['',*rest]) if rest else ''

class Guard:
    "`app`, an ASGI application, for those who know `token`, and whose questions come from its own page"
    def __init__(self,
        app, # Gets paths without the token
        token, # The first part of each path
        rules, # What a browser may load for the page, and who may frame it: Content-Security-Policy
        most=None, # How many bytes may be sent to a path, by path
        small=2**16, # And to all others
        seconds=60, # A body arrives in that time
        spare=256*MB # So much that is too much is read, and not kept: a browser hears no answer while it sends
    ):
        self.app,self.token,self.most,self.small,self.seconds,self.spare = app,token,most or {},small,seconds,spare
        self.more = [(k.lower().encode(),v.encode()) for k,v in {**always, 'Content-Security-Policy': rules}.items()]
        self.room = asyncio.Semaphore(4)   # large bodies at a time

    async def __call__(self, scope, receive, send):
        if scope['type']!='http': return
        told = False
        async def tell(message):
            nonlocal told
            told = True
            if message['type']=='http.response.start': message = {**message, 'headers': [*message.get('headers', ()), *self.more]}
            await send(message)
        try: await self.serve(scope, receive, tell)
        except Refused as e: status,words = e.status,e.words
        except (ValueError, OSError) as e: status,words = 400,in_a_line(e)
        except Exception as e:   # whatever it is: it is told in a line, and the page goes on
            status,words = 500,f'this could not be done: {type(e).__name__}: {in_a_line(e)}'
            print(f'cifar-cam: {words}', file=sys.stderr, flush=True)
        else: return
        if not told: await self.answer(tell, status, words)

    async def answer(self, send, status, words, *headers):
        body = words.encode(errors='replace')
        headers = [(b'content-type', b'text/plain; charset=utf-8'), (b'content-length', str(len(body)).encode()), *headers]
        await send(dict(type='http.response.start', status=status, headers=headers))
        await send(dict(type='http.response.body', body=body))

    async def serve(self, scope, receive, send):
        rest = _check_token(scope, self.token)
        _check_from(scope, rest)
        if not rest: return await self.answer(send, 308, 'the page', (b'location', f'/{self.token}/'.encode()))
        scope = {**scope, 'path': rest, 'raw_path': rest.encode(errors='replace'), 'root_path': ''}
        most = self.most.get(rest, self.small)
        if most<=self.small: return await self.pass_on(scope, receive, send, most)
        async with self.room: await self.pass_on(scope, receive, send, most)

    async def pass_on(self, scope, receive, send, most):
        try: body = await asyncio.wait_for(self.body(scope, receive, most), self.seconds)
        except (asyncio.TimeoutError, TimeoutError):
            raise Refused(408, f'what is sent did not arrive in {self.seconds} seconds') from None
        if body is None: return
        async def given():
            nonlocal body
            if body is None: return await receive()
            message,body = dict(type='http.request', body=body, more_body=False),None
            return message
        await self.app(scope, given, send)

    async def body(self, scope, receive, most):
        "What is sent, of `most` bytes; None if who asks is gone"
        parts,n = [],0
        size = f'{most//MB} MB' if most>=MB else f'{most//1024} kB'
        too_much = Refused(413, f'what is sent is larger than {size}, the most that is taken here')
        length = _one(scope['headers'], b'content-length') or '0'
        if length.isdecimal() and int(length[:20])>most+self.spare: raise too_much
        while True:
            message = await receive()
            if message['type']!='http.request': return None
            n += len(message.get('body', b''))
            if n>most+self.spare: raise too_much
            if n<=most: parts.append(message.get('body', b''))
            else: parts.clear()
            if not message.get('more_body'): break
        if n>most: raise too_much
        return b''.join(parts)
