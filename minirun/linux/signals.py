"""Signals, as plain numbers.

`_signal` is the C half of the module `signal`; the other half turns the numbers into enums, which costs 3 ms to import.

See  signal(7), pidfd_send_signal(2)
"""

from __future__ import annotations

import _signal
from _signal import (
    NSIG,
    SIG_BLOCK,
    SIG_DFL,
    SIG_IGN,
    SIG_SETMASK,
    SIG_UNBLOCK,
    SIGCHLD,
    SIGHUP,
    SIGINT,
    SIGKILL,
    SIGPIPE,
    SIGQUIT,
    SIGTERM,
    SIGWINCH,
    SIGXFSZ,
    default_int_handler,
    getsignal,
    pidfd_send_signal,
    pthread_sigmask,
    signal,
)

__all__ = [
    "NSIG",
    "SIGCHLD",
    "SIGHUP",
    "SIGINT",
    "SIGKILL",
    "SIGPIPE",
    "SIGQUIT",
    "SIGTERM",
    "SIGWINCH",
    "SIGXFSZ",
    "SIG_BLOCK",
    "SIG_DFL",
    "SIG_IGN",
    "SIG_SETMASK",
    "SIG_UNBLOCK",
    "default_int_handler",
    "getsignal",
    "named",
    "pidfd_send_signal",
    "pthread_sigmask",
    "signal",
]


def named(text: str) -> int | None:
    """9, KILL, kill and SIGKILL are the same signal, SIGRTMIN+3 is 37; None for what is none."""
    if text.isdecimal() and text.isascii():
        return int(text) if len(text) < 3 and int(text) <= 64 else None
    name = text.upper().removeprefix("SIG")
    base, sign, offset = name.partition("+") if "+" in name else name.partition("-")
    if sign and base == ("RTMIN" if sign == "+" else "RTMAX") and offset.isdecimal() and offset.isascii():
        away = int(offset[:3])
        return None if away > 30 else _signal.SIGRTMIN + away if sign == "+" else _signal.SIGRTMAX - away
    number = getattr(_signal, f"SIG{name}", None) if name.isalnum() else None
    return number if isinstance(number, int) else None
