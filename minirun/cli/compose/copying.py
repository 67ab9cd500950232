"""`compose cp`: files between a service's containers and here.

From a service it is its first container that is meant, to a service all of them, unless --index says which.

See  cli/copying.py
"""

from __future__ import annotations

import click

from minirun.cli import copying
from minirun.cli.compose import choosing
from minirun.cli.printing import say
from minirun.errors import NotFoundError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.cli.compose.group import Compose


@click.command("cp", short_help="Copy files between a service's container and here")
@click.option("--all", "every", is_flag=True, help="Also the containers that `run` made.")
@click.option("-a", "--archive", is_flag=True, help="Keep owners, set-user-ID bits and devices on the host.")
@click.option("-L", "--follow-link", is_flag=True, help="Copy what SOURCE links to.")
@click.option("--index", type=int, default=0, help="Of a service's containers, this one.")
@click.argument("source")
@click.argument("destination")
@click.pass_obj
def cp_command(
    compose: Compose, every: bool, archive: bool, follow_link: bool, index: int, source: str, destination: str
) -> None:
    """Copy SERVICE:SOURCE to DESTINATION|-, or SOURCE|- to SERVICE:DESTINATION."""
    from_service, from_path = copying.split(source)
    to_service, to_path = copying.split(destination)
    if from_service and to_service:
        raise UsageError("copying between services is not supported")
    if not from_service and not to_service:
        raise UsageError("unknown copy direction", "one of the two is SERVICE:PATH, as web:/etc/nginx")
    found = choosing.containers(compose, [from_service or to_service], one_off=every)
    chosen = [one for one in found if index in (0, one.number)]
    if not chosen:
        raise NotFoundError(f"no container found for service {from_service or to_service!r}")
    for one in chosen[:1] if from_service else chosen:
        whole_source = f"{one.name}:{from_path}" if from_service else source
        whole_destination = f"{one.name}:{to_path}" if to_service else destination
        say(f" {one.name} Copying {whole_source} to {whole_destination}", err=True)
        if not compose.dry_run:
            copying.copy(
                compose.session, whole_source, whole_destination, follow=follow_link, archive=archive
            )
        say(f" {one.name} Copied {whole_source} to {whole_destination}", err=True)
