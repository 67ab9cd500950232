"""Controllers: which this host has, how they are passed down, and limits written to their files.

A controller works in a group only when every group above it has it in cgroup.subtree_control; one that a v1 hierarchy
holds needs no such thing (cgroups_v1.py).  Asking for the limit of one that is nowhere is an error and not left out in
silence.

See      cgroups(7) "Cgroups v2 subtree control"; kernel Documentation/admin-guide/cgroup-v2.rst "Controllers"
By hand  cat /sys/fs/cgroup/cgroup.controllers; echo +memory > /sys/fs/cgroup/cgroup.subtree_control
Left out the systemd driver, threaded groups
"""

from __future__ import annotations

import errno

from minirun.errors import UnsupportedError, UsageError
from minirun.linux import cgroup_files, cgroup_limits
from minirun.linux.cgroup_limits import controller_of
from minirun.linux.syscalls import SyscallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Turned on wherever the host has them, limit or not, because stats and the OOM report count with them.
ACCOUNTED = frozenset(("cpu", "io", "memory", "pids"))
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


_REFUSALS = (  # of a value
    errno.EINVAL,
    errno.ERANGE,
    errno.EOVERFLOW,
    errno.ENODEV,
    errno.ENXIO,
    errno.EOPNOTSUPP,
)


def available() -> set[str]:
    """The controllers at the root of the cgroup2 mount."""
    return set(cgroup_files.read("/", "cgroup.controllers").split())


def usable() -> set[str]:
    """Those by which a limit can be set here: on the cgroup2 mount, or held by a v1 hierarchy; by their v2 names."""
    in_v1 = {"io" if name == "blkio" else name for name in cgroup_files.v1_mounts()}
    return available() | in_v1 - {"cpuacct"}  # which only counts


def require(limits: Mapping[str, str]) -> dict[str, str]:
    """The limits that are to be written.  UnsupportedError: this host has no controller for one, and why.

    "max" where there is no controller is what already holds, and is left out; engines send it for "no limit".
    """
    here = available() if limits else set()
    to_write = {}
    for file, value in limits.items():
        controller = controller_of(file)
        if file in cgroup_limits.V1_ALONE and not cgroup_files.v1_holder(controller):
            raise UnsupportedError(
                f"{cgroup_limits.OPTIONS[file]}: cgroup v2 has no {cgroup_limits.V1_ALONE[file]}",
                f"leave it out; only a host where cgroup v1 holds {controller} has it",
            )
        if controller == "cgroup" or controller in here or _v1_can(file, value):
            to_write[file] = value
        elif value != "max":
            raise UnsupportedError(
                f"the {controller} controller is not on the cgroup2 mount {cgroup_files.mount_point()}, "
                f"so {cgroup_limits.OPTIONS.get(file, file)} cannot be applied",
                "this kernel does not have it, or the group above has not passed it on (cgroup.subtree_control)",
            )
    return to_write


def _v1_can(file: str, value: str) -> bool:
    """Whether a v1 hierarchy takes this limit.  UnsupportedError when it holds the controller, and cannot."""
    if not cgroup_files.v1_holder(controller_of(file)):
        return False
    from minirun.linux import cgroups_v1

    if value == "max" and not cgroups_v1.names(file):
        return False  # what already holds
    cgroups_v1.require(file)
    return True


def enable(group: str, needed: set[str]) -> None:
    """Let the children of `group` use the controllers in `needed`, and ACCOUNTED where they are to be had."""
    on = set(cgroup_files.read(group, "cgroup.subtree_control").split())
    there = set(cgroup_files.read(group, "cgroup.controllers").split())
    missing = {name for name in needed - {"cgroup"} - on if not cgroup_files.v1_holder(name)}
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
        cgroup_files.write(
            group, "cgroup.subtree_control", text, "groups below can only use what is passed down to them"
        )


# ---- limits are written ------------------------------------------------------------------------------------


def set_limits(path: str, limits: Mapping[str, str]) -> None:
    """Write limits to a group that exists.  UsageError for a value that is refused; see require() as well."""
    for file, value in limits.items():
        if file == "io.bfq.weight":
            file, value = _weight_file(path, value)
        if file == "memory.swap.max" and _can_do_without_swap(path, limits):
            continue
        for line in value.split("\n") if "\n" in value else (value,):  # io.max takes one device a write
            _write_limit(path, file, line)
        if file in ("cpuset.cpus", "cpuset.mems"):
            _check_cpuset(path, file, value)


def change_limits(path: str, limits: Mapping[str, str]) -> None:
    """The same, of which some may be the first of their controller in the group.  Raises as create() does."""
    limits = require(limits)
    for above, _ in cgroup_files.lineage(path):
        enable(above, {controller_of(file) for file in limits})
    set_limits(path, limits)


def _write_limit(path: str, file: str, value: str) -> None:
    try:
        if file == "cpu.rt_runtime_us":
            from minirun.linux import cgroups_v1_groups

            cgroups_v1_groups.make_room_for_realtime(path, value)
        cgroup_files.write(path, file, value, _WHY.get(file, ""))
    except SyscallError as error:
        option = cgroup_limits.OPTIONS.get(file, file)
        if (
            error.errno == errno.EBUSY and file == "memory.max"
        ):  # v1 reclaims, but kills nobody for a new limit
            raise UsageError(
                f"{option}: {value} is less than what is in use and cannot be reclaimed"
            ) from error
        if error.errno in _REFUSALS or (error.errno == errno.EACCES and file.startswith("cpuset.")):
            raise UsageError(
                f'{option}: the kernel refuses "{value}" for {file}: {error.strerror}'
            ) from error
        if error.errno in (errno.ENOENT, errno.EACCES) and not cgroup_files.has(path, file):
            raise UnsupportedError(f"this kernel has no {file}, so {option} cannot be applied") from error
        raise


def _can_do_without_swap(path: str, limits: Mapping[str, str]) -> bool:
    """Whether memory.swap.max may be left unwritten because a kernel without swap accounting lacks it.

    Nobody asked for a limit if it is "max", or as much again as memory.max: that is only the default.
    """
    if cgroup_files.has(path, "memory.swap.max"):
        return False
    return limits["memory.swap.max"] in ("max", limits.get("memory.max"))


def _weight_file(path: str, lines: str) -> tuple[str, str]:
    """The file for a block I/O weight: BFQ's where that scheduler is, else io.weight with its other scale."""
    if cgroup_files.has(path, "io.bfq.weight"):
        return "io.bfq.weight", lines
    converted = []
    for line in lines.split("\n"):
        device, _, weight = line.rpartition(" ")
        converted.append(f"{device or 'default'} {cgroup_limits.io_weight(int(weight))}")
    return "io.weight", "\n".join(converted)


def _check_cpuset(path: str, file: str, value: str) -> None:
    """The kernel accepts CPUs that are not there and then uses all of them: an error instead."""
    got = cgroup_files.read(path, f"{file}.effective")
    if value and cgroup_limits.numbers(value) != cgroup_limits.numbers(got):
        raise UsageError(
            f"{cgroup_limits.OPTIONS[file]}: {value} is not available",
            f"available: {cgroup_files.read('/', f'{file}.effective')}",
        )
