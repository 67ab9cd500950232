"""Directories that one build needs while it lives: an archive unpacked, a repository checked out.

    ROOT/build/tmp/HEX/      locked by the build that made it; what is not locked is left over, and goes

See  flock(2); docs/locks.md
"""

from __future__ import annotations

import fcntl
import os

from minirun import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.paths import Paths


class Scratch:
    """A new, empty directory: `path`, and `fd`, its descriptor.  `close` removes it with all that is in it."""

    def __init__(self, paths: Paths) -> None:
        above = _place(paths)
        self.path = f"{above}/{os.urandom(8).hex()}"
        with files.locked(f"{above}/.lock"):
            os.mkdir(self.path, 0o700)
            self.fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            fcntl.flock(self.fd, fcntl.LOCK_EX)

    def close(self) -> None:
        """May be called again."""
        if self.fd >= 0:
            files.remove_tree(self.path)
            os.close(self.fd)
            self.fd = -1


def clear(paths: Paths) -> None:
    """Remove what builds that were killed have left."""
    above = _place(paths)
    if not files.visible_names(above):
        return
    with files.locked(f"{above}/.lock"):
        for name in files.visible_names(above):
            path = f"{above}/{name}"
            if not files.is_locked(path):
                files.remove_tree(path)


def _place(paths: Paths) -> str:
    return f"{paths.build}/tmp"
