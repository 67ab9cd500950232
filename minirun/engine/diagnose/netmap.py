"""What `minirun network map` draws: the networks as the ledger has them, and beside each part what the kernel has.

`compare` holds ledger and kernel against each other.  It is given both as plain data, so its tests need no kernel.

See      snapshot.py, which looks; findings.py, which says what does not agree; docs/networks.md
By hand  cat /var/lib/minirun/networks/*.json, beside `ip -d address` and `nft list ruleset`
Next     cli/netmap.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from minirun.engine import records, sandbox
from minirun.engine.diagnose import findings, snapshot
from minirun.errors import UsageError
from minirun.network import addresses, ledger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from minirun.engine.diagnose.findings import Remark
    from minirun.engine.diagnose.snapshot import Drop, Kernel, Link, Published
    from minirun.engine.record_types import Record
    from minirun.network.ledger import Endpoint, Network
    from minirun.paths import Paths


# ---- the map ------------------------------------------------------------------------------------------------------


class MapEndpoint(NamedTuple):
    """A container's place on a network."""

    id: str
    name: str
    image: str  # canonical reference
    status: str
    pid: int
    netns: str
    interface: str  # the host's end of the veth
    inside: str  # the container's
    addresses: list[str]
    mac: str
    default_route: bool
    aliases: list[str]
    broken: str  # what is wrong with the veth, in a word or two; "" for nothing
    others: list[tuple[str, str]]  # its places elsewhere: network, interface inside
    sharers: list[str]  # containers that live in its network namespace
    ports: list[Published]


class MapNetwork(NamedTuple):
    """A network."""

    id: str
    name: str
    bridge: str
    there: bool  # the bridge
    internal: bool
    subnets: list[str]
    gateways: list[str]
    dns_port: int  # 0: it has no name server
    dns_pid: int  # 0: that does not run
    foreign_firewalls: list[str]  # families in which iptables was opened for it
    members: list[MapEndpoint]


class Unattached(NamedTuple):
    """A container that is on no network of its own."""

    name: str
    image: str
    status: str
    how: str  # none, host, or the name of the container whose network it shares, with container: before it


class Map(NamedTuple):
    links: list[Link]  # the host's own, with addresses
    default_routes: list[tuple[str, str]]
    forwarding: dict[int, bool]
    table: str
    families: list[str]  # of its tables that are there
    networks: list[MapNetwork]
    unattached: list[Unattached]
    drops: list[Drop]
    remarks: list[Remark]


def gather(paths: Paths, names: Iterable[str] = ()) -> Map:
    """The map of all networks, or of those named.  Raises NotFoundError, UsageError."""
    chosen = {_find(paths, name)["name"] for name in names}
    every = ledger.list_all(paths)
    ledgered = [network for network in every if ledger.is_bridge(network)]
    others = {network["name"] for network in every if not ledger.is_bridge(network)}
    found = [_without(others, record) for record in records.list_all(paths)]
    table = ledger.names(paths.root)[1]
    whole = compare(table, ledgered, found, snapshot.look(paths, table, ledgered, found))
    return only(whole, chosen) if chosen else whole


def _without(names: set[str], record: Record) -> Record:
    """The record as if it did not ask for these networks."""
    rest = [one for one in record["attachments"] if one["network"] not in names]
    return {**record, "attachments": rest}


def _find(paths: Paths, text: str) -> Network:
    if text in ledger.UNATTACHED:
        raise UsageError(
            f"{text} is no network with a bridge", "without a name, its containers are shown at the end"
        )
    network = ledger.find(paths, text)
    if not ledger.is_bridge(network):
        raise UsageError(
            f"{network['name']} is a {ledger.driver(network)} network, which has no bridge to draw"
        )
    return network


def only(whole: Map, names: set[str]) -> Map:
    """Some of its networks, and what concerns them."""
    return whole._replace(
        networks=[network for network in whole.networks if network.name in names],
        unattached=[],
        remarks=[remark for remark in whole.remarks if remark.network in ("", *names)],
    )


# ---- comparing ----------------------------------------------------------------------------------------------------


def compare(table: str, ledgered: list[Network], found: list[Record], kernel: Kernel) -> Map:
    """The map: what the ledger has, and a remark for each thing that the kernel has otherwise."""
    known = {record["id"]: record for record in found}
    return Map(
        links=_own_links(ledgered, kernel),
        default_routes=kernel.default_routes,
        forwarding=kernel.forwarding,
        table=table,
        families=kernel.tables.families,
        networks=[_drawn(network, ledgered, known, kernel) for network in ledgered],
        unattached=[_unattached(record, known) for record in found if _is_unattached(record)],
        drops=kernel.tables.drops,
        remarks=list(findings.remarks(table, ledgered, known, kernel)),
    )


def _own_links(ledgered: list[Network], kernel: Kernel) -> list[Link]:
    """The host's interfaces that are up and have addresses, without ours; those that lead out first."""
    bridges = {network["bridge"] for network in ledgered}
    leading = {name for name, _ in kernel.default_routes}
    own = [
        link
        for link in kernel.links.values()
        if (link.up and link.addresses and link.name not in ("lo", *bridges)) or link.name in leading
    ]
    return sorted(own, key=lambda link: link.name not in leading)


def _drawn(network: Network, ledgered: list[Network], known: dict[str, Record], kernel: Kernel) -> MapNetwork:
    members = [
        _member(network, holder, endpoint, ledgered, known, kernel)
        for holder, endpoint in network["endpoints"].items()
    ]
    return MapNetwork(
        id=network["id"],
        name=network["name"],
        bridge=network["bridge"],
        there=network["bridge"] in kernel.links,
        internal=network["internal"],
        subnets=[pool["subnet"] for pool in network["pools"]],
        gateways=[pool["gateway"] for pool in network["pools"]],
        dns_port=network["dns_port"],
        dns_pid=kernel.name_servers.get(network["name"], 0),
        foreign_firewalls=network["foreign_firewalls"],
        members=sorted(members, key=lambda member: addresses.to_number(member.addresses[0])),
    )


def _member(
    network: Network,
    holder: str,
    endpoint: Endpoint,
    ledgered: list[Network],
    known: dict[str, Record],
    kernel: Kernel,
) -> MapEndpoint:
    record = known.get(holder)
    own = ledger.endpoints_of(ledgered, holder)
    return MapEndpoint(
        id=holder,
        name=endpoint["name"],
        image=record["image"] if record else "",
        status=record["state"]["status"] if record else "building" if ledger.is_alive(endpoint) else "gone",
        pid=record["state"]["pid"] if record else 0,
        netns=kernel.namespaces.get(holder, ""),
        interface=endpoint["interface"],
        inside=endpoint["inside"],
        addresses=endpoint["addresses"],
        mac=endpoint["mac"],
        default_route=endpoint["gateway"],
        aliases=endpoint["aliases"],
        broken=snapshot.broken(network, endpoint, kernel),
        others=[(one["name"], place["inside"]) for one, place in own if one["name"] != network["name"]],
        sharers=[
            one["name"] for one in known.values() if _shares(one, holder) and snapshot.lives_with(one, kernel)
        ],
        ports=list(snapshot.published(network, endpoint, kernel)),
    )


def _shares(record: Record, holder: str) -> bool:
    return records.is_up(record) and record["network"] == f"container:{holder}"


def _is_unattached(record: Record) -> bool:
    return records.is_up(record) and not sandbox.has_own(record)


def _unattached(record: Record, known: dict[str, Record]) -> Unattached:
    how = record["network"]
    if sandbox.is_shared(record):
        host = known.get(how.removeprefix("container:"))
        how = f"container:{host['name']}" if host else how
    return Unattached(record["name"], record["image"], record["state"]["status"], how)
