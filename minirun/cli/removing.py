"""rmi and image prune: images go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from minirun.cli import filters, pruning, refused_options
from minirun.cli.failures import show as say_error
from minirun.cli.printing import say_line
from minirun.engine import images, prune
from minirun.errors import MinirunError, NotFoundError, UsageError

if TYPE_CHECKING:
    from minirun.paths import Paths

_FILTERS = ("until", "label", "label!")


@click.command("rmi", short_help="Remove one or more images")
@click.option("-f", "--force", is_flag=True, help="Remove a name in use, and an id with several names.")
@refused_options.nothing_to_do("rmi")
@click.option(
    "--platform", "platforms", multiple=True, help="OS/ARCHITECTURE[/VARIANT] the images have to be for."
)
@click.argument("names", nargs=-1, required=True)
@click.pass_obj
def rmi_command(paths: Paths, force: bool, platforms: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Take a name from an image; with its last name goes the image."""
    if len(wanted := list(dict.fromkeys(",".join(platforms).split(",")))) > 1:
        raise UsageError("multiple platforms are not supported: an image here is for one")
    failures: list[MinirunError] = []
    for name in names:
        try:
            for line in images.remove(paths, name, force=force, platform=wanted[0]):
                say_line(line)
        except NotFoundError as error:
            if force:
                say_error("minirun", error)
            else:
                failures.append(error)
        except MinirunError as error:
            failures.append(error)
    pruning.warn_of_kept_layers(paths)
    for failure in failures[:-1]:
        say_error("minirun", failure)
    if failures:
        raise failures[-1]


@click.command("prune", short_help="Remove unused images")
@click.option(
    "-a", "--all", "every", is_flag=True, help="All images no container uses, not only nameless ones."
)
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("--filter", "words", multiple=True, help="until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE].")
@click.pass_obj
def prune_command(paths: Paths, every: bool, force: bool, words: tuple[str, ...]) -> None:
    """Remove images without a name that no container uses, and what pulls that were killed have left."""
    wanted = filters.parse(words, _FILTERS)
    what = "images without at least one container associated to them" if every else "dangling images"
    pruning.confirm(f"WARNING! This will remove all {what}.", force, "image")
    report = {"Deleted Images": prune.unused_images(paths, pruning.predicate(wanted), every=every)}
    pruning.report(report)
    pruning.warn_of_kept_layers(paths)
