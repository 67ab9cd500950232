"""What lines and a live display of a build have in common: the output of its vertices, made harmless.

See  build_progress.py, build_terminal.py
"""

from __future__ import annotations

import re
from collections import deque

from minirun.build.progress import Progress
from minirun.cli.printing import say
from minirun.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from minirun.build.progress import Vertex

_LONGEST_LINE = 1 << 16
# CSI and OSC sequences, and what else begins with ESC: ECMA-48, console_codes(4)
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")


class Output:
    """What a vertex printed, in lines; each has the seconds since the vertex's start before it."""

    def __init__(self, vertex: Vertex, kept: int, made: Callable[[str], str]) -> None:
        """`made` of each line is shown, and `kept` lines are remembered."""
        self._vertex = vertex
        self._made = made
        self._partial = b""
        self.last: deque[str] = deque(maxlen=kept)

    def add(self, data: bytes) -> list[str]:
        """The lines that `data` completes."""
        *whole, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > _LONGEST_LINE:
            whole, self._partial = [*whole, self._partial], b""
        return self._add_lines(whole)

    def end(self) -> list[str]:
        """The line that was never ended, if there is one."""
        rest, self._partial = self._partial, b""
        return self._add_lines([rest] if rest else [])

    @property
    def unfinished(self) -> str:
        return self._made(self._partial.decode(errors="replace"))

    def _add_lines(self, lines: list[bytes]) -> list[str]:
        seconds = self._vertex.seconds
        digits = 3 if seconds < 10 else 2 if seconds < 100 else 1
        made = [f"{seconds:.{digits}f} {self._made(line.decode(errors='replace'))}" for line in lines]
        self.last.extend(made)
        return made


def visible(line: str) -> str:
    r"""What is to be seen of a line in the end: of `10%\r20%` the 20%, and neither colours nor what moves a cursor.

    >>> visible("\x1b[32m10%\r20%\x1b[0m\r")
    '20%'
    """
    if line.isprintable():
        return line
    text = _ESCAPES.sub("", line).expandtabs()
    return printable(text.rstrip("\r").rpartition("\r")[2], "")


def amount(done: int, total: int) -> str:
    """`6.14kB / 28.11MB`, with two digits after the point; "" for nothing."""
    if total:
        return f"{_size(done)} / {_size(total)}"
    return _size(done) if done else ""


def _size(count: float) -> str:
    if count < 1000:
        return f"{count}B"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 999.995:
            return f"{count:.2f}{unit}"
    return f"{count / 1000:.2f}TB"


class Shown(Progress):
    """What lines and a terminal have in common: the output of each vertex, and what is said at the end."""

    def __init__(self, stream: TextIO, kept: int) -> None:
        super().__init__()
        self._stream = stream
        self._kept = kept  # lines of each vertex, for the end
        self._made = visible if stream.isatty() else str  # a program gets them as they are
        self._outputs: dict[Vertex, Output] = {}
        self._repeated: set[Vertex] = set()
        self._closed = False

    def close(self) -> None:
        """Nothing more is shown then, whatever threads of a push that was interrupted still have to tell."""
        self._repeat_failures()
        self._closed = True

    def _repeat_failures(self) -> None:
        """Once more what those that failed have said last, for it may be far above, or gone from the screen."""
        for vertex in self.vertices:
            said = self._output(vertex).last
            if vertex in self._repeated or not vertex.error or vertex.canceled:
                continue
            self._repeated.add(vertex)
            if said or not vertex.name.startswith("[internal]"):
                self._print("------", f" > {vertex.name}:", *said, "------")

    def _output(self, vertex: Vertex) -> Output:
        if vertex not in self._outputs:
            self._outputs[vertex] = Output(vertex, self._kept, self._made)
        return self._outputs[vertex]

    def _print(self, *lines: str) -> None:
        if not self._closed:
            say("\n".join(lines), file=self._stream)
