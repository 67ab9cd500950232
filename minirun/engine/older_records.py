"""Records that an earlier minirun wrote, in the shape of today's.

They are changed as they are read, and written in the new format when something of the container changes next.

    1   `attachments` were called `plugs`, in the record and among its options; there were no sysctls
    2   an `entrypoint` among the options was one word, "" for none
    3   there were no `namespaces` in the record
    4   the same as 5, but for options that came later
    5   no mount had a part of its source
    6, 7  the same as 8, but for options that came later
    8   no mount had options for its volume

An option that was added since has its default.
"""

from __future__ import annotations

from minirun.engine.options import run_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.engine.record_types import Record

_WHOLE: dict[str, Any] = {"subpath": "", "layers": [], "place": "", "volume_options": {}}
_RENAMED = {"plugs": "attachments"}


def upgraded(found: dict[str, Any]) -> Record:
    """`found` is of an older format; all but its number is made today's.  Raises ValueError when it is no record."""
    try:
        options = {**run_options.defaults(found["options"]["image"]), **_renamed(found["options"])}
        if isinstance(options["entrypoint"], str):
            options["entrypoint"] = [options["entrypoint"]]
        given: list[dict[str, Any]] = options["mounts"]
        for mount in [*given, *found.get("mounts", [])]:
            mount.update({**_WHOLE, **mount})
        record: Record = {"namespaces": {}, **_renamed(found), "options": options}  # type: ignore[typeddict-item]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{error} is missing") from None
    return record


def _renamed(found: dict[str, Any]) -> dict[str, Any]:
    return {_RENAMED.get(key, key): value for key, value in found.items()}
