"""The hops of a packet's way, each judged from facts: what was found, whether that lets the packet on, and if not, why.

Nothing here looks at the machine: facts are plain data from engine/diagnose/ and listeners.py, so the tests of
this file need no kernel.  A hop that does not let it on says what to do, in one line.

See      packet_path.py for the order
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from minirun.engine.diagnose import doctor, findings, snapshot
from minirun.engine.view import host
from minirun.network import addresses, firewall
from minirun.network.ports import show_address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from minirun.engine.diagnose.inventory import Publication
    from minirun.engine.diagnose.probe import Probe
    from minirun.engine.diagnose.routes import Route
    from minirun.engine.diagnose.snapshot import Drop, Inside, Kernel, Link, Tables
    from minirun.engine.record_types import Record
    from minirun.network.firewall import Element
    from minirun.network.ledger import Endpoint, Network
    from minirun.network.listeners import Listener, Owner

OK, FAIL, NONE = "ok", "fail", "none"  # NONE: it does not apply, or cannot be told
PROBE = "probe"
THIS_HOST = "host"  # Target.name
_NAT_CHAINS = ("prerouting", "output", "published", "postrouting")


class Hop(NamedTuple):
    name: str
    status: str
    found: str
    advice: str = ""  # only of one that fails


class Target(NamedTuple):
    name: str  # as it was asked for, or THIS_HOST
    port: int
    protocol: str

    @property
    def service(self) -> str:
        """
        >>> Target("db", 5432, "tcp").service
        '5432/tcp'
        """
        return f"{self.port}/{self.protocol}"

    def is_at(self, port: int, protocol: str) -> bool:
        return (self.port, self.protocol) == (port, protocol)


def failed(hops: Iterable[Hop]) -> Hop | None:
    """The first hop that does not let the packet on."""
    return next((hop for hop in hops if hop.status == FAIL), None)


def verdict(hops: list[Hop]) -> str:
    """All hops in one sentence, or in two."""
    bad = failed(hops)
    if bad is None:
        return "The way is free."
    text = f"The way ends at hop {hops.index(bad) + 1}, {bad.name}."
    later = [hop for hop in hops[hops.index(bad) + 1 :] if hop.status == FAIL and hop.name != PROBE]
    if later:
        text += f"  Look at {', '.join(hop.name for hop in later)}, too."
    if bad.name != PROBE and any(hop.name == PROBE and hop.status == OK for hop in hops):
        text += "  The probe got through all the same."
    return text


# ---- the container ------------------------------------------------------------------------------------------------


def running(record: Record, *, alive: bool) -> Hop:
    """`alive`: the process in its record is there."""
    name, state = record["name"], record["state"]
    status = state["status"]
    if status in ("running", "paused") and not alive:
        found = (
            f"{name}'s process {state['pid']} is gone, and nobody has put {name} away: its shim was killed"
        )
        return Hop("running", FAIL, found, f"minirun start {name}")
    if status == "running":
        return Hop("running", OK, f"{name} runs, pid {state['pid']}")
    if status == "paused":
        found = f"{name} is paused: the kernel takes connections, and nobody answers"
        return Hop("running", FAIL, found, f"minirun unpause {name}")
    if status == "restarting":
        found = f"{name} has ended with {state['exit_code']} and waits to be started again"
        return Hop("running", FAIL, found, f"minirun logs {name}")
    ended = f"has ended with {state['exit_code']}" if status == "exited" else "has not been started"
    return Hop("running", FAIL, f"{name} {ended}", f"minirun start {name}")


def unattached(record: Record) -> Hop:
    """Of --network none, or on networks that have no bridge."""
    if names := ", ".join(one["network"] for one in record["attachments"]):
        found = f"{record['name']} is on {names}, and there is no bridge to look at"
        return Hop("network", FAIL, found, f"minirun exec {record['name']} ip -d link")
    found = f"{record['name']} is on no network: it reaches nothing, and nothing reaches it"
    return Hop("network", FAIL, found, "make it anew without --network none")


def listening(
    place: str, sockets: list[Listener], owners: dict[int, Owner], target: Target, address: str, instead: str
) -> Hop:
    """Whether a program in `place` hears what is sent to `address`.

    `instead` is how to ask for another port that it does listen at, with {} for that.
    """
    same = [one for one in sockets if target.is_at(one.port, one.protocol)]
    for listener in same:
        if listener.hears(address):
            return Hop("listening", OK, f"{_program(listener, owners)} listens at {_where(listener)}")
    if same:
        return _deaf(same[0], owners, address)
    others = [one for one in sockets if not one.is_local() and one.protocol == target.protocol]
    found = f"nothing in {place} listens at {target.service}"
    if not others:
        return Hop("listening", FAIL, found, "has the program begun, and at which port?  Its log may say")
    shown = ", ".join(sorted({f"{_program(one, owners)} at {_where(one)}" for one in others}))
    advice = f"have it listen at {target.port}, or {instead.format(others[0].port)}"
    return Hop("listening", FAIL, f"{found}; what does listen: {shown}", advice)


def _deaf(listener: Listener, owners: dict[int, Owner], address: str) -> Hop:
    """It listens at the port, at another address."""
    found = f"{_program(listener, owners)} listens at {_where(listener)} only"
    anywhere = firewall.anywhere(address)
    if listener.is_local():
        advice = f"have it listen at {anywhere}: {listener.address} is heard in its own namespace alone"
    elif listener.v6_only:
        found, advice = f"{found}, which takes no IPv4", f"have it listen at {anywhere} as well"
    else:
        advice = f"have it listen at {anywhere}, or at {address}, where the packet goes"
    return Hop("listening", FAIL, found, advice)


def _where(listener: Listener) -> str:
    return f"{show_address(listener.address, listener.port)}/{listener.protocol}"


def _program(listener: Listener, owners: dict[int, Owner]) -> str:
    owner = owners.get(listener.inode)
    return str(owner) if owner else "somebody"


def address(network: Network, endpoint: Endpoint, inside: Inside | None, *, way_back: bool) -> Hop:
    """The container's end of the veth; `way_back`: its answers leave the subnet."""
    name, own = endpoint["inside"], endpoint["addresses"]
    link = inside.links.get(name) if inside else None
    problem = _wrong_inside(network, endpoint, link)
    if not problem and way_back and inside and inside.default != name:
        problem = (
            f"{endpoint['name']} has no default route by {name}: its answers do not find out of the network"
        )
    if problem:
        return Hop("address", FAIL, problem, f"minirun restart {endpoint['name']}")
    route = f", default route to {network['pools'][0]['gateway']}" if way_back else ""
    return Hop("address", OK, f"{endpoint['name']}'s {name} is up and has {' and '.join(own)}{route}")


def _wrong_inside(network: Network, endpoint: Endpoint, link: Link | None) -> str:
    name = endpoint["inside"]
    if link is None:
        return f"there is no {name} in {endpoint['name']}"
    if not link.up:
        return f"{name} in {endpoint['name']} is down"
    if link.mac != endpoint["mac"]:
        return (
            f"{name} in {endpoint['name']} has the hardware address {link.mac}, not its own {endpoint['mac']}"
        )
    lost = snapshot.lacking(network, endpoint["addresses"], link)
    return f"{name} in {endpoint['name']} has not the address {lost[0]}" if lost else ""


# ---- the host's part ----------------------------------------------------------------------------------------------


def veth(network: Network, endpoints: list[Endpoint], kernel: Kernel) -> Hop:
    """The host's ends of the veths, and the bridge that they are ports of."""
    bridge = kernel.links.get(network["bridge"])
    for endpoint in endpoints:
        if problem := _wrong_veth(network, endpoint, kernel):
            return Hop("veth", FAIL, *problem)
    if problem := _wrong_bridge(network, bridge, endpoints[0]["name"]):
        return Hop("veth", FAIL, *problem)
    ends = " and ".join(endpoint["interface"] for endpoint in endpoints)
    ports = "is up, a port" if len(endpoints) == 1 else "are up, ports"
    gateway = network["pools"][0]["gateway"]
    return Hop("veth", OK, f"{ends} {ports} of the bridge {network['bridge']}, {gateway}")


def _wrong_veth(network: Network, endpoint: Endpoint, kernel: Kernel) -> tuple[str, str] | None:
    name, bridge = endpoint["interface"], network["bridge"]
    text = f"{name}, the veth to {endpoint['name']}, is"
    broken = snapshot.broken(network, endpoint, kernel)
    if not broken:
        return None
    if broken == "missing":
        return f"{text} missing", f"minirun restart {endpoint['name']}"
    if broken == "down":
        return f"{text} down", f"ip link set {name} up"
    if broken == "unknown to the bridge":
        text = f"the bridge {bridge} does not know {endpoint['mac']} at {name}"
        return text, snapshot.fdb_command(endpoint)
    return f"{text} no port of the bridge {bridge}", snapshot.set_master_command(network, endpoint)


def _wrong_bridge(network: Network, link: Link | None, name: str) -> tuple[str, str] | None:
    bridge = network["bridge"]
    if link is None:
        return f"the bridge {bridge} is missing", f"minirun restart {name}"
    if not link.up:
        return f"the bridge {bridge} is down", f"ip link set {bridge} up"
    lost = snapshot.lacking(network, [pool["gateway"] for pool in network["pools"]], link)
    if lost:
        return f"the bridge {bridge} has not the gateway's address {lost[0]}", (
            f"ip address add {lost[0]} dev {bridge}"
        )
    return None


def rule(published: Publication, tables: Tables, table: str) -> Hop:
    """The element that leads a published port to the container, and the rules that ask for it."""
    name = published.endpoint["name"]
    if problem := _wrong_table(tables, table, _NAT_CHAINS):
        return Hop("rule", FAIL, *problem)
    family, where, key, wanted, _ = element_of(published)
    leads_to, counter = tables.elements.get((family, where, key), ("", None))
    service = f"{published.port['host_port']}/{published.port['protocol']}"
    if not leads_to:
        found = f"map {where} of table inet {table} has no {key}: somebody has deleted it"
        return Hop("rule", FAIL, found, f"minirun restart {name}")
    if leads_to != wanted:
        found = f"map {where} leads {service} to {_shown(leads_to)}, not to {_shown(wanted)}"
        return Hop("rule", FAIL, found, f"minirun restart {name}")
    count = counter.packets if counter else 0
    came = (
        f"{count} connection{'s' if count > 1 else ''} came this way" if count else "nobody came this way yet"
    )
    return Hop("rule", OK, f"map {where} leads {service} to {_shown(wanted)}; {came}")


def element_of(published: Publication) -> Element:
    """What the table has to have for this port alone."""
    alone: Endpoint = {**published.endpoint, "ports": [published.port]}
    elements = firewall.of_endpoint(published.network, alone)
    return next(element for element in elements if element[1].startswith("published"))


def _shown(value: str) -> str:
    """A map's value as people write it: 172.17.0.2:80."""
    address, _, port = value.rpartition(" . ")
    return show_address(address, int(port))


def _wrong_table(tables: Tables, table: str, chains: Iterable[str]) -> tuple[str, str] | None:
    """What is wrong with the table itself."""
    if tables.problem:
        return f"the tables cannot be read: {tables.problem}", "apt-get install nftables"
    anew = findings.tables_anew("inet", table, tables)
    if "inet" not in tables.families:
        return f"table inet {table} is missing: nothing is translated", anew
    expected = findings.expected_rules(table)
    for chain in chains:
        there, wanted = tables.rules.get(("inet", chain), 0), expected["inet", chain]
        if there < wanted:
            found = f"chain {chain} of table inet {table} has {there} rules and not {wanted}"
            return f"{found}: somebody has flushed it", anew
    return None


def masquerade(network: Network, tables: Tables, table: str, name: str) -> Hop:
    """That what leaves has the host's address: nobody outside knows a way back to the container's."""
    if problem := _wrong_table(tables, table, ["postrouting"]):
        return Hop("masquerade", FAIL, *problem)
    subnet = network["pools"][0]["subnet"]
    if ("inet", "subnets4", subnet) not in tables.elements:
        found = f"set subnets4 of table inet {table} has no {subnet}: somebody has deleted it"
        return Hop("masquerade", FAIL, found, f"minirun restart {name}")
    return Hop("masquerade", OK, f"what {subnet} sends leaves with the host's address")


def forwarding(kernel: Kernel, address: str, droppers: list[str], bridge: str) -> Hop:
    """Whether the host passes packets on to and from `address`."""
    version = 6 if addresses.is_v6(address) else 4
    name = "net.ipv6.conf.all.forwarding" if version == 6 else "net.ipv4.ip_forward"
    if not kernel.forwarding[version]:
        found = f"{name} is 0: the host passes nothing on, and only it reaches its containers"
        return Hop("forwarding", FAIL, found, f"sysctl -w {name}=1")
    if droppers:
        return _dropped(droppers[0], bridge)
    return Hop("forwarding", OK, f"{name} is 1, and no other table drops what is forwarded")


def _dropped(chain: str, bridge: str) -> Hop:
    found = f"chain {chain}, which is not minirun's, drops what is forwarded and has no rule for {bridge}"
    family, _, name = chain.split()
    if name == "FORWARD":
        program = "ip6tables" if family == "ip6" else "iptables"
        advice = f"{program} -I FORWARD -i {bridge} -j ACCEPT, and the same with -o"
    else:
        advice = f'nft insert rule {chain} iifname "{bridge}" accept, and the same with oifname'
    return Hop("forwarding", FAIL, found, advice)


def localhost(bridge: str, address: str) -> Hop:
    """What it takes that answers for the host's own loopback come in by a bridge."""
    if addresses.is_v6(address):
        check = doctor.bridged(host.sysctl("net/bridge/bridge-nf-call-ip6tables"))
        if check.status != doctor.OK:
            return Hop("localhost", FAIL, check.found, check.advice)
        return Hop("localhost", OK, check.found)
    name = f"net.ipv4.conf.{bridge}.route_localnet"
    if host.sysctl(f"net/ipv4/conf/{bridge}/route_localnet") == "1":
        return Hop("localhost", OK, f"{name} is 1: answers for {address} may come in by the bridge")
    found = f"{name} is 0: answers for {address} are thrown away"
    return Hop("localhost", FAIL, found, f"sysctl -w {name}=1")


def route(network: Network, address: str, found: Route) -> Hop:
    """That the host's packets to a container go to its bridge, and not into a VPN."""
    bridge = network["bridge"]
    if found.problem:
        return Hop("route", FAIL, f"the host has no route to {address}: {found.problem}", "ip route")
    if found.interface != bridge:
        text = f"the host's route to {address} goes by {found.interface}, not by {bridge}"
        return Hop("route", FAIL, text, "`ip rule` and `ip route get` show whose route that is: a VPN's?")
    return Hop("route", OK, f"the host's route to {address} goes by {bridge}")


def onward(address: str, found: Route, bridge: str) -> Hop:
    """That the host itself knows a way to where a container wants to go."""
    if found.problem:
        text = f"the host has no route to {address}: {found.problem}"
        return Hop("route", FAIL, text, "ip route: it needs a default route, or one to there")
    if found.interface == bridge:
        text = f"{address} is of the container's own network, and nobody there has it"
        return Hop("route", FAIL, text, "minirun network map shows who has which address")
    by = f" to {found.gateway}" if found.gateway else ""
    return Hop("route", OK, f"the host's route to {address} goes by {found.interface}{by}")


def bridged(droppers: list[str], bridge: str) -> Hop:
    """Between containers, where br_netfilter shows bridged frames to the chains that forwarded packets pass."""
    if droppers:
        return _dropped(droppers[0], bridge)
    found = "net.bridge.bridge-nf-call-iptables is 1, and no other table drops what is forwarded"
    return Hop("forwarding", OK, found)


# ---- the end ------------------------------------------------------------------------------------------------------


def probe(who: str, where: str, found: Probe, drops: list[tuple[str, int]], bridge: str) -> Hop:
    """What came of trying it; `drops` are rules of ours that have dropped something meanwhile, and how much."""
    text = f"{who} to {where}: {found.outcome}"
    if found.reached:
        return Hop(PROBE, OK, text)
    for rule, count in drops:
        text += f"; meanwhile {rule} has dropped {count}"
    return Hop(PROBE, FAIL, text, f"tcpdump -ni {bridge} shows how far packets come")


def increase(before: list[Drop], after: list[Drop]) -> list[tuple[str, int]]:
    """The rules that have dropped packets between two looks, and how many."""
    old, new = _counts(before), _counts(after)
    return [(rule, count - old.get(rule, 0)) for rule, count in new.items() if count > old.get(rule, 0)]


def _counts(drops: list[Drop]) -> dict[str, int]:
    found: dict[str, int] = {}
    for drop in drops:
        rule = f"the {drop.family} table's chain {drop.chain}" + (f' ("{drop.name}")' if drop.name else "")
        found[rule] = found.get(rule, 0) + drop.counter.packets
    return found
