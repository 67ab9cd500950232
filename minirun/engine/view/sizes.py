"""Bytes that containers take up on disk, for `inspect -s`, `ps -s` and `system df`.

By hand  du -sb /var/lib/minirun/containers/ID/upper
"""

from __future__ import annotations

import contextlib
import os

from minirun.engine import etc
from minirun.image import chain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import Record
    from minirun.paths import Paths


def written(paths: Paths, record: Record) -> int:
    """Bytes of the files a container has made or changed: those in its upper directory, but for a link of ours."""
    upper = f"{paths.container(record['id'])}/upper"
    return tree(upper) - (len(etc.MTAB_TARGET) if etc.has_our_mtab(upper) else 0)


def tree(path: str) -> int:
    """Bytes of all files below a directory, each once; 0 when it is not there (a container that never ran)."""
    seen: dict[tuple[int, int], int] = {}
    for _, _, names, directory in os.fwalk(path) if os.path.isdir(path) else ():
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # it runs, and files come and go
                status = os.lstat(name, dir_fd=directory)
                seen[status.st_dev, status.st_ino] = status.st_size
    return sum(seen.values())


def beneath(record: Record) -> int:
    """Bytes of the layers it stands on."""
    return sum(map(chain.size, record["layers"]))
