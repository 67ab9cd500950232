"""Our terminal, while a container's terminal is shown in it.

See  termios(3) on raw mode, tty_ioctl(4) TIOCSWINSZ, poll(2)
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import tty

from minirun.runtime import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def show(master: int) -> None:
    """Connect our terminal with the container's, until nobody in there has it open any more."""
    with raw_terminal(0):
        follow_size(master)
        _copy_until_closed(master)


def follow_size(master: int) -> None:
    """Give the container's terminal our size, now and whenever ours changes."""

    def resize(*_: object) -> None:
        with contextlib.suppress(OSError):
            terminal.set_size(master, *terminal.size(0))

    resize()
    signal.signal(signal.SIGWINCH, resize)


@contextlib.contextmanager
def raw_terminal(fd: int) -> Iterator[None]:
    """Raw mode for the length of the block: every key goes to the container, Ctrl-C too.

    SIGTERM and SIGHUP would end Python without a `finally`, so they become SystemExit in here.
    """
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda caught, _frame: sys.exit(128 + caught))
    try:
        tty.setraw(fd, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _copy_until_closed(master: int) -> None:
    poll = select.poll()
    poll.register(master, select.POLLIN)
    poll.register(0, select.POLLIN)
    while True:
        for fd, _events in poll.poll():
            if fd == master:
                data = _read(master)
                if not data:
                    return
                os.write(1, data)
            else:
                data = _read(0)
                if data:
                    os.write(master, data)
                else:
                    poll.unregister(0)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # EIO: the last process of the terminal has gone
        return b""
