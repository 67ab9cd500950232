"""A blob on its way into the store: a download appends to it while an unpacking reads what is there.

    images/incoming/<hex>      grows, flock(2)ed by who fetches it; what a kill -9 leaves, the next pull completes
    images/blobs/sha256/<hex>  one rename, after the last byte, when size and digest are right

The file between the two is their buffer, as long as it need be, and costs no memory.  The reader sees the end
of the file only when the digest was found right: who has read it all has read what was meant.

See      distribution-spec "Pulling blobs"; RFC 9110 section 14 (Range)
"""

from __future__ import annotations

import contextlib
import os
import threading
from hashlib import sha256
from typing import TYPE_CHECKING

from minirun.errors import MinirunError

if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.image.mediatypes import Json

_READ_BYTES = 1 << 20
_LOOK_SECONDS = 0.1  # how soon a waiting reader notices that it was cancelled


class Cancelled(MinirunError):
    """Another layer failed, or the person pressed Ctrl-C: not the error to tell of."""


class Incoming:
    """The growing file.  `recover`, `append`, `finish`, `fail` are the download's; `read`, `wait` the reader's."""

    def __init__(self, fd: int, path: str, descriptor: Json, cancelled: Callable[[], bool]) -> None:
        """`fd` is the locked file at `path`; who made it closes it."""
        self.path = path
        self.digest: str = descriptor["digest"]
        self.size: int = descriptor["size"]
        self.written = 0
        self._cancelled = cancelled
        self._position = 0  # of the reader
        self._hash = sha256()
        self._over = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._fd = fd

    # -- the download --

    def recover(self) -> int:
        """Take over what an earlier pull left; returns how many bytes that is."""
        if os.fstat(self._fd).st_size > self.size:
            os.ftruncate(self._fd, 0)
        while block := os.pread(self._fd, _READ_BYTES, self.written):
            self._hash.update(block)
            self._grow(len(block))
        return self.written

    def append(self, chunk: bytes) -> None:
        """Raises Cancelled, or MinirunError when more comes than was announced."""
        if self.written + len(chunk) > self.size:
            raise wrong_size(self.digest, self.size, self.size + 1)
        if self._cancelled():
            raise Cancelled("the download was cancelled")
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.pwrite(self._fd, rest, self.written + len(chunk) - len(rest)) :]
        self._hash.update(chunk)
        self._grow(len(chunk))

    def _grow(self, count: int) -> None:
        with self._changed:
            self.written += count
            self._changed.notify_all()

    def finish(self, final: str) -> None:
        """The last byte was appended: rename it to `final`, if it is what was wanted."""
        check(self.digest, self.size, f"sha256:{self._hash.hexdigest()}", self.written)
        os.rename(self.path, final)
        self._end(None)

    def fail(self, error: BaseException) -> None:
        """Nothing more will come.  What did is kept for another time only if nothing is wrong with it."""
        if not isinstance(error, Cancelled):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
        if isinstance(error, OSError):  # it comes from a descriptor, and does not say which
            error = MinirunError(f"{self.path}: {error.strerror}")
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        with self._changed:
            self._error, self._over = error, True
            self._changed.notify_all()

    # -- the reader --

    def read(self, size: int, /) -> bytes:
        """What is there, `size` bytes at most; waits for the first.  Raises what made the download fail."""
        self._wait(lambda: self.written > self._position)
        block = os.pread(self._fd, min(size, self.written - self._position), self._position)
        self._position += len(block)
        return block

    def wait(self) -> None:
        """Return when the blob is here.  Raises what made the download fail."""
        self._wait(lambda: False)

    def _wait(self, enough: Callable[[], bool]) -> None:
        with self._changed:
            while not (enough() or self._over):
                if self._cancelled():
                    raise Cancelled("the download was cancelled")
                self._changed.wait(_LOOK_SECONDS)
            if self._error is not None:
                raise self._error

    @property
    def position(self) -> int:
        """How far the reader is."""
        return self._position


def check(digest: str, size: int, found_digest: str, found_size: int) -> None:
    """Raises MinirunError unless a blob is what it was said to be; "" and -1 mean nothing was said."""
    if size >= 0 and found_size != size:
        raise wrong_size(digest, size, found_size)
    if digest and found_digest != digest:
        raise MinirunError(f"blob {digest} has the wrong content: its digest is {found_digest}")


def wrong_size(digest: str, size: int, found: int) -> MinirunError:
    relation = "more" if found > size else "fewer"
    return MinirunError(f"blob {digest} has the wrong size: {relation} than {size} bytes")
