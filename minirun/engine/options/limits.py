"""Limits: what the words of `run`, `create` and `update` about memory, CPU, processes and disks mean.

    --memory 64m   ->   {"memory": {"limit": 67108864}}      ->   {"memory.max": "67108864"}
    a word here         OCI linux.resources: the record's,        the cgroup's files: linux/cgroup_limits.py
                        and config.json's

Refusals are in Docker's words.  What this host's cgroups have no file for is refused, never passed over.

See      docs.docker.com "Resource constraints"; runtime-spec config-linux.md "Memory" and what follows it;
         bundle.py for a new container, update.py for one that is there
By hand  cat /sys/fs/cgroup/minirun/ID/memory.max
"""

from __future__ import annotations

import os
import stat

from minirun.errors import NotFoundError, UsageError
from minirun.linux import cgroup_files, cgroup_limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from minirun.engine.record_types import RunOptions

    Resources = dict[str, dict[str, Any]]  # {"memory": {...}, "cpu": {...}, "pids": {...}, "blockIO": {...}}

CPU_PERIOD = 100_000  # microseconds: the kernel's default, cpu.max in cgroup-v2.rst
LEAST_MEMORY = 6 * 1024**2  # Docker's, too
SHM_BYTES = 64 * 1024**2  # of /dev/shm, unless --shm-size says

# the lists in linux.resources.blockIO, and in HostConfig
_THROTTLES = {
    "throttleReadBpsDevice": "BlkioDeviceReadBps",
    "throttleWriteBpsDevice": "BlkioDeviceWriteBps",
    "throttleReadIOPSDevice": "BlkioDeviceReadIOps",
    "throttleWriteIOPSDevice": "BlkioDeviceWriteIOps",
}
# Files of the core that are settings; the others act once (cgroup.kill), or move processes (cgroup.procs).
_CORE_SETTINGS = ("cgroup.max.depth", "cgroup.max.descendants", "cgroup.pressure")


# ---- from words to resources ------------------------------------------------------------------------------


def resources(
    *,
    memory: str = "",
    memory_swap: str = "",
    memory_reservation: str = "",
    memory_swappiness: int = -1,
    oom_kill_disable: bool = False,
    cpus: str = "",
    cpu_quota: int = 0,
    cpu_period: int = 0,
    cpu_shares: int = 0,
    cpuset_cpus: str = "",
    cpuset_mems: str = "",
    cpu_rt_period: int = 0,
    cpu_rt_runtime: int = 0,
    pids_limit: int = 0,
    blkio_weight: int = 0,
    blkio_weight_device: Iterable[str] = (),
    device_read_bps: Iterable[str] = (),
    device_write_bps: Iterable[str] = (),
    device_read_iops: Iterable[str] = (),
    device_write_iops: Iterable[str] = (),
    lifting: bool = False,
) -> Resources:
    """linux.resources of what is given, under the options' names; "" and 0 are not given, as in Docker.

    `lifting`: a memory of -1 takes the limit away, which makes sense for an update only.  Raises UsageError quoting
    the bad word.
    """
    quota, period = _quota(cpus, cpu_quota, cpu_period)
    made: Resources = {
        "memory": {
            "limit": size(memory or "0", "--memory", unlimited=lifting),
            "swap": size(memory_swap or "0", "--memory-swap", unlimited=True),
            "reservation": size(memory_reservation or "0", "--memory-reservation"),
            "swappiness": _swappiness(memory_swappiness),
            "disableOOMKiller": oom_kill_disable or None,
        },
        "cpu": {
            "quota": quota,
            "period": period,
            "shares": cpu_shares,
            "cpus": cpuset_cpus,
            "mems": cpuset_mems,
            "realtimePeriod": cpu_rt_period,
            "realtimeRuntime": cpu_rt_runtime,
        },
        "pids": {"limit": max(pids_limit, -1)},
        "blockIO": {
            "weight": blkio_weight,
            "weightDevice": [_device_weight(text) for text in blkio_weight_device],
            "throttleReadBpsDevice": [_device_rate(text, in_bytes=True) for text in device_read_bps],
            "throttleWriteBpsDevice": [_device_rate(text, in_bytes=True) for text in device_write_bps],
            "throttleReadIOPSDevice": [_device_rate(text, in_bytes=False) for text in device_read_iops],
            "throttleWriteIOPSDevice": [_device_rate(text, in_bytes=False) for text in device_write_iops],
        },
    }
    return {kind: given for kind, values in made.items() if (given := _given(values))}


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Without what nobody has asked for; a swappiness of 0 is something to ask for."""
    return {key: value for key, value in values.items() if value or (key == "swappiness" and value == 0)}


def with_swap(wanted: Resources) -> Resources:
    """Docker's default for a container that is to be made: as much swap as memory."""
    memory = wanted.get("memory", {})
    if memory.get("limit") and not memory.get("swap"):
        return {**wanted, "memory": {**memory, "swap": 2 * memory["limit"]}}
    return wanted


def _swappiness(percent: int) -> int | None:
    if percent == -1:
        return None
    if not 0 <= percent <= 100:
        raise UsageError(f"Invalid value: {percent}, valid memory swappiness range is 0-100")
    return percent


def size(text: str, option: str, *, unlimited: bool = False) -> int:
    """`64m` -> bytes: b, k, m, g, t, powers of 1024, any case, a trailing b or ib allowed; -1 if `unlimited`."""
    if text == "-1" and unlimited:
        return -1
    digits = text.lower().removesuffix("b").removesuffix("i")
    unit = digits[-1:] if digits[-1:] in ("k", "m", "g", "t") else ""
    try:
        value = float(digits.removesuffix(unit)) * 1024 ** " kmgt".index(unit or " ")
    except ValueError:
        value = -1
    if not 0 <= value < 2**63:  # neither is "nan"
        raise UsageError(f'invalid size "{text}" for {option}', "as in 512k, 64m or 1.5g")
    return int(value)


def _quota(cpus: str, quota: int, period: int) -> tuple[int, int]:
    """Microseconds of CPU time in each period of microseconds: `--cpus 1.5` is (150000, 100000)."""
    try:
        value = float(cpus or 0)
    except ValueError:
        raise UsageError(f'invalid number of CPUs "{cpus}"', "as in 0.5 or 2") from None
    there = os.cpu_count() or 1
    if value != 0 and not 0.01 <= value <= there:
        raise UsageError(
            f"Range of CPUs is from 0.01 to {there}.00, as there are only {there} CPUs available"
        )
    for given, name in ((period, "Period"), (quota, "Quota")):
        if value and given:
            raise UsageError(f"Conflicting options: Nano CPUs and CPU {name} cannot both be set")
    return (round(value * CPU_PERIOD), CPU_PERIOD) if value else (quota, period)


# ---- block devices ----------------------------------------------------------------------------------------


def _device_weight(text: str) -> dict[str, int]:
    """`/dev/sda:500`"""
    path, weight = _split_device(text)
    if not weight.isdecimal() or len(weight) > 4 or not (weight == "0" or 10 <= int(weight) <= 1000):
        raise UsageError(f"invalid weight for device: {text}", "from 10 to 1000")
    return {**device_numbers(path), "weight": int(weight)}


def _device_rate(text: str, *, in_bytes: bool) -> dict[str, int]:
    """`/dev/sda:1mb`, or `/dev/sda:1000` for operations; 0 is no limit."""
    path, rate = _split_device(text)
    try:
        number = size(rate, text) if in_bytes else int(rate)
    except (UsageError, ValueError):
        number = -1
    if number < 0:
        unit = "[<unit>], the unit being kb, mb or gb" if in_bytes else ""
        raise UsageError(
            f"invalid rate for device: {text}", f"<device-path>:<number>{unit}; a positive integer"
        )
    return {**device_numbers(path), "rate": number}


def _split_device(text: str) -> tuple[str, str]:
    path, colon, value = text.rpartition(":")
    if not colon:
        raise UsageError(f"bad format: {text}", "as in /dev/sda:VALUE")
    if not path.startswith("/dev/"):
        raise UsageError(f"bad format for device path: {text}", "as in /dev/sda:VALUE")
    return path, value


def device_numbers(path: str) -> dict[str, int]:
    """The numbers by which the kernel knows a block device.  Raises UsageError when it is none."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    if not stat.S_ISBLK(status.st_mode):
        raise UsageError(f"{path} is not a block device", "`lsblk -p` lists them")
    return {"major": os.major(status.st_rdev), "minor": os.minor(status.st_rdev)}


def device_path(major: int, minor: int) -> str:
    """A name of the block device, by udev's links; "8:0" where there is none."""
    link = f"/dev/block/{major}:{minor}"
    return os.path.realpath(link) if os.path.exists(link) else f"{major}:{minor}"


# ---- raw files --------------------------------------------------------------------------------------------


def raw(entries: Iterable[str]) -> dict[str, str]:
    """`--cgroup-conf memory.high=64M`: {"memory.high": "64M"}, what linux.resources.unified is in config.json."""
    made = {}
    for entry in entries:
        file, _, value = entry.partition("=")
        if not value or "/" in file or "." not in file.strip("."):
            raise UsageError(f'invalid --cgroup-conf: "{entry}"', "FILE=VALUE, as in memory.high=64M")
        if file.startswith("cgroup.") and file not in _CORE_SETTINGS:
            raise UsageError(f'invalid --cgroup-conf: "{entry}": {file} is not a setting')
        made[file] = value
    return made


# ---- what contradicts itself ------------------------------------------------------------------------------


def check(wanted: Resources) -> None:
    """Raises UsageError for resources that make no sense together; in Docker's words."""
    _check_memory(**_numbers(wanted.get("memory", {}), "limit", "swap", "reservation"))
    cpu = wanted.get("cpu", {})
    _check_cpu(**_numbers(cpu, "quota", "period", "shares"))
    _check_realtime(cpu.get("realtimePeriod", 0), cpu.get("realtimeRuntime", 0))
    _check_set(cpu.get("cpus", ""), "CPUs", "cpuset cpus", "/sys/devices/system/cpu/online")
    _check_set(cpu.get("mems", ""), "memory nodes", "cpuset mems", "/sys/devices/system/node/online")
    weight = wanted.get("blockIO", {}).get("weight", 0)
    if weight and not 10 <= weight <= 1000:
        raise UsageError("Range of blkio weight is from 10 to 1000")


def _numbers(values: Mapping[str, Any], *names: str) -> dict[str, int]:
    return {name: values.get(name, 0) for name in names}


def _check_memory(limit: int, swap: int, reservation: int) -> None:
    if 0 < limit < LEAST_MEMORY:
        raise UsageError("Minimum memory limit allowed is 6MB")
    if limit == 0 and swap > 0:
        raise UsageError("You should always set the Memory limit when using Memoryswap limit")
    if 0 < swap < limit:
        hint = "--memory-swap is memory and swap together"
        raise UsageError("Minimum memoryswap limit should be larger than memory limit", hint)
    if 0 < reservation < LEAST_MEMORY:
        raise UsageError("Minimum memory reservation allowed is 6MB")
    if 0 < limit < reservation:
        raise UsageError("Minimum memory limit can not be less than memory reservation limit")


def _check_cpu(quota: int, period: int, shares: int) -> None:
    if period and not 1000 <= period <= 1000000:
        raise UsageError(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
        )
    if 0 < quota < 1000:
        raise UsageError("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    if shares < 0:
        raise UsageError(f"invalid CPU shares ({shares}): value must be a positive integer")


def _check_realtime(period: int, runtime: int) -> None:
    if min(period, runtime) < 0:
        raise UsageError("cpu real-time period and runtime are microseconds, and cannot be negative")
    if 0 < period < runtime:
        raise UsageError("cpu real-time runtime cannot be higher than cpu real-time period")


def _check_set(wanted: str, what: str, option: str, online: str) -> None:
    """The kernel would accept CPUs that are not there."""
    try:
        asked = cgroup_limits.numbers(wanted)
    except UsageError:
        raise UsageError(f"Invalid value {wanted} for {option}", "as in 0-2,5") from None
    try:
        with open(online, encoding="utf-8") as file:
            there = file.read().strip()
    except OSError:
        return  # a kernel without NUMA has no nodes to list; it will say so itself
    if not asked <= cgroup_limits.numbers(there):
        raise UsageError(f"Requested {what} are not available - requested {wanted}, available: {there}")


# ---- from resources to files ------------------------------------------------------------------------------


def files(wanted: Mapping[str, Any], conf: Mapping[str, str]) -> dict[str, str]:
    """The cgroup's files for a record's resources and cgroup_conf, which has the last word."""
    return cgroup_limits.from_resources({**wanted, "unified": conf})


# ---- what inspect shows -----------------------------------------------------------------------------------


def host_config(options: RunOptions) -> dict[str, Any]:
    """The limits of `inspect`'s HostConfig, under Docker's names: as asked for; inspect's `Kernel` has what holds."""
    wanted = options["resources"]
    memory, io = wanted.get("memory", {}), wanted.get("blockIO", {})
    return {
        "Memory": max(memory.get("limit", 0), 0),
        "MemorySwap": memory.get("swap", 0),
        "MemoryReservation": memory.get("reservation", 0),
        "MemorySwappiness": memory.get("swappiness"),
        "OomKillDisable": memory.get("disableOOMKiller"),
        "OomScoreAdj": options["oom_score_adj"],
        "ShmSize": options["shm_size"] or SHM_BYTES,
        **_cpu_config(wanted.get("cpu", {})),
        "PidsLimit": wanted.get("pids", {}).get("limit"),
        "BlkioWeight": io.get("weight", 0),
        "BlkioWeightDevice": [_named(device, "weight") for device in io.get("weightDevice", [])],
        **{name: [_named(device, "rate") for device in io.get(key, [])] for key, name in _THROTTLES.items()},
        "CgroupConf": options["cgroup_conf"],
    }


def _cpu_config(cpu: Mapping[str, Any]) -> dict[str, Any]:
    """A quota in the usual period is shown as `--cpus`, which is the same to the kernel."""
    quota, period = cpu.get("quota", 0), cpu.get("period", 0)
    as_cpus = quota > 0 and period == CPU_PERIOD
    return {
        "NanoCpus": quota * 10**9 // CPU_PERIOD if as_cpus else 0,
        "CpuQuota": 0 if as_cpus else quota,
        "CpuPeriod": 0 if as_cpus else period,
        "CpuShares": cpu.get("shares", 0),
        "CpusetCpus": cpu.get("cpus", ""),
        "CpusetMems": cpu.get("mems", ""),
        "CpuRealtimePeriod": cpu.get("realtimePeriod", 0),
        "CpuRealtimeRuntime": cpu.get("realtimeRuntime", 0),
    }


def _named(device: Mapping[str, int], key: str) -> dict[str, Any]:
    return {"Path": device_path(device["major"], device["minor"]), key.capitalize(): device[key]}


def require_parent(path: str) -> None:
    """A group that is named from the root is somebody's, and has to be there.  Raises NotFoundError."""
    if path.startswith("/") and not os.path.isdir(where := cgroup_files.directory(path)):
        raise NotFoundError(f"--cgroup-parent {path}: there is no such cgroup", f"mkdir {where}")
