"""`container prune` and `system prune`: what nothing needs any more goes.

See  engine/prune.py for what goes; removing.py for `image prune`, volumes.py for `volume prune`, builder.py for
     `builder prune`
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from minirun.cli import filters, units
from minirun.cli.printing import say
from minirun.engine import images, prune
from minirun.errors import MinirunError

if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.cli.commands import Session
    from minirun.engine.prune import Pruned
    from minirun.paths import Paths

    Wanted = dict[str, list[str]]

_FILTERS = ("until", "label", "label!")


def confirm(warning: str, force: bool, what: str) -> None:
    """Ask, unless forced.  Raises MinirunError for a no."""
    if not force and not click.confirm(f"{warning}\nAre you sure you want to continue?", prompt_suffix=" "):
        raise MinirunError(f"{what} prune has been cancelled")


def report(pruned: dict[str, Pruned]) -> None:
    """Docker's lists, each under its heading, and the sum."""
    for heading, gone in pruned.items():
        if gone.names:
            say("\n".join([f"{heading}:", *gone.names, ""]))
    reclaimed = sum(gone.reclaimed_bytes for gone in pruned.values())
    say(f"Total reclaimed space: {units.size(reclaimed, 4)}")


def warn_of_kept_layers(paths: Paths) -> None:
    """Tell why images went and no unpacked layer did: a record that cannot be understood may need any of them."""
    if kept_for := images.layers_kept_for(paths):
        say(f"minirun: no unpacked layer was removed: the record of {kept_for[0]} is damaged", err=True)


def predicate(wanted: Wanted) -> Callable[[str, dict[str, str]], bool] | None:
    """Whether the filters let something go that was `created` then and has these labels; None without filters."""
    limits = [filters.until(text) for text in wanted.get("until", ())]

    def is_wanted(created: str, labels: dict[str, str]) -> bool:
        moment = (units.moment(created) or 0) if limits else 0
        return (
            all(moment < limit for limit in limits)
            and all(filters.has_label(labels, text) for text in wanted.get("label", ()))
            and not any(filters.has_label(labels, text) for text in wanted.get("label!", ()))
        )

    return is_wanted if wanted else None


# ---- containers ---------------------------------------------------------------------------------------------


@click.command("prune")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("--filter", "words", multiple=True, help="until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE].")
@click.pass_obj
def container_prune_command(session: Session, force: bool, words: tuple[str, ...]) -> None:
    """Remove all stopped containers."""
    wanted = filters.parse(words, _FILTERS)
    confirm("WARNING! This will remove all stopped containers.", force, "container")
    report({"Deleted Containers": prune.stopped_containers(session, predicate(wanted))})


# ---- all of it --------------------------------------------------------------------------------------------------


@click.command("prune")
@click.option(
    "-a", "--all", "every", is_flag=True, help="All images no container uses, not only nameless ones."
)
@click.option("--volumes", "with_volumes", is_flag=True, help="Anonymous volumes, too.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("--filter", "words", multiple=True, help="until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE].")
@click.pass_obj
def system_prune_command(
    session: Session, every: bool, with_volumes: bool, force: bool, words: tuple[str, ...]
) -> None:
    """Remove stopped containers, unused networks, images and build cache and, if asked, unused volumes."""
    wanted = filters.parse(words, _FILTERS)
    if with_volumes and "until" in wanted:
        raise MinirunError('the "until" filter is not supported with "--volumes"', "volumes have no last use")
    confirm(_warning(every, with_volumes, words), force, "system")
    gone = prune.system(session, predicate(wanted), every=every, with_volumes=with_volumes)
    if not {"label", "label!"} & wanted.keys():  # steps have no labels
        gone["Deleted build cache objects"] = _build_cache(session, wanted, every)
    report(gone)
    warn_of_kept_layers(session)


def _build_cache(session: Session, wanted: Wanted, every: bool) -> Pruned:
    """What builds have kept; `until` counts from when it was used last."""
    from minirun.build import usage

    limits = [filters.until(text) for text in wanted.get("until", ())]
    gone = usage.prune(session, lambda entry: all(entry.used < limit for limit in limits), every=every)
    return prune.Pruned([entry.id for entry in gone], sum(entry.own_size for entry in gone))


def _warning(every: bool, with_volumes: bool, words: tuple[str, ...]) -> str:
    lines = ["all stopped containers", "all networks not used by at least one container"]
    if with_volumes:
        lines.append("all anonymous volumes not used by at least one container")
    lines.append(
        "all images without at least one container associated to them" if every else "all dangling images"
    )
    lines.append("all build cache" if every else "all dangling build cache")
    warning = "\n".join(["WARNING! This will remove:", *(f"  - {line}" for line in lines)])
    if words:
        warning += "\n\n  Items to be pruned will be filtered with:\n" + "\n".join(
            f"  - {word}" for word in words
        )
    return f"{warning}\n"
