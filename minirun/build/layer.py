"""One step's place on disk, and what the step has changed as a layer of the image.

    layers/.tmp-build-XXXX/   upper/ work/ merged/ of the step's overlay; flock(2)ed by who works in it
    layers/<diff_id>/         `upper` itself, renamed: nothing is copied, and nothing unpacked for the first `run`

The upper directory is what the layer has to say.  Before it gets its name it is looked through once: what overlayfs
copied up and nobody changed goes, times are cut to SOURCE_DATE_EPOCH, bytes are counted.  Then it is read once more, as
a tar that is kept nowhere: its digest is the layer's diff_id, and on request it is packed on its way.

See      Documentation/filesystems/overlayfs.rst "volatile"; image-spec layer.md; image/tarwriter.py
By hand  tar --sort=name --xattrs --format=pax -cf - -C upper . | sha256sum
Next     cache.py
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat

from minirun import files
from minirun.engine import overlay
from minirun.image import chain, tarentry
from minirun.image.unpacking import find_below
from minirun.linux import syscalls
from minirun.linux.constants import MNT_DETACH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.image.mediatypes import Json
    from minirun.image.store import Store
    from minirun.paths import Paths

_ORIGIN = "trusted.overlay.origin"  # overlayfs puts it on what it has copied up
_COMPARED_BYTES = 1 << 20
# No short cuts in the upper directory, which is to be a layer of its own.
OPTIONS = "volatile,index=off,metacopy=off,redirect_dir=off"


class Layer:
    """A layer of an image in the making: a directory below layers/."""

    def __init__(self, name: str, diff_id: str, size: int = 0, descriptor: Json | None = None) -> None:
        self.name = name
        self.diff_id = diff_id
        self.size = size  # bytes of the files in it
        self.descriptor = descriptor  # of the packed blob, where there is one

    def path(self, paths: Paths) -> str:
        return f"{paths.layers}/{self.name}"


class Workspace:
    """Where one step works: a directory that nobody clears away while we hold its lock."""

    def __init__(self, paths: Paths) -> None:
        files.make_private(paths.layers)
        self.paths = paths
        with files.locked(f"{paths.layers}/.lock"):  # else it might be cleared before it is locked
            self.directory = f"{paths.layers}/.tmp-build-{os.urandom(8).hex()}"
            os.mkdir(self.directory, 0o700)
            self._lock = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.below: list[str] = []

    @property
    def merged(self) -> str:
        return f"{self.directory}/merged"

    @property
    def upper(self) -> str:
        return f"{self.directory}/upper"

    def mount(self, below: list[str]) -> None:
        """Mount the overlay on top of the directories `below`, lowest first, in this process's mount namespace.

        `volatile`: an umount need not wait for the disk.  What a power cut leaves of a step has no name yet.
        """
        self.below = below or [self._empty()]
        overlay.mount(self.directory, self.below, more=f",{OPTIONS}")

    def make_upper(self, below: list[str]) -> None:
        """Make the upper directory alone, for what is put there without a mount."""
        self.below = below or [self._empty()]
        overlay.make_upper(self.directory)

    def _empty(self) -> str:
        """`FROM scratch`: overlayfs wants something below."""
        path = f"{self.directory}/scratch"
        os.mkdir(path)
        os.chmod(path, 0o755)
        return path

    def finish(self, diff_ids: list[str], *, epoch: int | None = None, store: Store | None = None) -> Layer:
        """What was changed, published below layers/; a directory with nothing in it where nothing was, as in Docker.

        `diff_ids` are of the layers below, `store`: where to keep it packed as well.
        """
        if os.path.ismount(self.merged):  # a RUN has unmounted it already
            syscalls.umount2(self.merged, MNT_DETACH, why="the layer is complete")
        found = survey(self.upper, self.below[::-1], epoch)
        diff_id, descriptor = pack(store, self.upper) if store else (digest(self.upper), None)
        directory = chain.diff_directory(self.paths.layers, diff_id)
        if found.has_whiteouts:  # what they hide is another matter on other layers: image/unpacking.py
            directory = chain.chain_directory(self.paths.layers, [*diff_ids, diff_id])
        files.write_json(f"{directory}.json", {"diff_id": diff_id, "size": found.size})
        self._publish(directory, is_empty=not os.listdir(self.upper))
        return Layer(os.path.basename(directory), diff_id, found.size, descriptor)

    def _publish(self, directory: str, *, is_empty: bool) -> None:
        try:
            if (
                is_empty
            ):  # rename(2) would put it in the place of one like it, which may be below a mounted overlay
                os.mkdir(directory, 0o755)
            else:
                os.rename(self.upper, directory)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # else another step has made the same
                raise

    def close(self) -> None:
        """Take away what is left of it: the overlay, and views of other stages that the step has read from."""
        for name in files.names_in(self.directory):
            if os.path.ismount(f"{self.directory}/{name}"):
                syscalls.umount2(f"{self.directory}/{name}", MNT_DETACH, why="the step is done")
        files.remove_tree(self.directory)
        os.close(self._lock)


def clear_leftovers(paths: Paths) -> None:
    """Remove the workspaces of steps that were killed."""
    if any(name.startswith(".tmp-") for name in files.names_in(paths.layers)):
        from minirun.image import layers  # 40 ms, and mostly there is nothing

        layers.clear_temporary(paths.layers)


def load() -> None:
    """Import what every step will need, before the first one is forked: else each would do it anew."""
    from isal import isal_zlib  # noqa: F401

    from minirun.image import derive, tarwriter  # noqa: F401


# ---- what an upper directory has to say -------------------------------------------------------------------


class Survey:
    """What was found in an upper directory."""

    def __init__(self) -> None:
        self.size = 0
        self.has_whiteouts = False


def survey(upper: str, below: list[str], epoch: int | None) -> Survey:
    """Look through `upper`, which lies on the layers `below` (uppermost first), and put it in order.

    What was copied up and is as it was below is removed, as BuildKit leaves it out.  With `epoch` (seconds) nothing in
    it is younger.  The root is root's, 0755: no layer says anything else of it.
    """
    os.chown(upper, 0, 0)
    os.chmod(upper, 0o755)
    found = Survey()
    _directory(upper, "", below, epoch, found)
    return found


def _directory(path: str, name: str, below: list[str], epoch: int | None, found: Survey) -> int:
    """One directory and all in it; returns how many entries are left in it."""
    times = os.stat(path)
    count, removed = 0, False
    with os.scandir(path) as entries:
        listed = list(entries)
    for entry in listed:
        inside = f"{name}/{entry.name}" if name else entry.name
        status = entry.stat(follow_symlinks=False)
        left = 0
        if stat.S_ISDIR(status.st_mode):
            left = _directory(entry.path, inside, below, epoch, found)
        if not left and _is_untouched(entry.path, inside, status, below):
            (os.rmdir if stat.S_ISDIR(status.st_mode) else os.unlink)(entry.path)
            removed = True
            continue
        count += 1
        _count(status, found)
        if epoch is not None and status.st_mtime_ns > epoch * 10**9:
            os.utime(entry.path, ns=(epoch * 10**9,) * 2, follow_symlinks=False)
    if removed:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return count


def _count(status: os.stat_result, found: Survey) -> None:
    if stat.S_ISREG(status.st_mode):
        found.size += status.st_size
    elif stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
        found.has_whiteouts = True


def _is_untouched(path: str, name: str, status: os.stat_result, below: list[str]) -> bool:
    """Whether overlayfs copied this up and nothing became of it: a `chmod` to the same mode, a file opened to write."""
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        return False
    own = _xattrs(path)
    if _ORIGIN not in own or own.get("trusted.overlay.opaque"):
        return False
    lower = find_below(below, name)
    if lower is None:
        return False
    twin = os.lstat(lower)
    if _owned(twin) != _owned(status) or _without_overlay(own) != _without_overlay(_xattrs(lower)):
        return False
    return stat.S_ISDIR(status.st_mode) or (
        (twin.st_size, twin.st_mtime_ns) == (status.st_size, status.st_mtime_ns)
        and status.st_nlink == 1
        and _same_content(path, lower)
    )


def _owned(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mode, status.st_uid, status.st_gid


def _xattrs(path: str) -> dict[str, bytes]:
    return {
        name: os.getxattr(path, name, follow_symlinks=False)
        for name in os.listxattr(path, follow_symlinks=False)
    }


def _without_overlay(attributes: dict[str, bytes]) -> dict[str, bytes]:
    return {name: value for name, value in attributes.items() if not name.startswith(tarentry.OVERLAY_XATTRS)}


def _same_content(first: str, second: str) -> bool:
    with open(first, "rb", buffering=0) as one, open(second, "rb", buffering=0) as other:
        while True:
            block = one.read(_COMPARED_BYTES)
            if block != other.read(_COMPARED_BYTES):
                return False
            if not block:
                return True


# ---- its tar ----------------------------------------------------------------------------------------------


def digest(directory: str) -> str:
    """The diff_id of the layer that `directory` amounts to."""
    hasher = hashlib.sha256()
    for chunk in tar_of(directory):
        hasher.update(chunk)
    return f"sha256:{hasher.hexdigest()}"


def pack(store: Store, directory: str) -> tuple[str, Json]:
    """The same, and the descriptor of the packed layer, which is kept as a blob on the way."""
    from minirun.image import derive

    layer = derive.add_layer(store.layout, tar_of(directory))
    return layer.diff_id, layer.descriptor


def tar_of(directory: str) -> Iterator[bytes]:
    """The tar of the layer that is unpacked at `directory`, the same bytes each time."""
    from minirun.image import tarwriter

    root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield from tarwriter.of_changes(root, lambda name: False)
    finally:
        os.close(root)
