"""A child of the shim that a container can see: the container's first program, or one of `exec`.

Whoever traces a process is told of its end before its parent is, and may keep it back for as long as he likes
(ptrace(2), PTRACE_SEIZE).  So nobody sleeps in waitpid(2) here: a child that has ended and is not let go is asked
for again, and meanwhile the shim answers.

See  pidfd_open(2), wait(2)
"""

from __future__ import annotations

import os
import select
import time

from minirun.engine.shim import loop
from minirun.linux import signals
from minirun.runtime import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Child(loop.Part):
    """Calls `ended` with the wait status of our child `pid`, once."""

    def __init__(self, pid: int, ended: Callable[[int], None]) -> None:
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.ended = ended
        self.next = loop.NEVER  # when to ask again for one that is kept back
        self.is_reaped = False

    def interests(self) -> Iterator[tuple[int, int]]:
        if self.next == loop.NEVER and not self.is_reaped:
            yield self.pidfd, select.POLLIN

    def ready(self, fd: int, events: int) -> None:
        self.expired()

    def deadline(self) -> float:
        return self.next

    def expired(self) -> None:
        """It has ended: wait for it, now or a little later."""
        status = process.reap(self.pid)
        if status is None:
            self.next = time.monotonic() + process.TRACED_SECONDS
            return
        self.next = loop.NEVER
        self.is_reaped = True
        os.close(self.pidfd)
        self.ended(status)

    def signal(self, number: int) -> None:
        """It is our child and not waited for yet, so the pid is its own."""
        signals.pidfd_send_signal(self.pidfd, number)


class Unreaped(loop.Part):
    """Waits for children that were killed when somebody gave them up, and were kept back then.

    Without it one of them, dead, would keep the container's first process from ending until the shim is killed.
    """

    def __init__(self) -> None:
        self.next = loop.NEVER

    def deadline(self) -> float:
        if self.next == loop.NEVER and process.unreaped:
            self.next = time.monotonic() + process.TRACED_SECONDS
        return self.next

    def expired(self) -> None:
        self.next = loop.NEVER
        process.reap_unreaped()
