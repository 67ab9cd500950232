"""What this machine is and can do, read from /proc and /etc, for `info` and `doctor`.  Nothing here changes anything.

See      proc(5), os-release(5), cgroups(7)
By hand  cat /etc/os-release /proc/meminfo /proc/self/mountinfo /proc/sys/net/ipv4/ip_forward
"""

from __future__ import annotations

import os

from minirun import files
from minirun.errors import UnsupportedError
from minirun.linux import cgroup_controllers, cgroup_files

CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")  # those that the limits of features.md need


def operating_system() -> str:
    """As the distribution calls itself: `Debian GNU/Linux 12 (bookworm)`."""
    return os_release().get("PRETTY_NAME", os.uname().sysname)


def os_release() -> dict[str, str]:
    found = {}
    for line in files.text("/etc/os-release").splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name] = value.strip("\"'")
    return found


def memory_bytes() -> int:
    """All of the machine's memory."""
    for line in files.text("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def file_system(path: str) -> str:
    """The type of the file system that `path` is on, or will be on when it is made: `ext4`."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in files.text("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        if left.split()[2] == wanted:
            return right.split()[0]
    return "unknown"


def controllers() -> set[str]:
    """The controllers by which limits can be set here; none where cgroup2 is not mounted."""
    try:
        return cgroup_controllers.usable()
    except UnsupportedError:
        return set()


def cgroup_version() -> str:
    """As Docker counts: "1" where v1 hierarchies hold controllers for limits, whatever else is mounted."""
    return "1" if cgroup_files.v1_mounts() else "2"


def sysctl(name: str) -> str:
    """The value at /proc/sys/`name`, "" when this kernel has not got it."""
    return files.text(f"/proc/sys/{name}").strip()
