"""The shim's loop: one thread, one poll(2), and parts that each know what they wait for.

The program's streams, those attached, the processes of `exec`, the health probe and the watch for memory are parts.
None of them may block: what a part cannot do now it does when its descriptor is ready or its time has come.

See  poll(2); streams.py, execs.py, health.py for the parts
"""

from __future__ import annotations

import math
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

NEVER = math.inf
_POLL_MAX = 2**31 - 1  # milliseconds


class Part:
    """Something the loop serves.  A part with no more interests and no deadline is left alone."""

    def interests(self) -> Iterable[tuple[int, int]]:
        """(descriptor, poll events) to wait for now; asked again each time round."""
        return ()

    def ready(self, fd: int, events: int) -> None:
        """One of those descriptors has some of those events."""

    def deadline(self) -> float:
        """When `expired` wants to be called, on the clock of time.monotonic(); NEVER if it does not."""
        return NEVER

    def expired(self) -> None:
        """The deadline has passed."""


class Waiting(Part):
    """A descriptor to wait for, and what to do then."""

    def __init__(self, fd: int, act: Callable[[], None]) -> None:
        self.fd = fd
        self.act = act

    def interests(self) -> Iterator[tuple[int, int]]:
        yield self.fd, select.POLLIN

    def ready(self, fd: int, events: int) -> None:
        self.act()


class Timer(Part):
    """A moment to wait for."""

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds
        self.over = False

    def deadline(self) -> float:
        return NEVER if self.over else self.at

    def expired(self) -> None:
        self.over = True


def serve(parts: list[Part], until: Callable[[], bool]) -> None:
    """Give each part its turn until `until()` is true.  Parts may be added to and taken from the list meanwhile."""
    while not until():
        waiting = [(part, fd, events) for part in parts for fd, events in part.interests()]
        poll = select.poll()
        for _, fd, events in waiting:
            poll.register(fd, events)
        owners = {fd: part for part, fd, _ in waiting}
        for fd, events in poll.poll(_milliseconds(min(part.deadline() for part in parts))):
            if owners[fd] in parts:
                owners[fd].ready(fd, events)
        now = time.monotonic()
        for part in list(parts):
            if part.deadline() <= now:
                part.expired()


def _milliseconds(deadline: float) -> float | None:
    """How long poll(2) may wait, rounded up so that the deadline has passed then; None: for ever.

    It counts in an int: a deadline in 25 days or more is looked at again then.
    """
    if deadline == NEVER:
        return None
    return min(max(0.0, math.ceil((deadline - time.monotonic()) * 1000)), _POLL_MAX)
