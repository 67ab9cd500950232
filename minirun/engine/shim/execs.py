"""The processes of `exec`: children of the shim, so that one that is left alone is still somebody's.

The program gets the very descriptors of whoever asked for it, and the shim never sees a byte: nothing is faster.
Not so when one of them is a terminal, for a program that has the person's terminal open could read there after it
was thought to have ended; or a file, which it could open anew for what it was not opened for.  Then the shim holds
pipes, or with `-t` the master of a terminal of the container's own, as it does for the container's first program: those
in front may leave (ctrl-p ctrl-q) and the program goes on.

An EXEC message is {"args": [...], "env": [...], "user": "", "workdir": "", "tty": bool, "interactive": bool,
"privileged": bool, "detach": bool, "rows": n, "columns": n}.

See  unix(7) "SCM_RIGHTS"; runtime/container.py `execute`
"""

from __future__ import annotations

import os
import select
import socket
import time

from minirun import jsontext
from minirun.engine import bundle, channel
from minirun.engine.shim import loop
from minirun.engine.shim.loop import Part
from minirun.engine.shim.streams import Input, Streams, pipes
from minirun.linux import capabilities, signals
from minirun.runtime import container, process, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from minirun.engine.record_types import Record
    from minirun.engine.shim.streams import Client
    from minirun.paths import Paths
    from minirun.runtime.config import Process


class Session(Part):
    """One process of `exec`, from its start until it was waited for.  `ended` is then called with its exit code."""

    def __init__(self, pid: int, ended: Callable[[Session, int], None]) -> None:
        self.id = os.urandom(32).hex()
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.ended = ended
        self.streams: Streams | None = None  # None when the program has the client's own
        self.client: Client | None = None  # who waits for it
        self.again = loop.NEVER  # when to wait for it again that has ended, but is somebody's who traces it

    def interests(self) -> Iterator[tuple[int, int]]:
        if self.again == loop.NEVER:
            yield self.pidfd, select.POLLIN
        if self.streams:
            yield from self.streams.interests()

    def ready(self, fd: int, events: int) -> None:
        if fd == self.pidfd:
            self.expired()
        elif self.streams:
            self.streams.ready(fd, events)

    def deadline(self) -> float:
        return self.again

    def expired(self) -> None:
        """It has ended."""
        status = process.reap(self.pid)
        if status is None:
            self.again = time.monotonic() + process.TRACED_SECONDS
            return
        self.again = loop.NEVER
        os.close(self.pidfd)
        if self.streams:
            self.streams.drain()
        self.ended(self, process.exit_code(status))

    def on_message(self, client: Client, kind: bytes, content: bytes, _descriptors: list[int]) -> None:
        """What the client in front of it says."""
        if not kind:
            self.client = None
            if self.streams:
                self.streams.detach(client)
            client.close()
        elif kind == channel.SIGNAL:
            self.signal(jsontext.loads(content))
        elif self.streams:
            self.streams.receive(kind, content)

    def signal(self, number: int) -> None:
        """It is our child and not waited for yet, so the pid is its own."""
        signals.pidfd_send_signal(self.pidfd, number)


def begin(
    paths: Paths,
    record: Record,
    wish: dict[str, Any],
    descriptors: list[int],
    ended: Callable[[Session, int], None],
) -> Session:
    """Start what an EXEC message asks for.  Raises MinirunError."""
    spec = specification(record, wish)
    if wish["tty"]:
        return _begin_with_terminal(paths, record, wish, spec, ended)
    if descriptors:
        stdin, stdout, stderr = descriptors
        return Session(_start(paths, record, spec, (stdin, stdout, stderr), None), ended)
    stdio, outputs, source = pipes(wish["interactive"])
    try:
        session = Session(_start(paths, record, spec, stdio, None), ended)
    except BaseException:
        Streams(outputs, source, None).close()
        raise
    finally:
        for fd in stdio:
            os.close(fd)
    session.streams = Streams(outputs, source, None)
    return session


def _begin_with_terminal(
    paths: Paths, record: Record, wish: dict[str, Any], spec: Process, ended: Callable[[Session, int], None]
) -> Session:
    spec["consoleSize"] = {"height": wish["rows"], "width": wish["columns"]}
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            pid = _start(paths, record, spec, None, theirs)
        master = terminal.receive_master(ours)
    session = Session(pid, ended)
    session.streams = Streams({master: "stdout"}, Input(master, is_terminal=True), None)
    return session


def probe(paths: Paths, record: Record, args: list[str]) -> tuple[int, int]:
    """Start a health probe; returns its pid and a pipe with all it prints.  Raises MinirunError."""
    reader, writer = os.pipe()
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _start(
            paths, record, specification(record, {"args": args}), (null, writer, writer), None
        ), reader
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
        os.close(null)


def specification(record: Record, wish: dict[str, Any]) -> Process:
    """The process of an `exec`: as the container's own, but for what `wish` says."""
    changed: Record = {**record, "args": wish["args"]}
    changed["options"] = {**record["options"], "init": False, "tty": bool(wish.get("tty"))}
    changed["env"] = [*record["env"], *wish.get("env", [])]
    changed["user"] = wish.get("user") or record["user"]
    changed["cwd"] = wish.get("workdir") or record["cwd"]
    if wish.get("privileged"):
        changed["capabilities"] = capabilities.effective_set(privileged=True)
    return bundle.process(changed, f"/proc/{record['state']['pid']}/root")


def _start(
    paths: Paths,
    record: Record,
    spec: Process,
    stdio: tuple[int, int, int] | None,
    console: socket.socket | None,
) -> int:
    created = container.execute(paths.state, record["id"], spec, stdio=stdio, console=console)
    created.sync.close()
    return created.pid
