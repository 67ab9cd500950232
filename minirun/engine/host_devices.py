"""The host's device nodes that a container gets: all of them with `--privileged`, else those of `--device`.

See      runtime-spec config-linux.md "Devices"; moby daemon/pkg/oci/devices_linux.go for directories and links
By hand  find /dev -type c -o -type b
"""

from __future__ import annotations

import os
import stat

from minirun.errors import MinirunError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from minirun.engine.record_types import DeviceMapping, RunOptions
    from minirun.runtime.config import Device

_OWN = ("/dev/pts", "/dev/shm", "/dev/mqueue")  # file systems of which each container has its own
_TERMINALS = ("console", "ptmx")  # likewise
_ALL = {"allow": True, "access": "rwm"}


def of_options(options: RunOptions) -> tuple[list[Device], list[dict[str, Any]]]:
    """config.json's linux.devices and linux.resources.devices.  Raises NotFoundError, MinirunError for what is none.

    The rules deny all, then allow; the runtime adds null, zero, terminals and the like behind them.  --privileged says
    that all is allowed: what no rule mentions is denied, and a device of CDI, or another runtime, brings rules too.
    """
    if options["privileged"]:
        renamed = [one for one in options["devices"] if one["source"] != one["destination"]]
        return [*all_nodes(), *(node for one in renamed for node in mapped(one))], [_ALL]
    nodes, rules = [], [{"allow": False, "access": "rwm"}]
    for one in options["devices"]:
        for node in mapped(one):
            nodes.append(node)
            rules.append(allowed(node, one["access"]))
    if options["device_cgroup_rules"]:
        from minirun.engine.options import devices

        rules += devices.rules(options["device_cgroup_rules"])
    return nodes, rules


def allowed(node: Device, access: str) -> dict[str, Any]:
    numbers = {"major": node["major"], "minor": node["minor"]}
    return {"allow": True, "type": node["type"], **numbers, "access": access}


def mapped(one: DeviceMapping) -> Iterator[Device]:
    """The node at a path of the host, or all those below a directory, by the names that the container wants."""
    source = os.path.realpath(one["source"])
    try:
        status = os.stat(source)
    except OSError as error:
        raise NotFoundError(f"{_wrong(one)}: {(error.strerror or '').lower()}") from None
    if stat.S_ISDIR(status.st_mode):
        yield from _below(source, one["destination"].rstrip("/"))
    elif _is_device(status):
        yield _node(one["destination"], status)
    else:
        raise MinirunError(f"{_wrong(one)}: not a device node")


def described(wanted: Mapping[str, Any]) -> Device:
    """A deviceNode of CDI: as it says, and for the rest as the host has it.  Raises NotFoundError, MinirunError."""
    source = wanted.get("hostPath") or wanted["path"]
    if wanted.get("type") and "major" in wanted and "minor" in wanted:
        found: Device = {
            "path": "",
            "type": wanted["type"],
            "major": wanted["major"],
            "minor": wanted["minor"],
        }
    else:
        found = next(mapped({"source": source, "destination": wanted["path"], "access": ""}))
    own = {key: wanted[key] for key in ("type", "major", "minor", "fileMode", "uid", "gid") if key in wanted}
    return {**found, **own, "path": wanted["path"]}  # type: ignore[typeddict-item]


def _wrong(one: DeviceMapping) -> str:
    return f'error gathering device information while adding custom device "{one["source"]}"'


def _below(source: str, destination: str) -> Iterator[Device]:
    for directory, _, names in os.walk(source):
        for name in sorted(names):
            status = os.lstat(f"{directory}/{name}")
            if _is_device(status):
                yield _node(f"{destination}{directory.removeprefix(source)}/{name}", status)


def all_nodes() -> Iterator[Device]:
    """Every device node of the host's /dev, for config.json's linux.devices; terminals and what is a mount of the
    container's own left out."""
    for directory, names, nodes in os.walk("/dev"):
        names[:] = [name for name in names if f"{directory}/{name}" not in _OWN]
        for name in sorted(nodes):
            status = os.lstat(f"{directory}/{name}")
            if name not in _TERMINALS and _is_device(status):
                yield _node(f"{directory}/{name}", status)


def _is_device(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)


def _node(path: str, status: os.stat_result) -> Device:
    return {
        "path": path,
        "type": "b" if stat.S_ISBLK(status.st_mode) else "c",
        "major": os.major(status.st_rdev),
        "minor": os.minor(status.st_rdev),
        "fileMode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
    }
