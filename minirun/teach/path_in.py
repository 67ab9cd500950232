"""The way in: from outside, or from the host itself, to a container.

    this host:8080 ── rule ── bridge ── veth ── eth0 ── a program that listens

Where nobody publishes the port, the walk says who comes nearest to it.

See      packet_path.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from minirun.engine import records, sandbox
from minirun.engine.diagnose import inventory, probe, routes
from minirun.network import addresses, firewall, listeners
from minirun.network.ports import show_address
from minirun.teach import path_checks
from minirun.teach.path_checks import FAIL, NONE, OK, Hop, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minirun.engine.diagnose.inventory import Inventory, NetworkEndpoint, Publication
    from minirun.engine.diagnose.snapshot import Kernel
    from minirun.engine.record_types import Record
    from minirun.network.listeners import Listener, Owner


# ---- what every way ends with -------------------------------------------------------------------------------------


class Attempt(NamedTuple):
    """A packet to send."""

    sender: str  # who sends it, in words
    pid: int  # from whose namespace; 0: the host's
    target: Target
    address: str
    bridge: str  # where to look when it is lost


def running(record: Record) -> Hop:
    """Look whether a container is there to send or to hear anything, and judge."""
    return path_checks.running(record, alive=inventory.has_process(record))


def listening(name: str, pid: int | str, target: Target, address: str, instead: str) -> Hop:
    """Look who listens in the namespace of a process, and judge."""
    sockets = listeners.of_process(pid)
    return path_checks.listening(name, sockets, listeners.owners(sockets), target, address, instead)


def send(seen: Inventory, kernel: Kernel, attempt: Attempt) -> Hop:
    """Send it; where it is lost, see which of our rules has dropped something since `kernel` was looked at."""
    target = attempt.target
    found = probe.send(target.protocol, attempt.address, target.port, attempt.pid)
    drops = []
    if not found.reached:
        drops = path_checks.increase(kernel.tables.drops, inventory.look(seen, []).tables.drops)
    where = show_address(attempt.address, target.port)
    return path_checks.probe(attempt.sender, where, found, drops, attempt.bridge)


# ---- to a published port ------------------------------------------------------------------------------------------


class Arrival(NamedTuple):
    """A packet for a published port."""

    publication: Publication
    record: Record  # the container that publishes it
    attempt: Attempt

    @property
    def own(self) -> str:
        """The container's address, of the family of the address that was asked for."""
        return of_family(self.publication.endpoint["addresses"], self.attempt.address)

    @property
    def inner(self) -> Target:
        port = self.publication.port
        return Target(self.record["name"], port["container_port"], port["protocol"])


def of_family(own: list[str], address: str) -> str:
    """The one of a container's addresses that is of the same family as `address`; the first if there is none."""
    v6 = addresses.is_v6(address)
    return next((one for one in own if addresses.is_v6(one) == v6), own[0])


def to_host(seen: Inventory, target: Target, address: str, asking: Record | None = None) -> Iterator[Hop]:
    """`address` "": whichever of the host's the port is published at.  `asking` is a container that sends."""
    kernel = inventory.look(seen, [])
    if address and not routes.is_own(address, kernel):
        own = ", ".join(routes.outer_addresses(seen, kernel))
        found = f"{address} is no address of this host, nor of a container"
        yield Hop(
            "published", FAIL, found, f"this host has {own}" if own else "`ip address` shows this host's"
        )
        return
    publication = published_at(inventory.publications(seen), target, address)
    record = inventory.record_of(seen, publication.holder) if publication else None
    if publication is None or record is None:
        yield from _unpublished(seen, target, address)
        return
    sender, pid = (asking["name"], asking["state"]["pid"]) if asking else ("this host", 0)
    address = address or _address_of(publication, routes.outer_address(seen, kernel))
    attempt = Attempt(sender, pid, target, address, publication.network["bridge"])
    yield Hop("published", OK, words_of(publication))
    yield from _arrive(seen, Arrival(publication, record, attempt))


def published_at(known: Iterable[Publication], target: Target, address: str) -> Publication | None:
    """Who publishes a port at an address of the host; "" is any, those that are published everywhere first."""
    fitting = [
        one
        for one in known
        if target.is_at(one.port["host_port"], one.port["protocol"])
        and (not address or one.port["host_ip"] in (address, firewall.anywhere(address)))
    ]
    order = {firewall.ANY4: 0, firewall.ANY6: 2}
    return min(fitting, key=lambda one: order.get(one.port["host_ip"], 1), default=None)


def _address_of(publication: Publication, outer: str) -> str:
    """Where to send: the address that it is published at, or the one by which others find this host."""
    host_ip = publication.port["host_ip"]
    return {firewall.ANY4: outer, firewall.ANY6: "::1"}.get(host_ip, host_ip)


def words_of(one: Publication) -> str:
    """`web publishes its 80/tcp at 0.0.0.0:8080`"""
    port = one.port
    where = show_address(port["host_ip"], port["host_port"])
    alone = ", for this host alone" if addresses.is_loopback(port["host_ip"]) else ""
    return (
        f"{one.endpoint['name']} publishes its {port['container_port']}/{port['protocol']} at {where}{alone}"
    )


def _arrive(seen: Inventory, arrival: Arrival) -> Iterator[Hop]:
    record, attempt = arrival.record, arrival.attempt
    network, endpoint = arrival.publication.network, arrival.publication.endpoint
    yield (hop := running(record))
    if hop.status == FAIL:
        return
    kernel = inventory.look(seen, [record])
    instead = f"publish that: -p {attempt.target.port}:{{}}"
    yield listening(record["name"], record["state"]["pid"], arrival.inner, arrival.own, instead)
    inside = kernel.insides.get(record["id"])
    yield path_checks.address(network, endpoint, inside, way_back=_is_from_outside(attempt))
    yield path_checks.veth(network, [endpoint], kernel)
    yield (rule := path_checks.rule(arrival.publication, kernel.tables, seen.table))
    yield _passing_on(arrival, kernel)
    yield path_checks.route(network, arrival.own, routes.route_to(arrival.own))
    if rule.status == FAIL:
        why = (
            "not tried: without the rule, only the socket that keeps the port for the container would answer"
        )
        yield Hop(path_checks.PROBE, NONE, why)
        return
    yield send(seen, kernel, attempt)


def _is_from_outside(attempt: Attempt) -> bool:
    """Whether the sender keeps its address, and the answer has to find back to it by the default route."""
    return not attempt.pid and not addresses.is_loopback(attempt.address)


def _passing_on(arrival: Arrival, kernel: Kernel) -> Hop:
    """What lets packets of others through, or of the host's own loopback."""
    bridge, address = arrival.attempt.bridge, arrival.attempt.address
    if addresses.is_loopback(address):
        return path_checks.localhost(bridge, address)
    return path_checks.forwarding(kernel, arrival.own, routes.dropping_chains(bridge, arrival.own), bridge)


# ---- nobody publishes it ------------------------------------------------------------------------------------------


def _unpublished(seen: Inventory, target: Target, address: str) -> Iterator[Hop]:
    """Who listens on the host itself; and who may have been meant."""
    here = [
        one
        for one in listeners.of_process("self")
        if target.is_at(one.port, one.protocol) and (not address or one.hears(address))
    ]
    owners = listeners.owners(here)
    container = _container_of_sockets(seen, owners)
    if container is not None:
        yield from _of_host_network(seen, container, (here, owners), target, address)
        return
    found = f"no container publishes {target.service}{f' at {address}' if address else ''}"
    if owner := next(iter(owners.values()), None):
        found += f"; {owner} of this host has that port"
        yield Hop("published", FAIL, found, "publish the container at another port, or end what has this one")
        return
    more, advice = _meant(seen, target, address)
    yield Hop("published", FAIL, found + more, advice)


def _container_of_sockets(seen: Inventory, owners: dict[int, Owner]) -> Record | None:
    """The container with the host's network whose program has one of these sockets."""
    for owner in owners.values():
        record = inventory.container_of(seen, owner.pid)
        if record is not None and inventory.host_of(seen, record)["network"] == "host":
            return record
    return None


def _of_host_network(
    seen: Inventory,
    record: Record,
    here: tuple[list[Listener], dict[int, Owner]],
    target: Target,
    address: str,
) -> Iterator[Hop]:
    kernel = inventory.look(seen, [])
    address = address or routes.outer_address(seen, kernel)
    yield Hop("published", NONE, f"{record['name']} has the host's network: nothing is to be published")
    yield (hop := running(record))
    if hop.status == FAIL:
        return
    yield path_checks.listening(record["name"], *here, target, address, "ask for {}")
    yield send(seen, kernel, Attempt("this host", 0, target, address, "any"))


def _meant(seen: Inventory, target: Target, address: str) -> tuple[str, str]:
    """Who comes nearest to publishing the port: what there is to add, and what to do."""
    elsewhere = published_at(inventory.publications(seen), target, "")
    if elsewhere:
        return f"; {words_of(elsewhere)} only", _other_address(elsewhere, address)
    for record in seen.records:
        if _requests(record, target):
            return _request_words(record)
    for one in inventory.publications(seen):
        if target.is_at(one.port["container_port"], one.port["protocol"]):
            return f"; but {words_of(one)}", f"ask for port {one.port['host_port']}"
    return _listener_inside(seen, target)


def _other_address(one: Publication, address: str) -> str:
    port = one.port
    if addresses.is_v6(address) and len(one.network["pools"]) == 1:
        return f"ask with IPv4: network {one.network['name']} has no IPv6, which network create --ipv6 gives"
    host_ip = "127.0.0.1" if port["host_ip"] == firewall.ANY4 else port["host_ip"]
    again = f"make {one.endpoint['name']} anew with -p {port['host_port']}:{port['container_port']}"
    return f"ask at {show_address(host_ip, port['host_port'])}, or {again}"


def _requests(record: Record, target: Target) -> bool:
    return any(
        target.port in request["host_ports"] and request["protocol"] == target.protocol
        for request in record["options"]["ports"]
    )


def _request_words(record: Record) -> tuple[str, str]:
    name = record["name"]
    if records.is_up(record):
        advice = f"minirun network connect bridge {name}, and minirun restart {name}"
        return f"; {name} asks for it, and is on no network that leads out", advice
    return f"; {name} publishes it, but does not run", running(record).advice


def _listener_inside(seen: Inventory, target: Target) -> tuple[str, str]:
    """A container that listens at the port and publishes nothing of it."""
    for record in seen.records:
        if not records.is_up(record) or not sandbox.has_own(record):
            continue
        sockets = listeners.of_process(record["state"]["pid"])
        if any(target.is_at(one.port, one.protocol) for one in sockets):
            name, port = record["name"], target.port
            advice = (
                f"make {name} anew with -p {port}:{port}; from this host alone, {name}:{port} can be asked"
            )
            return f"; {name} listens there inside, but does not publish it", advice
    return "", f"minirun run -p {target.port}:PORT ..., with the port at which the container listens"


# ---- from this host to a container's own address ------------------------------------------------------------------


def to_container(seen: Inventory, record: Record, target: Target) -> Iterator[Hop]:
    """The host is a neighbour on every network."""
    yield (hop := running(record))
    if hop.status == FAIL:
        return
    own = inventory.endpoints_of(seen, record)
    if not own:
        yield from _to_unattached(seen, record, target)
        return
    network, endpoint = endpoint_with(own, target.name)
    address = target.name if target.name in endpoint["addresses"] else endpoint["addresses"][0]
    host = inventory.host_of(seen, record)
    kernel = inventory.look(seen, [host])
    yield listening(record["name"], record["state"]["pid"], target, address, f"ask for {address}:{{}}")
    yield path_checks.address(network, endpoint, kernel.insides.get(host["id"]), way_back=False)
    yield path_checks.veth(network, [endpoint], kernel)
    yield path_checks.route(network, address, routes.route_to(address))
    yield send(seen, kernel, Attempt("this host", 0, target, address, network["bridge"]))


def endpoint_with(own: list[NetworkEndpoint], address: str) -> NetworkEndpoint:
    """The place that has the address; the way out if none has."""
    return next((place for place in own if address in place[1]["addresses"]), own[0])


def _to_unattached(seen: Inventory, record: Record, target: Target) -> Iterator[Hop]:
    """A container that no network leads to."""
    if inventory.host_of(seen, record)["network"] == "host":
        yield Hop("network", NONE, f"{record['name']} has the host's network")
        yield from to_host(seen, target, "")
        return
    yield path_checks.unattached(record)
