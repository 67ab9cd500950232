"""A service's networks, ports and names as the engine's options.

Everybody on a network is found by three names: the container's, the service's (all of its containers, in turn) and
the aliases that the file gives.

See   compose-spec 05-services.md "networks", "network_mode", "ports"; engine/options/attachments.py
"""

from __future__ import annotations

from minirun.compose import names
from minirun.engine.options import attachments
from minirun.errors import UsageError
from minirun.network import endpoint_options, ledger, ports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from minirun.compose.language.model import Port, Project, Service
    from minirun.engine.record_types import RunOptions
    from minirun.network.ledger import Attachment
    from minirun.network.ports import PortRequest


def apply(
    options: RunOptions,
    project: Project,
    service: Service,
    record_of: Callable[[str], str],
    *,
    aliases: bool,
) -> None:
    """All that the service says about networks into the options."""
    options["attachments"] = _attachments(options, project, service, record_of, aliases=aliases)
    first = next((one["network"] for one in options["attachments"]), "")
    options["network"] = first or _mode(service.get("network_mode", ""), record_of)
    if first in ledger.UNATTACHED:  # an external network that is called host is the host's
        options["attachments"] = []
    options["ports"] = [request for port in service.get("ports") or [] for request in publish(port)]
    exposed = (ports.parse_exposed(str(text)) for text in service.get("expose") or [])
    options["exposed"] = [port for some in exposed for port in some]
    options["dns"] = [attachments.nameserver(address) for address in service.get("dns") or []]
    options["dns_search"] = list(service.get("dns_search") or [])
    options["dns_options"] = list(service.get("dns_opt") or [])
    options["extra_hosts"] = [attachments.extra_host(text) for text in service.get("extra_hosts") or []]


def _mode(text: str, record_of: Callable[[str], str]) -> str:
    """`network_mode` where the container is on no network of its own."""
    if text.startswith("service:"):
        return f"container:{record_of(text.removeprefix('service:'))}"
    return attachments.mode(text or "none")


def _attachments(
    options: RunOptions,
    project: Project,
    service: Service,
    record_of: Callable[[str], str],
    *,
    aliases: bool,
) -> list[Attachment]:
    """The networks it is on, the one with the highest priority first; none where it is on no network of its own."""
    if service.get("network_mode"):
        mode = _mode(service["network_mode"], record_of)
        return [] if mode in ledger.UNATTACHED or mode.startswith("container:") else [ledger.attachment(mode)]
    found = []
    known_as = [options["name"], *([service["name"]] if aliases else [])]
    for key in by_priority(service.get("networks") or {}):
        given = service["networks"][key] or {}
        network = names.network(project, key)
        wanted = [*known_as, *(given.get("aliases", []) if aliases else [])]
        made = attachments.attachment(
            network,
            # the default bridge has no names: compose-spec's `external` networks may be it
            aliases=[] if network == ledger.DEFAULT else asked_for(wanted),
            ipv4=given.get("ipv4_address", ""),
            ipv6=given.get("ipv6_address", ""),
            mac=given.get("mac_address", ""),
            links=[] if network == ledger.DEFAULT else links(service),
            link_local=given.get("link_local_ips") or [],
            driver_opts=_endpoint_options(given),
        )
        if given.get("gw_priority"):
            made["gw_priority"] = given["gw_priority"]
        found.append(made)
    if found and service.get("mac_address") and not found[0]["mac"]:
        found[0]["mac"] = attachments.mac(service["mac_address"])
    return found


def _endpoint_options(given: dict[str, Any]) -> list[str]:
    """The driver_opts that there are, of which `interface_name` is one."""
    name = given.get("interface_name")
    options = {**(given.get("driver_opts") or {}), **({endpoint_options.IFNAME: name} if name else {})}
    return [f"{key}={value}" for key, value in options.items() if key in endpoint_options.KNOWN]


def by_priority(networks: dict[str, dict[str, Any] | None]) -> list[str]:
    """The keys of a service's networks: which is eth0, which eth1.

    >>> by_priority({"front": None, "back": {"priority": 1000}, "admin": {}})
    ['back', 'admin', 'front']
    """
    return sorted(networks, key=lambda key: (-((networks[key] or {}).get("priority") or 0), key))


def links(service: Service) -> list[str]:
    """`db:database`: the words that this service alone has for another one, all of whose containers they mean.

    A service is called by its own name in any case.
    """
    found = []
    for text in [*(service.get("links") or []), *(service.get("external_links") or [])]:
        name, _, alias = text.partition(":")
        if alias not in ("", name):
            found.append(text)
    return found


def asked_for(wanted: Iterable[str]) -> list[str]:
    """Those of the names that DNS can say, each once: a service may be called what no host can be."""
    found = []
    for name in dict.fromkeys(wanted):
        try:
            found.append(attachments.alias(name))
        except UsageError:
            continue
    return found


def publish(port: Port) -> list[PortRequest]:
    """One of `ports`: the host's port, or a range of which the first free one is taken.  Raises UsageError."""
    host_ip = port.get("host_ip", "")
    outside = f"{port['published']}:" if port.get("published") else ":" if host_ip else ""
    inside = f"{port['target']}/{port.get('protocol', 'tcp')}"
    return ports.parse(f"[{host_ip}]:{outside}{inside}" if host_ip else outside + inside)
