"""From one tree into another: every file by one rename, and nothing is ever opened through a link.

Either tree may be somebody else's: an image chose the names in the first, and whoever may write into the second can put
a link where a directory was.  So each directory is opened beneath its root, and all else is one name in an open
directory, made under a name nobody knows and then renamed.

See      openat2(2) RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS; image/tarwriter.py, which reads trees in the same way
By hand  rsync -aHAX --delete TREE/ DIR/
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from minirun.files import remove_tree
from minirun.image import tarentry, tarwriter

if TYPE_CHECKING:
    from collections.abc import Callable

    Told = Callable[[int], None]  # of bytes that went by

_COPIED_BYTES = 8 << 20  # at a time
_NOT_COPIED = (*tarentry.OVERLAY_XATTRS, "security.selinux")  # overlayfs's books, another machine's labels


class TreeCopy:
    """One tree on its way into a directory; remembers which hard links it has met.  All becomes `owner`'s."""

    def __init__(self, source: int, target: int, owner: tuple[int, int], told: Told) -> None:
        self._source = source
        self._target = target
        self._told = told
        self._owner = owner
        self._first: dict[tuple[int, int], str] = {}  # (device, inode) -> where the first name of a file is
        self._names: dict[str, set[str]] = {}  # of each directory

    def run(self, *, delete: bool = False) -> None:
        """`delete`: what the source has not is taken away, in the directories that are copied."""
        waiting, directories = [""], []
        while waiting:
            path = waiting.pop()
            directories.append(path)
            waiting += reversed(self._directory(path))
        if delete:
            self._remove_others()
        for path in reversed(directories[1:]):  # their times last, when nothing changes in them any more
            self._finish_directory(path)

    def _directory(self, path: str) -> list[str]:
        """Copy what is in one directory; returns the directories in it, made but empty."""
        source = tarwriter.open_beneath(self._source, path)
        target = tarwriter.open_beneath(self._target, path)
        try:
            names = sorted(os.listdir(source))
            self._names[path] = set(names)
            inside = {f"{path}/{name}" if path else name: name for name in names}
            return [place for place, name in inside.items() if self._entry(source, target, place, name)]
        finally:
            os.close(source)
            os.close(target)

    def _entry(self, source: int, target: int, path: str, name: str) -> bool:
        """One entry, under a name nobody knows and then in its place.  Returns whether it is a directory."""
        status = os.lstat(name, dir_fd=source)
        if stat.S_ISDIR(status.st_mode):
            _make_directory(target, name)
            return True
        if stat.S_ISSOCK(status.st_mode):
            return False
        temporary = f".minirun-{os.urandom(6).hex()}"
        try:
            self._make(source, target, path, name, status, temporary)
            _clear_directory(target, name)
            os.rename(temporary, name, src_dir_fd=target, dst_dir_fd=target)
        except BaseException:
            _remove(target, temporary)
            raise
        return False

    def _make(
        self, source: int, target: int, path: str, name: str, status: os.stat_result, temporary: str
    ) -> None:
        first = self._first.setdefault((status.st_dev, status.st_ino), path) if status.st_nlink > 1 else path
        if first != path:
            above, base = os.path.split(first)
            directory = tarwriter.open_beneath(self._target, above)
            try:
                os.link(base, temporary, src_dir_fd=directory, dst_dir_fd=target, follow_symlinks=False)
            finally:
                os.close(directory)
            return
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), temporary, dir_fd=target)
        elif stat.S_ISREG(status.st_mode):
            self._copy_content(source, target, name, temporary)
        else:
            os.mknod(temporary, status.st_mode, status.st_rdev, dir_fd=target)
        self._describe(source, name, target, temporary, status)

    def _copy_content(self, source: int, target: int, name: str, temporary: str) -> None:
        reading = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        writing = os.open(temporary, flags, 0o600, dir_fd=target)
        try:
            while count := os.sendfile(writing, reading, None, _COPIED_BYTES):
                self._told(count)
        finally:
            os.close(reading)
            os.close(writing)

    def _describe(self, source: int, name: str, target: int, made: str, status: os.stat_result) -> None:
        """Owner, mode, attributes and times of what was made: the owner first, which takes set-user-ID away.

        Through a descriptor of it: whoever else may write here may have put a link under its name.
        """
        fd = os.open(made, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=target)
        place = f"/proc/self/fd/{fd}"
        try:
            os.chown(place, *self._owner)
            if not stat.S_ISLNK(status.st_mode):
                os.chmod(place, stat.S_IMODE(status.st_mode))
            _copy_attributes(f"/proc/self/fd/{source}/{name}", place)
            os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(fd)

    def _finish_directory(self, path: str) -> None:
        above, name = os.path.split(path)
        source = tarwriter.open_beneath(self._source, above)
        target = tarwriter.open_beneath(self._target, above)
        try:
            self._describe(source, name, target, name, os.lstat(name, dir_fd=source))
        finally:
            os.close(source)
            os.close(target)

    def _remove_others(self) -> None:
        """Take away what the source has not."""
        for path, names in self._names.items():
            target = tarwriter.open_beneath(self._target, path)
            try:
                for name in set(os.listdir(target)) - names:
                    _remove(target, name)
            finally:
                os.close(target)


def _make_directory(directory: int, name: str) -> None:
    """A directory of this name; what else has it goes."""
    try:
        os.mkdir(name, 0o700, dir_fd=directory)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(name, dir_fd=directory).st_mode):
            os.unlink(name, dir_fd=directory)
            os.mkdir(name, 0o700, dir_fd=directory)


def _clear_directory(directory: int, name: str) -> None:
    """rename(2) puts no file in the place of a directory."""
    try:
        if stat.S_ISDIR(os.lstat(name, dir_fd=directory).st_mode):
            _remove(directory, name)
    except FileNotFoundError:
        pass


def _remove(directory: int, name: str) -> None:
    remove_tree(f"/proc/self/fd/{directory}/{name}")


def _copy_attributes(source: str, target: str) -> None:
    for key in os.listxattr(source, follow_symlinks=False):
        if not key.startswith(_NOT_COPIED):
            value = os.getxattr(source, key, follow_symlinks=False)
            os.setxattr(target, key, value)
