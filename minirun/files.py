"""Files as minirun writes them: JSON a person can `cat`, written whole, guarded by a lock.

A reader never sees half a file: it is written under a temporary name and renamed (see rename(2), atomic on
one filesystem).  A crash leaves at worst a `.tmp-` file beside it, which nobody reads.  docs/locks.md has the locks.
"""

from __future__ import annotations

import errno
import fcntl
import os

from minirun import jsontext

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

TYPE_CHECKING = False  # as typing.TYPE_CHECKING; importing typing costs 5 ms
if TYPE_CHECKING:
    from typing import Any


def read_json(path: str, most: int = -1) -> Any:
    """The parsed content of `path`.  Raises OSError, or ValueError naming the file when it is not JSON.

    `most`: of a file that somebody else has made, more bytes than these are as wrong.
    """
    text = read_bytes(path, most)
    if 0 <= most < len(text):
        raise ValueError(f"{path}: larger than {most} bytes")
    return parse_json(text, path)


def parse_json(text: bytes, path: str) -> Any:
    """The value of `text`, which `path` holds.  Raises ValueError naming it."""
    try:
        return jsontext.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not valid JSON: {error}") from error


def read_bytes(path: str, most: int = -1) -> bytes:
    """All of a file, in half of the system calls that open() and read() make; `most` bytes of it, and one more."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        parts = [os.read(fd, (size if most < 0 else min(size, most)) + 1)]
        while parts[-1] and (most < 0 or sum(map(len, parts)) <= most):
            parts.append(os.read(fd, 1 << 16))
        return b"".join(parts)
    finally:
        os.close(fd)


def text(path: str) -> str:
    """What a file like those of /proc says, with U+FFFD for what is no UTF-8; "" when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def names_in(directory: str) -> list[str]:
    """What is in a directory, in no order; nothing when there is no directory."""
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


def visible_names(directory: str) -> list[str]:
    """The same without what starts with a dot: a lock, or what is half made or half removed."""
    return [name for name in names_in(directory) if not name.startswith(".")]


def make_private(path: str) -> None:
    """`mkdir -p` in one of our trees: what is missing, above it as well, is its owner's alone."""
    try:
        _ensure_directory(path)
    except FileNotFoundError:
        make_private(os.path.dirname(path) or ".")
        _ensure_directory(path)


def _ensure_directory(path: str) -> None:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass


def is_being_written(name: str) -> bool:
    """Whether `name`, a `.tmp-` file, is what write_whole calls a file meanwhile, and its process lives.

    >>> is_being_written(f".tmp-x.json-{os.getpid()}"), is_being_written(".tmp-x.json-4194305")
    (True, False)
    """
    pid = name.rpartition("-")[2]
    return pid.isdecimal() and os.path.exists(f"/proc/{pid}")


def write_json(path: str, value: object, mode: int = 0o600, *, durable: bool = False) -> None:
    """Write `value` to `path`, indented, in one rename.  `durable`: fsync first, so it survives a power cut."""
    write_whole(path, jsontext.dumps(value, indent=2).encode() + b"\n", mode, durable=durable)


def write_whole(path: str, content: bytes, mode: int = 0o644, *, durable: bool = False) -> None:
    """Replace `path` by `content` in one rename; readers see the old file or the new one.

    It has `mode` whatever our umask, and only when it is whole: until then it is its owner's alone.  On a disk
    without room for a second file JSON that fits is written over the old one: who makes room has things to note, too.
    """
    try:
        _replace(path, content, mode, durable)
    except OSError as error:
        if error.errno not in _NO_ROOM or not path.endswith(".json") or not _overwrite(path, content):
            raise


def _overwrite(path: str, content: bytes) -> bool:
    """Write `content` into the blocks that the file at `path` has, in one write(2); False where it does not fit.

    Blanks at its end keep a file that becomes shorter valid at every moment.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        status = os.fstat(fd)
        fits = len(content) <= status.st_blocks * 512
        return fits and os.pwrite(fd, content.ljust(status.st_size), 0) >= len(content)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        return False  # a file system that never writes in place
    finally:
        os.close(fd)


def _replace(path: str, content: bytes, mode: int, durable: bool) -> None:
    temporary = f"{os.path.dirname(path)}/.tmp-{os.path.basename(path)}-{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as file:
            file.write(content)
            if mode != 0o600:
                os.fchmod(fd, mode)
            if durable:
                file.flush()
                os.fsync(fd)
        os.rename(temporary, path)
    except BaseException as error:
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass
        if isinstance(error, OSError):
            error.filename = path  # write(2) and fsync(2) do not say which
        raise


def remove_tree(path: str) -> None:
    """Remove `path` and all below it, as far as that can be done: rm -rf, without shutil's 3 ms and its compressors.

    By descriptors and never through a symbolic link, for what is in there may be somebody else's.
    """
    try:
        for _, directories, names, fd in os.fwalk(path, topdown=False):
            for name in (*directories, *names):  # links to directories are among the first
                _try_remove(name, fd)
    except OSError:
        pass  # nothing there
    _try_remove(path, None)


def _try_remove(path: str, dir_fd: int | None) -> None:
    for remove in (os.unlink, os.rmdir):
        try:
            return remove(path, dir_fd=dir_fd)
        except OSError:
            pass


class locked:
    """Hold flock(2) on `path` (made if missing, with its directory) for the length of a with block.

    The kernel drops the lock when the process dies, so there are no stale locks to clear.
    """

    def __init__(self, path: str, *, shared: bool = False) -> None:
        self.path = path
        self.operation = fcntl.LOCK_SH if shared else fcntl.LOCK_EX

    def __enter__(self) -> int:
        self.fd = open_lock(self.path)
        try:
            fcntl.flock(self.fd, self.operation)
        except BaseException:
            os.close(self.fd)
            raise
        return self.fd

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)


def open_lock(path: str) -> int:
    """A descriptor of the lock file `path`, not locked yet."""
    make_private(os.path.dirname(path))
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # enough for flock(2), and for those who only read


def is_locked(path: str, *, shared: bool = False) -> bool:
    """Whether some process holds the exclusive lock on `path`, or `shared`: any lock.  A missing file is not locked."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, (fcntl.LOCK_EX if shared else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
