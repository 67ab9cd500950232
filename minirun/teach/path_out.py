"""The way out: from a container to this host, or through it to elsewhere.

    a program ── name ── eth0 ── veth ── bridge ── masquerade ── forwarding ── the host's own route

See      packet_path.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minirun.engine.diagnose import inventory, lookup, routes
from minirun.network import addresses, ledger
from minirun.teach import path_checks, path_in
from minirun.teach.path_checks import FAIL, NONE, OK, Hop
from minirun.teach.path_in import Attempt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.engine.diagnose.inventory import Inventory, NetworkEndpoint
    from minirun.engine.diagnose.lookup import Resolution
    from minirun.engine.diagnose.routes import Route
    from minirun.engine.diagnose.snapshot import Kernel
    from minirun.engine.record_types import Record
    from minirun.network.ledger import Network
    from minirun.teach.path_checks import Target

UNANSWERED = {  # why nobody answers a question for a name, and what to do
    lookup.DEAD: "minirun network ls begins it anew",
    lookup.SILENT: "questions go by the same veth as everything else: see below",
}


def outward(seen: Inventory, asking: Record, target: Target) -> Iterator[Hop]:
    """To a name or an address that no container has."""
    own = inventory.endpoints_of(seen, asking)
    if target.name == path_checks.THIS_HOST:
        gateway = own[0][0]["pools"][0]["gateway"]
        yield Hop("name", NONE, f"the host is the gateway, {gateway}")
        yield from at_the_host(seen, asking, target, gateway)
        return
    kernel = inventory.look(seen, [inventory.host_of(seen, asking)])
    resolution = lookup.resolve(seen, kernel, asking, target.name)
    yield name_hop(resolution, own)
    if resolution.state == lookup.SILENT:
        yield from _as_the_question(seen, kernel, asking, own[0])
    if not resolution.address:
        return
    if routes.is_own(resolution.address, kernel):
        yield from at_the_host(seen, asking, target, resolution.address)
    else:
        yield from _through_the_host(seen, kernel, asking, target, resolution.address)


def _as_the_question(
    seen: Inventory, kernel: Kernel, asking: Record, place: NetworkEndpoint
) -> Iterator[Hop]:
    """The hops that a question for a name and a packet have in common."""
    inside = kernel.insides.get(inventory.host_of(seen, asking)["id"])
    yield path_checks.address(*place, inside, way_back=False)
    yield path_checks.veth(place[0], [place[1]], kernel)


def at_the_host(seen: Inventory, asking: Record, target: Target, address: str) -> Iterator[Hop]:
    """A port that a container publishes, or a program of the host."""
    own = inventory.endpoints_of(seen, asking)
    network, endpoint = own[0]
    if addresses.is_loopback(address):
        found = f"{address} is {asking['name']}'s own loopback, not the host's"
        yield Hop(
            "way out",
            FAIL,
            found,
            f"host:{target.port} asks at the gateway, {network['pools'][0]['gateway']}",
        )
        return
    if closed := internal(asking["name"], own):
        yield closed
        return
    if path_in.published_at(inventory.publications(seen), target, address):
        yield from path_in.to_host(seen, target, address, asking)
        return
    kernel = inventory.look(seen, [inventory.host_of(seen, asking)])
    yield path_in.listening("this host", "self", target, address, "ask for host:{}")
    yield path_checks.veth(network, [endpoint], kernel)
    pid = asking["state"]["pid"]
    yield path_in.send(seen, kernel, Attempt(asking["name"], pid, target, address, network["bridge"]))


def _through_the_host(
    seen: Inventory, kernel: Kernel, asking: Record, target: Target, address: str
) -> Iterator[Hop]:
    own, name, pid = inventory.endpoints_of(seen, asking), asking["name"], asking["state"]["pid"]
    if closed := internal(name, own):
        yield closed
        return
    yield (hop := route_hop(name, address, routes.route_to(address, pid)))
    if hop.status == FAIL:
        return
    network, endpoint = next((place for place in own if place[1]["gateway"]), own[0])
    inside = kernel.insides.get(inventory.host_of(seen, asking)["id"])
    yield path_checks.address(network, endpoint, inside, way_back=True)
    yield path_checks.veth(network, [endpoint], kernel)
    yield path_checks.masquerade(network, kernel.tables, seen.table, name)
    yield _forwarding(kernel, network, address)
    yield path_checks.onward(address, routes.route_to(address), network["bridge"])
    if target.protocol == "udp":
        yield Hop(path_checks.PROBE, NONE, "not tried: a datagram that is not answered would tell nothing")
        return
    yield path_in.send(seen, kernel, Attempt(name, pid, target, address, network["bridge"]))


def _forwarding(kernel: Kernel, network: Network, address: str) -> Hop:
    droppers = routes.dropping_chains(network["bridge"], address)
    return path_checks.forwarding(kernel, address, droppers, network["bridge"])


# ---- judged -------------------------------------------------------------------------------------------------------


def name_hop(resolution: Resolution, own: list[NetworkEndpoint]) -> Hop:
    """What became of a name that is no container's; `own` are the places of the container that asks."""
    found = f"{resolution.name}: {resolution.how}"
    if resolution.address:
        return Hop("name", NONE if resolution.state == lookup.LITERAL else OK, found)
    if resolution.state in UNANSWERED:
        return Hop("name", FAIL, found, UNANSWERED[resolution.state])
    if all(network["name"] == ledger.DEFAULT for network, _ in own):
        advice = (
            "no container has this name, nor does the name server that was asked know it: --dns names another"
        )
    else:
        advice = "no container on its networks has this name, nor do the host's name servers know it: minirun ps -a"
    return Hop("name", FAIL, found, advice)


def internal(name: str, own: list[NetworkEndpoint]) -> Hop | None:
    """The hop of a container that is on internal networks alone."""
    if not all(network["internal"] for network, _ in own):
        return None
    names = ", ".join(network["name"] for network, _ in own)
    found = f"{names} {'is' if len(own) == 1 else 'are'} internal: nothing leaves, to the host neither"
    return Hop("way out", FAIL, found, f"minirun network connect bridge {name}")


def route_hop(name: str, address: str, found: Route) -> Hop:
    """The container's own route."""
    if found.problem:
        text = f"{name} has no route to {address}: {found.problem}"
        return Hop("way out", FAIL, text, f"minirun restart {name}")
    by = f" to {found.gateway}" if found.gateway else ", to a neighbour there"
    return Hop("way out", OK, f"{name}'s route to {address} goes by {found.interface}{by}")
