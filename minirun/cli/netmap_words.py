"""What both forms of `minirun network map` say in words: counts, rules, whose a remark is.

See      netmap_text.py, netmap_html.py, which place them
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from minirun.cli import units
from minirun.cli.ps import familiar
from minirun.engine.diagnose import snapshot
from minirun.network import ports
from minirun.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.engine.diagnose.findings import Remark
    from minirun.engine.diagnose.netmap import Map, MapEndpoint, MapNetwork, Unattached
    from minirun.engine.diagnose.snapshot import Counter, Drop, Published


class Row(NamedTuple):
    """One published port, or several that are neighbours, in words."""

    outside: str  # 0.0.0.0:8080-8081/tcp
    inside: str  # 172.17.0.2:80-81
    counter: Counter | None  # None: the table does not know it


def used(whole: Map) -> list[MapNetwork]:
    """The networks that have containers, those that lead out first."""
    return sorted((one for one in whole.networks if one.members), key=lambda one: one.internal)


def published(whole: Map) -> Iterator[tuple[MapNetwork, MapEndpoint, Row]]:
    """All published ports, and whose they are."""
    for network in whole.networks:
        for member in network.members:
            for row in rows(member.ports):
                yield network, member, row


def rows(published: list[Published]) -> Iterator[Row]:
    """Published ports in order, neighbours of a range as one."""
    ranges: list[list[Published]] = []
    for port in sorted(published, key=_of_port):
        if ranges and _follows(ranges[-1][-1], port):
            ranges[-1].append(port)
        else:
            ranges.append([port])
    return map(_row, ranges)


def _of_port(port: Published) -> tuple[bool, str, str, int]:
    return ":" in port.host_ip, port.host_ip, port.protocol, port.host_port


def _follows(one: Published, other: Published) -> bool:
    ahead = one._replace(
        host_port=one.host_port + 1, container_port=one.container_port + 1, counter=other.counter
    )
    return ahead == other and (one.counter is None) == (other.counter is None)


def _row(span: list[Published]) -> Row:
    first, last = span[0], span[-1]
    several = "" if first is last else f"-{last.host_port}"
    inner = "" if first is last else f"-{last.container_port}"
    counters = [port.counter for port in span if port.counter]
    total = snapshot.Counter(sum(one.packets for one in counters), sum(one.bytes for one in counters))
    return Row(
        f"{ports.show_address(first.host_ip, first.host_port)}{several}/{first.protocol}",
        f"{ports.show_address(first.container_ip, first.container_port)}{inner}",
        total if counters else None,
    )


def counted(counter: Counter) -> str:
    """`1 packet, 60B`"""
    if not counter.packets:
        return "no packet yet"
    return f"{several(counter.packets, 'packet')}, {units.size(counter.bytes)}"


def cut(text: str, width: int) -> str:
    """The text, or what of it goes into so many columns."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def several(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def rules(network: MapNetwork, whole: Map) -> list[str]:
    """What the rules come to for one network."""
    if "inet" not in whole.families:
        return ["its rules are missing: nothing is translated, nothing is kept apart"]
    if network.internal:
        return ["internal: nothing goes out and nothing comes in; the host is outside, too"]
    own = ", ".join(leading_addresses(whole))
    return [
        f"out: masqueraded as {own}" if own else "out: masqueraded, but the host has no default route",
        "in: answers, and what is published; other networks are outside, too",
        *_let_through(network),
    ]


def _let_through(network: MapNetwork) -> Iterator[str]:
    if network.foreign_firewalls:
        yield f"let through by {' and '.join(map(_iptables, network.foreign_firewalls))}"


def leading_addresses(whole: Map) -> list[str]:
    """The host's addresses on the interfaces that lead out."""
    names = {name for name, _ in whole.default_routes}
    links = [link for link in whole.links if link.name in names]
    return [address.partition("/")[0] for link in links for address in link.addresses]


def _iptables(family: str) -> str:
    return "ip6tables" if family == "ip6" else "iptables"


def name_server(network: MapNetwork) -> str:
    """Who answers questions for names."""
    if not network.dns_port:
        return "names: not on this network"
    if not network.dns_pid:
        return "names: nobody answers"
    return f"names: process {network.dns_pid} answers at port {network.dns_port}"


def gateways(network: MapNetwork) -> list[str]:
    """The host's own addresses on a network, with prefix lengths."""
    lengths = [subnet.partition("/")[2] for subnet in network.subnets]
    return [f"{gateway}/{length}" for gateway, length in zip(network.gateways, lengths, strict=True)]


def ways(whole: Map, name: str) -> str:
    """What leads out by one of the host's interfaces."""
    by = [gateway for link, gateway in whole.default_routes if link == name]
    if not by:
        return ""
    return f"default route by {', '.join(filter(None, by))}" if any(by) else "default route"


def forwarding(whole: Map) -> str:
    return ", ".join(f"IPv{version} {'on' if on else 'off'}" for version, on in whole.forwarding.items())


def notes(member: MapEndpoint) -> Iterator[str]:
    """What is said of a container beside its first address."""
    if member.image:
        yield image(member.image)
    if member.status != "running":
        yield member.status
    yield from (address for address in member.addresses[1:])
    if member.netns:
        yield f"pid {member.pid} in {member.netns}"
    yield from (f"alias {alias}" for alias in member.aliases)
    yield from (f"also on {name} as {inside}" for name, inside in member.others)
    yield from (f"{name} lives in here, too" for name in member.sharers)


def image(reference: str) -> str:
    return printable(familiar(reference)) if reference else ""


def how(container: Unattached) -> str:
    """Which network a container has that is on none."""
    kind, _, name = container.how.partition(":")
    if kind == "container":
        return f"shares the network of {name}"
    return "is in the host's own" if kind == "host" else "has a loopback and nothing else"


def dropped(drop: Drop) -> str:
    return drop.name or f"a rule without a comment in chain {drop.chain}"


def discord(whole: Map) -> str:
    """The heading over the remarks."""
    count = len(whole.remarks)
    return f"{several(count, 'thing')} {'is' if count == 1 else 'are'} not as it should be"


def whose(remark: Remark) -> str:
    """`shop, web: `, or nothing for what concerns all."""
    owners = ", ".join(filter(None, (remark.network, remark.container)))
    return f"{owners}: " if owners else ""


def marked(whole: Map, network: str, container: str = "") -> bool:
    """Whether something is remarked on a network itself, or on a container there."""
    return any((remark.network, remark.container) == (network, container) for remark in whole.remarks)
