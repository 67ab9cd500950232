"""A RUN's layer has what its program changed, and not what we needed to mount something on.

/etc/resolv.conf, /proc or the target of a --mount may be missing in the image.  Then the runtime makes it, a *stub*,
an empty file or directory, and with it perhaps the directories above; and where it is made the time is another one.

    before     what is missing now, and the times of the directories in which it will be made
    made       the runtime has mounted all, the program has not begun: which times those directories have now
    remove     stubs that are still empty go; a directory that the program has not changed gets its time back

What the program has put into a stub stays with it, as in BuildKit; what it has put on what was mounted there is not
in the layer anyway.  All of it is done by the overlay, which keeps no whiteout of what was never in a layer.  Copies of
directories that now differ in nothing from those below are left out of the layer with all others (layer.py).

See  buildkit executor/stubs.go; engine/files/commit.py, which leaves such things out for containers
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from minirun.linux import inroot
from minirun.linux.constants import RESOLVE_NO_SYMLINKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Times = tuple[int, int]


class Stubs:
    """Those that will be made for mounts on `targets`, absolute paths, in the tree `merged`."""

    def __init__(self, merged: str, targets: Iterable[str]) -> None:
        self.root = os.open(merged, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.missing: list[str] = []  # what is to be taken away, the innermost first; relative to the root
        self.before: dict[str, Times] = {}  # of the directories in which something is made
        self.between: dict[str, Times] = {}
        for target in _outermost(targets):
            self._look(target)
        self.missing.sort(key=lambda path: -path.count("/"))

    def _look(self, target: str) -> None:
        parent, names = _missing(self.root, target)
        made = [os.path.join(parent, *names[:count]) for count in range(1, len(names) + 1)]
        self.missing += [path for path in made if path not in self.missing]
        if names:
            self.before[parent] = self._times(parent) or (0, 0)

    def made(self) -> None:
        """The stubs are there, and nothing has run yet."""
        self.between = {path: times for path in self.before if (times := self._times(path))}

    def remove(self) -> None:
        """Take them away; the program has ended, and all that was mounted in the tree is gone with it."""
        for path in self.missing:
            _remove_empty(self.root, path)
        for path, times in self.before.items():
            with _opened(self.root, path) as fd:
                if fd >= 0 and _times(fd) == self.between.get(path):
                    os.utime(f"/proc/self/fd/{fd}", ns=times)
        os.close(self.root)

    def _times(self, path: str) -> Times | None:
        with _opened(self.root, path) as fd:
            return _times(fd) if fd >= 0 else None


def _outermost(targets: Iterable[str]) -> Iterator[str]:
    """Those that are in none of the others: what is made in one that is mounted before is not made in our tree."""
    places = {os.path.normpath(target).lstrip("/") for target in targets}
    last = ""
    for place in sorted(places, key=lambda place: place.split("/")):
        if place and not (last and place.startswith(f"{last}/")):
            last = place
            yield place


def _missing(root: int, path: str) -> tuple[str, list[str]]:
    """(the innermost directory there is above `path`, where it really is; the names that are missing below it)."""
    names: list[str] = []
    while path:
        try:
            with inroot.opened(root, path) as fd:
                return _place(root, fd), names
        except OSError as error:
            if error.errno != errno.ENOENT:
                return "", []  # the mount itself will tell what is wrong
        path, _, name = path.rpartition("/")
        names.insert(0, name)
    return "", names


def _place(root: int, fd: int) -> str:
    top, place = (os.readlink(f"/proc/self/fd/{number}") for number in (root, fd))
    return place.removeprefix(top).lstrip("/")


def _times(fd: int) -> Times:
    """Of the last change alone: that somebody has read in there is no change."""
    modified = os.fstat(fd).st_mtime_ns
    return modified, modified


@contextlib.contextmanager
def _opened(root: int, path: str) -> Iterator[int]:
    """A directory of the tree; -1 when there is none, or a link, which the program has put in its place."""
    try:
        fd = inroot.open_in_root(
            root, path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, resolve=RESOLVE_NO_SYMLINKS
        )
    except OSError:
        fd = -1
    try:
        yield fd
    finally:
        if fd >= 0:
            os.close(fd)


def _remove_empty(root: int, path: str) -> None:
    """A stub that is still empty; the time of the directory that it is in stays as the program has left it."""
    parent, name = os.path.split(path)
    with _opened(root, parent) as fd, contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if fd < 0:
            return
        times = _times(fd)
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            with contextlib.suppress(OSError):  # ENOTEMPTY
                os.rmdir(name, dir_fd=fd)
        elif stat.S_ISREG(status.st_mode) and status.st_size == 0:
            os.unlink(name, dir_fd=fd)
        os.utime(f"/proc/self/fd/{fd}", ns=times)
