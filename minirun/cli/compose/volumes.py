"""`compose volumes`: the volumes of a project, by their labels, or those that services have mounted.

See  cli/volumes.py
"""

from __future__ import annotations

import click

from minirun.cli import format, volumes
from minirun.cli.compose import choosing
from minirun.cli.printing import say
from minirun.compose import labels
from minirun.engine import volumes as engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.cli.compose.group import Compose


@click.command("volumes", short_help="List volumes")
@click.option("-q", "--quiet", is_flag=True, help="Only the names.")
@click.option("--format", "form", default="", help="json, 'table {{.Name}}', '{{.Mountpoint}}'.")
@click.argument("services", nargs=-1)
@click.pass_obj
def volumes_command(compose: Compose, quiet: bool, form: str, services: tuple[str, ...]) -> None:
    """List the volumes of the project, or those of it that SERVICES use."""
    project = compose.name()
    found = [one for one in engine.list_all(compose.session) if one["labels"].get(labels.PROJECT) == project]
    if services:
        used = {
            mount["name"] for one in choosing.containers(compose, services) for mount in one.record["mounts"]
        }
        found = [one for one in found if one["name"] in used]
    rows = [volumes.row(compose.session, one) for one in found]
    if quiet:
        say("".join(f"{row['Name']}\n" for row in rows), end="")
        return
    for line in format.lines(rows, form, volumes.HEADINGS, volumes.COLUMNS):
        say(line)
