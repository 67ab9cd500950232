"""One netlink request at a time: send it, wait for the kernel's answer, raise what it says.

Three messages are packed here by hand.  Two are all that `detach` needs: taking a container's network away then
costs no import of pyroute2.  The third, add_fdb_entry's, would be the only one of its module there.  All others are in
links.py.

See      netlink(7), rtnetlink(7), linux/rtnetlink.h
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
import struct
import sys

from minirun.linux import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REPLACE, _NLM_F_CREATE = 0x100, 0x400
_RTM_DELLINK, _RTM_NEWNEIGH = 17, 28
_RTM_GETLINK = 18
_IFLA_IFNAME, _IFLA_GROUP, _IFLA_EXT_MASK = 3, 27, 29
_RTEXT_FILTER_SKIP_STATS = 0x08
_IFINFOMSG = struct.Struct("=BxHiII")
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_AF_BRIDGE = 7
_NDA_LLADDR = 2
_NUD_NOARP = 0x40  # it does not age
_NTF_MASTER, _NTF_STICKY = 0x04, 0x40
NESTED = 0x8000  # of an attribute's type: there are attributes in it
HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_SEQUENCE_OFFSET = 8
_sequence = itertools.count(1)


def open_socket(protocol: int = socket.NETLINK_ROUTE) -> socket.socket:
    """A netlink socket.  It speaks to the network namespace this thread is in now, for as long as it lives."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    sock.bind((0, 0))
    return sock


def request(sock: socket.socket, message: bytes, command: str, why: str) -> None:
    """Send one message that asks for an acknowledgement.  `command` is the ip(8) command that sends the same.

    Raises SyscallError with the errno of the kernel's answer and the command as its path.
    """
    syscalls.act("netlink", _exchange, sock, message, path=command, why=why, shown=(command,))


def _exchange(sock: socket.socket, message: bytes) -> None:
    _raise_error(next(_answers(sock, _send(sock, message), 1 << 16)))


def dump(sock: socket.socket, message: bytes) -> list[bytes]:
    """Send a message with NLM_F_DUMP; all the messages that answer, each with its header."""
    messages: list[bytes] = []
    for answer in _answers(sock, _send(sock, message), 1 << 20):
        _raise_error(answer)
        if HEADER.unpack_from(answer)[1] == _NLMSG_DONE:
            break
        messages.append(answer)
    return messages


def _send(sock: socket.socket, message: bytes) -> int:
    """Returns the number that the message got: the kernel's answers have the same."""
    sequence = next(_sequence)
    numbered = bytearray(message)
    struct.pack_into("=I", numbered, _SEQUENCE_OFFSET, sequence)
    sock.send(numbered)
    return sequence


def _answers(sock: socket.socket, sequence: int, size: int) -> Iterator[bytes]:
    """The messages that answer the request of this number, without end; `size` is the most that comes in one read.

    Others are passed over: an exchange that was interrupted has left its answer in the socket.
    """
    while True:
        received = sock.recv(size)
        while received:
            length, _, _, number, _ = HEADER.unpack_from(received)
            if number == sequence:
                yield received[:length]
            received = received[(length + 3) & ~3 :]


def _raise_error(answer: bytes) -> None:
    if HEADER.unpack_from(answer)[1] == _NLMSG_ERROR:  # also the acknowledgement: an error of 0
        (code,) = struct.unpack_from("=i", answer, HEADER.size)
        if code:
            raise OSError(-code, os.strerror(-code))


def add_fdb_entry(sock: socket.socket, port: str, mac: str, why: str) -> None:
    """Have the bridge that the interface `port` is a port of send what is for `mac` there, whatever else it hears.

    `sticky`: not even a port that learns can take the address away.
    """
    address = struct.pack("=HH6s2x", 4 + 6, _NDA_LLADDR, bytes.fromhex(mac.replace(":", "")))
    index = socket.if_nametoindex(port)
    # struct ndmsg
    body = struct.pack("=BxHiHBB", _AF_BRIDGE, 0, index, _NUD_NOARP, _NTF_MASTER | _NTF_STICKY, 0) + address
    command = f"bridge fdb replace {mac} dev {port} master static sticky"
    request(sock, _message(_RTM_NEWNEIGH, _NLM_F_CREATE | _NLM_F_REPLACE, body), command, why)


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return HEADER.pack(HEADER.size + len(body), kind, NLM_F_REQUEST | NLM_F_ACK | flags, 0, 0) + body


def exists(interface: str) -> bool:
    """Whether this namespace has an interface of that name."""
    try:
        socket.if_nametoindex(interface)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return False
    return True


def groups(sock: socket.socket) -> dict[str, int]:
    """All interfaces of this namespace, each with the number of its group."""
    skip = struct.pack("=HHI", 8, _IFLA_EXT_MASK, _RTEXT_FILTER_SKIP_STATS)
    body = _IFINFOMSG.pack(0, 0, 0, 0, 0) + skip
    size = HEADER.size + len(body)
    found = {}
    for answer in dump(sock, HEADER.pack(size, _RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 0, 0) + body):
        found_attributes = dict(attributes(answer[HEADER.size + _IFINFOMSG.size :]))
        name = found_attributes.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace")
        found[name] = int.from_bytes(found_attributes.get(_IFLA_GROUP, b""), sys.byteorder)
    return found


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, content) of each attribute: netlink(7)."""
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            return
        yield kind & ~NESTED, data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]


def delete_link(sock: socket.socket, name: str, why: str) -> None:
    """Remove one interface (and a veth's other end with it).  It may be gone already."""
    _delete(sock, _IFLA_IFNAME, name.encode() + b"\0", f"ip link delete dev {name}", why)


def delete_group(sock: socket.socket, group: int, why: str) -> None:
    """Remove every interface that carries the number `group`, in one step.  There may be none.

    One request instead of one for each: the kernel waits for all processors to have let go of an interface
    (RCU), 20 to 40 ms, once for all of them.
    """
    _delete(sock, _IFLA_GROUP, struct.pack("=I", group), f"ip link delete group {group}", why)


def _delete(sock: socket.socket, attribute: int, value: bytes, command: str, why: str) -> None:
    which = struct.pack("=HH", 4 + len(value), attribute) + value + b"\0" * (-len(value) % 4)
    body = _IFINFOMSG.pack(0, 0, 0, 0, 0) + which  # any family, no index
    try:
        request(sock, _message(_RTM_DELLINK, 0, body), command, why)
    except syscalls.SyscallError as error:
        if error.errno != errno.ENODEV:
            raise
