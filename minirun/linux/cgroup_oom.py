"""Being told when the kernel kills in a group because its memory.max was reached.

    cgroup2   memory.events   poll(2) says POLLPRI when a number in it has changed since it was last read
    v1        memory.oom_control has the number; an eventfd is told, just before the kill, by cgroup.event_control

See      cgroup-v2.rst "memory.events"; cgroup-v1/memory.rst "OOM Control"; eventfd(2)
By hand  grep oom_kill /sys/fs/cgroup/minirun/ID/memory.events
"""

from __future__ import annotations

import os
import select

from minirun.linux import cgroup_files, syscalls


class Events:
    """The descriptor to wait for, what to wait for, and the count."""

    def __init__(self, counts: int, told_by: int = -1) -> None:
        """`counts` is a descriptor of the file with the number; `told_by` an eventfd, where that file cannot tell."""
        self.counts = counts
        self.early = told_by >= 0  # told before the kill: the number may come a moment later
        self.fd = told_by if self.early else counts
        self.wanted = select.POLLIN if self.early else select.POLLPRI

    def kills(self) -> int:
        """How many processes the kernel has killed.  Reading it is what lets poll(2) wait for the next change.

        OSError ENODEV: the group has gone.
        """
        if self.early:
            try:
                os.eventfd_read(self.fd)
            except BlockingIOError:
                pass  # it has not been told anything since
        lines = os.pread(self.counts, 4096, 0).decode().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)

    def close(self) -> None:
        for fd in {self.counts, self.fd}:
            os.close(fd)


def watch(path: str) -> Events | None:
    """The events of a group that exists; None where there is no memory controller."""
    try:
        if cgroup_files.v1_holder("memory"):
            return _watch_v1(cgroup_files.v1_directories(path)["memory"])
        return Events(os.open(f"{cgroup_files.directory(path)}/memory.events", os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        return None


def _watch_v1(where: str) -> Events:
    counts = os.open(f"{where}/memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
    told_by = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    try:
        syscalls.write_file(
            f"{where}/cgroup.event_control",
            f"{told_by} {counts}",
            why="an eventfd is told when memory runs out",
        )
    except BaseException:
        os.close(told_by)
        os.close(counts)
        raise
    return Events(counts, told_by)
