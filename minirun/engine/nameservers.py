"""The fork of a network's name server.

It is nobody's child: it outlives the process that begins it, a shim's or a command of a moment.  And it must
keep nothing of theirs: a shim's mount namespace held open would hold a container's tree.

Next     network/nameserver_loop.py
"""

from __future__ import annotations

import os

from minirun.linux import signals, syscalls, trace
from minirun.linux.constants import CLONE_NEWNS
from minirun.runtime import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from minirun.network.ledger import Network
    from minirun.network.nameserver_process import Serve
    from minirun.paths import Paths


def starter(home: int = -1) -> Serve:
    """What the network layer calls to begin one.  `home` is a descriptor of the host's mount namespace, for those who
    are in another."""

    def serve(
        paths: Paths, network: Network, udp: list[socket.socket], tcp: list[socket.socket], lock: int
    ) -> None:
        def server() -> int:
            keep = {lock, *(sock.fileno() for sock in (*udp, *tcp))}
            _detach(home, keep, network["name"])
            from minirun.network import nameserver_loop

            nameserver_loop.serve(paths.networks, network["name"], udp, tcp)
            return 0

        def between() -> int:  # it ends at once, and so its child is nobody's
            pid = process.fork(server)
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{pid}\n".encode(), 0)
            return 0

        os.waitpid(process.fork(between), 0)

    return serve


def _detach(home: int, keep: set[int], name: str) -> None:
    """Become a process of its own, in the host's mount namespace, with nothing open but `keep`."""
    trace.stop()
    if home >= 0:
        syscalls.setns(home, CLONE_NEWNS, path="the host's mount namespace")
    process.daemonize(keep, "minirun:names", f"minirun:names {name}")
    signals.signal(signals.SIGINT, signals.SIG_IGN)
    signals.signal(signals.SIGHUP, signals.SIG_IGN)
    signals.signal(signals.SIGTERM, signals.SIG_DFL)
