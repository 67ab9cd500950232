"""Archives, of ADD and of a context: known by what is in them, not by their names, and unpacked into a directory.

The archive is as little to be trusted as its links: each entry's parent is looked up inside the target, whose links
are followed there and nowhere else, and what is made is one name in a directory that was opened so.  Other than in a
layer, a later entry of the same name replaces an earlier one, and a whiteout is a file like any other.

See      moby/buildkit solver/llbsolver/file/unpack_root.go; image/tarstream.py; tar(5)
By hand  tar --xattrs --numeric-owner -xpf ARCHIVE -C TARGET
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from typing import TYPE_CHECKING

from minirun import files
from minirun.build.ignore import clean
from minirun.build.tree import DIRECTORY, open_beneath, resolve
from minirun.errors import MinirunError, in_words
from minirun.image import tarentry, tarstream
from minirun.image.tarstream import shown

if TYPE_CHECKING:
    from io import BufferedReader

    from minirun.image.tarstream import TarStream

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def is_archive(fd: int) -> bool:
    """Whether the file is a tar, packed with gzip, bzip2, xz, zstd or not at all, that has an entry."""
    with _reader(fd) as file:
        try:
            chunks = tarstream.decompressed(tarstream.CountingFile(tarstream.opened(file)))
            return next(tarstream.entries(tarstream.TarStream(chunks)), None) is not None
        except (MinirunError, EOFError, ValueError, OSError, _lzma_error()):
            return False


def looks_like_one(head: bytes) -> bool:
    """The same of a stream, by its first 512 bytes: whether it is packed, or a tar."""
    if head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")):
        return True
    try:
        return bool(tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape"))
    except tarfile.HeaderError:
        return False


def unpack(fd: int, target: int, owner: tuple[int, int] | None = None) -> None:
    """Unpack the tar into the directory `target`; `owner` takes the place of the entries' own.  Raises MinirunError."""
    with _reader(fd) as file:
        unpack_stream(file, target, owner)


def unpack_stream(file: BufferedReader, target: int, owner: tuple[int, int] | None = None) -> None:
    """The same of a stream, which is read to its end."""
    unpacking = _Unpacking(target, owner)
    try:
        with tarstream.Unpacked(tarstream.opened(file)) as chunks:
            unpacking.stream(tarstream.TarStream(iter(chunks)))
    except (EOFError, _lzma_error()) as error:
        raise MinirunError(f"the archive cannot be read: {error}") from None
    finally:
        unpacking.close()


def _reader(fd: int) -> BufferedReader:
    """The file from its start, by a descriptor that may be closed."""
    return open(f"/proc/self/fd/{fd}", "rb")


def _lzma_error() -> type[Exception]:
    import lzma

    return lzma.LZMAError


class _Unpacking:
    """The target, and what is known of it."""

    def __init__(self, target: int, owner: tuple[int, int] | None) -> None:
        self._root = target
        self._owner = owner
        self._resolved: dict[
            str, str
        ] = {}  # parents of entries without their links; forgotten when one changes
        self._directories: dict[str, tarfile.TarInfo] = {}  # whose times come last
        self._parent = ""
        self._parent_fd = os.dup(target)

    def close(self) -> None:
        os.close(self._parent_fd)

    def stream(self, stream: TarStream) -> None:
        """Take in the whole archive."""
        for info in tarstream.entries(stream):
            try:
                self._entry(info, stream)
            except (MinirunError, OSError, OverflowError, ValueError) as error:
                words = getattr(error, "strerror", None) or in_words(error)
                raise MinirunError(f"entry {shown(info.name)}: {words}") from error
        stream.drain()
        for path, info in reversed(self._directories.items()):
            self._date(path, info)

    def _entry(self, info: tarfile.TarInfo, stream: TarStream) -> None:
        name = _cleaned(info.name)
        if not name:
            return
        parent, base = self._place(name, follow=info.isdir())
        if not base:
            return  # a link to the target itself
        self._make_room(parent, base, info)
        if info.isdir():
            self._directory(f"{self._parent}/{base}".lstrip("/"), parent, base, info)
        elif info.isreg():
            self._file(parent, base, info, stream)
        elif info.islnk():
            self._link(parent, base, info)
        else:
            self._special(parent, base, info)

    # -- where --

    def _place(self, name: str, *, follow: bool) -> tuple[int, str]:
        """The directory that takes the entry, made if missing, and the name in there."""
        above, _, base = name.rpartition("/")
        if above not in self._resolved:
            self._resolved[above] = resolve(self._root, above)[0]
        path = f"{self._resolved[above]}/{base}".lstrip("/")
        if follow:
            path = resolve(self._root, path)[0]
        parent, _, base = path.rpartition("/")
        return self._enter(parent), base

    def _enter(self, path: str) -> int:
        """A descriptor of the directory; good until the next call."""
        if path != self._parent:
            fd = self._open_or_make(path)
            os.close(self._parent_fd)
            self._parent, self._parent_fd = path, fd
        return self._parent_fd

    def _open_or_make(self, path: str) -> int:
        names = path.split("/") if path else []
        for depth in range(len(names) + 1):
            try:
                return open_beneath(self._root, path, DIRECTORY)
            except OSError as error:
                if error.errno != errno.ENOENT or depth == len(names):
                    raise
            self._imply("/".join(names[: depth + 1]))
        raise AssertionError("not reached")

    def _imply(self, path: str) -> None:
        """A parent that the archive does not list, or not yet: root's, 0755."""
        above, _, name = path.rpartition("/")
        fd = open_beneath(self._root, above, DIRECTORY)
        try:
            os.mkdir(name, dir_fd=fd)
            os.chown(name, 0, 0, dir_fd=fd)
            os.chmod(name, 0o755, dir_fd=fd)
        except FileExistsError:
            pass
        finally:
            os.close(fd)

    def _make_room(self, parent: int, base: str, info: tarfile.TarInfo) -> None:
        """Only a directory stays where a directory comes."""
        try:
            mode = os.lstat(base, dir_fd=parent).st_mode
        except FileNotFoundError:
            return
        if stat.S_ISDIR(mode) and info.isdir():
            return
        self._resolved.clear()
        if stat.S_ISDIR(mode):
            files.remove_tree(f"/proc/self/fd/{parent}/{base}")
        else:
            os.unlink(base, dir_fd=parent)

    # -- what --

    def _directory(self, path: str, parent: int, base: str, info: tarfile.TarInfo) -> None:
        try:
            os.mkdir(base, 0o700, dir_fd=parent)
        except FileExistsError:
            pass
        fd = open_beneath(parent, base, DIRECTORY)
        try:
            self._attributes(fd, info)
        finally:
            os.close(fd)
        self._directories.pop(path, None)
        self._directories[path] = info

    def _file(self, parent: int, base: str, info: tarfile.TarInfo, stream: TarStream) -> None:
        fd = os.open(base, _NEW_FILE, 0o600, dir_fd=parent)
        try:
            if info.sparse is not None:
                tarentry.write_sparse(fd, info, stream, tarstream.LIMITS)
            elif info.size:
                tarentry.write(fd, info, stream)
            self._attributes(fd, info)
        finally:
            os.close(fd)

    def _link(self, parent: int, base: str, info: tarfile.TarInfo) -> None:
        target = _cleaned(info.linkname)
        above, _, name = target.rpartition("/")
        if not name:
            raise MinirunError("a hard link to the directory that it is in")
        fd = open_beneath(self._root, resolve(self._root, above)[0], DIRECTORY)
        try:
            os.link(name, base, src_dir_fd=fd, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(fd)

    def _special(self, parent: int, base: str, info: tarfile.TarInfo) -> None:
        if info.issym():
            os.symlink(info.linkname, base, dir_fd=parent)
            self._resolved.clear()
        elif info.isdev():
            tarentry.make_node(parent, base, info)
        else:
            raise MinirunError(f'an entry of unknown type "{info.type.decode("latin-1")}"')
        os.chown(base, *(self._owner or tarentry.owner(info)), dir_fd=parent, follow_symlinks=False)
        if not info.issym():
            os.chmod(base, info.mode & 0o7777, dir_fd=parent)
        when = tarentry.mtime_ns(info)
        os.utime(base, ns=(when, when), dir_fd=parent, follow_symlinks=False)

    def _attributes(self, fd: int, info: tarfile.TarInfo) -> None:
        """chown(2) clears set-user-ID and capabilities, so it goes first."""
        os.fchown(fd, *(self._owner or tarentry.owner(info)))
        for name, value in tarentry.xattrs(info):
            tarentry.set_xattr(fd, name, value)
        os.fchmod(fd, info.mode & 0o7777)
        when = tarentry.mtime_ns(info)
        os.utime(fd, ns=(when, when))

    def _date(self, path: str, info: tarfile.TarInfo) -> None:
        """What was made in it after its entry has changed its time; it may have been replaced, too."""
        try:
            fd = open_beneath(self._root, path, DIRECTORY)
        except OSError:
            return
        try:
            when = tarentry.mtime_ns(info)
            os.utime(fd, ns=(when, when))
        finally:
            os.close(fd)


def _cleaned(name: str) -> str:
    """An absolute name is taken for one below the target; one that leads above it is refused."""
    name = clean(name.lstrip("/"))
    if name.split("/", 1)[0] == "..":
        raise MinirunError("it leads out of the directory that the archive is unpacked into")
    return tarstream.entry_name(name)
