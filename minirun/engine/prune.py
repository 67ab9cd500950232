"""What `container`, `image`, `volume`, `network` and `system prune` remove: what nothing needs any more.

`wanted(created, labels)` narrows it down: it is asked about each of those that could go, with the moment it was
made (RFC 3339) and its labels.

See      docs.docker.com "Prune unused Docker objects"
"""

from __future__ import annotations

import contextlib

from minirun.engine import containers, events, network_repair, networks, volumes
from minirun.engine.view import sizes
from minirun.errors import ConflictError, NotFoundError
from minirun.network import ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.engine.record_types import Record
    from minirun.image.image import Image
    from minirun.paths import Paths

    Wanted = Callable[[str, dict[str, str]], bool]


class Pruned:
    """What went, and the bytes of disk that came back."""

    def __init__(self, names: list[str], reclaimed_bytes: int = 0) -> None:
        self.names = names
        self.reclaimed_bytes = reclaimed_bytes


def stopped_containers(paths: Paths, wanted: Wanted | None = None) -> Pruned:
    """Remove containers that are not under way.  The names are ids."""
    gone = Pruned([])
    for record in containers.all_containers(paths):
        if containers.is_under_way(record) or (wanted and not wanted(record["created"], record["labels"])):
            continue
        size = sizes.written(paths, record)
        if _remove(paths, record):
            gone.names.append(record["id"])
            gone.reclaimed_bytes += size
    events.emit(paths, "container", "prune", "", {"reclaimed": str(gone.reclaimed_bytes)})
    return gone


def _remove(paths: Paths, record: Record) -> bool:
    """Not when somebody else has removed it, or starts it at this moment."""
    with contextlib.suppress(NotFoundError, ConflictError):
        containers.remove(paths, record, force=False)
        return True
    return False


def unused_volumes(paths: Paths, wanted: Wanted | None = None, *, every: bool = False) -> Pruned:
    """Remove volumes that no container uses: anonymous ones, or `every`."""
    used = volumes.users(paths)
    names = [
        volume["name"]
        for volume in volumes.list_all(paths)
        if (every or volume["anonymous"])
        and volume["name"] not in used
        and (not wanted or wanted(volume["created"], volume["labels"]))
    ]
    sizes_before = {name: sizes.tree(volumes.data(paths, name)) for name in names}
    gone = volumes.remove_unused(paths, names)
    reclaimed = sum(sizes_before[name] for name in gone)
    events.emit(paths, "volume", "prune", "", {"reclaimed": str(reclaimed)})
    return Pruned(gone, reclaimed)


def unused_networks(paths: Paths, wanted: Wanted | None = None) -> Pruned:
    """Remove networks that no running container uses."""
    containers.all_containers(paths)  # what a killed shim has left is put away first
    network_repair.repair(paths)
    gone: list[str] = []
    for network in ledger.list_all(paths):
        if network["name"] in networks.PREDEFINED:
            continue
        if wanted and not wanted(network["created"], network["labels"]):
            continue
        with contextlib.suppress(NotFoundError, ConflictError):
            networks.remove(paths, network["name"])
            gone.append(network["name"])
    events.emit(paths, "network", "prune", "", {"reclaimed": "0"})
    return Pruned(gone)


def unused_images(paths: Paths, wanted: Wanted | None = None, *, every: bool = False) -> Pruned:
    """Remove images that no container uses: nameless ones, or `every`.  The names are Docker's lines."""
    from minirun.engine import images

    def is_wanted(image: Image) -> bool:
        """Without a filter what is damaged goes, too."""
        return wanted is None or wanted(image.created, image.config.get("Labels") or {})

    lines, reclaimed = images.prune(paths, is_wanted, every=every)
    return Pruned([line[0].lower() + line[1:] for line in lines], reclaimed)


def system(
    paths: Paths, wanted: Wanted | None = None, *, every: bool = False, with_volumes: bool = False
) -> dict[str, Pruned]:
    """All of it, in the order in which one lets go of the other; `every` image, anonymous volumes if at all.

    Returns what went under Docker's headings: "Deleted Containers" and so on.
    """
    gone = {"Deleted Containers": stopped_containers(paths, wanted)}
    if with_volumes:
        gone["Deleted Volumes"] = unused_volumes(paths, wanted)
    gone["Deleted Networks"] = unused_networks(paths, wanted)
    gone["Deleted Images"] = unused_images(paths, wanted, every=every)
    return gone
