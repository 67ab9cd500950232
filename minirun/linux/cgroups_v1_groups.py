"""The groups of a hybrid host: one of the same path in each v1 hierarchy that holds a controller for limits.

They are made after the cgroup2 group, joined by init itself, and removed before it.  So the cgroup2 group, which says
whose it is, stands for all of them, and whoever finds it knows that there may be others.

    made     with the mark of its owner; a group that was there already is somebody else's, and refused
    joined   by a process of one thread that writes 0 into `tasks`: that takes none of the kernel's slow locks
    removed  those with the mark; one without it only beside a cgroup2 group of ours, whose making was cut short

See      cgroups(7) "Cgroups version 1"; cpuset(7): a new set is empty, and nothing can run in it
By hand  mkdir -p /sys/fs/cgroup/memory/minirun/ID; echo 0 > /sys/fs/cgroup/memory/minirun/ID/tasks
Left out named hierarchies, and controllers that no limit needs (freezer, devices, net_cls)
"""

from __future__ import annotations

import errno
import math
import os

from minirun.errors import ConflictError, UnsupportedError
from minirun.linux import cgroup_files, cgroups_v1, syscalls
from minirun.linux.cgroup_files import PARENT
from minirun.linux.syscalls import SyscallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_UNWRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


def places(path: str) -> list[str]:
    """The group's directories, in each hierarchy one, whether they are there or not."""
    return list(dict.fromkeys(cgroup_files.v1_directories(path).values()))


def existing(path: str) -> list[str]:
    """Those that are there: what a process has to join."""
    return [where for where in places(path) if os.path.isdir(where)]


def require_free(path: str) -> None:
    """ConflictError when somebody has made a group of this path in a v1 hierarchy."""
    for where in existing(path):
        raise ConflictError(
            f"cgroup {where} is not free: somebody else has made it",
            f"`rmdir {where}` if nobody needs it, or name another group in linux.cgroupsPath",
        )


def make(path: str, needed: set[str], owner: str, made: list[str]) -> None:
    """Make the group in every hierarchy, for `owner`; directories that are new are appended to `made`.

    `needed` are the controllers (v2's names) that a limit asks for.  A hierarchy that cannot be written and is not
    needed is left out: what it would count is not told by stats, then.
    """
    wanted = {cgroups_v1.v1_name(controller) for controller in needed}
    for top in dict.fromkeys(cgroup_files.v1_mounts().values()):
        begun = len(made)
        try:
            _make_below(top, path, owner, made)
        except SyscallError as error:
            held = {name for name, where in cgroup_files.v1_mounts().items() if where == top}
            if len(made) > begun or error.errno not in _UNWRITABLE or held & wanted:
                raise


def _make_below(top: str, path: str, owner: str, made: list[str]) -> None:
    """mkdir each part of `path`, and mark it; those above are nobody's.

    Another container's end may take an empty one of those away meanwhile: then start over.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    for attempt in range(10):
        try:
            where = top
            for number, part in enumerate(parts, 1):
                above, where = where, f"{where}/{part}"
                if _make_one(above, where, made):
                    _set_mark(where, owner if number == len(parts) else "")
            break
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV) or attempt == 9:
                raise
    if not made or made[-1] != where:
        raise ConflictError(f"cgroup {where} has just been made by somebody else")


def _make_one(above: str, where: str, made: list[str]) -> bool:
    """Whether it is new."""
    new = not os.path.isdir(where)
    if new:
        try:
            syscalls.mkdir(where, why="the group of the same path in a v1 hierarchy")
            made.append(where)
        except SyscallError as error:
            if error.errno != errno.EEXIST:
                raise
            new = False
    if os.path.exists(f"{where}/cpuset.cpus"):
        # the one above our groups is filled by whoever finds it empty: another container may have just made it
        ours = new or cgroup_files.mark(where) == "" or where.endswith(PARENT)
        _fill_cpuset(above, where, ours=ours)
    return new


def _set_mark(where: str, owner: str) -> None:
    """Where a hierarchy has no attributes, the cgroup2 group's mark has to do."""
    try:
        cgroup_files.set_mark(where, owner)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise


def _fill_cpuset(above: str, where: str, *, ours: bool) -> None:
    """A new v1 set has no CPUs and no memory nodes, and lets nothing in: it gets those of the group above."""
    for file in ("cpuset.cpus", "cpuset.mems"):
        if _content(f"{where}/{file}"):
            continue
        if not ours:
            raise UnsupportedError(
                f"{where}/{file} is empty, so nothing can run below", "fill it as the one above is"
            )
        syscalls.write_file(f"{where}/{file}", _content(f"{above}/{file}"), why="a new v1 cpuset is empty")


def _content(path: str) -> str:
    with open(path, "rb") as file:
        return file.read().decode().strip()


# ---- real time ---------------------------------------------------------------------------------------------


def make_room_for_realtime(path: str, runtime: str) -> None:
    """Let the groups of ours above `path` have the real time that it is about to get, beside what the others have.

    A new group has none, and a group cannot have what the one above has not (sched-rt-group.rst).  `runtime` is in
    microseconds of the group's cpu.rt_period_us; a word that is none is left for the kernel to refuse.
    """
    where = cgroup_files.v1_directories(path)["cpu"]
    if not runtime.isdecimal() or not os.path.exists(f"{where}/cpu.rt_runtime_us"):
        return
    wanted = int(runtime) / int(_content(f"{where}/cpu.rt_period_us"))
    to_write = []
    while cgroup_files.mark(above := os.path.dirname(where)) is not None:
        others = [f"{above}/{name}" for name in cgroup_files.children(above) if f"{above}/{name}" != where]
        wanted += sum(map(_realtime, others))
        if wanted > _realtime(above):
            period = int(_content(f"{above}/cpu.rt_period_us"))
            to_write.append((f"{above}/cpu.rt_runtime_us", str(math.ceil(wanted * period))))
        where = above
    for file, text in reversed(to_write):
        syscalls.write_file(file, text, why="a group has no more real time than the one above")


def _realtime(where: str) -> float:
    """The part of a CPU that a group may use for real-time processes."""
    runtime, period = (int(_content(f"{where}/cpu.rt_{name}_us")) for name in ("runtime", "period"))
    return runtime / period


# ---- removing ----------------------------------------------------------------------------------------------


def doomed(path: str, owner: str | None, *, unmarked: bool) -> Iterator[str]:
    """The directories that go with the group: those of `owner` (None: of anybody who marks), and if told the unmarked.

    One without the mark goes only when it is empty.
    """
    for where in existing(path):
        mark = cgroup_files.mark(where)
        if mark is None:
            if unmarked and not _content(f"{where}/cgroup.procs"):
                yield where
        elif owner is None or mark == owner:
            yield where
