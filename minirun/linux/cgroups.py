"""Control groups, version 2: a directory is a group of processes, a file in it is a limit or a count.

A group is named by its path below the cgroup2 mount, as `/minirun/<id>`; limits are keyed by their file, as
{"memory.max": "67108864", "cpu.max": "50000 100000"}.  Rules of the kernel that shape this file:

    a controller works in a group only when every group above it has it in cgroup.subtree_control
    a controller that a v1 hierarchy holds is not there at all: asking for its limit is an error
    a group that is no leaf holds no processes; a group with processes or children cannot be removed

See      cgroups(7); kernel Documentation/admin-guide/cgroup-v2.rst; runtime-spec config-linux.md "cgroups"
By hand  cd /sys/fs/cgroup; mkdir x; echo 64M > x/memory.max; echo $$ > x/cgroup.procs
Left out v1 hierarchies, the systemd driver, threaded groups
"""

from __future__ import annotations

import errno
import math
import os
import time

from minirun.errors import ConflictError, MinirunError, UnsupportedError, UsageError
from minirun.linux import syscalls
from minirun.linux.syscalls import SyscallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

_OWNER = "trusted.minirun.owner"  # extended attribute of a group that create() made

PARENT = "/minirun"  # the group above our groups; it goes when the last of them does

# Turned on wherever the host has them, limit or not, because stats and the OOM report count with them.
ACCOUNTED = frozenset(("cpu", "io", "memory", "pids"))

# Which option of `run` a file stands for, for messages; other files are named as they are.
_OPTIONS = {
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
}
_WHY = {
    "memory.max": "more than this much RAM and the kernel kills in the group",
    "memory.swap.max": "this much swap on top of it",
    "memory.low": "below this the group's memory is reclaimed last",
    "cpu.max": "at most QUOTA microseconds of CPU in each PERIOD",
    "cpu.weight": "its share when CPUs are scarce; 100 is everybody's",
    "cpuset.cpus": "only these CPUs",
    "cpuset.mems": "memory only from these nodes",
    "pids.max": "a fork bomb stops here",
}
_SIGKILL = 9  # the signal module would bring enum with it, which costs milliseconds
_SECONDS_TO_EMPTY = 2.0  # how long killed processes may take to leave, frozen ones to stop


# ---- where the hierarchies are ----------------------------------------------------------------------------

_mount_point = ""


def mount_point() -> str:
    """Where cgroup2 is mounted, from /proc/self/mountinfo.  UnsupportedError when it is not."""
    global _mount_point
    if not _mount_point:
        found = [target for target, fstype, _ in _cgroup_mounts() if fstype == "cgroup2"]
        if not found:
            raise UnsupportedError(
                "cgroup2 is not mounted", "mount -t cgroup2 none /sys/fs/cgroup, as systemd does at boot"
            )
        _mount_point = found[0]
    return _mount_point


def _cgroup_mounts() -> Iterator[tuple[str, str, str]]:
    """(mount point, "cgroup" or "cgroup2", options of the file system) of each; see proc_pid_mountinfo(5)."""
    with open("/proc/self/mountinfo", "rb") as file:
        lines = os.fsdecode(file.read()).splitlines()
    for line in lines:
        left, _, right = line.partition(" - ")
        fstype, _, options = right.split(" ", 2)
        if fstype in ("cgroup", "cgroup2"):
            yield left.split(" ")[4].replace("\\040", " "), fstype, options


def available() -> set[str]:
    """The controllers at the root of the cgroup2 mount."""
    return set(read("/", "cgroup.controllers").split())


def v1_holder(controller: str) -> str | None:
    """The mount point of the v1 hierarchy that holds a controller and keeps it from cgroup2; or None."""
    old_name = "blkio" if controller == "io" else controller
    for target, fstype, options in _cgroup_mounts():
        if fstype == "cgroup" and old_name in options.split(","):
            return target
    return None


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


# ---- making and removing ----------------------------------------------------------------------------------


def create(path: str, limits: Mapping[str, str], owner: str = "") -> str:
    """Make the group `path` and those above it, with `limits`, for `owner`.  Returns its directory.

    UnsupportedError, before anything is made, for a limit whose controller this host does not have;
    UsageError for a value the kernel refuses; ConflictError when the group is somebody else's or has processes.
    One that is there and empty is used, and stays nobody's.  An error leaves no new group behind.
    """
    limits = require(limits)
    _require_free(path, owner)
    made: list[str] = []
    try:
        _make(path, {controller_of(file) for file in limits}, made)
        if made and directory(made[-1]) == directory(path):
            os.setxattr(directory(path), _OWNER, os.fsencode(owner))
        set_limits(path, limits)
    except BaseException:
        for group in reversed(made):
            with syscalls.tolerating(errno.EBUSY):  # another container moved in beside ours
                _rmdir(directory(group))
        raise
    return directory(path)


def _require_free(path: str, owner: str) -> None:
    """A group that has processes, or is in the group of another container, would be killed with that one."""
    if directory(path) in (mount_point(), directory(PARENT)):
        raise UsageError(
            f"cgroup path {path} holds the groups of others: a container has to have one of its own"
        )
    for above, group in _lineage(path):
        of = owner_of(above) or (owner_of(group) if directory(group) == directory(path) else "")
        if of and of != owner:
            raise ConflictError(f"cgroup {path} is not free: it belongs to the container of {of}")
    if owner and owner_of(path) == owner:
        delete(path)  # left over from one of the same name that was killed
    if found := pids(path):
        raise ConflictError(
            f"cgroup {path} is not empty: {len(found)} processes are in it",
            f"cat {directory(path)}/cgroup.procs shows which; name another group in linux.cgroupsPath",
        )


def require_alone(path: str, owner: str, pid: int) -> None:
    """ConflictError when two have taken a group that nobody made, at the same moment."""
    if owner_of(path) != owner and pids(path) != [pid]:
        raise ConflictError(f"cgroup {path} has just been taken by somebody else")


def owner_of(path: str) -> str:
    """Who has made the group: what create() was told; "" when that was somebody else."""
    try:
        return os.fsdecode(os.getxattr(directory(path), _OWNER))
    except OSError:
        return ""


def delete_own(path: str, owner: str) -> None:
    """delete() for a group that `owner` has made; another one stays as it is."""
    found = owner_of(path)
    if found == owner:
        delete(path)
    elif not found and path.startswith(f"{PARENT}/"):  # killed between making it and writing down for whom
        with syscalls.tolerating(errno.EBUSY):
            _rmdir(directory(path))


def require(limits: Mapping[str, str]) -> dict[str, str]:
    """The limits that are to be written.  UnsupportedError: this host has no controller for one, and why.

    "max" where there is no controller is what already holds, and is left out; engines send it for "no limit".
    """
    here = available() if limits else set()
    to_write = {}
    for file, value in limits.items():
        controller = controller_of(file)
        if controller == "cgroup" or controller in here:
            to_write[file] = value
        elif value != "max":
            raise UnsupportedError(
                f"the {controller} controller is not on the cgroup2 mount {mount_point()}, "
                f"so {_OPTIONS.get(file, file)} cannot be applied",
                _how_to_get(controller),
            )
    return to_write


def controller_of(file: str) -> str:
    """memory.max -> memory.  The core's own files are "cgroup"."""
    return file.split(".", 1)[0]


def _how_to_get(controller: str) -> str:
    holder = v1_holder(controller)
    if holder is None:
        return (
            "this kernel does not have it, or the group above has not passed it on (cgroup.subtree_control)"
        )
    return (
        f"the cgroup v1 hierarchy {holder} holds it; boot with cgroup_no_v1={controller} or "
        "systemd.unified_cgroup_hierarchy=1, or try it under scripts/vm"
    )


def _make(path: str, needed: set[str], made: list[str]) -> None:
    """mkdir each part of `path`, passing the controllers down; new groups are appended to `made`.

    Another container's delete() may take the empty parent away between two steps: then start over.
    """
    for attempt in range(10):
        try:
            for above, group in _lineage(path):
                _enable(above, needed)
                _mkdir(group, made)
            return
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV) or attempt == 9:
                raise


def _lineage(path: str) -> Iterator[tuple[str, str]]:
    """(group above, group) from the top down: /a/b gives ("/", "/a"), ("/a", "/a/b")."""
    above = "/"
    for part in path.split("/"):
        if part:
            group = f"{above.rstrip('/')}/{part}"
            yield above, group
            above = group


def _mkdir(group: str, made: list[str]) -> None:
    where = directory(group)
    if os.path.isdir(where):
        return
    try:
        syscalls.mkdir(where, why="a directory is a cgroup")
    except SyscallError as error:
        if error.errno != errno.EEXIST:
            raise
    else:
        made.append(group)


def _enable(group: str, needed: set[str]) -> None:
    """Let the children of `group` use the controllers in `needed`, and ACCOUNTED where they are to be had."""
    on = set(read(group, "cgroup.subtree_control").split())
    there = set(read(group, "cgroup.controllers").split())
    missing = (needed - {"cgroup"}) - on
    extra = (ACCOUNTED & there) - on - missing
    if missing or extra:
        try:
            _switch_on(group, missing | extra)
        except SyscallError:
            if not extra:
                raise
            _switch_on(group, missing)  # the wish failed; the need may still be met


def _switch_on(group: str, controllers: set[str]) -> None:
    if controllers:
        text = " ".join(f"+{name}" for name in sorted(controllers))
        _write(group, "cgroup.subtree_control", text, "groups below can only use what is passed down to them")


def delete(path: str) -> None:
    """Remove the group, those below it, and the PARENT when it was the last in there.  Missing is success.

    Processes must have gone (see kill).  MinirunError when some are still in it after a while.
    """
    where = directory(path)
    for child in _children(where):
        delete(f"{path}/{child}")
    _patiently(lambda: _rmdir(where), where)
    above = os.path.dirname(path)
    while f"{above}/".startswith(f"{PARENT}/") and not _children(directory(above)):
        with syscalls.tolerating(errno.EBUSY):  # somebody was quicker and made another container
            _rmdir(directory(above))
        above = os.path.dirname(above)


def _children(where: str) -> list[str]:
    try:
        with os.scandir(where) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def _rmdir(where: str) -> None:
    if os.path.isdir(where):
        try:
            syscalls.rmdir(where, why="nothing of the container stays")
        except SyscallError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV):
                raise


def _patiently(attempt: Callable[[], None], where: str) -> None:
    """Try until the kernel no longer says EBUSY: a killed process leaves its group a moment later."""
    delay_seconds = 0.001
    until = time.monotonic() + _SECONDS_TO_EMPTY
    while True:
        try:
            return attempt()
        except SyscallError as error:
            if error.errno != errno.EBUSY:
                raise
        if time.monotonic() > until:
            raise MinirunError(f"cgroup {where} is still in use", f"cat {where}/cgroup.procs shows by whom")
        time.sleep(delay_seconds)
        delay_seconds = min(delay_seconds * 2, 0.1)


# ---- processes in it --------------------------------------------------------------------------------------


def add(path: str, pid: int) -> None:
    """Move a process into the group; its later children start in there."""
    _write(path, "cgroup.procs", str(pid), "from here on its limits and accounts apply")


def pids(path: str) -> list[int]:
    """The processes in the group and in those below it; none when it does not exist."""
    try:
        found = [int(line) for line in read(path, "cgroup.procs").split()]
    except OSError:
        return []
    for child in _children(directory(path)):
        found += pids(f"{path}/{child}")
    return found


def kill(path: str) -> None:
    """SIGKILL every process in the group and below.  Returns once it was sent; a missing group is success.

    cgroup.kill (Linux 5.14) is atomic: no fork slips through.  Without it, go round until nobody is left.
    """
    where = directory(path)
    if not os.path.isdir(where):
        return
    if os.path.exists(f"{where}/cgroup.kill"):
        _write(path, "cgroup.kill", "1", "SIGKILL to everything in it at once")
    else:
        _kill_each(path)


def _kill_each(path: str) -> None:
    until = time.monotonic() + _SECONDS_TO_EMPTY
    while (left := pids(path)) and time.monotonic() < until:
        for pid in left:
            try:
                syscalls.act("kill", os.kill, pid, _SIGKILL, why="the kernel has no cgroup.kill")
            except SyscallError:
                pass  # gone by itself
        time.sleep(0.002)


def freeze(path: str) -> None:
    """Stop every process in the group; returns when they have stopped.  They cannot notice.

    The core does this, without a controller, so it works on a hybrid host, too.  A signal to a frozen process is
    delivered when it is thawed, except SIGKILL.  MinirunError, and all run on, when one does not stop in time.
    """
    _write(path, "cgroup.freeze", "1", "no process in it runs until it is thawed")
    try:
        _await_frozen(path, True)
    except MinirunError:
        _write(path, "cgroup.freeze", "0", "all of it, or nothing")
        raise


def thaw(path: str) -> None:
    """Let a frozen group run on."""
    _write(path, "cgroup.freeze", "0", "run on")
    _await_frozen(path, False)


def is_frozen(path: str) -> bool:
    """Whether the whole group has stopped.  FileNotFoundError when there is no such group."""
    return "frozen 1" in read(path, "cgroup.events").splitlines()


def _await_frozen(path: str, wanted: bool) -> None:
    until = time.monotonic() + _SECONDS_TO_EMPTY
    while is_frozen(path) != wanted:
        if time.monotonic() > until:
            hint = "a process in it sleeps in the kernel and cannot be stopped (state D in `ps`)"
            raise MinirunError(f"cgroup {path} did not {'freeze' if wanted else 'thaw'}", hint)
        time.sleep(0.001)


# ---- reading ----------------------------------------------------------------------------------------------


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


def oom_kills(path: str) -> int:
    """How many processes the kernel has killed in the group and below because memory.max was reached."""
    return keyed(path, "memory.events").get("oom_kill", 0)


def open_events(path: str) -> int:
    """A descriptor of the group's memory.events, -1 where there is no memory controller.

    poll(2) tells POLLPRI when a number in it has changed since it was last read; see oom_kills_at().
    """
    try:
        return os.open(f"{directory(path)}/memory.events", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1


def oom_kills_at(events: int) -> int:
    """oom_kills(), read from a descriptor of open_events(), which is what poll(2) waits for."""
    lines = os.pread(events, 4096, 0).decode().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def stat(path: str) -> dict[str, int]:
    """What the group uses: cpu_usec, memory_bytes, pids; without those whose controller is not on."""
    found = {}
    if usec := keyed(path, "cpu.stat").get("usage_usec"):
        found["cpu_usec"] = usec
    for name, file in (("memory_bytes", "memory.current"), ("pids", "pids.current")):
        try:
            found[name] = int(read(path, file))
        except FileNotFoundError:
            continue
    return found


def has(path: str, file: str) -> bool:
    """Whether the group has the file: its controller is on, and this kernel has the setting."""
    return os.path.exists(f"{directory(path)}/{file}")


# ---- limits -----------------------------------------------------------------------------------------------


def set_limits(path: str, limits: Mapping[str, str]) -> None:
    """Write limits to a group that exists.  UsageError for a value that is refused; see require() as well."""
    for file, value in limits.items():
        if file == "io.bfq.weight":
            file, value = _weight_file(path, value)
        if file == "memory.swap.max" and _can_do_without_swap(path, limits):
            continue
        for line in value.split("\n"):  # io.max takes one device a write
            _write_limit(path, file, line)
        if file in ("cpuset.cpus", "cpuset.mems"):
            _check_cpuset(path, file, value)


def change_limits(path: str, limits: Mapping[str, str]) -> None:
    """The same, of which some may be the first of their controller in the group.  Raises as create() does."""
    limits = require(limits)
    for above, _ in _lineage(path):
        _enable(above, {controller_of(file) for file in limits})
    set_limits(path, limits)


def _write_limit(path: str, file: str, value: str) -> None:
    try:
        _write(path, file, value, _WHY.get(file, ""))
    except SyscallError as error:
        if error.errno in (errno.EINVAL, errno.ERANGE, errno.EOVERFLOW, errno.ENODEV, errno.ENXIO):
            option = _OPTIONS.get(file, file)
            raise UsageError(
                f'{option}: the kernel refuses "{value}" for {file}: {error.strerror}'
            ) from error
        if error.errno in (errno.ENOENT, errno.EACCES) and not os.path.exists(f"{directory(path)}/{file}"):
            raise UnsupportedError(
                f"this kernel has no {file}, so {_OPTIONS.get(file, file)} cannot be applied"
            ) from error
        raise


def _can_do_without_swap(path: str, limits: Mapping[str, str]) -> bool:
    """Whether memory.swap.max may be left unwritten because a kernel without swap accounting lacks it.

    Nobody asked for a limit if it is "max", or as much again as memory.max: that is only the default.
    """
    if os.path.exists(f"{directory(path)}/memory.swap.max"):
        return False
    return limits["memory.swap.max"] in ("max", limits.get("memory.max"))


def _weight_file(path: str, lines: str) -> tuple[str, str]:
    """The file for a block I/O weight: BFQ's where that scheduler is, else io.weight with its other scale."""
    if os.path.exists(f"{directory(path)}/io.bfq.weight"):
        return "io.bfq.weight", lines
    converted = []
    for line in lines.split("\n"):
        device, _, weight = line.rpartition(" ")
        converted.append(f"{device or 'default'} {io_weight(int(weight))}")
    return "io.weight", "\n".join(converted)


def _check_cpuset(path: str, file: str, value: str) -> None:
    """The kernel accepts CPUs that are not there and then uses all of them: an error instead."""
    got = read(path, f"{file}.effective")
    if value and numbers(value) != numbers(got):
        raise UsageError(
            f"{_OPTIONS[file]}: {value} is not available", f"available: {read('/', f'{file}.effective')}"
        )


def numbers(text: str) -> set[int]:
    """A list as in cpuset(7): "0-2,5" is {0, 1, 2, 5}.  UsageError if it is no such list."""
    found: set[int] = set()
    try:
        for part in filter(None, text.split(",")):
            first, dash, last = part.partition("-")
            found.update(range(int(first), int(last if dash else first) + 1))
    except ValueError:
        raise UsageError(f'"{text}" is not a list of numbers and ranges, as 0-2,5') from None
    return found


def _write(path: str, file: str, text: str, why: str) -> None:
    syscalls.write_file(f"{directory(path)}/{file}", text, why=why)


# ---- config.json's `linux.resources` to files -------------------------------------------------------------


def limits_from_resources(resources: Mapping[str, Any]) -> dict[str, str]:
    """The files, in writing order, that say the same as OCI `linux.resources` (which was made for cgroup v1).

    The conversions are runc's (opencontainers/cgroups fs2 and utils.go).  UnsupportedError for a setting that
    v2 does not have, UsageError for one that contradicts itself.  `devices` is devices.py's.
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
        raise UnsupportedError("network classes and priorities (net_cls, net_prio) exist only in cgroup v1")
    limits.update(_unified(resources.get("unified") or {}))
    return limits


def _or_max(number: int) -> str:
    return "max" if number == -1 else str(number)


def _memory(memory: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """limit, swap (with the RAM in OCI, alone in v2), reservation.  0 is unset, -1 is no limit."""
    if memory.get("disableOOMKiller") or memory.get("swappiness") is not None:
        raise UnsupportedError("cgroup v2 has neither an OOM killer switch nor swappiness for a group")
    limit, swap = memory.get("limit") or 0, memory.get("swap") or 0
    if limit:
        yield "memory.max", _or_max(limit)
    if (swap_max := _swap_alone(limit, swap)) is not None:
        yield "memory.swap.max", _or_max(swap_max)
    if memory.get("reservation"):
        yield "memory.low", _or_max(memory["reservation"])


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
    if cpu.get("realtimeRuntime") or cpu.get("realtimePeriod"):
        raise UnsupportedError("cgroup v2 has no limits for real-time processes")
    quota, period = cpu.get("quota") or 0, cpu.get("period") or 0
    if quota or period:
        yield "cpu.max", f"{quota if quota > 0 else 'max'} {period or 100000}"
    if cpu.get("burst") is not None:
        yield "cpu.max.burst", str(cpu["burst"])  # after cpu.max: it may not be above the quota
    if cpu.get("shares"):
        yield "cpu.weight", str(cpu_weight(cpu["shares"]))
    if cpu.get("idle") is not None:
        yield "cpu.idle", str(cpu["idle"])
    for key in ("mems", "cpus"):
        if cpu.get(key):
            yield f"cpuset.{key}", str(cpu[key])


def cpu_weight(shares: int) -> int:
    """cpu.weight (1 to 10000) for v1 shares (2 to 262144), so that 2 -> 1, 1024 -> 100, 262144 -> 10000.

    The older straight line gave 1024, everybody's default, a weight of 39 instead of 100 (runc issue 4772).
    """
    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    bits = math.log2(shares)
    return math.ceil(10 ** ((bits * bits + 125 * bits) / 612 - 7 / 34))


def io_weight(weight: int) -> int:
    """io.weight (1 to 10000) for a v1 block I/O weight (10 to 1000), linearly."""
    return 1 + (weight - 10) * 9999 // 990


def _block_io(block_io: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if block_io.get("leafWeight"):
        raise UnsupportedError("leafWeight exists only in cgroup v1")
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


def _rdma(device: str, counts: Mapping[str, int]) -> str:
    words = {"hcaHandles": "hca_handle", "hcaObjects": "hca_object"}
    return " ".join([device, *(f"{words[key]}={value}" for key, value in counts.items())])


def _unified(unified: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for file, value in unified.items():
        if "/" in file or "." not in file:
            raise UsageError(f'"{file}" is not a cgroup file: CONTROLLER.NAME, as memory.high')
        yield file, value
