"""`compose stats`: what the containers of a project use, drawn anew each second.

See  cli/stats.py
"""

from __future__ import annotations

import click

from minirun.cli import stats
from minirun.cli.compose import choosing
from minirun.engine.view.stats import sample

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.cli.compose.group import Compose


@click.command("stats", short_help="Display what containers use, once a second")
@click.option("-a", "--all", "every", is_flag=True, help="Those that do not run, too.")
@click.option("--no-stream", is_flag=True, help="Once, not until Ctrl-C.")
@click.option("--no-trunc", is_flag=True, help="Whole IDs.")
@click.option("--format", "form", default="", help="json, 'table {{.Name}}', '{{.Name}}: {{.CPUPerc}}'.")
@click.argument("services", nargs=-1)
@click.pass_obj
def stats_command(
    compose: Compose, every: bool, no_stream: bool, no_trunc: bool, form: str, services: tuple[str, ...]
) -> None:
    """Display what the containers of the project, or of SERVICES, use."""

    def look() -> stats.Found:
        found = [one.record for one in choosing.containers(compose, services) if every or one.is_up]
        return [(record, sample(record)) for record in found]

    stats.show(look, form, whole=no_trunc, once=no_stream)
