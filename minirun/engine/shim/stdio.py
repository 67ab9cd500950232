"""The three streams of a program that is about to start: pipes, or a terminal of the container's own.

The program gets one end of each and the shim keeps the other, whether it is the container's first program or that of
an `exec`; what then goes through them is the matter of streams.py.

See  pipe(7), pty(7); runtime/terminal.py
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket

from minirun.engine.shim.streams import Input, Streams
from minirun.runtime import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")
    Stdio = tuple[int, int, int]
    # given the program's descriptors 0, 1 and 2, or the socket over which the master of its terminal is to come
    Spawn = Callable[[Stdio | None, socket.socket | None], T]

PIPE_SIZE = 1 << 20  # bytes by which a program may be ahead of us: the kernel's default is 65536


def connect(spawn: Spawn[T], *, tty: bool, interactive: bool) -> tuple[T, dict[int, str], Input]:
    """Have `spawn` start a program; returns what that returned, our ends of the program's outputs, and its input.

    With `tty` its streams are a terminal, whose one output counts as "stdout".  Without `interactive` its input is
    /dev/null.  The outputs are {descriptor: "stdout" or "stderr"}.  An error of `spawn` leaves nothing open.
    """
    return _on_terminal(spawn) if tty else _through_pipes(spawn, interactive)


def _on_terminal(spawn: Spawn[T]) -> tuple[T, dict[int, str], Input]:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            spawned = spawn(None, theirs)
        master = terminal.receive_master(ours)
    return spawned, {master: "stdout"}, Input(master, is_terminal=True)


def _through_pipes(spawn: Spawn[T], interactive: bool) -> tuple[T, dict[int, str], Input]:
    stdio, outputs, source = pipes(interactive)
    try:
        return spawn(stdio, None), outputs, source
    except BaseException:
        Streams(outputs, source, None).close()
        raise
    finally:
        for fd in stdio:  # the program has its own copies: ours would keep its end from being seen
            os.close(fd)


def pipes(interactive: bool) -> tuple[Stdio, dict[int, str], Input]:
    """The program's ends of its three streams, our outputs and its input."""
    out_reader, out_writer = os.pipe()
    err_reader, err_writer = os.pipe()
    with contextlib.suppress(OSError):  # EPERM: this user holds more than pipe(7) allows
        fcntl.fcntl(out_writer, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    if interactive:
        in_reader, in_writer = os.pipe()
    else:
        in_reader, in_writer = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), -1
    outputs = {out_reader: "stdout", err_reader: "stderr"}
    return (in_reader, out_writer, err_writer), outputs, Input(in_writer, is_terminal=False)
