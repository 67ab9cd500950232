"""What `network why` looks at, beyond what snapshot.py knows: routes, others' chains, and a probe.

Here is only looked, judged is in teach/path_checks.py.  Nothing is changed or repaired.  What has to be seen from
within a container is seen from its network namespace alone: never from its mounts, where somebody else's files are.

See      snapshot.py, and lookup.py for names; ip-route(8), nft(8), tcp(7)
By hand  ip route get 172.17.0.2; nft list ruleset; nsenter --net=/proc/PID/ns/net ip route get 192.0.2.1
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from minirun import files
from minirun.engine import records, sandbox
from minirun.engine.diagnose import snapshot
from minirun.errors import NotFoundError, UnsupportedError
from minirun.linux import programs
from minirun.network import addresses, ledger, namespace, nft, ports

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minirun.engine.record_types import Record
    from minirun.network.ledger import Endpoint, Network, Port
    from minirun.paths import Paths

    NetworkEndpoint = tuple[Network, Endpoint]

TCP_SECONDS = 2.0
UDP_SECONDS = 0.3  # an ICMP message that refuses comes at once


class Scene(NamedTuple):
    """What is written down."""

    paths: Paths
    table: str
    networks: list[Network]
    records: list[Record]


class Publication(NamedTuple):
    """A published port, and whose it is."""

    network: Network
    holder: str  # the container's id
    endpoint: Endpoint
    port: Port


class Route(NamedTuple):
    interface: str
    gateway: str  # "": the address is a neighbour's
    problem: str  # why there is no route, or ""


class Probe(NamedTuple):
    reached: bool
    said: str  # what happened, in words


def scene(paths: Paths) -> Scene:
    """As the files have it: unlike other commands, this one repairs nothing before it looks."""
    return Scene(paths, ledger.names(paths.root)[1], ledger.list_all(paths), records.list_all(paths))


def look(seen: Scene, involved: Iterable[Record]) -> snapshot.Kernel:
    """What the kernel has of the networks, and of these containers' namespaces."""
    return snapshot.look(seen.paths, seen.table, seen.networks, list(involved))


# ---- what is written down -----------------------------------------------------------------------------------------


def record_of(seen: Scene, container_id: str) -> Record | None:
    return next((record for record in seen.records if record["id"] == container_id), None)


def host_of(seen: Scene, record: Record) -> Record:
    """The container in whose network namespace this one lives: mostly itself."""
    if not sandbox.is_shared(record):
        return record
    return record_of(seen, record["network"].removeprefix("container:")) or record


def endpoints_of(seen: Scene, record: Record) -> list[NetworkEndpoint]:
    """The networks that a container is on now, its way out first."""
    return sandbox.endpoints_among(seen.networks, host_of(seen, record)["id"])


def publications(seen: Scene) -> Iterator[Publication]:
    """All ports that are published now."""
    for network in seen.networks:
        for holder, endpoint in network["endpoints"].items():
            if endpoint["gateway"] and not network["internal"]:
                for port in endpoint["ports"]:
                    yield Publication(network, holder, endpoint, port)


def is_address(text: str) -> bool:
    try:
        addresses.to_number(text)
    except (OSError, ValueError):  # ValueError: a file of a container may have a zero byte in it
        return False
    return True


def owner_of(seen: Scene, address: str) -> Record | None:
    """The container that has an address."""
    for network in seen.networks:
        for holder, endpoint in network["endpoints"].items():
            if address in endpoint["addresses"]:
                return record_of(seen, holder)
    return None


def named(seen: Scene, name: str, asking: Record | None = None) -> Record | None:
    """The container that a name or an address means, for one that asks also by its aliases.  Raises UsageError."""
    if is_address(name):
        return owner_of(seen, name)
    try:
        return records.find(seen.paths, name)
    except NotFoundError:
        return alias_of(seen, asking, name) if asking else None


def alias_of(seen: Scene, asking: Record, name: str) -> Record | None:
    """The container that `asking` knows by this name on a network of theirs."""
    for network, _ in endpoints_of(seen, asking):
        if network["name"] != ledger.DEFAULT:
            for holder, endpoint in network["endpoints"].items():
                if name in endpoint["aliases"] or name == f"{endpoint['name']}.{network['name']}":
                    return record_of(seen, holder)
    return None


def container_of(seen: Scene, pid: int) -> Record | None:
    """The container that a process belongs to, as its cgroup tells."""
    where = files.text(f"/proc/{pid}/cgroup")
    return next((record for record in seen.records if record["id"] in where), None)


def has_process(record: Record) -> bool:
    """Whether the process that its record names is there: after a shim was killed, it is not."""
    return bool(record["state"]["pid"]) and os.path.exists(f"/proc/{record['state']['pid']}/ns/net")


def netns_of(pid: int) -> str:
    """net:[4026532178]"""
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


# ---- in the kernel ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def inside_namespace(pid: int) -> Iterator[None]:
    """In the network namespace of a process for a with block; 0 is no process: where we are."""
    if not pid:
        yield
        return
    with namespace.inside(f"/proc/{pid}/ns/net"):
        yield


def route_to(address: str, pid: int = 0) -> Route:
    """The way that a packet to `address` would take, from our namespace or from that of a process."""
    with inside_namespace(pid):
        result = programs.run(["ip", "-j", "route", "get", address])
    if result.code:
        return Route("", "", result.reason.removeprefix("RTNETLINK answers: "))
    return route_of(json.loads(result.output))


def route_of(listed: list[dict[str, Any]]) -> Route:
    """From what `ip -j route get` prints."""
    found = listed[0] if listed else {}
    return Route(found.get("dev", ""), found.get("gateway", ""), "" if found.get("dev") else "no route")


def dropping_chains(bridge: str, address: str) -> list[str]:
    """Other people's chains that drop what is forwarded and say nothing of this bridge: `ip filter FORWARD`."""
    return dropping_of(ruleset(), bridge, address)


def ruleset() -> list[dict[str, Any]]:
    """Everybody's tables, as `nft -j list ruleset` prints them; nothing where it cannot."""
    try:
        result = nft.list_json("ruleset")
    except UnsupportedError:
        return []
    found: list[dict[str, Any]] = json.loads(result.output or '{"nftables": []}')["nftables"]
    return found


def dropping_of(listed: list[dict[str, Any]], bridge: str, address: str) -> list[str]:
    """The same of what `ruleset` has found, for the family of `address`.

    A table that has our bridge in a rule has been told about it: by foreign_firewalls.py, or as doctor advises.
    """
    families = ("ip6", "inet") if addresses.is_v6(address) else ("ip", "inet")
    things = [thing for item in listed for kind, thing in item.items() if kind in ("rule", "set", "map")]
    knowing = {_table(thing) for thing in things if _names(thing, bridge)}
    return [
        f"{' '.join(_table(chain))} {chain['name']}"
        for chain in (item["chain"] for item in listed if "chain" in item)
        if chain.get("hook") == "forward"
        and chain.get("policy") == "drop"
        and chain["family"] in families
        and _table(chain) not in knowing
    ]


def _table(thing: dict[str, Any]) -> tuple[str, str]:
    return thing["family"], thing["table"]


def _names(thing: dict[str, Any], bridge: str) -> bool:
    """Whether a rule or set is about an interface of this name, or about all that begin like it: `mr-*`."""
    words = re.findall(r'"([^"]+)"', json.dumps(thing))
    return any(word == bridge or (word[-1] == "*" and bridge.startswith(word[:-1] or "*")) for word in words)


def host_addresses(kernel: snapshot.Kernel) -> list[str]:
    """The host's own addresses, those by which it is found from outside first."""
    leading = {name for name, _ in kernel.default_routes}
    links = sorted(kernel.links.values(), key=lambda link: link.name not in leading)
    return [address.partition("/")[0] for link in links for address in link.addresses]


def outer_addresses(seen: Scene, kernel: snapshot.Kernel) -> list[str]:
    """The host's addresses for other machines."""
    ours = {pool["gateway"] for network in seen.networks for pool in network["pools"]}
    return [one for one in host_addresses(kernel) if not addresses.is_loopback(one) and one not in ours]


def outer_address(seen: Scene, kernel: snapshot.Kernel) -> str:
    """The first of them that is IPv4; 127.0.0.1 for a host that has none."""
    found = (one for one in outer_addresses(seen, kernel) if not addresses.is_v6(one))
    return next(found, "127.0.0.1")


def is_own(address: str, kernel: snapshot.Kernel) -> bool:
    """Whether it is one of the host's."""
    return addresses.is_loopback(address) or address in host_addresses(kernel)


# ---- a probe ------------------------------------------------------------------------------------------------------


def probe(protocol: str, address: str, port: int, pid: int = 0) -> Probe:
    """Try it, from our namespace or from that of a process."""
    family = socket.AF_INET6 if addresses.is_v6(address) else socket.AF_INET
    with inside_namespace(pid), socket.socket(family, ports.PROTOCOLS[protocol]) as sock:
        begun = time.monotonic()
        try:
            return _tcp(sock, address, port, begun) if protocol == "tcp" else _udp(sock, address, port)
        except ConnectionRefusedError:
            return Probe(False, "refused: the address answers, and nothing listens there")
        except TimeoutError:
            return Probe(False, f"no answer within {TCP_SECONDS:g} s")
        except OSError as error:
            return Probe(False, error.strerror or str(error))


def _tcp(sock: socket.socket, address: str, port: int, begun: float) -> Probe:
    sock.settimeout(TCP_SECONDS)
    sock.connect((address, port))
    return Probe(True, f"connected after {(time.monotonic() - begun) * 1000:.1f} ms")


def _udp(sock: socket.socket, address: str, port: int) -> Probe:
    """Without knowing what the server speaks, no refusal is all that can be seen."""
    sock.settimeout(UDP_SECONDS)
    sock.connect((address, port))
    sock.send(b"")
    try:
        sock.recv(1)
    except TimeoutError:
        return Probe(True, "sent, and not refused")
    return Probe(True, "answered")
