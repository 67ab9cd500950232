"""The containers, networks and images of a project on a terminal: what is done, what is being done, since when.

    [+] up 2/4
     ✔ Network p_default    Created                                 0.1s
     ✔ Container p-db-1     Healthy                                 2.1s
     ⠙ Container p-web-1    Starting                                0.2s
     ⠙ Image nginx [⣿⣿⣄] 12.3MB / 24.1MB   Pulling                  1.2s

A thread draws it ten times a second while something is being done, so that the times go on.

See  picture.py; docker compose up, whose picture this is
"""

from __future__ import annotations

import threading
import time

from minirun.cli.build_output import amount, visible
from minirun.cli.compose.report_lines import DRY_RUN, LAYER_DONE, Shown
from minirun.cli.picture import PLAIN, Picture, size
from minirun.cli.printing import draw
from minirun.cli.widths import shortened, width
from minirun.image.progress import Progress as Pull
from minirun.printable import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from minirun.build.progress import Progress as Build
    from minirun.cli.picture import Piece

_SECONDS = 0.1  # between two pictures
_GREEN, _YELLOW, _RED, _BLUE, _BOLD_RED = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[34m", "\x1b[1;31m"
_COLOURS = {"done": _GREEN, "warning": _YELLOW, "error": _BOLD_RED}
_MARKS = {"done": "✔", "warning": "!", "error": "✘"}
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SHARES = "⠀⡀⣀⣄⣤⣦⣶⣷⣿"  # of a layer that have come, in eighths
_LEAST_NAME, _MOST_STATUS = 10, 20  # columns


class Layer:
    """Of an image that is pulled."""

    def __init__(self) -> None:
        self.done, self.total = 0, 0
        self.complete = False


class Task:
    """One resource, and what it is at."""

    def __init__(self, resource: str, now: float) -> None:
        self.resource = resource
        self.state = "working"  # done, warning, error
        self.text, self.details = "", ""
        self.begun, self.ended = now, 0.0
        self.layers: dict[str, Layer] = {}

    def enter(self, state: str, text: str, details: str, now: float) -> None:
        if state != "working" and self.state == "working":
            self.ended = now
        self.state, self.text, self.details = state, text, details

    def seconds(self, now: float) -> float:
        return (now if self.state == "working" else self.ended) - self.begun

    def mark(self, now: float) -> Piece:
        if self.state in _MARKS:
            return _MARKS[self.state], _COLOURS[self.state]
        return _SPINNER[int((now - self.begun) / _SECONDS) % len(_SPINNER)], _YELLOW

    def name(self, *, sizes: bool = True) -> list[Piece]:
        """The resource; of an image that is coming also how much of each of its layers is here, and their `sizes`."""
        pieces: list[Piece] = [(one_line(self.resource), "")]
        layers = list(self.layers.values())
        if not layers or self.state != "working":
            return pieces
        pieces += [(" [", ""), ("".join(map(_share, layers)), _GREEN), ("]", "")]
        if sizes and all(layer.total or layer.complete for layer in layers):
            pieces.append((f" {_amount(layers)}".rstrip(), ""))
        return pieces


def _amount(layers: list[Layer]) -> str:
    return amount(sum(layer.done for layer in layers), sum(layer.total for layer in layers))


def _share(layer: Layer) -> str:
    eighths = 8 if layer.complete else 8 * layer.done // layer.total if layer.total else 0
    return _SHARES[min(eighths, 8)]


class Terminal(Shown):
    """Draws until it is closed; what is told after that are lines between those of containers."""

    build_mode = "auto"

    def __init__(self, stream: TextIO, operation: str, *, dry_run: bool = False) -> None:
        super().__init__(stream)
        self.dry_run = dry_run
        self._operation = operation
        self._prefix = DRY_RUN if dry_run else ""
        self._tasks: dict[str, Task] = {}
        self._expected: set[str] = set()
        self._picture = Picture(stream)
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._building = False

    def expect(self, resources: list[str]) -> None:
        with self._lock:
            self._expected.update(resources)

    def working(self, resource: str, text: str) -> None:
        self._enter(resource, "working", text)

    def done(self, resource: str, text: str) -> None:
        self._enter(resource, "done", text)

    def warn(self, resource: str, text: str) -> None:
        self._enter(resource, "warning", text)

    def failed(self, resource: str, text: str) -> None:
        self._enter(resource, "error", "Error", text)

    def write(self, text: str) -> None:
        """Above the picture, which is drawn anew below it."""
        if self._tasks:
            self._picture.draw([])
        super().write(text)
        self._picture.leave()

    def announce(self, text: str) -> None:
        self.go_between_lines()
        draw(f"{_BOLD_RED}{text}{PLAIN}", file=self._stream)

    def go_between_lines(self) -> None:
        self.close()

    def pull(self, resource: str) -> Pull:
        if self.quiet_pull:
            return Pull()
        with self._lock:
            return Layers(self._task(resource))

    def build(self, resource: str) -> Build:
        """The build's own display has the terminal until the next news."""
        with self._lock:
            if not self._building:
                self._building = not self.quiet_build
                self._draw()
                self._picture.leave()
            return super().build(resource)

    def pause(self) -> None:
        with self._lock:
            super().pause()
            self._draw(whole=True)
            self._picture.leave()
            self._building = False

    def close(self) -> None:
        self._ending.set()
        if self._thread:
            self._thread.join()
        self.pause()
        with self._lock:
            self._tasks, self._thread = {}, None

    # ---- the picture --------------------------------------------------------------------------------------------

    def _enter(self, resource: str, state: str, text: str, details: str = "") -> None:
        with self._lock:
            if self._ending.is_set():
                self._tell(resource, state, text, details)
                return
            self._task(resource).enter(state, text, details, time.monotonic())
            if self._building and text != "Building":
                self._end_building()
            if not self._thread:
                self._thread = threading.Thread(target=self._go_on, daemon=True)
                self._thread.start()

    def _end_building(self) -> None:
        if not any(task.text == "Building" for task in self._tasks.values()):
            self._end_builds()
            self._building = False

    def _task(self, resource: str) -> Task:
        return self._tasks.setdefault(resource, Task(resource, time.monotonic()))

    def _go_on(self) -> None:
        while not self._ending.wait(_SECONDS):
            with self._lock:
                if not self._building:
                    self._draw()

    def _draw(self, *, whole: bool = False) -> None:
        """`whole`: all rows, though some of them scroll away."""
        if not self._tasks:
            return
        columns, rows = size(self._stream)
        tasks = self._chosen(0 if whole else rows - 2)
        lines = [[(self._heading(), "")], *laid_out(tasks, self._prefix, columns - 1, time.monotonic())]
        if left_out := len(self._tasks) - len(tasks):
            lines.append([(f" ... {left_out} more", "")])
        self._picture.draw([clipped(line, columns - 1) for line in lines])

    def _heading(self) -> str:
        completed = sum(task.state != "working" for task in self._tasks.values())
        return f"[+] {self._operation} {completed}/{len(self._expected.union(self._tasks))}"

    def _chosen(self, room: int) -> list[Task]:
        """Those that fit, 0: all; what is being done or went wrong comes first, then what was done last."""
        tasks = list(self._tasks.values())
        if not room or len(tasks) <= room:
            return tasks
        by_weight = sorted(tasks, key=lambda task: (task.state != "done", task.ended))
        chosen = by_weight[-max(room - 1, 1) :]
        return [task for task in tasks if task in chosen]

    def _tell(self, resource: str, state: str, text: str, details: str) -> None:
        """A line between those that containers print, which tell by themselves that they have started."""
        if text not in ("Starting", "Started", "Running"):
            colour = _COLOURS.get(state, _GREEN)
            words = f"{one_line(resource)} {colour}{one_line(text)}{PLAIN} {one_line(details)}"
            draw(words, file=self._stream)


class Layers(Pull):
    """What a pull tells, noted for the next picture."""

    def __init__(self, task: Task) -> None:
        self._layers = task.layers

    def layer(self, name: str, status: str) -> None:
        layer = self._layers.setdefault(name, Layer())
        layer.complete = status in LAYER_DONE

    def advance(self, name: str, status: str, done: int, total: int) -> None:
        layer = self._layers.setdefault(name, Layer())
        if status == "Downloading":
            layer.done, layer.total = done, total


# ---- rows ---------------------------------------------------------------------------------------------------------


def laid_out(tasks: list[Task], prefix: str, columns: int, now: float) -> list[list[Piece]]:
    """A row for each, in at most `columns`: names of one width, then the status, and the times at the right edge."""
    if not tasks:
        return []
    timers = max(len(_timer(task, now)) for task in tasks)
    status = min(max(width(task.text) for task in tasks), _MOST_STATUS)
    room = max(columns - 3 - status - 2 - timers, _LEAST_NAME)
    names = min(max(width(prefix) + _width(task.name()) for task in tasks), room)
    return [_row(task, prefix, names, columns - timers - 1, now) for task in tasks]


def _row(task: Task, prefix: str, names: int, room: int, now: float) -> list[Piece]:
    """`names` are the columns of the name, `room` those before the blank and the time."""
    name = task.name() if width(prefix) + _width(task.name()) <= names else task.name(sizes=False)
    row = _fitted([(" ", ""), task.mark(now), (prefix, ""), (" ", ""), *name], 3 + names)
    row += [
        (" " * (3 + names - _width(row)), ""),
        (" ", ""),
        (one_line(task.text), _COLOURS.get(task.state, "")),
    ]
    row += [(f" {visible(' '.join(task.details.split()))}", "")] if task.details else []
    row = _fitted(row, room)
    timer = _timer(task, now)
    return [*row, (" " * (room - _width(row) + 1), ""), (timer, _BLUE)]


def clipped(line: list[Piece], columns: int) -> list[Piece]:
    """The pieces that are within `columns`, whatever they are: a row that is wider would become two."""
    found: list[Piece] = []
    for text, colour in line:
        found.append((shortened(text, columns - _width(found)), colour))
    return found


def _timer(task: Task, now: float) -> str:
    return f"{task.seconds(now):.1f}s"


def _width(pieces: list[Piece]) -> int:
    return sum(width(text) for text, _ in pieces)


def _fitted(pieces: list[Piece], columns: int) -> list[Piece]:
    """The same in at most `columns`, with three dots where something is missing."""
    return pieces if _width(pieces) <= columns else [*clipped(pieces, columns - 3), ("...", "")]
