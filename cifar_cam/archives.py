"Archives of pictures, unpacked without trust: regular files, by paths that are checked, measured before they are written"
import bz2, gzip, lzma, os, re, shutil, stat, tarfile, zipfile
from pathlib import Path

__all__ = ['unpack']

GB = 2**30
limit,ratio = GB,20   # an archive may hold this many bytes, or as many times its own size
most,longest,block = 2_000_000,1024,2**20   # members; characters of a path; bytes that are copied at a time
_others = {b"7z\xbc\xaf'\x1c": '.7z', b'Rar!': '.rar', b'\x28\xb5\x2f\xfd': '.zst'}   # by how they begin
_openers = [(b'\x1f\x8b', gzip.open), (b'BZh', bz2.open), (b'\xfd7zXZ', lzma.open)]

class Refused(ValueError):
    "What an archive of pictures has no use for"

class _Measured:
    "A file open for reading that goes no further than `end`, and gives little at once: in a .tar, a name may claim to have 3 GB"
    def __init__(self, f, end): self.f,self.end,self.tell,self.seekable = f,end,f.tell,f.seekable
    def check(self, pos):
        if pos>self.end: raise Refused(f'it holds more than {self.end/GB:.1f} GB, many times its own size')
    def seek(self, pos, whence=0):
        self.check(pos)
        return self.f.seek(pos, whence)
    def read(self, n):
        if not 0<=n<=2**24: raise Refused(f'the header of a file in it claims to have {n:,} bytes')
        res = self.f.read(n)
        self.check(self.f.tell())
        return res

def _end(arch): return max(limit, ratio*arch.stat().st_size)

def _parts(name):
    "The parts of a member's path, checked; none for what is left out, as files and folders whose names begin with a dot"
    parts = [o for o in name.split('/') if o not in ('','.')]
    drive = r'^\w:' if os.name=='nt' else r'^\w:[/\\]'
    out = '..' in re.split(r'[/\\]', name) or re.search(rf'\0|^[/\\]|{drive}', name)
    if out: raise Refused(f'{name!r} leads out of its folder')
    if '\\' in name: raise Refused(f'{name!r} has a backslash, as if between folders: pack it again, with / between them')
    long = len(name)>longest or any(len(os.fsencode(o))>255 for o in parts)
    if long: raise Refused(f'the path {name[:40]!r}… is too long')
    return [] if any(o[0]=='.' for o in parts) else parts

def _begins(arch, magic):
    with open(arch, 'rb') as f: return f.read(len(magic))==magic

def _opener(arch): return next((o for magic,o in _openers if _begins(arch, magic)), open)

def _is_none(arch):
    "Does `arch` begin as no archive does, neither a .zip nor, unpacked, a .tar? Of what is empty or cut short, that is not known"
    try:
        with _opener(arch)(arch, 'rb') as f: head = f.read(512)
        if head and not _begins(arch, b'PK'): tarfile.TarInfo.frombuf(head, 'utf-8', 'surrogateescape')
    except tarfile.EOFHeaderError: pass
    except tarfile.HeaderError: return b'ustar' not in head
    except Exception: pass   # decoders have many
    return False

def _not_a_file(name):
    return Refused(f'{name!r} is no regular file or folder, but a link or a device: pack the pictures themselves')

def _tar(arch):
    "Path, size and a function that opens it, of each file in a .tar, which is then read to its end: its checksum stands there"
    with _opener(arch)(arch, 'rb') as raw:
        f = _Measured(raw, _end(arch))
        with tarfile.open(fileobj=f, mode='r:') as t:
            for m in t:
                t.members.clear()   # it would keep them all
                if m.size<0: raise Refused(f'the size of {m.name!r} is below zero')
                if m.isdir(): yield _parts(m.name),0,None; continue
                if m.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or m.issparse(): raise _not_a_file(m.name)
                yield _parts(m.name),m.size,lambda: t.extractfile(m)
            f.seek(t.offset)
            if f.read(512)!=bytes(512): raise EOFError('its end is missing')
            while f.read(block): pass

def _zip_name(m):
    "The name of a member of a .zip: Python takes all that is not said to be UTF-8 for the code page 437, and Unix writes UTF-8"
    try: return m.filename if m.flag_bits & 0x800 else m.filename.encode('cp437').decode()
    except UnicodeError: return m.filename

def _zip(arch):
    "Path, size and a function that opens it, of each file in a .zip; folders have no such function"
    with zipfile.ZipFile(arch) as z:
        for m in z.infolist():
            name = _zip_name(m)
            if m.is_dir(): yield _parts(name),0,None; continue
            if m.flag_bits & 1: raise Refused(f'{name!r} is encrypted: unpack it yourself, and give the folder')
            if stat.S_IFMT(m.external_attr>>16) not in (0, stat.S_IFREG): raise _not_a_file(name)
            yield _parts(name),m.file_size,lambda: z.open(m)

def _measure(arch, members, dest):
    "Refuse an archive of more bytes or files than it should have, or than there is room for"
    total = n = 0
    for parts,size,_ in members:
        total,n = total+size,n+1
        if total>_end(arch): raise Refused(f'it holds more than {_end(arch)/GB:.1f} GB, many times its own size')
        if n>most: raise Refused(f'it holds more than {most:,} files')
    free = shutil.disk_usage(dest).free
    if total+4096*n>free: raise Refused(f'its {n:,} files need {total/GB:.1f} GB, and {dest} has {free/GB:.1f} GB left')

def _write(parts, size, source, dest):
    "Write one file of an archive, or make one folder, in the folder `dest`"
    fn = Path(dest, *parts)
    try:
        (fn.parent if source else fn).mkdir(parents=True, exist_ok=True)
        if not source: return
        with source() as f, open(fn, 'xb') as out: shutil.copyfileobj(f, out, block)
    except (FileExistsError, NotADirectoryError) as e: raise Refused(f'{"/".join(parts)!r} is in it twice') from e
    if fn.stat().st_size!=size: raise EOFError(f'{"/".join(parts)!r} is cut short')

def unpack(
    arch, # Path of a .zip, or of a .tar, as it is or compressed by gzip, bzip2 or xz
    dest # A folder that is there and empty
):
    "Unpack the regular files in `arch` into the folder `dest`; `ValueError` if it is not complete, or not to be trusted"
    arch = Path(arch)
    other = next((kind for magic,kind in _others.items() if _begins(arch, magic)), '')
    msg = f'{arch} is packed as {other}, which is not read here: unpack it yourself and give the folder, or pack it as .zip'
    if other: raise ValueError(msg)
    try:
        members = _zip if _begins(arch, b'PK') else _tar
        _measure(arch, members(arch), dest)
        for parts,size,source in members(arch):
            if parts: _write(parts, size, source, dest)
    except Refused as e:
        msg = f"can't unpack {arch}: {e}; if you trust it, unpack it yourself and give the folder"
        raise ValueError(msg) from e
    except Exception as e:   # decoders have many
        if isinstance(e, OSError) and e.errno: raise
        none = f'{arch} is no archive, table or folder that is read here: look what it is, and give a folder, a CSV, a .tgz or a .zip'
        if _is_none(arch): raise ValueError(none) from e
        msg = f'{arch} is not a complete archive ({e}): fetch it again, or give a .tgz or .zip'
        raise ValueError(msg) from e
