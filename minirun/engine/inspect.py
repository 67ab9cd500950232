"""`inspect`: all that is known of a container, under Docker's names.

What was asked for comes from the record, what holds from the kernel (`Kernel`): a limit that did not take shows.

See      docs.docker.com/engine/api "Inspect a container"
By hand  cat container.json config.json; cat /proc/PID/status and the cgroup's files
"""

from __future__ import annotations

import contextlib

from minirun import files
from minirun.engine import bundle
from minirun.errors import MinirunError
from minirun.linux import cgroups
from minirun.runtime import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.engine.record_types import Record
    from minirun.paths import Paths


def container(paths: Paths, record: Record) -> dict[str, Any]:
    """What `inspect` shows, under Docker's names; limits and capabilities as the kernel has them now."""
    current = record["state"]
    return {
        "Id": record["id"],
        "Created": record["created"],
        "Path": record["args"][0],
        "Args": record["args"][1:],
        "State": {
            "Status": current["status"],
            "Running": current["status"] == "running",
            "OOMKilled": current["oom_killed"],
            "Pid": current["pid"],
            "ExitCode": current["exit_code"],
            "Error": current["error"],
            "StartedAt": current["started"],
            "FinishedAt": current["finished"],
        },
        "Image": record["image_id"],
        "Name": f"/{record['name']}",
        "LogPath": f"{paths.container(record['id'])}/log.json",
        "HostConfig": {
            "AutoRemove": record["auto_remove"],
            "Privileged": record["privileged"],
            "ReadonlyRootfs": record["readonly"],
            "NetworkMode": record["network"],
            "Ulimits": record["rlimits"],
        },
        "GraphDriver": {"Name": "overlay", "Data": _overlay(paths, record)},
        "Mounts": [_mount(mount) for mount in record["mounts"]],
        "Config": {
            "Hostname": record["hostname"],
            "User": record["user"],
            "Tty": record["tty"],
            "OpenStdin": record["interactive"],
            "Env": record["env"],
            "Cmd": record["args"],
            "Image": record["image"],
            "WorkingDir": record["cwd"],
            "Labels": record["labels"],
            "StopSignal": record["stop_signal"],
        },
        "NetworkSettings": _network(record),
        "Kernel": _kernel(paths, record),
        "Spec": _spec(paths, record),
    }


def _overlay(paths: Paths, record: Record) -> dict[str, str]:
    directory = paths.container(record["id"])
    return {
        "LowerDir": ":".join(reversed(record["layers"])),
        "UpperDir": f"{directory}/upper",
        "WorkDir": f"{directory}/work",
        "MergedDir": f"{directory}/merged",
    }


def _mount(mount: Any) -> dict[str, Any]:
    writable = "ro" not in mount.get("options", [])
    return {
        "Type": mount["type"],
        "Source": mount["source"],
        "Destination": mount["destination"],
        "RW": writable,
    }


def _network(record: Record) -> dict[str, Any]:
    endpoint = record["endpoint"] or {}
    names = {
        "IPAddress": "ip_address",
        "IPPrefixLen": "prefix_length",
        "Gateway": "gateway",
        "MacAddress": "mac_address",
    }
    return {name: endpoint.get(key, "") for name, key in names.items()}


def _kernel(paths: Paths, record: Record) -> dict[str, Any]:
    """Read back from /proc and the cgroup: what holds, not what was asked."""
    if record["state"]["status"] != "running":
        return {}
    current = state.read(paths.state, record["id"])
    with contextlib.suppress(OSError, MinirunError):
        return {"Cgroup": cgroups.directory(current["cgroup"]), **bundle.kernel_view(current)}
    return {}


def _spec(paths: Paths, record: Record) -> object:
    try:
        return files.read_json(f"{paths.container(record['id'])}/config.json")
    except OSError:
        return None
