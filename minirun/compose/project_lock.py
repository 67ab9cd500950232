"""One command at a time changes a project; another one says that it waits.

See  docs/locks.md
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from minirun import files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.compose.report import Report
    from minirun.paths import Paths


@contextlib.contextmanager
def held(paths: Paths, project: str, report: Report) -> Iterator[None]:
    """The lock of one project."""
    path = f"{paths.compose}/{project}.lock"
    if files.is_locked(path):
        report.say(f"another command is changing the project {project}: waiting for it")
    with files.locked(path):
        yield
