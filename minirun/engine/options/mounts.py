"""The words for mounts: `-v`, `--mount`, `--tmpfs` and `--volumes-from`, as MountPoints.

    -v name:/p      a volume: made when there is none, filled from the image when it is empty
    -v /host:/p     a bind: the host's directory, made when it is missing
    -v /p           an anonymous volume; so is each VOLUME of the image whose place nothing else takes
    --mount ...     the same, spelt out; the host's path has to be there
    --tmpfs /p      memory
    type=image      an image's files, read-only

See      mount(8) for the options' names; moby volume/mounts/linux_parser.go for the rules and Docker's words
By hand  jq .mounts container.json
Next     engine/volumes.py
"""

from __future__ import annotations

import os

from minirun import booleans
from minirun.errors import UsageError
from minirun.runtime import procmounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from minirun.engine.record_types import MountPoint

# not shared and rshared: the shim's mount namespace between host and container passes mounts on in one direction only
PROPAGATIONS = ("rprivate", "private", "rslave", "slave")
_ONE_WAY = ("shared", "rshared")
_KINDS_OF_MODE = (("ro", "rw"), ("z", "Z"), PROPAGATIONS, ("nocopy",), ("consistent", "cached", "delegated"))
TMPFS_OPTIONS = ["nosuid", "nodev", "noexec"]
_NAME_START = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_NAME_REST = _NAME_START | frozenset("_.-")


def check_name(name: str) -> None:
    """Raises UsageError for what cannot be the name of a volume."""
    if len(name) == 1 and name in _NAME_START:
        raise UsageError("volume name is too short, names should be at least two alphanumeric characters")
    if not name or name[0] not in _NAME_START or not _NAME_REST.issuperset(name):
        raise UsageError(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )


def point(kind: str, source: str, destination: str, origin: str) -> MountPoint:
    """A mount with nothing special.  `source` is the volume's name ("": an anonymous one), or a path of the host."""
    volume = kind == "volume"
    return {
        "kind": kind,
        "name": source if volume else "",
        "source": "" if volume else source,
        "subpath": "",
        "layers": [],
        "place": "",
        "destination": _clean(destination),
        "options": list(TMPFS_OPTIONS) if kind == "tmpfs" else ["rbind", "rprivate"],
        "copy": volume,
        "anonymous": volume and not source,
        "labels": {},
        "volume_options": {},
        "origin": origin,
        "mode": "",
    }


def _clean(path: str) -> str:
    """`/a//b/../c/` -> `/a/c`"""
    return "/" + os.path.normpath(path).lstrip("/") if path.startswith("/") else path


def _check_destination(kind: str, path: str) -> None:
    if not path.startswith("/"):
        raise UsageError(
            f"invalid mount config for type \"{kind}\": invalid mount path: '{path}' mount path must be absolute"
        )
    if _clean(path) == "/":
        raise UsageError(
            f"invalid mount config for type \"{kind}\": invalid specification: destination can't be '/'"
        )


def check(mounts: Iterable[MountPoint]) -> None:
    """Raises UsageError for a place where nothing can be mounted, and a name that no volume can have."""
    for one in mounts:
        _check_destination(one["kind"], one["destination"])
        if one["kind"] == "volume" and one["name"]:
            check_name(one["name"])
        if one["kind"] == "bind" and not one["source"].startswith("/"):
            raise UsageError(f"invalid mount: '{one['source']}' of the host is no absolute path")
        if one["kind"] == "image" and not one["source"]:
            raise UsageError("invalid mount: an image is to be mounted, and none is named")
        if one["subpath"]:
            _check_subpath(one["kind"], one["subpath"])
        if one["kind"] == "tmpfs":
            from minirun.engine.options import tmpfs_options

            tmpfs_options.check(one["options"])


def _check_subpath(kind: str, path: str) -> None:
    """A part of a volume or an image, and never what is outside of it."""
    if kind not in ("volume", "image"):
        raise UsageError(f"invalid mount: a {kind} has no subpath", "volumes and images have")
    if path.startswith("/") or ".." in path.split("/"):
        raise UsageError(f'invalid mount: subpath "{path}" must be a relative path within the {kind}')


def _host_path(text: str) -> str:
    """`./x` and `../x` are beside us."""
    return os.path.abspath(text) if text.split("/", 1)[0] in (".", "..") else text


# ---- -v ---------------------------------------------------------------------------------------------------


def volume(text: str) -> MountPoint:
    """`-v [SOURCE:]DESTINATION[:OPTIONS]`.  Raises UsageError quoting it."""
    parts = text.split(":")
    if not 1 <= len(parts) <= 3 or not parts[0]:
        raise UsageError(f"invalid volume specification: '{text}'", "as in NAME:/DIRECTORY:ro")
    if len(parts) == 2 and _is_mode(parts[1]):
        raise UsageError(f"invalid volume specification: '{text}'", "an anonymous volume has no options")
    source, destination, mode = ["", *parts, ""] if len(parts) == 1 else [*parts, ""][:3]
    source = _host_path(source)
    kind = "bind" if source.startswith("/") else "volume"
    try:
        _check_destination(kind, destination)
    except UsageError as error:
        raise UsageError(f"invalid volume specification: '{text}': {error}") from None
    if kind == "volume" and source:
        check_name(source)
    made = point(kind, _clean(source) if kind == "bind" else source, destination, "-v")
    return _with_mode(made, mode) if len(parts) == 3 else made


def _is_mode(text: str) -> bool:
    """Whether these are options, each kind of them once at most."""
    words = text.split(",")
    return all(sum(words.count(word) for word in kind) <= 1 for kind in _KINDS_OF_MODE) and all(
        any(word in kind for kind in _KINDS_OF_MODE) for word in words
    )


def _with_mode(mount: MountPoint, mode: str) -> MountPoint:
    """The mount with what stands behind its second colon."""
    words = mode.split(",")
    if any(word in _ONE_WAY for word in words):
        raise UsageError(
            f"invalid mode: {mode}: mounts cannot travel from a container to the host",
            "rslave is the other way",
        )
    shared = [word for word in words if word in PROPAGATIONS]
    fits = not shared if mount["kind"] == "volume" else "nocopy" not in words
    if not _is_mode(mode) or not fits:
        raise UsageError(f"invalid mode: {mode}")
    mount["options"] = ["rbind", *(shared or ["rprivate"]), *(["ro"] if "ro" in words else [])]
    mount["copy"] = mount["copy"] and "nocopy" not in words
    mount["mode"] = mode
    return mount


# ---- --tmpfs ----------------------------------------------------------------------------------------------


def tmpfs(text: str) -> MountPoint:
    """`--tmpfs /path[:size=64m,mode=1777,...]`"""
    destination, _, options = text.partition(":")
    _check_destination("tmpfs", destination)
    made = point("tmpfs", "tmpfs", destination, "--tmpfs")
    made["options"] += options.split(",") if options else []
    made["mode"] = options
    return made


# ---- --mount ----------------------------------------------------------------------------------------------

_ALONE = ("readonly", "ro", "volume-nocopy", "bind-nonrecursive")  # keys that need no value
_NAMES = {"source": "src", "destination": "dst", "target": "dst", "ro": "readonly"}
_KNOWN = (
    *(
        "type",
        "src",
        "dst",
        "readonly",
        "consistency",
        "bind-propagation",
        "bind-nonrecursive",
        "bind-recursive",
    ),
    *("volume-nocopy", "volume-label", "volume-driver", "volume-subpath", "volume-opt", "image-subpath"),
    *("tmpfs-size", "tmpfs-mode"),
)


def mount(text: str) -> MountPoint:
    """`--mount type=bind,src=/host,dst=/container,readonly`.  Raises UsageError in Docker's words."""
    try:
        return _made(*_fields(text))
    except _Wrong as error:
        raise UsageError(f'invalid argument "{text}" for "--mount" flag: {error}') from None


class _Wrong(Exception):
    """What is wrong with a --mount."""


def _fields(text: str) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """{key: value} under one name for each key, the labels, and the options of the volume's driver."""
    import csv

    words: dict[str, str] = {}
    pairs: dict[str, dict[str, str]] = {"volume-label": {}, "volume-opt": {}}
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as error:
        raise _Wrong(str(error)) from None
    for field in rows[0] if rows else []:
        given, equals, value = field.partition("=")
        key = _NAMES.get(given.lower(), given.lower())
        if not equals and given.lower() not in _ALONE:
            raise _Wrong(f"invalid field '{field}' must be a key=value pair")
        if key not in _KNOWN:
            raise _Wrong(f"unexpected key '{given}' in '{field}'")
        if key in pairs:
            name, _, one = value.partition("=")
            pairs[key][name] = one
        words[key] = value if equals else "true"
    return words, pairs["volume-label"], pairs["volume-opt"]


def _made(words: dict[str, str], labels: dict[str, str], options: dict[str, str]) -> MountPoint:
    kind, source, destination = (
        words.get("type", "volume").lower(),
        words.get("src", ""),
        words.get("dst", ""),
    )
    if not kind:
        raise _Wrong("type is required")
    if not destination:
        raise _Wrong("target is required")
    for other in ("bind", "volume", "tmpfs", "image"):
        if other != kind and any(key.startswith(f"{other}-") for key in words):
            raise _Wrong(f"cannot mix '{other}-*' options with mount type '{kind}'")
    readonly = _truth(words, "readonly")
    _check(kind, source, destination, readonly)
    made = point(kind, source or ("tmpfs" if kind == "tmpfs" else ""), destination, "--mount")
    made.update({"labels": labels, "volume_options": options})
    if options:
        from minirun.engine.options import volume_options

        volume_options.check(options)
    if subpath := words.get(f"{kind}-subpath", ""):
        _check_subpath(kind, subpath)
        made.update({"subpath": subpath, "copy": False})  # it has to be there
    made["options"] = _options(kind, words) + (["ro"] if readonly or kind == "image" else [])
    made["copy"] = made["copy"] and not _truth(words, "volume-nocopy")
    if kind == "bind":
        made["source"] = _clean(_host_path(source))
    return made


def _check(kind: str, source: str, destination: str, readonly: bool) -> None:
    """What does not depend on the host's files.  Raises UsageError in the words of Docker's daemon."""
    said = f'invalid mount config for type "{kind}":'
    if kind not in ("bind", "volume", "tmpfs", "image"):
        raise UsageError(f"{said} mount type unknown", "there are bind, volume, tmpfs and image")
    _check_destination(kind, destination)
    if kind in ("bind", "image") and not source:
        raise UsageError(f"{said} field Source must not be empty")
    if kind == "bind" and not _host_path(source).startswith("/"):
        raise UsageError(f"{said} invalid mount path: '{source}' mount path must be absolute")
    if kind == "tmpfs" and source:
        raise UsageError(f"{said} field Source must not be specified")
    if kind == "volume" and not source and readonly:
        raise UsageError(f"{said} must not set ReadOnly mode when using anonymous volumes")
    if kind == "volume" and source:
        check_name(source)


def _truth(words: dict[str, str], key: str) -> bool:
    value = words.get(key, "false")
    if value.lower() not in booleans.SMALL:
        raise _Wrong(f"invalid value for {key}: {value}")
    return booleans.SMALL[value.lower()]


def _options(kind: str, words: dict[str, str]) -> list[str]:
    """mount(8)'s words for the keys of one type, all but readonly."""
    if kind == "tmpfs":
        return [*TMPFS_OPTIONS, *_tmpfs_limits(words)]
    driver = words.get("volume-driver", "local")
    if driver not in ("", "local"):
        raise UsageError(f'error looking up volume plugin {driver}: plugin "{driver}" not found')
    propagation = words.get("bind-propagation", "rprivate")
    if propagation not in PROPAGATIONS:
        raise _Wrong(f"invalid propagation mode: {propagation}")
    return [*_recursion(words), propagation]


def _recursion(words: dict[str, str]) -> list[str]:
    """Whether mounts below the source come along, and are read-only with it."""
    choice = words.get("bind-recursive", "enabled")
    if choice not in ("enabled", "disabled", "writable", "readonly"):
        raise _Wrong(
            f"invalid value for bind-recursive: {choice} (must be enabled, disabled, writable, readonly)"
        )
    if choice == "disabled" or _truth(words, "bind-nonrecursive"):
        return ["bind"]
    if choice == "readonly":
        if not _truth(words, "readonly"):
            raise _Wrong(
                "option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction"
            )
        return ["rbind", "rro"]
    return ["rbind", "rw"] if choice == "writable" else ["rbind"]


def _tmpfs_limits(words: dict[str, str]) -> list[str]:
    made = []
    if "tmpfs-size" in words:
        from minirun.engine.options import limits

        try:
            made.append(f"size={limits.size(words['tmpfs-size'], '--mount')}")
        except UsageError:
            raise _Wrong(f"invalid value for tmpfs-size: {words['tmpfs-size']}") from None
    if "tmpfs-mode" in words:
        mode = words["tmpfs-mode"]
        if not mode or not set(mode) <= set("01234567") or int(mode, 8) > 0o7777:
            raise _Wrong(f"invalid value for tmpfs-mode: {mode}")
        made.append(f"mode={mode}")
    return made


# ---- all of them together -----------------------------------------------------------------------------------


def joined(
    given: Iterable[MountPoint], inherited: Iterable[MountPoint], of_image: Iterable[str]
) -> list[MountPoint]:
    """One mount for each place, the ones above before those below.

    What was `given` has the first right to a place, then what is `inherited` from other containers, the last of
    them first, then the volumes `of_image`.  Raises UsageError when two were given one place.
    """
    taken: dict[str, MountPoint] = {}
    anonymous = [mount for mount in given if mount["anonymous"]]
    for mount in given:
        if mount["anonymous"]:
            continue
        if mount["destination"] in taken:
            raise UsageError(f"Duplicate mount point: {mount['destination']}")
        taken[mount["destination"]] = mount
    anonymous += [point("volume", "", f"/{path}", "VOLUME") for path in of_image]
    for mount in [*reversed(list(inherited)), *anonymous]:
        taken.setdefault(mount["destination"], mount)
    for mount in taken.values():
        _check_place(mount)
    return sorted(taken.values(), key=lambda mount: depth(mount["destination"]))


def _check_place(mount: MountPoint) -> None:
    """Raise UsageError for a place that no mount may take; the runtime looks where links lead: see procmounts.py."""
    path = mount["destination"]
    origin = "the image's VOLUME" if mount["origin"] == "VOLUME" else mount["origin"]
    if path == "/":
        raise UsageError(f"{origin} {path}: invalid specification: destination can't be '/'")
    on_proc = path == "/proc" and mount["kind"] != "bind"  # the host's own /proc may be bound there
    if on_proc or (path.startswith("/proc/") and path not in procmounts.ALLOWED):
        hint = "build the image without it" if mount["origin"] == "VOLUME" else "choose another directory"
        raise UsageError(f"{origin} {path}: nothing can be mounted there, since /proc is the kernel's", hint)


def depth(destination: str) -> int:
    """How many names a path has: /a has to be mounted before /a/b, or it would hide it."""
    return destination.strip("/").count("/")


def volumes_from(text: str) -> tuple[str, str]:
    """`--volumes-from CONTAINER[:ro|rw]` -> (container, mode)."""
    name, colon, mode = text.partition(":")
    if colon and not _is_mode(mode):
        raise UsageError(f"invalid mode: {mode}", "CONTAINER:ro or CONTAINER:rw")
    if not name:
        raise UsageError(f"invalid volumes-from specification: '{text}'")
    return name, mode


def inherit(mounts: Iterable[MountPoint], mode: str) -> list[MountPoint]:
    """Another container's volumes and binds, as they come with --volumes-from."""
    found = []
    for mount in mounts:
        if mount["kind"] in ("bind", "volume"):
            sealed = ["ro"] if "ro" in mode.split(",") and "ro" not in mount["options"] else []
            copy = mount.copy()
            copy.update({"options": [*mount["options"], *sealed], "copy": False, "mode": mode})
            copy["origin"] = "--volumes-from"
            found.append(copy)
    return found
