"""Docker's networks: made, connected, disconnected, removed.

Two things are written down.  The container's record has the networks it wants, also for the next time it starts.  The
ledger (network/ledger.py) has what is: for every network the containers that are on it now.  `connect` and `disconnect`
change the record first; when they are killed in between, the next command makes the ledger agree: network_repair.py.

See      network/bridge.py; sandbox.py for what a container is on; docs.docker.com/engine/network
Next     endpoints.py
"""

from __future__ import annotations

import os

from minirun.engine import containers, control, endpoints, events, pools, records, sandbox
from minirun.engine.options import attachments, shape
from minirun.errors import ConflictError, NotFoundError, UnsupportedError, UsageError
from minirun.network import bridge, driver_options, ledger, macvlan, transaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from minirun.engine.record_types import Record
    from minirun.network.ledger import Attachment, Network
    from minirun.paths import Paths

PREDEFINED = ("bridge", "host", "none")
DRIVERS = ("bridge", "macvlan")
MISSING_DRIVERS = {
    "host": "there is one network of this kind, `host`",
    "ipvlan": "`-d macvlan` puts containers on the network of one of the host's interfaces, too",
    "null": "there is one network of this kind, `none`",
    "overlay": "it joins machines of a swarm; on one machine a bridge does the same",
}
_LONGEST_INTERFACE = 15  # IFNAMSIZ of linux/if.h, less its zero
_INTERFACE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def create(
    paths: Paths,
    name: str,
    *,
    driver: str = "bridge",
    subnets: Iterable[str] = (),
    gateways: Iterable[str] = (),
    ranges: Iterable[str] = (),
    reserved: Iterable[str] = (),
    ipv6: bool = False,
    internal: bool = False,
    attachable: bool = False,
    labels: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
) -> Network:
    """Write a new network down; its bridge comes with its first container.

    Subnets are as 172.20.0.0/16, at most one of each family; what is not given is chosen, overlapping nothing.
    `reserved` are addresses that no container gets, as router=172.20.0.5; `options` as in driver_options.py;
    `attachable` is for `inspect` alone, as all networks are.  Raises UsageError, ConflictError.
    """
    shape.refuse_text(subnets=subnets, gateways=gateways, ranges=ranges, reserved=reserved)
    attachments.check_name(name)
    made = _unused(name, driver, options or {}, ipv6=ipv6)
    made.update({"created": records.now(), "internal": internal, "labels": labels or {}})
    if attachable:
        made["attachable"] = True
    given = [pools.parse_subnet(text) for text in subnets]
    with ledger.lock():
        networks = ledger.list_all(paths)
        _require_unique(made, networks)
        made["pools"] = pools.choose(networks, given, ipv6=ipv6, outer=driver == "macvlan")
        pools.assign(made["pools"], "gateway", gateways)
        pools.assign(made["pools"], "ip_range", ranges)
        pools.reserve(made["pools"], reserved)
        ledger.write(paths, made, durable=True)
    events.of_one_network(paths, made, "create")
    return made


def _unused(name: str, driver: str, options: dict[str, str], *, ipv6: bool) -> Network:
    """The network, but for its addresses.  Raises UsageError, UnsupportedError, ConflictError."""
    _check_driver(driver)
    network_id = os.urandom(32).hex()
    if driver == "macvlan":
        macvlan.check(options)
        made = ledger.unused(network_id, name, bridge="")
        made["driver"] = driver
    else:
        driver_options.check(options, ipv6=ipv6)
        made = ledger.unused(network_id, name, _bridge_name(options) or ledger.bridge_name(network_id))
    made["options"] = options
    return made


def _check_driver(driver: str) -> None:
    """Raises UnsupportedError with the reason, UsageError."""
    if driver in MISSING_DRIVERS:
        raise UnsupportedError(f"--driver {driver} is not in minirun: {MISSING_DRIVERS[driver]}")
    if driver not in DRIVERS:
        raise UsageError(
            f"could not find plugin {driver} in v1 plugin registry: plugin not found",
            f"there are {', '.join(DRIVERS)}",
        )


def _require_unique(made: Network, others: list[Network]) -> None:
    """Its name, and its bridge or the host's interface: two would give the same addresses on one wire.

    Raises ConflictError.
    """
    if made["name"] in (*PREDEFINED, "default"):  # --network default is the bridge
        raise ConflictError(
            f"operation is not permitted on predefined {made['name']} network", "choose another name"
        )
    parent = macvlan.parent(made)
    for network in others:
        if network["name"] == made["name"]:
            raise ConflictError(f"network with name {made['name']} already exists")
        if parent and macvlan.parent(network) == parent:
            raise ConflictError(f"network {network['name']} is already using parent interface {parent}")
        if made["bridge"] and network["bridge"] == made["bridge"]:
            raise ConflictError(
                f"another network has the bridge {made['bridge']}", "choose another name for it"
            )


def _bridge_name(options: dict[str, str]) -> str:
    """What `-o` says about the bridge's name, "" for nothing.  Raises UsageError, ConflictError."""
    name = options.get(driver_options.NAME, "")
    if driver_options.NAME in options and not (
        0 < len(name) <= _LONGEST_INTERFACE and _INTERFACE.issuperset(name)
    ):
        raise UsageError(
            f'invalid name of a bridge: "{name}"', f"{_LONGEST_INTERFACE} letters or digits at most"
        )
    if name and os.path.exists(f"/sys/class/net/{name}"):
        raise ConflictError(
            f"this host has an interface {name} already", "choose another name for the bridge"
        )
    return name


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


# ---- what containers are on ---------------------------------------------------------------------------------------


def find(paths: Paths, text: str) -> Network:
    """The network that `text` names: a name, an id, or the beginning of one id.  Raises NotFoundError, UsageError."""
    return ledger.find(paths, text)


def connect(paths: Paths, text: str, record: Record, attachment: Attachment | None = None) -> None:
    """Put a container on one network more: now if it runs, else when it starts.

    The network is the one that `text` names, whatever `attachment` says.  Raises NotFoundError, ConflictError,
    UsageError.
    """
    network = ledger.find(paths, text)
    _require_own(record, "connected to")
    attachment = _attachment(network, attachment)
    sandbox.check_attachment(network, attachment)
    chosen = attachment["aliases"] or attachment["ipv4"] or attachment["ipv6"] or attachment.get("links", [])
    if chosen and network["name"] == ledger.DEFAULT:
        raise UsageError("aliases and addresses can be chosen on user defined networks only, not on bridge")
    with endpoints.locked(paths, record):
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
            endpoints.join(paths, record, attachment)
        except BaseException:
            control.change(paths, record, {"attachments": before})
            raise
    events.of_one_network(paths, network, "connect", container=record["id"])


def _attachment(network: Network, given: Attachment | None) -> Attachment:
    """What is asked for, of this network; whose dictionary it is keeps it.  Raises UsageError."""
    made: Attachment = {**(given or ledger.attachment("")), "network": network["name"]}
    shape.check(made, shape.ATTACHMENT, "attachment")
    attachments.check_words(made)
    return made


def disconnect(paths: Paths, text: str, record: Record) -> None:
    """Take a container off the network that `text` names.  Raises NotFoundError, ConflictError when it is not on it."""
    network = ledger.find(paths, text)
    _require_own(record, "disconnected from")
    with endpoints.locked(paths, record):
        record = records.read(paths, record["id"])
        rest = [one for one in record["attachments"] if one["network"] != network["name"]]
        if len(rest) == len(record["attachments"]) and record["id"] not in network["endpoints"]:
            raise ConflictError(
                f"container {record['id']} is not connected to network {network['name']}",
                f"minirun inspect {record['name']} shows its networks",
            )
        control.change(paths, record, {"attachments": rest})
        if not records.is_up(record):
            return
        endpoints.leave(paths, record, network["name"])
    events.of_one_network(paths, network, "disconnect", container=record["id"])


def unlink(paths: Paths, text: str) -> None:
    """Remove a link, web/db: what the container web calls another one.  Raises UsageError, NotFoundError."""
    name, _, alias = text.removeprefix("/").partition("/")
    if not name or not alias:
        raise UsageError(f'"{text}" is no link', "as in web/db: a container, and what it calls another one")
    record = containers.find(paths, name)
    with endpoints.locked(paths, record):
        record = records.read(paths, record["id"])
        rest = [_without_link(one, alias) for one in record["attachments"]]
        if rest == record["attachments"]:
            raise NotFoundError(f"container {record['name']} has no link {alias}")
        control.change(paths, record, {"attachments": rest})
        bridge.unlink(paths, record["id"], alias)


def _without_link(attachment: Attachment, alias: str) -> Attachment:
    if "links" not in attachment:
        return attachment
    return {**attachment, "links": [words for words in attachment["links"] if words[1] != alias]}


def _require_own(record: Record, what: str) -> None:
    if sandbox.has_own(record):
        return
    if sandbox.is_shared(record):
        raise ConflictError(
            f"container {record['name']} cannot be {what} a network: it shares the network of another container"
        )
    raise ConflictError(
        f"container {record['name']} cannot be {what} a network: it was made with --network {record['network']}",
        "make it anew with a network, or on the default one",
    )
