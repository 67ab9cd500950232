"""One layer on its way from a tar to a directory.

Three things in a tar mean something only on top of the layers below:

- a parent directory it does not list.  overlayfs gives a merged directory the mode, owner, xattrs and mtime
  of the uppermost layer that has it: an invented 0755 /tmp would hide the real 1777.  They are copied.
- a hard link to a file of a lower layer.  The file is copied up to its own place here and linked, as
  overlayfs does when a process calls link(2).
- a whiteout: made only when there is something to hide, since overlayfs shows a stray one as a broken file.

So unpacking has two halves.  `entry` takes the tar as it streams, each layer for itself, several at once;
`complete` looks below, lowest layer first.

Nothing is written outside the directory because no path is ever followed: a name belongs to the first entry
that takes it, so a directory stays one, and every act is on one name inside a parent that openat2(2) opened
beneath the layer's root without following a link.  An entry below a link of the layer (lib/x, lib a link to
usr/lib) is put where the link leads inside the layer, which is found out from names alone.

See      image-spec layer.md; kernel Documentation/filesystems/overlayfs.rst; openat2(2);
         CVE-2014-6407 (links in an image archive led docker pull and load to files of the host)
By hand  tar -xzf LAYER -C DIR, then for each .wh.NAME: mknod NAME c 0 0
"""

from __future__ import annotations

import fcntl
import os
import stat
import tarfile
from typing import TYPE_CHECKING

from minirun.errors import MinirunError
from minirun.image import tarentry, tarstream
from minirun.image.tarstream import entry_name, shown
from minirun.linux import syscalls
from minirun.linux.constants import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS

if TYPE_CHECKING:
    from minirun.image.tarstream import Limits, Readable

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
_LINKS_MAX = 40  # that the kernel follows in one path, path_resolution(7)
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make_directory(path: str) -> int:
    """Make the directory a layer is unpacked into; returns its descriptor, which holds the lock on it."""
    os.mkdir(path, 0o700)
    os.chmod(path, 0o700)  # a set-group-id bit inherited from above would spread to all files
    fd = os.open(path, _DIRECTORY)
    fcntl.flock(fd, fcntl.LOCK_EX)  # for layers.clear_temporary
    return fd


class Unpacking:
    """The directory as far as it has come, and what is known of it."""

    def __init__(self, path: str, root_fd: int, limits: Limits = tarstream.LIMITS) -> None:
        """Into the directory `path` that make_directory(path) has made and opened; `close` closes it."""
        self.path = path
        self.limits = limits
        self.size = 0  # bytes of regular files
        self.names: set[str] = set()  # all that is taken
        self.directories: dict[str, tarfile.TarInfo | None] = {"": None}  # None: implied, not listed
        self._whiteouts: set[str] = set()  # names that are to vanish
        self._opaque: set[str] = set()  # directories whose lower content is to vanish
        self._symlinks: dict[str, str] = {}  # name -> what it leads to
        self._links: list[tuple[str, str]] = []  # (name, target): hard links to files of lower layers
        self._linked: set[str] = set()
        self._root_fd = root_fd
        self._parent, self._parent_fd = "", os.dup(self._root_fd)
        self._owner = (os.geteuid(), os.getegid())  # what new files have already

    @property
    def depends(self) -> bool:
        """Whether the layers below had a say in what became of this one."""
        implied = any(path and info is None for path, info in self.directories.items())
        return bool(implied or self._whiteouts or self._links or self._opaque)

    def close(self) -> None:
        """Give up the lock on the directory.  May be called again."""
        if self._root_fd >= 0:
            os.close(self._parent_fd)
            os.close(self._root_fd)
            self._root_fd = -1

    # -- first half: the stream --

    def stream(self, file: Readable) -> str:
        """Take in the whole tar; returns its diff_id."""
        with tarstream.Unpacked(file, self.limits) as unpacked:
            stream = tarstream.TarStream(iter(unpacked))
            for info in tarstream.entries(stream, self.limits):
                try:
                    self.entry(info, stream)
                except (MinirunError, OSError, OverflowError, ValueError) as error:
                    raise MinirunError(f"entry {shown(info.name)}: {_reason(error)}") from error
            stream.drain()
            return unpacked.digest()

    def entry(self, info: tarfile.TarInfo, stream: tarstream.TarStream) -> None:
        """Put one entry into the directory; what needs the layers below is noted for `complete`."""
        name = self._place(entry_name(info.name))
        parent, _, base = name.rpartition("/")
        if base.startswith(WHITEOUT):
            self._whiteout(parent, base)
        elif info.isdir():
            self._directory(name, info)
        elif name in self.names or not name:
            raise MinirunError("there is an entry of that name already")
        else:
            self._other(name, self._enter(parent), base, info, stream)
            self.names.add(name)
            if info.issym():
                self._symlinks[name] = info.linkname

    def _place(self, name: str) -> str:
        """Where an entry goes that is called `name`: its parent may be called by a link of this layer."""
        parent, slash, base = name.rpartition("/")
        if parent in self.directories or not self._symlinks:
            return name
        return entry_name(f"{resolve(parent, self._symlinks)}{slash}{base}")

    def _other(
        self, name: str, parent: int, base: str, info: tarfile.TarInfo, stream: tarstream.TarStream
    ) -> None:
        if info.isreg():
            self._file(parent, base, info, stream)
        elif info.issym():
            os.symlink(info.linkname, base, dir_fd=parent)
            self._finish(parent, base, info)
        elif info.islnk():
            self._link(name, parent, base, self._place(entry_name(info.linkname)))
        elif info.isdev():
            tarentry.make_node(parent, base, info)
            self._finish(parent, base, info)
        else:
            raise MinirunError(f'an entry of unknown type "{info.type.decode("latin-1")}"')

    def _enter(self, path: str) -> int:
        """A descriptor of the directory `path`, made (as implied) if missing.  Good until the next call."""
        if path != self._parent:
            if path not in self.directories:
                self._imply(path)
            fd = self._open(path)
            os.close(self._parent_fd)
            self._parent, self._parent_fd = path, fd
        return self._parent_fd

    def _open(self, path: str) -> int:
        return _open_beneath(self._root_fd, path)

    def _imply(self, path: str) -> None:
        if path in self.names:
            raise MinirunError(f"its parent {path!r} is not a directory")
        self._make_directory(path, None)

    def _make_directory(self, path: str, info: tarfile.TarInfo | None) -> None:
        """Owner, mode and times come last, in `complete`: each file made in it would change the mtime."""
        parent, _, base = path.rpartition("/")
        os.mkdir(base, 0o700, dir_fd=self._enter(parent))
        self.directories[path] = info
        self.names.add(path)

    def _directory(self, name: str, info: tarfile.TarInfo) -> None:
        if not name:
            return  # a container's / is root's, 0755, as Docker has it: the tar's comes from whoever packed it
        if name in self.directories:
            self.directories[name] = info  # listed twice, or implied before: the last word counts
        elif name in self.names:
            raise MinirunError("there is an entry of that name already")
        else:
            self._make_directory(name, info)

    def _file(self, parent: int, base: str, info: tarfile.TarInfo, stream: tarstream.TarStream) -> None:
        fd = os.open(base, _NEW_FILE, 0o600, dir_fd=parent)
        try:
            if info.sparse is not None:
                tarentry.write_sparse(fd, info, stream, self.limits)
            elif info.size:
                tarentry.write(fd, info, stream)
            self._attributes(fd, info)
        finally:
            os.close(fd)
        self.size += info.size

    def _link(self, name: str, parent: int, base: str, target: str) -> None:
        if target in self.directories:
            raise MinirunError(f"a hard link to the directory {target!r}")
        if target in self.names and target not in self._linked:
            self._make_link(target, parent, base)
        else:
            self._links.append((name, target))
            self._linked.add(name)

    def _make_link(self, target: str, parent: int, base: str) -> None:
        fd = self._open(os.path.dirname(target))
        try:
            os.link(os.path.basename(target), base, src_dir_fd=fd, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(fd)

    def _whiteout(self, parent: str, base: str) -> None:
        if base == OPAQUE:
            self._opaque.add(parent)
        elif not base.startswith(".wh..wh."):  # aufs kept its own books under such names
            hidden = base.removeprefix(WHITEOUT)
            if hidden in ("", ".", ".."):
                raise MinirunError("a whiteout of no name")
            self._whiteouts.add(f"{parent}/{hidden}" if parent else hidden)

    # -- attributes --

    def _attributes(self, fd: int, info: tarfile.TarInfo) -> None:
        """Of an open file or directory.  chown(2) clears set-user-id and capabilities, so it goes first."""
        owner = tarentry.owner(info)
        if owner != self._owner:
            os.fchown(fd, *owner)
        for name, value in tarentry.xattrs(info):
            tarentry.set_xattr(fd, name, value)
        os.fchmod(fd, info.mode & 0o7777)
        when = tarentry.mtime_ns(info)
        os.utime(fd, ns=(when, when))

    def _finish(self, parent: int, base: str, info: tarfile.TarInfo) -> None:
        """The same for what cannot be opened: links, devices, fifos."""
        owner = tarentry.owner(info)
        if owner != self._owner:
            os.chown(base, *owner, dir_fd=parent, follow_symlinks=False)
        for name, value in tarentry.xattrs(info):
            tarentry.set_xattr(f"/proc/self/fd/{parent}/{base}", name, value)
        if not info.issym():
            os.chmod(base, info.mode & 0o7777, dir_fd=parent)
        when = tarentry.mtime_ns(info)
        os.utime(base, ns=(when, when), dir_fd=parent, follow_symlinks=False)

    # -- second half: the layers below --

    def complete(self, below: list[str]) -> None:
        """Do what needs the layers below (their directories, uppermost first), then finish directories."""
        for name in sorted(self._whiteouts):  # a directory before what is in it
            self._hide(name, below)
        for path in sorted(self._opaque):
            if not self._is_gone(path):
                self._enter(path)
        for name, target in self._links:
            try:
                self._link_below(name, target, below)
            except (MinirunError, OSError) as error:
                raise MinirunError(f"entry {shown(name)}: {_reason(error)}") from error
        for path, info in self.directories.items():
            self._complete_directory(path, info, below)

    def _is_gone(self, path: str) -> bool:
        """Whether the directory `path` is removed by this layer, or is below what is, or below what is a file."""
        if path in self.directories:
            return False
        parts = path.split("/")
        above = {"/".join(parts[:depth]) for depth in range(1, len(parts) + 1)} - self.directories.keys()
        return any(name in self.names or name in self._whiteouts for name in above)

    def _hide(self, name: str, below: list[str]) -> None:
        if name in self.directories:
            self._opaque.add(name)  # removed below and made anew here
        elif self._is_gone(name.rpartition("/")[0]):
            return  # with the directory that it was in
        elif name not in self.names and self._below(name, below) is not None:
            parent, _, base = name.rpartition("/")
            os.mknod(base, stat.S_IFCHR, os.makedev(0, 0), dir_fd=self._enter(parent))
            self.names.add(name)

    def _below(self, name: str, below: list[str]) -> str | None:
        """Where lower layers have `name`, unless this layer hides what is below its directory."""
        parts = name.split("/")
        hidden = any("/".join(parts[:depth]) in self._opaque for depth in range(len(parts)))
        return None if hidden else find_below(below, name)

    def _link_below(self, name: str, target: str, below: list[str]) -> None:
        if not self._is_there(target):
            source = self._below(target, below)
            if source is None:
                raise MinirunError(f"a hard link to {target!r}, which is nowhere")
            parent, _, base = target.rpartition("/")
            _copy_up(source, self._enter(parent), base)
            self.names.add(target)
        parent, _, base = name.rpartition("/")
        self._make_link(target, self._enter(parent), base)

    def _is_there(self, name: str) -> bool:
        parent, _, base = name.rpartition("/")
        try:
            os.stat(base, dir_fd=self._enter(parent), follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def _complete_directory(self, path: str, info: tarfile.TarInfo | None, below: list[str]) -> None:
        fd = _open_beneath(self._root_fd, path, os.O_RDONLY)
        try:
            if path in self._opaque:
                os.setxattr(fd, "trusted.overlay.opaque", b"y")
            if info is not None:
                self._attributes(fd, info)
            else:
                source = self._below(path, below) if path else None
                _attributes_of(source, fd)
        finally:
            os.close(fd)


def resolve(path: str, symlinks: dict[str, str]) -> str:
    """Where the directory `path` is, by the `symlinks` of a tree (name -> target).  No link leads above its root.

    Raises MinirunError where they lead in a circle.

    >>> resolve("lib/x86", {"lib": "usr/lib", "usr/lib/x86": "/opt"})
    'opt'
    """
    done, rest, followed = "", path.split("/"), 0
    while rest:
        done = entry_name(f"{done}/{rest.pop(0)}")
        if done in symlinks:
            followed += 1
            if followed > _LINKS_MAX:
                raise MinirunError(f"its parent {path!r} is a link in a circle")
            target = symlinks[done]
            done = "" if target.startswith("/") else done.rpartition("/")[0]
            rest[:0] = target.split("/")
    return done


def _open_beneath(root_fd: int, path: str, flags: int = os.O_PATH) -> int:
    resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
    return syscalls.openat2(root_fd, path or ".", flags | os.O_DIRECTORY, resolve=resolve)


def _reason(error: Exception) -> str:
    return (
        error.message if isinstance(error, MinirunError) else getattr(error, "strerror", None) or str(error)
    )


# ---- looking at the layers below --------------------------------------------------------------------------


def find_below(layers: list[str], name: str) -> str | None:
    """Where overlayfs would find `name` in `layers` (uppermost first).  Follows no link."""
    for layer in layers:
        path, hides = layer, False
        for part in name.split("/"):
            path = f"{path}/{part}"
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                break
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                return None
            if not stat.S_ISDIR(status.st_mode):
                return path if path == f"{layer}/{name}" else None
            hides = hides or is_opaque(path)
        else:
            return path
        if hides:
            return None
    return None


def is_opaque(path: str) -> bool:
    try:
        return os.getxattr(path, "trusted.overlay.opaque", follow_symlinks=False) == b"y"
    except OSError:
        return False


def _attributes_of(source: str | None, fd: int) -> None:
    """Give the directory `fd` what the lower directory `source` has; plain 0755 when there is none."""
    status = os.lstat(source) if source else None
    if status is None or not stat.S_ISDIR(status.st_mode) or source is None:
        os.fchmod(fd, 0o755)
        os.utime(fd, ns=(0, 0))  # no clock: the same layer gives the same tree
        return
    os.fchown(fd, status.st_uid, status.st_gid)
    _copy_xattrs(source, fd)
    os.fchmod(fd, stat.S_IMODE(status.st_mode))
    os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))


def _copy_xattrs(source: str, target: int | str) -> None:
    for name in os.listxattr(source, follow_symlinks=False):
        if not name.startswith(tarentry.OVERLAY_XATTRS):
            tarentry.set_xattr(target, name, os.getxattr(source, name, follow_symlinks=False))


def _copy_up(source: str, parent: int, base: str) -> None:
    """Copy what is at `source` in a lower layer to `base` in `parent`, as overlayfs's copy-up does."""
    status = os.lstat(source)
    kind = stat.S_IFMT(status.st_mode)
    target = f"/proc/self/fd/{parent}/{base}"
    if kind == stat.S_IFREG:
        _copy_data(source, parent, base)
    elif kind == stat.S_IFLNK:
        os.symlink(os.readlink(source), base, dir_fd=parent)
    elif kind == stat.S_IFDIR:
        raise MinirunError(f"a hard link to the directory {base!r}")
    else:
        os.mknod(base, status.st_mode, status.st_rdev, dir_fd=parent)
    os.chown(base, status.st_uid, status.st_gid, dir_fd=parent, follow_symlinks=False)
    _copy_xattrs(source, target)
    if kind != stat.S_IFLNK:
        os.chmod(base, stat.S_IMODE(status.st_mode), dir_fd=parent)
    times = (status.st_atime_ns, status.st_mtime_ns)
    os.utime(base, ns=times, dir_fd=parent, follow_symlinks=False)


def _copy_data(source: str, parent: int, base: str) -> None:
    with open(source, "rb", buffering=0) as file:
        fd = os.open(base, _NEW_FILE, 0o600, dir_fd=parent)
        try:
            while os.sendfile(fd, file.fileno(), None, 1 << 30):
                pass
        finally:
            os.close(fd)
