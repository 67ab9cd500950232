"""A container's sandbox, as libnetwork calls it: its network namespace, and which networks it is on.

It is made for the container, or it is another container's, or the host's; with --network none it is on no network.

See      network/sandbox.py and network/bridge.py, which make it; networks.py, which changes what it is on
By hand  ls -l /proc/PID/ns/net; cat /var/lib/minirun/networks/*.json
"""

from __future__ import annotations

from minirun.engine import records
from minirun.errors import ConflictError, UsageError
from minirun.network import addresses, driver_options, ledger, ports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import Record, RunOptions
    from minirun.network.ledger import Attachment, Endpoint, Network, Port
    from minirun.network.sandbox import Sandbox
    from minirun.paths import Paths


def has_own(record: Record) -> bool:
    """Whether a network namespace is made for it, and put on networks."""
    return record["network"] not in ledger.UNATTACHED and not is_shared(record)


def is_shared(record: Record) -> bool:
    """Whether it lives in the network namespace of another container."""
    return record["network"].startswith("container:")


def resolve(paths: Paths, options: RunOptions) -> str:
    """The network asked for, container:NAME as container:ID, when all there are can give what is asked of them.

    Raises NotFoundError, UsageError.
    """
    for attachment in options["attachments"]:
        check_attachment(ledger.find(paths, attachment["network"]), attachment)
    outer = _first_that_leads_out(paths, options["attachments"])
    if options["ports"] and outer is not None and not ledger.is_bridge(outer):
        raise UsageError(
            f"nothing is published of network {outer['name']}: its containers are reached at their own addresses",
            "leave -p out",
        )
    kind, colon, name = options["network"].partition(":")
    return f"{kind}:{records.find(paths, name)['id']}" if colon else kind


def check_attachment(network: Network, attachment: Attachment) -> None:
    """Whether the network can give the addresses that are asked of it.  Raises UsageError."""
    if len(network["pools"]) < 2 and any(map(addresses.is_v6, attachment.get("link_local", []))):
        raise UsageError(f"network {network['name']} has no IPv6", "create one with --ipv6")
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
    return endpoints_among(ledger.list_all(paths), container_id)


def endpoints_among(ledgered: list[Network], container_id: str) -> list[tuple[Network, Endpoint]]:
    """The same, from what was read before."""
    found = ledger.endpoints_of(ledgered, container_id)
    return sorted(found, key=lambda place: (not place[1]["gateway"], place[1]["inside"]))


def all_endpoints(paths: Paths) -> dict[str, list[tuple[Network, Endpoint]]]:
    """The same of all containers."""
    found: dict[str, list[tuple[Network, Endpoint]]] = {}
    for network in ledger.list_all(paths):
        for container_id, endpoint in network["endpoints"].items():
            found.setdefault(container_id, []).append((network, endpoint))
    return found


def published(own: list[tuple[Network, Endpoint]]) -> list[Port]:
    """The ports that can be reached now."""
    return [port for _, endpoint in own if endpoint["gateway"] for port in endpoint["ports"]]


def reserve_ports(paths: Paths, record: Record) -> ports.Reservation:
    """Take the host's ports that the container publishes.  Raises ConflictError naming who has one."""
    requests = [*record["options"]["ports"]]
    if record["options"]["publish_all"]:
        requests += ports.of_exposed(record["exposed"])
    outer = _gateway_network(paths, record)
    if not requests or outer is None or not ledger.is_bridge(outer):
        return ports.Reservation()
    if binding := driver_options.host_binding(outer):
        requests = [{**one, "host_ip": one["host_ip"] or binding} for one in requests]
    return ports.reserve(requests, ledger.list_all(paths), v6=len(outer["pools"]) > 1)


def _gateway_network(paths: Paths, record: Record) -> Network | None:
    """The network by which the container will be reached: the first that is not internal, of the highest priority."""
    return _first_that_leads_out(paths, record["attachments"] if has_own(record) else [])


def _first_that_leads_out(paths: Paths, wanted: list[Attachment]) -> Network | None:
    ordered = sorted(wanted, key=lambda attachment: -attachment.get("gw_priority", 0))
    found = (ledger.find(paths, attachment["network"]) for attachment in ordered)
    return next((network for network in found if not network["internal"]), None)


def describe(paths: Paths, record: Record, held: list[Port]) -> Sandbox:
    """The container, for network/bridge.py; `held` are the ports of the host that it has."""
    made: Sandbox = {
        "id": record["id"],
        "name": record["name"],
        "run": paths.run(record["id"]),
        "nameservers": record["options"]["dns"],
        "names": [] if record["id"].startswith(record["hostname"]) else [record["hostname"]],
        "ports": held,
    }
    if any(one.get("gw_priority") for one in record["attachments"]) and (
        outer := _gateway_network(paths, record)
    ):
        made["gateway"] = outer["name"]
    return made
