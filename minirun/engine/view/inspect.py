"""`inspect`: all that is known of a container, under Docker's names.

What was asked for comes from the record; what holds, from the kernel, which is asked anew each time: `Kernel` has the
limits and capabilities as they are, `Spec` the config.json that the container was made from.

See      docs.docker.com/engine/api "Inspect a container"; docs/differences.md for the names that are left out
By hand  cat container.json config.json; cat /proc/PID/status and the cgroup's files
"""

from __future__ import annotations

import contextlib
import os

from minirun import files
from minirun.engine import control, default_links, records
from minirun.engine.options import limits, security
from minirun.engine.view import inspect_mounts, inspect_network, sizes
from minirun.errors import MinirunError
from minirun.linux import capabilities, cgroup_files
from minirun.runtime import spec, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.engine.record_types import DeviceMapping, HealthSettings, HealthState, Record
    from minirun.paths import Paths
    from minirun.runtime.config import State

    Facts = dict[str, Any]

NEVER = "0001-01-01T00:00:00Z"  # Go's zero time
_NANOSECONDS = 10**9


def container(paths: Paths, record: Record, *, size: bool = False) -> Facts:
    """What `inspect` shows; `size`: with the bytes it takes up, which costs a walk over its files."""
    directory = paths.container(record["id"])
    return {
        "Id": record["id"],
        "Created": record["created"],
        "Path": record["args"][0],
        "Args": record["args"][1:],
        "State": _state(record),
        "Image": record["image_id"],
        "ResolvConfPath": f"{directory}/resolv.conf",
        "HostnamePath": f"{directory}/hostname",
        "HostsPath": f"{directory}/hosts",
        "LogPath": f"{directory}/log.json" if record["options"]["log"]["driver"] == "json-file" else "",
        "Name": f"/{record['name']}",
        "RestartCount": record["restart_count"],
        "Driver": "overlay",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": _exec_ids(paths, record),
        "HostConfig": _host_config(record),
        "GraphDriver": {"Name": "overlay", "Data": _overlay(directory, record)},
        **(_sizes(paths, record) if size else {}),
        "Mounts": inspect_mounts.mounts(record),
        "Config": _config(record),
        "NetworkSettings": inspect_network.settings(paths, record),
        "Kernel": _kernel(paths, record),
        "Spec": _spec(directory),
    }


# ---- State --------------------------------------------------------------------------------------------------


def _state(record: Record) -> Facts:
    current, status = record["state"], record["state"]["status"]
    facts = {
        "Status": status,
        "Running": status in ("running", "paused", "restarting"),
        "Paused": status == "paused",
        "Restarting": status == "restarting",
        "OOMKilled": current["oom_killed"],
        "Dead": False,
        "Pid": current["pid"],
        "ExitCode": current["exit_code"],
        "Error": current["error"],
        "StartedAt": current["started"] or NEVER,
        "FinishedAt": current["finished"] or NEVER,
    }
    health = current.get("health")
    return {**facts, "Health": _health(health)} if health else facts


def _health(health: HealthState) -> Facts:
    names = {"Start": "start", "End": "end", "ExitCode": "exit_code", "Output": "output"}
    log = [{name: result[key] for name, key in names.items()} for result in health["log"]]  # type: ignore[literal-required]
    return {"Status": health["status"], "FailingStreak": health["failing_streak"], "Log": log}


def _exec_ids(paths: Paths, record: Record) -> list[str] | None:
    """The processes of `exec`: only the shim knows them."""
    if records.is_up(record):
        with contextlib.suppress(MinirunError):
            return control.request(paths, record, "execs") or None
    return None


# ---- Config: what is the container's own ---------------------------------------------------------------------


def _config(record: Record) -> Facts:
    options = record["options"]
    facts = {
        "Hostname": record["hostname"],
        "Domainname": options["domainname"],
        "User": record["user"],
        "AttachStdin": "stdin" in options["attached"],
        "AttachStdout": "stdout" in options["attached"],
        "AttachStderr": "stderr" in options["attached"],
        "ExposedPorts": {port: {} for port in sorted(record["exposed"])},
        "Tty": options["tty"],
        "OpenStdin": options["interactive"],
        "StdinOnce": "stdin" in options["attached"],
        "Env": record["env"],
        "Cmd": record["args"][len(record["entrypoint"] or ()) :] or None,
        "Healthcheck": _healthcheck(record["health"]) if record["health"] else None,
        "Image": options["image"],
        "Volumes": {path: {} for path in _volumes(record)} or None,
        "WorkingDir": record["cwd"],
        "Entrypoint": record["entrypoint"],
        "OnBuild": None,
        "Labels": record["labels"],
        "StopSignal": record["stop_signal"],
        "StopTimeout": options["stop_timeout"],
    }
    absent_without = ("ExposedPorts", "Healthcheck", "StopTimeout")
    return {name: value for name, value in facts.items() if value or name not in absent_without}


def _volumes(record: Record) -> list[str]:
    """The places of the image's VOLUME, and of anonymous ones of -v."""
    anonymous = [mount["destination"] for mount in record["options"]["mounts"] if mount["anonymous"]]
    return [*record["image_volumes"], *anonymous]


def _healthcheck(settings: HealthSettings) -> Facts:
    """In nanoseconds, as Go counts time; what nobody set is 0 in the record and not shown."""
    times = {
        "Interval": settings["interval"],
        "Timeout": settings["timeout"],
        "StartPeriod": settings["start_period"],
        "StartInterval": settings["start_interval"],
    }
    shown: Facts = {name: round(seconds * _NANOSECONDS) for name, seconds in times.items() if seconds}
    return {
        "Test": settings["test"],
        **shown,
        **({"Retries": settings["retries"]} if settings["retries"] else {}),
    }


# ---- HostConfig: what the host gives it ------------------------------------------------------------------------


def _host_config(record: Record) -> Facts:
    options = record["options"]
    restart, log = options["restart"], options["log"]
    unmasked = security.has_open_paths(options["security_opt"], options["privileged"])
    return {
        **inspect_mounts.host_config(record),
        "LogConfig": {"Type": log["driver"], "Config": log["options"]},
        "NetworkMode": "default" if record["network"] == "bridge" else record["network"],
        "PortBindings": inspect_network.bindings(options["ports"]),
        "RestartPolicy": {"Name": restart["name"], "MaximumRetryCount": restart["maximum"]},
        "AutoRemove": options["auto_remove"],
        "Annotations": options["annotations"],
        "CapAdd": options["cap_add"] or None,
        "CapDrop": options["cap_drop"] or None,
        "CgroupParent": options["cgroup_parent"],
        "CgroupnsMode": record["namespaces"].get("cgroup", "private"),
        "DeviceCgroupRules": options["device_cgroup_rules"] or None,
        "DeviceRequests": [_cdi_request(options["cdi_devices"])] if options["cdi_devices"] else None,
        "Devices": [_device(one) for one in options["devices"]],
        "Dns": options["dns"],
        "DnsOptions": options["dns_options"],
        "DnsSearch": options["dns_search"],
        "ExtraHosts": [f"{name}:{address}" for name, address in options["extra_hosts"]] or None,
        "GroupAdd": options["groups"] or None,
        "IpcMode": record["namespaces"].get("ipc", "private"),
        "Links": [f"/{link['name']}:/{record['name']}/{link['alias']}" for link in default_links.of(record)]
        or None,
        "PidMode": record["namespaces"].get("pid", ""),
        "UTSMode": record["namespaces"].get("uts", ""),
        "UsernsMode": "",
        "Privileged": options["privileged"],
        "PublishAllPorts": options["publish_all"],
        "ReadonlyRootfs": options["readonly"],
        "SecurityOpt": security.shown(options["security_opt"]),
        "Runtime": options["runtime"] or "minirun-oci",
        "Init": options["init"] or None,
        **limits.host_config(options),
        **({"Sysctls": options["sysctls"]} if options["sysctls"] else {}),
        "Ulimits": sorted(map(_ulimit, options["rlimits"]), key=lambda limit: str(limit["Name"])),
        "MaskedPaths": [] if unmasked else spec.masked_paths(),
        "ReadonlyPaths": [] if unmasked else list(spec.READONLY_PATHS),
    }


def _cdi_request(names: list[str]) -> Facts:
    return {"Driver": "cdi", "Count": 0, "DeviceIDs": names, "Capabilities": None, "Options": None}


def _device(one: DeviceMapping) -> Facts:
    names = {"PathOnHost": "source", "PathInContainer": "destination", "CgroupPermissions": "access"}
    return {name: one[key] for name, key in names.items()}  # type: ignore[literal-required]


def _ulimit(limit: Any) -> Facts:
    name = limit["type"].removeprefix("RLIMIT_").lower()
    return {"Name": name, "Hard": limit["hard"], "Soft": limit["soft"]}


# ---- files -----------------------------------------------------------------------------------------------------


def _overlay(directory: str, record: Record) -> dict[str, str]:
    return {
        "LowerDir": ":".join(reversed(record["layers"])),
        "MergedDir": f"{directory}/merged",
        "UpperDir": f"{directory}/upper",
        "WorkDir": f"{directory}/work",
    }


def _sizes(paths: Paths, record: Record) -> dict[str, int]:
    """Of what it has written, and of that with its image."""
    own = sizes.written(paths, record)
    return {"SizeRw": own, "SizeRootFs": own + sizes.beneath(record)}


# ---- what Docker does not show -----------------------------------------------------------------------------------


def _kernel(paths: Paths, record: Record) -> Facts:
    """Read back from /proc and the cgroup: what holds, not what was asked."""
    if not records.is_up(record):
        return {}
    with contextlib.suppress(OSError, MinirunError):
        current = state.read(paths.state, record["id"])
        group = current["cgroup"]
        # a container that an earlier minirun has started has none of these
        there = {
            name: path for name, path in cgroup_files.v1_directories(group).items() if os.path.isdir(path)
        }
        in_v1 = {"CgroupsV1": there} if there else {}
        return {"Cgroup": cgroup_files.directory(group), **in_v1, **_held(current)}
    return {}


def _held(current: State) -> Facts:
    """Its limits, and the capability sets of its first process."""
    limits = {}
    for file in ("memory.max", "memory.swap.max", "cpu.max", "cpu.weight", "cpuset.cpus", "pids.max"):
        with contextlib.suppress(OSError):
            limits[file] = cgroup_files.read(current["cgroup"], file).strip()
    sets = {name: f"{mask:016x}" for name, mask in capabilities.read_sets(current["pid"]).items()}
    return {"Limits": limits, "Capabilities": sets}


def _spec(directory: str) -> object:
    try:
        return files.read_json(f"{directory}/config.json")
    except OSError:
        return None
