"""After a boot, and before the machine goes down: all containers that somebody counts on.

There is no daemon that could remember.  What is to run is in the records: a restart policy, and whether a person has
stopped the container.  So `restore` may be called at any time and as often as one likes: what runs is left alone.

See      restart.py for the policies; cli/boot.py for the unit that has systemd call this
"""

from __future__ import annotations

import time

from minirun.engine import cleanup, containers, control, records, restart, stopping
from minirun.errors import MinirunError
from minirun.linux import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from minirun.engine.containers import Report
    from minirun.engine.record_types import Record
    from minirun.engine.shim.spawn import Spawn
    from minirun.paths import Paths


def restore(paths: Paths, report: Report, spawn: Spawn | None = None) -> None:
    """Start what is wanted and does not run, oldest first; see containers.start_all() for `report` and `spawn`."""
    cleanup.sweep(paths)
    containers.start_all(paths, _wanted(paths), report, spawn=spawn)
    for directory in records.damaged(paths):
        report(directory, MinirunError("container.json is damaged"))


def _wanted(paths: Paths) -> Iterator[Record]:
    """What is to run and does not.  What a crash has left behind is put away first: then nobody has its address."""
    for record in [cleanup.reconcile(paths, one) for one in records.list_all(paths)]:
        if restart.wanted_at_boot(record) and not records.has_shim(paths, record["id"]):
            yield record


def shut_down(paths: Paths, report: Report) -> None:
    """Stop every container, all at the same time, each with the seconds it may take; `restore` starts them again."""
    stopping = []
    # those that are just being started come last: they keep the others waiting for nothing
    for record in sorted(records.list_all(paths), key=lambda one: records.is_start_ordered(paths, one["id"])):
        try:
            sock = control.reach(paths, record, control.ANSWER_SECONDS)
        except control.Unanswered as failure:
            report(record["name"], failure)
            continue
        if sock:
            stopping.append((record, sock, _ask_to_stop(paths, record, sock)))
    for record, sock, deadline in stopping:
        error = None
        try:
            _await_end(paths, record, sock, deadline)
        except MinirunError as failure:
            error = failure
        report(record["name"], error)


def _ask_to_stop(paths: Paths, record: Record, sock: socket.socket) -> float:
    """Send the stop signal; returns when the container has to have ended, on the clock of time.monotonic()."""
    number = stopping.stop_signal(record)
    stopping.ask_to_stop(paths, record, sock, number, by_hand=False)
    return time.monotonic() + restart.stop_seconds(record["options"]["stop_timeout"])


def _await_end(paths: Paths, record: Record, sock: socket.socket, deadline: float) -> None:
    with sock:
        if control.ended(sock, deadline - time.monotonic(), gone=True):
            return
        stopping.ask_to_stop(paths, record, sock, signals.SIGKILL, by_hand=False)
        stopping.await_death(paths, record, sock)
