"""`stats`: what a container uses, counted by the kernel.

    cpu.stat         time used, periods in which cpu.max held it back; there without the controller, too
    memory.current   with its page cache; Docker subtracts what of that can be dropped at once (inactive_file)
    memory.stat      the parts: anon, file, shmem, kernel
    io.stat          bytes read and written, by device
    /proc/PID/net/dev   bytes received and sent, in the container's network namespace
    *.pressure       how much of the last ten seconds somebody waited, where the kernel has PSI

What this host does not count is None, never a guess.

See      cgroup-v2.rst; proc_pid_net(5); psi.rst
By hand  cat /sys/fs/cgroup/minirun/ID/cpu.stat
"""

from __future__ import annotations

import os
import time

from minirun.engine import records
from minirun.linux import cgroup_files, processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import Record

    Pair = tuple[int, int]

PARTS = ("anon", "file", "shmem", "kernel")  # of memory.stat
PRESSURES = ("cpu", "memory", "io")


class Sample:
    """What one container had used at one moment; None where nobody counts."""

    def __init__(self, record: Record) -> None:
        self.at = time.monotonic()
        group = records.cgroup(record)
        cpu = _keyed(group, "cpu.stat")
        self.cpu_usec = cpu.get("usage_usec")
        self.periods, self.throttled = cpu.get("nr_periods", 0), cpu.get("nr_throttled", 0)
        self.memory_parts = _keyed(group, "memory.stat")
        self.memory_bytes = _used(_number(group, "memory.current"), self.memory_parts)
        self.memory_max = _memory_max(group) if self.memory_bytes is not None else None
        self.io = _io(group)
        self.network = _network(record["state"]["pid"])
        self.tasks = _tasks(group)
        self.pressure = {name: _pressure(group, name) for name in PRESSURES}


def sample(record: Record) -> Sample | None:
    """None when it does not run, or has just ended."""
    if not records.is_up(record):
        return None
    try:
        return Sample(record)
    except OSError:
        return None


def cpu_percent(before: Sample, now: Sample) -> float | None:
    """Of one CPU: two busy ones are 200."""
    if before.cpu_usec is None or now.cpu_usec is None or now.at <= before.at:
        return None
    return (now.cpu_usec - before.cpu_usec) / (now.at - before.at) / 1e4


def throttled_percent(before: Sample, now: Sample) -> float | None:
    """In how many of cpu.max's periods it was held back; None without a limit."""
    periods = now.periods - before.periods
    return 100 * (now.throttled - before.throttled) / periods if periods > 0 else None


def _keyed(group: str, file: str) -> dict[str, int]:
    try:
        return cgroup_files.keyed(group, file)
    except OSError:
        return {}


def _number(group: str, file: str) -> int | None:
    try:
        return int(cgroup_files.read(group, file))
    except (OSError, ValueError):  # not there, or "max"
        return None


def _used(current: int | None, parts: dict[str, int]) -> int | None:
    return None if current is None else max(current - parts.get("inactive_file", 0), 0)


def _memory_max(group: str) -> int:
    """memory.max, or what the machine has."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _number(group, "memory.max")
    return there if limit is None else min(limit, there)


def _io(group: str) -> Pair | None:
    """(bytes read, bytes written) on all disks: lines of `8:0 rbytes=1 wbytes=2 rios=...`."""
    try:
        words = cgroup_files.read(group, "io.stat").split()
    except OSError:
        return None
    return _sum(words, "rbytes="), _sum(words, "wbytes=")


def _sum(words: list[str], key: str) -> int:
    return sum(int(word.removeprefix(key)) for word in words if word.startswith(key))


def _network(pid: int) -> Pair | None:
    """(bytes received, bytes sent) over all interfaces but the loopback."""
    try:
        counts = processes.network_counts(pid)
    except OSError:
        return None
    counted = [numbers for name, numbers in counts.items() if name != "lo"]
    return sum(numbers[0] for numbers in counted), sum(numbers[8] for numbers in counted)


def _tasks(group: str) -> int | None:
    """Processes and threads."""
    counted = _number(group, "pids.current")
    return counted if counted is not None else len(cgroup_files.read(group, "cgroup.threads").split())


def _pressure(group: str, name: str) -> float | None:
    """Percent of the last ten seconds in which at least one task waited for it."""
    try:
        words = cgroup_files.read(group, f"{name}.pressure").split()
    except OSError:
        return None
    return next((float(word.removeprefix("avg10=")) for word in words if word.startswith("avg10=")), None)
