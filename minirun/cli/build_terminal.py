"""A build on a terminal: what is done, what is being done with the last lines it printed, and the time it takes.

    [+] Building 3.1s (5/9)
     => [internal] load build context                                     0.0s
     => => transferring context: 6.14kB                                   0.0s
     => CACHED [builder 2/4] WORKDIR /src                                 0.0s
     => [builder 3/4] RUN make                                            2.9s
     => => # cc -c main.c
     => => # cc -c util.c

There is no thread: it is drawn when something happens, and when nothing does.

See  picture.py
"""

from __future__ import annotations

import time

from minirun.cli.build_output import Shown, amount, visible
from minirun.cli.picture import Picture, size
from minirun.cli.widths import shortened, width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from minirun.build.progress import Vertex

_SECONDS = 0.1  # between two pictures
_LAST_LINES = 500  # that are repeated of a vertex that failed: on the screen there were six
_OUTPUT_ROWS = 6  # of one vertex
_NARROWEST_NAME = 12  # columns; before a name becomes shorter, its time is left out
_COMPLETED, _FAILED, _CANCELED, _FAINT = "\x1b[34m", "\x1b[31m", "\x1b[33m", "\x1b[2m"


class Status:
    """One part of a vertex, with a line of its own."""

    def __init__(self) -> None:
        self.done, self.total = 0, 0
        self.started, self.completed = time.time(), 0.0


class Row:
    """A line of the picture before it is cut to the terminal's width."""

    def __init__(self, text: str, seconds: float | None, colour: str, running: bool) -> None:
        self.text = text
        self.seconds = seconds
        self.colour = colour
        self.running = running


class Terminal(Shown):
    """Draws itself again when something happens or when nothing does, but not more often than people can see."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream, _LAST_LINES)
        self._statuses: dict[Vertex, dict[str, Status]] = {}
        self._begun = time.monotonic()
        self._last = 0.0
        self._picture = Picture(stream)

    def start(self, vertex: Vertex) -> None:
        super().start(vertex)
        self.idle()

    def cached(self, vertex: Vertex) -> None:
        super().cached(vertex)
        self.idle()

    def output(self, vertex: Vertex, stream: int, data: bytes) -> None:
        self._output(vertex).add(data)
        self.idle()

    def status(
        self, vertex: Vertex, name: str, done: int = 0, total: int = 0, *, completed: bool = False
    ) -> None:
        status = self._statuses.setdefault(vertex, {}).setdefault(name, Status())
        status.done, status.total = done or status.done, total or status.total
        if completed:
            status.completed = time.time()
        self.idle()

    def done(self, vertex: Vertex) -> None:
        super().done(vertex)
        self.idle()

    def failed(self, vertex: Vertex, message: str) -> None:
        super().failed(vertex, message)
        self._output(vertex).end()
        self.idle()

    def canceled(self, vertex: Vertex) -> None:
        super().canceled(vertex)
        self.idle()

    def idle(self) -> None:
        now = time.monotonic()
        if now - self._last >= _SECONDS and not self._closed:
            self._last = now
            self._draw()

    def pause(self) -> None:
        """The picture as it is now stays; the next one comes below what others write."""
        self._draw(whole=True)
        self._picture.leave()
        self._repeat_failures()

    def close(self) -> None:
        self._draw(whole=True)
        self._picture.leave()
        super().close()

    # ---- the picture ----

    def _draw(self, *, whole: bool = False) -> None:
        """`whole`: all lines, though some of them scroll away."""
        columns, rows = size(self._stream)
        lines = self._rows()
        if not whole:
            lines = _chosen(lines, rows - 2)
        heading = [(self._heading(whole)[: columns - 1], "")]
        self._picture.draw([heading, *([(_cut(row, columns - 1), row.colour)] for row in lines)])

    def _heading(self, whole: bool) -> str:
        completed = sum(vertex.completed > 0 for vertex in self.vertices)
        failed = any(vertex.error or vertex.canceled for vertex in self.vertices)
        end = " FINISHED" if whole and not failed and completed == len(self.vertices) else ""
        seconds = time.monotonic() - self._begun
        return f"[+] Building {seconds:.1f}s ({completed}/{max(len(self.expected), completed)}){end}"

    def _rows(self) -> list[Row]:
        found: list[Row] = []
        for vertex in self.vertices:
            colour, word = _state(vertex)
            text = f" => {word}{visible(vertex.name)}"
            found.append(Row(text, vertex.seconds, colour, vertex.is_running))
            for name, status in self._statuses.get(vertex, {}).items():
                found.append(_status_row(name, status, vertex))
            if vertex.is_running:
                found += [Row(f" => => # {line}", None, _FAINT, True) for line in self._printed(vertex)]
        return found

    def _printed(self, vertex: Vertex) -> list[str]:
        """The last lines, without their times; the one that is not ended, too."""
        output = self._output(vertex)
        lines = [line.partition(" ")[2] for line in list(output.last)[-_OUTPUT_ROWS:]] + [output.unfinished]
        return list(filter(None, lines))[-_OUTPUT_ROWS:]


def _state(vertex: Vertex) -> tuple[str, str]:
    """The colour and the first word of its line."""
    if vertex.canceled:
        return _CANCELED, "CANCELED "
    if vertex.error:
        return _FAILED, "ERROR "
    if vertex.cached:
        return _COMPLETED, "CACHED "
    return (_COMPLETED if vertex.completed else ""), ""


def _status_row(name: str, status: Status, vertex: Vertex) -> Row:
    completed = status.completed or vertex.completed
    seconds = (completed or time.time()) - status.started
    text = " ".join(filter(None, (f" => => {visible(name)}", amount(status.done, status.total))))
    return Row(text, seconds, _COMPLETED if completed else "", not completed)


def _chosen(rows: list[Row], room: int) -> list[Row]:
    """Those that fit: what runs comes first, what it printed and what was completed last fill the rest."""
    if len(rows) <= room:
        return rows
    by_weight = sorted(range(len(rows)), key=lambda at: (_weight(rows[at]), at), reverse=True)
    kept = sorted(by_weight[: max(room, 0)])
    return [rows[at] for at in kept]


def _weight(row: Row) -> int:
    return 0 if not row.running else 1 if row.seconds is None else 2


def _cut(row: Row, columns: int) -> str:
    """The text and, at the right edge, the seconds; in at most `columns`."""
    if row.seconds is None:
        return shortened(row.text, columns)
    timer = f" {row.seconds if row.seconds >= 0.05 else 0:.1f}s"
    left = columns - len(timer)
    if left < _NARROWEST_NAME:
        return shortened(row.text, columns)
    text = shortened(row.text, left)
    return text + " " * (left - width(text)) + timer
