"""Our nftables: addresses translated on the way in and out, what may pass, and who may say who they are.

The rules never change; they stand in table.nft.  What changes is the content of their sets: an element for each
bridge, each container's address, each published port, with the name of whom it is for as its comment.  A container
that comes adds its elements and one that goes deletes them, each in one transaction of nft(8): all of it or none.
Where that fails, because somebody has flushed the table or a crash has left it behind, `all_of` says everything
anew: what is in the ledger is what should be in the kernel.  Here is only text; tables.py has nft read it.

`accept` in our table ends only our table's say.  Where another program's forward chain drops by policy, it still
drops: see foreign_firewalls.py.

See      table.nft; nft(8); https://wiki.nftables.org/wiki-nftables/index.php/Configuring_chains
By hand  nft list table inet minirun; nft list table bridge minirun
Next     ledger.py
"""

from __future__ import annotations

import os

from minirun.network import addresses, driver_options, ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minirun.network.ledger import Endpoint, Network

    Element = tuple[str, str, str, str, str]  # family, set, key, value or "", whom it is for

ANY4, ANY6 = "0.0.0.0", "::"
LAST_RULES = {"inet": ("forward", "nothing else comes in"), "bridge": ("prerouting", "not its address")}
_LONGEST_COMMENT = 100  # characters; the kernel keeps 128 bytes


def anywhere(address: str) -> str:
    """Every address of the family of this one."""
    return ANY6 if addresses.is_v6(address) else ANY4


# ---- what is in the sets ----------------------------------------------------------------------------------------


def of_network(network: Network) -> Iterator[Element]:
    """The elements of a network that has containers."""
    bridge, name = f'"{network["bridge"]}"', network["name"]
    yield "inet", "bridges", bridge, "", name
    if driver_options.is_mixed(network):
        yield "inet", "neighbours", f"{bridge} . {bridge}", "", name
    if network["internal"]:
        yield "inet", "internal", bridge, "", name
    for pool in network["pools"]:
        yield "inet", f"subnets{_suffix(pool['subnet'])}", pool["subnet"], "", name
        if not driver_options.masquerades(network):
            yield "inet", f"routed{_suffix(pool['subnet'])}", pool["subnet"], "", name
    if network["dns_port"]:
        yield "inet", "servers", f"{bridge} . {network['dns_port']}", "", name
        for gateway in (pool["gateway"] for pool in network["pools"]):
            target = f"{gateway} . {network['dns_port']}"
            yield "inet", f"names{_suffix(gateway)}", f"{bridge} . {gateway}", target, name


def of_endpoint(network: Network, endpoint: Endpoint) -> Iterator[Element]:
    """The elements of one container on a network: its addresses, and the ports published there."""
    if not ledger.is_bridge(network):
        return
    veth, name = f'"{endpoint["interface"]}"', endpoint["name"]
    mac = endpoint["mac"]
    yield "bridge", "veths", veth, "", name
    yield "bridge", "macs", f"{veth} . {mac}", "", name
    own = endpoint["addresses"]
    if any(map(addresses.is_v6, own)):
        own = [*own, addresses.link_local(mac)]
    own = [*own, *endpoint.get("link_local", [])]
    for address in own:
        yield "bridge", f"owners{_suffix(address)}", f"{veth} . {mac} . {address}", "", name
        if addresses.is_v6(address):
            yield "bridge", "targets6", f"{veth} . {addresses.to_number(address):#034x}", "", name
    if endpoint["gateway"] and not network["internal"]:
        yield from _published(endpoint)


def _published(endpoint: Endpoint) -> Iterator[Element]:
    targets = {_suffix(address): address for address in endpoint["addresses"]}
    for port in endpoint["ports"]:
        suffix = _suffix(port["host_ip"])
        if suffix not in targets:
            continue  # ports.py has refused what was asked for explicitly
        key = f"{port['protocol']} . {port['host_port']}"
        target = f"{targets[suffix]} . {port['container_port']}"
        if port["host_ip"] in (ANY4, ANY6):
            yield "inet", f"published{suffix}", key, target, endpoint["name"]
        else:
            yield "inet", f"published_at{suffix}", f"{port['host_ip']} . {key}", target, endpoint["name"]


def _suffix(address: str) -> str:
    return "6" if addresses.is_v6(address) else "4"


# ---- scripts for nft --------------------------------------------------------------------------------------------


def adding(table: str, elements: Iterable[Element]) -> str:
    """The script that adds elements; those that are there already do no harm."""
    return "".join(
        f'add element {family} {table} {where} {{ {key} comment "{who[:_LONGEST_COMMENT]}"'
        f"{f' : {value}' if value else ''} }}\n"
        for family, where, key, value, who in elements
    )


def deleting(table: str, elements: Iterable[Element]) -> str:
    """The script that deletes elements; each is added before, for deleting what is not there is an error."""
    given = list(elements)
    return adding(table, given) + "".join(
        f"delete element {family} {table} {where} {{ {key} }}\n" for family, where, key, _, _ in given
    )


def all_of(table: str, networks: Iterable[Network]) -> str:
    """The script that makes both tables anew, with all that is in the ledger."""
    elements: list[Element] = []
    for network in networks:
        if network["endpoints"] and ledger.is_bridge(network):
            elements += of_network(network)
            for endpoint in network["endpoints"].values():
                elements += of_endpoint(network, endpoint)
    return removal(table) + rules(table) + adding(table, elements)


def rules(table: str) -> str:
    """table.nft for a table of this name, without its comments."""
    with open(f"{os.path.dirname(__file__)}/table.nft", encoding="ascii") as file:
        lines = [line for line in file if line.strip() and not line.lstrip().startswith("#")]
    return "".join(lines).replace("@TABLE@", table)


def removal(table: str) -> str:
    """The script that deletes both tables; the `add` is for the case that they are gone already."""
    return "".join(
        f"{verb} table {family} {table}\n" for family in ("inet", "bridge") for verb in ("add", "delete")
    )
