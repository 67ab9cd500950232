"""Which addresses a container has on a network, and which subnet the default network: chosen, and written down.

See      addresses.py for the arithmetic, ledger.py for who has what; libnetwork calls this IPAM, too
"""

from __future__ import annotations

import os

from minirun.errors import ConflictError, UsageError
from minirun.network import addresses, driver_options, endpoint_options, ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.network.ledger import Attachment, Endpoint, Network
    from minirun.network.sandbox import Sandbox
    from minirun.network.transaction import Transaction


def ensure_subnet(network: Network, routes: list[addresses.Subnet], others: list[Network]) -> None:
    """The default network takes another subnet than last time if somebody has that by now; others cannot."""
    pool = network["pools"][0] if network["pools"] else None
    old = addresses.parse_subnet(pool["subnet"]) if pool else None
    if pool and network["name"] != ledger.DEFAULT:
        if any(
            route[1] and addresses.overlap(route, addresses.parse_subnet(pool["subnet"])) for route in routes
        ):
            raise ConflictError(
                f"network {network['name']}: the host has a route into its subnet {pool['subnet']} by now",
                "`ip route` shows it; create the network anew with another --subnet",
            )
        return
    subnets = [addresses.parse_subnet(pool["subnet"]) for other in others for pool in other["pools"]]
    subnet = addresses.choose_subnet([*routes, *subnets], old)
    text = addresses.show_subnet(subnet)
    network["pools"] = [
        {"subnet": text, "gateway": addresses.gateway(subnet), "ip_range": "", "given": False}
    ]


def reserve(change: Transaction, network: Network, sandbox: Sandbox, attachment: Attachment) -> Endpoint:
    """The place the container has already, or a new one; written down before it is used."""
    networks = ledger.list_all(change.paths)
    mine = network["endpoints"].get(sandbox["id"])
    if mine and _fits(network, mine):
        return mine
    own = [
        endpoint
        for other, endpoint in ledger.endpoints_of(networks, sandbox["id"])
        if other["name"] != network["name"]
    ]
    chosen = [
        _address(network, number, attachment[key], sandbox["id"])  # type: ignore[literal-required]
        for number, key in enumerate(("ipv4", "ipv6"))
        if number < len(network["pools"])
    ]
    first = not any(endpoint["gateway"] for endpoint in own)
    endpoint: Endpoint = {
        "id": os.urandom(32).hex(),
        "name": sandbox["name"],
        "run": sandbox["run"],
        "aliases": [*attachment["aliases"], *sandbox["names"]],
        "nameservers": sandbox["nameservers"],
        "addresses": chosen,
        "mac": attachment["mac"] or addresses.mac_address(chosen[0]),
        "interface": addresses.veth_name(chosen[0]),
        "inside": _inside(network, attachment, {endpoint["inside"] for endpoint in own}),
        "gateway": not network["internal"] and sandbox.get("gateway", first) in (True, network["name"]),
        "ports": sandbox["ports"],
        "joining": True,
    }
    if attachment.get("link_local"):
        endpoint["link_local"] = attachment["link_local"]
    if attachment.get("driver_opts"):
        endpoint["options"] = attachment["driver_opts"]
    if attachment.get("links"):
        endpoint["links"] = {alias: name for name, alias in attachment["links"]}
    network["endpoints"][sandbox["id"]] = endpoint
    ledger.write(change.paths, network)
    return endpoint


def _fits(network: Network, endpoint: Endpoint) -> bool:
    """Whether the addresses are still the network's: the default one may have moved."""
    subnets = [addresses.parse_subnet(pool["subnet"]) for pool in network["pools"]]
    pairs = zip(subnets, endpoint["addresses"], strict=False)
    return all(addresses.contains(subnet, address) for subnet, address in pairs)


def _inside(network: Network, attachment: Attachment, taken: set[str]) -> str:
    """The interface's name in the container: the one asked for, or the first that is free."""
    name = attachment.get("driver_opts", {}).get(endpoint_options.IFNAME, "")
    if name in taken:
        raise ConflictError(
            f"the container has an interface {name} already", "choose another name for this one"
        )
    return name or _free_name(driver_options.interface_prefix(network), taken)


def _free_name(prefix: str, taken: set[str]) -> str:
    number = 0
    while f"{prefix}{number}" in taken:
        number += 1
    return f"{prefix}{number}"


def _address(network: Network, number: int, asked: str, container_id: str) -> str:
    """One free address of the network's pool `number`, the one asked for or the lowest."""
    pool = network["pools"][number]
    others = {
        endpoint["addresses"][number]: endpoint["name"]
        for holder, endpoint in network["endpoints"].items()
        if holder != container_id and number < len(endpoint["addresses"])
    }
    reserved = {address: f"--aux-address {name}" for name, address in pool.get("reserved", {}).items()}
    taken = {**others, **reserved, pool["gateway"]: "the gateway"}
    subnet = addresses.parse_subnet(pool["subnet"])
    if not asked:
        part = addresses.parse_subnet(pool["ip_range"]) if pool["ip_range"] else None
        return addresses.lowest_free(subnet, taken, part)
    if not addresses.contains(subnet, asked):
        raise UsageError(
            f"invalid address {asked}: it does not belong to the subnet {pool['subnet']} of network {network['name']}"
        )
    if asked in taken:
        raise ConflictError(
            f"address {asked} is already in use on network {network['name']}: by {taken[asked]}"
        )
    return asked
