"""What the RUNs of one build have in the state tree while they run, and what becomes of it when the build is killed.

    STATE/.build/build-3f1c0a9b27de/      one build; its name is also that of its place on the network
        shim.lock                         flock(2)ed by the build as long as it lives
        netns                             its network namespace, if a RUN has asked for one
        build-3f1c0a9b27de-9c41/          one RUN: its bundle, and the runtime's state.json
    CGROUP/minirun/build-3f1c0a9b27de-9c41    its control group

A build is one process and its children.  They end with it (PR_SET_PDEATHSIG), the RUN's program with the child that
has started it, and what was mounted with the mount namespaces of both.  So after a kill -9 there are files, an empty
control group and perhaps a place on the network; the next build puts them away.  The directory has a dot because it is
no container's, and the lock a shim's name because that is what network/ledger.py asks about the owner of an address.

See      engine/cleanup.py, which does the same for containers; flock(2)
By hand  ls /run/minirun/.build; lslocks | grep shim.lock
"""

from __future__ import annotations

import errno
import fcntl
import os

from minirun import files
from minirun.errors import MinirunError
from minirun.linux import syscalls
from minirun.linux.constants import MNT_DETACH
from minirun.runtime import container, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.paths import Paths

PRIVATE = (
    "private"  # the directory of a RUN on which its child mounts a tmpfs: secrets, and what is to be bound
)


def directory_of(paths: Paths) -> str:
    """Where all builds have theirs."""
    return f"{paths.state}/.build"


class RunState:
    """Of one build.  Made by the process that is the build, and inherited by its children."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.id = f"build-{os.urandom(6).hex()}"
        self.directory = f"{directory_of(paths)}/{self.id}"
        with files.locked(_gate(paths)):  # else it might be cleared before it is locked
            self.lock = files.open_lock(f"{self.directory}/shim.lock")
            fcntl.flock(self.lock, fcntl.LOCK_EX)

    def new_run(self) -> str:
        """An id for one RUN, with its directory: that is its bundle, and where the runtime keeps its state."""
        run_id = f"{self.id}-{os.urandom(2).hex()}"
        files.make_private(f"{self.directory}/{run_id}")
        return run_id

    def end_run(self, run_id: str) -> None:
        """Kill what is left of a RUN, and forget it; a second time does nothing.  Raises MinirunError or OSError."""
        remove_run(self.directory, run_id)

    def close(self) -> None:
        """All of it goes, except the network, which is given back before; once more is no error.

        Raises MinirunError or OSError.
        """
        if self.lock < 0:
            return
        try:
            with files.locked(_gate(self.paths)):
                clear(self.directory)
                _remove_empty(directory_of(self.paths))
        finally:
            os.close(self.lock)
            self.lock = -1


def clear_leftovers(paths: Paths) -> None:
    """Put away what builds have left that were killed.  One that lives holds its lock, and is left alone."""
    above = directory_of(paths)
    if not files.visible_names(above):
        return
    with files.locked(_gate(paths)):
        for name in files.visible_names(above):
            lock = f"{above}/{name}/shim.lock"
            if not files.is_locked(lock):
                leave_network(paths, name)
                clear(f"{above}/{name}")
        _remove_empty(above)


def is_building(paths: Paths) -> bool:
    """Whether a build with RUN steps is under way."""
    above = directory_of(paths)
    return any(files.is_locked(f"{above}/{name}/shim.lock") for name in files.visible_names(above))


def leave_network(paths: Paths, build_id: str) -> None:
    """Off the network, if it is on one: what a look at the ledger costs, if not."""
    from minirun.engine import sandbox

    if sandbox.endpoints_of(paths, build_id):
        from minirun.network import bridge  # 30 ms, which few have to pay

        bridge.detach(paths, build_id, f"{directory_of(paths)}/{build_id}/netns")


def clear(directory: str) -> None:
    """The runs of a build, then its directory."""
    for name in files.names_in(directory):
        if os.path.isdir(f"{directory}/{name}"):
            remove_run(directory, name)
    files.remove_tree(directory)


def remove_run(directory: str, run_id: str) -> None:
    """One RUN: its processes, its control group, its files.

    What its child has bound below PRIVATE is somebody's source: before anything is removed, it is out of sight.
    """
    try:
        container.remove(directory, state.read(directory, run_id))
    except MinirunError:  # it has no state yet, or none any more
        pass
    where = f"{directory}/{run_id}"
    detach(f"{where}/{PRIVATE}")
    if os.path.ismount(f"{where}/{PRIVATE}"):
        raise MinirunError(f"{where}/{PRIVATE} cannot be unmounted", "umount it, then remove its directory")
    files.remove_tree(where)


def detach(mount_point: str) -> None:
    """Take off what is mounted there, and what is mounted below, where this process sees it."""
    while os.path.ismount(mount_point):
        syscalls.umount2(mount_point, MNT_DETACH, why="the RUN is over, and nobody looks in there any more")


def _remove_empty(directory: str) -> None:
    with syscalls.tolerating(errno.ENOTEMPTY, errno.ENOENT):
        os.rmdir(directory)


def _gate(paths: Paths) -> str:
    """The lock under which builds come and go."""
    return f"{paths.build}/.lock"
