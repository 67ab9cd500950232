"""The directories of --mount=type=cache: they outlive the RUN, the build, and --no-cache.

    ROOT/build/mounts/KEY/.lock      flock(2)ed while a directory is made here, or removed
                         /0/         flock(2)ed by each RUN that has it, shared or alone
                         /0/data     what the RUN sees
                         /0/cache.json   {"id", "created"}: what the mount calls it
                         /1/         another one, for who does not want to share the first
                         /.new-*     being filled, under the lock

KEY is a digest of the mount's id and of what it begins with: other files, another mode or owner are another cache, as
in BuildKit.  The time of change of `/0` is when it was used last.

    shared   with all others that share it
    locked   alone; waits until nobody else has it
    private  alone; if another RUN has it, a new one

See      flock(2); docs.docker.com "RUN --mount=type=cache"
By hand  ls -lt /var/lib/minirun/build/mounts/*
"""

from __future__ import annotations

import fcntl
import hashlib
import os

from minirun import files, jsontext
from minirun.engine import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minirun.paths import Paths

    Fill = Callable[[int], None]
    """Puts files into the new directory that the descriptor is of, and gives it owner and mode."""


class CacheMount:
    """One of them, as it is on disk."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.data = f"{directory}/data"
        self.lock = -1

    @property
    def id(self) -> str:
        """What the mount calls it; "" when that is not known."""
        try:
            return str(files.read_json(f"{self.directory}/cache.json")["id"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    @property
    def last_used(self) -> float:
        """Seconds since 1970."""
        return os.stat(self.directory).st_mtime

    def try_lock(self, *, alone: bool, wait: bool = False) -> bool:
        """Take it, `alone` or with others that are not.  False when it is not to be had, or is gone."""
        try:
            lock = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB))
            if os.path.exists(self.data) and os.path.samestat(os.fstat(lock), os.stat(self.directory)):
                self.lock, lock = lock, -1
                return True
            return False
        except (BlockingIOError, FileNotFoundError):
            return False
        finally:
            if lock >= 0:
                os.close(lock)

    def release(self) -> None:
        """It was used until now."""
        os.utime(self.directory)
        os.close(self.lock)
        self.lock = -1


def directory_of(paths: Paths) -> str:
    return f"{paths.build}/mounts"


def key(*words: object) -> str:
    """The name of a cache that is known by `words`: plain values, in this order."""
    return hashlib.sha256(jsontext.dumps(list(words)).encode()).hexdigest()[:32]


def acquire(paths: Paths, cache: str, name: str, sharing: str, fill: Fill) -> CacheMount:
    """A directory of the cache with the key `cache`, locked as `sharing` says; `fill` is called for a new one."""
    above = f"{directory_of(paths)}/{cache}"
    alone = sharing != "shared"
    while True:
        with files.locked(f"{above}/.lock"):
            there = list(_of(above))
            for one in there:
                if one.try_lock(alone=alone):
                    return one
            if not there or sharing != "locked":
                return _make(above, len(there), name, alone, fill)
        if there[0].try_lock(alone=True, wait=True):
            return there[0]


def _of(above: str) -> Iterator[CacheMount]:
    """The directories of one cache, the oldest first."""
    for name in sorted(filter(str.isdecimal, files.names_in(above)), key=int):
        yield CacheMount(f"{above}/{name}")


def _make(above: str, count: int, name: str, alone: bool, fill: Fill) -> CacheMount:
    """A new one, which we have locked when others see it."""
    for left in files.names_in(above):
        if left.startswith(".new-"):  # whoever was making it held the lock that we hold
            files.remove_tree(f"{above}/{left}")
    new = f"{above}/.new-{os.urandom(4).hex()}"
    files.make_private(f"{new}/data")
    data = os.open(f"{new}/data", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fill(data)
    finally:
        os.close(data)
    files.write_json(f"{new}/cache.json", {"id": name, "created": records.now()})
    number = count
    while os.path.exists(f"{above}/{number}"):  # some before it were removed
        number += 1
    os.rename(new, f"{above}/{number}")
    made = CacheMount(f"{above}/{number}")
    made.try_lock(alone=alone, wait=True)
    return made


# ---- what there is ------------------------------------------------------------------------------------------------


def list_all(paths: Paths) -> list[CacheMount]:
    """All of all builds."""
    above = directory_of(paths)
    return [one for cache in files.visible_names(above) for one in _of(f"{above}/{cache}")]


def remove(mount: CacheMount) -> bool:
    """Remove one, unless a RUN has it.  Returns whether it is gone."""
    above = os.path.dirname(mount.directory)
    with files.locked(f"{above}/.lock"):
        if not mount.try_lock(alone=True):
            return not os.path.exists(mount.directory)
        try:
            aside = f"{above}/.new-{os.urandom(4).hex()}"
            os.rename(mount.directory, aside)
            files.remove_tree(aside)
        finally:
            os.close(mount.lock)
            mount.lock = -1
    return True
