"""Putting a container away: by its shim at the end, or by the next command when the shim was killed.

Everything here may be called twice, and after a crash at any point: each act first looks whether it is still to do.
The container's run directory goes last.  So where it is and no shim is, something is left to do, whatever the record
says; whoever looks at the containers next does it.
"""

from __future__ import annotations

import contextlib
import os

from minirun.engine import networks, records, volumes
from minirun.errors import MinirunError, NotFoundError, ProgramError, ProgramNotFound
from minirun.files import remove_tree
from minirun.linux import cgroups, syscalls, trace
from minirun.linux.constants import MNT_DETACH
from minirun.network import bridge
from minirun.runtime import container, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import Record
    from minirun.paths import Paths

SHIM_LOST = 137  # as if killed: it was
_LOST = "shim lost"
_AT_REST = ("created", "exited")
_GONE = ".gone-"  # before the name of a directory that is being deleted
_GONE_WITH_VOLUMES = f"{_GONE}with-volumes-"


def release(paths: Paths, record: Record) -> None:
    """Give back what only a running container needs: processes, cgroup, network.

    Raises MinirunError or OSError after doing all that could be done.
    """
    container_id = record["id"]
    trace.step("cleanup", "what only a running container needs is given back", stops=False)
    try:
        _release_processes(paths, container_id)
    finally:
        if networks.has_own(record):
            bridge.detach(paths, container_id, networks.namespace(paths, record))


def _release_processes(paths: Paths, container_id: str) -> None:
    try:
        container.remove(paths.state, state.read(paths.state, container_id))
    except NotFoundError:  # killed while it was put away: the cgroup may be there
        cgroup = f"{cgroups.PARENT}/{container_id}"
        if cgroups.owner_of(cgroup) == paths.run(container_id):
            cgroups.kill(cgroup)
            cgroups.delete(cgroup)


def try_release(paths: Paths, record: Record) -> str:
    """The same; returns a sentence about what went wrong, or ""."""
    try:
        release(paths, record)
    except (MinirunError, OSError) as error:
        return f"container {record['name']} does not run any more, but something is left of it: {error}"
    return ""


def remove_run_directory(paths: Paths, container_id: str) -> None:
    """The container's directory under the state tree, and what may still be mounted in it."""
    netns = f"{paths.run(container_id)}/netns"
    if os.path.exists(netns):
        with contextlib.suppress(OSError):
            syscalls.umount2(netns, MNT_DETACH, why="let go of the network namespace")
    remove_tree(paths.run(container_id))


def remove_files(paths: Paths, container_id: str, *, with_volumes: bool) -> None:
    """All that is left of a container that does not run.  Call it with the lock of records.changing().

    Its directory is renamed, so that it is gone at once for everybody; `sweep` then deletes what was renamed,
    and, `with_volumes`, its anonymous volumes before: the name says whether.
    """
    directory = paths.container(container_id)
    with contextlib.suppress(OSError):
        syscalls.umount2(f"{directory}/merged", MNT_DETACH, why="the overlay, where this process sees one")
    remove_run_directory(paths, container_id)
    with contextlib.suppress(FileNotFoundError):
        os.rename(
            directory, f"{paths.containers}/{_GONE_WITH_VOLUMES if with_volumes else _GONE}{container_id}"
        )


def sweep(paths: Paths) -> None:
    """Delete what remove_files() has renamed, and what those left behind who were killed in here."""
    for name in os.listdir(paths.containers) if os.path.isdir(paths.containers) else []:
        if name.startswith(_GONE_WITH_VOLUMES):
            with contextlib.suppress(NotFoundError):  # another one sweeps as well
                volumes.remove_anonymous(paths, records.read(paths, name))
        if name.startswith(_GONE):
            remove_tree(f"{paths.containers}/{name}")


def abandon(paths: Paths, container_id: str, error: Exception) -> None:
    """A start that failed: undo what it did.  With --rm, or after a `q` at --step, nothing stays; else a record
    that says why."""
    try:
        record = records.read(paths, container_id)
    except NotFoundError:
        return
    left = try_release(paths, record)
    if not left and (record["auto_remove"] or isinstance(error, trace.Cancelled)):
        with records.changing(paths):
            remove_files(paths, container_id, with_volumes=True)
        sweep(paths)
        return
    record["state"].update({"status": "created", "error": str(error), "exit_code": code_of(error)})
    records.write(paths, record)
    if not left:
        remove_run_directory(paths, container_id)


def code_of(error: Exception) -> int:
    """The exit code of a container whose program could not be started."""
    return 127 if isinstance(error, ProgramNotFound) else 126 if isinstance(error, ProgramError) else 128


def reconcile(paths: Paths, record: Record) -> Record:
    """The record as it truly is: one that says "running" but has lost its shim is recorded as killed.  What is left of
    a container that has no shim is put away, as far as that can be done now."""
    if _is_settled(paths, record):
        return record
    with records.changing(paths):
        try:
            record = repair(paths, records.read(paths, record["id"]))
        except NotFoundError:
            return record  # somebody has removed it since
    if record["auto_remove"]:
        sweep(paths)
    return record


def repair(paths: Paths, record: Record) -> Record:
    """The same, for those who hold the lock of records.changing()."""
    if _is_settled(paths, record):
        return record
    left = try_release(paths, record)
    if record["state"]["status"] not in _AT_REST:
        _record_loss(record)
        records.write(paths, record)
        volumes.tell_unmounted(paths, record)
    elif record["state"]["status"] == "created" and not record["state"]["error"]:
        record["state"].update({"error": _LOST, "exit_code": 128})  # it was being started
        records.write(paths, record)
    if left:
        return record  # the run directory stays, for the next one who looks
    if record["auto_remove"]:
        remove_files(paths, record["id"], with_volumes=True)
    else:
        remove_run_directory(paths, record["id"])
    return record


def _record_loss(record: Record) -> None:
    state = record["state"]
    state.update({"status": "exited", "pid": 0, "exit_code": SHIM_LOST, "finished": records.now()})
    state["error"] = _LOST
    if state["health"]:
        state["health"]["status"] = "unhealthy"  # nobody looks any more


def _is_settled(paths: Paths, record: Record) -> bool:
    """Whether nothing runs and nothing is left of it, or a shim sees to it that the record is true."""
    at_rest = record["state"]["status"] in _AT_REST and not os.path.exists(paths.run(record["id"]))
    return at_rest or records.has_shim(paths, record["id"])


def is_removed(paths: Paths, record: Record) -> bool:
    """Whether --rm has acted since the record was read."""
    removable = record["auto_remove"] and record["state"]["status"] in _AT_REST
    return removable and not os.path.exists(records.path(paths, record["id"]))
