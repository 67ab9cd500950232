"""`update`: other limits for a container, while it runs or before it runs again.  All of what was asked, or nothing.

    what was asked + what the record has   ->   checked together   ->   only the files that change
    each file is read before it is written; a refusal writes back what was read, last first

Less memory than is in use: the kernel reclaims what it can, then kills in the group (memory.max in cgroup-v2.rst).

By hand  echo 128M > /sys/fs/cgroup/minirun/ID/memory.max
"""

from __future__ import annotations

import contextlib
import os

from minirun.engine import control, records
from minirun.engine.options import limits, policies, shape
from minirun.errors import ConflictError, UnsupportedError, UsageError
from minirun.linux import cgroup_controllers, cgroup_files, cgroup_limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from minirun.engine.options.limits import Resources
    from minirun.engine.record_types import Record, RestartPolicy
    from minirun.paths import Paths

_NO_THROTTLE = "rbps=max wbps=max riops=max wiops=max"


def update(
    paths: Paths,
    record: Record,
    *,
    resources: Resources,
    cgroup_conf: Mapping[str, str],
    restart: RestartPolicy | None = None,
) -> None:
    """Set what is given of the limits (see limits.resources), the cgroup's files, and the restart policy.

    Raises UsageError, UnsupportedError or ConflictError with the container as it was before.
    """
    _check(resources, cgroup_conf, restart)
    if restart and record["options"]["auto_remove"] and restart["name"] != "no":
        raise ConflictError(
            "Restart policy cannot be updated because AutoRemove is enabled for the container"
        )
    with records.changing(paths):  # nobody else changes it meanwhile, and it is not removed
        record = records.read(paths, record["id"])
        options = record["options"]
        wanted = merged(options["resources"], resources)
        conf = {**options["cgroup_conf"], **cgroup_conf}
        limits.check(wanted)
        changed = difference(
            limits.files(options["resources"], options["cgroup_conf"]), limits.files(wanted, conf)
        )
        cgroup_controllers.require(changed)
        options = {**options, "resources": wanted, "cgroup_conf": conf}
        options["restart"] = restart or options["restart"]
        group = records.cgroup(record) if records.is_up(record) else ""
        if group:
            _require_group(record, group, changed)
        with _written(group, changed):
            control.change_locked(paths, record, {"options": options})


def _require_group(record: Record, group: str, changed: Mapping[str, str]) -> None:
    """A minirun that knew cgroup2 alone made no groups in the v1 hierarchies.  Raises UnsupportedError."""
    v1 = cgroup_files.v1_directories(group)
    lacking = [name for file in changed if (name := cgroup_limits.controller_of(file)) in v1]
    if any(not os.path.isdir(v1[name]) for name in lacking):
        raise UnsupportedError(
            f"container {record['name']} has no control group for {', '.join(dict.fromkeys(lacking))}: "
            "an earlier minirun has started it; restart it first",
            f"minirun restart {record['name']}",
        )


def _check(resources: Resources, cgroup_conf: Mapping[str, str], restart: RestartPolicy | None) -> None:
    """The same as when a container is made.  Raises UsageError."""
    shape.check(resources, shape.RESOURCES, "resources")
    shape.check(cgroup_conf, {str: str}, "cgroup_conf")
    limits.raw(f"{file}={value}" for file, value in cgroup_conf.items())
    if restart:
        shape.check(restart, shape.RESTART, "restart")
        policies.check_restart(restart)


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """`new` over `old`, value by value.  Raises UsageError for memory beyond a limit on swap that stays."""
    made = {kind: {**old.get(kind, {}), **new.get(kind, {})} for kind in {**old, **new}}
    memory, asked = made.get("memory", {}), new.get("memory", {})
    limit, swap = memory.get("limit", 0), memory.get("swap", 0)
    if limit == -1 and "swap" not in asked:
        memory["swap"] = -1
    elif "limit" in asked and "swap" not in asked and 0 < swap < limit:
        raise UsageError(
            "Memory limit should be smaller than already set memoryswap limit, "
            "update the memoryswap at the same time"
        )
    return made


def difference(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """The files to write so that `new` holds where `old` did; "max" is what holds where nothing is asked."""
    return {file: value for file, value in new.items() if old.get(file) != value}


@contextlib.contextmanager
def _written(group: str, changed: Mapping[str, str]) -> Iterator[None]:
    """The files hold the new values in the with block, and the old ones again after an error."""
    before: list[dict[str, str]] = []
    try:
        for file, value in changed.items() if group else ():
            before.append(_before(group, file, value))
            cgroup_controllers.change_limits(group, {**_beside(file, changed), file: value})
        yield
    except BaseException:
        for values in reversed(before):
            with contextlib.suppress(OSError, UsageError):  # the error to tell is the first one
                cgroup_controllers.set_limits(group, values)
        raise


def _beside(file: str, changed: Mapping[str, str]) -> dict[str, str]:
    """Whether a limit on swap can be done without is a question of the one on memory."""
    memory = changed.get("memory.max")
    return {"memory.max": memory} if file == "memory.swap.max" and memory else {}


def _before(group: str, file: str, value: str) -> dict[str, str]:
    """What to write so that `file` says again what it says now, before `value` is written."""
    if file == "io.bfq.weight" and not cgroup_files.has(group, file):
        file = "io.weight"  # where the kernel has no BFQ, see cgroup_controllers.set_limits
    if not cgroup_files.has(group, file):
        return {}
    text = cgroup_files.read(group, file)
    if file == "io.max":  # says nothing of a device without a limit
        lines = [f"{line.split()[0]} {_NO_THROTTLE}" for line in value.splitlines()]
        text = "\n".join([*lines, *text.splitlines()])
    return {file: text} if text else {}
