"""From a directory to a tar, as a stream: the way back from unpacking.py.

    of_tree(fd)      a tree as it is, for `export`
    of_changes(fd)   an overlay's upper directory as an image layer, for `commit`:

        character device 0:0            an empty file .wh.NAME        NAME is gone
        trusted.overlay.opaque=y        an empty file .wh..wh..opq    what lower layers have in here is gone

The same tree gives the same bytes: entries sorted, parents first, no names of owners, no access times, PAX
headers where the old ones do not suffice (long names, nanoseconds, attributes, bytes that are not UTF-8).

The tree may belong to a container that runs meanwhile and may put a link where a directory was: each directory
is opened beneath the root without following any, and everything else is one name inside an open directory.

See      pax(1), tar(5); image-spec layer.md; kernel Documentation/filesystems/overlayfs.rst "whiteouts"
By hand  tar --sort=name --xattrs --numeric-owner --format=pax -cf - -C DIR .
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from typing import TYPE_CHECKING

from minirun.errors import MinirunError, UnsupportedError
from minirun.image.tarentry import OVERLAY_XATTRS, PAX_XATTR
from minirun.image.tarstream import shown
from minirun.image.unpacking import OPAQUE, WHITEOUT
from minirun.linux import syscalls
from minirun.linux.constants import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BLOCK = 512
_READ_BYTES = 1 << 20
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPAQUE_XATTR = "trusted.overlay.opaque"
# overlayfs with features that minirun does not switch on; only the merged tree shows what they mean
_BEYOND_US = ("trusted.overlay.redirect", "trusted.overlay.metacopy")
_TYPES = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}  # a socket is nothing without its listener, and tar has no word for it


# ---- blocks -----------------------------------------------------------------------------------------------


def header(info: tarfile.TarInfo) -> bytes:
    """The blocks before an entry's data."""
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def padding(size: int) -> bytes:
    """What fills the last block of `size` bytes of data."""
    return bytes(-size % BLOCK)


def file(name: str, size: int) -> bytes:
    """The blocks before a plain file of root's, from 1970."""
    info = tarfile.TarInfo(name)
    info.size = size
    return header(info)


def directory(name: str) -> bytes:
    """The block of a directory of root's."""
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    return header(info)


def end() -> bytes:
    return bytes(2 * BLOCK)


def joined(chunks: Iterable[bytes], size: int = _READ_BYTES) -> Iterator[bytes]:
    """The same bytes in chunks of about `size`: headers are small, and each chunk costs those who take it."""
    gathered: list[bytes] = []
    count = 0
    for chunk in chunks:
        gathered.append(chunk)
        count += len(chunk)
        if count >= size:
            yield b"".join(gathered)
            gathered, count = [], 0
    if gathered:
        yield b"".join(gathered)


# ---- a tree -----------------------------------------------------------------------------------------------


def of_tree(root: int, *, with_root: bool = True) -> Iterator[bytes]:
    """The whole tree below the directory descriptor `root`, itself included, as `./`, where that is wanted."""
    return joined(_Writer(root, overlay=False, with_root=with_root).chunks())


def of_changes(root: int, leave_out: Callable[[str], bool]) -> Iterator[bytes]:
    """The layer that the upper directory `root` amounts to, without an entry for the root itself.

    `leave_out(name)` is asked about every entry, and for a directory stands for all in it.
    """
    return joined(_Writer(root, overlay=True, leave_out=leave_out, with_root=False).chunks())


def of_path(directory: int, base: str, name: str, closed: frozenset[int] = frozenset()) -> Iterator[bytes]:
    """What is called `base` in the open `directory`, as `name`: a file, or a directory with all that is in it.

    `closed`: devices whose directories are listed and not entered (/proc and its like).
    """
    status = os.lstat(base, dir_fd=directory)
    if stat.S_ISDIR(status.st_mode):
        root = syscalls.openat2(directory, base, _OPEN_DIRECTORY | os.O_NOFOLLOW)
        try:
            yield from joined(_Writer(root, overlay=False, prefix=f"{name}/", closed=closed).chunks())
        finally:
            os.close(root)
    else:
        if stat.S_ISSOCK(status.st_mode):
            raise MinirunError(f"{shown(name)}: a socket cannot be copied")
        yield from joined(_Writer(directory, overlay=False, closed=closed).lone(base, name, status))


class _Writer:
    """One tree on its way into a tar; remembers which hard links it has met."""

    def __init__(
        self,
        root: int,
        *,
        overlay: bool,
        leave_out: Callable[[str], bool] = lambda name: False,
        with_root: bool = True,
        prefix: str = "",
        closed: frozenset[int] = frozenset(),
    ) -> None:
        self._root = root
        self._prefix = prefix  # of all names
        self._closed = closed
        self._overlay = overlay
        self._leave_out = leave_out
        self._with_root = with_root
        self._first_names: dict[tuple[int, int], str] = {}  # (device, inode) -> the name that has the content

    def chunks(self) -> Iterator[bytes]:
        if self._with_root:
            yield header(
                _described(
                    self._prefix or "./", os.fstat(self._root), _xattrs(f"/proc/self/fd/{self._root}/.")
                )
            )
        waiting = [] if os.fstat(self._root).st_dev in self._closed else [""]
        while waiting:
            path = waiting.pop()
            try:
                directory = open_beneath(self._root, path)
            except OSError as error:
                if error.errno in _GONE:
                    continue
                raise
            try:
                below: list[str] = []
                yield from self._directory(directory, path, below)
            finally:
                os.close(directory)
            waiting += reversed(below)
        yield end()

    def lone(self, base: str, name: str, status: os.stat_result) -> Iterator[bytes]:
        """A tar of one entry: `base` in the root, as `name`."""
        yield from self._entry(self._root, name, base, status)
        yield end()

    def _directory(self, directory: int, path: str, below: list[str]) -> Iterator[bytes]:
        """The entries of one directory; those that are directories are added to `below`, for later."""
        if self._overlay and _is_opaque(directory):
            yield file(f"{path}/{OPAQUE}" if path else OPAQUE, 0)
        for base in sorted(os.listdir(directory), key=os.fsencode):
            name = f"{path}/{base}" if path else base
            if self._leave_out(name):
                continue
            if self._overlay and base.startswith(WHITEOUT):
                raise MinirunError(f"{shown(name)}: no layer can hold a name that begins with {WHITEOUT}")
            try:
                status = os.lstat(base, dir_fd=directory)
                yield from self._entry(directory, name, base, status)
            except UnsupportedError as error:
                raise UnsupportedError(f"{shown(name)}: {error.message}") from error
            except OSError as error:
                if error.errno not in _GONE:
                    raise MinirunError(f"{shown(name)}: {error.strerror}") from error
                continue
            if stat.S_ISDIR(status.st_mode) and status.st_dev not in self._closed:
                below.append(name)

    def _entry(self, directory: int, name: str, base: str, status: os.stat_result) -> Iterator[bytes]:
        if self._overlay and stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            # undated: overlayfs shares one device among many whiteouts, and no image shows when a file went
            yield file(f"{name.removesuffix(base)}{WHITEOUT}{base}", 0)
            return
        if stat.S_ISSOCK(status.st_mode):
            return
        name = self._prefix + name
        first = self._first_name(name, status)
        if first != name:
            info = _described(name, status, {})
            info.type, info.linkname, info.size = tarfile.LNKTYPE, first, 0
            yield header(info)
        elif stat.S_ISREG(status.st_mode):
            yield from _content(directory, name, base, status.st_dev in self._closed)
        else:
            info = _described(name, status, _xattrs(f"/proc/self/fd/{directory}/{base}"))
            if stat.S_ISLNK(status.st_mode):
                info.linkname = os.readlink(base, dir_fd=directory)
            yield header(info)

    def _first_name(self, name: str, status: os.stat_result) -> str:
        """The name under which this file is in the tar: `name`, or an earlier one that is a hard link to it."""
        if stat.S_ISDIR(status.st_mode) or status.st_nlink < 2:
            return name
        return self._first_names.setdefault((status.st_dev, status.st_ino), name)


_MADE_UP_MAX = 64 << 20  # bytes of a file that is held in memory, as many as a container's /dev takes
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)  # removed or replaced on our way to it


def open_beneath(root: int, path: str) -> int:
    resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
    return syscalls.openat2(root, path or ".", _OPEN_DIRECTORY, resolve=resolve)


def _content(directory: int, name: str, base: str, made_up: bool) -> Iterator[bytes]:
    """A regular file: its header and as many bytes as that says, whatever becomes of the file meanwhile.

    `made_up`: one of the kernel's, whose size is known only when it was read.
    """
    fd = _open_regular(directory, base)
    try:
        status = os.fstat(fd)
        info = _described(name, status, _xattrs(f"/proc/self/fd/{directory}/{base}"))
        if made_up:
            text = _made_up_text(fd, name)
            info.size = len(text)
            yield header(info) + text + padding(info.size)
            return
        yield header(info)
        missing = info.size
        while missing and (block := os.read(fd, min(missing, _READ_BYTES))):
            yield block
            missing -= len(block)
        yield from _zeros(missing)  # it shrank: tar(1) does the same
        yield padding(info.size)
    finally:
        os.close(fd)


def _made_up_text(fd: int, name: str) -> bytes:
    """All of it, for a tar wants the size first.  /proc/PID/pagemap has 256 GiB."""
    text = bytearray()
    while block := os.read(fd, _READ_BYTES):
        text += block
        if len(text) > _MADE_UP_MAX:
            raise UnsupportedError(f"{shown(name)}: a file of the kernel's of more than {_MADE_UP_MAX} bytes")
    return bytes(text)


def _open_regular(directory: int, base: str) -> int:
    """Looked at before it is opened: a container may put a device in its place, and opening one can do things."""
    place = os.open(base, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
        return os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.close(place)


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        yield bytes(min(count, _READ_BYTES))
        count -= _READ_BYTES


# ---- an entry ---------------------------------------------------------------------------------------------


def _described(name: str, status: os.stat_result, xattrs: dict[str, bytes]) -> tarfile.TarInfo:
    kind = stat.S_IFMT(status.st_mode)
    info = tarfile.TarInfo(name)
    info.type = _TYPES[kind]
    info.mode = stat.S_IMODE(status.st_mode)
    info.uid, info.gid = status.st_uid, status.st_gid
    info.size = status.st_size if kind == stat.S_IFREG else 0
    info.mtime, nanoseconds = divmod(status.st_mtime_ns, 10**9)
    pax = {"mtime": _decimal(status.st_mtime_ns)} if nanoseconds else {}
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    pax.update({PAX_XATTR + key: value.decode("utf-8", "surrogateescape") for key, value in xattrs.items()})
    info.pax_headers = pax
    return info


def _decimal(nanoseconds: int) -> str:
    """Seconds as a PAX header has them, exactly: a float would lose the last digits."""
    seconds, rest = divmod(abs(nanoseconds), 10**9)
    return f"{'-' if nanoseconds < 0 else ''}{seconds}.{rest:09d}".rstrip("0")


def _xattrs(path: str) -> dict[str, bytes]:
    """The attributes of `path`, not of what it may link to; without overlayfs's books and other machines' labels."""
    found: dict[str, bytes] = {}
    for name in sorted(os.listxattr(path, follow_symlinks=False)):
        if name in _BEYOND_US:
            raise UnsupportedError(f"{name}: the overlay was made with features that minirun does not use")
        # pax(1) ends a key at the first "=", so such a name cannot be said in a tar
        if not name.startswith(OVERLAY_XATTRS) and name != "security.selinux" and "=" not in name:
            found[name] = os.getxattr(path, name, follow_symlinks=False)
    return found


def _is_opaque(directory: int) -> bool:
    try:
        return os.getxattr(directory, _OPAQUE_XATTR) == b"y"
    except OSError:
        return False
