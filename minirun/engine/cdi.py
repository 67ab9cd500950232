"""Devices that a vendor describes in files of the host, `--device vendor.com/class=name`: Container Device Interface.

    /etc/cdi/acme.yaml      kind: acme.com/radio           ->   config.json gets its nodes, with the right to use them,
    /var/run/cdi/*.json     devices: [{name: "0", ...}]         mounts, variables and groups

What a file says for all of its devices comes before what it says of one.  A device of /var/run/cdi goes before one of
the same name in /etc/cdi; two in one directory are none.

See      github.com/cncf-tags/container-device-interface SPEC.md; options/devices.py for the words
Left out hooks, which the runtime does not run, intelRdt and netDevices: a device that wants one is refused
"""

from __future__ import annotations

import os

from minirun.engine import host_devices
from minirun.engine.options import mounts, shape
from minirun.errors import MinirunError, NotFoundError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from minirun.runtime.config import Config

    Edits = dict[str, Any]  # containerEdits of a file

DIRECTORIES = ("/etc/cdi", "/var/run/cdi")  # the last goes before
_LEFT_OUT = ("hooks", "intelRdt", "netDevices")
_NODE = {
    "path": str,
    **dict.fromkeys(("hostPath?", "type?", "permissions?"), str),
    **dict.fromkeys(("major?", "minor?", "fileMode?", "uid?", "gid?"), int),
}
_EDITS = {
    "env?": [str],
    "deviceNodes?": [_NODE],
    "mounts?": [{"hostPath": str, "containerPath": str, "options?": [str], "type?": str}],
    "additionalGids?": [int],
    **{f"{key}?": object for key in _LEFT_OUT},
}
_DEVICE = {"name": str, "containerEdits": _EDITS, "annotations?": object}
_FILE = {
    "cdiVersion": str,
    "kind": str,
    "devices": [_DEVICE],
    "containerEdits?": _EDITS,
    "annotations?": object,
}


def find(names: Iterable[str]) -> list[Edits]:
    """What these devices make of a container, in order.  Raises NotFoundError, UnsupportedError."""
    known, problems = _known()
    asked = list(dict.fromkeys(names))
    if missing := [name for name in asked if not known.get(name)]:
        there = ", ".join(sorted(name for name in known if known[name]))
        hint = f"there are {there}" if there else f"no file in {' or '.join(DIRECTORIES)} describes a device"
        raise NotFoundError(f"unresolvable CDI devices {', '.join(missing)}", "; ".join([hint, *problems]))
    made: list[Edits] = []
    for name in asked:
        made += [edits for edits in known[name] if edits not in made]
    for key in _LEFT_OUT:
        if any(edits.get(key) for edits in made):
            raise UnsupportedError(
                f"CDI devices {', '.join(asked)}: {key} are not in minirun", "see the file"
            )
    return made


def _known() -> tuple[dict[str, list[Edits]], list[str]]:
    """{name: what its file says for all, and for it; [] for one that is there twice}, and what is wrong in files."""
    known: dict[str, list[Edits]] = {}
    problems: list[str] = []
    for directory in DIRECTORIES:
        here: dict[str, list[Edits]] = {}
        for path in _paths(directory):
            try:
                for name, edits in _devices(_read(path)):
                    here[name] = [] if name in here else edits
            except MinirunError as error:
                problems.append(f"{path}: {error.message}")
        known.update(here)
    return known, problems


def _paths(directory: str) -> list[str]:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [f"{directory}/{name}" for name in names if name.endswith((".json", ".yaml"))]


def _read(path: str) -> dict[str, Any]:
    """Raises MinirunError for what is no file of CDI."""
    import yaml  # it is large, and few have such devices

    try:
        with open(path, encoding="utf-8") as file:
            found = yaml.safe_load(file)  # JSON is YAML, too
    except OSError as error:
        raise MinirunError(error.strerror or "cannot be read") from None
    except (ValueError, yaml.YAMLError):
        raise MinirunError("it is no YAML") from None
    shape.check(found, _FILE, "")
    return found  # type: ignore[no-any-return]


def _devices(file: dict[str, Any]) -> Iterator[tuple[str, list[Edits]]]:
    for device in file["devices"]:
        yield f"{file['kind']}={device['name']}", [file.get("containerEdits") or {}, device["containerEdits"]]


# ---- into config.json --------------------------------------------------------------------------------------


def inject(config: Config, names: Iterable[str]) -> None:
    """All that the devices `names` make of a container.  Raises as find(), and for a node that the host has not."""
    for edits in find(names):
        process, linux = config["process"], config["linux"]
        for entry in edits.get("env", []):
            before = [old for old in process["env"] if old.partition("=")[0] != entry.partition("=")[0]]
            process["env"] = [*before, entry]
        for wanted in edits.get("deviceNodes", []):
            node = host_devices.described(wanted)
            linux["devices"] = [one for one in linux["devices"] if one["path"] != node["path"]] + [node]
            linux["resources"]["devices"].append(
                host_devices.allowed(node, wanted.get("permissions") or "rwm")
            )
        for group in edits.get("additionalGids", []):
            process["user"].setdefault("additionalGids", []).append(group)
        _mount(config, edits.get("mounts", []))


def _mount(config: Config, wanted: Iterable[dict[str, Any]]) -> None:
    """A mount of a device takes the place of another at the same point; the shallow ones come first."""
    for one in sorted(wanted, key=lambda one: mounts.depth(one["containerPath"])):
        place = one["containerPath"]
        others = [mount for mount in config["mounts"] if mount["destination"] != place]
        words = list(one.get("options", []))
        made = {
            "destination": place,
            "type": one.get("type") or "bind",
            "source": one["hostPath"],
            "options": words if {"bind", "rbind"} & set(words) or one.get("type") else ["rbind", *words],
        }
        config["mounts"] = [*others, made]  # type: ignore[list-item]
