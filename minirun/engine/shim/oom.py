"""The watch for memory: whether the kernel has killed in a container because its memory.max was reached.

See      linux/cgroup_oom.py for how one is told
By hand  cat /sys/fs/cgroup/minirun/ID/memory.events
"""

from __future__ import annotations

import time

from minirun.engine.shim import loop
from minirun.linux import cgroup_oom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LATE_SECONDS = 0.05  # a kill is counted so long after an eventfd was told of it, at most


class OomWatch(loop.Part):
    """Calls `happened()` when the kernel has killed in the new group `cgroup`; idle where there is no controller."""

    def __init__(self, cgroup: str, happened: Callable[[], None]) -> None:
        self.happened = happened
        self.events = cgroup_oom.watch(cgroup)
        self.kills = 0
        self.again = loop.NEVER

    def interests(self) -> Iterator[tuple[int, int]]:
        if self.events:
            yield self.events.fd, self.events.wanted

    def ready(self, fd: int, events: int) -> None:
        if self.events and self.events.early:
            self.again = time.monotonic() + _LATE_SECONDS
        self.look()

    def deadline(self) -> float:
        return self.again

    def expired(self) -> None:
        self.again = loop.NEVER
        self.look()

    def look(self) -> None:
        """Read the count now.  At the end, too: the kill that ends a container may be told after its end."""
        if not self.events:
            return
        try:
            kills = self.events.kills()
        except OSError:  # ENODEV: the group has gone
            return self.close()
        if kills > self.kills:
            self.kills = kills
            self.happened()

    def close(self) -> None:
        if self.events:
            self.events.close()
            self.events = None
