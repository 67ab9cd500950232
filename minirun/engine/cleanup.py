"""Putting a container away: by its shim at the end, or by the next command when the shim was killed.

Everything here may be called twice, and after a crash at any point: each act first looks whether it is still to do.
The container's run directory goes last.  So where it is and no shim is, something is left to do, whatever the record
says; whoever looks at the containers next does it.
"""

from __future__ import annotations

import contextlib
import os

from minirun.engine import records, sandbox, volumes
from minirun.errors import MinirunError, NotFoundError, ProgramError, ProgramNotFound, in_words, sentence
from minirun.files import names_in, remove_tree
from minirun.linux import cgroup_processes, cgroups, syscalls, trace
from minirun.linux.constants import MNT_DETACH
from minirun.runtime import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import Record
    from minirun.paths import Paths

SHIM_LOST = 137  # as if killed: it was
_LOST = "shim lost"
_GONE_WITH_VOLUMES = f"{records.GONE}with-volumes-"


def release(paths: Paths, record: Record) -> None:
    """Give back what only a running container needs: processes, cgroup, network.

    Raises MinirunError or OSError after doing all that could be done.
    """
    container_id = record["id"]
    trace.step("cleanup", "what only a running container needs is given back", stops=False)
    try:
        _release_processes(paths, record)
    finally:
        if sandbox.has_own(record):
            from minirun.network import bridge

            bridge.detach(paths, container_id, sandbox.namespace(paths, record))


def load_for(record: Record) -> None:
    """Import what `release` will need: a shim does it while its program runs, not when that has ended."""
    if sandbox.has_own(record):
        from minirun.network import bridge  # noqa: F401


def _release_processes(paths: Paths, record: Record) -> None:
    # here, not above: it brings all that init needs, and most who look find nothing to put away
    from minirun.runtime import container

    if program := record["options"]["runtime"]:
        from minirun.runtime import foreign

        foreign.delete(program, paths.state, record["id"])
    try:
        container.remove(paths.state, state.read(paths.state, record["id"]))
    except NotFoundError:  # killed while it was put away: the cgroup may be there
        cgroup, owner = records.cgroup(record), paths.run(record["id"])
        if cgroups.owner_of(cgroup) == owner:
            cgroup_processes.kill(cgroup)
        cgroups.delete_own(cgroup, owner)


def try_release(paths: Paths, record: Record) -> str:
    """The same; returns a sentence about what went wrong, or ""."""
    try:
        release(paths, record)
    except (MinirunError, OSError) as error:
        return f"container {record['name']} does not run any more, but something is left of it: {in_words(error)}"
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
    if os.path.exists(f"{directory}/sources"):
        from minirun.engine import mount_sources

        mount_sources.unmount(paths, container_id)
    remove_run_directory(paths, container_id)
    with contextlib.suppress(FileNotFoundError):
        aside = f"{paths.containers}/{_GONE_WITH_VOLUMES if with_volumes else records.GONE}{container_id}"
        syscalls.rename(directory, aside, why="it is gone for everybody at once")


def sweep(paths: Paths) -> None:
    """Delete what remove_files() has renamed, and what those left behind who were killed in here."""
    for name in names_in(paths.containers):
        if name.startswith(_GONE_WITH_VOLUMES):
            with contextlib.suppress(NotFoundError):  # another one sweeps as well
                volumes.remove_anonymous(paths, records.read(paths, name))
        if name.startswith(records.GONE):
            syscalls.remove_tree(f"{paths.containers}/{name}", why="nobody can use it any more")


def clear(paths: Paths) -> None:
    """Remove what those have left who were killed while they made a container, or removed one."""
    if records.has_leftovers(paths):
        with records.changing(paths):
            records.clear_unfinished(paths)
        sweep(paths)


def abandon(paths: Paths, container_id: str, error: Exception) -> None:
    """A start that failed: undo what it did.  With --rm, or after a `q` at --step, nothing stays; else a record
    that says why."""
    try:
        record = records.read(paths, container_id)
    except NotFoundError:
        return
    left = try_release(paths, record)
    if not left and (record["options"]["auto_remove"] or isinstance(error, trace.Cancelled)):
        with records.changing(paths):
            remove_files(paths, container_id, with_volumes=True)
        sweep(paths)
        return
    record["state"].update({"status": "created", "error": sentence(error), "exit_code": code_of(error)})
    records.write(paths, record)
    if not left:
        records.forget_start(paths, container_id)
        remove_run_directory(paths, container_id)


def code_of(error: Exception) -> int:
    """The exit code of a container whose program could not be started."""
    return 127 if isinstance(error, ProgramNotFound) else 126 if isinstance(error, ProgramError) else 128


def reconcile(paths: Paths, record: Record) -> Record:
    """The record as it truly is: one that says "running" but has lost its shim is recorded as killed.  What is left of
    a container that has no shim is put away, as far as that can be done now."""
    if _needs_nothing(paths, record):
        return record
    with records.changing(paths):
        try:
            record = repair(paths, records.read(paths, record["id"]))
        except NotFoundError:
            return record  # somebody has removed it since
    if record["options"]["auto_remove"]:
        sweep(paths)
    return record


def current(paths: Paths, record: Record) -> Record:
    """How things are with it now, whatever has come to it since `record`.  Raises NotFoundError when it is gone."""
    return verified(paths, records.read(paths, record["id"]))


def verified(paths: Paths, record: Record) -> Record:
    """The same of a record that has just been read."""
    record = reconcile(paths, record)
    if is_removed(paths, record):
        raise NotFoundError(f"No such container: {record['name']}")
    return record


def repair(paths: Paths, record: Record) -> Record:
    """The same as reconcile(), for those who hold the lock of records.changing().  With --rm nothing is left of it."""
    if _needs_nothing(paths, record):
        return record
    left = try_release(paths, record)
    was_up = record["state"]["status"] not in ("created", "exited")
    _record_loss(record)
    if was_up:
        volumes.emit_unmounted(paths, record)
    if left:
        records.write(paths, record)
        return record  # the run directory stays, for the next one who looks
    if record["options"]["auto_remove"]:
        remove_files(paths, record["id"], with_volumes=True)
        return record
    records.write(paths, record)
    records.forget_start(paths, record["id"])
    remove_run_directory(paths, record["id"])
    return record


def _record_loss(record: Record) -> None:
    """What its shim, or whoever had ordered its start, would have said if it had not been killed."""
    state = record["state"]
    if state["status"] == "created" and not state["error"]:
        state.update({"error": _LOST, "exit_code": 128})
    elif state["status"] not in ("created", "exited"):
        state.update({"status": "exited", "pid": 0, "exit_code": SHIM_LOST, "finished": records.now()})
        state["error"] = _LOST
    if state["health"]:
        state["health"]["status"] = "unhealthy"  # nobody looks any more


def is_removed(paths: Paths, record: Record) -> bool:
    """Whether --rm has acted in the meantime."""
    return record["options"]["auto_remove"] and not os.path.exists(records.path(paths, record["id"]))


def _needs_nothing(paths: Paths, record: Record) -> bool:
    """Whether nothing runs and nothing is left of it, or somebody sees to it that the record is true.

    With --rm one that was only created stays, but not one that has ended: whoever was to remove it was killed.
    """
    status, stays = (
        record["state"]["status"],
        not record["options"]["auto_remove"] or record.get("kept", False),
    )
    is_over = status == "created" or (status == "exited" and stays)
    if (
        is_over
        and not os.path.exists(paths.run(record["id"]))
        and not records.lost_start(paths, record["id"])
    ):
        return True
    return records.has_shim(paths, record["id"])
