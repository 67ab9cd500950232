"""`compose push`: images that were built for services are uploaded.

See  compose/image_transfers.py
"""

from __future__ import annotations

import click

from minirun.cli.compose import options
from minirun.compose import image_transfers, order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.cli.compose.group import Compose


@click.command("push", short_help="Upload the images of services")
@click.option("--ignore-push-failures", is_flag=True, help="Go on when one cannot be pushed.")
@click.option("--include-deps", is_flag=True, help="Of what they depend on, too.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show how it goes.")
@options.services
@click.pass_obj
def push_command(
    compose: Compose, ignore_push_failures: bool, include_deps: bool, quiet: bool, services: tuple[str, ...]
) -> None:
    """Upload images that have a `build` and a name."""
    project = compose.load(services)
    wish = image_transfers.Transfer(
        ignore_failures=ignore_push_failures, at_once=max(compose.parallel, 0), dry_run=compose.dry_run
    )
    names = order.selected(project, services, dependencies=include_deps)
    with options.report(compose, "push", mode="quiet" if quiet else "") as report:
        image_transfers.push(compose.session, project, names, wish, report)
