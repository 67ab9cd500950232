"""Files into a container as they are here, and out of it when they are gone here.

The tree is the container's own (engine/files/tree.py): nothing in it leads out of it.  A file gets the user whom the
container's program runs as, so that it may write what it could write before; mode and time are those of here.

See  engine/files/copying.py
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from typing import TYPE_CHECKING

from minirun.engine import users
from minirun.engine.files import copying, tree
from minirun.errors import MinirunError, NotFoundError
from minirun.linux import inroot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from minirun.engine.files.tree import Tree
    from minirun.engine.record_types import Record
    from minirun.paths import Paths


def sync(paths: Paths, record: Record, pairs: Iterable[tuple[str, str]]) -> None:
    """Have each (path here, path in the container) be the same there as here.

    Raises MinirunError saying which path could not be.
    """
    with tree.of_container(paths, record) as inside:
        owner = _owner(inside, record["user"])
        for path, target in pairs:
            try:
                _sync_one(inside, path, target, owner)
            except OSError as error:
                raise MinirunError(f"copying {path} to {inside.name}:{target}: {error.strerror}") from error


def _owner(inside: Tree, user: str) -> tuple[int, int]:
    def text(name: str) -> str:
        with contextlib.suppress(OSError):
            fd = inroot.open_in_root(inside.root, f"/etc/{name}", os.O_RDONLY | os.O_NONBLOCK)
            with open(fd, encoding="utf-8", errors="replace") as file:
                return file.read()
        return ""

    found, _ = users.resolve(user, text("passwd"), text("group"))
    return found["uid"], found["gid"]


def _sync_one(inside: Tree, path: str, target: str, owner: tuple[int, int]) -> None:
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        _remove(inside, target)
        return
    is_directory = stat.S_ISDIR(status.st_mode)
    place = inside.find(target, follow=False) if _has_parent(inside, target) else None
    if place and place.status and place.is_directory != is_directory:
        _remove(inside, target)
    if is_directory:
        _make_directory(inside, target, status, owner)
        return
    inroot.make_directory(inside.root, os.path.dirname(target))
    try:
        _copy(inside, path, target)
        _give(inside, target, owner)
    except (FileNotFoundError, NotFoundError):
        if os.path.lexists(path):
            raise
        _remove(inside, target)  # it has gone meanwhile


def _has_parent(inside: Tree, target: str) -> bool:
    return stat.S_ISDIR(inroot.mode_of(inside.root, os.path.dirname(target)))


def _copy(inside: Tree, path: str, target: str) -> None:
    here = tree.host()
    try:
        copying.copy(copying.Source(here, path, follow=False), inside, target, foreign=False)
    finally:
        os.close(here.root)


def _make_directory(inside: Tree, target: str, status: os.stat_result, owner: tuple[int, int]) -> None:
    """What is in it comes by itself: each file is told of."""
    if stat.S_ISDIR(inroot.mode_of(inside.root, target)):
        return
    inroot.make_directory(inside.root, target, stat.S_IMODE(status.st_mode))
    _give(inside, target, owner)


def _give(inside: Tree, target: str, owner: tuple[int, int]) -> None:
    place = inside.find(target, follow=False)
    try:
        os.chown(place.base, *owner, dir_fd=place.directory, follow_symlinks=False)
    finally:
        os.close(place.directory)


def _remove(inside: Tree, target: str) -> None:
    """The file or directory, with all that is in it; a link itself, not what it leads to."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        place = inside.find(target, follow=False)
        try:
            if place.is_directory:
                shutil.rmtree(place.base, dir_fd=place.directory)
            elif place.status:
                os.unlink(place.base, dir_fd=place.directory)
        finally:
            os.close(place.directory)
