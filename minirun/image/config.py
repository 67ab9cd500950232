"""An image's config as Docker reads it: by Go's JSON decoder, which takes more than image-spec config.md allows.

    null, anywhere                         as if it were not there; "" in a list of strings, {} in a set
    "Cmd": "a b"  (Entrypoint, Shell)      a list of that one word, which is not split
    "cmd", "CMD"                           Cmd, where there is none that is spelled right
    no os, no architecture                 this machine's
    no rootfs.diff_ids                     no layers

The file itself stays as it came, byte for byte: its digest is the image's id.

See      moby api/types/strslice; pkg.go.dev/encoding/json#Unmarshal
Next     manifests.py
"""

from __future__ import annotations

from minirun.image import platforms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.image.mediatypes import Json

_TOP = ("architecture", "os", "variant", "created", "author", "config", "rootfs", "history")
_WORDS = ("Cmd", "Entrypoint", "Shell")
_TEXTS = ("User", "WorkingDir", "StopSignal")
_LISTS = (*_WORDS, "Env", "OnBuild")
_SETS = ("ExposedPorts", "Volumes")
_CONFIG = (*_TEXTS, *_LISTS, *_SETS, "Labels", "Healthcheck")
_HEALTH = ("Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")
_STEP = ("created", "created_by", "author", "comment", "empty_layer")


def read(document: Json) -> Json:
    """The document in the shape that image-spec gives it, where it can be brought into that; the rest as it is.

    >>> read({"os": "linux", "architecture": "arm64", "config": {"cmd": "sh", "Env": None}})
    {'os': 'linux', 'architecture': 'arm64', 'config': {'Cmd': ['sh']}}
    """
    made: Json = _spelled(document, _TOP)
    if not made.get("os"):
        made["os"] = "linux"
    if not made.get("architecture"):
        made["architecture"] = platforms.own()[1]
    if isinstance(made.get("config"), dict):
        made["config"] = _config(made["config"])
    if isinstance(made.get("rootfs"), dict):
        made["rootfs"] = {"diff_ids": [], **_spelled(made["rootfs"], ("type", "diff_ids"))}
    if isinstance(made.get("history"), list):
        made["history"] = [_spelled({} if step is None else step, _STEP) for step in made["history"]]
    return made


def _config(config: Json) -> Json:
    made: Json = _spelled(config, _CONFIG)
    for key in _WORDS:
        if isinstance(made.get(key), str):
            made[key] = [made[key]]
    for key in _LISTS:
        made.update(_without_null(made, key, ""))
    for key in (*_SETS, "Labels"):
        made.update(_without_null(made, key, "" if key == "Labels" else {}))
    if isinstance(made.get("Env"), list):
        made["Env"] = [variable for variable in made["Env"] if variable != ""]
    if isinstance(made.get("Healthcheck"), dict):
        made["Healthcheck"] = _spelled(made["Healthcheck"], _HEALTH)
        made["Healthcheck"].update(_without_null(made["Healthcheck"], "Test", ""))
    return made


def _spelled(values: Any, keys: tuple[str, ...]) -> Any:
    """`values` without those that are null, and with `keys` in their own spelling."""
    if not isinstance(values, dict):
        return values
    right = {key.lower(): key for key in keys}
    made = {}
    for key, value in values.items():
        name = right.get(key.lower(), key)
        if value is not None and (name == key or values.get(name) is None):
            made[name] = value
    return made


def _without_null(values: Json, key: str, empty: Any) -> Json:
    """{key: its list or object with `empty` for each null}; nothing where it is neither."""
    value = values.get(key)
    if isinstance(value, list):
        return {key: [empty if one is None else one for one in value]}
    if isinstance(value, dict):
        return {key: {name: empty if one is None else one for name, one in value.items()}}
    return {}
