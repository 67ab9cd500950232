"""`diff`: what a container has changed in its file system, read off its overlay's upper directory.

    character device 0:0            deleted
    a name that is below, too       changed (a directory also when only something in it was)
    any other                       added

See  kernel Documentation/filesystems/overlayfs.rst "whiteouts and opaque directories"
"""

from __future__ import annotations

import os
import stat

from minirun.engine.files import commit
from minirun.image import tarwriter
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
    opened = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return sorted(_changes(opened, below, is_ours), key=lambda change: change[1])
    finally:
        os.close(opened)


def _changes(upper: int, below: list[str], is_ours: commit.Test) -> Iterator[tuple[str, str]]:
    """Those in the open directory `upper`.  The container may be at work: no link of its making is followed."""
    waiting = [("", below)]
    while waiting:
        name, layers = waiting.pop()
        try:
            directory = tarwriter.open_beneath(upper, name)
        except OSError:
            continue  # gone meanwhile, or a link now
        try:
            yield from _in_one(directory, name, layers, is_ours, waiting)
        finally:
            os.close(directory)


def _in_one(
    directory: int, path: str, below: list[str], is_ours: commit.Test, waiting: list[tuple[str, list[str]]]
) -> Iterator[tuple[str, str]]:
    """Those in one directory.  `below`: the layers, none where they are hidden; `waiting` gets its directories."""
    names = os.listdir(directory)
    if below and is_opaque(f"/proc/self/fd/{directory}/."):
        yield from (("D", f"/{path}/{name}") for name in _listed(below, path) - set(names))
        below = []
    for base in names:
        name = f"{path}/{base}" if path else base
        if is_ours(name):
            continue
        try:
            status = os.lstat(base, dir_fd=directory)
        except FileNotFoundError:
            continue
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            yield "D", f"/{name}"
            continue
        yield "C" if below and find_below(below, name) else "A", f"/{name}"
        if stat.S_ISDIR(status.st_mode):
            waiting.append((name, below))


def _listed(below: list[str], name: str) -> set[str]:
    """What the lower layers have in a directory that the container has made anew."""
    lower = find_below(below, name)
    return set(os.listdir(lower)) if lower and os.path.isdir(lower) else set()
