"""What is known of the files that an instruction reads: found by selection.py, read by digests.py, made by copying.py.

An entry is a tuple, for a context may have 200,000 of them.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.build.tree import Tree

Entry = tuple[str, int, int, int, int, int, str]
"""name, mode, uid, gid, size, device number, identity"""

_OVERLAYS = ("trusted.overlay.", "user.overlay.")  # overlayfs would obey them


class Directory:
    """One directory below a source: `path` in the tree, what it is like, and what of its content is wanted."""

    def __init__(self, path: str, itself: Entry) -> None:
        self.path = path
        self.itself = itself
        self.entries: list[Entry] = []


class Source:
    """One source of an instruction, found.

    `path` is where it is in the tree, without links; `asked` what it was asked for as, whose last part is its name
    where it goes into a directory.  `directories` are what it consists of, each after the one that it is in; a file
    has none.  `unpack`: an archive goes unpacked.
    """

    def __init__(
        self, tree: Tree, path: str, asked: str, entry: Entry, directories: list[Directory] | None
    ) -> None:
        self.tree = tree
        self.path = path
        self.asked = asked
        self.entry = entry
        self.directories = directories
        self.unpack = False

    @property
    def name(self) -> str:
        return os.path.basename(self.asked)

    def below(self, directory: Directory) -> str:
        """Where in the source the directory is; "" for the source itself."""
        return directory.path[len(self.path) :].strip("/")


def entry_of(name: str, status: os.stat_result, owner: tuple[int, int] | None) -> Entry:
    """`owner`: of all files of a context."""
    uid, gid = owner or (status.st_uid, status.st_gid)
    return name, status.st_mode, uid, gid, status.st_size, status.st_rdev, identity(status)


def identity(status: os.stat_result) -> str:
    """As git's index does it: what changes when a file is written to, replaced, or given other attributes."""
    return f"{status.st_dev:x} {status.st_ino:x} {status.st_size:x} {status.st_mtime_ns:x} {status.st_ctime_ns:x}"


def xattrs(file: int | str) -> list[tuple[str, bytes]]:
    """Extended attributes that are copied, and count: security labels of this machine and overlayfs's own do not."""
    try:
        names = os.listxattr(file, follow_symlinks=isinstance(file, int))
    except OSError:  # a file system without any
        return []
    return [
        (name, os.getxattr(file, name, follow_symlinks=isinstance(file, int)))
        for name in sorted(names)
        if name == "security.capability" or not name.startswith(("security.", "system.", *_OVERLAYS))
    ]


def is_directory(entry: Entry) -> bool:
    return stat.S_ISDIR(entry[1])
