"""A file tree seen from its root: the host's, or a container's, running or not.

Every path is resolved by openat2(2) inside the root, links and `..` too, so that nothing a container does to its
own tree, not even while we look, leads out of it.

    a running container    /proc/PID/root: with its volumes, its tmpfs and its /proc, as it sees them
    one that does not run  its overlay and its volumes, mounted in a child and handed over: detached.py
    an image               its layers as one tree, to read

See      linux/inroot.py; proc_pid_root(5); CVE-2018-15664 (a link swapped in while `docker cp` resolved the path)
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time

from minirun.engine import cleanup, mount_sources, overlay, records, volumes
from minirun.engine.files import detached
from minirun.errors import ConflictError, MinirunError
from minirun.linux import inroot, processes, syscalls
from minirun.linux.constants import MS_BIND, MS_RDONLY, MS_REC, MS_REMOUNT
from minirun.runtime import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from minirun.engine.record_types import Record
    from minirun.paths import Paths

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
START_SECONDS = 10.0  # that a container which is just starting may take
_KERNELS_OWN = {"proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue"}
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

    def __init__(self, root: int, name: str, closed: frozenset[int] = frozenset()) -> None:
        self.root = root
        self.name = name
        self.closed = (
            closed  # devices: file systems of the kernel's own, in which nothing is looked for unasked
        )

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
    """The container's tree, for the length of a with block.  One that does not run waits with starting meanwhile."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        record, has_shim = _now(paths, record)
        if records.is_up(record):
            yield _of_running(state.read(paths.state, record["id"]), record["name"])
            return
        if record["state"]["status"] == "restarting":
            raise ConflictError(
                f"Container {record['id']} is restarting, wait until the container is running"
            )
        if not has_shim:
            lock = overlay.lock(paths.container(record["id"]))
            if not _now(paths, record)[1]:
                yield from _of_stopped(paths, record, lock)
                return
            os.close(lock)
        time.sleep(0.02)
    raise ConflictError(f"container {record['name']} is being started", "try again")


def _now(paths: Paths, record: Record) -> tuple[Record, bool]:
    """The container as it is now, and whether it has a shim."""
    with records.changing(paths):
        record = cleanup.repair(paths, records.read(paths, record["id"]))
        return record, records.has_shim(paths, record["id"])


def _of_running(current: Any, name: str) -> Tree:
    """The tree of a container's first process; checked after opening, for the pid may be another's by then."""
    try:
        root = os.open(f"/proc/{current['pid']}/root", _DIRECTORY | os.O_CLOEXEC)
        closed = _closed(current["pid"])
    except OSError:
        root, closed = -1, frozenset()
    if root < 0 or not processes.is_alive(current["pid"], current["start_time"]):
        raise ConflictError("container not running: it has just ended")
    return Tree(root, name, closed)


def _closed(pid: int) -> frozenset[int]:
    """The devices of a container's /dev, /proc, /sys and the like: proc_pid_mountinfo(5)."""
    found = set()
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            left, _, right = line.partition(" - ")
            fields = left.split()
            if right.split()[0] in _KERNELS_OWN or fields[4] == "/dev":
                major, _, minor = fields[2].partition(":")
                found.add(os.makedev(int(major), int(minor)))
    return frozenset(found)


def _of_stopped(paths: Paths, record: Record, lock: int) -> Iterator[Tree]:
    """The tree of one that nobody can start while we hold `lock`; then the mounts are gone before it is."""
    try:
        root = detached.tree(lambda: _mount(paths, record))
        try:
            yield Tree(root, record["name"])
        finally:
            os.close(root)  # dissolves the mounts: open_tree(2)
    finally:
        os.close(lock)


def _mount(paths: Paths, record: Record) -> str:
    """Mount its overlay with its volumes; returns where."""
    directory = paths.container(record["id"])
    overlay.mount(directory, record["layers"])
    volumes.fill(paths, record)
    mount_sources.prepare(paths, record)
    root = os.open(f"{directory}/merged", _DIRECTORY | os.O_CLOEXEC)
    for mount in record["mounts"]:
        source = mount["place"] or mount["source"]
        if os.path.isabs(source) and os.path.exists(source):
            _bind(root, source, mount["destination"], read_only="ro" in mount.get("options", []))
    if record["options"]["readonly"]:
        flags = MS_BIND | MS_REMOUNT | MS_RDONLY
        syscalls.mount(None, f"{directory}/merged", None, flags, why="--read-only")
    os.close(root)
    return f"{directory}/merged"


@contextlib.contextmanager
def of_image(layers: list[str], name: str) -> Iterator[Tree]:
    """The tree of an image's `layers` (lowest first), to read, for the length of a with block."""
    root = detached.overlay(layers[::-1])
    try:
        yield Tree(root, name)
    finally:
        os.close(root)


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
