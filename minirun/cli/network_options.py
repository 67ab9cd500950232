"""The options of `run` and `create` about networks.

Next  engine/options/attachments.py
"""

from __future__ import annotations

import click

from minirun.cli.printing import say
from minirun.engine.options import attachments
from minirun.network import ports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from minirun.engine.record_types import RunOptions

_OPTIONS = (
    click.option(
        "--network", "--net", multiple=True, help="NAME, again for more; bridge, host, none, container:NAME."
    ),
    click.option("--network-alias", "--net-alias", multiple=True, help="One more name on the first network."),
    click.option("--link", multiple=True, help="NAME[:ALIAS]: what this container calls another one."),
    click.option("--ip", help="IPv4 address on the first network."),
    click.option("--ip6", help="IPv6 address on the first network."),
    click.option(
        "--link-local-ip", multiple=True, help="An address besides, of 169.254.0.0/16 or fe80::/64."
    ),
    click.option("--mac-address", help="Hardware address on the first network: 02:42:ac:11:00:02."),
    click.option(
        "-p", "--publish", multiple=True, help="[IP:][HOST:]CONTAINER[/udp]: a port of the host leads there."
    ),
    click.option("-P", "--publish-all", is_flag=True, help="Publish each exposed port at a random one."),
    click.option("--expose", multiple=True, help="A port that the container listens at, for -P: 80, 53/udp."),
    click.option("--dns", multiple=True, help="Name server to ask."),
    click.option("--dns-search", multiple=True, help="Domain to look short names up in; . for none."),
    click.option("--dns-option", "--dns-opt", multiple=True, help="Option of resolv.conf: timeout:1."),
    click.option("--add-host", multiple=True, help="NAME:IP, or NAME:host-gateway for this host."),
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the command takes them all, under the names that `apply` knows."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def warn(options: RunOptions) -> None:
    """Docker's word on ports that nobody needs to publish."""
    if options["network"] == "host" and (options["ports"] or options["publish_all"]):
        say("WARNING: Published ports are discarded when using host network mode", err=True)


def apply(words: Mapping[str, Any], options: RunOptions) -> None:
    """The words of `run` and `create` about networks into the options."""
    options["network"], options["attachments"] = attachments.all_of(
        words["network"],
        aliases=words["network_alias"],
        links=words["link"],
        ipv4=words["ip"] or "",
        ipv6=words["ip6"] or "",
        mac=words["mac_address"] or "",
        link_local=words["link_local_ip"],
    )
    options["ports"] = [request for text in words["publish"] for request in ports.parse(text)]
    options["publish_all"] = words["publish_all"]
    options["exposed"] = [port for text in words["expose"] for port in ports.parse_exposed(text)]
    options["dns"] = [attachments.nameserver(text) for text in words["dns"]]
    options["dns_search"], options["dns_options"] = list(words["dns_search"]), list(words["dns_option"])
    options["extra_hosts"] = [attachments.extra_host(text) for text in words["add_host"]]
