"""Networks and containers as their files have them, for `network why`: who has which address, name and port.

Unlike other commands, this one repairs nothing before it looks: what has been repaired could not be shown.

See      snapshot.py for what the kernel has
By hand  cat /var/lib/minirun/networks/*.json /var/lib/minirun/containers/*/container.json
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from minirun import files
from minirun.engine import records, sandbox
from minirun.engine.diagnose import snapshot
from minirun.errors import NotFoundError
from minirun.network import addresses, ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minirun.engine.record_types import Record
    from minirun.network.ledger import Endpoint, Network, Port
    from minirun.paths import Paths

    NetworkEndpoint = tuple[Network, Endpoint]


class Inventory(NamedTuple):
    """What is written down, and where it is."""

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


def read(paths: Paths) -> Inventory:
    """As the files have it: unlike other commands, this one repairs nothing before it looks."""
    bridged = [network for network in ledger.list_all(paths) if ledger.is_bridge(network)]
    return Inventory(paths, ledger.names(paths.root)[1], bridged, records.list_all(paths))


def look(seen: Inventory, involved: Iterable[Record]) -> snapshot.Kernel:
    """What the kernel has of the networks, and of these containers' namespaces."""
    return snapshot.look(seen.paths, seen.table, seen.networks, list(involved))


def record_of(seen: Inventory, container_id: str) -> Record | None:
    return next((record for record in seen.records if record["id"] == container_id), None)


def host_of(seen: Inventory, record: Record) -> Record:
    """The container in whose network namespace this one lives: mostly itself."""
    if not sandbox.is_shared(record):
        return record
    return record_of(seen, record["network"].removeprefix("container:")) or record


def endpoints_of(seen: Inventory, record: Record) -> list[NetworkEndpoint]:
    """The networks that a container is on now, its way out first."""
    return sandbox.endpoints_among(seen.networks, host_of(seen, record)["id"])


def publications(seen: Inventory) -> Iterator[Publication]:
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


def owner_of(seen: Inventory, address: str) -> Record | None:
    """The container that has an address."""
    for network in seen.networks:
        for holder, endpoint in network["endpoints"].items():
            if address in endpoint["addresses"]:
                return record_of(seen, holder)
    return None


def named(seen: Inventory, name: str, asking: Record | None = None) -> Record | None:
    """The container that a name or an address means, for one that asks also by its aliases.  Raises UsageError."""
    if is_address(name):
        return owner_of(seen, name)
    try:
        return records.find(seen.paths, name)
    except NotFoundError:
        return alias_of(seen, asking, name) if asking else None


def alias_of(seen: Inventory, asking: Record, name: str) -> Record | None:
    """The container that `asking` knows by this name on a network of theirs."""
    for network, _ in endpoints_of(seen, asking):
        if network["name"] != ledger.DEFAULT:
            for holder, endpoint in network["endpoints"].items():
                if name in endpoint["aliases"] or name == f"{endpoint['name']}.{network['name']}":
                    return record_of(seen, holder)
    return None


def container_of(seen: Inventory, pid: int) -> Record | None:
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
