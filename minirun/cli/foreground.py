"""Stay in front of a container's process: its terminal, its signals, its exit code.

See  termios(3) on raw mode, signalfd's older cousin signal.set_wakeup_fd, select(2)
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import tty

from minirun.runtime import process, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# CHLD tells us about our own child, WINCH about our own window; STOP and KILL cannot be caught.
_NOT_FORWARDED = {signal.SIGCHLD, signal.SIGWINCH, signal.SIGURG, signal.SIGPIPE}
FORWARDED = [number for number in (1, 2, 3, 10, 12, 15, 18) if number not in _NOT_FORWARDED]


def wait(pid: int, master: int = -1) -> int:
    """Wait for our child `pid`, passing signals on; `master` is its terminal, if it has one.

    Returns the exit code as a shell would give it.
    """
    for number in FORWARDED:
        signal.signal(number, lambda caught, _frame: _pass_on(pid, caught))
    if master >= 0:
        with raw_terminal(0):
            follow_size(master)
            _copy_until_closed(master)
    return process.exit_code(os.waitpid(pid, 0)[1])


def _pass_on(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


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
