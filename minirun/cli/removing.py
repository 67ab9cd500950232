"""rmi and image prune: images go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from minirun.cli import filters, units
from minirun.engine import imageevents
from minirun.errors import MinirunError, NotFoundError
from minirun.image import removal, usage
from minirun.image.store import Store

if TYPE_CHECKING:
    from minirun.image.store import Image
    from minirun.paths import Paths

_FILTERS = ("until", "label", "label!")
_WARNING = "WARNING! This will remove all {}.\nAre you sure you want to continue?"


@click.command("rmi", short_help="Remove one or more images")
@click.option("-f", "--force", is_flag=True, help="Remove a name in use, and an id with several names.")
@click.option("--no-prune", is_flag=True, help="Accepted as Docker does; there are no nameless parents.")
@click.argument("names", nargs=-1, required=True)
@click.pass_obj
def rmi_command(paths: Paths, force: bool, no_prune: bool, names: tuple[str, ...]) -> None:
    """Take a name from an image; with its last name goes the image."""
    store, claims = Store(paths), usage.claims(paths)
    failures: list[MinirunError] = []
    for name in names:
        try:
            events = imageevents.Removal(paths, store)
            lines = store.remove(name, claims, force=force)
            events.tell(lines)
            for line in lines:
                click.echo(line)
        except NotFoundError as error:
            if not force:
                failures.append(error)
        except MinirunError as error:
            failures.append(error)
    if failures:
        raise MinirunError("\n".join(failure.message for failure in failures), failures[0].hint)


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
    limits = [filters.until(text) for text in wanted.get("until", ())]

    def is_wanted(image: Image) -> bool:
        if not wanted:
            return True  # even what is damaged
        labels = image.config.get("Labels") or {}
        return (
            all((units.moment(image.created) or 0) < limit for limit in limits)
            and all(filters.has_label(labels, text) for text in wanted.get("label", ()))
            and not any(filters.has_label(labels, text) for text in wanted.get("label!", ()))
        )

    what = "images without at least one container associated to them" if every else "dangling images"
    if not force and not click.confirm(_WARNING.format(what), prompt_suffix=" "):
        raise MinirunError("image prune has been cancelled")
    store = Store(paths)
    events = imageevents.Removal(paths, store)
    lines, reclaimed = removal.prune(store, usage.claims(paths), is_wanted, every=every)
    events.tell(lines)
    imageevents.pruned(paths, reclaimed)
    if lines:
        click.echo("\n".join(["Deleted Images:", *(line[0].lower() + line[1:] for line in lines), ""]))
    click.echo(f"Total reclaimed space: {units.size(reclaimed, 4)}")
