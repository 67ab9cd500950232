"""The person's side of `build --on-error shell`: what has failed, and a terminal for the shell.

See  build/failed_shell.py; cli/screen.py
"""

from __future__ import annotations

import os

from minirun.cli.printing import say

_HELP = "A shell in the state before it, with its mounts, network and user; nothing of this is kept.  exit ends it."


class Terminal:
    """Ours, if there is one."""

    def announce(self, lines: list[str]) -> bool:
        if not (os.isatty(0) and os.isatty(1)):
            self.say("--on-error shell: standard input and output are not a terminal, so there is no shell")
            return False
        for line in ["", *lines, _HELP]:
            say(line, err=True)
        return True

    def attend(self, master: int) -> None:
        from minirun.cli import screen  # termios, for those who get there

        screen.show(master)

    def say(self, line: str) -> None:
        say(f"minirun: {line}", err=True)
