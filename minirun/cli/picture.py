"""A picture on a terminal that is drawn again over itself: a build, the containers of a project.

The whole picture is written in one piece, over the one before it: the cursor goes up as many rows as that one has
now, which are more when the terminal has become narrower meanwhile.  Nothing of the terminal is changed for longer
than one write(2), so there is nothing to restore.

See  console_codes(4); https://no-color.org
"""

from __future__ import annotations

import os

from minirun.cli.widths import width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    Piece = tuple[str, str]
    """Some text, and the escape sequence of its colour or ""."""

_UP, _ERASE_LINE, _ERASE_BELOW = "\x1b[{}A", "\x1b[K", "\x1b[J"
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
PLAIN = "\x1b[0m"


class Picture:
    """What is on the screen, and how to write the next one over it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._widths: list[int] = []  # of the lines on the screen
        self._colours = not os.environ.get("NO_COLOR")

    def draw(self, lines: list[list[Piece]]) -> None:
        """Each line is narrower than the terminal: size(), widths.shortened()."""
        columns, _ = size(self._stream)
        up = sum(-(-width // columns) or 1 for width in self._widths)
        body = "".join(f"{self._coloured(line)}{_ERASE_LINE}\n" for line in lines)
        start = "\r" + (_UP.format(up) if up else "")
        self._stream.write(f"{_HIDE}{start}{body}{_ERASE_BELOW}{_SHOW}")
        self._stream.flush()
        self._widths = [sum(width(text) for text, _ in line) for line in lines]

    def leave(self) -> None:
        """What is on the screen stays; the next picture comes below what others write."""
        self._widths = []

    def _coloured(self, line: list[Piece]) -> str:
        return "".join(
            f"{colour}{text}{PLAIN}" if colour and self._colours else text for text, colour in line
        )


def size(stream: TextIO) -> tuple[int, int]:
    """(columns, rows) of this very terminal, now; one that was never told its size says 0."""
    try:
        columns, rows = os.get_terminal_size(stream.fileno())
    except OSError:  # it has gone, and we with it as soon as we write
        columns, rows = 0, 0
    return columns or 80, rows or 24


def can_draw(stream: TextIO) -> bool:
    """Whether it is a terminal on which the cursor can be moved."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")
