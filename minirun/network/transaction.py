"""One change of the host's networks, in which nobody else makes another.

    with transaction.begin(paths) as change:      the lock is held, of all of minirun on this machine
        network = ledger.read(change.paths, ...)  what is
        ledger.write(change.paths, network)       what is to be; then make it so

What is written down first leads whoever comes next to what a change that was killed has left: see ledger.py.  There is
no undoing here: removal.py takes away what is in nobody's name.

See      flock(2), netlink(7)
"""

from __future__ import annotations

import contextlib
import errno

from minirun.errors import MinirunError, UnsupportedError
from minirun.linux import syscalls
from minirun.network import ledger, namespace, netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from minirun.paths import Paths

_HINTS = {
    errno.EOPNOTSUPP: "the kernel lacks a kind of interface: try `modprobe -a bridge veth`",
    errno.EPERM: "networks need root (CAP_NET_ADMIN); try sudo",
    errno.EEXIST: "something else has an interface of that name",
}


class Transaction:
    """Good for the length of `begin`'s with block, for those who hold `lock`, the descriptor of the ledger's lock."""

    def __init__(self, paths: Paths, lock: int, sock: socket.socket) -> None:
        self.paths = paths
        self.lock = lock
        self.sock = sock  # of rtnetlink(7), in the host's network namespace
        self.table = ledger.names(paths.root)[1]  # the name of our tables in nftables

    def link_group(self, bridge: str) -> int:
        """The number that the interfaces of a network carry."""
        return ledger.link_group(self.paths.root, bridge)


@contextlib.contextmanager
def begin(paths: Paths) -> Iterator[Transaction]:
    """Wait until nobody else changes networks.  Raises MinirunError for what the kernel refuses."""
    with refusals_explained(), ledger.lock() as lock, contextlib.closing(netlink.open_socket()) as sock:
        yield Transaction(paths, lock, sock)


@contextlib.contextmanager
def refusals_explained() -> Iterator[None]:
    """Turn a refusal of the kernel into a sentence: the command that was refused, why, and what to do.

    Nothing is begun by a process that has lost its way home: what it does would be done to a container.
    """
    namespace.require_home()
    try:
        yield
    except syscalls.SyscallError as error:
        hint = _HINTS.get(error.errno or 0, "")
        message = f"{error.path}: {error.strerror}" if error.call == "netlink" else str(error)
        kind = UnsupportedError if error.errno == errno.EOPNOTSUPP else MinirunError
        raise kind(message, hint) from error
