"""Who comes to the shim, and what they want: to attach, to have something executed, to ask for something.

A request (REQUEST, answered with ANSWER or FAILED) is one of

    {"do": "signal", "number": n}                 pass a signal on to the program
    {"do": "stop", "number": n, "keep": bool}     the same, and then no restart policy acts; keep: nor does --rm;
                                                  "by_hand": false: `system restore` is to start it again
    {"do": "pause"}, {"do": "unpause"}            freeze the cgroup, and thaw it
    {"do": "change", "fields": {...}}             remember something else: name, options, plugs
    {"do": "resize", "rows": n, "columns": n}     the program's terminal
    {"do": "execs"}                               -> the ids of the processes of `exec`
    {"do": "ports"}                               -> the ports of the host that are held for it, for `network connect`

See      channel.py for the messages, control.py for the asking side, supervisor.py for what is done
"""

from __future__ import annotations

import contextlib

from minirun import jsontext
from minirun.engine import channel
from minirun.engine.shim import execs
from minirun.engine.shim.streams import Client
from minirun.errors import ConflictError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any

    from minirun.engine.shim.execs import Session
    from minirun.engine.shim.supervisor import Life


class Desk:
    """The clients of one container, and the processes of `exec`."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.clients: list[Client] = []  # those without an `exec` of their own
        self.sessions: list[Session] = []

    def accept(self) -> None:
        """Somebody has connected, unless this process has as many descriptors as it may have."""
        with contextlib.suppress(OSError):
            self.welcome(self.life.shim.listener.accept()[0])

    def welcome(self, sock: socket.socket) -> Client:
        client = Client(sock, self._on_message)
        self.clients.append(client)
        self.life.parts.append(client)
        return client

    def _part(self, client: Client) -> None:
        if client in self.life.shim.streams.clients and self.life.status is None:
            self.life.tell("detach")
        for crowd in (self.clients, self.life.parts, self.life.shim.streams.clients):
            if client in crowd:
                crowd.remove(client)
        client.close()

    def _on_message(self, client: Client, kind: bytes, content: bytes, descriptors: list[int]) -> None:
        """A message of a client that has no `exec` of its own."""
        if not kind:
            return self._part(client)
        self._serve(client, kind, content, descriptors)

    def _serve(self, client: Client, kind: bytes, content: bytes, descriptors: list[int]) -> None:
        streams = self.life.shim.streams
        if kind == channel.REQUEST:
            client.send_json(channel.ANSWER, self._answer(jsontext.loads(content)))
        elif kind == channel.EXEC:
            self._begin_session(client, jsontext.loads(content), descriptors)
        elif kind == channel.ATTACH:
            self.life.require_running("attach to")
            streams.attach(client, jsontext.loads(content))
            self.life.tell("attach")
        elif kind == channel.SIGNAL:
            with contextlib.suppress(ConflictError):  # nobody waits for an answer
                self.life.signal(jsontext.loads(content))
        elif client in streams.clients:
            streams.receive(kind, content)

    def _answer(self, question: dict[str, Any]) -> object:
        life = self.life
        verbs: dict[str, Callable[..., object]] = {
            "signal": life.signal,
            "stop": life.stop,
            "pause": life.pause,
            "unpause": life.unpause,
            "change": life.change,
            "resize": life.shim.streams.resize,
            "execs": lambda: [session.id for session in self.sessions],
            "ports": life.shim.hold_ports,
        }
        verb = question.pop("do", None)
        if verb not in verbs:
            raise UsageError(
                f'the shim cannot do "{verb}"', "the command line is of another version than the shim"
            )
        return verbs[verb](**question)

    # ---- `exec` -----------------------------------------------------------------------------------------------

    def _begin_session(self, client: Client, wish: dict[str, Any], descriptors: list[int]) -> None:
        life = self.life
        life.require_running("exec in")
        words = " ".join(wish["args"])
        session = execs.begin(life.paths, life.record, wish, descriptors, self._end_session)
        life.tell(f"exec_create: {words}", execID=session.id)
        life.tell(f"exec_start: {words}", execID=session.id)
        self.sessions.append(session)
        life.parts.append(session)
        client.send_json(channel.RUNNING, {"id": session.id, "pid": session.pid})
        if wish["detach"]:
            return
        session.client = client
        client.on_message = session.on_message
        self.clients.remove(client)
        if session.streams:
            session.streams.attach(client, ["stdout", "stderr"], patient=True)

    def _end_session(self, session: Session, code: int) -> None:
        self.sessions.remove(session)
        self.life.parts.remove(session)
        self.life.tell("exec_die", execID=session.id, exitCode=str(code))
        if session.client:
            session.client.on_message = self._on_message  # it has only to hear the end now
            self.clients.append(session.client)
            session.client.send_json(channel.EXITED, {"code": code, "oom": False, "last": False})
