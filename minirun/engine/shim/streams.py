"""Bytes between a running program and those who are attached to it.

Nothing here may block, or a program that does not read its input would keep the shim from reading its output, and a
client that has stopped would keep everybody from stopping the container.  So what cannot be written now waits:

    program's output  -- not read while -->  the client that began the program (`run`, `start -a`, `exec -t`) is behind
    a client's input  -- not read while -->  the program has a backlog of INPUT_BACKLOG bytes

The client that began the program is part of its pipeline, as in `minirun run ... | less`: it misses nothing and
can hold the program up, as any pipe can.  Those who came later with `attach` look on: one that is
ONLOOKER_BACKLOG bytes behind misses what comes next, is told so, and holds nobody up.

See  poll(2), pipe(7); stdio.py for where they come from; loop.py, channel.py for the messages
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time

from minirun import jsontext
from minirun.engine import channel
from minirun.engine.shim.loop import Part
from minirun.runtime import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minirun.engine.logs import writer

    # a client's message: kind, content, descriptors
    OnMessage = Callable[["Client", bytes, bytes, list[int]], None]

INPUT_BACKLOG = 1 << 20  # bytes
ONLOOKER_BACKLOG = 1 << 20  # bytes
READ_SECONDS = 0.02  # of one stream's output in a row, when only the log is there to take it
_KINDS = {"stdout": channel.STDOUT, "stderr": channel.STDERR}


class Client(Part):
    """One connection, and the messages it could not take yet.

    `on_message` gets each message it sends.  `streams` are those of the program that it wants to see.
    """

    def __init__(self, sock: socket.socket, on_message: OnMessage) -> None:
        self.sock = sock
        self.on_message = on_message
        self.patient = False  # whether the program waits for it
        self.streams: frozenset[str] = frozenset()
        self.held: Callable[[], bool] = lambda: False  # whether it is not listened to just now
        self.waiting: list[bytes] = []
        self.waiting_bytes = self.lost_bytes = 0
        self.gone = False
        sock.setblocking(False)

    def interests(self) -> Iterator[tuple[int, int]]:
        events = (0 if self.held() else select.POLLIN) | (select.POLLOUT if self.waiting else 0)
        if events and not self.gone:
            yield self.sock.fileno(), events

    def ready(self, fd: int, events: int) -> None:
        if events & select.POLLOUT:
            self.flush()
        if events & ~select.POLLOUT:
            self._hear()

    def _hear(self) -> None:
        """One message.  Whatever is wrong with it, the one who sent it is told, and the container lives on."""
        descriptors: list[int] = []
        try:
            kind, content, descriptors = channel.receive_descriptors(self.sock)
            self.on_message(self, kind, content, descriptors)
        except Exception as error:
            self.send_json(channel.FAILED, channel.report(error))
        finally:
            for fd in descriptors:  # whoever wanted one has a copy
                os.close(fd)

    def send(self, kind: bytes, content: bytes = b"") -> None:
        self.waiting.append(kind + content)
        self.waiting_bytes += len(content)
        self.flush()

    def send_json(self, kind: bytes, value: object) -> None:
        self.send(kind, jsontext.dumps(value).encode())

    def show(self, stream: str, data: bytes) -> None:
        """Something the program printed, unless the client is an onlooker who does not keep up."""
        if stream not in self.streams:
            return
        if not self.patient and self.waiting_bytes >= ONLOOKER_BACKLOG:
            self.lost_bytes += len(data)
        else:
            self.send(_KINDS[stream], data)

    def flush(self) -> None:
        """Send what it takes now.  One that has gone takes everything."""
        try:
            while self.waiting:
                channel.post(self.sock, self.waiting[0])
                self.waiting_bytes -= len(self.waiting.pop(0)) - 1
        except BlockingIOError:
            return
        except OSError:  # it has gone
            self.waiting.clear()
            self.waiting_bytes = 0
        if self.lost_bytes:
            words = f"minirun: {self.lost_bytes} bytes were not shown, you were behind; `minirun logs` has them\r\n"
            self.lost_bytes = 0
            self.send(channel.STDERR, words.encode())

    def close(self) -> None:
        self.gone = True
        self.sock.close()


class Input:
    """The writing end of the program's standard input: a pipe, or the master of its terminal."""

    def __init__(self, fd: int, is_terminal: bool) -> None:
        self.fd = fd
        self.is_terminal = is_terminal
        self.waiting = b""
        self.ending = False
        if fd >= 0:
            os.set_blocking(fd, False)

    def write(self, content: bytes) -> None:
        if self.fd >= 0:
            self.waiting += content
            self.flush()

    def end(self) -> None:
        """No more will come: the program sees the end of its input.  (A terminal has none.)"""
        self.ending = not self.is_terminal
        self.flush()

    def flush(self) -> None:
        try:
            while self.waiting and self.fd >= 0:
                self.waiting = self.waiting[os.write(self.fd, self.waiting) :]
        except BlockingIOError:
            return
        except OSError:  # the program has closed its end
            self.waiting, self.ending = b"", not self.is_terminal
        if self.ending and self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Streams(Part):
    """A program's streams and the clients attached to them.

    `outputs` maps descriptors to "stdout" or "stderr"; `log`, where there is one, gets all that is printed.
    `once`: the input ends with that of the first client, as in `run -i`; else it stays open for the next one.
    """

    def __init__(
        self, outputs: dict[int, str], source: Input, log: writer.Writer | None, *, once: bool = True
    ) -> None:
        self.outputs = outputs
        self.input = source
        self.log = log
        self.once = once
        self.clients: list[Client] = []
        for fd in outputs:
            os.set_blocking(fd, False)

    def attach(self, client: Client, streams: list[str], *, patient: bool = False) -> None:
        """Let `client` see and type from now on."""
        client.streams, client.patient = frozenset(streams), patient
        client.held = lambda: len(self.input.waiting) >= INPUT_BACKLOG
        self.clients.append(client)

    def detach(self, client: Client) -> None:
        if client in self.clients:
            self.clients.remove(client)

    def receive(self, kind: bytes, content: bytes) -> None:
        """What an attached client says."""
        if kind == channel.STDIN:
            self.input.write(content)
        elif kind == channel.STDIN_END and self.once:
            self.input.end()
        elif kind == channel.RESIZE:
            self.resize(*jsontext.loads(content))

    def resize(self, rows: int, columns: int) -> None:
        if self.input.is_terminal and self.input.fd >= 0:
            with contextlib.suppress(OSError):
                terminal.set_size(self.input.fd, rows, columns)

    def interests(self) -> Iterator[tuple[int, int]]:
        """What is to be waited for now, by the two rules at the top of this file."""
        behind = any(client.waiting for client in self.clients if client.patient)
        source = self.input.fd if self.input.waiting else -1
        for fd in {*self.outputs, source} - {-1}:
            events = select.POLLIN if fd in self.outputs and not behind else 0
            events |= select.POLLOUT if fd == source else 0
            if events:
                yield fd, events

    def ready(self, fd: int, events: int) -> None:
        if events & select.POLLOUT and fd == self.input.fd:
            self.input.flush()
        if events & ~select.POLLOUT and fd in self.outputs:
            until = time.monotonic() + (0 if self.clients else READ_SECONDS)
            while self._forward_output(fd) and time.monotonic() < until:
                pass

    def drain(self) -> None:
        """Take all that is still to be had, when nobody is left who could add to it, and close."""
        for fd in list(self.outputs):
            while self._forward_output(fd):
                pass
        self.close()

    def close(self) -> None:
        descriptors = {*self.outputs, self.input.fd} - {-1}
        self.outputs, self.input.fd = {}, -1
        for fd in descriptors:
            os.close(fd)
        if self.log:
            self.log.close()

    def _forward_output(self, fd: int) -> bool:
        """Move what the program printed to the log and to everyone attached.  False when there is no more now."""
        try:
            data = os.read(fd, channel.LARGEST)
        except BlockingIOError:
            return False
        except OSError:  # EIO: nobody has the terminal open any more
            data = b""
        stream = self.outputs[fd]
        if not data:
            del self.outputs[fd]
            if fd != self.input.fd:
                os.close(fd)
            return False
        if self.log:
            self.log.write(stream, data)
        for client in self.clients:
            client.show(stream, data)
        return True
