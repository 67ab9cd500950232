"""`ps`, `stop`, `rm` and `inspect`: containers that exist."""

from __future__ import annotations

import click

from minirun.cli import format, units
from minirun.cli.commands import Session
from minirun.engine import lifecycle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import Record


_HEADINGS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Ports": "PORTS",
    "Names": "NAMES",
    "CreatedAt": "CREATED AT",
    "State": "STATE",
    "Labels": "LABELS",
    "Networks": "NETWORKS",
}
_COLUMNS = list(_HEADINGS)[:7]


@click.command("ps")
@click.option("-a", "--all", "every", is_flag=True, help="Those that do not run, too.")
@click.option("-q", "--quiet", is_flag=True, help="Only the IDs.")
@click.option("--no-trunc", is_flag=True, help="Whole IDs and commands.")
@click.option("--format", "form", default="", help="json, 'table {{.ID}}', '{{.Names}}: {{.Status}}'.")
@click.pass_obj
def ps_command(session: Session, every: bool, quiet: bool, no_trunc: bool, form: str) -> None:
    """List containers."""
    shown = [one for one in lifecycle.all_containers(session) if every or one["state"]["status"] == "running"]
    if quiet and not form:
        click.echo("".join(f"{one['id'] if no_trunc else one['id'][:12]}\n" for one in shown), nl=False)
        return
    for line in format.lines((row(one, whole=no_trunc) for one in shown), form, _HEADINGS, _COLUMNS):
        click.echo(line)


def row(record: Record, *, whole: bool = False) -> format.Row:
    """The fields of `--format`."""
    command = " ".join(record["args"])
    if not whole and len(command) > 18:
        command = command[:17] + "…"
    return {
        "ID": record["id"] if whole else record["id"][:12],
        "Image": familiar(record["image"]),
        "Command": f'"{command}"',
        "RunningFor": units.ago(record["created"]),
        "Status": status_words(record),
        "Ports": "",
        "Names": record["name"],
        "CreatedAt": units.when(record["created"]),
        "State": record["state"]["status"],
        "Labels": ",".join(f"{key}={value}" for key, value in record["labels"].items()),
        "Networks": record["network"],
    }


def familiar(reference: str) -> str:
    """docker.io/library/alpine:latest is alpine to everybody."""
    return reference.removeprefix("docker.io/").removeprefix("library/").removesuffix(":latest")


def status_words(record: Record) -> str:
    """`Up 3 minutes`, `Exited (137) 2 seconds ago`, `Created`: Docker's words."""
    state = record["state"]
    if state["status"] == "running":
        return f"Up {units.ago(state['started']).removesuffix(' ago')}"
    if state["status"] == "exited":
        return f"Exited ({state['exit_code']}) {units.ago(state['finished'])}"
    return "Created"
