"""What moving an image tells, as parts of a vertex: a push at the end of a build, the pull of a base image.

    build     waits, and has the display drawn ten times a second
    thread    does the work, and waits for
    threads   one for each layer, of which one speaks at a time

Nobody forks meanwhile: a build is here before its first step runs, or after its last one has.
"""

from __future__ import annotations

import threading

from minirun.image.progress import Progress as ImageProgress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from minirun.build.progress import Progress, Vertex

    T = TypeVar("T")

_IDLE_SECONDS = 0.1
_UNFINISHED = ("Pulling fs layer", "Preparing", "Waiting", "Download complete")


class ImageParts(ImageProgress):
    """For engine.images.push and ensure."""

    def __init__(self, progress: Progress, vertex: Vertex) -> None:
        self._progress = progress
        self._vertex = vertex
        self._lock = threading.Lock()

    def watch(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises; it waits for a registry, and the display goes on."""
        from minirun.image import threads

        results: list[T] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                results.append(work())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        threads.start(thread)
        while thread.is_alive():
            thread.join(_IDLE_SECONDS)
            with self._lock:
                self._progress.idle()
        if errors:
            raise errors[0]
        return results[0]

    def say(self, line: str) -> None:
        self._status(line, completed=True)

    def layer(self, name: str, status: str) -> None:
        if status not in _UNFINISHED:
            self._status(name, completed=True)

    def advance(self, name: str, status: str, done: int, total: int) -> None:
        self._status(name, done, total)

    def _status(self, name: str, done: int = 0, total: int = 0, *, completed: bool = False) -> None:
        with self._lock:
            self._progress.status(self._vertex, name, done, total, completed=completed)
