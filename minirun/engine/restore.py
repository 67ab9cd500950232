"""After a boot, and before the machine goes down: all containers that somebody counts on.

There is no daemon that could remember.  What is to run is in the records: a restart policy, and whether a person has
stopped the container.  So `restore` may be called at any time and as often as one likes: what runs is left alone.

See      restart.py for the policies; cli/boot.py for the unit that has systemd call this
"""

from __future__ import annotations

import time

from minirun.engine import cleanup, containers, control, create, records, restart, sandbox
from minirun.engine.shim import spawn
from minirun.errors import MinirunError
from minirun.linux import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from minirun.engine.record_types import Record
    from minirun.engine.shim.spawn import Shim
    from minirun.paths import Paths

    Report = Callable[[str, Exception | None], None]

AT_ONCE = 4  # containers that are being started at the same time


def restore(paths: Paths, report: Report) -> None:
    """Start what is wanted and does not run, oldest first; `report` hears each name, and what went wrong or None."""
    cleanup.sweep(paths)
    under_way: list[tuple[Record, Shim]] = []
    for record in _wanted(paths):
        if len(under_way) == AT_ONCE:
            _await(*under_way.pop(0), report)
        shim = spawn.spawn(expect_network=sandbox.has_own(record))
        create.order(paths, record, shim, (0, 0), [], once=False)
        under_way.append((record, shim))
    for record, shim in under_way:
        _await(record, shim, report)
    for directory in records.damaged(paths):
        report(directory, MinirunError("container.json is damaged"))


def _wanted(paths: Paths) -> Iterator[Record]:
    """What is to run and does not.  What a crash has left behind is put away first: then nobody has its address."""
    for record in [cleanup.reconcile(paths, one) for one in records.list_all(paths)]:
        if restart.wanted_at_boot(record) and not records.has_shim(paths, record["id"]):
            yield record


def _await(record: Record, shim: Shim, report: Report) -> None:
    error = None
    try:
        create.wait_until_running(shim)
    except MinirunError as failure:
        error = failure
    shim.sock.close()
    report(record["name"], error)


def shut_down(paths: Paths, report: Report) -> None:
    """Stop every container, all at the same time, each with the seconds it may take; `restore` starts them again."""
    stopping = []
    for record in records.list_all(paths):
        if sock := control.connect(paths, record):
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
    number = containers.signal_number(record["stop_signal"])
    containers.ask_to_stop(paths, record, sock, number, by_hand=False)
    return time.monotonic() + restart.stop_seconds(record["options"]["stop_timeout"])


def _await_end(paths: Paths, record: Record, sock: socket.socket, deadline: float) -> None:
    with sock:
        if control.ended(sock, deadline - time.monotonic(), gone=True):
            return
        containers.ask_to_stop(paths, record, sock, signals.SIGKILL, by_hand=False)
        containers.await_death(paths, record, sock)
