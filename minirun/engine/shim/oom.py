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

# An eventfd is told before the kill, which is counted a moment later: so after 5 ms, then 10, 20, ... it is looked for.
_FIRST_LOOK_SECONDS, _LAST_LOOK_SECONDS = 0.005, 1.0


class OomWatch(loop.Part):
    """Calls `happened()` when the kernel has killed in the new group `cgroup`; idle where there is no controller."""

    def __init__(self, cgroup: str, happened: Callable[[], None]) -> None:
        self.happened = happened
        self.events = cgroup_oom.watch(cgroup)
        self.kills = 0
        self.again = loop.NEVER
        self.wait_seconds = 0.0

    def interests(self) -> Iterator[tuple[int, int]]:
        if self.events:
            yield self.events.fd, self.events.wanted

    def ready(self, fd: int, events: int) -> None:
        known = self.kills
        self.look()
        if self.events and self.events.early and self.kills == known:
            self._look_again_in(_FIRST_LOOK_SECONDS)

    def deadline(self) -> float:
        return self.again

    def expired(self) -> None:
        known = self.kills
        self.again = loop.NEVER
        self.look()
        if self.kills == known and self.wait_seconds < _LAST_LOOK_SECONDS:
            self._look_again_in(2 * self.wait_seconds)

    def _look_again_in(self, seconds: float) -> None:
        self.wait_seconds = seconds
        self.again = time.monotonic() + seconds

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
