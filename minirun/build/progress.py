"""What a build tells while it works.  This base keeps the books and is silent; those in cli/ show it.

    vertex    one line of the display: a step, the loading of the context, an export
    status    what a vertex is at: `transferring context:` 12.3kB, `exporting layers`

Everything is called by one process, the coordinator; `idle` is called about ten times a second, so that a terminal can
be drawn without a thread.

See  buildkit client/graph.go: Vertex, VertexStatus, VertexLog, VertexWarning
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Vertex:
    """One thing that is done, and how it went.  The times are seconds since 1970, 0 while they are not there yet."""

    def __init__(self, name: str, stage: str = "", digest: str = "") -> None:
        self.name = " ".join(name.splitlines())  # "[builder 2/4] RUN make", "[internal] load build context"
        self.stage = stage
        self.digest = digest  # what it is known by in rawjson
        self.number = 0  # counted from 1 as they are first told of
        self.started, self.completed = 0.0, 0.0
        self.cached = False
        self.canceled = False
        self.error = ""

    @property
    def is_running(self) -> bool:
        return self.started > 0 and not self.completed

    @property
    def seconds(self) -> float:
        """How long it took, or has taken until now."""
        return (self.completed or time.time()) - self.started if self.started else 0.0


class Warning:
    """A finding of the checks: `rule` is its name in the list of Docker's build checks."""

    def __init__(
        self, rule: str, message: str, url: str = "", lines: tuple[int, int] = (0, 0), file: str = ""
    ) -> None:
        self.rule = rule
        self.message = message
        self.url = url
        self.lines = lines  # first and last, from 1; (0, 0): of none
        self.file = file  # as it is shown: "Dockerfile"


class Progress:
    """Those who show something say what changed after this has noted it: `super().start(vertex)` first."""

    def __init__(self) -> None:
        self.vertices: list[Vertex] = []  # those told of, in their numbers' order
        self.expected: list[Vertex] = []  # these, and those that are still to come
        self.warnings: list[Warning] = []

    def expect(self, vertices: Iterable[Vertex]) -> None:
        """These will be told of later, each at most once: a terminal shows how many there are."""
        self.expected += [vertex for vertex in vertices if vertex not in self.expected]

    def start(self, vertex: Vertex) -> None:
        self._number(vertex)
        vertex.started = time.time()

    def cached(self, vertex: Vertex) -> None:
        """Nothing had to be done."""
        self._number(vertex)
        vertex.cached = True
        vertex.started = vertex.started or time.time()
        vertex.completed = time.time()

    def output(self, vertex: Vertex, stream: int, data: bytes) -> None:
        """What a program printed; `stream` is 1 or 2, `data` ends anywhere."""

    def status(
        self, vertex: Vertex, name: str, done: int = 0, total: int = 0, *, completed: bool = False
    ) -> None:
        """A part of the vertex begins, is at `done` of `total` bytes (0: not to be measured), or is completed."""

    def done(self, vertex: Vertex) -> None:
        vertex.completed = time.time()

    def failed(self, vertex: Vertex, message: str) -> None:
        """`message` without the file's lines: `process "/bin/sh -c false" did not complete successfully: ...`."""
        self._number(vertex)
        vertex.error = message
        vertex.completed = time.time()

    def canceled(self, vertex: Vertex) -> None:
        """It was running and was ended, since another one had failed or somebody typed Ctrl-C."""
        vertex.canceled = True
        vertex.completed = time.time()

    def warn(self, warning: Warning) -> None:
        self.warnings.append(warning)

    def idle(self) -> None:
        """Nothing happened for a moment."""

    def pause(self) -> None:
        """Somebody else is about to write to the same terminal; what is told next comes below that."""

    def _number(self, vertex: Vertex) -> None:
        if not vertex.number:
            self.vertices.append(vertex)
            vertex.number = len(self.vertices)
            self.expect([vertex])


class Part:
    """A part of a vertex that is measured while it goes by: `exporting layers`, 12.3MB."""

    def __init__(self, progress: Progress, vertex: Vertex, name: str, total: int = 0) -> None:
        self._progress = progress
        self._vertex = vertex
        self._name = name
        self._total = total
        self._done = 0
        progress.status(vertex, name, 0, total)

    def add(self, count: int) -> None:
        """`count` bytes more."""
        self._done += count
        self._progress.status(self._vertex, self._name, self._done, self._total)
        self._progress.idle()

    def passing(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same chunks, counted, and the part completed when all of them are through."""
        for chunk in chunks:
            self.add(len(chunk))
            yield chunk
        self.complete()

    def complete(self) -> None:
        self._progress.status(self._vertex, self._name, self._done, self._total, completed=True)
