"""Mounts and volumes as `inspect` shows them, under Docker's names.

See  docs.docker.com/engine/api "Inspect a container", "Inspect a volume"
"""

from __future__ import annotations

from minirun.engine import volumes
from minirun.engine.options.mounts import PROPAGATIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.engine.record_types import MountPoint, Record, Volume
    from minirun.paths import Paths

    Facts = dict[str, Any]


def mounts(record: Record) -> list[Facts]:
    """Of a container: what is mounted in it.  Those of --tmpfs are in HostConfig alone."""
    return [_mount(mount) for mount in record["mounts"] if mount["origin"] != "--tmpfs"]


def _mount(mount: MountPoint) -> Facts:
    kind, is_volume = mount["kind"], mount["kind"] == "volume"
    return {
        "Type": kind,
        "Name": mount["name"],  # also where there is none: templates ask for it
        "Source": "" if kind == "tmpfs" else mount["source"],
        "Destination": mount["destination"],
        "Driver": "local" if is_volume else "",
        "Mode": _mode(mount),
        "RW": volumes.is_writable(mount),
        "Propagation": _propagation(mount) if kind == "bind" else "",
    }


def _mode(mount: MountPoint) -> str:
    """As written; Docker shows a named volume without options as "z", and nothing for one that was inherited."""
    if mount["origin"] == "--volumes-from":
        return ""
    named = mount["origin"] == "--mount" or not mount["anonymous"]
    return mount["mode"] or ("z" if mount["kind"] == "volume" and named else "")


def _propagation(mount: MountPoint) -> str:
    return next(option for option in mount["options"] if option in PROPAGATIONS)


def host_config(record: Record) -> Facts:
    """What was asked for with -v, --mount, --tmpfs and --volumes-from."""
    by_origin: dict[str, list[MountPoint]] = {}
    for mount in record["mounts"]:
        by_origin.setdefault(mount["origin"], []).append(mount)
    binds = [_bind(mount) for mount in by_origin.get("-v", []) if not mount["anonymous"]]
    in_memory = {mount["destination"]: mount["mode"] for mount in by_origin.get("--tmpfs", [])}
    spelt_out = [_asked_for(mount) for mount in by_origin.get("--mount", [])]
    return {
        "Binds": binds or None,
        **({"Mounts": spelt_out} if spelt_out else {}),
        **({"Tmpfs": in_memory} if in_memory else {}),
        "VolumesFrom": record["options"]["volumes_from"] or None,
    }


def _bind(mount: MountPoint) -> str:
    words = [mount["name"] or mount["source"], mount["destination"], mount["mode"]]
    return ":".join(filter(None, words))


def _asked_for(mount: MountPoint) -> Facts:
    part: Facts = {"Subpath": mount["subpath"]} if mount["subpath"] else {}
    if mount["labels"]:
        part["Labels"] = mount["labels"]
    if mount["volume_options"]:
        part["DriverConfig"] = {"Name": "local", "Options": mount["volume_options"]}
    if mount["kind"] == "tmpfs":
        part = _in_memory(mount["options"])
    source = "" if mount["anonymous"] or mount["kind"] == "tmpfs" else mount["name"] or mount["source"]
    return {
        "Type": mount["kind"],
        **({"Source": source} if source else {}),
        "Target": mount["destination"],
        **({} if volumes.is_writable(mount) else {"ReadOnly": True}),
        **({f"{mount['kind'].capitalize()}Options": part} if part else {}),
    }


def _in_memory(options: list[str]) -> Facts:
    """TmpfsOptions: tmpfs-size and tmpfs-mode as they were given."""
    said = dict(option.partition("=")[::2] for option in options)
    return {
        **({"SizeBytes": int(said["size"])} if said.get("size", "").isdecimal() else {}),
        **({"Mode": int(said["mode"], 8)} if "mode" in said else {}),
    }


def volume(paths: Paths, volume: Volume) -> Facts:
    return {
        "CreatedAt": f"{volume['created'].partition('.')[0]}Z",
        "Driver": "local",
        "Labels": volume["labels"] or None,
        "Mountpoint": volumes.data(paths, volume["name"]),
        "Name": volume["name"],
        "Options": volume.get("options") or None,
        "Scope": "local",
    }
