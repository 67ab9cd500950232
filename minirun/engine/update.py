"""`update`: other limits for a container, while it runs or before it runs again.  All of what was asked, or nothing.

    what was asked + what the record has   ->   checked together   ->   only the files that change

Less memory than is in use: the kernel reclaims what it can, then kills in the group (memory.max in cgroup-v2.rst).

See      linux/cgroup_changes.py, which writes the files
By hand  echo 128M > /sys/fs/cgroup/minirun/ID/memory.max
"""

from __future__ import annotations

import os

from minirun.engine import control, records
from minirun.engine.options import limits, policies, shape
from minirun.errors import ConflictError, UnsupportedError
from minirun.linux import cgroup_changes, cgroup_controllers, cgroup_files, cgroup_limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from minirun.engine.options.limits import Resources
    from minirun.engine.record_types import Record, RestartPolicy
    from minirun.paths import Paths


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
        wanted = cgroup_changes.merged(options["resources"], resources)
        conf = {**options["cgroup_conf"], **cgroup_conf}
        limits.check(wanted)
        changed = cgroup_changes.difference(
            limits.files(options["resources"], options["cgroup_conf"]), limits.files(wanted, conf)
        )
        cgroup_controllers.require(changed)
        options = {**options, "resources": wanted, "cgroup_conf": conf}
        options["restart"] = restart or options["restart"]
        group = records.cgroup(record) if records.is_up(record) else ""
        if group:
            _require_group(record, group, changed)
        with cgroup_changes.written(group, changed):
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
