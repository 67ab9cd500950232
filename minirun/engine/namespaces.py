"""Namespaces that a container shares with the host, or with another container: `--pid host`, `--ipc container:db`.

    options["namespaces"]   as asked for: only what is not its own
    record["namespaces"]    the other container's id for its name, which may change hands
    config.json             at each start the path of the other's namespace: so that one has to run by then

What shm_open(3) opens is a file in /dev/shm, and that is a mount, which no ipc namespace holds.  Who shares the one has
the other, too: the host's as a bind mount, a container's as a copy of its mount (the same files, seen twice).

See      namespaces(7), shm_overview(7), open_tree(2); sandbox.py for the network's
By hand  ls -l /proc/PID/ns; nsenter --ipc=/proc/PID/ns/ipc ipcs
Left out what a container's end does to those that live in its pid namespace: the kernel kills them, pid_namespaces(7)
"""

from __future__ import annotations

import os
import stat

from minirun.engine import records
from minirun.errors import ConflictError
from minirun.linux import syscalls
from minirun.linux.constants import (
    AT_FDCWD,
    CLONE_NEWNS,
    MNT_DETACH,
    MOVE_MOUNT_F_EMPTY_PATH,
    MOVE_MOUNT_T_EMPTY_PATH,
    OPEN_TREE_CLOEXEC,
    OPEN_TREE_CLONE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import Record, RunOptions
    from minirun.paths import Paths
    from minirun.runtime.config import Config

_SHM = "/dev/shm"
_covered: list[str] = []  # what shows another container's mount in this process's mount namespace


def resolve(paths: Paths, options: RunOptions) -> dict[str, str]:
    """What is shared, container:NAME as container:ID.  Raises NotFoundError."""
    return {kind: _resolved(paths, mode) for kind, mode in options["namespaces"].items()}


def _resolved(paths: Paths, mode: str) -> str:
    kind, colon, name = mode.partition(":")
    return f"{kind}:{records.find(paths, name)['id']}" if colon else kind


def share(paths: Paths, record: Record, config: Config) -> None:
    """Change config.json from namespaces of the container's own to those that it shares.

    To be called in the shim, which has a mount namespace of its own.  Raises ConflictError when the other container
    does not run, or keeps its ipc namespace to itself.
    """
    for kind, mode in record["namespaces"].items():
        if mode == "host":
            own = config["linux"]["namespaces"]
            own[:] = [one for one in own if one["type"] != kind]
        elif mode.startswith("container:"):
            pid = _donor(paths, kind, mode)["state"]["pid"]
            for one in config["linux"]["namespaces"]:
                if one["type"] == kind:
                    one["path"] = f"/proc/{pid}/ns/{kind}"
    if "uts" in record["namespaces"]:
        del config["hostname"]
    if "ipc" in record["namespaces"]:
        _share_memory(paths, record["namespaces"]["ipc"], config)
    if "pid" in record["namespaces"] and record["options"]["init"]:
        _leave_out_init(record, config)


def _donor(paths: Paths, kind: str, mode: str) -> Record:
    donor = records.find(paths, mode.removeprefix("container:"))
    if not records.is_up(donor):
        raise ConflictError(
            f"failed to join {kind.upper()} namespace: container {donor['name']} is not running",
            "start that container first",
        )
    theirs = donor["namespaces"].get(kind, "private")
    if kind == "ipc" and theirs in ("private", "none"):
        raise ConflictError(
            f"failed to join IPC namespace: container {donor['name']}: non-shareable IPC",
            "make that container with --ipc shareable",
        )
    return donor


def _leave_out_init(record: Record, config: Config) -> None:
    """Somebody else is PID 1 there, so orphans and signals are no business of this container's --init."""
    init = config["process"]["args"][0]
    config["process"]["args"] = record["args"]
    config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != init]


def _share_memory(paths: Paths, mode: str, config: Config) -> None:
    """/dev/shm as the ipc namespace wants it, unless the person has mounted something there."""
    ours = next((mount for mount in config["mounts"] if mount.get("source") == "shm"), None)
    if ours is None or mode == "shareable":
        return
    if mode == "none":
        config["mounts"].remove(ours)
        return
    if mode != "host":
        _cover(copy_of_mount(_donor(paths, "ipc", mode)["state"]["pid"], _SHM))
    ours.update(
        {"type": "bind", "source": _SHM, "options": ["rbind", "nosuid", "noexec", "nodev", "rprivate"]}
    )


def copy_of_mount(pid: int, path: str) -> int:
    """A copy of what is mounted at `path` in the mount namespace of a process, mounted nowhere: a descriptor.

    A mount of another namespace cannot be bound (mount(2) "EINVAL"), so we go there for it.  Nothing may be loaded on
    the way: what we would find there is the container's.  A link that it has put there leads nowhere but into itself.
    To be called where this process has a mount namespace of its own, as shims have.
    """
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    theirs = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(theirs, CLONE_NEWNS, path=f"/proc/{pid}/ns/mnt", why="where it is mounted")
        flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC
        return syscalls.open_tree(AT_FDCWD, path, flags, why="a copy of the mount, not mounted yet")
    finally:
        syscalls.setns(home, CLONE_NEWNS, path="/proc/self/ns/mnt", why="back to the shim's mounts")
        os.close(theirs)
        os.close(home)


def _cover(mount: int) -> None:
    """Put it on /dev/shm of the shim itself: there nobody looks for anything, and it goes with the shim."""
    if _covered:
        syscalls.umount2(_covered.pop(), MNT_DETACH, why="that of the run before")
    try:
        if not stat.S_ISDIR(os.fstat(mount).st_mode):
            raise ConflictError("failed to join IPC namespace: /dev/shm is no directory there")
        place = os.open(_SHM, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
        syscalls.move_mount(mount, place, flags, path=_SHM, why="in the shim's own mount namespace")
        os.close(place)
        _covered.append(_SHM)
    finally:
        os.close(mount)
