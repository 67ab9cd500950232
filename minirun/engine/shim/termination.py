"""SIGTERM to the shim itself: the machine goes down, and nobody has stopped the container before.

systemd sends it to what is left of a login session or a service, and kills a minute and a half later.  So the shim does
then what `system shutdown` does for all: the stop signal, some time, SIGKILL.  That is nobody's wish for this one
container, so `system restore` starts it again.

See  systemd.kill(5), signal(7)
"""

from __future__ import annotations

import os
import select
import time

from minirun.engine import restart
from minirun.engine.shim import loop
from minirun.linux import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Termination(loop.Part):
    """Calls `stop(number)` with the stop signal when this process is told to end, and with SIGKILL `seconds` later."""

    def __init__(self, stop: Callable[[int], None], number: int, seconds: int | None) -> None:
        self.stop, self.number, self.seconds = stop, number, restart.stop_seconds(seconds)
        self.at = loop.NEVER
        self.owner = os.getpid()
        self.reader, self.writer = os.pipe()
        signals.signal(signals.SIGTERM, self._on_sigterm)

    def _on_sigterm(self, *_: object) -> None:
        if os.getpid() == self.owner:  # not in a child that has not come to its execve yet
            os.write(self.writer, b"!")  # poll(2) goes on after a signal, but not past this

    def interests(self) -> Iterator[tuple[int, int]]:
        yield self.reader, select.POLLIN

    def ready(self, fd: int, events: int) -> None:
        os.read(self.reader, 64)
        if self.at == loop.NEVER:
            self.at = time.monotonic() + self.seconds
            self.stop(self.number)

    def deadline(self) -> float:
        return self.at

    def expired(self) -> None:
        self.at = time.monotonic() + self.seconds
        self.stop(signals.SIGKILL)
