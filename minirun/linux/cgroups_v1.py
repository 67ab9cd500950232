"""Limits where cgroup version 1 holds the controllers: what each v2 file is called there, and both conversions.

Minirun speaks of limits by their v2 file everywhere.  On a hybrid host the cgroup2 mount has the groups, freezes and
kills, but few or no controllers; each v1 hierarchy has one or two of them, and a group of the same path in it holds
the limit.  This is the table between the two; a v2 host never imports it.

    memory.max 64M       memory/minirun/ID/memory.limit_in_bytes 67108864
    memory.swap.max 64M  memory/minirun/ID/memory.memsw.limit_in_bytes 134217728    v1 limits RAM and swap together
    cpu.max 20000 100000 cpu/minirun/ID/cpu.cfs_quota_us 20000, cpu.cfs_period_us 100000

A group is given as `at`, the directory in each hierarchy by v1's name of the controller: {"memory": "/sys/...", ...}.

See      cgroups(7) "Cgroups version 1"; kernel Documentation/admin-guide/cgroup-v1/
By hand  echo 64M > /sys/fs/cgroup/memory/minirun/ID/memory.limit_in_bytes
Left out kernel memory, which kernels since 5.16 do not limit alone; net_cls, net_prio
"""

from __future__ import annotations

import math
import os

from minirun.errors import UnsupportedError, UsageError
from minirun.linux import cgroup_limits, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Held = Callable[[str], str | None]  # the text of a v1 file now; None where there is no such file
    Writes = list[tuple[str, str]]  # (v1 file, text), in order

# Those that a limit needs; and cpuacct, for engines above minirun-oci count a container's time with it.
CONTROLLERS = ("blkio", "cpu", "cpuacct", "cpuset", "hugetlb", "memory", "pids", "rdma")
NO_LIMIT_BYTES = 0x7FFFFFFFFFFFF000  # LONG_MAX in pages of 4 KiB: what v1 shows where v2 says "max"

_THROTTLES = {
    "rbps": "blkio.throttle.read_bps_device",
    "wbps": "blkio.throttle.write_bps_device",
    "riops": "blkio.throttle.read_iops_device",
    "wiops": "blkio.throttle.write_iops_device",
}
_LIMIT, _MEMSW = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"
_QUOTA, _PERIOD = "cpu.cfs_quota_us", "cpu.cfs_period_us"
_WEIGHTS = ("blkio.bfq.weight", "blkio.weight")

# v2 file -> the v1 files that say it.  What is not here, v1 cannot do.
NAMES: dict[str, tuple[str, ...]] = {
    "memory.max": (_LIMIT,),
    "memory.swap.max": (_MEMSW,),
    "memory.low": ("memory.soft_limit_in_bytes",),
    "memory.current": ("memory.usage_in_bytes",),
    "memory.swap.current": ("memory.memsw.usage_in_bytes",),
    "memory.peak": ("memory.max_usage_in_bytes",),
    "memory.stat": ("memory.stat",),
    "memory.events": ("memory.oom_control",),
    "cpu.max": (_QUOTA, _PERIOD),
    "cpu.max.burst": ("cpu.cfs_burst_us",),
    "cpu.weight": ("cpu.shares",),
    "cpu.idle": ("cpu.idle",),
    "cpu.stat": ("cpu.stat",),
    "cpuset.cpus": ("cpuset.cpus",),
    "cpuset.mems": ("cpuset.mems",),
    "cpuset.cpus.effective": ("cpuset.effective_cpus",),
    "cpuset.mems.effective": ("cpuset.effective_mems",),
    "pids.max": ("pids.max",),
    "pids.current": ("pids.current",),
    "pids.events": ("pids.events",),
    "io.max": tuple(_THROTTLES.values()),
    "io.bfq.weight": _WEIGHTS,
    "io.stat": ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_serviced_recursive"),
    "rdma.max": ("rdma.max",),
    # what v2 has not: cgroup_limits.V1_ALONE
    "memory.swappiness": ("memory.swappiness",),
    "memory.oom_control": ("memory.oom_control",),
    "cpu.rt_period_us": ("cpu.rt_period_us",),
    "cpu.rt_runtime_us": ("cpu.rt_runtime_us",),
}


def v1_name(controller: str) -> str:
    """io was called blkio."""
    return "blkio" if controller == "io" else controller


def names(file: str) -> tuple[str, ...]:
    """The v1 files for a v2 file; () where v1 has nothing like it.

    >>> names("memory.max"), names("hugetlb.2MB.max"), names("memory.high")
    (('memory.limit_in_bytes',), ('hugetlb.2MB.limit_in_bytes',), ())
    """
    if file.startswith("hugetlb.") and file.endswith(".max"):
        return (f"{file.removesuffix('.max')}.limit_in_bytes",)
    return NAMES.get(file, ())


def require(file: str) -> None:
    """UnsupportedError for a limit that v1 cannot hold."""
    if not names(file):
        controller = v1_name(cgroup_limits.controller_of(file))
        raise UnsupportedError(
            f"{file} exists only in cgroup v2, and on this host a cgroup v1 hierarchy holds {controller}",
            f"boot with cgroup_no_v1={controller} or systemd.unified_cgroup_hierarchy=1, or try it under scripts/vm",
        )


# ---- from v2 to v1 -----------------------------------------------------------------------------------------


def writes(file: str, value: str, held: Held) -> Writes:
    """What to write to v1 files so that they say what `value` says in the v2 `file`, in an order the kernel takes.

    A word that is no number is handed on, for the kernel to refuse.  UsageError for one out of v2's range.

    >>> now = {"memory.limit_in_bytes": "100", "memory.memsw.limit_in_bytes": "150"}.get
    >>> writes("memory.max", "300", now)  # 50 of swap stay; the sum may never be below the limit
    [('memory.memsw.limit_in_bytes', '350'), ('memory.limit_in_bytes', '300')]
    >>> writes("memory.max", "30", now)
    [('memory.limit_in_bytes', '30'), ('memory.memsw.limit_in_bytes', '80')]
    >>> writes("memory.swap.max", "0", now)
    [('memory.memsw.limit_in_bytes', '100')]
    >>> writes("io.max", "8:0 rbps=1000 wiops=max", now)
    [('blkio.throttle.read_bps_device', '8:0 1000'), ('blkio.throttle.write_iops_device', '8:0 0')]
    >>> writes("pids.max", "20", now)
    [('pids.max', '20')]
    """
    convert = _WRITERS.get(file)
    return convert(value, held) if convert else [(names(file)[0], "-1" if _is_bytes(file, value) else value)]


def _is_bytes(file: str, value: str) -> bool:
    """Whether it is "no limit" for a file that counts bytes: v1 says -1 there."""
    return value == "max" and file.startswith("hugetlb.")


def _memory_max(value: str, held: Held) -> Writes:
    """The swap allowed stays what it is, as in v2: so the sum moves along."""
    limit, memsw = held(_LIMIT), held(_MEMSW)
    new = _bytes(value)
    if (
        limit is None or memsw is None or new is None
    ):  # a kernel without swap accounting; a word to be refused
        return [(_LIMIT, _or_minus(value))]
    swap = _swap_alone(limit, memsw)
    total = "-1" if new == math.inf or swap == math.inf else str(int(new + swap))
    both = [(_LIMIT, _or_minus(value)), (_MEMSW, total)]
    if _bytes(total) == _bytes(memsw):
        return both[:1]
    return both if _bytes(total) < _bytes(limit) else both[::-1]  # type: ignore[operator]


def _swap_max(value: str, held: Held) -> Writes:
    swap, limit = _bytes(value), _bytes(held(_LIMIT) or "max")
    if swap is None or limit is None:
        return [(_MEMSW, value)]
    total = swap + limit
    return [(_MEMSW, "-1" if total == math.inf else str(int(total)))]


def _memory_low(value: str, _held: Held) -> Writes:
    """v2 begins with 0, nothing protected, v1 with no soft limit: the same."""
    return [("memory.soft_limit_in_bytes", "-1" if value in ("0", "max") else value)]


def _cpu_max(value: str, held: Held) -> Writes:
    """Quota and period are two writes: first the one after which less is allowed, for a group above may limit, too.

    >>> _cpu_max("20000 100000", {"cpu.cfs_period_us": "100000"}.get)
    [('cpu.cfs_period_us', '100000'), ('cpu.cfs_quota_us', '20000')]
    >>> _cpu_max("max 5000", {"cpu.cfs_period_us": "100000"}.get)
    [('cpu.cfs_quota_us', '-1'), ('cpu.cfs_period_us', '5000')]
    """
    quota, _, period = value.partition(" ")
    both = [(_PERIOD, period)] if period else []
    both.append((_QUOTA, "-1" if quota == "max" else quota))
    old = held(_PERIOD) or "0"
    return both[::-1] if period.isdecimal() and int(period) < int(old) else both


def _cpu_weight(value: str, _held: Held) -> Writes:
    """The shares it was made of where they are known, else those that make this weight."""
    if isinstance(value, cgroup_limits.WeightOfShares):
        return [("cpu.shares", str(value.shares))]
    if value.isdecimal() and not 1 <= int(value) <= 10000:
        raise UsageError(f'--cpu-shares: "{value}" is no cpu.weight', "from 1 to 10000")
    return [("cpu.shares", str(cpu_shares(int(value))) if value.isdecimal() else value)]


def cpu_shares(weight: int) -> int:
    """The most shares (2 to 262144) of which cgroup_limits.cpu_weight makes no more than `weight` (1 to 10000).

    >>> [cpu_shares(weight) for weight in (1, 100, 10000)]
    [2, 1024, 262144]
    """
    low, high = 2, 262144
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if cgroup_limits.cpu_weight(middle) <= weight else (low, middle - 1)
    return low


def _io_max(value: str, _held: Held) -> Writes:
    device, *words = value.split()
    made = []
    for word in words:
        kind, _, rate = word.partition("=")
        if kind not in _THROTTLES:
            raise UsageError(f'io.max: "{word}" is none of rbps, wbps, riops, wiops')
        made.append((_THROTTLES[kind], f"{device} {'0' if rate == 'max' else rate}"))
    return made


def _io_weight(value: str, held: Held) -> Writes:
    """`500`, `default 500` or `8:0 500`, for BFQ's files or the older CFQ's."""
    file = next((name for name in _WEIGHTS if held(name) is not None), _WEIGHTS[0])
    device, _, weight = value.rpartition(" ")
    return [(file, weight)] if device in ("", "default") else [(f"{file}_device", value)]


_WRITERS = {
    "memory.max": _memory_max,
    "memory.swap.max": _swap_max,
    "memory.low": _memory_low,
    "cpu.max": _cpu_max,
    "cpu.weight": _cpu_weight,
    "io.max": _io_max,
    "io.bfq.weight": _io_weight,
}


def _bytes(text: str) -> float | None:
    """Bytes as the kernel reads them, `64M` too; inf for no limit, None for what is no number.

    >>> _bytes("64M"), _bytes("max"), _bytes("-1"), _bytes("9223372036854771712"), _bytes("much")
    (67108864, inf, inf, inf, None)
    """
    if text in ("max", "-1"):
        return math.inf
    digits = text.upper().rstrip("KMGT")
    if not digits.isdecimal() or len(text) - len(digits) > 1:
        return None
    number = int(digits) * 1024 ** " KMGT".index(text.upper()[len(digits) :] or " ")
    return math.inf if number >= NO_LIMIT_BYTES else number


def _or_minus(value: str) -> str:
    return "-1" if value == "max" else value


def _swap_alone(limit: str, memsw: str) -> float:
    """The swap that a limit on RAM and one on RAM and swap leave."""
    both, alone = _bytes(memsw), _bytes(limit)
    return math.inf if both in (None, math.inf) else both - (alone or 0)


# ---- from v1 to v2 -----------------------------------------------------------------------------------------


def text_of(file: str, held: Held) -> str:
    """What the v2 `file` would say.  FileNotFoundError when v1 has nothing to read for it.

    >>> now = {"memory.limit_in_bytes": "100", "memory.memsw.limit_in_bytes": "150", "cpu.shares": "1024",
    ...        "cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000", "memory.oom_control": "oom_kill 3",
    ...        "blkio.throttle.read_bps_device": "8:0 1000"}.get
    >>> [text_of(file, now) for file in ("memory.max", "memory.swap.max", "cpu.weight", "cpu.max", "io.max")]
    ['100', '50', '100', 'max 100000', '8:0 rbps=1000 wbps=max riops=max wiops=max']
    >>> text_of("memory.events", now)
    'oom_kill 3'
    """
    first = next((text for name in names(file) if (text := held(name)) is not None), None)
    if first is None:
        raise FileNotFoundError(f"no {' or '.join(names(file)) or file} in cgroup v1")
    convert = _READERS.get(file)
    if convert:
        return convert(held)
    return _or_max(first) if file.startswith(("memory.", "hugetlb.")) else first


def _or_max(text: str) -> str:
    return "max" if _bytes(text) == math.inf else text


def _swap_max_text(held: Held) -> str:
    swap = _swap_alone(held(_LIMIT) or "", held(_MEMSW) or "")
    return "max" if swap == math.inf else str(int(swap))


def _swap_current_text(held: Held) -> str:
    both = int(held("memory.memsw.usage_in_bytes") or 0)
    return str(max(both - int(held("memory.usage_in_bytes") or 0), 0))


def _low_text(held: Held) -> str:
    text = held("memory.soft_limit_in_bytes") or ""
    return "0" if _bytes(text) == math.inf else text


# memory.stat: v2's word and v1's, which has those of the groups below under total_
_MEMORY_PARTS = {"anon": "rss", "file": "cache", "shmem": "shmem", "inactive_file": "inactive_file"}


def _memory_stat_text(held: Held) -> str:
    counts = dict(line.split() for line in (held("memory.stat") or "").splitlines())
    parts = {word: counts[f"total_{old}"] for word, old in _MEMORY_PARTS.items() if f"total_{old}" in counts}
    if (kernel := held("memory.kmem.usage_in_bytes")) is not None:
        parts["kernel"] = kernel
    return "\n".join(f"{word} {number}" for word, number in parts.items())


def _memory_events_text(held: Held) -> str:
    lines = (held("memory.oom_control") or "").splitlines()
    return "\n".join(line for line in lines if line.startswith("oom_kill "))


def _oom_control_text(held: Held) -> str:
    lines = (held("memory.oom_control") or "").splitlines()
    return next((line.split()[1] for line in lines if line.startswith("oom_kill_disable ")), "0")


def _cpu_max_text(held: Held) -> str:
    quota = held(_QUOTA) or "-1"
    return f"{'max' if quota == '-1' else quota} {held(_PERIOD)}"


def _cpu_stat_text(held: Held) -> str:
    """Of cpu.stat, what cpu.max did.  The time used is in cgroup2's, which needs no controller.

    >>> _cpu_stat_text({"cpu.stat": "nr_periods 7\\nnr_throttled 2\\nthrottled_time 5000"}.get)
    'nr_periods 7\\nnr_throttled 2\\nthrottled_usec 5'
    """
    counts = dict(line.split() for line in (held("cpu.stat") or "").splitlines())
    made = {"nr_periods": counts.get("nr_periods", "0"), "nr_throttled": counts.get("nr_throttled", "0")}
    made["throttled_usec"] = str(int(counts.get("throttled_time", "0")) // 1000)
    return "\n".join(f"{word} {number}" for word, number in made.items())


def _cpu_weight_text(held: Held) -> str:
    return cgroup_limits.WeightOfShares(int(held("cpu.shares") or 1024))


def _io_max_text(held: Held) -> str:
    rates: dict[str, dict[str, str]] = {}
    for kind, name in _THROTTLES.items():
        for line in (held(name) or "").splitlines():
            device, rate = line.split()
            rates.setdefault(device, {})[kind] = rate
    return "\n".join(
        " ".join([device, *(f"{kind}={found.get(kind, 'max')}" for kind in _THROTTLES)])
        for device, found in rates.items()
    )


def _io_stat_text(held: Held) -> str:
    """`8:0 Read 4096` and `8:0 Write 0` in two files become one line a device.

    >>> _io_stat_text({"blkio.throttle.io_service_bytes_recursive": "8:0 Read 1\\n8:0 Write 2\\nTotal 3"}.get)
    '8:0 rbytes=1 wbytes=2'
    """
    counts: dict[str, dict[str, str]] = {}
    for name, unit in zip(NAMES["io.stat"], ("bytes", "ios"), strict=True):
        for words in map(str.split, (held(name) or "").splitlines()):
            if len(words) == 3 and words[1] in ("Read", "Write"):
                counts.setdefault(words[0], {})[f"{words[1][0].lower()}{unit}"] = words[2]
    return "\n".join(
        " ".join([device, *(f"{key}={number}" for key, number in found.items())])
        for device, found in counts.items()
    )


def _io_weight_text(held: Held) -> str:
    file = next(name for name in _WEIGHTS if held(name) is not None)
    per_device = [
        line for line in (held(f"{file}_device") or "").splitlines() if not line.startswith("default")
    ]
    return "\n".join([f"default {(held(file) or '').split()[-1]}", *per_device])


_READERS: dict[str, Callable[[Held], str]] = {
    "memory.swap.max": _swap_max_text,
    "memory.swap.current": _swap_current_text,
    "memory.low": _low_text,
    "memory.stat": _memory_stat_text,
    "memory.events": _memory_events_text,
    "memory.oom_control": _oom_control_text,
    "cpu.max": _cpu_max_text,
    "cpu.stat": _cpu_stat_text,
    "cpu.weight": _cpu_weight_text,
    "io.max": _io_max_text,
    "io.stat": _io_stat_text,
    "io.bfq.weight": _io_weight_text,
}


# ---- the files of a group ----------------------------------------------------------------------------------


def read(at: Mapping[str, str], file: str) -> str:
    """The group's v2 `file`, as text_of() makes it of v1's."""
    return text_of(file, lambda name: _text(at, name))


def has(at: Mapping[str, str], file: str) -> bool:
    """Whether this kernel's v1 has something for the v2 `file`, and the group is there."""
    return any(os.path.exists(_path(at, name)) for name in names(file))


def write(at: Mapping[str, str], file: str, value: str, why: str) -> None:
    """Write the v2 `file`'s `value` to v1's files: all of them, or none.  SyscallError as the kernel says."""
    before: Writes = []
    try:
        for name, text in writes(file, value, lambda name: _text(at, name)):
            before += _to_restore(name, text, _text(at, name))
            syscalls.write_file(_path(at, name), text, why=f"{why} (cgroup v1 for {file})".lstrip())
    except BaseException:
        for name, text in reversed(before[:-1]):  # the last one is what was refused
            with syscalls.tolerating(*_REFUSALS):
                syscalls.write_file(_path(at, name), text, why="as it was")
        raise


_REFUSALS = (16, 22)  # EBUSY, EINVAL: the error to tell is the first one


def _to_restore(name: str, text: str, old: str | None) -> Iterator[tuple[str, str]]:
    """What to write to have the file as it was.  A throttle is one line of several, of the device in `text`."""
    if name in _THROTTLES.values():
        device = text.split()[0]
        lines = dict(line.split() for line in (old or "").splitlines())
        yield name, f"{device} {lines.get(device, '0')}"
    else:
        yield name, old or ""


def _text(at: Mapping[str, str], name: str) -> str | None:
    try:
        with open(_path(at, name), "rb") as file:
            return file.read().decode().rstrip("\n")
    except FileNotFoundError:
        return None


def _path(at: Mapping[str, str], name: str) -> str:
    return f"{at[cgroup_limits.controller_of(name)]}/{name}"
