"""`container prune` and `system prune`: what nothing needs any more goes.

See  removing.py for `image prune`, volumes.py for `volume prune`
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from minirun.cli import filters, units
from minirun.cli.printing import say
from minirun.engine import containers, events, networks, volumes
from minirun.engine.view import sizes
from minirun.errors import ConflictError, MinirunError, NotFoundError
from minirun.network import ledger

if TYPE_CHECKING:
    from minirun.cli.commands import Session
    from minirun.engine.record_types import Record

    Wanted = dict[str, list[str]]

_FILTERS = ("until", "label", "label!")


def confirm(warning: str, force: bool, what: str) -> None:
    """Ask, unless forced.  Raises MinirunError for a no."""
    if not force and not click.confirm(f"{warning}\nAre you sure you want to continue?", prompt_suffix=" "):
        raise MinirunError(f"{what} prune has been cancelled")


def report(deleted: dict[str, list[str]], reclaimed: int) -> None:
    """Docker's lists with their headings, and the sum."""
    for heading, names in deleted.items():
        if names:
            say("\n".join([f"{heading}:", *names, ""]))
    say(f"Total reclaimed space: {units.size(reclaimed, 4)}")


def has_labels(labels: dict[str, str], wanted: Wanted) -> bool:
    """Whether `label=` and `label!=` let it go."""
    return all(filters.has_label(labels, text) for text in wanted.get("label", ())) and not any(
        filters.has_label(labels, text) for text in wanted.get("label!", ())
    )


# ---- containers ---------------------------------------------------------------------------------------------


@click.command("prune")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("--filter", "words", multiple=True, help="until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE].")
@click.pass_obj
def container_prune_command(session: Session, force: bool, words: tuple[str, ...]) -> None:
    """Remove all stopped containers."""
    wanted = filters.parse(words, _FILTERS)
    confirm("WARNING! This will remove all stopped containers.", force, "container")
    ids, reclaimed = containers_away(session, wanted)
    report({"Deleted Containers": ids}, reclaimed)


def containers_away(session: Session, wanted: Wanted) -> tuple[list[str], int]:
    """Remove containers that are not under way.  Returns their ids, and the bytes they took."""
    limits = [filters.until(text) for text in wanted.get("until", ())]
    gone, reclaimed = [], 0
    for record in containers.all_containers(session):
        if containers.is_under_way(record) or not has_labels(record["labels"], wanted):
            continue
        if all((units.moment(record["created"]) or 0) < limit for limit in limits):
            size = sizes.written(session, record)
            if _removed(session, record):
                gone.append(record["id"])
                reclaimed += size
    events.emit(session, "container", "prune", "", {"reclaimed": str(reclaimed)})
    return gone, reclaimed


def _removed(session: Session, record: Record) -> bool:
    """Not when somebody else has removed it, or starts it at this moment."""
    with contextlib.suppress(NotFoundError, ConflictError):
        containers.remove(session, record, force=False)
        return True
    return False


# ---- volumes ------------------------------------------------------------------------------------------------


def volumes_away(session: Session, wanted: Wanted, *, every: bool) -> tuple[list[str], int]:
    """Remove volumes that no container uses: anonymous ones, or `every`.  Returns their names and bytes."""
    used = volumes.users(session)
    names = [
        volume["name"]
        for volume in volumes.list_all(session)
        if (every or volume["anonymous"])
        and volume["name"] not in used
        and has_labels(volume["labels"], wanted)
    ]
    taken = {name: sizes.tree(volumes.data(session, name)) for name in names}
    gone = volumes.remove_unused(session, names)
    reclaimed = sum(taken[name] for name in gone)
    events.emit(session, "volume", "prune", "", {"reclaimed": str(reclaimed)})
    return gone, reclaimed


# ---- networks -----------------------------------------------------------------------------------------------


def networks_away(session: Session, wanted: Wanted) -> list[str]:
    """Remove networks that no running container uses.  Returns their names."""
    limits = [filters.until(text) for text in wanted.get("until", ())]
    containers.all_containers(session)  # what a killed shim has left is put away first
    networks.repair(session)
    gone = []
    for network in ledger.everything(session):
        old = all((units.moment(network["created"]) or 0) < limit for limit in limits)
        if network["name"] not in networks.PREDEFINED and old and has_labels(network["labels"], wanted):
            with contextlib.suppress(NotFoundError, ConflictError):
                networks.remove(session, network["name"])
                gone.append(network["name"])
    events.emit(session, "network", "prune", "", {"reclaimed": "0"})
    return gone


# ---- everything -----------------------------------------------------------------------------------------------


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
    """Remove stopped containers, unused networks and images and, if asked, unused volumes."""
    from minirun.cli import removing

    wanted = filters.parse(words, _FILTERS)
    if with_volumes and "until" in wanted:
        raise MinirunError('the "until" filter is not supported with "--volumes"', "volumes have no last use")
    confirm(_warning(every, with_volumes, words), force, "system")
    ids, reclaimed = containers_away(session, wanted)
    deleted = {"Deleted Containers": ids}
    if with_volumes:
        deleted["Deleted Volumes"], size = volumes_away(session, wanted, every=False)
        reclaimed += size
    deleted["Deleted Networks"] = networks_away(session, wanted)
    deleted["Deleted Images"], size = removing.images_away(session, wanted, every=every)
    report(deleted, reclaimed + size)


def _warning(every: bool, with_volumes: bool, words: tuple[str, ...]) -> str:
    lines = ["all stopped containers", "all networks not used by at least one container"]
    if with_volumes:
        lines.append("all anonymous volumes not used by at least one container")
    lines.append(
        "all images without at least one container associated to them" if every else "all dangling images"
    )
    warning = "\n".join(["WARNING! This will remove:", *(f"  - {line}" for line in lines)])
    if words:
        warning += "\n\n  Items to be pruned will be filtered with:\n" + "\n".join(
            f"  - {word}" for word in words
        )
    return f"{warning}\n"
