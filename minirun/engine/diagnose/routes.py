"""Routes of the host and of containers, and other people's chains, asked of ip(8) and nft(8).

Here is only looked, judged is in teach/path_checks.py.  Nothing is changed or repaired.

See      ip-route(8), nft(8); snapshot.py for the host's links
By hand  ip route get 172.17.0.2; nft list ruleset; nsenter --net=/proc/PID/ns/net ip route get 192.0.2.1
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from minirun.engine.diagnose import probe, snapshot
from minirun.errors import UnsupportedError
from minirun.linux import programs
from minirun.network import addresses, nft

if TYPE_CHECKING:
    from minirun.engine.diagnose.inventory import Inventory


class Route(NamedTuple):
    interface: str
    gateway: str  # "": the address is a neighbour's
    problem: str  # why there is no route, or ""


def route_to(address: str, pid: int = 0) -> Route:
    """The way that a packet to `address` would take, from our namespace or from that of a process."""
    with probe.inside_namespace(pid):
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


def outer_addresses(seen: Inventory, kernel: snapshot.Kernel) -> list[str]:
    """The host's addresses for other machines."""
    ours = {pool["gateway"] for network in seen.networks for pool in network["pools"]}
    return [one for one in host_addresses(kernel) if not addresses.is_loopback(one) and one not in ours]


def outer_address(seen: Inventory, kernel: snapshot.Kernel) -> str:
    """The first of them that is IPv4; 127.0.0.1 for a host that has none."""
    found = (one for one in outer_addresses(seen, kernel) if not addresses.is_v6(one))
    return next(found, "127.0.0.1")


def is_own(address: str, kernel: snapshot.Kernel) -> bool:
    """Whether it is one of the host's."""
    return addresses.is_loopback(address) or address in host_addresses(kernel)
