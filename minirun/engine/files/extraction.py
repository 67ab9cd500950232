"""A tar into a directory that is there already: what `cp` does at the end of its way, on either side.

As unpacking.py, whose parts it uses: every act is on one name inside a parent that was opened beneath the root.
Other than a layer, the directory has a life of its own: files that are there are replaced, directories are kept,
and a container may move them about while we write.

An archive of somebody's own (`cp - CONTAINER:/`) may call a directory by a link that is there (/lib is /usr/lib in
most images): such a link is followed inside the container's root.  One that the archive itself has made is followed
only inside the directory that it is unpacked in.  On the host none is.

On the host (`foreign`) a container's file is not to be more than a file: it belongs to who copies it, is nobody's
set-user-ID program, has no capabilities, and is no device.  `cp -a` keeps all that, for those who ask.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tarfile
from typing import TYPE_CHECKING

from minirun.errors import MinirunError, in_words
from minirun.image import tarstream, tarwriter
from minirun.image.tarstream import entry_name, shown
from minirun.image.unpacking import Unpacking
from minirun.linux import inroot, syscalls
from minirun.linux.constants import RESOLVE_BENEATH

if TYPE_CHECKING:
    from collections.abc import Iterable

_PERMISSIONS = 0o777  # without set-user-ID, set-group-ID and the sticky bit


def extract(
    chunks: Iterable[bytes], directory: int, *, foreign: bool, links: tuple[int, str] | None = None
) -> int:
    """Put a tar into the open `directory`.  Raises MinirunError, naming the entry where there is one to name.

    `links`: whether links are followed, in which root (a descriptor), and where `directory` is in there.
    Returns how many bytes a plain tar of it has: a block for each entry, its data in whole blocks, two at the end.
    """
    target = _Extraction(directory, foreign, links)
    blocks = 2
    try:
        stream = tarstream.TarStream(iter(chunks))
        for info in tarstream.entries(stream):
            blocks += 1 - (-info.size // tarwriter.BLOCK if info.isreg() else 0)
            try:
                target.entry(info, stream)
            except (MinirunError, OSError, OverflowError, ValueError) as error:
                words = getattr(error, "strerror", None) or in_words(error)
                raise MinirunError(f"{shown(info.name)}: {words}") from error
        stream.drain()
        target.finish()
    finally:
        target.close()
    return blocks * tarwriter.BLOCK


class _Extraction(Unpacking):
    """One such tar on its way in."""

    def __init__(self, directory: int, foreign: bool, links: tuple[int, str] | None = None) -> None:
        super().__init__("", os.dup(directory))
        self.foreign = foreign
        self.links = links
        if not foreign:
            self._owner = (-1, -1)  # what is there already may be anybody's

    def entry(self, info: tarfile.TarInfo, stream: tarstream.TarStream) -> None:
        _refuse_above(info.name)
        if info.islnk():
            _refuse_above(info.linkname)
        if self.foreign:
            _make_harmless(info)
        name = entry_name(info.name)
        parent, _, base = name.rpartition("/")
        if info.isdir():
            if name:  # the directory itself is there, and keeps its owner and mode
                self._directory(name, info)
            return
        if not name:
            raise MinirunError("cannot overwrite the directory itself with what is none")
        directory = self._enter(parent)
        self._make_room(directory, base)
        self._other(name, directory, base, info, stream)
        self.directories.pop(name, None)
        self.names.add(name)

    def finish(self) -> None:
        """Owner, mode and times of directories, the deepest first: what is made in one changes its time."""
        for path, info in sorted(self.directories.items(), reverse=True):
            if info is not None:
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # somebody took it away
                    self._attributes_of_directory(path, info)

    def _open(self, path: str) -> int:
        if not self.links:
            return super()._open(path)
        try:
            flags = os.O_PATH | os.O_DIRECTORY
            return syscalls.openat2(self._root_fd, path or ".", flags, resolve=RESOLVE_BENEATH)
        except OSError as error:
            if error.errno != errno.EXDEV or self._leads_by_own_link(path):
                raise
        root, place = self.links
        return inroot.open_in_root(root, f"{place}/{path}", flags)

    def _leads_by_own_link(self, path: str) -> bool:
        parts = path.split("/")
        above = {"/".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
        return bool(above & (self.names - self.directories.keys()))

    def _attributes_of_directory(self, path: str, info: tarfile.TarInfo) -> None:
        parent, _, base = path.rpartition("/")
        fd = os.dup(self._root_fd) if not path else _open_directory(self._enter(parent), base)
        try:
            self._attributes(fd, info)
        finally:
            os.close(fd)

    def _make_directory(self, path: str, info: tarfile.TarInfo | None) -> None:
        """One that is there already is kept, with its content; anything else of that name makes room."""
        parent, _, base = path.rpartition("/")
        directory = self._enter(parent)
        self._make_room(directory, base, for_directory=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(base, 0o755, dir_fd=directory)
        self.directories[path] = info
        self.names.add(path)

    def _imply(self, path: str) -> None:
        """A parent that the archive does not list: as it is if it is there, by a link or not."""
        try:
            os.close(self._open(path))
            self.directories[path] = None
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise MinirunError(f"its parent {path!r} is a link that leads out of the archive") from None
            self._make_directory(path, None)

    def _make_room(self, directory: int, base: str, *, for_directory: bool = False) -> None:
        try:
            status = os.lstat(base, dir_fd=directory)
        except FileNotFoundError:
            return
        is_directory = stat.S_ISDIR(status.st_mode)
        if is_directory and not for_directory:
            raise MinirunError(f'cannot overwrite directory "{base}" with non-directory "{base}"')
        if for_directory and not is_directory:
            raise MinirunError(f'cannot overwrite non-directory "{base}" with directory "{base}"')
        if not is_directory:
            _refuse_mount_point(directory, base)
            os.unlink(base, dir_fd=directory)

    def _link(self, name: str, parent: int, base: str, target: str) -> None:
        if target in self.directories:
            raise MinirunError(f"a hard link to the directory {target!r}")
        try:
            self._make_link(target, parent, base)
        except OSError as error:
            raise MinirunError(f"a hard link to {target!r}: {error.strerror}") from None


def _refuse_above(name: str) -> None:
    """Raise MinirunError for a relative name that leads out of the directory; an absolute one begins in it."""
    depth = 0
    for part in [] if name.startswith("/") else name.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            raise MinirunError(f"{shown(name)} leads out of the directory that is copied to")


def _refuse_mount_point(directory: int, base: str) -> None:
    """A file that is mounted there (/etc/hosts) is not ours to replace.

    The kernel would let us: in another mount namespace than one's own, unlink(2) takes the mount off.
    """
    place = os.open(base, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        if _mount_id(place) != _mount_id(directory):
            raise OSError(errno.EBUSY, "it is a mount of its own, and cannot be replaced")
    finally:
        os.close(place)


def _mount_id(fd: int) -> str:
    """The mount that an open file is on: proc_pid_fdinfo(5)."""
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
        return next(line for line in file if line.startswith("mnt_id:"))


def _open_directory(parent: int, base: str) -> int:
    return os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def _make_harmless(info: tarfile.TarInfo) -> None:
    if info.ischr() or info.isblk():
        raise ValueError("a device of the container's is not made on the host, but with -a")
    info.uid, info.gid = os.geteuid(), os.getegid()
    info.mode &= _PERMISSIONS
    info.pax_headers = {key: value for key, value in info.pax_headers.items() if key == "mtime"}
