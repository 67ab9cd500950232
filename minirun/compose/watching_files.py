"""Which files have changed in some directories and all below them, those that come later too.

inotify(7) tells of one directory at a time.  So every directory gets a watch, and the one above each path as well:
a file is watched by its directory, and what is not there yet is noticed when it comes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from minirun.compose.watching_rules import is_below
from minirun.errors import MinirunError
from minirun.linux import inotify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from minirun.linux.inotify import Part

_BEGINS = inotify.IN_CREATE | inotify.IN_MOVED_TO
_MASK = (
    _BEGINS
    | inotify.IN_MODIFY
    | inotify.IN_ATTRIB
    | inotify.IN_CLOSE_WRITE
    | inotify.IN_MOVED_FROM
    | inotify.IN_DELETE
)


class Files:
    """Told of by the kernel from now on.  poll(2) for `fd` tells when there is something to read()."""

    def __init__(self, paths: Iterable[str], is_left_out: Callable[[str], bool]) -> None:
        """`is_left_out`: whether nothing in a directory is of any use; such are not even opened."""
        self.paths = list(dict.fromkeys(paths))
        self.is_left_out = is_left_out
        self._changes = inotify.Inotify()
        self.fd = self._changes.fd
        self._directories: dict[Part, str] = {}
        for path in self.paths:
            self._add_above(path)
            for _ in self._add(path):
                pass

    def close(self) -> None:
        self._changes.close()

    def read(self) -> Iterator[str]:
        """The paths of what has come, changed or gone since the last time; where it is not known any more, of all."""
        for part in self._changes.sort():
            directory = self._directories[part]
            for mask, name in part.heard:
                if name:
                    yield from self._heard(f"{directory.rstrip('/')}/{name}", mask)
            part.heard.clear()
        if self._changes.overflowed:
            self._changes.overflowed = False
            for path in self.paths:
                yield from self._add(path)

    def _heard(self, path: str, mask: int) -> Iterator[str]:
        if any(is_below(path, one) for one in self.paths):
            yield path
            if mask & _BEGINS and mask & inotify.IN_ISDIR:
                yield from self._add(path)
            return
        for one in self.paths:
            if mask & _BEGINS and is_below(one, path):  # what it is in has come
                self._add_above(one)
                yield from self._add(one)

    def _add_above(self, path: str) -> None:
        """Watch the directory that it is in, or the nearest that is there."""
        above = os.path.dirname(path)
        while not os.path.isdir(above):
            above = os.path.dirname(above)
        self._watch(above)

    def _add(self, path: str) -> Iterator[str]:
        """Watch a directory and all below; yields what is in it: it may have come before its watch."""
        if not os.path.isdir(path) or (os.path.islink(path) and path not in self.paths):
            yield from [path] if os.path.lexists(path) else []
            return
        if self.is_left_out(path) or not self._watch(path):
            return
        try:
            found = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError:
            return  # it has gone again
        for entry in found:
            yield entry.path
            if entry.is_dir(follow_symlinks=False):
                yield from self._add(entry.path)

    def _watch(self, directory: str) -> bool:
        """False when it is not there any more.  Raises MinirunError when the kernel has no room for one more."""
        try:
            part = self._changes.part(directory, _MASK)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise MinirunError(
                f"{directory} cannot be watched: {error.strerror}",
                "sysctl fs.inotify.max_user_watches has how many directories can be; `ignore` leaves some out",
            ) from error
        self._directories[part] = directory
        return True
