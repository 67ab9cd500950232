"""A directory of somebody's, mounted so that it is root's: what a build sees of a context in a home directory.

An id-mapped mount shows each owner on the disk as another one.  Here two change places, the directory's owner and
root, and all others stay who they are.  The map is that of a user namespace, in which nobody is when it is used.

See      mount_setattr(2) "ID-mapped mounts", user_namespaces(7) "Defining user and group ID mappings"
By hand  mount --bind --map-users 1000:0:1 --map-groups 1000:0:1 CONTEXT PLACE
Left out the file systems that cannot do it (before Linux 6.x most network ones): there the owners show as they are
"""

from __future__ import annotations

import errno
import os

from minirun.linux import syscalls
from minirun.linux.constants import (
    AT_FDCWD,
    CLONE_NEWUSER,
    MOUNT_ATTR_IDMAP,
    MOVE_MOUNT_F_EMPTY_PATH,
    MOVE_MOUNT_T_EMPTY_PATH,
    OPEN_TREE_CLOEXEC,
    OPEN_TREE_CLONE,
)
from minirun.runtime import process

_LAST = 2**32 - 1  # the number that is nobody's


def mount_owned(path: str, place: str, owner: tuple[int, int]) -> str:
    """Mount the directory `path` on the new directory `place`, with its owner shown as `owner`; returns `place`.

    Where that cannot be done it is `path` as it is.
    """
    status = os.stat(path)
    namespace = user_namespace(swapped(status.st_uid, owner[0]), swapped(status.st_gid, owner[1]))
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC
    copy = syscalls.open_tree(
        AT_FDCWD, path, flags, why="a mount of our own, which may differ from the host's"
    )
    try:
        why = "whoever owns the context is root in the build"
        syscalls.mount_setattr(copy, 0, MOUNT_ATTR_IDMAP, path=path, userns=namespace, why=why)
        os.mkdir(place)
        target = os.open(place, os.O_PATH | os.O_CLOEXEC)
        flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
        syscalls.move_mount(copy, target, flags, path=place, why="into its place")
        os.close(target)
        return place
    except syscalls.SyscallError as error:
        if error.errno not in (errno.EINVAL, errno.EPERM, errno.ENOSYS):
            raise
        return path
    finally:
        os.close(copy)
        os.close(namespace)


def swapped(one: int, other: int) -> str:
    """The text for /proc/PID/uid_map in which two ids have changed places.

    >>> swapped(1000, 0)
    '0 1000 1\\n1 1 999\\n1000 0 1\\n1001 1001 4294966294\\n'
    """
    if one == other:
        return f"0 0 {_LAST}\n"
    low, high = sorted((one, other))
    ranges = [
        (0, 0, low),
        (low, high, 1),
        (low + 1, low + 1, high - low - 1),
        (high, low, 1),
        (high + 1, high + 1, _LAST - high - 1),
    ]
    return "".join(f"{inside} {outside} {count}\n" for inside, outside, count in ranges if count > 0)


def user_namespace(uid_map: str, gid_map: str) -> int:
    """A descriptor of a new user namespace with these maps."""
    ready, told = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    pid = process.fork(lambda: _wait_in_namespace(told, parent))
    try:
        os.close(told)
        if not os.read(ready, 1):
            raise syscalls.SyscallError(errno.EPERM, "unshare", "CLONE_NEWUSER")
        for name, text in (("uid_map", uid_map), ("gid_map", gid_map)):
            syscalls.write_file(f"/proc/{pid}/{name}", text, why="who is who in the mount")
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(ready)
        process.kill_and_wait(pid)


def _wait_in_namespace(told: int, parent: int) -> int:
    """Be somebody in a new user namespace, until we are killed."""
    import signal

    process.die_with(parent, why="only our parent needs the namespace")
    try:
        syscalls.unshare(CLONE_NEWUSER, why="a table of who is who")
    except OSError:
        return 1
    os.write(told, b"\n")
    signal.pause()
    return 0
