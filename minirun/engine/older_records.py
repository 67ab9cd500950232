"""Records that an earlier minirun wrote, in the shape of today's.

They are changed as they are read, and written in the new format when something of the container changes next.

    1   no sysctls among the options

An option that was added since has its default; what was renamed or moved is named above and below.
"""

from __future__ import annotations

from minirun.engine.options import run_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.engine.record_types import Record


def upgraded(found: dict[str, Any]) -> Record:
    """`found` is of an older format; all but its number is made today's.  Raises ValueError when it is no record."""
    try:
        options = {**run_options.defaults(found["options"]["image"]), **found["options"]}
        record: Record = {**found, "options": options}  # type: ignore[typeddict-item]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{error} is missing") from None
    return record
