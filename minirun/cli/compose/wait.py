"""`compose wait`: block until the containers of services have ended.

See  engine/waiting.py
"""

from __future__ import annotations

import functools

import click

from minirun.cli.compose import options
from minirun.cli.printing import say
from minirun.compose import existing, observed
from minirun.compose.plan_down import Down
from minirun.compose.scheduler import Scheduler
from minirun.engine import containers
from minirun.errors import NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.cli.compose.group import Compose
    from minirun.compose.observed import Container


@click.command("wait", short_help="Block until containers stop")
@click.option("--down-project", is_flag=True, help="Take the project down afterwards.")
@click.argument("services", nargs=-1, required=True)
@click.pass_obj
def wait_command(compose: Compose, down_project: bool, services: tuple[str, ...]) -> int:
    """Block until the containers of services have ended; the exit code is that of the last one."""
    name, project = options.project(compose, services)
    every = observed.containers_of(compose.session, name)
    found = [one for one in every if one.service in services and one.is_up]
    if not found:
        raise NotFoundError(f'no containers for project "{name}"', "none of these services runs")
    code = _wait(compose, found)
    if down_project:
        with options.report(compose, "down") as report:
            existing.down(compose.session, name, project, Down(orphans=True), report)
    return code


def _wait(compose: Compose, found: list[Container]) -> int:
    codes: list[int] = []

    def wait(one: Container) -> None:
        code = containers.wait(compose.session, one.record)
        say(f'container "{one.id}" exited with status code {code}')
        codes.append(code)

    Scheduler().run({one.id: (functools.partial(wait, one), ()) for one in found})
    return codes[-1]
