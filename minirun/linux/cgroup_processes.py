"""The processes of a control group: who is in it, and what can be done to all of them at once.

See      cgroups(7); kernel Documentation/admin-guide/cgroup-v2.rst "Core Interface Files"
By hand  cd /sys/fs/cgroup/minirun/ID; cat cgroup.procs; echo 1 > cgroup.freeze; echo 1 > cgroup.kill
"""

from __future__ import annotations

import errno
import os
import time

from minirun.errors import MinirunError
from minirun.linux import cgroup_files, syscalls
from minirun.linux.syscalls import SyscallError

_SIGKILL = 9  # the signal module would bring enum with it, which costs milliseconds
_PATIENCE_SECONDS = 2.0  # how long killed processes may take to leave, frozen ones to stop


def add(path: str, pid: int) -> None:
    """Move a process into the group; its later children start in there."""
    cgroup_files.write(path, "cgroup.procs", str(pid), "from here on its limits and accounts apply")


def pids(path: str) -> list[int]:
    """The processes in the group and in those below it; none when it does not exist."""
    try:
        found = [int(line) for line in cgroup_files.read(path, "cgroup.procs").split()]
    except OSError:
        return []
    for child in cgroup_files.children(cgroup_files.directory(path)):
        found += pids(f"{path}/{child}")
    return found


def kill(path: str) -> None:
    """SIGKILL every process in the group and below.  Returns once it was sent; a missing group is success.

    cgroup.kill (Linux 5.14) is atomic: no fork slips through.  Without it, go round until nobody is left.
    """
    where = cgroup_files.directory(path)
    if not os.path.isdir(where):
        return
    if os.path.exists(f"{where}/cgroup.kill"):
        cgroup_files.write(path, "cgroup.kill", "1", "SIGKILL to everything in it at once")
    else:
        _kill_each(path)


def _kill_each(path: str) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while (left := pids(path)) and time.monotonic() < until:
        for pid in left:
            try:
                syscalls.act("kill", os.kill, pid, _SIGKILL, why="the kernel has no cgroup.kill")
            except SyscallError:
                pass  # gone by itself
        time.sleep(0.002)


def signal_all(path: str, number: int) -> None:
    """Send a signal to every process in the group and below; FileNotFoundError when there is no such group.

    They stand still meanwhile, as in runc, so that no fork slips through; what was frozen before stays so.
    """
    was_frozen = is_frozen(path)
    if not was_frozen:
        freeze(path)
    try:
        for pid in pids(path):
            try:
                syscalls.act("kill", os.kill, pid, number, why="each of them hears it")
            except SyscallError as error:
                if error.errno != errno.ESRCH:  # gone by itself
                    raise
    finally:
        if not was_frozen:
            thaw(path)


def freeze(path: str) -> None:
    """Stop every process in the group; returns when they have stopped.  They cannot notice.

    The core does this, without a controller, so it works on a hybrid host, too.  A signal to a frozen process is
    delivered when it is thawed, except SIGKILL.  MinirunError, and all run on, when one does not stop in time.
    """
    cgroup_files.write(path, "cgroup.freeze", "1", "no process in it runs until it is thawed")
    try:
        _await_frozen(path, True)
    except MinirunError:
        cgroup_files.write(path, "cgroup.freeze", "0", "all of it, or nothing")
        raise


def thaw(path: str) -> None:
    """Let a frozen group run on."""
    cgroup_files.write(path, "cgroup.freeze", "0", "run on")
    _await_frozen(path, False)


def is_frozen(path: str) -> bool:
    """Whether the whole group has stopped.  FileNotFoundError when there is no such group."""
    return "frozen 1" in cgroup_files.read(path, "cgroup.events").splitlines()


def _await_frozen(path: str, wanted: bool) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while is_frozen(path) != wanted:
        if time.monotonic() > until:
            hint = "a process in it sleeps in the kernel and cannot be stopped (state D in `ps`)"
            raise MinirunError(f"cgroup {path} did not {'freeze' if wanted else 'thaw'}", hint)
        time.sleep(0.001)
