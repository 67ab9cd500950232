"""What does not agree between ledger, records and kernel, and what to do about each: the remarks under the map.

Whatever somebody has deleted, flushed, moved or killed is remarked on.  An advice is a command that can be typed as it
stands, where one helps; test_network_map.py types those about tables and veths.

See      snapshot.py for what is looked at; network/firewall.py for what has to be in the tables
By hand  nft -s list table inet minirun, beside minirun/network/table.nft
Next     netmap.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from minirun.engine import records, sandbox
from minirun.engine.diagnose import snapshot
from minirun.network import firewall, ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minirun.engine.diagnose.snapshot import Inside, Kernel, Key, Link, Tables
    from minirun.engine.record_types import Record
    from minirun.network.firewall import Element
    from minirun.network.ledger import Endpoint, Network

_FEW = 3  # containers that an advice names one by one
_LOST = {
    "inet": "nothing is published, translated or kept apart",
    "bridge": "a container may speak for another",
}


class Remark(NamedTuple):
    """Something that is not as it should be, and what to do."""

    network: str  # whose it is; "" for what concerns all
    container: str
    text: str
    advice: str


def remarks(
    table: str, ledgered: list[Network], known: dict[str, Record], kernel: Kernel
) -> Iterator[Remark]:
    """All that there are; `known` are the containers' records by id."""
    used = [network for network in ledgered if network["endpoints"]]
    yield from _of_host(used, kernel)
    yield from _of_tables(table, used, kernel)
    for network in ledgered:
        yield from _of_network(network, kernel)
        for holder, endpoint in network["endpoints"].items():
            yield from _of_member(network, endpoint, known.get(holder), kernel)
    yield from _of_records(ledgered, known.values(), kernel)


# ---- the host and the tables ----------------------------------------------------------------------------------------


def _of_host(used: list[Network], kernel: Kernel) -> Iterator[Remark]:
    open_ones = [network for network in used if not network["internal"]]
    if open_ones and not kernel.forwarding[4]:
        yield Remark(
            "",
            "",
            "the host does not forward IPv4: nothing leaves a network",
            "sysctl -w net.ipv4.ip_forward=1",
        )
    if any(len(network["pools"]) > 1 for network in open_ones) and not kernel.forwarding[6]:
        yield Remark("", "", "the host does not forward IPv6", "sysctl -w net.ipv6.conf.all.forwarding=1")


def _of_tables(table: str, used: list[Network], kernel: Kernel) -> Iterator[Remark]:
    tables = kernel.tables
    if not used:
        yield from (
            Remark(
                "",
                "",
                f"table {family} {table} is there, and no container",
                f"nft delete table {family} {table}",
            )
            for family in tables.families
        )
        return
    if tables.problem:
        yield Remark("", "", f"the tables cannot be read: {tables.problem}", "minirun doctor")
        return
    for family in snapshot.FAMILIES:
        text = ""
        if family not in tables.families:
            text = f"table {family} {table} is missing: {_LOST[family]}"
        elif bad := _changed_chains(family, table, tables):
            text = f"the rules of table {family} {table} are not minirun's: {bad}"
        if text:
            yield Remark("", "", text, tables_anew(family, table, tables))
    yield from _unknown_elements(table, used, kernel)


def tables_anew(family: str, table: str, tables: Tables) -> str:
    """What makes the tables anew when there is something wrong with one of them.

    The commands of `network` see by its last rule whether it is whole (tables.are_whole): if that is not gone, the
    table has to go first.
    """
    chain, _ = firewall.LAST_RULES[family]
    if not tables.rules.get((family, chain)):
        return "minirun network ls"
    return f"nft delete table {family} {table}; minirun network ls"


def _changed_chains(family: str, table: str, tables: Tables) -> str:
    """The chains with more rules than table.nft has, or fewer: `chain forward has 0 rules of 6`."""
    for (kind, chain), count in expected_rules(table).items():
        there = tables.rules.get((kind, chain), 0)
        if kind == family and there != count:
            return f"chain {chain} has {there} and not {count}"
    return ""


def expected_rules(table: str) -> dict[tuple[str, str], int]:
    """How many rules each chain of table.nft has."""
    counts: dict[tuple[str, str], int] = {}
    family = chain = ""
    for line in firewall.rules(table).splitlines():
        words = line.split()
        if words[0] == "table":
            family = words[1]
        elif words[0] in ("chain", "set", "map", "}"):
            chain = words[1] if words[0] == "chain" else ""
        elif chain and words[0] != "type":
            counts[family, chain] = counts.get((family, chain), 0) + 1
    return counts


def _unknown_elements(table: str, used: list[Network], kernel: Kernel) -> Iterator[Remark]:
    """What is in the tables for nobody: a port that leads to an address which may be another's tomorrow."""
    expected = {
        _place(element)
        for network in used
        for element in [*firewall.of_network(network), *_of_endpoints(network)]
    }
    for family, where, key in sorted(kernel.tables.elements):
        if (family, snapshot.TODAYS_SETS.get(where, where), key) in expected:
            continue
        text = f"table {family} {table} has {key} in {where}, for no container there is"
        yield Remark("", "", text, f"nft delete element {family} {table} {where} '{{ {key} }}'")


def _of_endpoints(network: Network) -> Iterator[Element]:
    for endpoint in network["endpoints"].values():
        yield from firewall.of_endpoint(network, endpoint)


def _place(element: Element) -> Key:
    return element[0], element[1], snapshot.plain(element[2])


def _value(element: Element, kernel: Kernel) -> str:
    """What stands in the tables for it, "?" for nothing."""
    family, where, key = _place(element)
    places = [(family, name, key) for name in (where, *_formerly(where))]
    return next(
        (kernel.tables.elements[place][0] for place in places if place in kernel.tables.elements), "?"
    )


def _formerly(where: str) -> list[str]:
    return [old for old, today in snapshot.TODAYS_SETS.items() if today == where]


def _missing(elements: Iterable[Element], kernel: Kernel) -> str:
    """Which sets lack something, of the tables that are there: `veths, macs`."""
    tables = kernel.tables
    lacking = {
        element[1]
        for element in elements
        if element[0] in tables.families
        and not element[1].startswith("published")
        and _value(element, kernel) != snapshot.plain(element[3])
    }
    return ", ".join(sorted(lacking))


# ---- a network ------------------------------------------------------------------------------------------------------


def _restart(network: Network, names: list[str]) -> str:
    if len(names) > _FEW:
        return f"minirun restart $(minirun ps -q --filter network={network['name']})"
    return f"minirun restart {' '.join(names)}"


def _of_network(network: Network, kernel: Kernel) -> Iterator[Remark]:
    bridge, name = network["bridge"], network["name"]
    link = kernel.links.get(bridge)
    if not network["endpoints"]:
        if link:
            yield Remark(name, "", f"{bridge} is there, and no container", f"ip link delete {bridge}")
        return
    everybody = [endpoint["name"] for endpoint in network["endpoints"].values()]
    if link is None:
        yield Remark(name, "", f"the bridge {bridge} is missing", _restart(network, everybody))
    else:
        yield from _of_bridge(network, link, kernel)
    if lacking := _missing(firewall.of_network(network), kernel):
        yield Remark(name, "", f"the tables lack it, in {lacking}", _restart(network, everybody[:1]))
    if network["dns_port"] and name not in kernel.name_servers:
        yield Remark(name, "", "its name server is dead: names are not found", "minirun network ls")


def _of_bridge(network: Network, link: Link, kernel: Kernel) -> Iterator[Remark]:
    bridge, name = network["bridge"], network["name"]
    if not link.up:
        yield Remark(name, "", f"the bridge {bridge} is down", f"ip link set {bridge} up")
    for address in snapshot.lacking(network, [pool["gateway"] for pool in network["pools"]], link):
        text = f"the bridge has not the gateway's address {address}"
        yield Remark(name, "", text, f"ip address add {address} dev {bridge}")
    ours = {endpoint["interface"] for endpoint in network["endpoints"].values()}
    for port in kernel.links.values():
        if port.master == bridge and port.name not in ours:
            text = f"{port.name} is a port of {bridge}, and no container's"
            yield Remark(name, "", text, f"ip link set {port.name} nomaster")


# ---- a container ----------------------------------------------------------------------------------------------------


def _of_member(
    network: Network, endpoint: Endpoint, record: Record | None, kernel: Kernel
) -> Iterator[Remark]:
    about = (network["name"], endpoint["name"])
    if record is None:
        if not ledger.is_alive(endpoint):  # else a build, which is no container
            advice = "minirun network ls"
            yield Remark(*about, "its place is in the ledger, and there is no such container", advice)
        return
    if not records.is_up(record):
        return  # it comes or goes at this moment, or waits to be started again
    inside = kernel.insides.get(record["id"])
    if inside is None:
        yield Remark(*about, f"its process {record['state']['pid']} is gone", "minirun ps")
        return
    yield from (Remark(*about, *wrong) for wrong in _of_veth(network, endpoint, inside, kernel))
    yield from (Remark(*about, *wrong) for wrong in _of_elements(network, endpoint, kernel))
    if endpoint["joining"]:
        yield Remark(*about, "it is half connected: whoever did it was killed", "minirun network ls")


def _of_veth(
    network: Network, endpoint: Endpoint, inside: Inside, kernel: Kernel
) -> Iterator[tuple[str, str]]:
    veth, bridge = endpoint["interface"], network["bridge"]
    broken = snapshot.broken(network, endpoint, kernel)
    if broken == "missing":
        yield f"its veth {veth} is missing", f"minirun restart {endpoint['name']}"
        return
    if broken == "down":
        yield f"its veth {veth} is down", f"ip link set {veth} up"
    elif broken == "unknown to the bridge":
        yield f"{bridge} does not know that it is at {veth}", snapshot.fdb_command(endpoint)
    elif broken and bridge in kernel.links:
        yield f"its veth {veth} is no port of {bridge}", snapshot.set_master_command(network, endpoint)
    if kernel.links[veth].learns and broken != "on no bridge of its network":
        yield (
            f"its veth {veth} learns: it could take, or hear, what is for its neighbours",
            snapshot.isolate_command(endpoint),
        )
    for text in _inside_wrongs(network, endpoint, inside):
        yield text, f"minirun restart {endpoint['name']}"


def _inside_wrongs(network: Network, endpoint: Endpoint, inside: Inside) -> Iterator[str]:
    """What somebody with CAP_NET_ADMIN has changed in there."""
    name = endpoint["inside"]
    link = inside.links.get(name)
    if link is None:
        yield f"it has no {name}"
        return
    if not link.up:
        yield f"its {name} is down"
    if link.mac != endpoint["mac"]:
        yield f"its {name} has the hardware address {link.mac} and not {endpoint['mac']}"
    for address in snapshot.lacking(network, endpoint["addresses"], link):
        yield f"its {name} has not the address {address.partition('/')[0]}"
    if endpoint["gateway"] and inside.default != name:
        yield f"its default route is not by {name}"


def _of_elements(network: Network, endpoint: Endpoint, kernel: Kernel) -> Iterator[tuple[str, str]]:
    restart = f"minirun restart {endpoint['name']}"
    if lacking := _missing(firewall.of_endpoint(network, endpoint), kernel):
        yield f"the tables lack it, in {lacking}", restart
    if "inet" in kernel.tables.families:
        for port in snapshot.published(network, endpoint, kernel):
            if port.counter is None:
                yield (
                    f"the table does not lead {port.host_port}/{port.protocol} of {port.host_ip} to it",
                    restart,
                )


def _of_records(ledgered: list[Network], found: Iterable[Record], kernel: Kernel) -> Iterator[Remark]:
    """Containers that run and are not where their record says."""
    for record in filter(records.is_up, found):
        if sandbox.is_shared(record) and not snapshot.lives_with(record, kernel):
            text = "the container whose network it shares has ended since; it is in the old one"
            yield Remark("", record["name"], text, f"minirun restart {record['name']}")
        if sandbox.has_own(record):
            yield from _misplaced(ledgered, record)


def _misplaced(ledgered: list[Network], record: Record) -> Iterator[Remark]:
    names = {network["name"] for network, _ in ledger.endpoints_of(ledgered, record["id"])}
    for attachment in record["attachments"]:
        if attachment["network"] not in names:
            text = "it should be on this network and is not"
            yield Remark(attachment["network"], record["name"], text, "minirun network ls")
    for name in sorted(names - {attachment["network"] for attachment in record["attachments"]}):
        yield Remark(name, record["name"], "it should not be on this network", "minirun network ls")
