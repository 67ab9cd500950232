"""A selection, carried out: COPY and ADD into the root filesystem of a step.

    a file        to the target; into it, under its own name, when it is a directory or ends with a slash
    a directory   its content, into the target, which is made if missing
    an archive    as a directory, if ADD: archives.py
    made parents  0755, and whoever --chown says, else root
    what is there a directory is kept and takes the mode and owner of the source's; a file or link is replaced;
                  a directory never gives way to a file, nor a file or link to a directory

Owner, mode, times, extended attributes, holes and hard links come along.  Links on the target's path are followed
inside the root; those below it are not.  Content goes from file to file within the kernel.

See      tonistiigi/fsutil copy/copy.go; copy_file_range(2), sendfile(2); SOURCE_DATE_EPOCH at reproducible-builds.org
By hand  cp -a CONTEXT/SOURCE/. ROOT/TARGET/
"""

from __future__ import annotations

import errno
import os
import stat
import time

from minirun.build import ownership
from minirun.build.entries import identity, xattrs
from minirun.build.ignore import clean
from minirun.build.selection import Order
from minirun.build.tree import opened, resolve
from minirun.errors import MinirunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.build.entries import Directory, Entry, Source
    from minirun.build.selection import Selection
    from minirun.build.tree import Tree

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_AT_ONCE_BYTES = 1 << 30
_HOLES_FROM_BYTES = 1 << 20  # smaller files are copied without looking for holes
_LEFT_OUT = (stat.S_IFIFO, stat.S_IFSOCK)  # as BuildKit does: of use to running programs only
_NO_RANGE = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF)


def copy(
    selection: Selection,
    order: Order,
    root: int,
    *,
    chown: str = "",
    chmod: str = "",
    epoch: int | None = None,
    users: int | None = None,
) -> list[str]:
    """Copy what was selected into `root`, the descriptor of a directory.  For --link that is an empty one.

    `epoch`, in seconds, becomes the time of all that is made; `users` is the root filesystem that --chown's names are
    looked up in, if not `root`.  Returns the files that are not as they were when they were selected: what was made of
    them is not what their digest says.  Raises MinirunError.
    """
    owner = ownership.owner(chown, root if users is None else users)
    style = Style(owner, ownership.permissions(chmod), None if epoch is None else epoch * 10**9)
    target = Target(root, order, style, several=len(selection.sources) + len(selection.files) > 1)
    changed: list[str] = []
    try:
        for source in selection.sources:
            if not (source.unpack and _unpack(root, source, target, style, changed)):
                changed += _Copying(source.tree, root, style).copy(source, target)
        for name, content in selection.files:
            _write(root, target.place(name), content, style)
        target.finish()
    except OSError as error:
        hint = "it was changed while the image was built" if error.errno == errno.ENOENT else ""
        raise MinirunError(f"copying to {order.target}: {_reason(error)}", hint) from None
    return changed


def _unpack(root: int, source: Source, target: Target, style: Style, changed: list[str]) -> bool:
    """Unpack the source into the target, if it is an archive; whether it is."""
    if not stat.S_ISREG(source.entry[1]):
        return False
    from minirun.build import archives

    above, _, name = source.path.rpartition("/")
    with opened(source.tree.fd, above) as there, opened(there, name, _READ) as file:
        if not archives.is_archive(file):
            return False
        if identity(os.fstat(file)) != source.entry[6]:
            changed.append(source.path)
        with opened(root, target.directory("mkdir /{}: not a directory")) as here:
            try:
                archives.unpack(file, here, style.owner)
            except MinirunError as error:
                raise MinirunError(f"unpacking {source.asked}: {error}", error.hint) from None
    return True


def make_directory(root: int, path: str, owner: tuple[int, int] | None, epoch: int | None) -> None:
    """WORKDIR: the directory, and those above it that are missing.  Raises MinirunError."""
    style = Style(owner, None, None if epoch is None else epoch * 10**9)
    target = Target(root, Order([], path), style, several=False)
    try:
        target.directory()
        target.finish()
    except OSError as error:
        raise MinirunError(f"WORKDIR {path}: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    where = getattr(error, "path", "") or error.filename
    return f"{where}: {error.strerror}" if where else str(error.strerror)


class Style:
    """What the instruction says of all that it makes: owner, mode, time; None for as it was."""

    def __init__(
        self, owner: tuple[int, int] | None, mode: Callable[[int], int] | None, time_ns: int | None
    ) -> None:
        self.owner = owner
        self.mode = mode
        self.time_ns = time_ns

    def apply(self, fd: int, entry: Entry, mtime_ns: int, attributes: list[tuple[str, bytes]]) -> None:
        """To an open file or directory.  chown(2) clears set-user-ID and capabilities, so it goes first."""
        os.fchown(fd, *(self.owner or entry[2:4]))
        for name, value in attributes:
            try:
                os.setxattr(fd, name, value)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EPERM):
                    raise
        os.fchmod(fd, self.mode(entry[1]) if self.mode else stat.S_IMODE(entry[1]))
        self.date(fd, mtime_ns)

    def date(self, fd: int, mtime_ns: int) -> None:
        when = mtime_ns if self.time_ns is None else self.time_ns
        os.utime(fd, ns=(when, when))


# ---- where things go --------------------------------------------------------------------------------------


class Target:
    """The place in the root filesystem that the instruction names last."""

    def __init__(self, root: int, order: Order, style: Style, *, several: bool) -> None:
        """`several`: whether more than one file may come here."""
        self._root = root
        self._style = style
        self._several = several
        self._word = "ADD" if order.is_add else "COPY"
        written = order.target or "."
        self._is_directory = os.path.basename(written) in ("", ".", "..")
        self._path = clean(f"/{written}" if written.startswith("/") else f"/{order.workdir}/{written}")[1:]
        self._touched: set[str] = set()  # directories in which something was made
        self._taken = ""

    def directory(self, wrong: str = "cannot copy to non-directory: /{}") -> str:
        """Where the content of a directory goes; made if missing."""
        return self.made(self._path, wrong)

    def place(self, name: str) -> str:
        """Where a file of this name goes, below a directory that is there."""
        if self._is_directory:
            self.made(self._path)
        found, status = resolve(self._root, self._path)
        if status is not None and stat.S_ISDIR(status.st_mode):
            self._touched.add(found)
            return f"{found}/{name}".lstrip("/")
        if self._several and found == self._taken:
            words = "the destination must be a directory and end with a /"
            raise MinirunError(f"When using {self._word} with more than one source file, {words}")
        self._taken = found
        self._touched.add(self.made(os.path.dirname(found)))
        return found

    def made(self, path: str, wrong: str = "mkdir /{}: not a directory") -> str:
        """`mkdir -p`: the directory that `path` leads to."""
        path, status = resolve(self._root, path)
        if status is None:
            names = path.split("/")
            for depth in range(1, len(names) + 1):
                self._make("/".join(names[:depth]), wrong)
        elif not stat.S_ISDIR(status.st_mode):
            raise MinirunError(wrong.format(path))
        return path

    def _make(self, path: str, wrong: str) -> None:
        above, _, name = path.rpartition("/")
        with opened(self._root, above) as parent:
            try:
                os.mkdir(name, dir_fd=parent)
            except FileExistsError:
                if not stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
                    raise MinirunError(wrong.format(path)) from None
                return
            with opened(parent, name) as fd:
                if self._style.owner:
                    os.fchown(fd, *self._style.owner)
                os.fchmod(fd, 0o755 | os.fstat(fd).st_mode & stat.S_ISGID)  # which it has from the one above
        self._touched |= {above, path}

    def finish(self) -> None:
        """With a time given, directories that took something in have it, too."""
        for path in self._touched if self._style.time_ns is not None else ():
            with opened(self._root, path) as fd:
                self._style.date(fd, 0)


def _write(root: int, path: str, content: bytes, style: Style) -> None:
    """A heredoc."""
    above, _, name = path.rpartition("/")
    with opened(root, above) as parent, open(_create(parent, path, name), "wb", buffering=0) as file:
        file.write(content)
        style.apply(file.fileno(), (name, stat.S_IFREG | 0o644, 0, 0, 0, 0, ""), time.time_ns(), [])


def _create(parent: int, path: str, name: str) -> int:
    """A new file in the directory `parent`; what is there makes room.  `path` is for the message."""
    try:
        return os.open(name, _NEW, 0o600, dir_fd=parent)
    except FileExistsError:
        _make_room(parent, path, name)
        return os.open(name, _NEW, 0o600, dir_fd=parent)


def _make_room(parent: int, path: str, name: str) -> None:
    try:
        if stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
            raise MinirunError(f"cannot replace to directory /{path} with file")
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        pass


# ---- one source -------------------------------------------------------------------------------------------


class _Copying:
    """One source on its way.  Hard links within it stay such."""

    def __init__(self, tree: Tree, root: int, style: Style) -> None:
        self._tree = tree
        self._root = root
        self._style = style
        self._changed: list[str] = []
        self._links: dict[str, str] = {}  # identity of a file with several names: where it is in the root
        self._from = self._to = -1  # the directory that is copied, and where

    def copy(self, source: Source, target: Target) -> list[str]:
        """Returns what was changed since it was selected."""
        if source.directories is None:
            self._alone(source, target.place(source.name))
        else:
            place = target.directory()
            for directory in source.directories:
                self._directory(source, directory, f"{place}/{source.below(directory)}".strip("/"))
        return self._changed

    def _alone(self, source: Source, place: str) -> None:
        above, _, name = place.rpartition("/")
        with opened(self._tree.fd, os.path.dirname(source.path)) as there, opened(self._root, above) as here:
            self._entry(source.path, there, source.entry, here, name, place)

    def _directory(self, source: Source, directory: Directory, place: str) -> None:
        """The content of a directory; those in it are made, and filled when it is their turn."""
        above = f"{directory.path}/" if directory.path else ""
        with opened(self._tree.fd, directory.path) as there, opened(self._root, place) as here:
            for entry in directory.entries:
                name = entry[0]
                self._entry(above + name, there, entry, here, name, f"{place}/{name}".lstrip("/"))
            mtime_ns = os.fstat(there).st_mtime_ns
            if source.below(directory):
                self._style.apply(here, directory.itself, mtime_ns, xattrs(there))
            else:
                self._style.date(here, mtime_ns)  # where the content goes stays whose it is

    def _entry(self, path: str, there: int, entry: Entry, here: int, name: str, place: str) -> None:
        """From the name in `entry` in the directory `there` to `name` in `here`, which is called `place`."""
        kind = stat.S_IFMT(entry[1])
        if kind == stat.S_IFREG:
            self._file(path, there, entry, here, name, place)
        elif kind == stat.S_IFDIR:
            _keep_or_make(here, name, place)
        elif kind not in _LEFT_OUT:
            _make_room(here, place, name)
            if kind == stat.S_IFLNK:
                os.symlink(os.readlink(entry[0], dir_fd=there), name, dir_fd=here)
            else:
                _make_node(here, name, entry)
            self._finish(there, entry, here, name)

    def _finish(self, there: int, entry: Entry, here: int, name: str) -> None:
        """What cannot be opened: links and devices."""
        os.chown(name, *(self._style.owner or entry[2:4]), dir_fd=here, follow_symlinks=False)
        if not stat.S_ISLNK(entry[1]):
            mode = self._style.mode
            os.chmod(name, mode(entry[1]) if mode else stat.S_IMODE(entry[1]), dir_fd=here)
        when = (
            os.lstat(entry[0], dir_fd=there).st_mtime_ns
            if self._style.time_ns is None
            else self._style.time_ns
        )
        os.utime(name, ns=(when, when), dir_fd=here, follow_symlinks=False)

    # -- files --

    def _file(self, path: str, there: int, entry: Entry, here: int, name: str, place: str) -> None:
        source = os.open(entry[0], _READ, dir_fd=there)
        try:
            status = os.fstat(source)
            if not stat.S_ISREG(status.st_mode):
                raise MinirunError(f"/{path}: it was replaced while it was copied")
            if identity(status) != entry[6]:
                self._changed.append(path)
            if status.st_nlink == 1 or not self._link(entry[6], here, name, place):
                self._fill(source, status, entry, _create(here, place, name))
        finally:
            os.close(source)

    def _link(self, known_as: str, here: int, name: str, place: str) -> bool:
        """Make it a further name of a file that was copied; whether it was."""
        first = self._links.setdefault(known_as, place)
        if first == place:
            return False
        _make_room(here, place, name)
        with opened(self._root, os.path.dirname(first)) as above:
            os.link(os.path.basename(first), name, src_dir_fd=above, dst_dir_fd=here, follow_symlinks=False)
        return True

    def _fill(self, source: int, status: os.stat_result, entry: Entry, target: int) -> None:
        try:
            copy_content(source, target, status)
            self._style.apply(target, entry, status.st_mtime_ns, xattrs(source))
        finally:
            os.close(target)


def _keep_or_make(parent: int, name: str, path: str) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
            raise MinirunError(f"cannot copy to non-directory: /{path}") from None


def _make_node(parent: int, name: str, entry: Entry) -> None:
    """A device.  0:0 is refused: overlayfs would take it for a whiteout."""
    mode, device = entry[1], entry[5]
    if stat.S_ISCHR(mode) and device == 0:
        raise MinirunError(f"{entry[0]}: a character device 0:0 cannot be copied")
    os.mknod(name, mode, device, dir_fd=parent)


# ---- content ----------------------------------------------------------------------------------------------


def copy_content(source: int, target: int, status: os.stat_result) -> None:
    """All of one file into another, new one; what is a hole stays one."""
    size = status.st_size
    if size < _HOLES_FROM_BYTES or status.st_blocks * 512 >= size:
        _send(source, target, size)
        return
    os.ftruncate(target, size)
    end = 0
    while end < size:
        try:
            start = os.lseek(source, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # no more data
                raise
            return
        end = os.lseek(source, start, os.SEEK_HOLE)
        os.lseek(source, start, os.SEEK_SET)
        os.lseek(target, start, os.SEEK_SET)
        _send(source, target, end - start)


def _send(source: int, target: int, count: int) -> None:
    """`count` bytes, or up to the end: shared where the file system can do that, else copied by the kernel."""
    while count > 0:
        part = min(count, _AT_ONCE_BYTES)
        sent = _shared(source, target, part) or os.sendfile(target, source, None, part)
        if not sent:
            return
        count -= sent


def _shared(source: int, target: int, count: int) -> int:
    """copy_file_range(2); 0 where it cannot be done between these two."""
    global _can_share
    if not _can_share:
        return 0
    try:
        return os.copy_file_range(source, target, count)
    except OSError as error:
        if error.errno not in _NO_RANGE:
            raise
        _can_share = False
        return 0


_can_share = True  # until it is tried
