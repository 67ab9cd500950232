"""What moving an image tells, as parts of a vertex: a push at the end of a build, the pull of a base image.

The transfers are threads, one of which speaks at a time; the build waits for them, and does not speak meanwhile.
"""

from __future__ import annotations

import threading

from minirun.image.progress import Progress as ImageProgress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.build.progress import Progress, Vertex

_UNFINISHED = ("Pulling fs layer", "Preparing", "Waiting", "Download complete")


class ImageParts(ImageProgress):
    """For engine.images.push and ensure."""

    def __init__(self, progress: Progress, vertex: Vertex) -> None:
        self._progress = progress
        self._vertex = vertex
        self._lock = threading.Lock()

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
