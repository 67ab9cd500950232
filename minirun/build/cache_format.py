"""The steps of a build as an image carries them: how a cache travels.

    config of an image    {..., "rootfs": {"diff_ids": [...]}, "io.minirun.build.cache": {"version": 1, "steps": [...]}}
    a step                {"key", "created", "step", "diff_id", "size", "below": [diff_ids of what it stands on]}

The manifest's layers are those that steps have made, as with any image; so registries, layouts and other tools carry a
cache about without knowing what it is.  `type=inline` puts the same into the image that was built.  BuildKit's own
caches have keys that only BuildKit can compute, so the two do not read each other's.

See      cache.py, for the keys; image-spec config.md
By hand  skopeo inspect --config --raw docker://REF | jq '."io.minirun.build.cache"'
"""

from __future__ import annotations

from minirun.image.reference import is_digest, is_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from minirun.build.cache import Record
    from minirun.image.mediatypes import Json

KEY = "io.minirun.build.cache"
_VERSION = 1
_KEY_DIGITS = 64
_WORDS = ("created", "step", "diff_id")


class Made:
    """A step of a build that is done: the key it is known by, its record, and what it stands on."""

    def __init__(self, key: str, record: Record, below: list[str], in_result: bool) -> None:
        self.key = key
        self.record = record
        self.below = below  # diff_ids, lowest first
        self.in_result = in_result  # or only in a stage that something was copied from


def document(made: Iterable[Made]) -> Json:
    """What stands at KEY."""
    return {"version": _VERSION, "steps": [_step(one) for one in sorted(made, key=lambda one: one.key)]}


def _step(one: Made) -> Json:
    record = one.record
    return {
        "key": one.key,
        "created": record["created"],
        "step": record["step"],
        "diff_id": record["diff_id"],
        "size": record["size"],
        "below": one.below,
    }


def steps(config: Json) -> dict[str, Json]:
    """Key -> step, of a config that somebody else has made; what makes no sense is left out."""
    told = config.get(KEY)
    if (
        not isinstance(told, dict)
        or told.get("version") != _VERSION
        or not isinstance(told.get("steps"), list)
    ):
        return {}
    return {step["key"]: step for step in told["steps"] if _is_step(step)}


def _is_step(step: Any) -> bool:
    if not isinstance(step, dict) or not all(isinstance(step.get(word), str) for word in _WORDS):
        return False
    key, below = step.get("key"), step.get("below")
    if not isinstance(key, str) or len(key) != _KEY_DIGITS or not is_hex(key):
        return False
    if not isinstance(below, list) or not all(isinstance(one, str) and is_digest(one) for one in below):
        return False
    size = step.get("size")
    return type(size) is int and size >= 0 and is_digest(step["diff_id"])
