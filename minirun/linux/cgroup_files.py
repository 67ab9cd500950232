"""A control group is a directory: where it is, and its files read and written.

A group is named by its path below the cgroup2 mount, as `/minirun/<id>`, here and in the files beside this one:

    cgroup_limits.py       what was asked becomes files and values; no file is touched
    cgroup_controllers.py  which controllers there are, passing them down, writing limits
    cgroup_processes.py    who is in a group; kill, freeze, thaw
    cgroups.py             making and removing groups, and whose they are

On a hybrid host v1 hierarchies hold controllers.  read(), write() and has() still take the v2 file, and go to
cgroups_v1.py for one whose controller is there; a v2 host never loads that file.

See      cgroups(7); kernel Documentation/admin-guide/cgroup-v2.rst
By hand  grep cgroup /proc/self/mountinfo; cat /proc/self/cgroup
"""

from __future__ import annotations

import os

from minirun.errors import UnsupportedError, UsageError
from minirun.linux import syscalls
from minirun.linux.cgroup_limits import controller_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PARENT = "/minirun"  # the group above our groups; it goes when the last of them does

# ---- where they are ----------------------------------------------------------------------------------------

_found: tuple[str, dict[str, str]] | None = None  # what _mounted() found


def mount_point() -> str:
    """Where cgroup2 is mounted, from /proc/self/mountinfo.  UnsupportedError when it is not.

    A host whose controllers are all in v1 hierarchies has to mount it, too: a group is marked, frozen and killed
    by its cgroup2 files, which need no controller and which every kernel has that minirun is made for.
    """
    if point := _mounted()[0]:
        return point
    where = "/sys/fs/cgroup/unified" if v1_mounts() else "/sys/fs/cgroup"
    raise UnsupportedError(
        "cgroup2 is not mounted",
        f"mkdir -p {where} && mount -t cgroup2 none {where}, as systemd does at boot; it needs no controllers",
    )


def v1_mounts() -> dict[str, str]:
    """{v1 controller: mount point} of those that cgroup v1 holds: {"memory": "/sys/fs/cgroup/memory"}; {} on a v2 host.

    Those that limits and counts need alone; freezing and device rules are cgroup2's everywhere.
    """
    return _mounted()[1]


def _mounted() -> tuple[str, dict[str, str]]:
    """(mount point of cgroup2 or "", {controller: mount point} of v1); looked up once."""
    global _found
    if _found is None:
        old, point = {}, ""
        for target, fstype, options in mounts():
            if fstype == "cgroup2":
                point = point or target
            else:
                old.update(dict.fromkeys(options.split(","), target))
        if old:
            from minirun.linux import cgroups_v1  # only a host that has v1 hierarchies pays for it

            old = {name: old[name] for name in cgroups_v1.CONTROLLERS if name in old}
        _found = point, old
    return _found


def mounts() -> Iterator[tuple[str, str, str]]:
    """(mount point, "cgroup" or "cgroup2", options of the file system) of each; see proc_pid_mountinfo(5)."""
    with open("/proc/self/mountinfo", "rb") as file:
        lines = os.fsdecode(file.read()).splitlines()
    for line in lines:
        left, _, right = line.partition(" - ")
        fstype, _, options = right.split(" ", 2)
        if fstype in ("cgroup", "cgroup2"):
            yield left.split(" ")[4].replace("\\040", " "), fstype, options


def directory(path: str) -> str:
    """The directory of the group `path`.  UsageError for a path that would leave the mount."""
    parts = [part for part in path.split("/") if part and part != "."]
    if ".." in parts:
        raise UsageError(f"cgroup path {path} must not contain ..")
    return "/".join([mount_point(), *parts])


def v1_directories(path: str) -> dict[str, str]:
    """{v1 controller: directory} of the group of the same path in each v1 hierarchy, whether it is there or not."""
    below = directory(path).removeprefix(mount_point())
    return {controller: f"{top}{below}" for controller, top in v1_mounts().items()}


def path_of(pid: int | str) -> str:
    """The group a process is in, as its path below the mount."""
    with open(f"/proc/{pid}/cgroup", "rb") as file:
        lines = os.fsdecode(file.read()).splitlines()
    return next(line[3:] for line in lines if line.startswith("0::"))


def lineage(path: str) -> Iterator[tuple[str, str]]:
    """(group above, group) from the top down.

    >>> list(lineage("/minirun/x"))
    [('/', '/minirun'), ('/minirun', '/minirun/x')]
    """
    above = "/"
    for part in path.split("/"):
        if part:
            group = f"{above.rstrip('/')}/{part}"
            yield above, group
            above = group


def children(where: str) -> list[str]:
    """The names of the groups in the directory of one; none when it is not there."""
    try:
        with os.scandir(where) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


# ---- whose they are ----------------------------------------------------------------------------------------

_OWNER = "trusted.minirun.owner"  # extended attribute of a group that we made


def set_mark(where: str, owner: str) -> None:
    """Write down, at the directory `where` of a group we have just made, for whom."""
    os.setxattr(where, _OWNER, os.fsencode(owner))


def mark(where: str) -> str | None:
    """For whom we made the group in the directory `where`; None when somebody else made it, or it is not there."""
    try:
        return os.fsdecode(os.getxattr(where, _OWNER))
    except OSError:
        return None


# ---- their files -------------------------------------------------------------------------------------------


def read(path: str, file: str) -> str:
    """A file of the group, without the last newline.  FileNotFoundError when the controller is not on."""
    if v1 := _held_by_v1(file):
        text: str = v1.read(v1_directories(path), file)
        return f"{_read(path, file)}\n{text}" if file == "cpu.stat" else text
    return _read(path, file)


def _read(path: str, file: str) -> str:
    with open(f"{directory(path)}/{file}", "rb") as opened:
        return opened.read().decode().rstrip("\n")


def keyed(path: str, file: str) -> dict[str, int]:
    """A file of `key number` lines, as memory.events or cpu.stat; {} when it is not there."""
    try:
        lines = read(path, file).splitlines()
    except FileNotFoundError:
        return {}
    return {key: int(value) for key, value in (line.split() for line in lines)}


def has(path: str, file: str) -> bool:
    """Whether the group has the file: its controller is on, and this kernel has the setting."""
    if v1 := _held_by_v1(file):
        return bool(v1.has(v1_directories(path), file))
    return os.path.exists(f"{directory(path)}/{file}")


def write(path: str, file: str, text: str, why: str) -> None:
    """One write(2), traced; where v1 holds the controller perhaps two.  SyscallError as the kernel says."""
    if v1 := _held_by_v1(file):
        v1.write(v1_directories(path), file, text, why)
    else:
        syscalls.write_file(f"{directory(path)}/{file}", text, why=why)


def _held_by_v1(file: str) -> ModuleType | None:
    """cgroups_v1.py when a file's controller is in a v1 hierarchy; pressure is cgroup2's on every host."""
    if not v1_mounts() or file.endswith(".pressure") or not v1_holder(controller_of(file)):
        return None
    from minirun.linux import cgroups_v1

    return cgroups_v1


def v1_holder(controller: str) -> str | None:
    """The mount point of the v1 hierarchy that holds a controller and keeps it from cgroup2; or None."""
    return v1_mounts().get("blkio" if controller == "io" else controller)
