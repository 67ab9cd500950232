"""A file tree seen from its root: the host's, or a container's, running or not.

Every path is resolved by openat2(2) inside the root, links and `..` too, so that nothing a container does to its
own tree, not even while we look, leads out of it.

    a running container    /proc/PID/root: with its volumes, its tmpfs and its /proc, as it sees them
    one that does not run  its overlay and its volumes, mounted here in a mount namespace of this process's own

See      linux/inroot.py; proc_pid_root(5); CVE-2018-15664 and CVE-2019-14271, both of `docker cp`
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat

from minirun import files
from minirun.engine import cleanup, overlay, records
from minirun.errors import ConflictError, MinirunError
from minirun.linux import inroot, processes, syscalls
from minirun.linux.constants import CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT
from minirun.runtime import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from minirun.engine.record_types import Record
    from minirun.paths import Paths

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_LINKS_MAX = 40  # that the kernel follows in one path, path_resolution(7)


class Place:
    """Where a path leads: an open directory, and a name in it that is no link; `status` None when it is not there."""

    def __init__(self, directory: int, base: str, status: os.stat_result | None) -> None:
        self.directory = directory
        self.base = base
        self.status = status

    @property
    def is_directory(self) -> bool:
        return self.status is not None and stat.S_ISDIR(self.status.st_mode)

    def open(self) -> int:
        """The directory it is, opened."""
        return syscalls.openat2(self.directory, self.base, _DIRECTORY | os.O_NOFOLLOW)


class Tree:
    """A root, and how it is called in messages."""

    def __init__(self, root: int, name: str) -> None:
        self.root = root
        self.name = name

    def find(self, path: str, *, follow: bool = True) -> Place:
        """Where `path` leads.  `follow`: also when its last part is a link; a trailing slash does that as well.

        Raises FileNotFoundError when not even the directory above is there, or another OSError.
        """
        for _ in range(_LINKS_MAX):
            above, base = os.path.split(path.rstrip("/"))
            if base in ("", ".", ".."):
                directory = inroot.open_in_root(self.root, path or "/", _DIRECTORY)
                return Place(directory, ".", os.fstat(directory))
            directory = inroot.open_in_root(self.root, above or "/", _DIRECTORY)
            try:
                status = os.lstat(base, dir_fd=directory)
            except FileNotFoundError:
                return Place(directory, base, None)
            if not stat.S_ISLNK(status.st_mode) or not (follow or path.endswith("/")):
                return Place(directory, base, status)
            path = os.path.join(above or "/", os.readlink(base, dir_fd=directory))
            os.close(directory)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def host() -> Tree:
    return Tree(os.open("/", _DIRECTORY | os.O_CLOEXEC), "")


@contextlib.contextmanager
def of_container(paths: Paths, record: Record) -> Iterator[Tree]:
    """The container's tree, for the length of a with block.  One that does not run is kept from starting meanwhile.

    Changes this process's mount namespace in that case: what the host mounts later is not seen any more.
    """
    if records.is_up(record):
        yield Tree(_root_of(state.read(paths.state, record["id"])), record["name"])
        return
    with _held(paths, record):
        yield Tree(_mounted(paths, record), record["name"])


def _root_of(current: Any) -> int:
    """The root of a container's first process; checked after opening, for the pid may be another's by then."""
    try:
        root = os.open(f"/proc/{current['pid']}/root", _DIRECTORY | os.O_CLOEXEC)
    except OSError:
        root = -1
    if root < 0 or not processes.is_alive(current["pid"], current["start_time"]):
        raise ConflictError("container not running: it has just ended")
    return root


@contextlib.contextmanager
def _held(paths: Paths, record: Record) -> Iterator[None]:
    """Hold the lock that its shim would hold: nobody starts or removes it, and nobody else mounts its overlay."""
    with records.changing(paths):
        records.read(paths, record["id"])
        os.makedirs(paths.run(record["id"]), mode=0o700, exist_ok=True)
        lock = files.open_lock(records.shim_lock(paths, record["id"]))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise ConflictError(
                f"container {record['name']} is being started, or copied from or to", "try again"
            ) from None
    try:
        yield
    finally:
        with records.changing(paths):
            cleanup.remove_run_directory(paths, record["id"])
            os.close(lock)


def _mounted(paths: Paths, record: Record) -> int:
    """Its overlay with its volumes, mounted for this process alone."""
    directory = paths.container(record["id"])
    syscalls.unshare(CLONE_NEWNS, why="what is mounted now is seen by nobody else, and vanishes with us")
    syscalls.mount(None, "/", None, MS_PRIVATE | MS_REC, why="nor does it travel")
    overlay.mount(directory, record["layers"])
    root = os.open(f"{directory}/merged", _DIRECTORY | os.O_CLOEXEC)
    for mount in record["mounts"]:
        source = mount.get("source", "")
        if os.path.isabs(source) and os.path.exists(source):
            _bind(root, source, mount["destination"], read_only="ro" in mount.get("options", []))
    if record["readonly"]:
        flags = MS_BIND | MS_REMOUNT | MS_RDONLY
        syscalls.mount(None, f"{directory}/merged", None, flags, why="--read-only")
    return root


def _bind(root: int, source: str, destination: str, *, read_only: bool) -> None:
    """Mount a volume where the container would see it, if its image has, or lets us make, a place for it."""
    make = inroot.make_directory if os.path.isdir(source) else inroot.make_file
    try:
        make(root, destination)
        with inroot.opened(root, destination) as place:
            target = f"/proc/self/fd/{place}"
            syscalls.mount(source, target, None, MS_BIND | MS_REC, why="a volume of the container")
        if read_only:
            with inroot.opened(root, destination) as place:
                flags = MS_BIND | MS_REMOUNT | MS_RDONLY
                syscalls.mount(None, f"/proc/self/fd/{place}", None, flags, why="read-only, as in there")
    except OSError as error:
        raise MinirunError(f"cannot mount {source} on {destination}: {error.strerror}") from None
