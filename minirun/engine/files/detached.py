"""A tree of mounts that only a descriptor leads to: made by a child, so that this process's own mounts stay the host's.

    parent                      child (fork)
      |                           unshare(CLONE_NEWNS)      a mount table of its own
      |                           mount(...)                whatever the tree is made of
      |  <-- SCM_RIGHTS ---       open_tree(OPEN_TREE_CLONE | AT_RECURSIVE)
      |                           ends, and its mount table with it
    openat2(fd, ...)            the copy stays as long as a descriptor of it is open, and is mounted nowhere

Who reads a container's files may go on and start others: a process that had left the host's mount namespace for it
would give them a mount table in which nothing new is seen.

See      open_tree(2), mount_namespaces(7), unix(7) SCM_RIGHTS
By hand  unshare -m, and a file manager that keeps a directory open when that shell ends
"""

from __future__ import annotations

import os

from minirun.engine import channel
from minirun.errors import MinirunError
from minirun.linux import syscalls
from minirun.linux.constants import (
    AT_FDCWD,
    AT_RECURSIVE,
    CLONE_NEWNS,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    OPEN_TREE_CLOEXEC,
    OPEN_TREE_CLONE,
)
from minirun.runtime import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_PATH = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def tree(mount: Callable[[], str]) -> int:
    """A descriptor of the tree that `mount`, called in the child, has mounted at the path that it returns.

    Raises what `mount` raises, as MinirunError.
    """
    ours, theirs = channel.pair()
    with ours:
        with theirs:
            pid = process.fork(lambda: _child(theirs, mount))
        kind, content, descriptors = channel.receive_descriptors(ours)
        os.waitpid(pid, 0)
    if kind == channel.FAILED:
        raise channel.error(content)
    if not descriptors:
        raise MinirunError("the process that was to mount the tree has died", "`dmesg` may know why")
    root: int = descriptors[0]
    return root


def _child(parent: socket.socket, mount: Callable[[], str]) -> int:
    try:
        syscalls.unshare(CLONE_NEWNS, why="what is mounted now is seen by nobody else, and vanishes with us")
        syscalls.mount(None, "/", None, MS_PRIVATE | MS_REC, why="nor does it travel")
        flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE
        copy = syscalls.open_tree(
            AT_FDCWD, mount(), flags, why="a copy of the tree that outlives this mount table"
        )
        channel.send_descriptors(parent, channel.ANSWER, None, [copy])
    except Exception as error:
        channel.send_json(parent, channel.FAILED, channel.report(error))
        return 1
    return 0


def overlay(directories: list[str]) -> int:
    """A descriptor of one tree of `directories` (uppermost first), which can only be read."""
    if not directories:
        return tree(_mount_empty)
    if len(directories) == 1:  # overlayfs wants two
        return os.open(directories[0], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    return tree(lambda: mount_readonly(directories, os.path.dirname(directories[0])))


def _mount_empty() -> str:
    """What an image without layers is like, over a directory that every host has."""
    syscalls.mount("tmpfs", "/proc", "tmpfs", MS_RDONLY, "mode=755", why="nothing, to be read")
    return "/proc"


def mount_readonly(directories: list[str], place: str) -> str:
    """Mount an overlay of `directories` (uppermost first, two at least) on `place`; returns that.

    They are named by descriptors, as `10:11:12` below /proc/self/fd: mount(2) takes one page of options.
    """
    opened = [os.open(path, _PATH) for path in directories]
    syscalls.chdir("/proc/self/fd", why="so that the layers' names are short")
    options = f"lowerdir={':'.join(map(str, opened))}"
    syscalls.mount("overlay", place, "overlay", MS_RDONLY, options, why="the layers as one tree")
    for fd in opened:
        os.close(fd)
    return place
