"""What a build shows while it works: lines where a program or a log reads, a live display on a terminal.

    #5 [builder 2/4] RUN make          plain: a block for each vertex,
    #5 0.123 cc -c main.c              with what it printed and when,
    #5 ...                             and is to be continued when another one has its turn
    #5 DONE 0.4s                       or CACHED, ERROR: why, CANCELED

    rawjson    a line of JSON for each piece of news, as BuildKit's clients read it
    quiet      nothing but what a step that failed printed last; the image's id at the end is not this file's

See      buildkit util/progress/progressui/printer.go and client/graph.go, whose lines these are
Next     build_terminal.py
"""

from __future__ import annotations

import contextlib
import time

from minirun.build.progress import Progress
from minirun.cli import picture
from minirun.cli.build_output import Shown, amount
from minirun.cli.printing import say
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TextIO

    from minirun.build.progress import Vertex, Warning

_TURN_SECONDS = 5.0  # that one vertex has the lines to itself while others wait
_STATUS_SECONDS, _STATUS_SHARE = 5.0, 0.05  # a status is told again after so long, or so much more
_LAST_LINES = 10  # that are repeated of a vertex that failed


@contextlib.contextmanager
def show(mode: str, stream: TextIO) -> Iterator[Progress]:
    """Progress for who reads `stream`; at the end, whatever it is, the terminal is left in order.

    Raises UsageError when a terminal is asked for and there is none.
    """
    if mode == "tty" and not stream.isatty():
        raise UsageError("--progress tty: standard error is not a terminal", "--progress plain")
    shown = _of_mode(mode, stream)
    try:
        yield shown
    finally:
        if isinstance(shown, Shown):
            shown.close()


def _of_mode(mode: str, stream: TextIO) -> Progress:
    if mode == "rawjson":
        return RawJson(stream)
    if mode in ("quiet", "none"):
        return Quiet(stream, _LAST_LINES)
    if mode == "tty" or (mode == "auto" and picture.can_draw(stream)):
        from minirun.cli.build_terminal import Terminal  # nobody else draws

        return Terminal(stream)
    return Plain(stream)


class Plain(Shown):
    """One vertex has the lines at a time; the others' news wait, unless they are that it is completed."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream, _LAST_LINES)
        self._current: Vertex | None = None
        self._turn = 0.0  # since when
        self._waiting: dict[Vertex, list[str]] = {}  # lines, of those who have something to tell
        self._told: dict[
            tuple[Vertex, str], tuple[float, float, int]
        ] = {}  # status -> begun, last told, done
        self._first = True

    def start(self, vertex: Vertex) -> None:
        super().start(vertex)
        self._tell(vertex)

    def cached(self, vertex: Vertex) -> None:
        super().cached(vertex)
        self._tell(vertex, "CACHED")

    def output(self, vertex: Vertex, stream: int, data: bytes) -> None:
        if lines := self._output(vertex).add(data):
            self._tell(vertex, *lines)

    def status(
        self, vertex: Vertex, name: str, done: int = 0, total: int = 0, *, completed: bool = False
    ) -> None:
        now = time.monotonic()
        begun, last, before = self._told.get((vertex, name), (now, 0.0, 0))
        more = (done - before) / total if total else 0.0
        if last and not completed and more < _STATUS_SHARE and now - last < _STATUS_SECONDS:
            return
        self._told[vertex, name] = (begun, now, done)
        seconds = f"{now - begun:.1f}s" if now - begun > 0.01 else ""
        words = (name, amount(done, total), seconds, "done" if completed else "")
        self._tell(vertex, " ".join(filter(None, words)))

    def done(self, vertex: Vertex) -> None:
        super().done(vertex)
        self._tell(vertex, *self._output(vertex).end(), f"DONE {vertex.seconds:.1f}s")

    def failed(self, vertex: Vertex, message: str) -> None:
        super().failed(vertex, message)
        self._tell(vertex, *self._output(vertex).end(), f"ERROR: {message}")

    def canceled(self, vertex: Vertex) -> None:
        super().canceled(vertex)
        self._tell(vertex, *self._output(vertex).end(), "CANCELED")

    def idle(self) -> None:
        if self._waiting and time.monotonic() - self._turn > _TURN_SECONDS:
            self._turn_to(next(iter(self._waiting)))

    def _tell(self, vertex: Vertex, *lines: str) -> None:
        self._waiting.setdefault(vertex, []).extend(f"#{vertex.number} {line}" for line in lines)
        if self._current in (None, vertex) or vertex.completed:
            self._turn_to(vertex)

    def _turn_to(self, vertex: Vertex) -> None:
        """Print what `vertex` has to tell; when it is completed, the one that waits longest comes next."""
        lines = self._waiting.pop(vertex)
        if vertex is not self._current:
            lines = [*self._heading(vertex), *lines]
            self._current, self._turn = vertex, time.monotonic()
        if lines:
            self._print(*lines)
        if vertex.completed:
            self._current = None
            if self._waiting:
                self._turn_to(next(iter(self._waiting)))

    def _heading(self, vertex: Vertex) -> list[str]:
        interrupted = [f"#{self._current.number} ..."] if self._current else []
        gap, self._first = [] if self._first else [""], False
        return [*interrupted, *gap, f"#{vertex.number} {vertex.name}"]


class Quiet(Shown):
    """Silent while all goes well; at the end what those that failed have said last."""

    def output(self, vertex: Vertex, stream: int, data: bytes) -> None:
        self._output(vertex).add(data)

    def failed(self, vertex: Vertex, message: str) -> None:
        super().failed(vertex, message)
        self._output(vertex).end()


class RawJson(Progress):
    """BuildKit's SolveStatus, one for each piece of news, a line each."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._begun: dict[tuple[Vertex, str], float] = {}

    def start(self, vertex: Vertex) -> None:
        super().start(vertex)
        self._vertex(vertex)

    def cached(self, vertex: Vertex) -> None:
        super().cached(vertex)
        self._vertex(vertex)

    def done(self, vertex: Vertex) -> None:
        super().done(vertex)
        self._vertex(vertex)

    def failed(self, vertex: Vertex, message: str) -> None:
        super().failed(vertex, message)
        self._vertex(vertex)

    def canceled(self, vertex: Vertex) -> None:
        super().canceled(vertex)
        self._vertex(vertex)

    def output(self, vertex: Vertex, stream: int, data: bytes) -> None:
        import base64

        text = base64.b64encode(data).decode()
        log = {"vertex": _digest(vertex), "stream": stream, "data": text, "timestamp": _moment(time.time())}
        self._write({"logs": [log]})

    def status(
        self, vertex: Vertex, name: str, done: int = 0, total: int = 0, *, completed: bool = False
    ) -> None:
        now = time.time()
        begun = self._begun.setdefault((vertex, name), now)
        status = {"id": name, "vertex": _digest(vertex), "current": done, "timestamp": _moment(now)}
        status |= {"total": total} if total else {}
        status |= {"started": _moment(begun)} | ({"completed": _moment(now)} if completed else {})
        self._write({"statuses": [status]})

    def warn(self, warning: Warning) -> None:
        super().warn(warning)
        import base64

        short = base64.b64encode(f"{warning.rule}: {warning.message}".encode()).decode()
        span = [{"start": {"line": warning.lines[0]}, "end": {"line": warning.lines[1]}}]
        self._write({"warnings": [{"level": 1, "short": short, "url": warning.url, "range": span}]})

    def _vertex(self, vertex: Vertex) -> None:
        told: dict[str, Any] = {"digest": _digest(vertex), "name": vertex.name}
        for key in ("started", "completed"):
            if moment := getattr(vertex, key):
                told[key] = _moment(moment)
        told |= {"cached": True} if vertex.cached else {}
        error = "context canceled" if vertex.canceled else vertex.error
        self._write({"vertexes": [told | ({"error": error} if error else {})]})

    def _write(self, value: dict[str, Any]) -> None:
        import json

        say(json.dumps(value, separators=(",", ":")), file=self._stream)


def _digest(vertex: Vertex) -> str:
    """Clients tell vertices apart by it."""
    if vertex.digest:
        return vertex.digest
    import hashlib

    return f"sha256:{hashlib.sha256(f'{vertex.number} {vertex.name}'.encode()).hexdigest()}"


def _moment(seconds: float) -> str:
    whole, fraction = divmod(int(seconds * 1_000_000), 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{fraction:06}Z"
