"""What the kernel has of the networks, for `network map` and `network why`: interfaces, routes, and our two tables.

`look` asks the kernel and only asks: what has been repaired could not be shown.  What it finds is plain data, so what
is made of that (the map, remarks, hops of a packet's way) is tested without a kernel.

See      network/bridge.py draws the parts; network/firewall.py says what has to be in the tables
By hand  ip -d address; bridge fdb show; ip route show default; nft list table inet minirun;
         nft list table bridge minirun; nsenter --net=/proc/PID/ns/net ip address
Next     findings.py
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from minirun import files
from minirun.engine import records
from minirun.engine.view import host
from minirun.errors import UnsupportedError
from minirun.linux import programs
from minirun.network import firewall, nameserver_process, namespace, nft

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.engine.record_types import Record
    from minirun.network.ledger import Endpoint, Network
    from minirun.paths import Paths

    Key = tuple[str, str, str]  # family, set, element, as in an Element

# Sets under their former names: a container that an earlier minirun has started makes the tables of then.
TODAYS_SETS = {"cables": "veths"}
FAMILIES = ("inet", "bridge")  # of our two tables
_FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}


# ---- what the kernel has ------------------------------------------------------------------------------------------


class Link(NamedTuple):
    """An interface."""

    name: str
    up: bool
    kind: str  # bridge, veth; "" for hardware
    master: str  # the bridge it is a port of, or ""
    mac: str
    addresses: list[str]  # with their prefix lengths; none that is link-local
    # as a port: the bridge believes what addresses come in there, or floods it with others'
    learns: bool = False


class Counter(NamedTuple):
    packets: int
    bytes: int


class Drop(NamedTuple):
    """A rule that has dropped packets."""

    family: str
    chain: str
    name: str  # the rule's comment, or ""
    counter: Counter


class Tables(NamedTuple):
    """Our two tables, as one."""

    families: list[str]  # those that are there
    problem: str  # why nft could not tell, or ""
    elements: dict[Key, tuple[str, Counter | None]]  # to what a map leads, or ""
    rules: dict[tuple[str, str], int]  # how many a chain has: {("inet", "forward"): 6}
    drops: list[Drop]


class Inside(NamedTuple):
    """A container's network namespace, seen from within."""

    links: dict[str, Link]
    default: str  # the interface of its default route, or ""


class Kernel(NamedTuple):
    links: dict[str, Link]
    fdb: dict[str, list[str]]  # by port: the hardware addresses that a bridge has there, for good
    default_routes: list[tuple[str, str]]  # default routes: interface, gateway or ""
    forwarding: dict[int, bool]  # {4: True, 6: False}
    tables: Tables
    insides: dict[str, Inside]  # by container; one that has no process is not there
    namespaces: dict[str, str]  # by container: net:[4026532178], as namespaces(7) names it
    name_servers: dict[str, int]  # by network: the process that answers


# ---- looking ------------------------------------------------------------------------------------------------------


def look(paths: Paths, table: str, ledgered: list[Network], found: list[Record]) -> Kernel:
    """All that the map needs of the kernel, of the namespace we are in and of the containers'."""
    pids = {record["id"]: record["state"]["pid"] for record in found if records.is_up(record)}
    held = {holder for network in ledgered for holder in network["endpoints"]}
    insides = {holder: _look_inside(pids[holder]) for holder in sorted(held & pids.keys())}
    return Kernel(
        links=links_of(_ip("-d", "address")),
        fdb=fdb_of(_printed("bridge", "fdb", "show")),
        default_routes=[*_default_routes("-4"), *_default_routes("-6")],
        forwarding={version: host.sysctl(name) == "1" for version, name in _FORWARDING.items()},
        tables=_look_at_tables(table),
        insides={holder: inside for holder, inside in insides.items() if inside},
        namespaces=dict(_namespaces(pids)),
        name_servers=dict(_name_servers(paths, ledgered)),
    )


def _ip(*words: str) -> Any:
    return _printed("ip", *words)


def _printed(program: str, *words: str) -> Any:
    """What `ip -j` prints; nothing where it fails: a kernel without IPv6 has no routes of it."""
    result = programs.run([program, "-j", *words])
    return [] if result.code else json.loads(result.output or "[]")


def _default_routes(family: str) -> Iterator[tuple[str, str]]:
    for route in _ip(family, "route", "show", "default"):
        for hop in route.get("nexthops") or [route]:
            if "dev" in hop:
                yield hop["dev"], hop.get("gateway", "")


def links_of(listed: list[dict[str, Any]]) -> dict[str, Link]:
    """From what `ip -j -d address` prints."""
    return {link["ifname"]: _link(link) for link in listed if "ifname" in link}


def fdb_of(listed: list[dict[str, Any]]) -> dict[str, list[str]]:
    """From what `bridge -j fdb show` prints."""
    found: dict[str, list[str]] = {}
    for entry in listed:
        if entry.get("state") == "static" and "ifname" in entry:
            found.setdefault(entry["ifname"], []).append(entry["mac"])
    return found


def _link(listed: dict[str, Any]) -> Link:
    port = listed.get("linkinfo", {}).get("info_slave_data", {})
    own = [place for place in listed.get("addr_info", ()) if place.get("scope") != "link"]
    return Link(
        name=listed["ifname"],
        up="UP" in listed["flags"],
        kind=listed.get("linkinfo", {}).get("info_kind", ""),
        master=listed.get("master", ""),
        mac=listed.get("address", ""),
        addresses=[f"{place['local']}/{place['prefixlen']}" for place in own],
        learns=bool(port.get("learning") or port.get("flood")),
    )


def _look_inside(pid: int) -> Inside | None:
    """None when the process has gone.  Raises OSError for those who may not look."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError), namespace.inside(_netns(pid)):
        routes = list(_default_routes("-4"))
        return Inside(links_of(_ip("-d", "address")), routes[0][0] if routes else "")
    return None


def _namespaces(pids: dict[str, int]) -> Iterator[tuple[str, str]]:
    for holder, pid in pids.items():
        with contextlib.suppress(OSError):
            yield holder, os.readlink(_netns(pid))


def _netns(pid: int) -> str:
    return f"/proc/{pid}/ns/net"


def _name_servers(paths: Paths, ledgered: list[Network]) -> Iterator[tuple[str, int]]:
    for network in ledgered:
        if network["endpoints"] and network["dns_port"] and nameserver_process.is_running(paths, network):
            pid = files.text(nameserver_process.lock_path(paths, network["name"])).strip()
            yield network["name"], int(pid) if pid.isdecimal() else 0


def _look_at_tables(table: str) -> Tables:
    listed: dict[str, Any] = {}
    problem = ""
    for family in FAMILIES:
        try:
            result = nft.list_json("table", family, table)
        except UnsupportedError as error:
            return tables_of({}, error.message)
        if result.code == 0:
            listed[family] = json.loads(result.output)["nftables"]
        elif "No such file" not in result.errors:  # how nft says that there is no such table
            problem = f"nft: {result.reason}"
    return tables_of(listed, problem)


def tables_of(listed: dict[str, list[dict[str, Any]]], problem: str = "") -> Tables:
    """From what `nft -j list table` prints for each family: the list under "nftables"."""
    found = Tables([*listed], problem, {}, {}, [])
    for family, items in listed.items():
        for item in items:
            if rule := item.get("rule"):
                key = (family, rule["chain"])
                found.rules[key] = found.rules.get(key, 0) + 1
                found.drops.extend(_drops(rule))
            elif container := item.get("set") or item.get("map"):
                for element in container.get("elem", ()):
                    text, value, counter = _element(element)
                    found.elements[family, container["name"], text] = (value, counter)
    return found


def _drops(rule: dict[str, Any]) -> Iterator[Drop]:
    """The rule, if it drops and has dropped something."""
    statements = {name: value for statement in rule["expr"] for name, value in statement.items()}
    counter = statements.get("counter") or {}
    if "drop" in statements and counter.get("packets"):
        found = Counter(counter["packets"], counter["bytes"])
        yield Drop(rule["family"], rule["chain"], rule.get("comment", ""), found)


def _element(listed: Any) -> tuple[str, str, Counter | None]:
    """One element: itself, in a map to what it leads, and its counter."""
    key, value = listed if isinstance(listed, list) else (listed, "")
    about = key.get("elem", {}) if isinstance(key, dict) else {}
    counter = about.get("counter")
    counted = Counter(counter["packets"], counter["bytes"]) if counter else None
    return _key(about.get("val", key)), _key(value), counted


def _key(listed: Any) -> str:
    """As `Element` has it: `tcp . 8080`, `172.17.0.0/16`."""
    if isinstance(listed, dict) and "concat" in listed:
        return " . ".join(map(_key, listed["concat"]))
    if isinstance(listed, dict) and "prefix" in listed:
        return f"{listed['prefix']['addr']}/{listed['prefix']['len']}"
    return plain(str(listed))


def plain(text: str) -> str:
    """Without quotes, and a number in base 16 without leading zeros: the two ways in which nft writes the same."""
    words = text.replace('"', "").split(" . ")
    return " . ".join(hex(int(word, 16)) if word.startswith("0x") else word for word in words)


# ---- what it has of the ledger's entries ----------------------------------------------------------------------------


class Published(NamedTuple):
    """A published port."""

    protocol: str
    host_ip: str
    host_port: int
    container_ip: str
    container_port: int
    counter: Counter | None  # of connections' first packets; None: the table has no such element


def published(network: Network, endpoint: Endpoint, kernel: Kernel) -> Iterator[Published]:
    """What should be in the maps of published ports, with what their counters say."""
    for family, where, key, value, _ in firewall.of_endpoint(network, endpoint):
        if where.startswith("published"):
            leads_to, counter = kernel.tables.elements.get((family, where, key), ("", None))
            *host_ip, protocol, port = key.split(" . ")
            container_ip, container_port = value.split(" . ")
            yield Published(
                protocol=protocol,
                host_ip=host_ip[0] if host_ip else firewall.anywhere(container_ip),
                host_port=int(port),
                container_ip=container_ip,
                container_port=int(container_port),
                counter=(counter or Counter(0, 0)) if leads_to == value else None,
            )


def broken(network: Network, endpoint: Endpoint, kernel: Kernel) -> str:
    """What is wrong with the host's end of a veth, in a word or two; "" for nothing."""
    link = kernel.links.get(endpoint["interface"])
    if link is None:
        return "missing"
    if not link.up:
        return "down"
    if link.master != network["bridge"]:
        return "on no bridge of its network"
    return "" if endpoint["mac"] in kernel.fdb.get(link.name, ()) else "unknown to the bridge"


def isolate_command(endpoint: Endpoint) -> str:
    """The command after which a port does not learn."""
    hairpin = " hairpin on" if endpoint["ports"] else ""
    return f"ip link set {endpoint['interface']} type bridge_slave learning off flood off{hairpin}"


def fdb_command(endpoint: Endpoint) -> str:
    """The command after which the bridge knows where the container is."""
    return f"bridge fdb replace {endpoint['mac']} dev {endpoint['interface']} master static sticky"


def set_master_command(network: Network, endpoint: Endpoint) -> str:
    """The commands that make a veth a port again: one that comes to a bridge learns, and is not known there."""
    set_master = f"ip link set {endpoint['interface']} master {network['bridge']}"
    return "; ".join([set_master, isolate_command(endpoint), fdb_command(endpoint)])


def lacking(network: Network, wanted: list[str], link: Link) -> list[str]:
    """Those of the addresses that an interface should have and has not, with their prefix lengths.

    `wanted` are in the order of the network's pools: a container's addresses, or its gateways.
    """
    lengths = [pool["subnet"].partition("/")[2] for pool in network["pools"]]
    whole = [f"{one}/{length}" for one, length in zip(wanted, lengths, strict=False)]
    return [one for one in whole if one not in link.addresses]


def lives_with(record: Record, kernel: Kernel) -> bool:
    """Whether it is in the namespace of the container it shares with: that one may have been started again since."""
    host = record["network"].removeprefix("container:")
    return kernel.namespaces.get(record["id"]) == kernel.namespaces.get(host, "")
