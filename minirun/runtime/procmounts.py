"""What may be mounted on the container's root and in its /proc, as runc has it.

Masks, read-only paths and security labels are all files of /proc: who puts something of their own in its place, even a
VOLUME of the image, takes them away.  The place is looked at where it is, links followed, not by its name.

See  runc libcontainer/rootfs_linux.go checkProcMount; CVE-2019-16884, CVE-2019-19921, CVE-2023-27561
"""

from __future__ import annotations

import errno
import os
import stat

from minirun.errors import MinirunError
from minirun.linux import inroot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.runtime.mounts import Mount

# What lxcfs has of its own for a container.
ALLOWED = frozenset(
    f"/proc/{name}"
    for name in (
        *("cpuinfo", "diskstats", "loadavg", "meminfo", "net/dev", "slabinfo", "stat", "swaps", "uptime"),
        *("sys/crypto/fips_enabled", "sys/kernel/ns_last_pid"),
    )
)


def check(root_fd: int, mount: Mount) -> None:
    """Raise MinirunError when the target of `mount` is a place where it must not be.  The target is there."""
    place = _place(root_fd, mount.target)
    led = f"{mount.target}, which leads to {place}," if place != os.path.normpath(mount.target) else place
    if place == "/":
        raise MinirunError(f"{led} cannot be mounted on: it is the container's root")
    if place == "/proc" and mount.type != "proc" and not (mount.is_bind and _is_proc(mount.source)):
        raise MinirunError(f"{led} cannot be mounted on with what is not of type proc")
    if place.startswith("/proc/") and place not in ALLOWED:
        raise MinirunError(f"{led} cannot be mounted on: it is inside /proc")


def refuse_link(root_fd: int, mount: Mount) -> None:
    """Raise MinirunError when something that is no directory is where /proc or /sys is to be: CVE-2019-19921.

    A link there leads the mount to another place, and what of /proc is sealed and masked later is not that mount's.
    """
    try:
        fd = inroot.open_in_root(root_fd, mount.target, os.O_PATH | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return  # it will be made
        raise
    try:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            return
    finally:
        os.close(fd)
    raise MinirunError(
        f'filesystem "{mount.type}" must be mounted on an ordinary directory, and {mount.target} is none',
        "the image has something else there: build it without that",
    )


def _place(root_fd: int, target: str) -> str:
    """Where `target` is, as the container will name it."""
    with inroot.opened(root_fd, target) as fd:
        root, place = (os.readlink(f"/proc/self/fd/{number}") for number in (root_fd, fd))
    return place.removeprefix(root.rstrip("/")) or "/"


def _is_proc(path: str) -> bool:
    """Whether a path of the host is the root of a proc file system: proc_pid_mountinfo(5)."""
    status = os.stat(path)
    device = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        kinds = (line.partition(" - ")[2].split()[0] for line in file if line.split()[2] == device)
        return next(kinds, "") == "proc" and status.st_ino == 1
