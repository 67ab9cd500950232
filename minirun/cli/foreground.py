"""Stay in front of a container's process: its signals, its exit code.

See  signal(7); screen.py for its terminal
"""

from __future__ import annotations

import os

from minirun.linux import signals
from minirun.runtime import process

# HUP INT QUIT USR1 USR2 TERM CONT.  CHLD tells us about our own child, WINCH about our own window, PIPE about our
# own output; STOP and KILL cannot be caught.
FORWARDED = (1, 2, 3, 10, 12, 15, 18)


def pass_signals_on(pid: int) -> None:
    """To our child `pid`, from now on."""
    for number in FORWARDED:
        signals.signal(number, lambda caught, _frame: _pass_on(pid, caught))


def wait(pid: int, master: int = -1) -> int:
    """Wait for our child `pid`; `master` is its terminal, if it has one.

    Returns the exit code as a shell would give it.
    """
    if master >= 0:
        from minirun.cli import screen  # termios, select and more, for those who have a terminal

        screen.show(master)
    return process.exit_code(os.waitpid(pid, 0)[1])


def _pass_on(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
