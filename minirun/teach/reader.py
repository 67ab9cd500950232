"""Reads the trace of a run beside it: a thread in the command line, started after the fork.

It never stops reading before the end, whatever becomes of those it tells: a trace that nobody reads would fill the
socket's buffer and hold up the container.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from typing import TYPE_CHECKING, Protocol

from minirun.teach.events import Act, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.teach.events import Register

_LARGEST = 1 << 20  # bytes of one message
_PATIENCE_SECONDS = 5.0


class Observer(Protocol):
    """Somebody who wants the events."""

    def notify(self, event: Step | Act) -> None: ...

    def finish(self) -> None: ...


class Reader(threading.Thread):
    """Passes each event to `observer`; asks `ask` at a stop and hands its answer, one byte, to the process that waits.

    From execve to `finish` events are kept back: meanwhile the program has the screen.
    """

    def __init__(
        self,
        events: socket.socket,
        register: Register,
        observer: Observer,
        ask: Callable[[Step], bytes],
        replies: int,
    ) -> None:
        super().__init__(name="trace", daemon=True)
        self.events, self.register, self.observer = events, register, observer
        self.ask, self.replies = ask, replies
        self.at_execve = threading.Event()
        self.kept: list[Step | Act] = []
        self.broken: Exception | None = None

    def run(self) -> None:
        while received := self._receive():
            self._pass_on(self.register.event(*received))
        self.at_execve.set()

    def _receive(self) -> tuple[bytes, int] | None:
        """The next message and the pid of its sender (SO_PASSCRED, unix(7)); None at the end."""
        try:
            message, ancillary, _flags, _address = self.events.recvmsg(_LARGEST, socket.CMSG_SPACE(12))
        except OSError:
            return None
        if not message:
            return None
        (pid,) = struct.unpack_from("=i", ancillary[0][2])  # struct ucred: pid, uid, gid
        return message, pid

    def _pass_on(self, event: Step | Act) -> None:
        if self.at_execve.is_set():
            self.kept.append(event)
            return
        self._notify(event)
        if isinstance(event, Step) and event.stopped:
            os.write(self.replies, self._answer(event))
        elif isinstance(event, Act) and event.call == "execve":
            self.at_execve.set()

    def _answer(self, step: Step) -> bytes:
        try:
            return self.ask(step)
        except OSError:  # nobody to ask any more: the terminal is gone, or the pipe is closed
            return b"q"

    def _notify(self, event: Step | Act) -> None:
        if self.broken is None:
            try:
                self.observer.notify(event)
            except Exception as error:  # told at the end; until then the socket has to be emptied
                self.broken = error

    def catch_up(self) -> None:
        """Wait until everything up to execve has been told."""
        self.at_execve.wait(_PATIENCE_SECONDS)

    def finish(self, at_end: bool) -> None:
        """Tell the rest.  `at_end`: every writer is gone or about to go; else leave those who stay behind."""
        if not at_end:
            with contextlib.suppress(OSError):
                self.events.shutdown(2)
        self.join(_PATIENCE_SECONDS)
        for event in self.kept:
            self._notify(event)
        if self.broken is None:
            self.observer.finish()
        elif not isinstance(self.broken, BrokenPipeError):
            raise self.broken
