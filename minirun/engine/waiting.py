"""Waiting until a container has come to something: until it runs, is healthy, has ended.

The shim writes the record whole and renames it, so the kernel tells of each change of it (inotify(7)); a shim that
was killed writes nothing, so it is looked for now and then.

See  Compose's `depends_on: condition: ...`
"""

from __future__ import annotations

import errno
import select
import time

from minirun.engine import cleanup, control, records
from minirun.errors import ConflictError, MinirunError, NotFoundError, UsageError
from minirun.linux import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from minirun.engine.record_types import Record
    from minirun.linux.inotify import Inotify
    from minirun.paths import Paths

    Condition = Literal["running", "healthy", "exited"]

_CONDITIONS = ("running", "healthy", "exited")
_LOOK_SECONDS = 0.5  # between two looks whether the shim is still there


def wait(paths: Paths, record: Record) -> int:
    """Wait until the program ends, or has ended, and for one whose start was ordered; returns its exit code.

    Raises NotFoundError when the container is gone.
    """
    records.read(paths, record["id"])
    if sock := control.reach(paths, record, float("inf")):
        with sock:
            code = control.wait_for_exit(sock)
        if code is not None:
            return code
    return cleanup.reconcile(paths, records.read(paths, record["id"]))["state"]["exit_code"]


def wait_until(paths: Paths, record: Record, condition: Condition, timeout_seconds: float) -> Record:
    """Wait until a container runs, is healthy, or has ended and is put away; returns its record as it is then.

    Raises ConflictError when that cannot come any more: it has ended or become unhealthy first, or has no health
    check; MinirunError when it has not come in time.  One that --rm has removed counts as ended.
    """
    from minirun.linux import inotify

    if condition not in _CONDITIONS:
        raise UsageError(f'invalid condition: "{condition}"', f"one of {', '.join(_CONDITIONS)}")
    deadline = time.monotonic() + timeout_seconds
    changes = inotify.Inotify()
    try:
        with syscalls.tolerating(errno.ENOENT):  # it is gone already
            changes.watch(paths.container(record["id"]), inotify.IN_MOVED_TO)
        while True:
            record = _now(paths, record)
            if _has_come(paths, record, condition):
                return record
            _require_possible(paths, record, condition)
            left = deadline - time.monotonic()
            if left <= 0:
                raise MinirunError(
                    f"container {record['name']} is not {condition} in time: it is {_status(record)}"
                )
            _wait_for_change(changes, min(left, _LOOK_SECONDS))
    finally:
        changes.close()


def _wait_for_change(changes: Inotify, seconds: float) -> None:
    poll = select.poll()
    poll.register(changes.fd, select.POLLIN)
    poll.poll(seconds * 1000)
    for _ in changes.read():
        pass


def _now(paths: Paths, record: Record) -> Record:
    """The record as it truly is; that of a container which has been removed as having ended."""
    try:
        return cleanup.reconcile(paths, records.read(paths, record["id"]))
    except NotFoundError:
        return {**record, "state": {**record["state"], "status": "exited", "pid": 0}}


def _has_come(paths: Paths, record: Record, condition: Condition) -> bool:
    state = record["state"]
    if condition == "exited":
        return state["status"] == "exited" and not records.has_shim(paths, record["id"])
    if condition == "healthy":
        return state["status"] == "running" and _health(record) == "healthy"
    return state["status"] == "running"


def _require_possible(paths: Paths, record: Record, condition: Condition) -> None:
    """Raises ConflictError when `condition` is out of reach; one that was only made may be started yet."""
    state, name = record["state"], record["name"]
    if condition == "exited":
        return
    if cleanup.is_removed(paths, record):
        raise ConflictError(f"container {name} has ended, and has removed itself")
    if state["status"] == "exited" and not records.has_shim(paths, record["id"]):
        raise ConflictError(f"container {name} has exited ({state['exit_code']})", f"minirun logs {name}")
    if state["status"] == "created" and state["error"]:
        raise ConflictError(f"container {name} could not be started: {state['error']}")
    if condition == "healthy" and state["status"] == "running" and not records.is_probed(record):
        raise ConflictError(f"container {name} has no health check", "minirun run --health-cmd ...")
    if condition == "healthy" and state["status"] == "running" and _health(record) == "unhealthy":
        raise ConflictError(
            f"container {name} is unhealthy", f"minirun inspect {name} shows what its probes print"
        )


def _health(record: Record) -> str:
    """starting, healthy, unhealthy; "" when nobody looks."""
    health = record["state"]["health"]
    return health["status"] if health else ""


def _status(record: Record) -> str:
    health = _health(record)
    return record["state"]["status"] + (f" ({health})" if health and record["state"]["pid"] else "")
