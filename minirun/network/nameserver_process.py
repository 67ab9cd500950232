"""The process that answers a network's questions for names: its sockets, whether it is there, its end.

It begins with the network's first container and goes with the last.  It listens at the gateway's address, on a
port that the kernel chooses, and only hears what comes in by its own bridge; the table leads what is sent to
the gateway's port 53 there.  So it is in nobody's way: not in that of a name server on the host, nor of a
container that publishes port 53.

While it lives it holds the lock on networks/NAME.lock, where its pid is written.

See      nameserver_loop.py for what it does, nameserver.py for what it answers
By hand  ps ax | grep minirun:names
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time

from minirun import files
from minirun.errors import MinirunError
from minirun.linux import signals
from minirun.network import addresses, ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.network.ledger import Network
    from minirun.paths import Paths

    Serve = Callable[["Paths", Network, list[socket.socket], list[socket.socket], int], None]

_IP_FREEBIND, _IPV6_FREEBIND = 15, 78  # linux/in.h, linux/in6.h
_TRIES = 20
_BACKLOG = 64
_PATIENCE_SECONDS = 1.0


def lock_path(paths: Paths, name: str) -> str:
    return f"{paths.networks}/{name}.lock"


def is_running(paths: Paths, network: Network) -> bool:
    return files.is_locked(lock_path(paths, network["name"]))


class Preparation:
    """A name server that is about to begin: its port is known before its bridge exists."""

    def __init__(self, paths: Paths, network: Network) -> None:
        self.paths = paths
        self.lock = files.open_lock(lock_path(paths, network["name"]))
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX)
            self.udp, self.tcp = _open_sockets([pool["gateway"] for pool in network["pools"]])
        except BaseException:
            os.close(self.lock)  # a lock that is held says that a name server is there
            raise
        network["dns_port"] = self.udp[0].getsockname()[1]

    def start(self, network: Network, serve: Serve) -> None:
        """Have `serve` run it in a process of its own.  The bridge has to be there."""
        for sock in (*self.udp, *self.tcp):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, network["bridge"].encode())
        serve(self.paths, network, self.udp, self.tcp, self.lock)

    def close(self) -> None:
        """Our own copies; the process has its own."""
        for sock in (*self.udp, *self.tcp):
            sock.close()
        os.close(self.lock)


def _open_sockets(gateways: list[str]) -> tuple[list[socket.socket], list[socket.socket]]:
    """UDP and TCP sockets at each address, all with one port that is free for all of them."""
    for _ in range(_TRIES):
        with contextlib.ExitStack() as undo:
            try:
                made: dict[bool, list[socket.socket]] = {True: [], False: []}
                port = 0
                for gateway in gateways:
                    for stream in (False, True):
                        sock = undo.enter_context(_socket(gateway, stream=stream))
                        sock.bind((gateway, port))
                        port = sock.getsockname()[1]
                        made[stream].append(sock)
                for sock in made[True]:
                    sock.listen(_BACKLOG)
            except OSError:
                continue  # somebody has this port of the other protocol
            undo.pop_all()
            return made[False], made[True]
    raise MinirunError("no port is free for the network's name server")


def _socket(address: str, *, stream: bool) -> socket.socket:
    """One that can be bound to an address which the host is only about to get."""
    v6 = addresses.is_v6(address)
    family = socket.AF_INET6 if v6 else socket.AF_INET
    sock = socket.socket(family, (socket.SOCK_STREAM if stream else socket.SOCK_DGRAM) | socket.SOCK_CLOEXEC)
    if v6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
    return sock


def stop(paths: Paths, name: str) -> None:
    """End the name server of a network, if it has one, and wait until it is gone."""
    path = lock_path(paths, name)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    number = signals.SIGTERM
    while files.is_locked(path):
        with contextlib.suppress(OSError, ValueError), open(path, encoding="ascii") as file:
            os.kill(int(file.read()), number)
        if time.monotonic() > deadline:
            number = signals.SIGKILL
        time.sleep(0.002)


def stop_for(paths: Paths, network: Network) -> None:
    if network["name"] != ledger.DEFAULT:
        stop(paths, network["name"])
    network["dns_port"] = 0
