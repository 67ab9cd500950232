"""The question at a `--step`: what the run is about to do, where to look, and whether to go on.

See  teach/stepping.py for what is said
"""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

from minirun.cli.printing import say
from minirun.errors import UsageError
from minirun.teach import stepping

if TYPE_CHECKING:
    from minirun.teach.events import Step
    from minirun.teach.names import Names

GO_ON, QUIT = b"c", b"q"
_QUESTION = "  Enter or c: next   q: clean up and leave > "


class Prompt:
    """Asks on the terminal.  After a `q`, or the end of the input, every further stop is answered with it."""

    def __init__(self, names: Names, own_stdin: bool) -> None:
        """`own_stdin`: standard input is the program's; unless it is a terminal, we ask on /dev/tty."""
        self.names = names
        self.fd = _open_input(own_stdin)
        self.given_up = False
        self.wake, self.woken = os.pipe()

    def ask(self, step: Step) -> bytes:
        """One stop: GO_ON or QUIT."""
        if self.given_up:
            return QUIT
        say(f"\n{stepping.describe(step, self.names)}", err=True)
        while True:
            say(_QUESTION, err=True, end="")
            line = self._read_line()
            self._end_line()
            if line in ("\n", "c\n", "C\n"):
                return GO_ON
            if line in ("", "q\n", "Q\n"):
                self.given_up = True
                return QUIT

    def give_up(self) -> None:
        """Answer the present question, and all others, with QUIT.  From another thread, or a signal's handler."""
        self.given_up = True
        os.write(self.woken, b"q")

    def _end_line(self) -> None:
        """A terminal has shown the Enter that was pressed; elsewhere the line is still open."""
        if not os.isatty(self.fd):
            say("", err=True)

    def _read_line(self) -> str:
        """A line, read byte by byte: what comes after it is the program's.  "" at the end or when given up."""
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.fd, self.wake], [], [])
            if self.wake in ready:
                return ""
            byte = os.read(self.fd, 1)
            if not byte:
                return ""
            line += byte
        return line.decode(errors="replace").lstrip(" \t")


def _open_input(own_stdin: bool) -> int:
    if os.isatty(0) or not own_stdin:
        return 0
    try:
        return os.open("/dev/tty", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        hint = "standard input is the program's (-i), and there is no other terminal to ask on"
        raise UsageError("--step needs a terminal", hint) from None
