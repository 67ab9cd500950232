"""What was asked, as OCI `linux.resources`, becomes files of cgroup v2 and what is written to them.

    {"memory": {"limit": 67108864}}   ->   {"memory.max": "67108864"}

Arithmetic alone: nothing here looks at the machine.  Limits are keyed by their v2 file everywhere in minirun; the
conversions are runc's, which has them from the time when `resources` meant cgroup v1.

See      runtime-spec config-linux.md "Control groups"; opencontainers/cgroups fs2 and utils.go
Left out `devices`, which are no file but a program: devices.py
"""

from __future__ import annotations

import math

from minirun.errors import UnsupportedError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

# Which option of `run` a file stands for, for messages; other files are named as they are.
OPTIONS = {
    "memory.max": "--memory",
    "memory.swap.max": "--memory-swap",
    "memory.low": "--memory-reservation",
    "cpu.max": "--cpus",
    "cpu.weight": "--cpu-shares",
    "cpuset.cpus": "--cpuset-cpus",
    "cpuset.mems": "--cpuset-mems",
    "pids.max": "--pids-limit",
    "io.bfq.weight": "--blkio-weight",
    "io.max": "--device-read-bps and its kin",
    "memory.swappiness": "--memory-swappiness",
    "memory.oom_control": "--oom-kill-disable",
    "cpu.rt_period_us": "--cpu-rt-period",
    "cpu.rt_runtime_us": "--cpu-rt-runtime",
}
# What cgroup v2 has no file for goes by v1's name, and is refused where no v1 hierarchy holds the controller.
V1_ALONE = {
    "memory.swappiness": "swappiness for a group: vm.swappiness(5) is the host's, memory.swap.max a group's",
    "memory.oom_control": "switch for the OOM killer of a group",
    "cpu.rt_period_us": "limits for real-time processes",
    "cpu.rt_runtime_us": "limits for real-time processes",
}


def from_resources(resources: Mapping[str, Any]) -> dict[str, str]:
    """The files, in writing order, that say the same as OCI `linux.resources` (which was made for cgroup v1).

    UnsupportedError for a controller that v2 does not have, UsageError for one that contradicts itself.

    >>> from_resources({"memory": {"limit": 64 << 20, "swap": 96 << 20}, "cpu": {"quota": 20000}})
    {'memory.max': '67108864', 'memory.swap.max': '33554432', 'cpu.max': '20000 100000'}
    """
    limits: dict[str, str] = {}
    limits.update(_memory(resources.get("memory") or {}))
    limits.update(_cpu(resources.get("cpu") or {}))
    limits.update(_block_io(resources.get("blockIO") or {}))
    if (processes := (resources.get("pids") or {}).get("limit")) is not None:
        limits["pids.max"] = str(processes) if processes > 0 else "max"
    for huge in resources.get("hugepageLimits") or []:
        for kind in ("max", "rsvd.max"):  # pages in use, and pages set aside by mmap(2)
            limits[f"hugetlb.{huge['pageSize']}.{kind}"] = str(huge["limit"])
    if rdma := resources.get("rdma") or {}:
        limits["rdma.max"] = "\n".join(_rdma(device, counts) for device, counts in rdma.items())
    if any((resources.get("network") or {}).values()):
        raise UnsupportedError(
            "linux.resources.network: classes and priorities (net_cls, net_prio) exist only in cgroup v1"
        )
    limits.update(_unified(resources.get("unified") or {}))
    return limits


def _or_max(number: int) -> str:
    return "max" if number == -1 else str(number)


def _memory(memory: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """limit, swap (with the RAM in OCI, alone in v2), reservation.  0 is unset, -1 is no limit."""
    for key in ("kernel", "kernelTCP"):
        if (memory.get(key) or -1) != -1:
            raise UnsupportedError(
                f"linux.resources.memory.{key}: kernels since 5.16 have no limit for their memory alone",
                "memory.limit counts it with the rest",
            )
    if memory.get("useHierarchy") is False:
        raise UnsupportedError(
            "linux.resources.memory.useHierarchy: kernels since 5.11 always count those below"
        )
    limit, swap = memory.get("limit") or 0, memory.get("swap") or 0
    if limit:
        yield "memory.max", _or_max(limit)
    if (swap_max := _swap_alone(limit, swap)) is not None:
        yield "memory.swap.max", _or_max(swap_max)
    if memory.get("reservation"):
        yield "memory.low", _or_max(memory["reservation"])
    if memory.get("swappiness") is not None:
        yield "memory.swappiness", str(memory["swappiness"])
    if memory.get("disableOOMKiller"):
        yield "memory.oom_control", "1"


def _swap_alone(limit: int, swap: int) -> int | None:
    """memory.swap.max for OCI's `limit` and `swap`: bytes, -1 for max, None to leave it as it is."""
    if swap == 0:
        return -1 if limit == -1 else None
    if swap == -1 or limit == -1:
        return swap
    if limit == 0:
        raise UsageError("--memory-swap needs --memory: it is the limit of both together")
    if swap < limit:
        raise UsageError("--memory-swap is RAM and swap together, so it cannot be below --memory")
    return swap - limit


def _cpu(cpu: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    quota, period = cpu.get("quota") or 0, cpu.get("period") or 0
    if quota or period:
        yield "cpu.max", f"{quota if quota > 0 else 'max'} {period or 100000}"
    if cpu.get("burst") is not None:
        yield "cpu.max.burst", str(cpu["burst"])  # after cpu.max: it may not be above the quota
    if cpu.get("shares"):
        yield "cpu.weight", WeightOfShares(cpu["shares"])
    if cpu.get("idle") is not None:
        yield "cpu.idle", str(cpu["idle"])
    for key, file in (("realtimePeriod", "cpu.rt_period_us"), ("realtimeRuntime", "cpu.rt_runtime_us")):
        if cpu.get(key):
            yield file, str(cpu[key])
    for key in ("mems", "cpus"):
        if cpu.get(key):
            yield f"cpuset.{key}", str(cpu[key])


class WeightOfShares(str):
    """A cpu.weight that remembers the shares it was made of: a cgroup v1 hierarchy is told those."""

    shares: int

    def __new__(cls, shares: int) -> WeightOfShares:
        made = super().__new__(cls, cpu_weight(shares))
        made.shares = shares
        return made

    def __eq__(self, other: object) -> bool:
        """Others may come to the same weight, and are another limit to cgroup v1: update has to write it."""
        if isinstance(other, WeightOfShares):
            return self.shares == other.shares
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:  # str has one of its own
        return not self == other

    __hash__ = str.__hash__


def cpu_weight(shares: int) -> int:
    """cpu.weight (1 to 10000) for v1 shares (2 to 262144), so that 2 -> 1, 1024 -> 100, 262144 -> 10000.

    The older straight line gave 1024, everybody's default, a weight of 39 instead of 100 (runc issue 4772).

    >>> [cpu_weight(shares) for shares in (2, 512, 1024, 262144)]
    [1, 59, 100, 10000]
    """
    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    bits = math.log2(shares)
    return math.ceil(10 ** ((bits * bits + 125 * bits) / 612 - 7 / 34))


def _block_io(block_io: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if block_io.get("leafWeight") or any(one.get("leafWeight") for one in block_io.get("weightDevice") or []):
        raise UnsupportedError(
            "linux.resources.blockIO: leafWeight went with the CFQ scheduler, in Linux 5.0"
        )
    weights = [str(block_io["weight"])] if block_io.get("weight") else []
    for device in block_io.get("weightDevice") or []:
        weights.append(f"{device['major']}:{device['minor']} {device['weight']}")
    if weights:
        yield "io.bfq.weight", "\n".join(weights)
    throttles = []
    for key, word in (
        ("ReadBps", "rbps"),
        ("WriteBps", "wbps"),
        ("ReadIOPS", "riops"),
        ("WriteIOPS", "wiops"),
    ):
        for device in block_io.get(f"throttle{key}Device") or []:
            throttles.append(f"{device['major']}:{device['minor']} {word}={device['rate'] or 'max'}")
    if throttles:
        yield "io.max", "\n".join(throttles)


def io_weight(weight: int) -> int:
    """io.weight (1 to 10000) for a v1 block I/O weight (10 to 1000), linearly."""
    return 1 + (weight - 10) * 9999 // 990


def _rdma(device: str, counts: Mapping[str, int]) -> str:
    words = {"hcaHandles": "hca_handle", "hcaObjects": "hca_object"}
    return " ".join([device, *(f"{words[key]}={value}" for key, value in counts.items())])


def _unified(unified: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for file, value in unified.items():
        if "/" in file or "." not in file:
            raise UsageError(f'"{file}" is not a cgroup file: CONTROLLER.NAME, as memory.high')
        yield file, value


def controller_of(file: str) -> str:
    """The first word of the name; the core's own files, cgroup.procs and its like, are "cgroup".

    >>> controller_of("hugetlb.2MB.rsvd.max")
    'hugetlb'
    """
    return file.split(".", 1)[0]


def numbers(text: str) -> set[int]:
    """A list as in cpuset(7) "List format".  UsageError if it is none.

    >>> sorted(numbers("0-2,5"))
    [0, 1, 2, 5]
    """
    found: set[int] = set()
    try:
        for part in filter(None, text.split(",")):
            first, dash, last = part.partition("-")
            found.update(range(int(first), int(last if dash else first) + 1))
    except ValueError:
        raise UsageError(f'"{text}" is not a list of numbers and ranges, as 0-2,5') from None
    return found
