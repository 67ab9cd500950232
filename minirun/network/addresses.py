"""Which subnet, which address: arithmetic on plain values.  Nothing here touches the kernel or a file.

A subnet is the triple (first address as a number, prefix length, bits of an address): 172.17.0.0/16 is
(0xAC110000, 16, 32).  An address is never made from a container's id (two ids would sooner or later give the same
one); it is the lowest one that nobody in the ledger holds.

See      RFC 1918 for the private ranges, RFC 4193 for those of IPv6
"""

from __future__ import annotations

import errno
import os
import socket

from minirun.errors import ConflictError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    Subnet = tuple[int, int, int]


def is_v6(text: str) -> bool:
    """Whether an address or a subnet is one of IPv6."""
    return ":" in text


def is_loopback(address: str) -> bool:
    """Whether an address is heard in its own network namespace alone; resolv.conf(5) may say ::1%lo."""
    return address.startswith("127.") or address.partition("%")[0] == "::1"


def to_number(address: str) -> int:
    """The number of an address of either family.  Raises OSError when it is none."""
    family = socket.AF_INET6 if is_v6(address) else socket.AF_INET
    try:
        return int.from_bytes(socket.inet_pton(family, address), "big")
    except ValueError:  # bytes that are no text
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), address) from None


def to_text(number: int, bits: int = 32) -> str:
    """The written form of an address."""
    family = socket.AF_INET if bits == 32 else socket.AF_INET6
    return socket.inet_ntop(family, number.to_bytes(bits // 8, "big"))


def parse_subnet(text: str) -> Subnet:
    """
    >>> parse_subnet("172.17.0.0/16") == (0xAC110000, 16, 32)
    True
    """
    address, _, prefix_length = text.partition("/")
    return to_number(address), int(prefix_length), 128 if is_v6(address) else 32


def show_subnet(subnet: Subnet) -> str:
    """The opposite of parse_subnet."""
    return f"{to_text(subnet[0], subnet[2])}/{subnet[1]}"


def overlap(one: Subnet, other: Subnet) -> bool:
    """Whether two subnets share an address: the longer prefix lies within the shorter, or they are apart."""
    shift = one[2] - min(one[1], other[1])
    return one[2] == other[2] and one[0] >> shift == other[0] >> shift


def contains(subnet: Subnet, address: str) -> bool:
    """Whether `address` lies in `subnet`."""
    return overlap(subnet, alone(address))


def alone(address: str) -> Subnet:
    """The subnet of one address."""
    bits = 128 if is_v6(address) else 32
    return to_number(address), bits, bits


def candidates() -> Iterator[Subnet]:
    """The private subnets tried in turn: 172.17-31.0.0/16, then 192.168.x.0/20, then 10.x.0.0/16."""
    yield from ((to_number(f"172.{second}.0.0"), 16, 32) for second in range(17, 32))
    yield from ((to_number(f"192.168.{third}.0"), 20, 32) for third in range(0, 256, 16))
    yield from ((to_number(f"10.{second}.0.0"), 16, 32) for second in range(256))


def choose_subnet(taken: Collection[Subnet], preferred: Subnet | None = None) -> Subnet:
    """The first candidate that overlaps nothing in `taken`: the host's routes, and subnets that networks have.

    `preferred` is tried before all others.  A default route (prefix length 0) is no obstacle: it covers everything.
    Raises ConflictError when every private range is taken.
    """
    obstacles = [subnet for subnet in taken if subnet[1] > 0]
    wanted = [preferred] if preferred else []
    for subnet in (*wanted, *candidates()):
        if not any(overlap(subnet, obstacle) for obstacle in obstacles):
            return subnet
    raise ConflictError(
        "no private subnet is left for the network: the host has routes into all of them",
        "`ip route` shows them; give one with --subnet, or remove networks that nobody needs",
    )


def random_subnet6() -> Subnet:
    """A /64 of a unique local prefix: fd, 40 random bits, and the subnet number 0, as RFC 4193 wants it."""
    return int.from_bytes(b"\xfd" + os.urandom(5), "big") << 80, 64, 128


def gateway(subnet: Subnet) -> str:
    """The bridge's own address, unless another was asked for: the first of the subnet."""
    return to_text(subnet[0] + 1, subnet[2])


def lowest_free(subnet: Subnet, taken: Iterable[str], within: Subnet | None = None) -> str:
    """The lowest address of `subnet` that is not in `taken`; `within` is the part of it to choose from.

    The first address and, of IPv4, the last are nobody's (RFC 3021's /31 apart).  Raises ConflictError if full.
    """
    used = {to_number(address) for address in taken}
    first, prefix_length, bits = within or subnet
    end = first + 2 ** (bits - prefix_length)
    unusable = {subnet[0]} | ({subnet[0] + 2 ** (bits - subnet[1]) - 1} if bits == 32 else set())
    for number in range(first, end):
        if number not in used and number not in unusable:
            return to_text(number, bits)
    raise ConflictError(
        f"all addresses of {show_subnet(within or subnet)} are taken",
        "remove containers that are no longer needed",
    )


def mac_address(address: str) -> str:
    """A hardware address made from the IPv4 address, as Docker makes it.

    Neighbours that remember the pair from an earlier container with this address are then still right.

    >>> mac_address("172.17.0.2")
    '02:42:ac:11:00:02'
    """
    return "02:42:" + to_number(address).to_bytes(4, "big").hex(":")


def link_local(mac: str) -> str:
    """The fe80:: address that an interface with this hardware address gives itself (RFC 4291, appendix A).

    >>> link_local("02:42:ac:11:00:02")
    'fe80::42:acff:fe11:2'
    """
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return socket.inet_ntop(socket.AF_INET6, b"\xfe\x80" + bytes(6) + identifier)


def is_link_local(address: str) -> bool:
    """Whether it is one of 169.254.0.0/16 or fe80::/64: RFC 3927, RFC 4291.

    >>> is_link_local("169.254.7.7"), is_link_local("fe80::7"), is_link_local("10.0.0.1")
    (True, True, False)
    """
    return contains(parse_subnet("fe80::/64" if is_v6(address) else "169.254.0.0/16"), address)


def veth_name(address: str) -> str:
    """The host's end of the veth to `address`: unique on the host as addresses are, and short enough.

    >>> veth_name("172.17.0.2")
    'vethac110002'
    """
    return f"veth{to_number(address):08x}"
