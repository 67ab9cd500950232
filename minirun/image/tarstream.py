"""A tar read once, front to back, while another thread decompresses and hashes it.

    blob ──> thread: decompress, sha256 ──> queue of chunks ──> TarStream: headers by tarfile, data by write

zlib and sha256 run without Python's lock, so the thread on the left costs the one on the right little.
Nothing is ever read whole: a header may ask for HEADER_BYTES_MAX at most, what comes out is held
against Limits.

See      tar(5), pax(1); RFC 1952 (gzip), RFC 8878 (zstd)
"""

from __future__ import annotations

import hashlib
import queue
import tarfile
import threading
from typing import TYPE_CHECKING, Any, Protocol

from isal import isal_zlib  # zlib's interface, two to three times as fast

from minirun.errors import MinirunError
from minirun.image import threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import BufferedReader

CHUNK_BYTES = 1 << 20
HEADER_BYTES_MAX = 1 << 20  # of one PAX header or long name: Linux takes paths of 4096 and xattrs of 65536
HEADERS_BYTES_MAX = 8 << 20  # of all headers of one entry: a sparse map in the data counts too
NAME_LENGTH_MAX = 4096  # PATH_MAX
DEPTH_MAX = 256  # what walks the tree afterwards, ours or others', may be recursive
MAGIC_BYTES = 6
_SHOWN_LENGTH = 200
_READ_BYTES = 1 << 18  # packed; unpacks to about one chunk
_QUEUED_CHUNKS = 4


class Readable(Protocol):
    """What a tar is read from: at most `size` bytes, none at the end."""

    def read(self, size: int, /) -> bytes: ...


class Limits:
    """How much one stream may turn into before it is called a bomb."""

    def __init__(self, unpacked_bytes: int, ratio: int, entries: int) -> None:
        self.unpacked_bytes = unpacked_bytes
        self.ratio = ratio  # unpacked to packed bytes, looked at from RATIO_FROM_BYTES on
        self.entries = entries


LIMITS = Limits(unpacked_bytes=64 << 30, ratio=200, entries=2_000_000)
RATIO_FROM_BYTES = 1 << 30  # a gigabyte of zeros is an odd layer, not yet an attack


# ---- decompression ----------------------------------------------------------------------------------------


class CountingFile:
    """A file that knows how many bytes were read from it, and lets its first bytes be looked at."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._head = file.read(MAGIC_BYTES)
        self.magic = self._head
        self.count = 0

    def read(self, size: int = _READ_BYTES) -> bytes:
        block = self._head or self._file.read(size)
        self._head = b""
        self.count += len(block)
        return block


def packing(magic: bytes) -> str:
    """How a file that begins with `magic` is packed, as an OCI media type ends: `+gzip`, `+zstd` or ``."""
    if magic.startswith(b"\x1f\x8b"):
        return "+gzip"
    return "+zstd" if magic.startswith(b"\x28\xb5\x2f\xfd") else ""


def opened(file: BufferedReader) -> Readable:
    """`file` itself, or what is in it: trees, other than layers, come packed with bzip2 and xz as well."""
    magic = file.peek(MAGIC_BYTES)
    if magic.startswith(b"BZh"):
        import bz2

        return bz2.open(file)
    if magic.startswith(b"\xfd7zXZ\0"):
        import lzma

        return lzma.open(file)
    return file


def decompressed(file: CountingFile) -> Iterator[bytes]:
    """The content of `file` in chunks of up to CHUNK_BYTES, whichever way it is packed.

    The first bytes decide, not the media type: docker-archive members and some registries do not say.
    """
    kind = packing(file.magic)
    if kind == "+gzip":
        return _gunzip(file)
    return _unzstd(file) if kind == "+zstd" else iter(file.read, b"")


def _gunzip(file: CountingFile) -> Iterator[bytes]:
    """gzip members, one or several joined; zeros after the last are padding (gzip(1) ignores them too)."""
    unzip: Any = isal_zlib.decompressobj(31)
    block = file.read()
    while block:
        try:
            chunk = unzip.decompress(block, CHUNK_BYTES)
        except isal_zlib.error as error:  # type: ignore[misc]  # the package's types do not say it is one
            raise MinirunError(f"its gzip stream is damaged: {error}") from error
        if chunk:
            yield chunk
        block = unzip.unconsumed_tail or unzip.unused_data or file.read()
        if unzip.eof:
            while block and not (block := block.lstrip(b"\0")):
                block = file.read()
            if not block:
                return
            unzip = isal_zlib.decompressobj(31)
    raise MinirunError("its gzip stream is cut short")


def _unzstd(file: CountingFile) -> Iterator[bytes]:
    """zstd frames, one or several joined."""
    from backports import zstd  # compression.zstd in Python 3.14

    unzip = zstd.ZstdDecompressor()
    block = file.read()
    while block or not unzip.needs_input:
        try:
            chunk = unzip.decompress(block, CHUNK_BYTES)
        except zstd.ZstdError as error:
            raise MinirunError(f"its zstd stream is damaged: {error}") from error
        if chunk:
            yield chunk
        block = b""
        if unzip.eof:
            block = unzip.unused_data or file.read()
            if not block:
                return
            unzip = zstd.ZstdDecompressor()
        elif unzip.needs_input:
            block = file.read()
    raise MinirunError("its zstd stream is cut short")


def _limited(file: CountingFile, limits: Limits) -> Iterator[bytes]:
    total = 0
    for chunk in decompressed(file):
        total += len(chunk)
        if total > limits.unpacked_bytes:
            raise MinirunError(f"it unpacks to more than {limits.unpacked_bytes} bytes")
        if total > RATIO_FROM_BYTES and total > file.count * limits.ratio:
            raise MinirunError(f"it unpacks to more than {limits.ratio} times its size: a bomb")
        yield chunk


class Unpacked:
    """The decompressed chunks of a file, made and hashed in their own thread.  Use it in a with block."""

    def __init__(self, file: Readable, limits: Limits = LIMITS) -> None:
        self._file = CountingFile(file)
        self._limits = limits
        self._queue: queue.Queue[bytes | BaseException] = queue.Queue(_QUEUED_CHUNKS)
        self._abandoned = False
        self._hash = hashlib.sha256()
        self._thread = threading.Thread(target=self._produce, daemon=True)

    def __enter__(self) -> Unpacked:
        threads.start(self._thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._abandoned = True
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.01)  # the producer may be waiting for room
            except queue.Empty:
                pass

    def _produce(self) -> None:
        try:
            for chunk in _limited(self._file, self._limits):
                self._hash.update(chunk)
                self._queue.put(chunk)
                if self._abandoned:
                    return
            self._queue.put(b"")
        except OSError as error:  # told apart here from those of writing
            self._queue.put(MinirunError(f"reading it failed: {error.strerror or error}"))
        except BaseException as error:
            self._queue.put(error)

    def __iter__(self) -> Iterator[bytes]:
        while item := self._queue.get():
            if isinstance(item, BaseException):
                raise item
            yield item

    def digest(self) -> str:
        """`sha256:...` of all that came out; only after the last chunk was taken."""
        self._thread.join()
        return f"sha256:{self._hash.hexdigest()}"


def entry_name(name: str) -> str:
    """`./a//b/` -> `a/b`; the root is "".  As tar(1) and Docker read it: an absolute name begins at the root of
    the archive, and what leads above that stays there.  Raises MinirunError for one longer than any path.
    """
    if len(name) > NAME_LENGTH_MAX:
        raise MinirunError(f"a name of {len(name)} characters, and {NAME_LENGTH_MAX} is the most")
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    if len(parts) > DEPTH_MAX:
        raise MinirunError(f"a name of {len(parts)} directories, and {DEPTH_MAX} is the most")
    return "/".join(parts)


def shown(name: str) -> str:
    """`name` for a message: quoted, escaped, and cut where it is longer than anybody reads."""
    text = repr(name)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}..."


# ---- tar --------------------------------------------------------------------------------------------------


class TarStream:
    """Bytes with a position that only grows: all of a file object that reading a tar needs."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._start = 0  # next byte of _chunk
        self._before = 0  # bytes of the stream before _chunk
        self.header_bytes = 0  # of the present entry

    def tell(self) -> int:
        return self._before + self._start

    def _refill(self) -> bool:
        self._before += len(self._chunk)
        self._start = 0
        self._chunk = next(self._chunks, b"")
        return bool(self._chunk)

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end.  Called for headers, by tarfile."""
        end = self._start + size
        self.header_bytes += size
        if self.header_bytes > HEADERS_BYTES_MAX:
            raise tarfile.ReadError(f"headers of more than {HEADERS_BYTES_MAX} bytes")
        if size >= 0 and end <= len(self._chunk):
            block = self._chunk[self._start : end]
            self._start = end
            return block
        if not 0 <= size <= HEADER_BYTES_MAX:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return b"".join(bytes(part) for part in self.read_parts(size))

    def read_parts(self, size: int) -> Iterator[memoryview]:
        """The next `size` bytes without copying them.  They end early only at the end of the stream."""
        while size > 0 and (self._start < len(self._chunk) or self._refill()):
            part = memoryview(self._chunk)[self._start : self._start + size]
            self._start += len(part)
            size -= len(part)
            yield part

    def skip_to(self, position: int) -> None:
        missing = position - self.tell()
        if missing < 0:
            raise tarfile.ReadError("an entry of negative size")
        for part in self.read_parts(missing):
            missing -= len(part)
        if missing:
            raise tarfile.ReadError("the archive ends inside an entry")

    def drain(self) -> None:
        """Read to the end: the digest covers what follows the last entry too."""
        while self._refill():
            pass


class _Archive(tarfile.TarFile):
    """What TarInfo.fromtarfile asks of its TarFile, and no more.

    TarFile.next() would keep every member, and takes a damaged header in the middle for the end.
    """

    def __init__(self, stream: TarStream) -> None:
        self.fileobj: Any = stream
        self.offset = 0
        self.encoding = "utf-8"
        self.errors = "surrogateescape"  # names are bytes; os.fsencode gives them back as they were
        self.pax_headers = {}


_END = (tarfile.EOFHeaderError, tarfile.EmptyHeaderError)  # type: ignore[attr-defined]

# tarfile trusts what it parses: a cut sparse header is an IndexError
_UNSOUND = (tarfile.TarError, ValueError, OverflowError, RecursionError, LookupError)


def entries(stream: TarStream, limits: Limits = LIMITS) -> Iterator[tarfile.TarInfo]:
    """The entries of a tar, each with its data next in `stream`: take what you want before the next one.

    PAX, GNU long names and sparse maps are applied.  Raises MinirunError, after `entry NAME:` where known.
    """
    archive = _Archive(stream)
    count, name = 0, ""
    try:
        while True:
            stream.skip_to(archive.offset)
            stream.header_bytes = 0
            try:
                info = tarfile.TarInfo.fromtarfile(archive)
            except _END:
                return
            count += 1
            name = info.name
            if count > limits.entries:
                raise MinirunError(f"it has more than {limits.entries} entries")
            if info.size < 0:
                raise MinirunError(f"entry {shown(name)}: its size is negative")
            if archive.pax_headers and _bytes_of(archive.pax_headers) > HEADER_BYTES_MAX:
                raise MinirunError(f"global headers of more than {HEADER_BYTES_MAX} bytes")
            yield info
    except _UNSOUND as error:
        where = f" after entry {shown(name)}" if name else ""
        raise MinirunError(f"not a sound tar archive{where}: {error}") from error


def _bytes_of(headers: Mapping[str, str]) -> int:
    return sum(len(key) + len(value) for key, value in headers.items())
