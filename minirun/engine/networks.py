"""Docker's networks: made, listed, connected, removed; and which of them a container is on.

Two things are written down.  The container's record has the networks it wants, also for the next time it starts.  The
ledger (network/ledger.py) has what is: for every network the containers that are on it now.  `connect` and `disconnect`
change the record first; when they are killed in between, the next command makes the ledger agree: `repair`.

See      network/bridge.py; docs.docker.com/engine/network
"""

from __future__ import annotations

import contextlib
import os
import socket

from minirun import files
from minirun.engine import control, etc, events, nameservers, records
from minirun.errors import ConflictError, MinirunError, NotFoundError, UsageError
from minirun.network import addresses, bridge, ledger, nameserver_process, netlink, ports, transaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from minirun.engine.record_types import Record, RunOptions
    from minirun.network.addresses import Subnet
    from minirun.network.ledger import Attachment, Endpoint, Network, Pool, Port
    from minirun.network.sandbox import Sandbox
    from minirun.paths import Paths

PREDEFINED = ("bridge", "host", "none")
_BRIDGE_NAME = "com.docker.network.bridge.name"
_LONGEST_INTERFACE = 15  # IFNAMSIZ of linux/if.h, less its zero
_INTERFACE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


# ---- of a container -----------------------------------------------------------------------------------------------


def has_own(record: Record) -> bool:
    """Whether a network namespace is made for it, and put on networks."""
    return record["network"] not in ledger.UNATTACHED and not is_shared(record)


def is_shared(record: Record) -> bool:
    """Whether it lives in the network namespace of another container."""
    return record["network"].startswith("container:")


def host_of(paths: Paths, record: Record) -> Record:
    """The container whose network a shared one uses.  Raises ConflictError when that does not run."""
    host = records.find(paths, record["network"].removeprefix("container:"))
    if not records.is_up(host):
        raise ConflictError(
            f"cannot join network of a non running container: {host['name']}", "start that container first"
        )
    return host


def namespace(paths: Paths, record: Record) -> str:
    """The path of the network namespace that the runtime is to join: "" for a new one, "host" for the host's."""
    if is_shared(record):
        host = host_of(paths, record)
        return "host" if host["network"] == "host" else f"/proc/{host['state']['pid']}/ns/net"
    if record["network"] in ledger.UNATTACHED:
        return "host" if record["network"] == "host" else ""
    return f"{paths.run(record['id'])}/netns"


def endpoints_of(paths: Paths, container_id: str) -> list[tuple[Network, Endpoint]]:
    """The networks a container is on now, its way out first."""
    return endpoints_among(ledger.read_all(paths), container_id)


def endpoints_among(ledgered: list[Network], container_id: str) -> list[tuple[Network, Endpoint]]:
    """The same, from what was read before."""
    found = ledger.endpoints_of(ledgered, container_id)
    return sorted(found, key=lambda place: (not place[1]["gateway"], place[1]["inside"]))


def all_endpoints(paths: Paths) -> dict[str, list[tuple[Network, Endpoint]]]:
    """The same of all containers."""
    found: dict[str, list[tuple[Network, Endpoint]]] = {}
    for network in ledger.read_all(paths):
        for container_id, endpoint in network["endpoints"].items():
            found.setdefault(container_id, []).append((network, endpoint))
    return found


def published(own: list[tuple[Network, Endpoint]]) -> list[Port]:
    """The ports that can be reached now."""
    return [port for _, endpoint in own if endpoint["gateway"] for port in endpoint["ports"]]


def reserve(paths: Paths, record: Record) -> ports.Reservation:
    """Take the host's ports that the container publishes.  Raises ConflictError naming who has one."""
    requests = [*record["options"]["ports"]]
    if record["options"]["publish_all"]:
        requests += ports.of_exposed(record["exposed"])
    outer = _gateway_network(paths, record)
    if not requests or outer is None:
        return ports.Reservation()
    return ports.reserve(requests, ledger.read_all(paths), v6=len(outer["pools"]) > 1)


def _gateway_network(paths: Paths, record: Record) -> Network | None:
    """The network by which the container will be reached: the first that is not internal."""
    wanted = record["attachments"] if has_own(record) else []
    found = [ledger.find(paths, attachment["network"]) for attachment in wanted]
    return next((network for network in found if not network["internal"]), None)


def sandbox(paths: Paths, record: Record, held: list[Port]) -> Sandbox:
    return {
        "id": record["id"],
        "name": record["name"],
        "run": paths.run(record["id"]),
        "nameservers": record["options"]["dns"],
        "names": [] if record["id"].startswith(record["hostname"]) else [record["hostname"]],
        "ports": held,
    }


def resolve(paths: Paths, options: RunOptions) -> str:
    """The network asked for, container:NAME as container:ID, when all there are can give what is asked of them.

    Raises NotFoundError, UsageError.
    """
    for attachment in options["attachments"]:
        _check_attachment(ledger.find(paths, attachment["network"]), attachment)
    kind, colon, name = options["network"].partition(":")
    return f"{kind}:{records.find(paths, name)['id']}" if colon else kind


def _check_attachment(network: Network, attachment: Attachment) -> None:
    for number, key in enumerate(("ipv4", "ipv6")):
        asked = attachment[key]  # type: ignore[literal-required]
        if not asked:
            continue
        if number >= len(network["pools"]):
            raise UsageError(
                f"network {network['name']} has no IPv6 address to give", "create one with --ipv6"
            )
        pool = network["pools"][number]
        if not pool["given"]:
            raise UsageError(
                "user specified IP address is supported only when connecting to networks with user configured "
                f"subnets, and {network['name']} is none",
                "minirun network create --subnet ...",
            )
        if not addresses.contains(addresses.parse_subnet(pool["subnet"]), asked):
            raise UsageError(
                f"invalid address {asked}: it does not belong to the subnet {pool['subnet']} of network "
                f"{network['name']}"
            )


# ---- networks -----------------------------------------------------------------------------------------------------


def create(
    paths: Paths,
    name: str,
    *,
    subnets: Iterable[str] = (),
    gateways: Iterable[str] = (),
    ranges: Iterable[str] = (),
    ipv6: bool = False,
    internal: bool = False,
    labels: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
) -> Network:
    """Write a new network down; its bridge comes with its first container.

    Subnets are as 172.20.0.0/16, at most one of each family; what is not given is chosen, overlapping nothing.
    Raises UsageError, ConflictError.
    """
    from minirun.engine.options import (
        attachments,
    )  # with its regular expressions, which a shim has no use for

    attachments.check_name(name)
    network_id = os.urandom(32).hex()
    made = ledger.unused(network_id, name, _bridge_name(options or {}) or ledger.bridge_name(network_id))
    made.update(
        {"created": records.now(), "internal": internal, "labels": labels or {}, "options": options or {}}
    )
    given = [_parse_pool(text) for text in subnets]
    with ledger.lock():
        networks = ledger.read_all(paths)
        if name in PREDEFINED:
            raise ConflictError(
                f"operation is not permitted on predefined {name} network", "choose another name"
            )
        if any(network["name"] == name for network in networks):
            raise ConflictError(f"network with name {name} already exists")
        if any(network["bridge"] == made["bridge"] for network in networks):
            raise ConflictError(
                f"another network has the bridge {made['bridge']}", "choose another name for it"
            )
        made["pools"] = _pools(networks, given, ipv6=ipv6)
        _set_in_pool(made["pools"], "gateway", gateways)
        _set_in_pool(made["pools"], "ip_range", ranges)
        ledger.write(paths, made, durable=True)
    events.of_one_network(paths, made, "create")
    return made


def _bridge_name(options: dict[str, str]) -> str:
    """What `-o` says about the bridge's name, "" for nothing.  Raises UsageError for all other options."""
    if unknown := options.keys() - {_BRIDGE_NAME}:
        raise UsageError(f"unknown option {min(unknown)}", f"-o {_BRIDGE_NAME}=NAME is what there is")
    name = options.get(_BRIDGE_NAME, "")
    if _BRIDGE_NAME in options and not (0 < len(name) <= _LONGEST_INTERFACE and _INTERFACE.issuperset(name)):
        raise UsageError(
            f'invalid name of a bridge: "{name}"', f"{_LONGEST_INTERFACE} letters or digits at most"
        )
    if name and os.path.exists(f"/sys/class/net/{name}"):
        raise ConflictError(
            f"this host has an interface {name} already", "choose another name for the bridge"
        )
    return name


def _parse_pool(text: str) -> Subnet:
    """A subnet as a person writes it.  Raises UsageError."""
    import ipaddress

    try:
        found = ipaddress.ip_network(text, strict=True)
    except ValueError:
        try:
            inside = ipaddress.ip_interface(text).network if "/" in text else None
        except ValueError:
            inside = None
        hint = f"its first address is {inside}" if inside else "as in 172.20.0.0/16"
        raise UsageError(f'invalid subnet "{text}"', hint) from None
    bits = found.max_prefixlen
    if bits - found.prefixlen < 2:
        raise UsageError(f'invalid subnet "{text}": it has no room for a gateway and a container')
    if found.is_loopback or found.is_multicast or found.is_link_local or found.is_unspecified:
        raise UsageError(f'invalid subnet "{text}": these addresses have a meaning of their own')
    return int(found.network_address), found.prefixlen, bits


def _pools(networks: list[Network], given: list[Subnet], *, ipv6: bool) -> list[Pool]:
    """One pool of IPv4 and, where wanted, one of IPv6.  Raises UsageError, ConflictError."""
    v4 = [subnet for subnet in given if subnet[2] == 32]
    v6 = [subnet for subnet in given if subnet[2] == 128]
    if len(v4) > 1 or len(v6) > 1:
        raise UsageError(
            "a network has one subnet of IPv4 and one of IPv6 at most", "create a second network"
        )
    if v6 and not ipv6:
        raise UsageError(f"the subnet {addresses.show_subnet(v6[0])} is one of IPv6", "add --ipv6")
    for subnet in given:
        _require_free(networks, subnet)
    taken = [addresses.parse_subnet(pool["subnet"]) for network in networks for pool in network["pools"]]
    chosen = v4 or [addresses.choose_subnet([*taken, *_host_routes(socket.AF_INET)])]
    if ipv6:
        chosen += v6 or [addresses.random_subnet6()]
    return [
        {
            "subnet": addresses.show_subnet(subnet),
            "gateway": addresses.gateway(subnet),
            "ip_range": "",
            "given": subnet in given,
        }
        for subnet in chosen
    ]


def _require_free(networks: list[Network], subnet: Subnet) -> None:
    """Raises ConflictError when another network, or a route of the host, has a part of it."""
    text = addresses.show_subnet(subnet)
    for network in networks:
        for pool in network["pools"]:
            if addresses.overlap(addresses.parse_subnet(pool["subnet"]), subnet):
                raise ConflictError(
                    f"subnet {text} overlaps with {pool['subnet']} of network {network['name']}",
                    "choose another one, or leave --subnet out",
                )
    for route in _host_routes(socket.AF_INET if subnet[2] == 32 else socket.AF_INET6):
        if route[1] and addresses.overlap(route, subnet):
            raise ConflictError(
                f"subnet {text} overlaps with {addresses.show_subnet(route)}, to which this host has a route",
                "`ip route` shows it; choose another one, or leave --subnet out",
            )


def _host_routes(family: int) -> list[Subnet]:
    from minirun.network import links

    with contextlib.closing(netlink.open_socket()) as sock:
        return links.routes(sock, family)


def _set_in_pool(pools: list[Pool], key: str, texts: Iterable[str]) -> None:
    """--gateway and --ip-range, each into the pool it lies in."""
    for text in texts:
        option = f"--{key.replace('_', '-')}"
        try:
            subnet = addresses.alone(text) if key == "gateway" else addresses.parse_subnet(text)
            if subnet[0] % 2 ** (subnet[2] - subnet[1]):
                raise ValueError
        except (OSError, ValueError):
            raise UsageError(f'invalid {option}: "{text}"') from None
        for pool in pools:
            whole = addresses.parse_subnet(pool["subnet"])
            if addresses.overlap(whole, subnet) and subnet[1] >= whole[1]:
                pool[key] = text if key == "ip_range" else addresses.to_text(*subnet[::2])  # type: ignore[literal-required]
                break
        else:
            subnets = " or ".join(pool["subnet"] for pool in pools)
            raise UsageError(f'invalid {option}: "{text}" is not in the subnet {subnets}')


def remove(paths: Paths, text: str) -> None:
    """Raises ConflictError while a container is on it, and for those that always are; NotFoundError."""
    if text in PREDEFINED or ledger.find(paths, text)["name"] == ledger.DEFAULT:
        raise ConflictError(f"{text} is a pre-defined network and cannot be removed")
    with transaction.begin(paths) as change:
        network = ledger.find(paths, text)
        users = [endpoint["name"] for endpoint in network["endpoints"].values()]
        if users:
            raise ConflictError(
                f"error while removing network: network {network['name']} has active endpoints: {', '.join(users)}",
                "stop these containers, or `minirun network disconnect` them",
            )
        bridge.remove(change, network)
    events.of_one_network(paths, network, "destroy")


# ---- connect, disconnect --------------------------------------------------------------------------------------------


def connect(paths: Paths, network: Network, record: Record, attachment: Attachment) -> None:
    """Put a container on one network more: now if it runs, else when it starts.  Raises ConflictError, UsageError."""
    _require_own(record, "connected to")
    _check_attachment(network, attachment)
    attachment["network"] = network["name"]
    if network["name"] == ledger.DEFAULT and (
        attachment["aliases"] or attachment["ipv4"] or attachment["ipv6"]
    ):
        raise UsageError("aliases and addresses can be chosen on user defined networks only, not on bridge")
    with _locked(paths, record):
        record = records.read(paths, record["id"])
        if any(one["network"] == network["name"] for one in record["attachments"]):
            raise ConflictError(
                f"endpoint with name {record['name']} already exists in network {network['name']}",
                f"minirun network disconnect {network['name']} {record['name']} takes it off",
            )
        before = record["attachments"]
        control.change(paths, record, {"attachments": [*before, attachment]})
        if not records.is_up(record):
            return
        try:
            _join(paths, record, attachment)
        except BaseException:
            control.change(paths, record, {"attachments": before})
            raise
    events.of_one_network(paths, network, "connect", container=record["id"])


def disconnect(paths: Paths, network: Network, record: Record) -> None:
    """Take a container off a network.  Raises ConflictError when it is not on it."""
    _require_own(record, "disconnected from")
    with _locked(paths, record):
        record = records.read(paths, record["id"])
        rest = [
            attachment for attachment in record["attachments"] if attachment["network"] != network["name"]
        ]
        if len(rest) == len(record["attachments"]) and record["id"] not in network["endpoints"]:
            raise ConflictError(
                f"container {record['id']} is not connected to network {network['name']}",
                f"minirun inspect {record['name']} shows its networks",
            )
        control.change(paths, record, {"attachments": rest})
        if not records.is_up(record):
            return
        _leave(paths, record, network["name"])
    events.of_one_network(paths, network, "disconnect", container=record["id"])


def _require_own(record: Record, what: str) -> None:
    if has_own(record):
        return
    if is_shared(record):
        raise ConflictError(
            f"container {record['name']} cannot be {what} a network: it shares the network of another container"
        )
    raise ConflictError(
        f"container {record['name']} cannot be {what} a network: it was made with --network {record['network']}",
        "make it anew with a network, or on the default one",
    )


def _locked(paths: Paths, record: Record) -> files.locked:
    """Nobody else changes this container's networks meanwhile; the kernel lets go when we are killed."""
    return files.locked(f"{paths.container(record['id'])}/networks.lock")


def _netns(record: Record) -> str:
    return f"/proc/{record['state']['pid']}/ns/net"


def _join(paths: Paths, record: Record, attachment: Attachment) -> None:
    own = endpoints_of(paths, record["id"])
    held = control.request(paths, record, "ports")
    try:
        bridge.connect(paths, sandbox(paths, record, held), attachment, _netns(record), nameservers.starter())
    except BaseException:
        with contextlib.suppress(MinirunError, OSError):  # then its entry stays, and the next command does it
            bridge.disconnect(paths, record["id"], attachment["network"], _netns(record))
        raise
    _rewrite_etc(paths, record, own)


def _leave(paths: Paths, record: Record, name: str) -> None:
    own = endpoints_of(paths, record["id"])
    bridge.disconnect(paths, record["id"], name, _netns(record))
    _rewrite_etc(paths, record, own)


def _rewrite_etc(paths: Paths, record: Record, before: list[tuple[Network, Endpoint]]) -> None:
    """The container's /etc/hosts and resolv.conf follow."""
    etc.rewrite(paths.container(record["id"]), record, before, endpoints_of(paths, record["id"]))


def repair_names(paths: Paths) -> None:
    """Begin name servers that were killed."""
    if any(_lacks_name_server(paths, network) for network in ledger.read_all(paths)):
        with contextlib.suppress(MinirunError, OSError):  # the next one tries again
            bridge.repair(paths, nameservers.starter())


def repair_for(paths: Paths, found: list[Record]) -> None:
    """`repair`, if the ledger does not agree with these records, which are all there are: a look that costs little."""
    ledgered = ledger.read_all(paths)
    up = {record["id"]: record for record in found if records.is_up(record)}
    lost = any(_differs(ledgered, record) for record in up.values() if has_own(record))
    if lost or any(_lacks_name_server(paths, network) or _has_dead(network, up) for network in ledgered):
        with contextlib.suppress(MinirunError, OSError):  # the next one tries again
            repair(paths)


def _lacks_name_server(paths: Paths, network: Network) -> bool:
    """Whether it should have a name server and has not."""
    return bool(network["endpoints"] and network["dns_port"]) and not nameserver_process.is_running(
        paths, network
    )


def _has_dead(network: Network, up: dict[str, Record]) -> bool:
    return any(
        holder not in up and not ledger.is_alive(endpoint)
        for holder, endpoint in network["endpoints"].items()
    )


def repair(paths: Paths) -> None:
    """Complete what was killed or failed: name servers, a connect or disconnect of a container that runs, the end of
    one that does not."""
    if not os.path.isdir(paths.networks):
        return
    bridge.repair(paths, nameservers.starter())
    ledgered = ledger.read_all(paths)
    for record in records.list_all(paths):
        if records.is_up(record) and has_own(record) and _differs(ledgered, record):
            with _locked(paths, record), contextlib.suppress(MinirunError, OSError):  # it ends at this moment
                _reconcile(paths, records.read(paths, record["id"]))


def _differs(ledgered: list[Network], record: Record) -> bool:
    own = {
        network["name"]: endpoint["joining"]
        for network, endpoint in ledger.endpoints_of(ledgered, record["id"])
    }
    return set(own) != {attachment["network"] for attachment in record["attachments"]} or any(own.values())


def _reconcile(paths: Paths, record: Record) -> None:
    if not records.is_up(record) or not records.has_shim(paths, record["id"]):
        return
    done = {network["name"]: endpoint for network, endpoint in endpoints_of(paths, record["id"])}
    names = {attachment["network"] for attachment in record["attachments"]}
    for name in done:
        if name not in names:
            _leave(paths, record, name)
    for attachment in record["attachments"]:
        if attachment["network"] not in done or done[attachment["network"]]["joining"]:
            with contextlib.suppress(NotFoundError):
                _join(paths, record, attachment)


def rename(paths: Paths, record: Record, name: str) -> None:
    """Its neighbours find it by its new name."""
    if records.is_up(record) and has_own(record):
        bridge.rename(paths, record["id"], name)
