"""`cp`: from one tree to another, through a tar, as Docker does it.

    source tree  -- tarwriter -->  tar  -- extraction -->  directory in the other tree
                                    ^                          (`-`: standard input or output instead)

What goes where follows cp(1) with Docker's rules about a trailing slash and `/.`, which are in `name_for`.
Both sides are found inside their own root (tree.py); the writing side follows a link only for a tar of somebody's own
that goes into a container, and inside that one's root (extraction.py).

See  docs.docker.com "docker container cp"
"""

from __future__ import annotations

import errno
import os
import stat

from minirun.engine.files import extraction
from minirun.engine.files.tree import Place, Tree
from minirun.errors import MinirunError, NotFoundError
from minirun.image import tarstream, tarwriter
from minirun.linux import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.image.tarstream import Readable

_MISSING = (errno.ENOENT, errno.ENOTDIR)


class Source:
    """What is to be copied.  `contents`: what is in it, not the directory itself (a path that ends in `/.`)."""

    def __init__(self, tree: Tree, path: str, *, follow: bool) -> None:
        self.place = _found(tree, path, follow=follow)
        self.closed = tree.closed
        self.contents = os.path.basename(path) in (".", "..") or not path.strip("/")
        self.name = os.path.basename(path.rstrip("/"))
        self.is_directory = self.place.is_directory
        if path.endswith("/") and not self.is_directory:
            raise MinirunError(f"{_called(tree, path)}: not a directory")

    def tar(self, name: str) -> Iterator[bytes]:
        """It as a tar, under another name; "" for a directory's contents."""
        return tarwriter.of_path(self.place.directory, self.place.base, name or ".", self.closed)


def _called(tree: Tree, path: str) -> str:
    return f"{tree.name}:{path}" if tree.name else path


def _found(tree: Tree, path: str, *, follow: bool) -> Place:
    try:
        place = tree.find(path, follow=follow)
    except OSError as error:
        if error.errno not in _MISSING:
            raise MinirunError(f"{_called(tree, path)}: {error.strerror}") from None
        place = None
    if place is None or place.status is None:
        words = f"Could not find the file {path} in container {tree.name}"
        raise NotFoundError(words if tree.name else f"lstat {path}: no such file or directory")
    return place


def copy(source: Source, tree: Tree, path: str, *, foreign: bool) -> int:
    """Copy `source` to `path` in `tree`; returns how many bytes, as a tar.

    `foreign`: what comes from a container is made harmless on the host, see extraction.py.
    """
    directory, name = _destination(source, tree, path)
    try:
        _require_writable(tree, directory)
        return extraction.extract(source.tar(name), directory, foreign=foreign)
    except MinirunError as error:
        raise MinirunError(f"copying to {_called(tree, path)}: {error}", error.hint) from None
    finally:
        os.close(directory)


def unpack(file: Readable, tree: Tree, path: str) -> int:
    """Put a tar, packed or not, into the directory `path`; returns how many bytes."""
    try:
        place = tree.find(path)
    except OSError as error:
        if error.errno not in _MISSING:
            raise MinirunError(f"{_called(tree, path)}: {error.strerror}") from None
        place = None
    if place is None or not place.is_directory:
        raise MinirunError(f'destination "{_called(tree, path)}" must be a directory')
    directory = place.open()
    try:
        _require_writable(tree, directory)
        chunks = tarstream.decompressed(tarstream.CountingFile(file))
        return extraction.extract(chunks, directory, foreign=False, links=(tree.root, path))
    except (MinirunError, EOFError) as error:
        raise MinirunError(f"copying to {_called(tree, path)}: {error}") from None
    finally:
        os.close(directory)


def _require_writable(tree: Tree, directory: int) -> None:
    if tree.name and os.fstatvfs(directory).f_flag & os.ST_RDONLY:
        ours = os.fstat(directory).st_dev == os.fstat(tree.root).st_dev
        what = "container rootfs" if ours else "mounted volume"
        raise MinirunError(f"{what} is marked read-only")


def _destination(source: Source, tree: Tree, path: str) -> tuple[int, str]:
    """The directory to write in, opened, and the name `source` gets there ("": its contents go straight into it)."""
    try:
        place = tree.find(path)
    except OSError as error:
        raise _no_way(tree, path, error) from None
    if place.status and stat.S_IFMT(place.status.st_mode) in (stat.S_IFCHR, stat.S_IFBLK):
        what = f'destination "{_called(tree, path)}"' if tree.name else f'invalid output path: "{path}"'
        raise MinirunError(f"{what} must be a directory or a regular file: got a device")
    name = name_for(
        source_is_directory=source.is_directory,
        contents=source.contents,
        source_name=source.name,
        place_exists=place.status is not None,
        place_is_directory=place.is_directory,
        place_name=place.base,
        must_be_directory=path.endswith("/"),
    )
    if place.is_directory:
        return place.open(), name
    return syscalls.openat2(place.directory, ".", os.O_RDONLY | os.O_DIRECTORY), name


def _no_way(tree: Tree, path: str, error: OSError) -> MinirunError:
    above = os.path.dirname(path.rstrip("/"))
    if error.errno == errno.ENOTDIR and tree.name:
        return MinirunError("extraction point is not a directory")
    if error.errno != errno.ENOENT:
        return MinirunError(f"{_called(tree, path)}: {error.strerror}")
    if tree.name:
        return NotFoundError(f"Could not find the file {above} in container {tree.name}")
    return NotFoundError(f'invalid output path: directory "{above}" does not exist')


def name_for(
    *,
    source_is_directory: bool,
    contents: bool,
    source_name: str,
    place_exists: bool,
    place_is_directory: bool,
    place_name: str,
    must_be_directory: bool,
) -> str:
    """Docker's table: what the source is called in the destination, or in the directory above it.

    source          destination      result
    file            nothing, "x/"    an error: no such directory
    file            file, nothing    the destination
    file            directory        destination/SOURCE
    directory       file             an error: cannot copy directory
    directory       nothing          the destination is made, with the contents
    directory       directory        destination/SOURCE
    directory/.     directory        the contents, in the destination
    """
    if place_is_directory:
        return "" if contents else source_name
    if source_is_directory and place_exists:
        raise MinirunError("cannot copy directory", "the destination is a file")
    if must_be_directory and not source_is_directory:
        raise MinirunError("no such directory", "the destination ends with a slash")
    return place_name
