"""Who listens where: the sockets of a network namespace that wait for somebody, and the programs that have them.

The kernel shows every process the sockets of its network namespace in /proc/PID/net.  An IPv6 socket at :: takes IPv4
as well, unless its program has asked for IPV6_V6ONLY: that is not shown there, so ss(8) is asked.

See      proc_pid_net(5), ipv6(7) "IPV6_V6ONLY"
By hand  nsenter --net=/proc/PID/ns/net ss -lntup
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
from typing import TYPE_CHECKING, NamedTuple

from minirun import files
from minirun.errors import UnsupportedError
from minirun.linux import programs
from minirun.network import addresses, firewall, namespace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WAITING = {
    "tcp": "0A",
    "udp": "07",
}  # include/net/tcp_states.h: LISTEN, and CLOSE for a socket without a peer
_TABLES = ("tcp", "tcp6", "udp", "udp6")
_WORD = 8  # hexadecimal digits of 32 bits
_MAPPED = "::ffff:"  # an IPv4 address as an IPv6 socket has it
_SS = re.compile(r"\bino:(\d+)\b.*\bv6only:1\b")


class Listener(NamedTuple):
    protocol: str  # tcp, udp
    address: str
    port: int
    inode: int  # the socket's: /proc/PID/fd tells whose it is
    v6_only: bool

    def hears(self, address: str) -> bool:
        """Whether what is sent to `address` in its namespace comes to this socket."""
        own = self.address.removeprefix(_MAPPED) if "." in self.address else self.address
        if own == address:
            return True
        if own == firewall.ANY6:
            return addresses.is_v6(address) or not self.v6_only
        return own == firewall.ANY4 and not addresses.is_v6(address)

    def is_local(self) -> bool:
        """Whether only its own namespace reaches it."""
        return addresses.is_loopback(self.address.removeprefix(_MAPPED))


def of_process(pid: int | str) -> list[Listener]:
    """All in the network namespace of a process (`self`: ours); none when it has ended."""
    only = _v6_only(pid)
    return [
        listener._replace(v6_only=listener.inode in only)
        for table in _TABLES
        for listener in parse(table[:3], files.text(f"/proc/{pid}/net/{table}"))
    ]


def parse(protocol: str, text: str, *, connected: bool = False) -> Iterator[Listener]:
    """The sockets without a peer in a file like /proc/net/tcp; `connected`: those with one as well."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        if connected or fields[3] == _WAITING[protocol]:
            number, _, port = fields[1].partition(":")
            yield Listener(protocol, _address(number), int(port, 16), int(fields[9]), False)


def _address(digits: str) -> str:
    """Addresses are shown as numbers of 32 bits that lie in memory as on the wire.

    >>> _address("0100007F")
    '127.0.0.1'
    """
    words = [digits[start : start + _WORD] for start in range(0, len(digits), _WORD)]
    packed = b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def parse_v6_only(text: str) -> set[int]:
    """The inodes of sockets with IPV6_V6ONLY in what `ss -e` prints."""
    return {int(found[1]) for line in text.splitlines() if (found := _SS.search(line))}


def _v6_only(pid: int | str) -> set[int]:
    """None where ss is missing: then :: counts as both families, as it does by default."""
    with contextlib.suppress(OSError, UnsupportedError), namespace.inside(f"/proc/{pid}/ns/net"):
        return parse_v6_only(programs.run(["ss", "-6Hlntue"]).output)
    return set()


# ---- whose they are -----------------------------------------------------------------------------------------------


class Owner(NamedTuple):
    pid: int  # as we count
    program: str  # its name, which it may choose itself

    def __str__(self) -> str:
        """
        >>> str(Owner(12, "nginx"))
        'nginx (pid 12)'
        """
        return f"{self.program} (pid {self.pid})"


def owners(listeners: Iterable[Listener]) -> dict[int, Owner]:
    """A process that has the socket, by inode; forked servers share theirs, and the oldest is named."""
    wanted = {f"socket:[{listener.inode}]": listener.inode for listener in listeners}
    found: dict[int, Owner] = {}
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()) if wanted else ():
        with contextlib.suppress(OSError):
            for link in _links(pid):
                if link in wanted and wanted[link] not in found:
                    found[wanted[link]] = Owner(pid, _program(pid))
    return found


def owner_of_port(protocol: str, port: int) -> Owner | None:
    """The process of our own network namespace because of which a port cannot be bound.

    Of UDP also one that has a peer.  Without ss(8), which `of_process` asks: it is who that matters, not what it hears.
    """
    held = [
        listener
        for table in (protocol, f"{protocol}6")
        for listener in parse(protocol, files.text(f"/proc/self/net/{table}"), connected=protocol == "udp")
        if listener.port == port
    ]
    return next(iter(owners(held).values()), None)


def _program(pid: int) -> str:
    """`nginx`; of our own processes what ps(1) shows: `minirun:shim web`, which may be of another --root."""
    name = files.text(f"/proc/{pid}/comm").strip()
    if name.startswith("minirun:"):
        return files.text(f"/proc/{pid}/cmdline").replace("\0", " ").strip() or name
    return name


def _links(pid: int) -> Iterator[str]:
    directory = f"/proc/{pid}/fd"
    for fd in os.listdir(directory):
        with contextlib.suppress(OSError):  # closed by now
            yield os.readlink(f"{directory}/{fd}")
