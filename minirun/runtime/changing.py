"""`update`: other limits for a container that is there, with a part of `linux.resources`.

What is given is laid over what the container has, value by value, so that a new quota keeps the period.
What then holds is written down in the container's config.json, for the next update.

See      linux/cgroup_changes.py, which writes the files or puts them back; runc update.go
By hand  echo '{"memory": {"limit": 67108864}}' | minirun-oci update --resources - x
Left out devices: their rules are a program that the kernel would not take back
"""

from __future__ import annotations

from minirun import files
from minirun.errors import UnsupportedError, UsageError
from minirun.linux import cgroup_changes, cgroup_controllers, cgroup_files, cgroup_limits
from minirun.runtime import schema, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def update(state_root: str, container_id: str, resources: Any, where: str) -> None:
    """Set the limits of `resources`, which come from `where`, for messages.  An error leaves them as they were."""
    schema.check_resources(resources, where)
    current = state.read(state_root, container_id)
    state.require(current, "created", "running", "paused")
    config = state.read_config(state_root, container_id)
    old = config.get("linux", {}).get("resources", {})
    if resources.get("devices") and resources["devices"] != old.get("devices"):
        raise UnsupportedError(f"{where}: devices: the rules of a container cannot be changed")
    group = current["cgroup"]
    if not group:
        raise UnsupportedError(f'container "{container_id}" has no control group: --cgroup-manager disabled')
    wanted = cgroup_changes.merged(old, resources)
    before, after = cgroup_limits.from_resources(old), cgroup_limits.from_resources(wanted)
    changed = cgroup_controllers.require(cgroup_changes.difference(before, after))
    if (resources.get("memory") or {}).get("checkBeforeUpdate"):
        _require_room(group, changed.get("memory.max", "max"))
    with cgroup_changes.written(group, changed):
        config.setdefault("linux", {})["resources"] = wanted
        files.write_json(f"{state.directory(state_root, container_id)}/config.json", config)


def _require_room(group: str, limit: str) -> None:
    """memory.checkBeforeUpdate: rather an error than a limit for which the kernel would kill."""
    used = cgroup_files.read(group, "memory.current")
    if limit != "max" and int(used) > int(limit):
        raise UsageError(f"memory.limit: {limit} is less than the {used} bytes that are in use")
