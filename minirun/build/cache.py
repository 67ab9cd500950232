"""What a step has made before: found again by what went into it, and by nothing else.

    ROOT/build/cache/KEY.LAYER.json

KEY is a digest over the layers the step starts from (by content), its instruction after expansion and what it reads
(by content, too: names, modes, owners, link targets; no times).  LAYER is the directory below layers/ that came of it.
So one look into the directory tells what the cache has and which layers it keeps
(engine/images.py, claims), and the file's own time tells when that was last of use.

A record appears by one rename, after its layer: what is interrupted leaves either nothing or a layer that the next
sweep takes.  Two builds that come to the same step at once: the second waits for the first, by a lock on the key.

See      lockf(3), utimensat(2)
By hand  ls -t /var/lib/minirun/build/cache | head; jq . /var/lib/minirun/build/cache/KEY*
Next     jobs.py
"""

from __future__ import annotations

import fcntl
import os

from minirun import files, jsontext
from minirun.build.layer import Layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    from minirun.paths import Paths

    class Record(TypedDict):
        """What a step has made, and what is told of it."""

        created: str
        step: str  # the instruction, for people
        layer: str  # below layers/
        diff_id: str
        size: int  # bytes of the layer's files
        blob: dict[str, Any] | None  # descriptor of the packed layer, if it was packed


VERSION = 1  # of the keys: a change of what steps do has to change them


def key(kind: str, **inputs: object) -> str:
    """The name of a step: 64 hexadecimal digits."""
    import hashlib

    text = jsontext.dumps([VERSION, kind, inputs], sort_keys=True)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


class Cache:
    """The records of one root, as they are when this is made; those that other builds add are looked for on demand."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.directory = paths.build_cache
        self._names: dict[str, str] = {}
        for name in files.names_in(self.directory):
            if not name.startswith("."):
                self._names[name.partition(".")[0]] = name
            elif name.startswith(".tmp-") and not files.is_being_written(name):
                _remove(f"{self.directory}/{name}")

    def find(self, key: str) -> Record | None:
        """What is known of the step `key`, whose layer is still there; noted as used now."""
        name = self._names.get(key)
        if name is None:
            return None
        path = f"{self.directory}/{name}"
        try:
            record: Record = files.read_json(path)
            os.utime(path)
        except (OSError, ValueError):  # it was pruned meanwhile, or is damaged
            return None
        return record if self._has_layer(record) else None

    def find_again(self, key: str) -> Record | None:
        """The same, if another build may have added it meanwhile."""
        for name in files.visible_names(self.directory):
            if name.startswith(key):
                self._names[key] = name
        return self.find(key)

    def keys_of(self, record: Record) -> set[str]:
        """All that a step which has made a layer is known by."""
        found = set()
        for key, name in self._names.items():
            if name.endswith(f".{record['layer']}.json"):
                other = self.find(key)
                if other and (other["step"], other["created"]) == (record["step"], record["created"]):
                    found.add(key)
        return found

    def _has_layer(self, record: Record) -> bool:
        return os.path.isdir(f"{self.paths.layers}/{record['layer']}")

    def add(self, key: str, record: Record) -> None:
        """Remember it from now on, in the place of what was known of this step."""
        files.make_private(self.directory)
        name = f"{key}.{record['layer']}.json"
        files.write_json(f"{self.directory}/{name}", record)
        if self._names.get(key, name) != name:  # it was done again, and another layer came of it
            _remove(f"{self.directory}/{self._names[key]}")
        self._names[key] = name

    def lock(self, key: str) -> int:
        """Wait until nobody else is at work on the step `key`.  Returns the lock's descriptor; close it afterwards.

        One file for all keys: each is a byte of it, that nobody ever writes.
        """
        fd = files.open_lock(f"{self.paths.build}/steps.lock")
        fcntl.lockf(fd, fcntl.LOCK_EX, 1, int(key[:15], 16))
        return fd


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def layer_of(record: Record) -> Layer:
    """The layer that the step made."""
    return Layer(record["layer"], record["diff_id"], record["size"], record["blob"])
