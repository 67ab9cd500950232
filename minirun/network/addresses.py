"""Which subnet, which address: arithmetic on plain values.  Nothing here touches the kernel or a file.

A subnet is the pair (first address as a number, prefix length): 172.17.0.0/16 is (0xAC110000, 16).  An address
is never made from a container's id (two ids would sooner or later give the same one); it is the lowest one
that nobody in the ledger holds.

See      RFC 1918 for the private ranges
"""

from __future__ import annotations

import socket

from minirun.errors import ConflictError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    Subnet = tuple[int, int]


def to_number(address: str) -> int:
    """The 32-bit number of a dotted address.  Raises OSError when it is none."""
    return int.from_bytes(socket.inet_pton(socket.AF_INET, address), "big")


def to_text(number: int) -> str:
    """The dotted form of a 32-bit number."""
    return socket.inet_ntop(socket.AF_INET, number.to_bytes(4, "big"))


def parse_subnet(text: str) -> Subnet:
    """
    >>> parse_subnet("172.17.0.0/16") == (0xAC110000, 16)
    True
    """
    address, _, prefix_length = text.partition("/")
    return to_number(address), int(prefix_length)


def show_subnet(subnet: Subnet) -> str:
    """The opposite of parse_subnet."""
    return f"{to_text(subnet[0])}/{subnet[1]}"


def overlap(one: Subnet, other: Subnet) -> bool:
    """Whether two subnets share an address: the longer prefix lies within the shorter, or they are apart."""
    shift = 32 - min(one[1], other[1])
    return one[0] >> shift == other[0] >> shift


def candidates() -> Iterator[Subnet]:
    """The private subnets tried in turn: 172.17-31.0.0/16, then 192.168.x.0/20, then 10.x.0.0/16."""
    yield from ((to_number(f"172.{second}.0.0"), 16) for second in range(17, 32))
    yield from ((to_number(f"192.168.{third}.0"), 20) for third in range(0, 256, 16))
    yield from ((to_number(f"10.{second}.0.0"), 16) for second in range(256))


def choose_subnet(routes: Collection[Subnet], preferred: Subnet | None = None) -> Subnet:
    """The first candidate that overlaps none of the host's `routes`; `preferred` is tried before all others.

    A default route (prefix length 0) is no obstacle: it covers everything.  Raises ConflictError when the host
    routes every private range.
    """
    taken = [route for route in routes if route[1] > 0]
    wanted = [preferred] if preferred else []
    for subnet in (*wanted, *candidates()):
        if not any(overlap(subnet, route) for route in taken):
            return subnet
    raise ConflictError(
        "no private subnet is left for the bridge: the host has routes into all of them",
        "`ip route` shows them; --network host and --network none need no subnet",
    )


def gateway(subnet: Subnet) -> str:
    """The bridge's own address: the first of the subnet."""
    return to_text(subnet[0] + 1)


def lowest_free(subnet: Subnet, taken: Iterable[str]) -> str:
    """The lowest address of `subnet` that is neither the gateway nor in `taken`.  Raises ConflictError if full."""
    used = {to_number(address) for address in taken}
    first, prefix_length = subnet
    broadcast = first + 2 ** (32 - prefix_length) - 1
    for number in range(first + 2, broadcast):
        if number not in used:
            return to_text(number)
    raise ConflictError(
        f"all addresses of {show_subnet(subnet)} are taken", "remove containers that are no longer needed"
    )


def mac_address(address: str) -> str:
    """A hardware address made from the IP address, as Docker makes it.

    Neighbours that remember the pair from an earlier container with this address are then still right.

    >>> mac_address("172.17.0.2")
    '02:42:ac:11:00:02'
    """
    return "02:42:" + to_number(address).to_bytes(4, "big").hex(":")


def veth_name(address: str) -> str:
    """The host's end of the cable to `address`: unique on the host as addresses are, and short enough.

    >>> veth_name("172.17.0.2")
    'vethac110002'
    """
    return f"veth{to_number(address):08x}"
