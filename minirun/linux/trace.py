"""The trace: what minirun does to the kernel's state is announced here, act by act.

Off, it costs one attribute test (`if trace.on`).  On, each act is one JSON message, written with one write(2) to a
descriptor that the child of the fork inherits too; it is a SOCK_SEQPACKET socket, which keeps messages whole, so
both sides of the fork share it without a lock.  An event is

    {"time": s, "pid": n, "phase": step, "call": name, "args": [raw], "result": n or "errno": n, "why": text}

and a step is {"time", "pid", "step": name, "why"}.  Numbers are raw: teach/ turns flags into names and acts into
what a person would type, in another process, so that nothing here needs importing after pivot_root.

The same choke point can stop a run at a step (`--step`) or make an act fail (MINIRUN_FAULT, for tests).
"""

from __future__ import annotations

import os
import time

from minirun import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

on = False  # the one attribute that callers test

_events = -1  # descriptor the events are written to, or -1
_replies = -1  # descriptor (read and write) a stopped step reads its orders from, or -1
_breakpoints: frozenset[str] = frozenset()  # step names to stop before; "*" is every step
_fault: list[str] = []  # [call, which one, errno or "kill"]
_seen: dict[str, int] = {}  # how often each call was made, for the fault
_phase = ""

_LONGEST = 16384  # characters of one argument; the rules of nftables are the longest


class Cancelled(Exception):
    """The person at `--step` typed q.  The text says before which step that was."""


def start(events: int, replies: int = -1, breakpoints: Sequence[str] = (), fault: str = "") -> None:
    """Turn the trace on.

    `events` and `replies` are open descriptors or -1.  `fault` is `CALL:N:ERRNO` (the N-th CALL of a process
    fails) or `CALL:N:kill` (the process is killed just before it).
    """
    global on, _events, _replies, _breakpoints, _fault
    on = True
    _events, _replies = events, replies
    _breakpoints = frozenset(breakpoints)
    _fault = fault.split(":") if fault else []
    if fault.endswith("kill"):
        import resource  # noqa: F401  # for _die(), as nothing is loaded after pivot_root


def stop() -> None:
    """Turn it off in this process; those forked from it go on."""
    global on, _events, _replies
    on, _events, _replies = False, -1, -1


def descriptors() -> set[int]:
    """The descriptors the trace needs open."""
    return {_events, _replies} - {-1}


def step(name: str, why: str = "", *, stops: bool = True) -> None:
    """Say that the step `name` begins; stop here if it is a breakpoint.  Raises Cancelled on `q`.

    With `stops` False it is no place to stop: putting away has to run to its end.
    """
    global _phase
    _phase = name
    if not on:
        return
    if stops and _replies >= 0 and (name in _breakpoints or "*" in _breakpoints):
        _stop_here(name, why)
    else:
        _write({"step": name, "why": why})


def _stop_here(name: str, why: str) -> None:
    """Say so and wait for one byte: b"c" goes on.  The lock makes processes beside each other stop in turn."""
    os.lockf(_replies, os.F_LOCK, 0)
    try:
        _write({"step": name, "why": why, "stopped": True})
        answer = os.read(_replies, 1)
    finally:
        os.lockf(_replies, os.F_ULOCK, 0)
    if answer != b"c":
        raise Cancelled(f"stopped before {name}")


def phase() -> str:
    """The step this process is in, for error messages."""
    return _phase


def before(call: str) -> None:
    """The fault injection point: raises OSError, or kills this process, when the fault is due."""
    if not _fault or _fault[0] != call:
        return
    _seen[call] = _seen.get(call, 0) + 1
    if _seen[call] == int(_fault[1]):
        if _fault[2] == "kill":
            _die()
        raise OSError(int(_fault[2]), os.strerror(int(_fault[2])))


def _die() -> NoReturn:
    """Be killed by SIGKILL, as our parent sees it, with nothing put in order.

    A process cannot send that to itself when it is PID 1 of a pid namespace: what comes from inside is ignored, see
    pid_namespaces(7).  It has to come from the kernel, which sends it to who has used all of its CPU time; of none at
    all that is at the next tick of the clock.
    """
    os.kill(os.getpid(), 9)
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (0, 0))
    while True:
        pass


def after(call: str, args: Sequence[object], result: object, errno: int, why: str) -> None:
    """Announce that `call(*args)` was made.  `errno` is 0 when it succeeded."""
    event: dict[str, object] = {"phase": _phase, "call": call, "args": [_show(arg) for arg in args]}
    if errno:
        event["errno"] = errno
    else:
        event["result"] = result if isinstance(result, int) else 0
    if why:
        event["why"] = why
    _write(event)


def announce(call: str, args: Sequence[object], why: str = "") -> None:
    """Announce an act that was not a system call of ours: a netlink request, an nft transaction."""
    if on:
        after(call, args, 0, 0, why)


def _show(argument: object) -> object:
    if isinstance(argument, bytes):
        argument = argument.decode(errors="replace")
    if argument is None or isinstance(argument, (int, float)):
        return argument
    if isinstance(argument, (list, tuple)):
        return [_show(part) for part in argument]
    text = str(argument)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def _write(event: dict[str, object]) -> None:
    if _events >= 0:
        message = jsontext.dumps({"time": round(time.monotonic(), 6), "pid": os.getpid(), **event})
        try:
            os.write(_events, message.encode())
        except (BrokenPipeError, ConnectionResetError):
            pass  # whoever listened has gone; the container must not fail for it
