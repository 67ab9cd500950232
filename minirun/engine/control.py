"""Asking a container's shim: the side of the command line.

See  channel.py for the messages, shim/server.py for what can be asked
"""

from __future__ import annotations

import contextlib
import os
import select
import time

from minirun import files
from minirun.engine import channel, records
from minirun.errors import ConflictError, MinirunError
from minirun.linux import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from typing import Any

    from minirun.engine.record_types import Record
    from minirun.paths import Paths


class LeftOverError(MinirunError):
    """The container has ended, and not all of it could be put away."""


EXEC_ANSWER_SECONDS = 60.0  # that an exec may take to begin, behind all those that came before it
_ARRIVAL_SECONDS = 0.01  # between two looks whether a shim that was ordered is there
ANSWER_SECONDS = 10.0  # that a shim may take to answer; it is busy for some milliseconds at most


def connect(paths: Paths, record: Record) -> socket.socket | None:
    """A connection to the container's shim, or None when it has none.

    It hears EXITED at the end of each run of the program, and its own end when the shim has put everything away.
    """
    return channel.connect(f"{paths.run(record['id'])}/shim.sock")


def reach(paths: Paths, record: Record, seconds: float) -> socket.socket | None:
    """The same, of a shim that is only on its way as well: a start was ordered.

    Raises Unanswered when it has not come within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        ordered = records.is_start_ordered(paths, record["id"])  # before, or it may come and be missed
        sock = connect(paths, record)
        if sock or not ordered:
            return sock
        if time.monotonic() > deadline:
            raise Unanswered(f"container {record['name']} is being started", "a --step may hold that up")
        time.sleep(_ARRIVAL_SECONDS)


def require(paths: Paths, record: Record) -> socket.socket:
    """The same; ConflictError when there is no shim."""
    sock = connect(paths, record)
    if sock is None:
        hint = "`minirun ps -a` shows how it ended"
        raise ConflictError(f"Container {record['id']} is not running", hint)
    return sock


def request(paths: Paths, record: Record, do: str, **arguments: Any) -> Any:
    """Ask the shim for one thing and wait for the answer.  Raises ConflictError without a shim, or its refusal."""
    with require(paths, record) as sock:
        return ask(sock, record, do, **arguments)


class Unanswered(MinirunError):
    """The shim is there and says nothing.  What it was asked for it may still do, later."""


def ask(
    sock: socket.socket, record: Record, do: str, *, seconds: float = ANSWER_SECONDS, **arguments: Any
) -> Any:
    """The same over a connection that stays: its messages that are no answer are passed over.

    Raises Unanswered when no answer comes within `seconds`.
    """
    channel.send_json(sock, channel.REQUEST, {"do": do, **arguments})
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if not _readable(sock.fileno(), left):
            continue
        kind, content = channel.receive(sock)
        if kind == channel.ANSWER:
            return channel.value(content)
        if kind == channel.FAILED:
            raise channel.error(content)
        if not kind:
            raise ConflictError(f"container {record['name']} is not running: it has just ended")
    raise Unanswered(
        f"the shim of container {record['name']} does not answer",
        "it may be stopped: see `ps aux | grep minirun:shim`",
    )


def end_shim(paths: Paths, record: Record, sock: socket.socket, seconds: float) -> bool:
    """Kill a shim that says nothing, and wait until it has gone.  Its container dies with it.

    One that has let go of the container has put all away, and lives on for its last clients: it is left alone.
    """
    if not records.has_shim(paths, record["id"]):
        return True
    pid = channel.peer(sock)
    pidfd = os.pidfd_open(pid)
    try:
        if files.text(f"/proc/{pid}/comm").strip() == "minirun:shim":
            signals.pidfd_send_signal(pidfd, signals.SIGKILL)
        return _readable(pidfd, seconds)
    finally:
        os.close(pidfd)


def change(paths: Paths, record: Record, fields: dict[str, Any]) -> None:
    """Make the record say something else: by the shim while there is one, for the record is its own then."""
    with records.changing(paths):
        change_locked(paths, record, fields)


def change_locked(paths: Paths, record: Record, fields: dict[str, Any]) -> None:
    """The same, for those who hold the lock of records.changing()."""
    if records.has_shim(paths, record["id"]):
        with _hint_if_older(paths, record):
            request(paths, record, "change", fields=fields)
    else:
        current = records.read(paths, record["id"])
        current.update(fields)  # type: ignore[typeddict-item]
        records.write(paths, current)


@contextlib.contextmanager
def _hint_if_older(paths: Paths, record: Record) -> Iterator[None]:
    """A container goes on with the minirun that has started it, which need not know of all that there is today."""
    try:
        yield
    except MinirunError as error:
        if not error.hint and records.is_older(paths, record["id"]):
            error.hint = f"an earlier minirun has started it: `minirun restart {record['name']}` first"
        raise


def execute(sock: socket.socket, request: dict[str, Any], descriptors: list[int]) -> None:
    """Have a program started in the container; see shim/execs.py for `request`.  Raises what kept it from starting."""
    channel.send_descriptors(sock, channel.EXEC, request, descriptors)
    until = time.monotonic() + EXEC_ANSWER_SECONDS
    while _readable(sock.fileno(), max(0.0, until - time.monotonic())):
        kind, content = channel.receive(sock)
        if kind == channel.RUNNING:
            return
        if kind == channel.FAILED:
            raise channel.error(content)
        if not kind:
            raise ConflictError("container not running: it has just ended")
    raise Unanswered(
        "the container's shim does not answer", "it may be stopped: see `ps aux | grep minirun:shim`"
    )


def ended(sock: socket.socket, timeout_seconds: float, *, gone: bool = False) -> bool:
    """Whether the program ends in time.  `gone`: whether the shim goes, too, which it does not for a restart.

    Raises LeftOverError when it does, and could not put all away.
    """
    trouble = ""
    deadline = time.monotonic() + timeout_seconds
    while (left := deadline - time.monotonic()) > 0:
        if _readable(sock.fileno(), left):
            kind, content = channel.receive(sock)
            trouble = channel.Exit(content).trouble if kind == channel.EXITED else trouble
            if not kind or (kind == channel.EXITED and not gone):
                if trouble:
                    raise LeftOverError(trouble, "`minirun ps` tries again to put it away")
                return True
    return False


def wait_for_exit(sock: socket.socket) -> int | None:
    """The exit code when the program ends; None when the shim is lost before."""
    while True:
        kind, content = channel.receive(sock)
        if kind == channel.EXITED:
            return channel.Exit(content).code
        if not kind:
            return None


def _readable(fd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(None if seconds == float("inf") else seconds * 1000))
