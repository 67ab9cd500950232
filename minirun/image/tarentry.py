"""What is written for one entry of a tar: its bytes, its holes, its owner, times and extended attributes.

For layers (unpacking.py) and for `cp` (engine/files/extraction.py) alike; where it goes is their business.

See      pax(1), tar(5); xattr(7); chown(2)
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from typing import TYPE_CHECKING, cast

from minirun.errors import MinirunError

if TYPE_CHECKING:
    from minirun.image import tarstream
    from minirun.image.tarstream import Limits

# overlayfs would obey them: never from a tar
OVERLAY_XATTRS = ("trusted.overlay.", "user.overlay.")
PAX_XATTR = "SCHILY.xattr."
HOLE_BYTES = 1 << 16  # of zeros that are worth a hole
_OWNER_MAX = 2**32 - 2  # 2**32 - 1 is chown(2)'s "leave it"


def write(fd: int, info: tarfile.TarInfo, stream: tarstream.TarStream) -> None:
    missing = info.size
    for part in stream.read_parts(info.size):
        missing -= len(part)
        if _is_empty(part):
            os.lseek(fd, len(part), os.SEEK_CUR)  # a hole stays one
        else:
            _write_all(fd, part)
    if missing:
        raise MinirunError("the archive ends inside it")
    os.ftruncate(fd, info.size)


def _is_empty(part: memoryview) -> bool:
    """Whether it is large and nothing but zeros."""
    return len(part) >= HOLE_BYTES and part[0] == part[-1] == 0 and bytes(part) == bytes(len(part))


def _write_all(fd: int, data: memoryview) -> None:
    while written := os.write(fd, data):
        if written == len(data):
            return
        data = data[written:]


def write_sparse(fd: int, info: tarfile.TarInfo, stream: tarstream.TarStream, limits: Limits) -> None:
    """Only the parts with data; the rest stays holes."""
    if info.size > limits.unpacked_bytes:
        raise MinirunError("a sparse file beyond the size limit")
    os.ftruncate(fd, info.size)
    for offset, size in cast("list[tuple[int, int]]", info.sparse):  # typeshed says bytes
        if offset + size > info.size:
            raise MinirunError("a sparse file with data beyond its end")
        os.lseek(fd, offset, os.SEEK_SET)
        for part in stream.read_parts(size):
            _write_all(fd, part)


def make_node(parent: int, base: str, info: tarfile.TarInfo) -> None:
    """A device or a fifo.  0:0 is refused: overlayfs would take it for a whiteout."""
    kind = {tarfile.CHRTYPE: stat.S_IFCHR, tarfile.BLKTYPE: stat.S_IFBLK}.get(info.type, stat.S_IFIFO)
    device = 0 if kind == stat.S_IFIFO else os.makedev(info.devmajor, info.devminor)
    if kind == stat.S_IFCHR and device == 0:
        raise MinirunError("a character device 0:0")
    os.mknod(base, kind | 0o600, device, dir_fd=parent)


def owner(info: tarfile.TarInfo) -> tuple[int, int]:
    if not (0 <= info.uid <= _OWNER_MAX and 0 <= info.gid <= _OWNER_MAX):
        raise MinirunError(f"an owner {info.uid}:{info.gid} that cannot be")
    return info.uid, info.gid


def mtime_ns(info: tarfile.TarInfo) -> int:
    """PAX times are decimal fractions; a float would lose their last three digits."""
    text = info.pax_headers.get("mtime") if info.pax_headers else None
    if text is None:
        return int(info.mtime) * 10**9
    seconds, _, fraction = text.partition(".")
    nanoseconds = int((fraction or "0").ljust(9, "0")[:9])
    return int(seconds) * 10**9 + (-nanoseconds if text.startswith("-") else nanoseconds)


def xattrs(info: tarfile.TarInfo) -> list[tuple[str, bytes]]:
    if not info.pax_headers:
        return []
    return [
        (name, value.encode("utf-8", "surrogateescape"))
        for key, value in info.pax_headers.items()
        if key.startswith(PAX_XATTR)
        and not (name := key.removeprefix(PAX_XATTR)).startswith(OVERLAY_XATTRS)
        and name != "security.selinux"  # a label of another machine's policy
    ]


def set_xattr(target: int | str, name: str, value: bytes) -> None:
    try:
        os.setxattr(target, name, value, follow_symlinks=isinstance(target, int))
    except OSError as error:
        reason = "its name is too long" if error.errno == errno.ERANGE else error.strerror
        raise MinirunError(f"extended attribute {name}: {reason}") from None
