"""In front of a container whose shim we talk to: our keyboard to it, its output to us, until it ends.

See  termios(3) for raw mode; engine/channel.py for the messages
"""

from __future__ import annotations

import contextlib
import os
import select
import signal

from minirun.cli.foreground import FORWARDED
from minirun.cli.screen import raw_terminal
from minirun.engine import channel
from minirun.errors import MinirunError
from minirun.runtime import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket


def own_size() -> tuple[int, int]:
    """(rows, columns) of our terminal, asked of whichever stream is one; (0, 0) without any."""
    for fd in (0, 1, 2):
        if os.isatty(fd):
            return terminal.size(fd)
    return 0, 0


def attach(sock: socket.socket, *, interactive: bool, tty: bool) -> tuple[int, bool]:
    """Stay until the container ends.  Returns (its exit code, whether memory.max killed it)."""
    with raw_terminal(0) if tty and interactive else contextlib.nullcontext():
        _pass_signals(sock, tty)
        return _pump(sock, interactive)


def _pass_signals(sock: socket.socket, tty: bool) -> None:
    for number in FORWARDED:
        if not (
            tty and number in (signal.SIGTERM, signal.SIGHUP)
        ):  # those end us, with the terminal put right
            signal.signal(number, lambda caught, _frame: channel.send_json(sock, channel.SIGNAL, caught))
    if tty:
        signal.signal(signal.SIGWINCH, lambda *_: channel.send_json(sock, channel.RESIZE, own_size()))


def _pump(sock: socket.socket, interactive: bool) -> tuple[int, bool]:
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    if interactive:
        poll.register(0, select.POLLIN)
    while True:
        for fd, _events in poll.poll():
            if fd != sock.fileno():
                if not _send_input(sock):
                    poll.unregister(0)
                continue
            kind, content = channel.receive(sock)
            if kind in (channel.STDOUT, channel.STDERR):
                _write_all(1 if kind == channel.STDOUT else 2, content)
            elif kind == channel.EXITED:
                return channel.exited(content)
            elif kind == channel.FAILED:
                raise channel.error(content)
            elif not kind:
                raise MinirunError(
                    "the shim of the container was killed", "`minirun ps -a` has cleaned up after it"
                )


def _send_input(sock: socket.socket) -> bool:
    """Pass on what was typed; at the end of our stdin the program's is closed too.  False at the end."""
    try:
        data = os.read(0, 32768)
    except OSError:
        data = b""
    channel.send(sock, channel.STDIN if data else channel.STDIN_END, data)
    return bool(data)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
