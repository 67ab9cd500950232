"""The processes of `exec`: children of the shim, so that one that is left alone is still somebody's.

The program gets the very descriptors of whoever asked for it, and the shim never sees a byte: nothing is faster.
Not so when one of them is a terminal, for a program that has the person's terminal open could read there after it
was thought to have ended; or a file, which it could open anew for what it was not opened for.  Then the shim holds
pipes, or with `-t` the master of a terminal of the container's own, as it does for the container's first program: those
in front may leave (ctrl-p ctrl-q) and the program goes on.

An EXEC message is {"args": [...], "env": [...], "user": "", "workdir": "", "tty": bool, "interactive": bool,
"privileged": bool, "detach": bool, "rows": n, "columns": n}.

See  unix(7) "SCM_RIGHTS"; runtime/joining.py
"""

from __future__ import annotations

import os

from minirun import jsontext
from minirun.engine import bundle, channel
from minirun.engine.shim import stdio
from minirun.engine.shim.child import Child
from minirun.engine.shim.loop import Part
from minirun.engine.shim.streams import Streams
from minirun.linux import capabilities
from minirun.runtime import joining, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from typing import Any

    from minirun.engine.record_types import Record
    from minirun.engine.shim.streams import Client
    from minirun.paths import Paths
    from minirun.runtime.config import Process


class ExecProcess(Part):
    """One process of `exec`, from its start until it was waited for.  `ended` is then called with its exit code."""

    def __init__(self, pid: int, ended: Callable[[ExecProcess, int], None]) -> None:
        self.id = os.urandom(32).hex()
        self.pid = pid
        self.child = Child(pid, self._reaped)
        self.ended = ended
        self.streams: Streams | None = None  # None when the program has the client's own
        self.client: Client | None = None  # who waits for it

    def interests(self) -> Iterator[tuple[int, int]]:
        yield from self.child.interests()
        if self.streams:
            yield from self.streams.interests()

    def ready(self, fd: int, events: int) -> None:
        if fd == self.child.pidfd:
            self.child.ready(fd, events)
        elif self.streams:
            self.streams.ready(fd, events)

    def deadline(self) -> float:
        return self.child.deadline()

    def expired(self) -> None:
        self.child.expired()

    def _reaped(self, status: int) -> None:
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
            self.child.signal(jsontext.loads(content))
        elif self.streams:
            self.streams.receive(kind, content)


def start(
    paths: Paths,
    record: Record,
    request: dict[str, Any],
    descriptors: list[int],
    ended: Callable[[ExecProcess, int], None],
) -> ExecProcess:
    """Start what an EXEC message asks for.  Raises MinirunError."""
    spec = specification(record, request, f"{paths.container(record['id'])}/merged")

    def spawn(given: stdio.Stdio | None, console: socket.socket | None) -> ExecProcess:
        return ExecProcess(_execute(paths, record, spec, given, console), ended)

    tty = request["tty"]
    if descriptors and not tty:
        stdin, stdout, stderr = descriptors
        return spawn((stdin, stdout, stderr), None)
    if tty:
        spec["consoleSize"] = {"height": request["rows"], "width": request["columns"]}
    started, outputs, source = stdio.connect(spawn, tty=tty, interactive=request["interactive"])
    started.streams = Streams(outputs, source, None)
    return started


def probe(paths: Paths, record: Record, args: list[str]) -> tuple[int, int]:
    """Start a health probe; returns its pid and a pipe with all it prints.  Raises MinirunError."""
    reader, writer = os.pipe()
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    try:
        spec = specification(record, {"args": args}, f"{paths.container(record['id'])}/merged")
        return _execute(paths, record, spec, (null, writer, writer), None), reader
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
        os.close(null)


def specification(record: Record, request: dict[str, Any], rootfs: str) -> Process:
    """The process of an `exec`: as the container's own, but for what `request` says.

    `rootfs` is the overlay in the shim's own view: users are the image's, whatever is mounted on its passwd, as in
    Docker.
    """
    changed: Record = {**record, "args": request["args"]}
    changed["options"] = {**record["options"], "init": False, "tty": bool(request.get("tty"))}
    changed["env"] = [*record["env"], *request.get("env", [])]
    changed["user"] = request.get("user") or record["user"]
    changed["cwd"] = request.get("workdir") or record["cwd"]
    if request.get("privileged"):
        changed["capabilities"] = capabilities.effective_set(privileged=True)
    return bundle.process(changed, rootfs)


def _execute(
    paths: Paths,
    record: Record,
    spec: Process,
    given: stdio.Stdio | None,
    console: socket.socket | None,
) -> int:
    created = joining.execute(paths.state, record["id"], spec, stdio=given, console=console)
    created.sync.close()
    return created.pid
