"""A network of the project's as what networks.create() takes.

See  compose-spec 06-networks.md; docs.docker.com "docker network create"
"""

from __future__ import annotations

from minirun.compose import labels
from minirun.errors import UnsupportedError
from minirun.network import driver_options, macvlan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any, TypedDict

    from minirun.compose.language.model import Project

    class NetworkOptions(TypedDict):
        """The keywords of networks.create()."""

        driver: str
        subnets: list[str]
        gateways: list[str]
        ranges: list[str]
        ipv6: bool
        reserved: list[str]
        internal: bool
        labels: dict[str, str]
        options: dict[str, str]


# An overlay of one machine is a bridge.
_BRIDGES = ("", "default", "bridge", "overlay")


def known_options(network: dict[str, Any]) -> Collection[str]:
    """The driver_opts that its driver has; unsupported.py tells of others, which Docker passes over as well."""
    return macvlan.KNOWN if network.get("driver") == "macvlan" else driver_options.KNOWN


def make(project: Project, key: str, network_hash: str) -> NetworkOptions:
    """Of the network that the files call `key`.  Raises UnsupportedError for a driver that is not here."""
    network = project.networks[key]
    driver = network.get("driver") or ""
    if driver not in (*_BRIDGES, "macvlan"):
        raise UnsupportedError(
            f"network {key}: there is no network driver {driver} here",
            "there are bridge and macvlan; network_mode: host uses the host's own network",
        )
    pools = (network.get("ipam") or {}).get("config") or []
    return {
        "driver": "macvlan" if driver == "macvlan" else "bridge",
        "subnets": _each(pools, "subnet"),
        "gateways": _each(pools, "gateway"),
        "ranges": _each(pools, "ip_range"),
        "ipv6": bool(network.get("enable_ipv6")),
        "reserved": [
            f"{name}={address}"
            for pool in pools
            for name, address in (pool.get("aux_addresses") or {}).items()
        ],
        "internal": bool(network.get("internal")),
        "labels": labels.of_network(project, key, network_hash),
        "options": {
            name: str(value)
            for name, value in (network.get("driver_opts") or {}).items()
            if name in known_options(network)
        },
    }


def _each(pools: list[dict[str, Any]], key: str) -> list[str]:
    return [pool[key] for pool in pools if pool.get(key)]
