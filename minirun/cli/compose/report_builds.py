"""The builds of a project in one display: each step says whose it is, as in `[web 2/4] RUN make`.

See  cli/build_progress.py, whose displays these are; docker buildx bake, which names steps so
"""

from __future__ import annotations

import contextlib

from minirun.build.progress import Progress
from minirun.cli import build_progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable
    from typing import TextIO

    from minirun.build.progress import Vertex, Warning


class Builds:
    """The display, for as long as something is built."""

    def __init__(self, mode: str, stream: TextIO, lock: threading.RLock) -> None:
        self._stack = contextlib.ExitStack()
        self._lock = lock
        self._display = self._stack.enter_context(build_progress.show(mode, stream))

    def of(self, name: str) -> Progress:
        """What hears of the build of the service `name`."""
        return Named(self._display, name, self._lock)

    def close(self) -> None:
        """What has failed is repeated, and what is on the screen stays."""
        self._stack.close()


class Named(Progress):
    """Passes on what one build tells."""

    def __init__(self, display: Progress, name: str, lock: threading.RLock) -> None:
        super().__init__()
        self._display = display
        self._name = name
        self._lock = lock
        self._renamed: set[Vertex] = set()

    def expect(self, vertices: Iterable[Vertex]) -> None:
        with self._lock:
            self._display.expect([self._with_name(vertex) for vertex in vertices])

    def start(self, vertex: Vertex) -> None:
        with self._lock:
            self._display.start(self._with_name(vertex))

    def cached(self, vertex: Vertex) -> None:
        with self._lock:
            self._display.cached(self._with_name(vertex))

    def output(self, vertex: Vertex, stream: int, data: bytes) -> None:
        with self._lock:
            self._display.output(vertex, stream, data)

    def status(
        self, vertex: Vertex, name: str, done: int = 0, total: int = 0, *, completed: bool = False
    ) -> None:
        with self._lock:
            self._display.status(vertex, name, done, total, completed=completed)

    def done(self, vertex: Vertex) -> None:
        with self._lock:
            self._display.done(vertex)

    def failed(self, vertex: Vertex, message: str) -> None:
        with self._lock:
            self._display.failed(self._with_name(vertex), message)

    def canceled(self, vertex: Vertex) -> None:
        with self._lock:
            self._display.canceled(vertex)

    def warn(self, warning: Warning) -> None:
        with self._lock:
            super().warn(warning)
            self._display.warn(warning)

    def idle(self) -> None:
        with self._lock:
            self._display.idle()

    def pause(self) -> None:
        with self._lock:
            self._display.pause()

    def _with_name(self, vertex: Vertex) -> Vertex:
        """The vertex with the service's name in its own."""
        if vertex not in self._renamed:
            self._renamed.add(vertex)
            in_brackets = vertex.name.startswith("[")
            vertex.name = (
                f"[{self._name} {vertex.name[1:]}" if in_brackets else f"[{self._name}] {vertex.name}"
            )
        return vertex
