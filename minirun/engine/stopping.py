"""Ending a container: the signal that asks it to, the one that makes it, and a shim that does not answer.

    stop    the stop signal; after some time SIGKILL        kill    any signal; SIGKILL is for all its processes
    ask_to_stop, await_death, kill_and_wait                 the same in parts, for many at once: restore.py

See  signal(7); Docker's `stop`: TERM, ten seconds, KILL
"""

from __future__ import annotations

import contextlib

from minirun.engine import cleanup, control, events, records
from minirun.engine.restart import stop_seconds
from minirun.errors import ConflictError, MinirunError, NotFoundError, UsageError
from minirun.linux import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from minirun.engine.record_types import Record
    from minirun.paths import Paths

_SHIM_SECONDS = 2.0  # that a shim may take to answer, where there is a way without it
_DEATH_SECONDS = 10.0  # that a shim may take to put things away after its container's end


def stop(
    paths: Paths,
    record: Record,
    timeout_seconds: int | None = None,
    signal_name: str = "",
    *,
    keep: bool = False,
) -> str:
    """Ask the first process to end, and after the timeout (negative: never) make it.

    `keep`: --rm is not to act.  Returns a remark for the person, or "".  One that does not run is no error; one whose
    start was ordered is stopped when it has come.  Raises UsageError for what is no signal, before anything is done.
    """
    number = signal_number(signal_name) if signal_name else 0
    sock = control.reach(paths, record, control.ANSWER_SECONDS)
    if sock is None:
        return ""
    with sock:
        with contextlib.suppress(NotFoundError):  # --rm has just acted
            record = records.read(paths, record["id"])
        number = number or stop_signal(record)
        is_init = "pid" not in record["namespaces"]
        ignored = is_init and _ignores(record["state"]["pid"], number)
        ask_to_stop(paths, record, sock, number, keep=keep)
        try:
            in_time = control.ended(sock, _stop_seconds(record, timeout_seconds), gone=True)
            if not in_time:
                kill_and_wait(paths, record)
        finally:
            events.of_container(paths, record, "stop")
    if in_time or not ignored:
        return ""
    name = (signal_name or record["stop_signal"]).upper().removeprefix("SIG")
    return f"{record['name']} has no handler for SIG{name} as PID 1, so it had to be killed"


def _stop_seconds(record: Record, given: int | None) -> float:
    """Seconds to wait for the end: what was asked for, what the container was made with, or Docker's ten."""
    return stop_seconds(record["options"]["stop_timeout"] if given is None else given)


def _ignores(pid: int, number: int) -> bool:
    """Whether PID 1 `pid` has no handler for the signal: the kernel then drops it (pid_namespaces(7)).

    One that it blocks is not dropped: a small init waits for it with sigwaitinfo(2).
    """
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            masks = [int(line.split()[1], 16) for line in file if line.startswith(("SigCgt", "SigBlk"))]
    except OSError:
        return False
    return bool(masks) and not any(mask >> (number - 1) & 1 for mask in masks)


def ask_to_stop(
    paths: Paths,
    record: Record,
    sock: socket.socket,
    number: int,
    *,
    keep: bool = False,
    by_hand: bool = True,
) -> None:
    """Have the shim send a signal that is to end the container; it may have ended already.

    A shim that does not answer hears of it later; the signal goes to the processes without it, then.
    """
    try:
        control.ask(sock, record, "stop", seconds=_SHIM_SECONDS, number=number, keep=keep, by_hand=by_hand)
    except ConflictError:
        pass  # it is just ending by itself, or by another stop
    except control.Unanswered:
        _signal_without_shim(paths, record, number)


def _signal_without_shim(paths: Paths, record: Record, number: int) -> None:
    from minirun.runtime import container  # with all that init needs: this is seldom

    with contextlib.suppress(ConflictError, NotFoundError):  # it has just ended
        container.kill(paths.state, record["id"], number, all_processes=number == signals.SIGKILL)


def kill_and_wait(paths: Paths, record: Record) -> None:
    """End a container at once, and wait until its shim has put everything away.

    A shim that does not even do that is killed, too.  Raises MinirunError when there are processes left.
    """
    sock = control.connect(paths, record)
    if sock is None:
        return
    with sock:
        ask_to_stop(paths, record, sock, signals.SIGKILL)
        events.of_container(paths, record, "kill", signal=str(signals.SIGKILL))
        await_death(paths, record, sock)


def await_death(paths: Paths, record: Record, sock: socket.socket, *, gone: bool = True) -> None:
    """Wait for the end of a container that was killed.  `gone`: for that of its shim, which may have to be killed."""
    if control.ended(sock, _DEATH_SECONDS, gone=gone):
        return
    if not control.end_shim(paths, record, sock, _DEATH_SECONDS):
        raise MinirunError(
            f"container {record['name']} does not end though it was killed",
            "a process hangs in the kernel",
        )


def kill(paths: Paths, record: Record, number: int = signals.SIGKILL) -> None:
    """A signal for the first process, SIGKILL for all.  Raises ConflictError when it does not run."""
    record = cleanup.current(paths, record)
    if not records.is_up(record):
        raise ConflictError(
            f"Cannot kill container: {record['name']}: Container {record['id']} is not running"
        )
    final = number in (signals.SIGKILL, stop_signal(record))
    with control.require(paths, record) as sock:
        try:
            seconds = _SHIM_SECONDS if final else control.ANSWER_SECONDS
            control.ask(sock, record, "stop" if final else "signal", seconds=seconds, number=number)
        except control.Unanswered:
            _signal_without_shim(paths, record, number)
        events.of_container(paths, record, "kill", signal=str(number))
        if number == signals.SIGKILL:
            await_death(paths, record, sock, gone=False)


def signal_number(name: str) -> int:
    """SIGTERM, TERM and 15 are the same.  Raises UsageError for what is no signal."""
    number = signals.named(name)
    if not number:
        raise UsageError(f"Invalid signal: {name}", "as in TERM, SIGRTMIN+3 or 9")
    return number


def stop_signal(record: Record) -> int:
    """What asks it to end; SIGTERM for one of an earlier minirun whose image named what is no signal, as in Docker."""
    return signals.named(record["stop_signal"]) or signals.SIGTERM
