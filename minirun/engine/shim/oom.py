"""The watch for memory: whether the kernel has killed in a container because its memory.max was reached.

See      Documentation/admin-guide/cgroup-v2.rst "memory.events"
By hand  cat /sys/fs/cgroup/minirun/ID/memory.events
"""

from __future__ import annotations

import os
import select

from minirun.engine.shim import loop
from minirun.linux import cgroup_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class OomWatch(loop.Part):
    """Calls `happened()` when the kernel has killed in the new group `cgroup`; idle where there is no controller."""

    def __init__(self, cgroup: str, happened: Callable[[], None]) -> None:
        self.happened = happened
        self.events = cgroup_files.open_events(cgroup)
        self.kills = 0

    def interests(self) -> Iterator[tuple[int, int]]:
        if self.events >= 0:
            yield self.events, select.POLLPRI

    def ready(self, fd: int, events: int) -> None:
        self.look()

    def look(self) -> None:
        """Read the count now.  At the end, too: the kill that ends a container may be told after its end."""
        if self.events < 0:
            return
        try:
            kills = cgroup_files.oom_kills_at(self.events)
        except OSError:  # ENODEV: the group has gone
            return self.close()
        if kills > self.kills:
            self.kills = kills
            self.happened()

    def close(self) -> None:
        if self.events >= 0:
            os.close(self.events)
            self.events = -1
