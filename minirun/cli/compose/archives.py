"""`compose export` and `compose commit`: a service's container as a tar, and as an image.

See  cli/archives.py
"""

from __future__ import annotations

import click

from minirun.cli import archives
from minirun.cli.compose import choosing
from minirun.cli.printing import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.cli.compose.group import Compose


@click.command("export", short_help="Export a container's file system as a tar archive")
@click.option(
    "-o", "--output", default="", metavar="FILE", help="Write to this file, not to standard output."
)
@click.option("--index", type=int, default=0, help="Of a service's containers, this one.")
@click.argument("service")
@click.pass_obj
def export_command(compose: Compose, output: str, index: int, service: str) -> None:
    """Write all files of a container of SERVICE as a tar."""
    from minirun.engine.files import commit

    archives.refuse_terminal("export", output)
    one = choosing.one(compose, service, index)
    if compose.dry_run:
        say(f"{one.name} would be exported", err=True)
        return
    commit.export(compose.session, one.record, archives.writer(output))


@click.command("commit", short_help="Create a new image from a service's container")
@click.option("-a", "--author", default="", help="As in 'Ada Lovelace <ada@example.org>'.")
@click.option("-c", "--change", "changes", multiple=True, help="A Dockerfile instruction to apply.")
@click.option("-m", "--message", default="", help="A comment for the image's history.")
@click.option("-p/", "--pause/--no-pause", default=True, help="Pause it meanwhile (--pause=false: do not).")
@click.option("--index", type=int, default=0, help="Of a service's containers, this one.")
@click.argument("service")
@click.argument("name", default="", metavar="[REPOSITORY[:TAG]]")
@click.pass_obj
def commit_command(
    compose: Compose,
    author: str,
    changes: tuple[str, ...],
    message: str,
    pause: bool,
    index: int,
    service: str,
    name: str,
) -> None:
    """Make an image of a container of SERVICE and what changed in it, and print its id."""
    from minirun.engine import images

    one = choosing.one(compose, service, index)
    if compose.dry_run:
        say(f"{one.name} would be committed", err=True)
        return
    image = images.commit(
        compose.session, one.record, name, author=author, message=message, changes=changes, pause=pause
    )
    say(image.id)
