"""What builds keep on disk so that the next one is faster: what it takes, and how it goes.

    a step        a record of cache.py; it takes what its layer takes, unless an image has that layer, too
    a mount       a directory of RUN --mount=type=cache

A layer of several records counts once, and one of an image is the image's: so the sum is what the disk says, and what
a prune of all would bring back.  A record goes by unlink(2); the sweep of the store then takes the layer nobody claims.

See      docs.docker.com "docker builder prune", "docker buildx du"; image/sweep.py
By hand  ls -lt /var/lib/minirun/build/cache; du -sh /var/lib/minirun/build/mounts/*
"""

from __future__ import annotations

import os

from minirun.build import cache, cache_mounts
from minirun.engine import events, images
from minirun.engine.view import sizes
from minirun.files import read_json, visible_names
from minirun.image import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from minirun.image.image import Image
    from minirun.paths import Paths

STEP, MOUNT = "regular", "exec.cachemount"  # BuildKit's words for what a record is


class Entry:
    """One step or one mount."""

    def __init__(self, path: str, id: str, kind: str) -> None:
        self.path = path  # of the record, or of the mount's directory
        self.id = id
        self.kind = kind
        self.description = ""
        self.created = ""  # RFC 3339, or ""
        self.used = 0.0  # seconds since 1970
        self.layer = ""  # below layers/; "" for none
        self.size = 0
        self.shared = False  # with an image, whose it is
        self.repeated = False  # its layer counts with a record that was used later

    @property
    def own_size(self) -> int:
        """What its going, with all like it, brings back."""
        return 0 if self.shared or self.repeated else self.size


def entries(paths: Paths) -> list[Entry]:
    """All there are, those used last first."""
    found = [*_steps(paths), *_mounts(paths)]
    found.sort(key=lambda entry: (entry.used, entry.id), reverse=True)
    of_images, counted = _layers_of_images(paths), set()
    for entry in found:
        entry.shared = entry.layer in of_images
        entry.repeated = bool(entry.layer) and entry.layer in counted
        counted.add(entry.layer)
    return found


def _steps(paths: Paths) -> Iterable[Entry]:
    for name in visible_names(paths.build_cache):
        key, _, rest = name.partition(".")
        entry = Entry(f"{paths.build_cache}/{name}", key, STEP)
        entry.layer = rest.removesuffix(".json")
        try:
            entry.used = os.stat(entry.path).st_mtime
            record: cache.Record = read_json(entry.path)
            entry.description, entry.created = record["step"], record["created"]
            entry.size = int(record["size"])
        except FileNotFoundError:  # pruned meanwhile
            continue
        except (OSError, ValueError, KeyError, TypeError):  # damaged: it can go
            entry.description = "(cannot be read)"
        yield entry


def _mounts(paths: Paths) -> Iterable[Entry]:
    for mount in cache_mounts.list_all(paths):
        above, number = os.path.split(mount.directory)
        entry = Entry(mount.directory, f"{os.path.basename(above)}-{number}", MOUNT)
        entry.description = f"cached mount {mount.id}"
        try:
            entry.used, entry.size = mount.last_used, sizes.tree(mount.data)
        except FileNotFoundError:  # pruned meanwhile
            continue
        yield entry


def _layers_of_images(paths: Paths) -> set[str]:
    """Names below layers/ of all that images have unpacked."""
    from minirun.image.layout import Layout

    return {name for image in names.images(Layout(paths)) for name in _unpacked(image)}


def _unpacked(image: Image) -> list[str]:
    from minirun.errors import MinirunError

    try:
        return [os.path.basename(path) for path in image.unpacked() if path]
    except MinirunError:  # damaged
        return []


# ---- what goes --------------------------------------------------------------------------------------------


class Keep:
    """How much of it stays: bytes, each 0 where nothing is said."""

    def __init__(self, reserved: int = 0, most: int = 0, free: int = 0) -> None:
        self.reserved = reserved  # is never taken
        self.most = most  # the cache may have
        self.free = free  # the disk is to have

    def bytes_of(self, total: int, free_now: int) -> int:
        """How much of `total` bytes stays, on a disk that has `free_now` left.  See buildkit cache/manager.go."""
        kept = self.most
        if self.free > free_now:
            kept = min(kept or total, max(total - (self.free - free_now), 0))
        elif self.free and not self.most:
            kept = total
        return max(kept, self.reserved)

    @property
    def is_said(self) -> bool:
        return bool(self.reserved or self.most or self.free)


def prune(
    paths: Paths,
    wanted: Callable[[Entry], bool] = lambda entry: True,
    *,
    every: bool = False,
    keep: Keep | None = None,
) -> list[Entry]:
    """Remove what is `wanted`, the longest unused first, until no more than `keep` is left; returns what went.

    Not `every`: what an image has as well stays, for it takes no room.
    """
    found = entries(paths)
    least = keep.bytes_of(_total(found), _disk(paths)[1]) if keep and keep.is_said else -1
    gone = _prune(paths, found, lambda entry: (every or not entry.shared) and wanted(entry), least)
    reclaimed = sum(entry.own_size for entry in gone)
    events.emit(paths, "builder", "prune", "", {"reclaimed": str(reclaimed)})
    return gone


def trim(paths: Paths) -> list[Entry]:
    """After a build: the cache takes no more than the file of --config lets it, a tenth of the disk without a word."""
    return _prune(paths, entries(paths), lambda entry: not entry.shared, most(paths))


def most(paths: Paths) -> int:
    """Bytes that the cache may take."""
    from minirun.image import settings

    return settings.load(paths.registries).cache_bytes(_disk(paths)[0])


def _prune(paths: Paths, found: list[Entry], wanted: Callable[[Entry], bool], least: int) -> list[Entry]:
    """`least` bytes stay, if that is not negative."""
    total, gone = _total(found), []
    for entry in reversed(found):
        if total <= least:
            break
        if wanted(entry) and _remove(entry):
            gone.append(entry)
            total -= entry.own_size
    if gone:
        images.store(paths).sweep()
    return gone


def _total(found: Iterable[Entry]) -> int:
    return sum(entry.own_size for entry in found)


def _disk(paths: Paths) -> tuple[int, int]:
    """Bytes of the disk below the root, and those that are free."""
    status = os.statvfs(paths.root)
    return status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize


def _remove(entry: Entry) -> bool:
    """Returns whether it is gone: a mount that a RUN has stays."""
    if entry.kind == MOUNT:
        return cache_mounts.remove(cache_mounts.CacheMount(entry.path))
    try:
        os.unlink(entry.path)
    except FileNotFoundError:
        return False
    return True
