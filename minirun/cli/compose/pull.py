"""`compose pull`: the images of services are downloaded.

See  compose/image_transfers.py
"""

from __future__ import annotations

import click

from minirun.cli.compose import options
from minirun.compose import image_transfers, order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.cli.compose.group import Compose


@click.command("pull", short_help="Download the images of services")
@click.option("--ignore-buildable", is_flag=True, help="Not those that can be built.")
@click.option("--ignore-pull-failures", is_flag=True, help="Go on when one cannot be pulled.")
@click.option("--include-deps", is_flag=True, help="Of what they depend on, too.")
@click.option("--policy", default="", metavar="missing|always", help="Instead of what each service says.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show how it goes.")
@options.services
@click.pass_obj
def pull_command(
    compose: Compose,
    ignore_buildable: bool,
    ignore_pull_failures: bool,
    include_deps: bool,
    policy: str,
    quiet: bool,
    services: tuple[str, ...],
) -> None:
    """Download the images of services."""
    project = compose.load(services)
    wish = image_transfers.Transfer(
        policy=policy,
        ignore_failures=ignore_pull_failures,
        ignore_buildable=ignore_buildable,
        at_once=max(compose.parallel, 0),
        dry_run=compose.dry_run,
    )
    names = order.selected(project, services, dependencies=include_deps)
    with options.report(compose, "pull", mode="quiet" if quiet else "") as report:
        missed = image_transfers.pull(compose.session, project, names, wish, report)
        if missed:
            report.say(f"some images have to be built: minirun compose build {' '.join(missed)}")
