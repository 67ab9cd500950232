"""A new volume gets what the image has in its place: owner, mode, times, links, devices, extended attributes.

    filling/  ->  filled/  ->  _data/

The copy grows in `filling`, which has its name changed when it is whole; then its entries move into `_data` one by
one, each in a rename.  Killed before the change of name, the next start begins anew; after it, it goes on moving.
So no volume is ever half filled for a program to see, and nothing in `_data` is ever written over.

The image is hostile: the place may be a link to the host's /etc, or be swapped for one by nobody yet, since no
process of the container runs; the tree is walked by paths that openat2 takes no link in, and links are copied as links.

See      openat2(2), path_resolution(7); features.md section 6
By hand  cp -a merged/PLACE/. volumes/NAME/_data/
"""

from __future__ import annotations

import errno
import os
import stat

from minirun import files
from minirun.errors import MinirunError
from minirun.linux import inroot, syscalls
from minirun.linux.constants import RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def fill(volume: str, merged: str, place: str) -> None:
    """Fill the volume, if it is empty, with what `place` in the tree `merged` has; "" for `merged`: with nothing.

    A fill that was interrupted when it had only to move things is ended in any case.  Raises MinirunError.
    """
    with files.locked(f"{volume}/.lock"):  # of ten containers that want it filled, one does it
        files.remove_tree(f"{volume}/filling")  # of one who was killed
        try:
            if merged and not os.path.isdir(f"{volume}/filled") and not os.listdir(f"{volume}/_data"):
                _copy(volume, merged, place)
            _move(volume)
        except OSError as error:
            files.remove_tree(f"{volume}/filling")
            name = os.path.basename(volume)
            hint = "`df` shows which disk is full" if error.errno == errno.ENOSPC else ""
            raise MinirunError(
                f"cannot fill the volume {name} with the image's {place}: {error.strerror}", hint
            ) from None


def _copy(volume: str, merged: str, place: str) -> None:
    """What the image has, whole, in `filled`; nothing when it has nothing there."""
    root = os.open(merged, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        source = inroot.open_in_root(root, place, _DIRECTORY)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return
        raise
    finally:
        os.close(root)
    try:
        why = "a new volume has what the image has there"
        shown = (f"{merged}{place}", f"{volume}/_data")
        syscalls.act("copy", _copy_from, source, f"{volume}/filling", path=place, why=why, shown=shown)
    finally:
        os.close(source)
    why = "the copy is whole: from here on it is only moved"
    syscalls.rename(f"{volume}/filling", f"{volume}/filled", why=why)


def _copy_from(source: int, filling: str) -> None:
    os.mkdir(filling, 0o700)
    target = os.open(filling, _DIRECTORY)
    try:
        Copy(source, target).all()
    finally:
        os.close(target)


def _move(volume: str) -> None:
    """Everything in `filled` to where containers see it, which then gets its owner, mode and times as well."""
    if not os.path.isdir(f"{volume}/filled"):
        return
    shown = (f"{volume}/filled", f"{volume}/_data")
    why = "entry by entry, so that each is there whole"
    syscalls.act("rename", _move_entries, *shown, path=shown[1], why=why, shown=shown)
    status = os.stat(f"{volume}/filled")
    _set_all(f"{volume}/filled", f"{volume}/_data", status)
    files.remove_tree(f"{volume}/filled")


def _move_entries(source: str, target: str) -> None:
    for name in os.listdir(source):
        if not os.path.lexists(f"{target}/{name}"):
            os.rename(f"{source}/{name}", f"{target}/{name}")


class Copy:
    """All below one directory into another that is empty and nobody else's."""

    def __init__(self, source: int, target: int) -> None:
        """Both are descriptors of directories."""
        self.source, self.target = source, target
        self.links: dict[
            tuple[int, int], str
        ] = {}  # (device, inode) of files with several names: our first one

    def all(self) -> None:
        """Level by level; the directories' times come last, from below, since to write in one changes them."""
        directories = ["."]
        for path in directories:  # it grows meanwhile
            directories += self._one_directory(path)
        for path in reversed(directories):
            source, target = self._opened(path)
            _set_all(f"/proc/self/fd/{source}", f"/proc/self/fd/{target}", os.fstat(source))
            os.close(source)
            os.close(target)

    def _opened(self, path: str) -> tuple[int, int]:
        """The directory of that path on both sides."""
        resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
        source = syscalls.openat2(self.source, path, _DIRECTORY, 0, resolve)
        try:
            return source, syscalls.openat2(self.target, path, _DIRECTORY, 0, resolve)
        except BaseException:
            os.close(source)
            raise

    def _one_directory(self, path: str) -> list[str]:
        """Copy what is in it, directories empty.  Returns the paths of these."""
        source, target = self._opened(path)
        try:
            return [
                f"{path}/{name}" for name in os.listdir(source) if self._entry(path, name, source, target)
            ]
        finally:
            os.close(source)
            os.close(target)

    def _entry(self, path: str, name: str, source: int, target: int) -> bool:
        """Copy one name; True when it is a directory."""
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            os.mkdir(name, 0o700, dir_fd=target)
            return True
        first = self.links.get((status.st_dev, status.st_ino))
        if first:
            os.link(first, name, src_dir_fd=self.target, dst_dir_fd=target, follow_symlinks=False)
            return False
        _copy_one(name, source, target, status)
        if status.st_nlink > 1:
            self.links[status.st_dev, status.st_ino] = f"{path}/{name}"
        _set_all(f"/proc/self/fd/{source}/{name}", f"/proc/self/fd/{target}/{name}", status)
        return False


def _copy_one(name: str, source: int, target: int, status: os.stat_result) -> None:
    """A file, a link, or a device, pipe or socket."""
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
    elif stat.S_ISREG(status.st_mode):
        old = os.open(name, _READ, dir_fd=source)
        try:
            new = os.open(name, _WRITE, 0o600, dir_fd=target)
            try:
                _copy_data(old, new, status.st_size)
            finally:
                os.close(new)
        finally:
            os.close(old)
    else:
        os.mknod(name, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev, dir_fd=target)


def _copy_data(old: int, new: int, size: int) -> None:
    """Its bytes, with holes where it has holes."""
    at = 0
    while at < size:
        try:
            at = os.lseek(old, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # a hole up to the end
                raise
            break
        end = os.lseek(old, at, os.SEEK_HOLE)
        os.lseek(new, at, os.SEEK_SET)
        while at < end:
            at += os.sendfile(new, old, at, end - at) or end
    os.ftruncate(new, size)


def _set_all(source: str, target: str, status: os.stat_result) -> None:
    """Owner, mode, extended attributes and times, in the order in which one does not undo another."""
    is_link = stat.S_ISLNK(status.st_mode)
    follow = stat.S_ISDIR(status.st_mode)  # the descriptors of directories are links of /proc
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=follow)
    if not is_link:
        os.chmod(target, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source, follow_symlinks=follow):
        with syscalls.tolerating(errno.ENOTSUP):
            os.setxattr(
                target, name, os.getxattr(source, name, follow_symlinks=follow), follow_symlinks=follow
            )
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=follow)
