"""Who comes to the shim, and what they want: to attach, to have something executed, to ask for something.

A request (REQUEST, answered with ANSWER or FAILED) is one of

    {"do": "signal", "number": n}                 pass a signal on to the program
    {"do": "stop", "number": n, "keep": bool}     the same, and then no restart policy acts; keep: nor does --rm;
                                                  "by_hand": false: `system restore` is to start it again
    {"do": "pause"}, {"do": "unpause"}            freeze the cgroup, and thaw it
    {"do": "change", "fields": {...}}             remember something else: name, options, attachments
    {"do": "resize", "rows": n, "columns": n}     the program's terminal
    {"do": "execs"}                               -> the ids of the processes of `exec`
    {"do": "ports"}                               -> the ports of the host that are held for it, for `network connect`

What is done then is not the server's matter: it is given its verbs.

See      channel.py for the messages, control.py for the asking side, supervisor.py for the verbs
"""

from __future__ import annotations

import contextlib

from minirun import jsontext
from minirun.engine import channel
from minirun.engine.shim.streams import Client
from minirun.errors import ConflictError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any, Protocol

    from minirun.engine.shim.execs import ExecProcess
    from minirun.engine.shim.loop import Part
    from minirun.engine.shim.streams import Streams

    class Verbs(Protocol):
        """What clients can have done.  Each raises MinirunError when it cannot be done now."""

        @property
        def streams(self) -> Streams:
            """Those of the program, of this run."""

        def is_up(self) -> bool:
            """Whether the program runs: it has not ended, as far as we know."""

        def require_running(self, verb: str) -> None: ...
        def signal(self, number: int) -> None: ...
        def stop(self, number: int, keep: bool = False, by_hand: bool = True) -> None: ...
        def pause(self) -> None: ...
        def unpause(self) -> None: ...
        def change(self, fields: dict[str, Any]) -> None: ...
        def hold_ports(self) -> object: ...
        def execute(
            self, request: dict[str, Any], descriptors: list[int], ended: Callable[[ExecProcess, int], None]
        ) -> ExecProcess: ...
        def emit(self, action: str, **attributes: str) -> None:
            """One event of the container, for `minirun events`."""


class Server:
    """The clients of one container, and the processes of `exec`.  Both are among the loop's `parts` while they last."""

    def __init__(self, listener: socket.socket, parts: list[Part], verbs: Verbs) -> None:
        self.listener = listener
        self.parts = parts
        self.verbs = verbs
        self.clients: list[Client] = []  # those without an `exec` of their own
        self.exec_processes: list[ExecProcess] = []

    def accept(self) -> None:
        """Somebody has connected, unless this process has as many descriptors as it may have."""
        with contextlib.suppress(OSError):
            self.add(self.listener.accept()[0])

    def add(self, sock: socket.socket) -> Client:
        client = Client(sock, self._on_message)
        self.clients.append(client)
        self.parts.append(client)
        return client

    def hang_up(self) -> None:
        """End the connection to each client that has got all it was sent."""
        for client in [one for one in self.clients if not one.waiting]:
            self._remove(client)

    def _remove(self, client: Client) -> None:
        if client in self.verbs.streams.clients and self.verbs.is_up():
            self.verbs.emit("detach")
        for crowd in (self.clients, self.parts, self.verbs.streams.clients):
            if client in crowd:
                crowd.remove(client)
        client.close()

    def _on_message(self, client: Client, kind: bytes, content: bytes, descriptors: list[int]) -> None:
        """A message of a client that has no `exec` of its own."""
        if not kind:
            self._remove(client)
        elif kind == channel.REQUEST:
            client.send_json(channel.ANSWER, self._answer(jsontext.loads(content)))
        elif kind == channel.EXEC:
            self._execute(client, jsontext.loads(content), descriptors)
        elif kind == channel.ATTACH:
            self._attach(client, jsontext.loads(content))
        elif kind == channel.SIGNAL:
            with contextlib.suppress(ConflictError):  # nobody waits for an answer
                self.verbs.signal(jsontext.loads(content))
        elif client in self.verbs.streams.clients:
            self.verbs.streams.receive(kind, content)

    def _attach(self, client: Client, streams: list[str]) -> None:
        self.verbs.require_running("attach to")
        self.verbs.streams.attach(client, streams)
        self.verbs.emit("attach")

    def _answer(self, request: dict[str, Any]) -> object:
        acts: dict[str, Callable[..., object]] = {
            "signal": self.verbs.signal,
            "stop": self.verbs.stop,
            "pause": self.verbs.pause,
            "unpause": self.verbs.unpause,
            "change": self.verbs.change,
            "resize": self.verbs.streams.resize,
            "execs": lambda: [one.id for one in self.exec_processes],
            "ports": self.verbs.hold_ports,
        }
        name = request.pop("do", None)
        if name not in acts:
            raise UsageError(
                f'the shim cannot do "{name}"', "the command line is of another version than the shim"
            )
        return acts[name](**request)

    # ---- `exec` -----------------------------------------------------------------------------------------------

    def _execute(self, client: Client, request: dict[str, Any], descriptors: list[int]) -> None:
        self.verbs.require_running("exec in")
        words = " ".join(request["args"])
        started = self.verbs.execute(request, descriptors, self._exec_ended)
        self.verbs.emit(f"exec_create: {words}", execID=started.id)
        self.verbs.emit(f"exec_start: {words}", execID=started.id)
        self.exec_processes.append(started)
        self.parts.append(started)
        client.send_json(channel.RUNNING, {"id": started.id, "pid": started.pid})
        if request["detach"]:
            return
        started.client = client
        client.on_message = started.on_message
        self.clients.remove(client)
        if started.streams:
            started.streams.attach(client, ["stdout", "stderr"], patient=True)

    def _exec_ended(self, ended: ExecProcess, code: int) -> None:
        self.exec_processes.remove(ended)
        self.parts.remove(ended)
        self.verbs.emit("exec_die", execID=ended.id, exitCode=str(code))
        if ended.client:
            ended.client.on_message = self._on_message  # it has only to hear the end now
            self.clients.append(ended.client)
            ended.client.send_json(channel.EXITED, {"code": code, "oom": False, "last": False})
