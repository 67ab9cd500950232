"""Control groups, version 2: a directory is a group of processes, a file in it is a limit or a count.

Here groups are made and removed, and it is written down whose they are.  Rules of the kernel that shape this file:

    a group that passes controllers down holds no processes, the root excepted
    a group with processes or children cannot be removed
    mkdir tells who made a group; into one that was there already, two may move at the same moment

See      cgroups(7); runtime-spec config-linux.md "Cgroups Path"; cgroup_files.py names the files beside this one
By hand  cd /sys/fs/cgroup; mkdir x; echo 64M > x/memory.max; echo $$ > x/cgroup.procs
Left out the systemd driver, threaded groups; what a hybrid host needs beside is in cgroups_v1_groups.py
"""

from __future__ import annotations

import errno
import os
import time

from minirun.errors import ConflictError, MinirunError, UsageError
from minirun.linux import cgroup_controllers, syscalls
from minirun.linux.cgroup_files import (
    PARENT,
    children,
    directory,
    has,
    lineage,
    mark,
    mount_point,
    read,
    set_mark,
    v1_mounts,
)
from minirun.linux.cgroup_limits import controller_of
from minirun.linux.cgroup_processes import pids
from minirun.linux.syscalls import SyscallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

_SECONDS_TO_EMPTY = 2.0  # how long killed processes may take to leave


# ---- making ------------------------------------------------------------------------------------------------


def create(path: str, limits: Mapping[str, str], owner: str = "") -> str:
    """Make the group `path` and those above it, with `limits`, for `owner`.  Returns its directory.

    UnsupportedError, before anything is made, for a limit whose controller this host does not have;
    UsageError for a value the kernel refuses; ConflictError when the group is somebody else's or has processes.
    One that is there and empty is used, and stays nobody's.  An error leaves no new group behind.
    """
    limits = cgroup_controllers.require(limits)
    _require_free(path, owner)
    needed = {controller_of(file) for file in limits}
    made: list[str] = []
    in_v1: list[str] = []
    try:
        _make(path, needed, made)
        if made and directory(made[-1]) == directory(path):
            set_mark(directory(path), owner)
        if v1 := _v1():
            v1.make(path, needed, owner, in_v1)
        cgroup_controllers.set_limits(path, limits)
    except BaseException:
        for where in [*reversed(in_v1), *map(directory, reversed(made))]:
            with syscalls.tolerating(errno.EBUSY):  # another container moved in beside ours
                _rmdir(where)
        raise
    return directory(path)


def _v1() -> ModuleType | None:
    """What makes the groups in v1 hierarchies; None, and not loaded, on a host where they hold no controller."""
    if not v1_mounts():
        return None
    from minirun.linux import cgroups_v1_groups

    return cgroups_v1_groups


def to_join(path: str) -> list[str]:
    """The group's directories in v1 hierarchies: init writes itself into each; no process's parent can do it for it."""
    v1 = _v1()
    return v1.existing(path) if v1 else []


def _make(path: str, needed: set[str], made: list[str]) -> None:
    """mkdir each part of `path`, passing the controllers down; new groups are appended to `made`.

    Another container's delete() may take the empty parent away between two steps: then start over.
    """
    for attempt in range(10):
        try:
            for above, group in lineage(path):
                cgroup_controllers.enable(above, needed)
                _mkdir(group, made)
            return
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV) or attempt == 9:
                raise


def _mkdir(group: str, made: list[str]) -> None:
    where = directory(group)
    if os.path.isdir(where):
        return
    try:
        syscalls.mkdir(where, why="a directory is a cgroup")
    except SyscallError as error:
        if error.errno != errno.EEXIST:
            raise
    else:
        made.append(group)


# ---- whose it is -------------------------------------------------------------------------------------------


def _require_free(path: str, owner: str) -> None:
    """A group that has processes, or is in the group of another container, would be killed with that one."""
    if directory(path) in (mount_point(), directory(PARENT)):
        raise UsageError(
            f"cgroup path {path} holds the groups of others: a container has to have one of its own"
        )
    for above, group in lineage(path):
        of = owner_of(above) or (owner_of(group) if directory(group) == directory(path) else "")
        if of and of != owner:
            raise ConflictError(f"cgroup {path} is not free: it belongs to the container of {of}")
    if owner and owner_of(path) == owner:
        delete(path)  # left over from one of the same name that was killed
    if v1 := _v1():
        _delete_v1(path, owner, unmarked=False)
        v1.require_free(path)
    for _, group in lineage(path):
        if (
            os.path.isdir(directory(group))
            and has(group, "cgroup.freeze")
            and read(group, "cgroup.freeze") == "1"
        ):
            raise ConflictError(
                f"cgroup {group} is frozen: nothing would run in it",
                f"echo 0 > {directory(group)}/cgroup.freeze lets it run, or name another group in linux.cgroupsPath",
            )
    if found := pids(path):
        raise ConflictError(
            f"cgroup {path} is not empty: {len(found)} processes are in it",
            f"cat {directory(path)}/cgroup.procs shows which; name another group in linux.cgroupsPath",
        )


def require_alone(path: str, owner: str, pid: int) -> None:
    """ConflictError when two have taken a group that nobody made, at the same moment."""
    if owner_of(path) != owner and pids(path) != [pid]:
        raise ConflictError(f"cgroup {path} has just been taken by somebody else")


def owner_of(path: str) -> str:
    """Who has made the group: what create() was told; "" when that was somebody else."""
    return mark(directory(path)) or ""


def delete_own(path: str, owner: str) -> None:
    """delete() for a group that `owner` has made; another one stays as it is."""
    found = owner_of(path)
    if found == owner:
        delete(path)
    elif not found and path.startswith(f"{PARENT}/"):  # killed between making it and writing down for whom
        with syscalls.tolerating(errno.EBUSY):
            _rmdir(directory(path))
    if found != owner:
        _delete_v1(path, owner, unmarked=False)  # they are ours beside a group that was there before


# ---- removing ----------------------------------------------------------------------------------------------


def delete(path: str) -> None:
    """Remove the group, those below it, and the PARENT when it was the last in there.  Missing is success.

    Processes must have gone (see kill).  MinirunError when some are still in it after a while.
    """
    _delete_v1(path, None, unmarked=True)
    _delete_tree(directory(path))
    above = os.path.dirname(path)
    while f"{above}/".startswith(f"{PARENT}/") and not children(directory(above)):
        _delete_empty(directory(above))
        above = os.path.dirname(above)


def _delete_empty(where: str) -> None:
    with syscalls.tolerating(errno.EBUSY):  # somebody was quicker and made another container
        _rmdir(where)


def _delete_v1(path: str, owner: str | None, *, unmarked: bool) -> None:
    """Remove the groups of a hybrid host, see cgroups_v1_groups.doomed(), and those above that we have made."""
    v1 = _v1()
    for where in v1.doomed(path, owner, unmarked=unmarked) if v1 else ():
        _delete_tree(where)
        above = os.path.dirname(where)
        while (mark(above) == "" or above.endswith(PARENT)) and not children(above):
            _delete_empty(above)
            above = os.path.dirname(above)


def _delete_tree(where: str) -> None:
    for child in children(where):
        _delete_tree(f"{where}/{child}")
    _patiently(lambda: _rmdir(where), where)


def _rmdir(where: str) -> None:
    if os.path.isdir(where):
        try:
            syscalls.rmdir(where, why="nothing of the container stays")
        except SyscallError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV):
                raise


def _patiently(attempt: Callable[[], None], where: str) -> None:
    """Try until the kernel no longer says EBUSY: a killed process leaves its group a moment later."""
    delay_seconds = 0.001
    until = time.monotonic() + _SECONDS_TO_EMPTY
    while True:
        try:
            return attempt()
        except SyscallError as error:
            if error.errno != errno.EBUSY:
                raise
        if time.monotonic() > until:
            raise MinirunError(f"cgroup {where} is still in use", f"cat {where}/cgroup.procs shows by whom")
        time.sleep(delay_seconds)
        delay_seconds = min(delay_seconds * 2, 0.1)
