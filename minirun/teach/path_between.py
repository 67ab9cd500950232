"""The way across: from a container to another one.

    a program ── name ── eth0 ── veth ── bridge ── veth ── eth0 ── a program that listens

Frames within one network do not leave its bridge, so no rule of ours is asked but those against false senders.

See      packet_path.py
Left out IPv6, unless an address of it is asked for
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minirun.engine.diagnose import inventory, lookup, routes
from minirun.engine.view import host
from minirun.network import driver_options, ledger
from minirun.teach import path_checks, path_in, path_out
from minirun.teach.path_checks import FAIL, NONE, OK, Hop
from minirun.teach.path_in import Attempt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.engine.diagnose.inventory import Inventory, NetworkEndpoint
    from minirun.engine.diagnose.lookup import Resolution
    from minirun.engine.diagnose.snapshot import Kernel
    from minirun.engine.record_types import Record
    from minirun.network.ledger import Endpoint, Network
    from minirun.teach.path_checks import Target

    Common = tuple[Network, Endpoint, Endpoint]  # a network that two are on, and the places of both

_BRIDGED = "net/bridge/bridge-nf-call-iptables"


def from_container(seen: Inventory, asking: Record, target: Target) -> Iterator[Hop]:
    """To another container, to this host, or elsewhere."""
    yield (hop := path_in.running(asking))
    if hop.status == FAIL:
        return
    other = None if target.name == path_checks.THIS_HOST else inventory.named(seen, target.name, asking)
    if not inventory.endpoints_of(seen, asking):
        yield from _from_unattached(seen, asking, other, target)
        return
    if other is None:
        yield from path_out.outward(seen, asking, target)
        return
    yield (hop := path_in.running(other))
    if hop.status == FAIL:
        return
    if inventory.netns_of(asking["state"]["pid"]) == inventory.netns_of(other["state"]["pid"]):
        yield from _within_one(seen, asking, other, target)
    else:
        yield from _to_other(seen, asking, other, target)


def _from_unattached(seen: Inventory, asking: Record, other: Record | None, target: Target) -> Iterator[Hop]:
    """--network host is this host; --network none is nowhere."""
    if inventory.host_of(seen, asking)["network"] != "host":
        yield path_checks.unattached(asking)
        return
    yield Hop("network", NONE, f"{asking['name']} has the host's network: what it sends, the host sends")
    if other is not None:
        yield from path_in.to_container(seen, other, target)
    elif target.name == path_checks.THIS_HOST:
        yield from path_in.to_host(seen, target, "")
    else:
        yield Hop(
            path_checks.PROBE,
            NONE,
            f"not tried: nothing of minirun's is on the host's own way to {target.name}",
        )


def _within_one(seen: Inventory, asking: Record, other: Record, target: Target) -> Iterator[Hop]:
    found = f"{asking['name']} and {other['name']} live in one network namespace: its 127.0.0.1 is both's"
    yield Hop("network", OK, found)
    pid, local = asking["state"]["pid"], "127.0.0.1"
    yield path_in.listening(other["name"], pid, target, local, f"ask for {local}:{{}}")
    yield path_in.send(seen, inventory.look(seen, []), Attempt(asking["name"], pid, target, local, "lo"))


def _to_other(seen: Inventory, asking: Record, other: Record, target: Target) -> Iterator[Hop]:
    ours, theirs = inventory.endpoints_of(seen, asking), inventory.endpoints_of(seen, other)
    if not theirs and inventory.host_of(seen, other)["network"] == "host":
        gateway = ours[0][0]["pools"][0]["gateway"]
        found = f"{other['name']} has the host's network, so it is asked for at the gateway, {gateway}"
        yield Hop("network", NONE, found)
        yield from path_out.at_the_host(seen, asking, target, gateway)
    elif not theirs:
        yield path_checks.unattached(other)
    else:
        yield (hop := network_hop((asking["name"], other["name"]), ours, theirs))
        if hop.status == OK:
            yield from _between(seen, (asking, other), shared(ours, theirs), target)


def _between(
    seen: Inventory, pair: tuple[Record, Record], common: list[Common], target: Target
) -> Iterator[Hop]:
    asking, other = pair
    kernel = inventory.look(seen, [inventory.host_of(seen, record) for record in pair])
    resolution = lookup.resolve(seen, kernel, asking, called(other, target.name))
    yield name_hop(other["name"], resolution, common)
    network, mine, theirs = next(
        (one for one in common if resolution.address in one[2]["addresses"]), common[0]
    )
    address = resolution.address if resolution.address in theirs["addresses"] else theirs["addresses"][0]
    pid = asking["state"]["pid"]
    yield path_in.listening(
        other["name"], other["state"]["pid"], target, address, f"ask for {target.name}:{{}}"
    )
    yield from _side_by_side(seen, kernel, pair, (network, mine, theirs))
    yield path_in.send(seen, kernel, Attempt(asking["name"], pid, target, address, network["bridge"]))


def _side_by_side(
    seen: Inventory, kernel: Kernel, pair: tuple[Record, Record], common: Common
) -> Iterator[Hop]:
    network, *endpoints = common
    for record, endpoint in zip(pair, endpoints, strict=True):
        inside = kernel.insides.get(inventory.host_of(seen, record)["id"])
        yield path_checks.address(network, endpoint, inside, way_back=False)
    yield path_checks.veth(network, endpoints, kernel)
    if host.sysctl(_BRIDGED) != "1":
        yield Hop("forwarding", NONE, "frames within a network stay on its bridge")
        return
    droppers = routes.dropping_chains(network["bridge"], endpoints[1]["addresses"][0])
    yield path_checks.bridged(droppers, network["bridge"])


def called(other: Record, text: str) -> str:
    """The name to ask for: as it was given, unless that was the beginning of an id, which no name server knows."""
    return other["name"] if other["id"].startswith(text) else text


# ---- judged -------------------------------------------------------------------------------------------------------


def shared(ours: list[NetworkEndpoint], theirs: list[NetworkEndpoint]) -> list[Common]:
    """The networks that two are on, those with names first; those last that keep their containers apart."""
    found = [
        (network, mine, endpoint)
        for network, mine in ours
        for other, endpoint in theirs
        if other["name"] == network["name"]
    ]
    return sorted(
        found, key=lambda one: (not driver_options.is_mixed(one[0]), one[0]["name"] == ledger.DEFAULT)
    )


def network_hop(names: tuple[str, str], ours: list[NetworkEndpoint], theirs: list[NetworkEndpoint]) -> Hop:
    """Whether two containers have a network in common; `names` are theirs."""
    if common := shared(ours, theirs):
        name = common[0][0]["name"]
        if not driver_options.is_mixed(common[0][0]):
            found = f"{' and '.join(names)} are on {name}, which keeps its containers apart: enable_icc=false"
            return Hop("network", FAIL, found, "put them on another network as well")
        return Hop("network", OK, f"{' and '.join(names)} are on {name}")
    lists = [", ".join(network["name"] for network, _ in own) for own in (ours, theirs)]
    found = f"no network in common: {names[0]} is on {lists[0]}, {names[1]} on {lists[1]}"
    return Hop("network", FAIL, found, f"minirun network connect {' '.join(_joining(names, ours, theirs))}")


def _joining(
    names: tuple[str, str], ours: list[NetworkEndpoint], theirs: list[NetworkEndpoint]
) -> tuple[str, str]:
    """The network to connect to, and who: rather one that has names, and rather the one who asks."""
    for network, _ in theirs:
        if network["name"] != ledger.DEFAULT:
            return network["name"], names[0]
    return ours[0][0]["name"], names[1]


def name_hop(other: str, resolution: Resolution, common: list[Common]) -> Hop:
    """Whether what a container is told about a name is where the other container is."""
    own = [address for _, _, place in common for address in place["addresses"]]
    found = f"{resolution.name}: {resolution.how}"
    if resolution.address in own:
        return Hop("name", NONE if resolution.state == lookup.LITERAL else OK, found)
    if resolution.address:
        found = f"{found}, and {other} has {', '.join(own)}"
        return Hop("name", FAIL, found, "somebody else has that name, or has written it into /etc/hosts")
    if resolution.state in path_out.UNANSWERED:
        return Hop("name", FAIL, found, path_out.UNANSWERED[resolution.state])
    if all(network["name"] == ledger.DEFAULT for network, _, _ in common):
        advice = f"minirun network create NET and connect both, or use the address {own[0]}"
        return Hop("name", FAIL, found, advice)
    return Hop("name", FAIL, found, "its /etc/resolv.conf has to name the network's gateway: minirun restart")
