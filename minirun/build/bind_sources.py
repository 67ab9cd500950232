"""What --mount=type=bind shows in a RUN: files of the context, of a stage or an image, where they are.

Nothing is copied.  What BuildKit's copy of a context would be without is covered, and its owner is told otherwise:

    PLACE                  what the mount's source= leads to in the tree, links followed inside of it; bound
    PLACE.tree             the tree, where it is more than one directory or is to be written to: an overlay
        changes/           rw: what is written, beside the step's own upper directory; it is thrown away
        PLACE.cover        .dockerignore: whiteouts over what it leaves out, in directories like those of the context;
                           its own mode is that of a context for everybody, whatever the person's directory has
        PLACE.owned        a context of uid 1000, mounted so that it is root's: an id-mapped mount
        layers             of a stage or an image

Everything is mounted in the mount namespace of the RUN's child, and vanishes with it.

See      overlayfs.rst "whiteouts"; mount_setattr(2) "ID-mapped mounts"; openat2(2) RESOLVE_IN_ROOT
By hand  mount -t overlay overlay -o lowerdir=COVER:CONTEXT PLACE.tree; mount --bind PLACE.tree/SOURCE PLACE
"""

from __future__ import annotations

import errno
import os
import stat

from minirun.errors import MinirunError, NotFoundError
from minirun.linux import inroot, syscalls
from minirun.linux.constants import MS_BIND, MS_RDONLY, MS_REC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.build.tree import Tree

    Source = Tree | list[str]
    """A context, or the layers of a stage or an image, lowest first."""

_PATH = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_MODE = 0o755  # of the context's own directory: BuildKit makes one, and copies what is in the person's


def bind(source: Source, path: str, place: str, changes: str = "") -> None:
    """Mount on `place`, which is not there yet, what `path` leads to in the source.

    `changes` is a directory for what will be written there; without it the source is to be mounted read-only.
    Raises NotFoundError when there is nothing.
    """
    wanted = path
    if not isinstance(source, list):  # so that only there has to be looked for what is ignored
        wanted = source.find(path)[0]
    top = _mount_tree(source, wanted, place, changes)
    root = os.open(top, _PATH)
    try:
        fd = inroot.open_in_root(root, wanted)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise
        raise NotFoundError(f'"/{path.strip("/")}": not found') from None
    finally:
        os.close(root)
    _make_like(fd, place)
    why = "what the mount shows, under a name that leads nowhere else"
    syscalls.mount(f"/proc/self/fd/{fd}", place, None, MS_BIND | MS_REC, path=place, origin=path, why=why)
    os.close(fd)


def _make_like(fd: int, place: str) -> None:
    """Something to mount on: a file for a file."""
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        os.mkdir(place)
    else:
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def open_source(source: Source, path: str, place: str) -> int:
    """A descriptor of the directory that `path` is in the source.  Raises NotFoundError."""
    bind(source, path, place)
    try:
        return os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except NotADirectoryError:
        raise NotFoundError(f'"/{path.strip("/")}": not a directory') from None


# ---- the whole tree -----------------------------------------------------------------------------------------------


def _mount_tree(source: Source, path: str, place: str, changes: str) -> str:
    """Where the tree is, as it is to be seen, at `path` at least."""
    lower = source[::-1] if isinstance(source, list) else _of_context(source, path, place)
    if not lower:  # FROM scratch, and nothing came
        lower = [f"{place}.empty"]
        os.mkdir(lower[0], 0o755)
    if len(lower) == 1 and not changes:
        return lower[0]
    return _mount_overlay(lower, f"{place}.tree", changes)


def _mount_overlay(lower: list[str], place: str, changes: str) -> str:
    """`lower`, the uppermost first.  They are named by descriptors: mount(2) takes one page of options."""
    os.mkdir(place)
    opened = [os.open(path, _PATH) for path in lower]
    options = f"lowerdir={':'.join(map(str, opened))}"
    if changes:
        _make_upper(changes, os.fstat(opened[0]))
        options += f",upperdir={changes}/upper,workdir={changes}/work,volatile"
    syscalls.chdir("/proc/self/fd", why="so that the layers' names are short")
    why = "what is written is thrown away" if changes else "one tree of all"
    try:
        syscalls.mount("overlay", place, "overlay", 0 if changes else MS_RDONLY, options, why=why)
    except syscalls.SyscallError as error:
        hint = "an overlay does not go on every file system; COPY does" if error.errno == errno.EINVAL else ""
        raise MinirunError(str(error), hint) from None
    finally:
        syscalls.chdir("/", why="the short names have served")
        for fd in opened:
            os.close(fd)
    return place


def _make_upper(changes: str, root: os.stat_result) -> None:
    """The merged root has owner and mode of the upper directory."""
    for name in ("upper", "work"):
        os.makedirs(f"{changes}/{name}")
    os.chown(f"{changes}/upper", root.st_uid, root.st_gid)
    os.chmod(f"{changes}/upper", stat.S_IMODE(root.st_mode))


def _of_context(tree: Tree, wanted: str, place: str) -> list[str]:
    """The directories, uppermost first, that make up a context as a build sees it; right at `wanted`."""
    path = _reopened(tree.fd)
    status = os.stat(path)
    if tree.owner is not None and (status.st_uid, status.st_gid) != tree.owner:
        from minirun.build import owners  # for a context that is not root's

        path = owners.mount_owned(path, f"{place}.owned", tree.owner)
    cover = f"{place}.cover"
    os.mkdir(cover)
    os.chmod(cover, _MODE)
    hides = tree.ignore is not None and hide(path, tree.ignore, cover, wanted)
    return [cover, path] if hides or stat.S_IMODE(status.st_mode) != _MODE else [path]


def _reopened(fd: int) -> str:
    """The path of a directory that was opened in another mount namespace, from where nothing can be mounted here."""
    path = os.readlink(f"/proc/self/fd/{fd}")
    there, here = os.fstat(fd), os.stat(path)
    if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
        raise MinirunError(f"{path} has been replaced while the build was running", "build again")
    return path


# ---- .dockerignore ------------------------------------------------------------------------------------------------


def hide(path: str, ignore: Any, cover: str, wanted: str = "") -> bool:
    """Fill `cover`, which hides on top of `path` what `ignore` leaves out; False if that is nothing.

    `wanted` is a place in it, with no link on the way, that alone has to be looked at.
    """
    root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _cover(root, cover, ignore, ignore.top, wanted.split("/") if wanted else [])[1]
    finally:
        os.close(root)


def _cover(directory: int, cover: str, ignore: Any, inside: Any, way: list[str]) -> tuple[bool, bool]:
    """Whiteouts for one directory and all below; of what is not on the `way`, none are needed.

    Returns whether anything in it is seen, and whether any is hidden.
    """
    seen = hides = False
    for name in way[:1] or os.listdir(directory):
        place = ignore.look(inside, name)
        left_out = place[2]
        if ignore.closed(place):
            _whiteout(f"{cover}/{name}")
            hides = True
            continue
        if not ignore.barren(place) and _is_directory(directory, name):
            below = _cover_below(directory, name, f"{cover}/{name}", ignore, place, way[1:])
            hides = hides or below[1]
            left_out = left_out and not below[0]
        if left_out:
            _whiteout(f"{cover}/{name}")
            hides = True
        seen = seen or not left_out
    return seen, hides


def _cover_below(
    directory: int, name: str, cover: str, ignore: Any, place: Any, way: list[str]
) -> tuple[bool, bool]:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, dir_fd=directory)
    try:
        os.mkdir(cover)
        seen, hidden = _cover(fd, cover, ignore, ignore.inside(place), way)
        if hidden:  # it is seen in place of the one below
            status = os.fstat(fd)
            os.chown(cover, status.st_uid, status.st_gid)
            os.chmod(cover, stat.S_IMODE(status.st_mode))
            os.utime(cover, ns=(status.st_atime_ns, status.st_mtime_ns))
        else:
            os.rmdir(cover)
        return seen, hidden
    finally:
        os.close(fd)


def _whiteout(path: str) -> None:
    """What overlayfs takes for "there is nothing"."""
    try:
        os.rmdir(path)  # a directory that was looked into, where all is hidden: only whiteouts are in it
    except FileNotFoundError:
        pass
    except OSError:
        for name in os.listdir(path):
            os.unlink(f"{path}/{name}")
        os.rmdir(path)
    os.mknod(path, stat.S_IFCHR, 0)


def _is_directory(directory: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except FileNotFoundError:  # it is looked for, and not there; or just went
        return False
