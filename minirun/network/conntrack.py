"""Forgetting what the kernel remembers of conversations over UDP.

Whether a packet is translated is decided with the first one of a conversation and remembered as long as others follow.
A client that has asked before a port was published, or that asks a container which has gone, would be kept from the
new one for as long as it goes on asking.  So what is remembered of a UDP port is forgotten when the port is published
and when it is not any more.  TCP needs none of that: a client whose connection is dead opens another.

See      linux/netfilter/nfnetlink_conntrack.h, conntrack(8); there is no man page of the kernel's side
By hand  conntrack -D -p udp --orig-port-dst 5353
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct

from minirun.linux import syscalls
from minirun.network import netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minirun.network.ledger import Port

_NETLINK_NETFILTER = 12
_CT_GET, _CT_DELETE = 0x101, 0x102  # subsystem 1, messages 1 and 2
_TUPLE_ORIG, _TUPLE_PROTO, _PROTO_NUM, _PROTO_DST_PORT = 1, 2, 1, 3
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


def forget(ports: Iterable[Port]) -> None:
    """Forget the conversations with the UDP ports among `ports`.  A kernel without the interface remembers none."""
    numbers = {port["host_port"] for port in ports if port["protocol"] == "udp"}
    if not numbers:
        return
    with (
        contextlib.closing(netlink.open_socket(_NETLINK_NETFILTER)) as sock,
        syscalls.tolerating(errno.EPROTONOSUPPORT, errno.EINVAL, errno.EOPNOTSUPP),
    ):
        for family in _FAMILIES:
            for entry in list(_remembered(sock, family, numbers)):
                _delete(sock, family, entry)


def _remembered(sock: socket.socket, family: int, numbers: set[int]) -> Iterator[bytes]:
    """The first tuple (who began it, with whom) of each conversation with one of the ports."""
    flags = netlink.NLM_F_REQUEST | netlink.NLM_F_DUMP
    for answer in netlink.dump(sock, _message(_CT_GET, flags, family)):
        found = dict(netlink.attributes(answer[netlink.HEADER.size + 4 :]))
        one = found.get(_TUPLE_ORIG, b"")
        protocol = dict(netlink.attributes(dict(netlink.attributes(one)).get(_TUPLE_PROTO, b"")))
        if protocol.get(_PROTO_NUM) != bytes([socket.IPPROTO_UDP]):
            continue
        if int.from_bytes(protocol.get(_PROTO_DST_PORT, b""), "big") in numbers:
            yield one


def _delete(sock: socket.socket, family: int, one: bytes) -> None:
    attribute = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(one), _TUPLE_ORIG | netlink.NESTED) + one
    message = _message(_CT_DELETE, netlink.NLM_F_REQUEST | netlink.NLM_F_ACK, family, attribute)
    with syscalls.tolerating(errno.ENOENT):  # it has just ended
        netlink.request(
            sock, message, "conntrack -D -p udp", "else what was decided before goes on for its client"
        )


def _message(kind: int, flags: int, family: int, attributes: bytes = b"") -> bytes:
    body = struct.pack("=BBH", family, 0, 0) + attributes
    return netlink.HEADER.pack(netlink.HEADER.size + len(body), kind, flags, 0, 0) + body
