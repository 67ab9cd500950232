"""`compose ps`: the containers of a project.

They are found by their labels; no file is read, but where a service is named that has none, or --orphans=false.

See  cli/ps.py; compose/observed.py
"""

from __future__ import annotations

import click

from minirun.cli import filters, format, ps
from minirun.cli.compose import choosing
from minirun.cli.printing import say
from minirun.compose import labels
from minirun.engine import sandbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.cli.compose.group import Compose
    from minirun.compose.observed import Container
    from minirun.network.ledger import Endpoint, Network

    Places = list[tuple[Network, Endpoint]]

_HEADINGS = {
    "Name": "NAME",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "Service": "SERVICE",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Ports": "PORTS",
    "CreatedAt": "CREATED AT",
    "Engine": "ENGINE",
    "ExitCode": "EXIT CODE",
    "Health": "HEALTH",
    "ID": "CONTAINER ID",
    "Labels": "LABELS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Mounts": "MOUNTS",
    "Names": "NAMES",
    "Networks": "NETWORKS",
    "Project": "PROJECT",
    "Publishers": "PUBLISHERS",
    "Size": "SIZE",
    "State": "STATE",
}
_COLUMNS = list(_HEADINGS)[:7]


@click.command("ps", short_help="List containers")
@click.option("-a", "--all", "every", is_flag=True, help="Those that do not run, and those of `run`, too.")
@click.option("-q", "--quiet", is_flag=True, help="Only the IDs.")
@click.option("--services", "only_services", is_flag=True, help="Only the services.")
@click.option("--status", "statuses", multiple=True, help="Only those that are so: running, exited ...")
@click.option("--filter", "words", multiple=True, help="status=...")
@click.option("--orphans/--no-orphans", default=True, help="Those of services the files do not have, too.")
@click.option("--no-trunc", is_flag=True, help="Whole IDs and commands.")
@click.option("--format", "form", default="", help="json, 'table {{.Name}}', '{{.Name}}: {{.Status}}'.")
@click.argument("services", nargs=-1)
@click.pass_obj
def ps_command(
    compose: Compose,
    every: bool,
    quiet: bool,
    only_services: bool,
    statuses: tuple[str, ...],
    words: tuple[str, ...],
    orphans: bool,
    no_trunc: bool,
    form: str,
    services: tuple[str, ...],
) -> None:
    """List the containers of the project, or of SERVICES."""
    wanted = [*statuses, *filters.parse(words, ("status",)).get("status", [])]
    found = choosing.containers(compose, services, one_off=every or bool(wanted))
    if not orphans and not services and (project := compose.load_if_asked()):
        found = [one for one in found if one.service in project.services]
    shown = [one for one in found if (one.status in wanted if wanted else every or one.is_up)]
    if quiet or only_services:
        lines = [one.id for one in shown] if quiet else dict.fromkeys(one.service for one in shown)
        say("".join(f"{line}\n" for line in lines), end="")
        return
    places = sandbox.all_endpoints(compose.session)
    rows = (row(one, places.get(one.id, []), whole=no_trunc) for one in shown)
    for line in format.lines(rows, form, _HEADINGS, _COLUMNS):
        say(line)


def row(one: Container, places: Places, *, whole: bool = False) -> format.Row:
    """The fields of `--format`, in the order in which Docker Compose has them in JSON."""
    record = one.record
    fields = {
        **ps.row(record, places, whole=whole),
        "Command": ps.shown_command(ps.command_words(record), whole=whole),
        "Engine": "",
        "ExitCode": one.exit_code,
        "Health": one.health,
        "Image": record["options"]["image"],
        "Name": one.name,
        "Project": one.labels[labels.PROJECT],
        "Publishers": _publishers(record["exposed"], places),
        "Service": one.service,
        "Size": "0B",  # nobody measures: it takes long
    }
    return dict(sorted(fields.items()))


def _publishers(exposed: list[str], places: Places) -> list[dict[str, Any]]:
    """What is published, and what is only exposed."""
    held = sandbox.published(places)
    known = {f"{port['container_port']}/{port['protocol']}" for port in held}
    bare = [text.split("/") for text in exposed if places and text not in known]
    rows = [("", int(number), 0, protocol) for number, protocol in bare]
    rows += [(port["host_ip"], port["container_port"], port["host_port"], port["protocol"]) for port in held]
    keys = ("URL", "TargetPort", "PublishedPort", "Protocol")
    made = [dict(zip(keys, row, strict=True)) for row in rows]
    return sorted(made, key=lambda one: (one["TargetPort"], one["URL"]))
