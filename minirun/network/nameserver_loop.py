"""The process that serves a network's names: sockets around nameserver.py, and the way on to other resolvers.

    container --udp, tcp--> our sockets --> answer() --> reply
                                               |
                                            Forward --udp or tcp as it came--> resolv.conf's servers, in order

It lives in the host's network namespace, so that it reaches what the host reaches, systemd-resolved's 127.0.0.53
included.  One thread, one asyncio loop: a query for a name of ours is answered where it is read; one that is
forwarded becomes a task.  Everything a client could pile up has a bound.  Nothing that happens to one query ends the
process: what goes wrong with a socket drops that one message, and the client asks again.

See      RFC 5452 (what keeps forged answers out), RFC 7766 (TCP), resolv.conf(5)
By hand  dig +tcp @172.18.0.1 example.org
Left out answers are not cached, which the host's resolver does; queries on one TCP connection wait for each other
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
from typing import TYPE_CHECKING, NamedTuple

from minirun.network import nameserver, nameserver_names, resolve

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from typing import Any

    Address = tuple[Any, ...]
    """What getsockname(2) gives: (host, port), for IPv6 flow and scope, too."""

_PATIENCE_SECONDS = 2.0  # with one upstream server; a client's own is 5
_IDLE_SECONDS = 10.0  # a TCP connection on which nothing is asked, or whose client does not read
_MOST_CONNECTIONS = 100
_MOST_FORWARDED = 1000
_MOST_SERVERS = 3  # as the C library, MAXNS
_MOST_QUERY_BYTES = 4096  # a query of one question with all its options is a tenth of that
_MOST_ANSWER_BYTES = 65535
_READ_AT_ONCE = 100  # datagrams of one socket, before the others have their turn
_DESCRIPTORS = _MOST_FORWARDED + 2 * _MOST_CONNECTIONS + 100


class Settings(NamedTuple):
    """What is as it is on every machine, except for tests."""

    resolv_conf: str = "/etc/resolv.conf"
    port: int = 53  # of the servers in there
    tick_seconds: float = 30.0  # between two looks whether the network is still in use
    grace_seconds: float = 5.0  # and the second look, before it counts as unused


def serve(
    directory: str,
    name: str,
    udp: Sequence[socket.socket],
    tcp: Sequence[socket.socket],
    settings: Settings | None = None,
) -> None:
    """Serve the network of the file `directory`/`name`.json on bound (`tcp`: listening) sockets.

    Returns on SIGTERM, or when the network is gone or has had no endpoints for a while; the sockets are then closed.
    To be called in the main thread, for the signal.
    """
    _allow_descriptors()
    asyncio.run(_Server(directory, name, udp, tcp, settings or Settings()).run())


def _allow_descriptors() -> None:
    # Every query under way has a socket; the usual soft limit of 1024 is for programs that call select(2).
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _DESCRIPTORS:
        wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Upstream(NamedTuple):
    """A server to forward to, as socket(2) and connect(2) want it."""

    family: int
    address: Address


class Resolvers:
    """Whom to forward to: the servers of resolv.conf, read again when that file is another.

    While the file is missing, for it may be about to be replaced, the last known ones stay.  Our own sockets are
    never among the servers: a query would go in a circle.
    """

    def __init__(self, settings: Settings, own: Sequence[socket.socket]) -> None:
        self.path = settings.resolv_conf
        self.port = settings.port
        self.own = {sock.getsockname()[:2] for sock in own}
        self._signature: tuple[int, ...] = ()
        self._of_host: list[Upstream] = []

    def of(self, forward: nameserver.Forward) -> list[Upstream]:
        """The servers for a query: the endpoint's own, or the host's."""
        return self._usable(forward.servers) if forward.servers else self.of_host()

    def of_host(self) -> list[Upstream]:
        try:
            found = os.stat(self.path)  # follows the symlink that /etc/resolv.conf often is
            signature = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
            if signature != self._signature:
                with open(self.path, encoding="utf-8", errors="replace") as file:
                    self._of_host = self._usable(resolve.nameservers(file.read()))
                self._signature = signature
        except OSError:
            pass
        return self._of_host

    def _usable(self, servers: Sequence[str]) -> list[Upstream]:
        found = (self._upstream(server) for server in servers)
        return [upstream for upstream in found if upstream][:_MOST_SERVERS]

    def _upstream(self, server: str) -> Upstream | None:
        """None for what is no address, has the scope of a link that is not there (fe80::1%gone), or is ourselves."""
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        try:
            family, _, _, _, address = socket.getaddrinfo(
                server, self.port, type=socket.SOCK_DGRAM, flags=flags
            )[0]
        except (OSError, ValueError):
            return None
        return None if address[:2] in self.own else Upstream(family, address)


class _Server:
    def __init__(
        self,
        directory: str,
        name: str,
        udp: Sequence[socket.socket],
        tcp: Sequence[socket.socket],
        settings: Settings,
    ) -> None:
        self.names = nameserver_names.Names(directory, name)
        self.udp, self.tcp = udp, tcp
        self.settings = settings
        self.resolvers = Resolvers(settings, (*udp, *tcp))
        self.forwarded = 0
        self.connections = 0
        self.tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps no strong reference

    async def run(self) -> None:
        """Serve until there is a reason to stop."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)  # the default one prints
        stop = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        self._start(self._watch(stop))
        for sock in self.udp:
            sock.setblocking(False)
            loop.add_reader(sock, self._read, sock)
        servers = [await asyncio.start_server(self._connection, sock=sock) for sock in self.tcp]
        await stop.wait()
        for sock in self.udp:
            loop.remove_reader(sock)
            sock.close()
        for server in servers:
            server.close()

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _watch(self, stop: asyncio.Event) -> None:
        """Stop when nobody needs us.  The second look is for a network whose last container is being replaced."""
        while True:
            await asyncio.sleep(self.settings.tick_seconds)
            if not self.names.in_use():
                await asyncio.sleep(self.settings.grace_seconds)
                if not self.names.in_use():
                    return stop.set()

    # UDP

    def _read(self, sock: socket.socket) -> None:
        """Answer the datagrams that have arrived.  Whatever is wrong with one of them, the next has its turn."""
        for _ in range(_READ_AT_ONCE):
            try:
                query, client = sock.recvfrom(_MOST_QUERY_BYTES)
            except OSError:  # most often BlockingIOError: that were all
                return
            found = nameserver.answer(query, client[0], self.names, udp=True)
            if isinstance(found, nameserver.Forward):
                self._start(self._forward_datagram(sock, client, found))
            elif found is not None:
                _send(sock, found, client)

    async def _forward_datagram(
        self, sock: socket.socket, client: Address, forward: nameserver.Forward
    ) -> None:
        _send(sock, await self._forward(forward, stream=False), client)

    # TCP

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection, from accept(2) to close(2)."""
        self.connections += 1
        try:
            if self.connections <= _MOST_CONNECTIONS:
                await self._converse(reader, writer)
        except (OSError, EOFError, TimeoutError):  # it went away, or has nothing to ask any more
            pass
        finally:
            self.connections -= 1
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()  # close() would wait for a client that does not read until it does
            else:
                writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One query after the other, until one makes no sense or none comes for a while."""
        client = writer.get_extra_info("peername")[0]
        writer.transport.set_write_buffer_limits(0)  # drain() is to mean that all has been sent
        while True:
            async with asyncio.timeout(_IDLE_SECONDS):
                size = int.from_bytes(await reader.readexactly(2), "big")
                if size > _MOST_QUERY_BYTES:
                    return
                query = await reader.readexactly(size)
            found = nameserver.answer(query, client, self.names, udp=False)
            if isinstance(found, nameserver.Forward):
                found = await self._forward(found, stream=True)
            if found is None:
                return
            writer.write(_framed(found))
            async with asyncio.timeout(_IDLE_SECONDS):
                await writer.drain()

    # On to others

    async def _forward(self, forward: nameserver.Forward, *, stream: bool) -> bytes:
        """The reply to a query that others answer, SERVFAIL if they do not."""
        if self.forwarded >= _MOST_FORWARDED:
            return forward.failure()
        self.forwarded += 1
        try:
            return await self._first_answer(forward, stream)
        finally:
            self.forwarded -= 1

    async def _first_answer(self, forward: nameserver.Forward, stream: bool) -> bytes:
        """Ask one server after the other, as the C library would.

        A server that fails, or refuses us, may know less than the next one; if that does not answer at all, the
        first one's word is what there is.
        """
        last = None
        for upstream in self.resolvers.of(forward):
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    message = await _ask(upstream, forward, stream)
            except (OSError, EOFError, TimeoutError):  # ECONNREFUSED is told at once
                continue
            last = forward.incoming(message)
            if not nameserver.has_failed(message):
                break
        return last or forward.failure()


def _send(sock: socket.socket, reply: bytes, client: Address) -> None:
    try:
        sock.sendto(reply, client)
    except OSError:  # the queue is full, the client's link is gone: it is UDP
        pass


def _framed(message: bytes) -> bytes:
    """RFC 1035 section 4.2.2: over TCP, a message is preceded by its length."""
    return len(message).to_bytes(2, "big") + message


async def _ask(upstream: Upstream, forward: nameserver.Forward, stream: bool) -> bytes:
    """What one server says.  Raises OSError, and EOFError when it hangs up.

    A socket for every query: the kernel picks another source port each time, and lets only this server's messages
    in as the socket is connected.  With the id that makes 31 bits to guess for who forges an answer.
    """
    loop = asyncio.get_running_loop()
    ident = os.urandom(2)
    query = forward.outgoing(ident)
    with socket.socket(upstream.family, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, upstream.address)
        await loop.sock_sendall(sock, _framed(query) if stream else query)
        while True:
            message = await (_receive_framed(sock) if stream else loop.sock_recv(sock, _MOST_ANSWER_BYTES))
            if forward.is_answered_by(message, ident):
                return message


async def _receive_framed(sock: socket.socket) -> bytes:
    size = int.from_bytes(await _receive(sock, 2), "big")
    return await _receive(sock, size)


async def _receive(sock: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes of a stream.  Raises EOFError when it ends before."""
    loop = asyncio.get_running_loop()
    received = b""
    while len(received) < size:
        some = await loop.sock_recv(sock, size - len(received))
        if not some:
            raise EOFError
        received += some
    return received
