"""`diff`: what a container has changed in its file system, read off its overlay's upper directory.

    character device 0:0            deleted
    a name that is below, too       changed (a directory also when only something in it was)
    any other                       added

See  kernel Documentation/filesystems/overlayfs.rst "whiteouts and opaque directories"
"""

from __future__ import annotations

import os
import stat

from minirun.engine import commit
from minirun.image.unpacking import find_below, is_opaque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.engine.record_types import Record
    from minirun.paths import Paths


def changes(paths: Paths, record: Record) -> list[tuple[str, str]]:
    """("A", "C" or "D", path) of all that is not as in the image, sorted by path."""
    upper = f"{paths.container(record['id'])}/upper"
    if not os.path.isdir(upper):
        return []
    below = record["layers"][::-1]
    is_ours = commit.made_by_us(upper, below)
    return sorted(_changes(upper, "", below, is_ours), key=lambda change: change[1])


def _changes(upper: str, directory: str, below: list[str], is_ours: commit.Test) -> Iterator[tuple[str, str]]:
    """Those in one directory of the upper tree.  `below`: the layers, none where they are hidden."""
    path = f"{upper}/{directory}"
    if is_opaque(path) and below and (lower := find_below(below, directory)) and os.path.isdir(lower):
        gone = set(os.listdir(lower)) - set(os.listdir(path))
        yield from (("D", f"/{directory}/{name}") for name in gone)
        below = []
    for base in os.listdir(path):
        name = f"{directory}/{base}" if directory else base
        if is_ours(name):
            continue
        try:
            status = os.lstat(f"{path}/{base}")
        except FileNotFoundError:
            continue  # the container is at work
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            yield "D", f"/{name}"
            continue
        yield "C" if below and find_below(below, name) else "A", f"/{name}"
        if stat.S_ISDIR(status.st_mode):
            yield from _changes(upper, name, below, is_ours)
