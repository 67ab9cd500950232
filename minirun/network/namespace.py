"""A network namespace that exists before any process of the container does, held by a bind mount.

The kernel keeps a namespace as long as something refers to it: a process inside, an open descriptor, or a
mount of its /proc/PID/ns file.  The mount is made in the mount namespace of whoever calls `pin`.  That is the
shim, which has one of its own: when it dies, by kill -9 too, the kernel drops the mount, with it the namespace, and
with that the veth pair.  Nobody has to clean up.

See      network_namespaces(7), ip-netns(8)
By hand  touch FILE; unshare --net=FILE true
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os

from minirun import files
from minirun.errors import MinirunError
from minirun.linux import syscalls
from minirun.linux.constants import CLONE_NEWNET, MNT_DETACH, MS_BIND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_OWN = "/proc/thread-self/ns/net"
_lost = False  # whether this process is where it did not want to stay
_NS_GET_NSTYPE = 0xB703  # ioctl_nsfs(2): which kind of namespace a descriptor is of


def pin(netns_path: str) -> None:
    """Make a new network namespace and mount it on the file `netns_path`.  The caller's own stays as it was.

    A namespace that is pinned there already is kept.
    """
    if is_pinned(netns_path):
        return
    files.make_private(os.path.dirname(netns_path))
    os.close(os.open(netns_path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with _returning():
        syscalls.unshare(
            CLONE_NEWNET, why="an empty network: no route, no neighbour, only a loopback that is down"
        )
        syscalls.mount(_OWN, netns_path, None, MS_BIND, why="keeps the namespace alive with no process in it")


def create() -> int:
    """A descriptor of a new network namespace: it lives as long as somebody has that open, or is in there."""
    with _returning():
        syscalls.unshare(CLONE_NEWNET, why="an empty network, which a descriptor of ours keeps")
        return os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)


def unpin(netns_path: str) -> None:
    """Undo `pin`.  Does nothing when there is nothing to undo, or when another mount namespace has the mount."""
    with contextlib.suppress(FileNotFoundError):
        if is_pinned(netns_path):
            syscalls.umount2(
                netns_path, MNT_DETACH, why="the last reference: the kernel takes the namespace apart"
            )
        os.unlink(netns_path)


def is_pinned(netns_path: str) -> bool:
    """Whether a network namespace is mounted on `netns_path`, as this process sees it."""
    try:
        fd = os.open(netns_path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return fcntl.ioctl(fd, _NS_GET_NSTYPE) == CLONE_NEWNET
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EINVAL):
            return False  # an ordinary file: the mount is gone, or never was
        raise
    finally:
        os.close(fd)


@contextlib.contextmanager
def inside(netns_path: str) -> Iterator[None]:
    """Be in the namespace pinned at `netns_path` for the length of a with block."""
    with _returning():
        fd = os.open(netns_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            syscalls.setns(
                fd, CLONE_NEWNET, path=netns_path, why="a socket belongs to the namespace it is opened in"
            )
        finally:
            os.close(fd)
        yield


def require_home() -> None:
    """Raise MinirunError when this process could not come back: nothing it does now would be done to the host."""
    if _lost:
        raise MinirunError("this process is in a container's network namespace, and could not come back")


@contextlib.contextmanager
def _returning() -> Iterator[None]:
    """Come back to the present network namespace at the end of a with block, whatever happens in it."""
    global _lost
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        _lost = True
        syscalls.setns(home, CLONE_NEWNET, path=_OWN, why="back to the host's network")
        _lost = False
        os.close(home)
