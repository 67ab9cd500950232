"""What moving an image tells while it works.  This base is silent; cli/progress.py shows lines or bars.

A name is that of a layer, the first twelve digits of its blob's digest.  May be called from several threads.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Progress:
    """Three kinds of news."""

    def say(self, line: str) -> None:
        """A sentence about the whole: `latest: Pulling from library/alpine`."""

    def layer(self, name: str, status: str) -> None:
        """A layer enters a state: `Pulling fs layer`, `Download complete`, `Pull complete`, `Already exists`."""

    def advance(self, name: str, status: str, done: int, total: int) -> None:
        """`done` of `total` bytes of a layer: `Downloading`, `Extracting`, `Pushing`.  Told often."""


class Lines(Progress):
    """Each piece of news as a line, as Docker prints where there is no terminal."""

    def __init__(self, show: Callable[[str], object]) -> None:
        self._show = show

    def say(self, line: str) -> None:
        self._show(line)

    def layer(self, name: str, status: str) -> None:
        self.say(f"{name}: {status}")
