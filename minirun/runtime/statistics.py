"""What a container uses, as `runc events` tells it: one object, which containerd's shim and others read.

The kernel counts in the group's files, by their cgroup v2 names here; what this host does not count is left at 0, as in
runc.  Times are nanoseconds, sizes bytes.

See      runc types/events.go for the names; cgroup-v2.rst; proc_pid_net(5)
By hand  minirun-oci events --stats x
Left out intel_rdt, and the time of each CPU: cgroup v2 does not count it
"""

from __future__ import annotations

import os

from minirun.linux import cgroup_files, processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.runtime.config import State

    Numbers = dict[str, int]

_NO_LIMIT = 2**64 - 1


def of(current: State) -> dict[str, Any]:
    """The `data` of a stats event."""
    group = current["cgroup"]
    return {
        "cpu": _cpu(group),
        "cpuset": {},
        "memory": _memory(group),
        "pids": {"current": _number(group, "pids.current", 0), "limit": _number(group, "pids.max", 0)},
        "blkio": _block_io(group),
        "hugetlb": _huge_pages(group),
        "intel_rdt": {},
        "network_interfaces": _interfaces(current["pid"]),
    }


def _cpu(group: str) -> dict[str, Numbers]:
    counts = _keyed(group, "cpu.stat")
    usage = {"total": "usage_usec", "kernel": "system_usec", "user": "user_usec"}
    return {
        "usage": {key: counts.get(name, 0) * 1000 for key, name in usage.items()},
        "throttling": {
            "periods": counts.get("nr_periods", 0),
            "throttledPeriods": counts.get("nr_throttled", 0),
            "throttledTime": counts.get("throttled_usec", 0) * 1000,
        },
    }


def _memory(group: str) -> dict[str, Any]:
    parts = _keyed(group, "memory.stat")
    failed = _keyed(group, "memory.events").get("max", 0)
    return {
        "cache": parts.get("file", 0),
        "usage": {
            "limit": _number(group, "memory.max", _NO_LIMIT),
            "usage": _number(group, "memory.current", 0),
            "max": _number(group, "memory.peak", 0),
            "failcnt": failed,
        },
        "swap": {
            "limit": _number(group, "memory.swap.max", _NO_LIMIT),
            "usage": _number(group, "memory.swap.current", 0),
            "failcnt": 0,
        },
        "kernel": {"limit": 0, "usage": parts.get("kernel", 0), "failcnt": 0},
        "kernelTCP": {"limit": 0, "failcnt": 0},
        "raw": parts,
    }


def _block_io(group: str) -> dict[str, list[dict[str, Any]]]:
    """io.stat's `8:0 rbytes=1 wbytes=2 rios=3 wios=4`, one entry a number."""
    found: dict[str, list[dict[str, Any]]] = {"ioServiceBytesRecursive": [], "ioServicedRecursive": []}
    for line in _text(group, "io.stat").splitlines():
        device, *words = line.split()
        major, _, minor = device.partition(":")
        for word in words:
            key, _, number = word.partition("=")
            where = f"ioService{'Bytes' if key.endswith('bytes') else 'd'}Recursive"
            op = {"r": "Read", "w": "Write", "d": "Discard"}.get(key[:1], "")
            if key[1:] in ("bytes", "ios") and op and minor.isdigit():
                found[where].append(
                    {"major": int(major), "minor": int(minor), "op": op, "value": int(number)}
                )
    return found


def _huge_pages(group: str) -> dict[str, Numbers]:
    try:
        names = os.listdir(cgroup_files.directory(group))
    except FileNotFoundError:
        return {}
    sizes = [
        name.split(".")[1] for name in names if name.startswith("hugetlb.") and name.endswith("B.current")
    ]
    return {
        size: {
            "usage": _number(group, f"hugetlb.{size}.current", 0),
            "failcnt": _keyed(group, f"hugetlb.{size}.events").get("max", 0),
        }
        for size in sizes
    }


def _interfaces(pid: int) -> list[dict[str, Any]]:
    """Of each its bytes, packets, errors and drops, received and sent."""
    try:
        counts = processes.network_counts(pid)
    except OSError:
        return []
    found = []
    for name, numbers in counts.items():
        entry: dict[str, Any] = {"Name": name}
        for direction, offset in (("Rx", 0), ("Tx", 8)):
            for number, what in enumerate(("Bytes", "Packets", "Errors", "Dropped")):
                entry[f"{direction}{what}"] = numbers[offset + number]
        found.append(entry)
    return found


def _keyed(group: str, file: str) -> Numbers:
    try:
        return cgroup_files.keyed(group, file)
    except OSError:
        return {}


def _number(group: str, file: str, otherwise: int) -> int:
    """`otherwise` where it is not counted, and where it says max."""
    text = _text(group, file)
    return int(text) if text.isdigit() else otherwise


def _text(group: str, file: str) -> str:
    try:
        return cgroup_files.read(group, file)
    except OSError:
        return ""
