"""The options about limits, which `run`, `create` and `update` share.

Next  engine/options/limits.py
"""

from __future__ import annotations

import click

from minirun.cli.printing import say
from minirun.engine.options import limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from minirun.engine.options.limits import Resources
    from minirun.engine.record_types import RunOptions

    Command = Callable[..., Any]

# what can change while a container runs
_CHANGEABLE = (
    click.option("-m", "--memory", help="Most memory: 64m, 1g."),
    click.option("--memory-swap", help="Most memory and swap together; -1: no limit on swap."),
    click.option("--memory-reservation", help="Memory that is the last to be reclaimed."),
    click.option("--cpus", help="How many CPUs' time: 0.5."),
    click.option("--cpu-quota", type=int, help="Microseconds of CPU time in each period; -1: no limit."),
    click.option("--cpu-period", type=int, help="Microseconds of a period: 100000."),
    click.option("-c", "--cpu-shares", type=int, help="Weight against others: 1024 is normal."),
    click.option("--cpuset-cpus", default="", help="CPUs to run on: 0-1,3."),
    click.option("--cpuset-mems", default="", help="Memory nodes to take memory from: 0-1."),
    click.option("--cpu-rt-period", type=int, help="Microseconds of a real-time period (cgroup v1)."),
    click.option("--cpu-rt-runtime", type=int, help="Microseconds for real-time processes in each."),
    click.option("--pids-limit", type=int, help="Most processes and threads; -1: no limit."),
    click.option("--blkio-weight", type=int, help="Weight on disks against others: 10 to 1000."),
    click.option("--blkio-weight-device", multiple=True, help="The same on one: /dev/sda:500."),
    click.option("--device-read-bps", multiple=True, help="Most bytes a second to read: /dev/sda:1mb."),
    click.option("--device-write-bps", multiple=True, help="Most bytes a second to write."),
    click.option("--device-read-iops", multiple=True, help="Most reads a second: /dev/sda:100."),
    click.option("--device-write-iops", multiple=True, help="Most writes a second."),
    click.option("--cgroup-conf", multiple=True, help="FILE=VALUE for the cgroup: memory.high=64M."),
)
_FIXED = (
    click.option("--shm-size", help="Size of /dev/shm: 64m."),
    click.option("--oom-score-adj", type=int, default=0, help="-1000 to 1000: killed last to first."),
    click.option(
        "--memory-swappiness", type=int, default=-1, help="0 to 100: how soon it swaps (cgroup v1)."
    ),
    click.option("--oom-kill-disable", is_flag=True, help="Wait for memory, not be killed (cgroup v1)."),
)
_RESOURCES = (
    *("memory", "memory_swap", "memory_reservation", "oom_kill_disable", "pids_limit"),
    *(
        "cpus",
        "cpu_quota",
        "cpu_period",
        "cpu_shares",
        "cpuset_cpus",
        "cpuset_mems",
        "cpu_rt_period",
        "cpu_rt_runtime",
    ),
    *("blkio_weight", "blkio_weight_device"),
    *("device_read_bps", "device_write_bps", "device_read_iops", "device_write_iops"),
)


def options(command: Command) -> Command:
    """All options about limits, for a command that makes a container."""
    return changeable(_add(command, _FIXED))


def changeable(command: Command) -> Command:
    """Those that `update` has."""
    return _add(command, _CHANGEABLE)


def _add(command: Command, added: tuple[Callable[[Command], Command], ...]) -> Command:
    for option in reversed(added):
        command = option(command)
    return command


def resources(words: Mapping[str, Any], *, lifting: bool = False) -> Resources:
    """What was said about limits, of all the words.  Raises UsageError quoting the bad one."""
    said = {name: words[name] for name in _RESOURCES if words.get(name)}
    return limits.resources(**said, memory_swappiness=words.get("memory_swappiness", -1), lifting=lifting)


def warn(options: RunOptions) -> None:
    """Docker's word on who asks for a wait that nothing but more memory of the host's ends."""
    memory = options["resources"].get("memory", {})
    if memory.get("disableOOMKiller") and not memory.get("limit"):
        say(
            "WARNING: Disabling the OOM killer on containers without setting a '-m/--memory' limit may be dangerous.",
            err=True,
        )


def apply(words: Mapping[str, Any], options: RunOptions) -> None:
    """The words of `run` and `create` about limits into the options."""
    options["resources"] = limits.with_swap(resources(words))
    options["cgroup_conf"] = limits.raw(words["cgroup_conf"])
    options["shm_size"] = limits.size(words["shm_size"] or "0", "--shm-size")
    options["oom_score_adj"] = words["oom_score_adj"]
