"""What `inspect`, `network inspect`, `ps` and `port` show of networks, under Docker's names.

What is, comes from the ledger; what was asked for, from the container's record.

See      docs.docker.com/engine/api "Inspect a network"
By hand  cat networks/*.json
"""

from __future__ import annotations

import os

from minirun.engine import sandbox
from minirun.network import addresses, ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from minirun.engine.record_types import Record
    from minirun.network.ledger import Attachment, Endpoint, Network, Port
    from minirun.network.ports import PortRequest
    from minirun.paths import Paths

    Facts = dict[str, Any]
    NetworkEndpoints = list[tuple[Network, Endpoint]]

NO_TIME = "0001-01-01T00:00:00Z"  # Go's zero time


# ---- networks -----------------------------------------------------------------------------------------------------


def all_networks(paths: Paths) -> list[Facts]:
    """All networks as `network inspect` shows them; host and none, which are no networks, among them."""
    real = [network(one) for one in ledger.list_all(paths)]
    predefined = [_predefined(paths, name) for name in ledger.UNATTACHED]
    return sorted([*real, *predefined], key=lambda facts: str(facts["Name"]))


def find(paths: Paths, text: str) -> Facts:
    """One of them by name or id.  Raises NotFoundError."""
    for facts in (_predefined(paths, name) for name in ledger.UNATTACHED):
        if text in (facts["Name"], facts["Id"]):
            return facts
    return network(ledger.find(paths, text))


def network(one: Network) -> Facts:
    return {
        **_same(one["name"], one["id"], ledger.driver(one)),
        "Created": one["created"] or NO_TIME,
        "EnableIPv4": True,
        "EnableIPv6": len(one["pools"]) > 1,
        "IPAM": {"Driver": "default", "Options": {}, "Config": [_pool(pool) for pool in one["pools"]]},
        "Internal": one["internal"],
        "Containers": {holder: _member(one, place) for holder, place in one["endpoints"].items()},
        "Options": one["options"],
        "Labels": one["labels"],
        "Attachable": one.get("attachable", False),
        "Bridge": one["bridge"],
    }


def _same(name: str, network_id: str, driver: str) -> Facts:
    return {
        "Name": name,
        "Id": network_id,
        "Scope": "local",
        "Driver": driver,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
    }


def _predefined(paths: Paths, name: str) -> Facts:
    driver = {"none": "null"}.get(name, name)
    return {
        **_same(name, ledger.predefined_id(paths, name), driver),
        "Created": NO_TIME,
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": {}, "Config": []},
        "Internal": False,
        "Containers": {},
        "Options": {},
        "Labels": {},
    }


def _pool(pool: Any) -> Facts:
    part = {"IPRange": pool["ip_range"]} if pool["ip_range"] else {}
    reserved = {"AuxiliaryAddresses": pool["reserved"]} if pool.get("reserved") else {}
    return {"Subnet": pool["subnet"], **part, "Gateway": pool["gateway"], **reserved}


def _member(one: Network, endpoint: Endpoint) -> Facts:
    whole = [
        f"{address}/{addresses.parse_subnet(pool['subnet'])[1]}"
        for address, pool in zip(endpoint["addresses"], one["pools"], strict=False)
    ]
    return {
        "Name": endpoint["name"],
        "EndpointID": endpoint["id"],
        "MacAddress": endpoint["mac"],
        "IPv4Address": whole[0],
        "IPv6Address": whole[1] if len(whole) > 1 else "",
    }


# ---- containers -----------------------------------------------------------------------------------------------------


def settings(paths: Paths, record: Record) -> Facts:
    """NetworkSettings: each network by its name, and the first once more without, as in Docker's first years."""
    places = sandbox.endpoints_of(paths, record["id"])
    pinned = f"{paths.run(record['id'])}/netns"
    first = next(
        (_endpoint(one, place) for one, place in places if one["name"] == ledger.DEFAULT), _endpoint()
    )
    return {
        "SandboxKey": pinned if os.path.exists(pinned) else "",
        "Ports": _ports(record, sandbox.published(places)) if places else {},
        **first,
        "Networks": _networks(paths, record, places),
    }


def _networks(paths: Paths, record: Record, places: NetworkEndpoints) -> Facts:
    if not sandbox.has_own(record):
        if sandbox.is_shared(record):
            return {}
        facts = _named(_endpoint(), ledger.predefined_id(paths, record["network"]), None)
        return {record["network"]: facts}
    wanted = {attachment["network"]: attachment for attachment in record["attachments"]}
    found = {
        one["name"]: _named(_endpoint(one, place), one["id"], wanted.get(one["name"]))
        for one, place in places
    }
    absent = {
        name: _named(_endpoint(), "", attachment) for name, attachment in wanted.items() if name not in found
    }
    for name, facts in {**found, **absent}.items():
        if name != ledger.DEFAULT:
            facts["Aliases"] = [*(facts["Aliases"] or []), record["id"][:12]]
    return {**found, **absent}


def _named(endpoint: Facts, network_id: str, attachment: Attachment | None) -> Facts:
    asked: Facts = (
        {"IPv4Address": attachment["ipv4"], "IPv6Address": attachment["ipv6"]} if attachment else {}
    )
    asked["LinkLocalIPs"] = attachment.get("link_local", []) if attachment else []
    asked = {name: value for name, value in asked.items() if value}
    return {
        "Aliases": list(attachment["aliases"]) or None if attachment else None,
        "Links": _links(attachment) if attachment else None,
        "NetworkID": network_id,
        "IPAMConfig": asked or None,
        "DriverOpts": attachment.get("driver_opts") or None if attachment else None,
        "GwPriority": attachment.get("gw_priority", 0) if attachment else 0,
        **endpoint,
    }


def _links(attachment: Attachment) -> list[str] | None:
    """Those of the default bridge are in HostConfig."""
    if attachment["network"] == ledger.DEFAULT:
        return None
    return [":".join(words) for words in attachment.get("links", [])] or None


def _endpoint(one: Network | None = None, place: Endpoint | None = None) -> Facts:
    """A place on a network; without one, what Docker shows for none."""
    facts = {
        "EndpointID": "",
        "Gateway": "",
        "IPAddress": "",
        "IPPrefixLen": 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "MacAddress": "",
    }
    if one is None or place is None:
        return facts
    facts.update({"EndpointID": place["id"], "MacAddress": place["mac"]})
    keys = (
        ("Gateway", "IPAddress", "IPPrefixLen"),
        ("IPv6Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen"),
    )
    for (gateway, address, length), pool, own in zip(keys, one["pools"], place["addresses"], strict=False):
        inner = "" if one["internal"] else pool["gateway"]
        facts.update({gateway: inner, address: own, length: addresses.parse_subnet(pool["subnet"])[1]})
    return facts


def _ports(record: Record, held: list[Port]) -> Facts:
    exposed: Facts = dict.fromkeys(sorted(record["exposed"]))
    for port in held:
        key = f"{port['container_port']}/{port['protocol']}"
        exposed[key] = [
            *(exposed.get(key) or []),
            {"HostIp": port["host_ip"], "HostPort": str(port["host_port"])},
        ]
    return exposed


def bindings(requests: Iterable[PortRequest]) -> Facts:
    """HostConfig.PortBindings: what `-p` asked for."""
    found: Facts = {}
    for request in requests:
        first, last = request["host_ports"][0], request["host_ports"][-1]
        host_port = "" if not first else str(first) if first == last else f"{first}-{last}"
        binding = {"HostIp": request["host_ip"], "HostPort": host_port}
        found.setdefault(f"{request['container_port']}/{request['protocol']}", []).append(binding)
    return dict(sorted(found.items()))


def port_words(exposed: Iterable[str], held: Iterable[Port]) -> str:
    """The column PORTS of `ps`: what is published, and what is only exposed; neighbours are written as one range.

    >>> port_words(["81/tcp"], [{"protocol": "tcp", "host_ip": "0.0.0.0", "host_port": 8080, "container_port": 80}])
    '81/tcp, 0.0.0.0:8080->80/tcp'
    """
    held = list(held)
    known = {f"{port['container_port']}/{port['protocol']}" for port in held}
    rows = [
        (int(text.partition("/")[0]), text.partition("/")[2], "", 0) for text in exposed if text not in known
    ]
    rows += [(port["container_port"], port["protocol"], port["host_ip"], port["host_port"]) for port in held]
    ranges: list[list[Any]] = []
    others = []
    for number, protocol, host_ip, host_port in sorted(rows, key=lambda row: (row[0], row[2])):
        if host_ip and host_port != number:
            others.append(f"{_host(host_ip)}{host_port}->{number}/{protocol}")
            continue
        for one in ranges:
            if one[2:] == [protocol, host_ip] and one[1] == number - 1:
                one[1] = number
                break
        else:
            ranges.append([number, number, protocol, host_ip])
    return ", ".join([*(_range_words(*one) for one in ranges), *others])


def _range_words(first: int, last: int, protocol: str, host_ip: str) -> str:
    numbers = str(first) if first == last else f"{first}-{last}"
    return f"{_host(host_ip)}{numbers}->{numbers}/{protocol}" if host_ip else f"{numbers}/{protocol}"


def _host(host_ip: str) -> str:
    return f"[{host_ip}]:" if addresses.is_v6(host_ip) else f"{host_ip}:"
