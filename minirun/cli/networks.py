"""`minirun network`: what connects containers.

See  engine/networks.py; docs/networks.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from minirun.cli import filters, format, pruning, refused_options, stopping, units
from minirun.cli.commands import LazyGroup, Session
from minirun.cli.printing import say
from minirun.engine import containers, network_repair, networks, prune
from minirun.engine.options import attachments, key_values
from minirun.engine.view import inspect_network
from minirun.errors import ConflictError, NotFoundError, UsageError
from minirun.network import ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

network_group = LazyGroup(
    "network",
    "Manage networks.",
    {
        "connect": ("minirun.cli.networks:connect_command", "Connect a container to a network"),
        "create": ("minirun.cli.networks:create_command", "Create a network"),
        "disconnect": ("minirun.cli.networks:disconnect_command", "Disconnect a container from a network"),
        "inspect": (
            "minirun.cli.networks:inspect_command",
            "Display detailed information on one or more networks",
        ),
        "ls": ("minirun.cli.networks:ls_command", "List networks"),
        "map": ("minirun.cli.netmap:map_command", "Draw networks, containers and what is published"),
        "prune": ("minirun.cli.networks:prune_command", "Remove all unused networks"),
        "rm": ("minirun.cli.networks:rm_command", "Remove one or more networks"),
        "why": ("minirun.cli.netwhy:why_command", "Walk a packet's way and say where it ends"),
    },
)
_COLUMNS = ("ID", "Name", "Driver", "Scope")
_HEADINGS = {
    "ID": "NETWORK ID",
    "Name": "NAME",
    "Driver": "DRIVER",
    "Scope": "SCOPE",
    "IPv4": "IPV4",
    "IPv6": "IPV6",
    "Internal": "INTERNAL",
    "Labels": "LABELS",
    "CreatedAt": "CREATED AT",
}
_KINDS = ("builtin", "custom")


@click.command("create")
@click.option("-d", "--driver", default="bridge", help="bridge, or macvlan with -o parent=eth0.")
@click.option("--subnet", "subnets", multiple=True, help="172.20.0.0/16; chosen when left out.")
@click.option(
    "--gateway", "gateways", multiple=True, help="The host's address in it; the first when left out."
)
@click.option(
    "--ip-range", "ranges", multiple=True, help="The part of the subnet that addresses are given from."
)
@click.option("--aux-address", "reserved", multiple=True, help="NAME=IP: an address that no container gets.")
@click.option("--ipv6", is_flag=True, help="IPv6 as well; a subnet is chosen when none is given.")
@click.option("--internal", is_flag=True, help="No way out, and none in.")
@click.option("--label", "labels", multiple=True, help="KEY=VALUE to remember.")
@click.option(
    *("-o", "--opt", "options"),
    multiple=True,
    help="com.docker.network.driver.mtu=1400; docs/networks.md has the others.",
)
@refused_options.as_it_is("--ipv4", "--scope", "--ipam-driver")
@click.option(
    "--attachable",
    is_flag=True,
    help="Containers may be connected by hand, as they always may here: for `inspect`.",
)
@click.argument("network")
@click.pass_obj
def create_command(session: Session, /, labels: tuple[str, ...], network: str, **words: Any) -> None:
    """Create a network; containers on it find each other by name."""
    words["options"] = key_values.pairs(words["options"])
    say(networks.create(session, network, labels=key_values.labels(labels), **words)["id"])


@click.command("ls")
@click.option("-q", "--quiet", is_flag=True, help="Only IDs.")
@click.option("--no-trunc", is_flag=True, help="Whole IDs.")
@click.option("-f", "--filter", "words", multiple=True, help="driver=, id=, label=, name=, type=, dangling=.")
@click.option("--format", "form", default="", help="json, 'table {{.Name}}', '{{.ID}}'.")
@click.pass_obj
def ls_command(session: Session, quiet: bool, no_trunc: bool, words: tuple[str, ...], form: str) -> None:
    """List networks."""
    known = ("dangling", "driver", "id", "label", "name", "scope", "type")
    containers.all_containers(session)  # what a killed shim has left is put away first
    network_repair.repair(session)
    rows = (_row(facts, whole=no_trunc) for facts in _chosen(session, filters.parse(words, known)))
    if quiet and format.is_usual(form):
        form = "{{.ID}}"
    for line in format.lines(rows, form, _HEADINGS, _COLUMNS):
        say(line)


def _chosen(session: Session, wanted: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    """The networks that all kinds of filters let through.  Raises UsageError for a senseless value."""
    if bad := set(wanted.get("type", ())) - set(_KINDS):
        raise UsageError(f"invalid filter: 'type={bad.pop()}'", "there are builtin and custom")
    dangling = {filters.boolean(text) for text in wanted.get("dangling", ())}
    is_named = filters.finder(wanted.get("name", ()))
    for facts in inspect_network.all_networks(session):
        builtin = facts["Name"] in networks.PREDEFINED
        tests = [
            not dangling or (not builtin and not facts["Containers"]) in dangling,
            _any(wanted, "driver", lambda text, facts=facts: facts["Driver"] == text),
            _any(wanted, "id", lambda text, facts=facts: facts["Id"].startswith(text)),
            is_named(facts["Name"]),
            _any(wanted, "scope", lambda text: text == "local"),
            _any(wanted, "type", lambda text, builtin=builtin: text == ("builtin" if builtin else "custom")),
            all(filters.has_label(facts["Labels"], text) for text in wanted.get("label", ())),
        ]
        if all(tests):
            yield facts


def _any(wanted: dict[str, list[str]], key: str, test: Any) -> bool:
    return key not in wanted or any(map(test, wanted[key]))


def _row(facts: dict[str, Any], *, whole: bool) -> format.Row:
    """The fields of `--format`."""
    return {
        "ID": facts["Id"] if whole else facts["Id"][:12],
        "Name": facts["Name"],
        "Driver": facts["Driver"],
        "Scope": facts["Scope"],
        "IPv4": str(facts["EnableIPv4"]).lower(),
        "IPv6": str(facts["EnableIPv6"]).lower(),
        "Internal": str(facts["Internal"]).lower(),
        "Labels": format.Labels(facts["Labels"]),
        "CreatedAt": units.exactly(facts["Created"]),
    }


@click.command("inspect")
@click.option("-f", "--format", "form", default="", help="json, {{.Id}}: one part of it.")
@refused_options.nothing_to_do("network inspect")
@click.argument("names", nargs=-1, required=True, metavar="NETWORKS...")
@click.pass_obj
def inspect_command(session: Session, form: str, names: tuple[str, ...]) -> int:
    """Display detailed information on one or more networks."""
    from minirun.cli import inspecting

    containers.all_containers(session)
    network_repair.repair(session)
    return inspecting.show(names, form, lambda name: inspect_network.find(session, name))


@click.command("rm")
@click.option("-f", "--force", is_flag=True, help="One that is not there is no error.")
@click.argument("names", nargs=-1, required=True, metavar="NETWORKS...")
@click.pass_obj
def rm_command(session: Session, force: bool, names: tuple[str, ...]) -> int:
    """Remove one or more networks; not those that a running container uses."""
    containers.all_containers(session)
    network_repair.repair(session)
    if force:
        names = tuple(name for name in names if _is_there(session, name))
    return stopping.for_each(
        names, lambda name: networks.remove(session, name), fine=NotFoundError if force else None
    )


def _is_there(session: Session, name: str) -> bool:
    try:
        return name in networks.PREDEFINED or bool(networks.find(session, name))
    except NotFoundError:
        return False


@click.command("prune")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("--filter", "words", multiple=True, help="until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE].")
@click.pass_obj
def prune_command(session: Session, force: bool, words: tuple[str, ...]) -> None:
    """Remove all networks that no running container uses."""
    wanted = filters.parse(words, ("until", "label", "label!"))
    warning = "WARNING! This will remove all custom networks not used by at least one container."
    pruning.confirm(warning, force, "network")
    names = prune.unused_networks(session, pruning.predicate(wanted)).names
    if names:
        say("\n".join(["Deleted Networks:", *names, ""]))


@click.command("connect")
@click.option("--alias", multiple=True, help="One more name on this network.")
@click.option("--ip", help="IPv4 address: 172.20.0.7.")
@click.option("--ip6", help="IPv6 address.")
@click.option("--link-local-ip", multiple=True, help="An address besides, of 169.254.0.0/16 or fe80::/64.")
@click.option(
    "--driver-opt",
    multiple=True,
    help="com.docker.network.endpoint.ifname=lan0; docs/networks.md has the others.",
)
@click.option(
    "--gw-priority", type=int, help="The network of the highest has the way out, from the next start on."
)
@click.option("--link", multiple=True, help="NAME[:ALIAS]: what this container calls another one.")
@click.argument("network")
@click.argument("container")
@click.pass_obj
def connect_command(session: Session, /, network: str, container: str, **words: Any) -> None:
    """Connect a container to a network, while it runs or for when it starts."""
    record = containers.find(session, container)
    network_repair.repair(session)
    if network in ledger.UNATTACHED:
        raise ConflictError(
            f"container {record['name']} cannot be connected to {network}: that is no network"
        )
    attachment = attachments.attachment(
        network,
        aliases=words["alias"],
        ipv4=words["ip"] or "",
        ipv6=words["ip6"] or "",
        links=words["link"],
        link_local=words["link_local_ip"],
        driver_opts=words["driver_opt"],
    )
    if words["gw_priority"]:
        attachment["gw_priority"] = words["gw_priority"]
    networks.connect(session, network, record, attachment)


@click.command("disconnect")
@refused_options.nothing_to_do("network disconnect")
@click.argument("network")
@click.argument("container")
@click.pass_obj
def disconnect_command(session: Session, network: str, container: str) -> None:
    """Disconnect a container from a network."""
    record = containers.find(session, container)
    network_repair.repair(session)
    networks.disconnect(session, network, record)
