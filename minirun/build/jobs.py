"""A child process for each piece of work: a RUN, a COPY, a layer to be hashed.

    coordinator                         child (fork)
      |                                   a session and a mount table of its own; dies with the coordinator
      |  <── reports, as JSON ──────────  work(report)
      |  <── what its program writes ───  two pipes
      |  <── one last: done or failed ──  _exit

So what a step mounts is gone when it ends, independent steps run side by side, and the coordinator stays a single loop
without a thread, which may therefore fork at any time.

See      poll(2), pidfd_open(2), PR_SET_PDEATHSIG in prctl(2), setsid(2)
"""

from __future__ import annotations

import os
import signal

from minirun import jsontext
from minirun.build import system_errors
from minirun.engine import channel
from minirun.linux import syscalls
from minirun.linux.constants import CLONE_NEWNS, MS_PRIVATE, MS_REC
from minirun.runtime import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any

    from minirun.build.explain_run import Tracing

    Report = Callable[[dict[str, Any]], None]
    Work = Callable[[Report, tuple[int, int, int]], None]

_PIPE_BYTES = 1 << 16


class Job:
    """A child at work.  `work(report, streams)` is called in it; `streams` are its program's 0, 1 and 2."""

    def __init__(self, work: Work) -> None:
        self.sock, theirs = channel.pair()
        self.outputs: dict[int, int] = {}  # our end of a pipe -> 1 or 2
        self.tracing: Tracing | None = None  # of --explain
        reading, writing = zip(os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC), strict=True)
        parent = os.getpid()
        try:
            self.pid = process.fork(lambda: _child(theirs, parent, work, (writing[0], writing[1])))
        finally:
            theirs.close()
            for fd in writing:
                os.close(fd)
        self.outputs = {reading[0]: 1, reading[1]: 2}

    def descriptors(self) -> list[int]:
        """What to poll(2)."""
        traced = [self.tracing.fileno()] if self.tracing else []
        return [self.sock.fileno(), *self.outputs, *traced]

    def read_output(self, fd: int) -> bytes:
        """What its program has written; b"" at the end, and the pipe is closed."""
        block = os.read(fd, _PIPE_BYTES)
        if not block:
            os.close(fd)
            del self.outputs[fd]
        return block

    def next_report(self) -> dict[str, Any] | None:
        """One of its reports; None when it has said its last.  Raises what it has failed with."""
        kind, content = channel.receive(self.sock)
        if kind == channel.FAILED:
            raise channel.error(content)
        if kind == channel.ANSWER:
            answer: dict[str, Any] = channel.value(content)
            return answer
        return None

    def kill(self) -> None:
        """It is not needed any more.  Its mounts go with it, and its container."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def close(self) -> None:
        """After its end, or its kill: nothing stays of it."""
        self.sock.close()
        for fd in self.outputs:
            os.close(fd)
        self.outputs = {}
        if self.tracing:
            self.tracing.close()
        os.waitpid(self.pid, 0)


def _child(sock: socket.socket, parent: int, work: Work, writing: tuple[int, int]) -> int:
    try:
        _become_own(parent)
        with open(os.devnull, "rb") as nothing:
            work(lambda report: _tell(sock, report), (nothing.fileno(), *writing))
    except Exception as error:
        channel.send_json(sock, channel.FAILED, channel.report(system_errors.told(error)))
        return 1
    return 0


def _become_own(parent: int) -> None:
    """A session of its own, so that Ctrl-C is the coordinator's alone; and an end with the coordinator's."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    process.die_with(parent, why="without the build this step has no purpose")
    syscalls.unshare(CLONE_NEWNS, why="what the step mounts is seen by nobody else, and vanishes with it")
    syscalls.mount(None, "/", None, MS_PRIVATE | MS_REC, why="nor does it travel")


def _tell(sock: socket.socket, report: dict[str, Any]) -> None:
    sock.sendall(channel.ANSWER + jsontext.dumps(report).encode())
