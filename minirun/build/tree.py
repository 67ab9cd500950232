"""A tree that COPY, ADD and bind mounts read from: the context, a stage, an image.

Somebody else made it, and links in it lead anywhere.  So no path is joined and handed to the kernel: a link is read and
followed here, by name, with the tree's root as `/`; and what is opened in the end is opened beneath the root with no
link on the way, or not at all.  The same holds for the tree that is copied into.

See      openat2(2); CVE-2024-23652 and CVE-2024-23653 (paths in a build that led out of it)
Next     selection.py
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat

from minirun.errors import MinirunError
from minirun.linux import syscalls
from minirun.linux.constants import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.build.ignore import Ignore
    from minirun.build.scratch import Scratch

LINKS_MAX = 255  # on one path, as BuildKit
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_MISSING = (errno.ENOENT, errno.ENOTDIR)


class Tree:
    """A root, and how it is called.

    `ignore` is what it does not show; `owner` is whose all that is in it is taken to be, None for as it is.
    """

    def __init__(
        self, fd: int, shown: str, ignore: Ignore | None = None, owner: tuple[int, int] | None = None
    ) -> None:
        """`fd` is a descriptor of the root directory (O_PATH will do), which `close` closes."""
        self.fd = fd
        self.shown = shown
        self.ignore = ignore
        self.owner = owner

    def close(self) -> None:
        """May be called again."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def hides(self, path: str) -> bool:
        """Whether .dockerignore leaves `path` out."""
        return self.ignore is not None and self.ignore.excludes(path)

    def find(self, path: str) -> tuple[str, os.stat_result | None]:
        """Where `path` leads, links followed, and what is there; None for nothing, or nothing that is shown."""
        return resolve(self.fd, path, self.hides)


class Context(Tree):
    """A tree all of whose files are root's.

    `path` is the directory of this machine that it is, or "" for one that goes with the build; `key` is the same for
    the same directory, "" where nothing is worth remembering.
    """

    def __init__(self, fd: int, shown: str, *, path: str = "", held: Scratch | None = None) -> None:
        super().__init__(fd, shown, None, (0, 0))
        self.path = path
        real = os.path.realpath(path).encode(errors="surrogateescape")
        self.key = hashlib.sha256(real).hexdigest()[:32] if path else ""
        self._held = held

    def close(self) -> None:
        super().close()
        if self._held:
            self._held.close()


def resolve(
    root: int, path: str, hides: Callable[[str], bool] = lambda link: False
) -> tuple[str, os.stat_result | None]:
    """`path` without a link, `.`, or `..` in it, as if `root` were `/`, and its lstat(2); "" is the root itself.

    From the first name that is not there the rest is taken as it stands, as BuildKit's RootPath does, so that it can
    be made.  A link that `hides` says is not there.  Raises MinirunError when links go round.
    """
    done: list[str] = []
    waiting = path.split("/")[::-1]
    links = 0
    while waiting:
        name = waiting.pop()
        if name == "..":
            del done[-1:]
        elif name not in ("", "."):
            done.append(name)
            target = _look(root, "/".join(done))[1]
            if target and hides("/".join(done)):
                return "/".join(done + waiting[::-1]), None
            if target:
                links += 1
                if links > LINKS_MAX:
                    raise MinirunError(f"too many symlinks: /{path.strip('/')}")
                done = [] if target.startswith("/") else done[:-1]
                waiting += target.split("/")[::-1]
    found = "/".join(done)
    return found, _look(root, found)[0]


def _look(root: int, path: str) -> tuple[os.stat_result | None, str]:
    """lstat(2), and where a link leads ("" for none)."""
    try:
        fd = open_beneath(root, path, os.O_PATH | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno not in _MISSING:
            raise _unreadable(path, error) from None
        return None, ""
    try:
        status = os.fstat(fd)
        return status, os.readlink("", dir_fd=fd) if stat.S_ISLNK(status.st_mode) else ""
    finally:
        os.close(fd)


def open_beneath(root: int, path: str, flags: int, mode: int = 0) -> int:
    """Open what has no link in its path ("" is the root).  Raises SyscallError, ELOOP where there is one."""
    return syscalls.openat2(root, path or ".", flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)


class opened:
    """`open_beneath` for the length of a with block."""

    def __init__(self, root: int, path: str, flags: int = DIRECTORY) -> None:
        self.arguments = (root, path, flags)

    def __enter__(self) -> int:
        self.fd = open_beneath(*self.arguments)
        return self.fd

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)


def _unreadable(path: str, error: OSError) -> MinirunError:
    return MinirunError(f"/{path}: {error.strerror}")
