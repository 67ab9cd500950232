"""Putting a container away: by its shim at the end, or by the next command when the shim was killed.

Everything here may be called twice, and after a crash at any point: each act first looks whether it is still to do.
"""

from __future__ import annotations

import contextlib
import os

from minirun.engine import records
from minirun.errors import NotFoundError, ProgramError, ProgramNotFound
from minirun.files import locked, remove_tree
from minirun.linux import cgroups, syscalls, trace
from minirun.linux.constants import MNT_DETACH
from minirun.runtime import container, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import Record
    from minirun.paths import Paths

SHIM_LOST = 137  # as if killed: it was


def release(paths: Paths, record: Record) -> None:
    """Give back what only a running container needs: processes, cgroup, network."""
    container_id = record["id"]
    trace.step("cleanup", "what only a running container needs is given back", stops=False)
    try:
        container.remove(paths.state, state.read(paths.state, container_id))
    except NotFoundError:  # killed before state.json was written: the cgroup may be there
        cgroups.kill(f"/minirun/{container_id}")
        cgroups.delete(f"/minirun/{container_id}")
    if record["network"] == "bridge":
        from minirun.network import bridge

        bridge.detach(paths, container_id, f"{paths.run(container_id)}/netns")


def remove_run_directory(paths: Paths, container_id: str) -> None:
    """The container's directory under the state tree, and what may still be mounted in it."""
    netns = f"{paths.run(container_id)}/netns"
    if os.path.exists(netns):
        with contextlib.suppress(OSError):
            syscalls.umount2(netns, MNT_DETACH, why="let go of the network namespace")
    remove_tree(paths.run(container_id))


def remove_files(paths: Paths, container_id: str) -> None:
    """All that is left of a container that does not run: record last, so that a crash leaves it listed."""
    directory = paths.container(container_id)
    with contextlib.suppress(OSError):
        syscalls.umount2(f"{directory}/merged", MNT_DETACH, why="the overlay, where this process sees one")
    remove_run_directory(paths, container_id)
    for name in os.listdir(directory) if os.path.isdir(directory) else []:
        if name != "container.json":
            _remove(f"{directory}/{name}")
    remove_tree(directory)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(path)
    else:
        os.unlink(path)


def abandon(paths: Paths, container_id: str, error: Exception) -> None:
    """A start that failed: undo what it did.  With --rm, or after a `q` at --step, nothing stays; else a record
    that says why."""
    try:
        record = records.read(paths, container_id)
    except NotFoundError:
        return
    release(paths, record)
    if record["auto_remove"] or isinstance(error, trace.Cancelled):
        remove_files(paths, container_id)
        return
    exit_code = 127 if isinstance(error, ProgramNotFound) else 126 if isinstance(error, ProgramError) else 128
    record["state"].update({"status": "created", "error": str(error), "exit_code": exit_code})
    records.write(paths, record)
    remove_run_directory(paths, container_id)


def reconcile(paths: Paths, record: Record) -> Record:
    """The record as it truly is: one that says "running" but has lost its shim is recorded as killed."""
    if record["state"]["status"] != "running" or records.has_shim(paths, record["id"]):
        return record
    with locked(f"{paths.containers}/.reconcile.lock"):
        with contextlib.suppress(NotFoundError):
            record = records.read(paths, record["id"])
        if record["state"]["status"] != "running" or records.has_shim(paths, record["id"]):
            return record
        release(paths, record)
        record["state"].update(
            {"status": "exited", "pid": 0, "exit_code": SHIM_LOST, "finished": records.now()}
        )
        record["state"]["error"] = "shim lost"
        record["endpoint"] = None
        records.write(paths, record)
        remove_run_directory(paths, record["id"])
    return record
