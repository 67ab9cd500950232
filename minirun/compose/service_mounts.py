"""A service's `volumes`, `tmpfs` and `volumes_from` as the engine's mounts.

See   compose-spec 05-services.md "volumes"; engine/options/mounts.py
Next  secrets.py
"""

from __future__ import annotations

from minirun.compose import names, secrets
from minirun.engine.options import mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.compose.language.model import Mount, Project, Service
    from minirun.engine.record_types import MountPoint, RunOptions

# bind.recursive -> words of mount(8); what is mounted below is read-only as well unless "rw" is said
_RECURSION = {"disabled": ["bind"], "writable": ["rbind", "rw"], "readonly": ["rbind", "rro"]}
# Mounts cannot travel from a container to the host: the half that can be had.
_PROPAGATION = {"shared": "slave", "rshared": "rslave"}


def apply(options: RunOptions, project: Project, service: Service, record_of: Callable[[str], str]) -> None:
    """All of the service's mounts into the options."""
    options["mounts"] = [
        *(mount(project, one) for one in service.get("volumes") or []),
        *(mounts.tmpfs(text) for text in service.get("tmpfs") or []),
        *secrets.binds(project, service),
    ]
    options["volumes_from"] = [_volumes_from(text, record_of) for text in service.get("volumes_from") or []]


def _volumes_from(text: str, record_of: Callable[[str], str]) -> str:
    """`db:ro`, `container:cache:ro`"""
    if text.startswith("container:"):
        return text.removeprefix("container:")
    service, colon, mode = text.partition(":")
    return f"{record_of(service)}{colon}{mode}"


def mount(project: Project, one: Mount) -> MountPoint:
    """One of `volumes`.  Raises UsageError."""
    made = {"bind": _bind, "volume": _volume, "tmpfs": _tmpfs, "image": _image}[one["type"]](project, one)
    is_read_only = bool(one.get("read_only"))
    if is_read_only and "ro" not in made["options"]:
        made["options"].append("ro")
    if made["origin"] == "-v":
        made["mode"] = "ro" if is_read_only else "rw"  # as Docker Compose spells it out
    return made


def _bind(project: Project, one: Mount) -> MountPoint:
    """A path of the host, made when it is missing unless the file says that it has to be there."""
    given = one.get("bind") or {}
    origin = "-v" if given.get("create_host_path", True) else "--mount"
    made = mounts.point("bind", one["source"], one["target"], origin)
    propagation = given.get("propagation") or "rprivate"
    made["options"] = [
        *_RECURSION.get(given.get("recursive", ""), ["rbind"]),
        _PROPAGATION.get(propagation, propagation),
    ]
    return made


def _volume(project: Project, one: Mount) -> MountPoint:
    """A volume of the project's, or without a source one that goes with the container."""
    given = one.get("volume") or {}
    source = one.get("source", "")
    name = names.volume(project, source) if source else ""
    made = mounts.point(
        "volume", name, one["target"], "-v" if name and not any(given.values()) else "--mount"
    )
    made["subpath"] = given.get("subpath") or ""
    made["copy"] = not given.get("nocopy", False) and not made["subpath"]
    made["labels"] = dict(given.get("labels") or {})
    return made


def _tmpfs(project: Project, one: Mount) -> MountPoint:
    given = one.get("tmpfs") or {}
    made = mounts.point("tmpfs", "tmpfs", one["target"], "--mount")
    if given.get("size"):
        made["options"].append(f"size={given['size']}")
    if given.get("mode"):
        made["options"].append(f"mode={given['mode']:o}")
    return made


def _image(project: Project, one: Mount) -> MountPoint:
    """The files of an image, or a directory of them; nobody changes them."""
    made = mounts.point("image", one["source"], one["target"], "--mount")
    made["subpath"] = (one.get("image") or {}).get("subpath") or ""
    made["options"].append("ro")
    return made
