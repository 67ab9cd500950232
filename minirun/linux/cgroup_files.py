"""A control group is a directory: where it is, and its files read and written.

A group is named by its path below the cgroup2 mount, as `/minirun/<id>`, here and in the files beside this one:

    cgroup_limits.py       what was asked becomes files and values; no file is touched
    cgroup_controllers.py  which controllers there are, passing them down, writing limits
    cgroup_processes.py    who is in a group; kill, freeze, thaw
    cgroups.py             making and removing groups, and whose they are

See      cgroups(7); kernel Documentation/admin-guide/cgroup-v2.rst
By hand  grep cgroup /proc/self/mountinfo; cat /proc/self/cgroup
Left out v1 hierarchies: a controller that one of them holds is looked for, to say so (cgroup_controllers.v1_holder)
"""

from __future__ import annotations

import os

from minirun.errors import UnsupportedError, UsageError
from minirun.linux import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# ---- where they are ----------------------------------------------------------------------------------------

_mount_point = ""


def mount_point() -> str:
    """Where cgroup2 is mounted, from /proc/self/mountinfo.  UnsupportedError when it is not."""
    global _mount_point
    if not _mount_point:
        found = [target for target, fstype, _ in mounts() if fstype == "cgroup2"]
        if not found:
            raise UnsupportedError(
                "cgroup2 is not mounted", "mount -t cgroup2 none /sys/fs/cgroup, as systemd does at boot"
            )
        _mount_point = found[0]
    return _mount_point


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


# ---- their files -------------------------------------------------------------------------------------------


def read(path: str, file: str) -> str:
    """A file of the group, without the last newline.  FileNotFoundError when the controller is not on."""
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
    return os.path.exists(f"{directory(path)}/{file}")


def write(path: str, file: str, text: str, why: str) -> None:
    """One write(2), traced.  SyscallError as the kernel says."""
    syscalls.write_file(f"{directory(path)}/{file}", text, why=why)


def open_events(path: str) -> int:
    """A descriptor of the group's memory.events, -1 where there is no memory controller.

    poll(2) tells POLLPRI when a number in it has changed since it was last read; see oom_kills_at().
    """
    try:
        return os.open(f"{directory(path)}/memory.events", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1


def oom_kills_at(events: int) -> int:
    """How many processes of the group and below the kernel has killed because memory.max was reached.

    `events` is a descriptor of open_events(): reading it is what lets poll(2) wait for the next change.
    """
    lines = os.pread(events, 4096, 0).decode().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
