"""The subnets of a new network: those asked for, or free ones.

See      network/addresses.py for the arithmetic; RFC 1918, RFC 4193
By hand  ip route; ip -6 route
"""

from __future__ import annotations

import contextlib
import socket

from minirun.errors import ConflictError, UsageError
from minirun.network import addresses, netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from minirun.network.addresses import Subnet
    from minirun.network.ledger import Network, Pool


def parse_subnet(text: str) -> Subnet:
    """A subnet as a person writes it.  Raises UsageError."""
    import ipaddress

    try:
        found = ipaddress.ip_network(text, strict=True)
    except ValueError:
        try:
            inside = ipaddress.ip_interface(text).network if "/" in text else None
        except ValueError:
            inside = None
        hint = f"its first address is {inside}" if inside else "as in 172.20.0.0/16"
        raise UsageError(f'invalid subnet "{text}"', hint) from None
    bits = found.max_prefixlen
    if bits - found.prefixlen < 2:
        raise UsageError(f'invalid subnet "{text}": it has no room for a gateway and a container')
    if found.is_loopback or found.is_multicast or found.is_link_local or found.is_unspecified:
        raise UsageError(f'invalid subnet "{text}": these addresses have a meaning of their own')
    return int(found.network_address), found.prefixlen, bits


def choose(networks: list[Network], given: list[Subnet], *, ipv6: bool, outer: bool = False) -> list[Pool]:
    """One pool of IPv4 and, where wanted, one of IPv6.  `outer`: the subnets are those of a network that is there, to
    which the host may have a route.  Raises UsageError, ConflictError."""
    v4 = [subnet for subnet in given if subnet[2] == 32]
    v6 = [subnet for subnet in given if subnet[2] == 128]
    if len(v4) > 1 or len(v6) > 1:
        raise UsageError(
            "a network has one subnet of IPv4 and one of IPv6 at most", "create a second network"
        )
    if v6 and not ipv6:
        raise UsageError(f"the subnet {addresses.show_subnet(v6[0])} is one of IPv6", "add --ipv6")
    for subnet in given:
        _require_free(networks, subnet, outer=outer)
    taken = [addresses.parse_subnet(pool["subnet"]) for network in networks for pool in network["pools"]]
    chosen = v4 or [addresses.choose_subnet([*taken, *_host_routes(socket.AF_INET)])]
    if ipv6:
        chosen += v6 or [addresses.random_subnet6()]
    return [
        {
            "subnet": addresses.show_subnet(subnet),
            "gateway": addresses.gateway(subnet),
            "ip_range": "",
            "reserved": {},
            "given": subnet in given,
        }
        for subnet in chosen
    ]


def _require_free(networks: list[Network], subnet: Subnet, *, outer: bool) -> None:
    """Raises ConflictError when another network, or a route of the host, has a part of it."""
    text = addresses.show_subnet(subnet)
    for network in networks:
        for pool in network["pools"]:
            if addresses.overlap(addresses.parse_subnet(pool["subnet"]), subnet):
                raise ConflictError(
                    f"subnet {text} overlaps with {pool['subnet']} of network {network['name']}",
                    "choose another one, or leave --subnet out",
                )
    if outer:
        return
    for route in _host_routes(socket.AF_INET if subnet[2] == 32 else socket.AF_INET6):
        if route[1] and addresses.overlap(route, subnet):
            raise ConflictError(
                f"subnet {text} overlaps with {addresses.show_subnet(route)}, to which this host has a route",
                "`ip route` shows it; choose another one, or leave --subnet out",
            )


def _host_routes(family: int) -> list[Subnet]:
    from minirun.network import links

    with contextlib.closing(netlink.open_socket()) as sock:
        return links.routes(sock, family)


def reserve(pools: list[Pool], texts: Iterable[str]) -> None:
    """--aux-address NAME=IP: addresses that no container gets, each in the pool it lies in.  Raises UsageError."""
    for text in texts:
        name, equals, address = text.partition("=")
        try:
            if not name or not equals:
                raise ValueError
            number, _, bits = addresses.alone(address)
        except (OSError, ValueError):
            raise UsageError(f'invalid --aux-address: "{text}"', "as in router=172.20.0.5") from None
        for pool in pools:
            if addresses.overlap(addresses.parse_subnet(pool["subnet"]), addresses.alone(address)):
                pool.setdefault("reserved", {})[name] = addresses.to_text(number, bits)
                break
        else:
            raise UsageError(f"no matching subnet for aux-address {address}")


def assign(pools: list[Pool], key: str, texts: Iterable[str]) -> None:
    """--gateway and --ip-range, each into the pool it lies in."""
    for text in texts:
        option = f"--{key.replace('_', '-')}"
        try:
            subnet = addresses.alone(text) if key == "gateway" else addresses.parse_subnet(text)
            if subnet[0] % 2 ** (subnet[2] - subnet[1]):
                raise ValueError
        except (OSError, ValueError):
            raise UsageError(f'invalid {option}: "{text}"') from None
        for pool in pools:
            whole = addresses.parse_subnet(pool["subnet"])
            if addresses.overlap(whole, subnet) and subnet[1] >= whole[1]:
                pool[key] = text if key == "ip_range" else addresses.to_text(*subnet[::2])  # type: ignore[literal-required]
                break
        else:
            subnets = " or ".join(pool["subnet"] for pool in pools)
            raise UsageError(f'invalid {option}: "{text}" is not in the subnet {subnets}')
