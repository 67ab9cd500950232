"""`compose down`: what `up` has made is taken away again; volumes stay unless they are asked for.

See  compose/plan_down.py
"""

from __future__ import annotations

import click

from minirun.cli.compose import options
from minirun.compose import existing
from minirun.compose.language import problems
from minirun.compose.plan_down import Down
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.cli.compose.group import Compose


@click.command("down", short_help="Stop and remove containers and networks")
@click.option("--remove-orphans", is_flag=True, help="Containers of services that are not there, too.")
@click.option("--rmi", default="", metavar="local|all", help="The images, too: local, those without a name.")
@options.timeout
@click.option("-v", "--volumes", is_flag=True, help="The volumes of the files, and anonymous ones, too.")
@options.services
@click.pass_obj
def down_command(
    compose: Compose,
    remove_orphans: bool,
    rmi: str,
    timeout: int | None,
    volumes: bool,
    services: tuple[str, ...],
) -> None:
    """Stop and remove containers and networks."""
    if rmi not in ("", "local", "all"):
        raise UsageError(f'invalid value for --rmi: "{rmi}"', "local or all")
    orphans = remove_orphans or options.is_set(compose, "COMPOSE_REMOVE_ORPHANS")
    try:
        name, project = options.project(compose, services)
    except problems.ComposeError as error:
        error.hint = f"minirun compose -p {compose.name()} down needs no file"
        raise
    wish = Down(services, volumes=volumes, images=rmi, orphans=orphans, timeout_seconds=timeout)
    with options.report(compose, "down") as report:
        existing.down(compose.session, name, project, wish, report)
