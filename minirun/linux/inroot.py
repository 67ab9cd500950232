"""Paths inside a root filesystem that somebody else wrote.

The image decides what `/etc` is: a directory, or a symbolic link to `../../../etc` of the host.  Joining strings
follows such a link out of the container; openat2(2) with RESOLVE_IN_ROOT resolves every step, `..` and absolute
links too, as if the directory were `/`, with nobody able to swap a link in between.

See  openat2(2); CVE-2021-30465 (runc mounted through a swapped link), CVE-2018-15664 (docker cp followed one)
"""

from __future__ import annotations

import errno
import os
import stat

from minirun.errors import MinirunError
from minirun.linux import syscalls, trace
from minirun.linux.constants import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV

LINKS_MAX = 40  # that one path may lead through: path_resolution(7)
LARGEST_TEXT = 1 << 20  # bytes; /etc/passwd with ten thousand users is smaller


def open_in_root(root_fd: int, path: str, flags: int = os.O_PATH, mode: int = 0, *, resolve: int = 0) -> int:
    """Open `path` as a process chrooted to the directory `root_fd` would see it.  Returns a descriptor.

    Raises SyscallError; /proc's magic links (ELOOP) are refused, since they ignore any root.  `resolve` are more of
    openat2(2)'s flags.
    """
    resolve |= RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
    for _ in range(64):
        try:
            return syscalls.openat2(root_fd, path or "/", flags, mode, resolve)
        except OSError as error:
            if error.errno != errno.EAGAIN:  # something above was renamed while `..` was resolved
                raise
    raise syscalls.SyscallError(errno.EAGAIN, "openat2", path)


class opened:
    """`open_in_root` for the length of a with block."""

    def __init__(self, root_fd: int, path: str, flags: int = os.O_PATH) -> None:
        self.arguments = (root_fd, path, flags)

    def __enter__(self) -> int:
        self.fd = open_in_root(*self.arguments)
        return self.fd

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)


def mode_of(root_fd: int, path: str) -> int:
    """st_mode of what `path` leads to inside the root; 0 when there is nothing."""
    try:
        with opened(root_fd, path) as fd:
            return os.fstat(fd).st_mode
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise
        return 0


def place_of(root_fd: int, path: str) -> str:
    """Where `path` is inside the root, with no link in it: absolute, and whether or not there is anything.

    openat2(2) follows a link to nothing no further than to its directory; here the names that are missing stay as
    they are.  What is true now need not be so later: open what this returns with open_in_root as well.
    Raises SyscallError (ELOOP).
    """
    found: list[str] = []
    left = path.split("/")[::-1]
    links = 0
    while left:
        name = left.pop()
        if name == "..":
            del found[-1:]
        elif name not in ("", "."):
            target = _link(root_fd, "/" + "/".join(found), name)
            links += target != ""
            if links > LINKS_MAX:
                raise syscalls.SyscallError(errno.ELOOP, "openat2", path)
            if not target:
                found.append(name)
            elif target.startswith("/"):
                found.clear()
            left += target.split("/")[::-1]
    return "/" + "/".join(found)


def _link(root_fd: int, directory: str, name: str) -> str:
    """What the symbolic link `name` says; "" when it is none, or is not there."""
    try:
        with opened(root_fd, directory) as fd:
            return os.readlink(name, dir_fd=fd)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EINVAL):
            raise
        return ""


def make_directory(root_fd: int, path: str, mode: int = 0o755) -> None:
    """`mkdir -p path` inside the root; a link to nothing is a name for the directory that it leads to."""
    try:
        os.close(open_in_root(root_fd, path, os.O_PATH | os.O_DIRECTORY))
        return
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
    parent = ""
    for name in place_of(root_fd, path).split("/")[
        1:
    ]:  # a loop: an image's link may be of two thousand names
        place = f"{parent}/{name}"
        if not mode_of(root_fd, place):
            with opened(root_fd, parent or "/") as parent_fd, syscalls.tolerating(errno.EEXIST):
                why = "a mount point the image does not have"
                syscalls.mkdir(name, mode, dir_fd=parent_fd, shown=place, why=why)
        parent = place


def make_file(root_fd: int, path: str, mode: int = 0o644) -> None:
    """Make an empty file, and the directories above it, unless it is there; links as in make_directory."""
    if not mode_of(root_fd, path):
        path = place_of(root_fd, path)
    make_directory(root_fd, os.path.dirname(path.rstrip("/")) or "/")
    if trace.on and not mode_of(root_fd, path):
        trace.announce("creat", [path, ""], "a file to mount on, which the image does not have")
    os.close(open_in_root(root_fd, path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY, mode))


def read_in_root(rootfs: str, path: str, *, across_mounts: bool = False) -> str:
    """The text of a small file inside `rootfs`; "" when it is missing or not a regular file.

    It is looked at before it is opened for reading: an image may have a device or a fifo there, or a link to one of
    /proc's, which are regular files and may keep a reader waiting.  So it has to be on the file system of `rootfs`
    itself; `across_mounts` allows others.  Raises MinirunError when it holds more than LARGEST_TEXT.
    """
    root_fd = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = open_in_root(root_fd, path, resolve=0 if across_mounts else RESOLVE_NO_XDEV)
        try:
            content = _read_regular(fd)
        finally:
            os.close(fd)
    except OSError:
        return ""
    finally:
        os.close(root_fd)
    if len(content) > LARGEST_TEXT:
        raise MinirunError(
            f"{path} of the container is too large: minirun reads no more than {LARGEST_TEXT >> 20} MiB of it"
        )
    return content.decode(errors="replace")


def read_as_mounted(root_fd: int, path: str) -> str:
    """The same of the descriptor of a root, whatever is mounted there, for a process whose /proc is not its own.

    A file of /proc says that it is empty, and is not read.  Something else may lie there when it is opened; so whoever
    calls this has a deadline.  What is larger than LARGEST_TEXT is nobody's passwd.
    """
    try:
        with opened(root_fd, path) as fd:
            status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or not 0 < status.st_size <= LARGEST_TEXT:
            return ""
        with opened(root_fd, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY) as reader:
            if not os.path.samestat(os.fstat(reader), status):
                return ""
            return os.read(reader, LARGEST_TEXT).decode(errors="replace")
    except OSError:
        return ""


def _read_regular(fd: int) -> bytes:
    """What the file holds that `fd` (O_PATH) is, or the first byte more than LARGEST_TEXT; b"" if it is no file."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        return b""
    reader = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        content = b""
        while len(content) <= LARGEST_TEXT and (part := os.read(reader, 1 << 16)):
            content += part
        return content
    finally:
        os.close(reader)
