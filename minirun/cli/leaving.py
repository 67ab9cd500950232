"""The way out of a command."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def leave(code: int) -> NoReturn:
    """Exit with `code`, without Python's taking itself apart first: 2 to 4 ms, for memory that goes anyway."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # a full disk, a reader that has gone, a stream that is closed
        code = code or 1
    os._exit(code)
