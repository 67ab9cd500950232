"""The shim's loop: bytes, signals and window sizes between a running program and those who are attached.

Nothing here may block, or a program that does not read its input would keep the shim from reading its output, and a
client that has stopped would keep everybody from stopping the container.  So what cannot be written now waits, and
whoever makes more of it is not listened to until it has gone:

    program's output  -- not read while -->  a client has messages waiting
    client's input    -- not read while -->  the program has a backlog of INPUT_BACKLOG bytes

See  poll(2), pipe(7), pidfd_open(2); channel.py for the messages
"""

from __future__ import annotations

import contextlib
import os
import select
import socket

from minirun import jsontext
from minirun.engine import channel
from minirun.runtime import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minirun.engine import logs

INPUT_BACKLOG = 1 << 20  # bytes


class Client:
    """One connection, and the messages it could not take yet."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.waiting: list[bytes] = []
        sock.setblocking(False)

    def send(self, kind: bytes, content: bytes = b"") -> None:
        self.waiting.append(kind + content)
        self.flush()

    def flush(self) -> None:
        """Send what it takes now.  One that has gone takes everything."""
        try:
            while self.waiting:
                self.sock.send(self.waiting[0])
                del self.waiting[0]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            self.waiting.clear()

    def finish(self, kind: bytes, value: object) -> None:
        """Send the rest and a last message, however long it takes the client to read."""
        self.sock.setblocking(True)
        self.send(kind, jsontext.dumps(value).encode())


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


class Streams:
    """A program's streams and the clients attached to them.

    `outputs` maps descriptors to "stdout" or "stderr"; `signal` is called with the number a client sends.
    """

    def __init__(self, outputs: dict[int, str], source: Input, log: logs.Writer) -> None:
        self.outputs = outputs
        self.input = source
        self.log = log
        self.clients: list[Client] = []
        for fd in outputs:
            os.set_blocking(fd, False)

    def attend(self, pidfd: int, listener: socket.socket, signal: Callable[[int], None]) -> None:
        """Serve until the process behind `pidfd` has ended and all it printed is in the log."""
        ended = False
        while not ended:
            for fd, events in self._wait(pidfd, listener.fileno()):
                if fd == pidfd:
                    ended = True
                elif fd == listener.fileno():
                    self.clients.append(Client(listener.accept()[0]))
                elif fd in self.outputs and events & ~select.POLLOUT:
                    self._take_output(fd)
                elif fd == self.input.fd:
                    self.input.flush()
                else:
                    self._serve(fd, events, signal)
        for fd in list(self.outputs):  # nobody is left who could add to them
            while self._take_output(fd):
                pass

    def _wait(self, *always: int) -> list[tuple[int, int]]:
        poll = select.poll()
        for fd in always:
            poll.register(fd, select.POLLIN)
        for fd, events in self._interests():
            poll.register(fd, events)
        return poll.poll()

    def _interests(self) -> Iterator[tuple[int, int]]:
        """What is to be waited for now, by the two rules at the top of this file."""
        behind = any(client.waiting for client in self.clients)
        full = len(self.input.waiting) >= INPUT_BACKLOG
        writing = {self.input.fd} if self.input.waiting else set()
        for fd in {*self.outputs, *writing}:
            events = (select.POLLIN if fd in self.outputs and not behind else 0) | (
                select.POLLOUT if fd in writing else 0
            )
            if events:
                yield fd, events
        for client in self.clients:
            yield (
                client.sock.fileno(),
                (0 if full else select.POLLIN) | (select.POLLOUT if client.waiting else 0),
            )

    def _take_output(self, fd: int) -> bool:
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
            return False
        self.log.write(stream, data)
        for client in self.clients:
            client.send(channel.STDERR if stream == "stderr" else channel.STDOUT, data)
        return True

    def _serve(self, fd: int, events: int, signal: Callable[[int], None]) -> None:
        client = next((one for one in self.clients if one.sock.fileno() == fd), None)
        if client is None:
            return  # lost a moment ago, by an event before this one
        if events & select.POLLOUT:
            client.flush()
        if events & ~select.POLLOUT:
            self._take_message(client, signal)

    def _take_message(self, client: Client, signal: Callable[[int], None]) -> None:
        kind, content = channel.receive(client.sock)
        if not kind:
            self.clients.remove(client)
            client.sock.close()
        elif kind == channel.STDIN:
            self.input.write(content)
        elif kind == channel.STDIN_END:
            self.input.end()
        elif kind == channel.RESIZE and self.input.is_terminal:
            with contextlib.suppress(OSError):
                terminal.set_size(self.input.fd, *jsontext.loads(content))
        elif kind == channel.SIGNAL:
            signal(jsontext.loads(content))

    def finish(self, kind: bytes, value: object) -> None:
        """The last message to all; those who are behind come last, for they may take their time."""
        for client in sorted(self.clients, key=lambda client: len(client.waiting)):
            client.finish(kind, value)
