"""What is in a container, taken out again: `export`, its whole tree as a tar; `commit`, its changes as a layer.

    export   of a running container the overlay that its shim has mounted, seen through /proc/SHIM/root;
             of a stopped one an overlay, read-only, that only a descriptor leads to: detached.py
    commit   the overlay's upper directory alone: what is in there is what the layer has to say

What minirun itself put into the tree, so that there was something to mount /proc or /etc/hosts on, is no change.

See      image/tarwriter.py; image/derive.py; mount_namespaces(7); Docker's `export` and `commit`
By hand  unshare -m; mount -t overlay overlay -o lowerdir=UPPER:L2:L1 merged; tar -c -C merged .
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from typing import TYPE_CHECKING

from minirun.engine import bundle, cleanup, etc, events, records
from minirun.engine.files import detached
from minirun.errors import MinirunError, NotFoundError
from minirun.image import derive, tarwriter
from minirun.image.instructions import apply
from minirun.image.unpacking import find_below
from minirun.linux import cgroup_processes
from minirun.runtime import state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minirun.engine.record_types import Record
    from minirun.image.image import Image
    from minirun.image.mediatypes import Json
    from minirun.image.reference import Reference
    from minirun.image.store import Store
    from minirun.paths import Paths

    Test = Callable[[str], bool]

# Made by the runtime where the image has nothing to mount on; in Docker these are the "init layer".
_MOUNT_POINTS = {"dev", "proc", "sys", "etc/hostname", "etc/hosts", "etc/resolv.conf"}
_MOUNT_POINTS |= {bundle.INIT_IN_CONTAINER.lstrip("/")}
_PARENTS = {os.path.dirname(name) for name in _MOUNT_POINTS} - {""}


# ---- export -----------------------------------------------------------------------------------------------


def export(paths: Paths, record: Record, write: Callable[[Iterator[bytes]], None]) -> None:
    """Have `write` write the container's tree as a tar, in chunks."""
    root = _open_tree(paths, cleanup.current(paths, record))
    write(_closing(root, tarwriter.of_tree(root)))
    events.of_container(paths, record, "export")


def _open_tree(paths: Paths, record: Record) -> int:
    if records.is_up(record):
        with contextlib.suppress(OSError):  # it has just ended
            return _open(
                f"/proc/{_parent_of(record['state']['pid'])}/root{paths.container(record['id'])}/merged"
            )
    upper = f"{paths.container(record['id'])}/upper"
    below = [*([upper] if os.path.isdir(upper) else []), *reversed(record["layers"])]
    return detached.overlay(below)


def _open(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _parent_of(pid: int) -> int:
    """The shim of a container's first process."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return int(file.read().rpartition(")")[2].split()[1])


# ---- commit -----------------------------------------------------------------------------------------------


def commit(
    store: Store,
    record: Record,
    name: Reference | None = None,
    *,
    author: str = "",
    message: str = "",
    instructions: list[str],
    pause: bool = True,
) -> Image:
    """An image of the container as it is now, under `name` or without one.

    `instructions` are a Dockerfile's, for the image's config; `pause`: nothing in it runs while it is read.
    """
    base = store.find(record["image_id"])
    if base is None:
        raise NotFoundError(f"the image of container {record['name']} is not here any more")
    run = _config(record, base.config)
    config = apply(run, instructions)
    step = {
        "created": records.now(),
        "created_by": " ".join(run.get("Cmd") or []),
        "author": author,
        "comment": message,
    }
    with derive.draft(store, base) as image:
        with _paused(store.paths, record, pause):
            image.add(changes(store.paths, record), step)
        return image.publish(config, name)


def _config(record: Record, image: Json) -> Json:
    """How the container was run, as the config of an image; what it says nothing about is the image's."""
    entrypoint = record["entrypoint"] or []
    cwd = record["cwd"] or image.get("WorkingDir")
    return {
        **image,
        "Entrypoint": entrypoint,
        "Cmd": record["args"][len(entrypoint) :],
        "Env": [entry for entry in record["env"] if "=" in entry],
        "User": record["user"],
        "WorkingDir": cwd,
        "Labels": record["labels"],
    }


def changes(paths: Paths, record: Record) -> Iterator[bytes]:
    """What the container has changed in its image's tree, as the tar of a layer; build's RUN is such a container.

    A container that never ran has changed nothing.
    """
    upper = f"{paths.container(record['id'])}/upper"
    if not os.path.isdir(upper):
        return tarwriter.joined([tarwriter.end()])
    below = record["layers"][::-1]
    root = _open(upper)
    leave_out = made_by_us(upper, below)
    return _closing(root, tarwriter.of_changes(root, leave_out))


def made_by_us(upper: str, below: list[str]) -> Test:
    """Whether a name in the upper directory is there only because minirun needed something to mount on."""
    return lambda name: _is_mount_point(upper, name) or (name in _PARENTS and _is_ours(upper, name, below))


def _is_mount_point(upper: str, name: str) -> bool:
    """Whether it is one; the link that etc.py makes counts as one, but not what somebody has put in its place."""
    return etc.has_our_mtab(upper) if name == etc.MTAB else name in _MOUNT_POINTS


def _closing(fd: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    finally:
        os.close(fd)


def _is_ours(upper: str, name: str, below: list[str]) -> bool:
    """Whether the directory `name` is in the upper one for our mount points alone."""
    path = f"{upper}/{name}"
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        return False
    if any(not _is_mount_point(upper, f"{name}/{base}") for base in os.listdir(path)):
        return False
    lower = find_below(below, name)
    return lower is None or _owned(os.lstat(lower)) == _owned(status)


def _owned(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mode, status.st_uid, status.st_gid


# ---- standing still ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _paused(paths: Paths, record: Record, wanted: bool) -> Iterator[None]:
    """Nothing in the container runs during the block, so that the layer has no half-written files."""
    if not wanted or cleanup.current(paths, record)["state"]["status"] != "running":
        yield
        return
    cgroup = state.read(paths.state, record["id"])["cgroup"]
    with _ending_in_order():
        if _is_frozen(cgroup):
            yield
            return
        try:
            _freeze(cgroup, record["name"])
            yield
        finally:
            with contextlib.suppress(OSError):  # it was killed meanwhile
                cgroup_processes.thaw(cgroup)


def _is_frozen(cgroup: str) -> bool:
    """Somebody paused it before, and will let it run on."""
    try:
        return cgroup_processes.is_frozen(cgroup)
    except OSError:
        return False


def _freeze(cgroup: str, name: str) -> None:
    try:
        cgroup_processes.freeze(cgroup)
    except OSError as error:
        hint = "--pause=false commits it as it runs; a file that is just being written may be cut"
        raise MinirunError(f"container {name} cannot be paused: {error.strerror or error}", hint) from error


@contextlib.contextmanager
def _ending_in_order() -> Iterator[None]:
    """A signal that would end us raises instead: a container must not stay frozen."""

    def interrupt(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
