"""The entries of index.json: one for each name, and what each newcomer takes from those that are there.

    {"mediaType": MANIFEST, "digest": "sha256:...", "size": ..., "platform": {...},
     "annotations": {REF_NAME: canonical reference, CONTAINERD_NAME: the same, TAGGED: when, ORIGIN: digest}}

An entry without a reference is an image whose name went to a newer one (`<none>`); ORIGIN is the digest under
which the registry knows the image, where that is not the manifest's own.  Entries are data here: layout.py reads
and writes them.  An archive may bring thousands at once, so nothing looks through the list once for each of them.

See      image-spec image-layout.md "index.json file"
"""

from __future__ import annotations

import time

from minirun.image.mediatypes import CONTAINERD_NAME, ORIGIN, REF_NAME, TAGGED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.image.mediatypes import Json
    from minirun.image.reference import Reference


def name_of(entry: Json) -> str:
    """The canonical reference, or ""."""
    return str(entry.get("annotations", {}).get(REF_NAME) or "")


def named(entry: Json, name: Reference | None, origin: str = "") -> Json:
    """The entry with a name, and with the registry's digest where it is not the manifest's own."""
    annotations = named_now(name) if name else {}
    if origin and origin != entry["digest"]:
        annotations[ORIGIN] = origin
    return {**entry, "annotations": annotations} if annotations else entry


def named_now(name: Reference) -> dict[str, str]:
    """The annotations of an image that gets `name` at this moment."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {REF_NAME: str(name), CONTAINERD_NAME: str(name), TAGGED: now}


def nameless(entry: Json) -> Json:
    return {key: value for key, value in entry.items() if key != "annotations"}


def with_origin(entry: Json, digest: str) -> Json:
    """The entry when a registry knows its image by `digest`, under the name it has."""
    kept = {key: value for key, value in entry.get("annotations", {}).items() if key != ORIGIN}
    return {**entry, "annotations": {**kept, **({ORIGIN: digest} if digest != entry["digest"] else {})}}


def added(entries: list[Json], new: list[Json]) -> list[Json]:
    """`entries` with the `new` ones added in their order.

    An image that had the name of a new one stays, nameless, unless it has another name or is the same image; a nameless
    entry goes when its image gets a name, and is not added when its image is there.
    """
    listed = _List(entries)
    for entry in new:
        listed.add(entry)
    return listed.entries()


class _List:
    """Entries by their place, and where each name and each image is."""

    def __init__(self, entries: list[Json]) -> None:
        self.places: dict[int, Json] = dict(enumerate(entries))
        self.next = len(entries)
        self.names: dict[str, set[int]] = {}
        self.digests: dict[str, set[int]] = {}
        self.bare: dict[str, set[int]] = {}  # digest -> where it has no name
        for place, entry in self.places.items():
            self._note(place, entry)

    def entries(self) -> list[Json]:
        return [self.places[place] for place in sorted(self.places)]

    def add(self, entry: Json) -> None:
        name, digest = name_of(entry), entry["digest"]
        if not name and self.digests.get(digest):
            return
        for place in sorted(self.names.get(name, ())):
            old = self._forget(place)
            if old["digest"] != digest and not self.digests[old["digest"]]:  # else it has another name
                self._note(place, nameless(old))
        for place in list(self.bare.get(digest, ())):
            self._forget(place)
        self._note(self.next, entry)
        self.next += 1

    def _note(self, place: int, entry: Json) -> None:
        name, digest = name_of(entry), entry["digest"]
        self.places[place] = entry
        self.digests.setdefault(digest, set()).add(place)
        (self.names.setdefault(name, set()) if name else self.bare.setdefault(digest, set())).add(place)

    def _forget(self, place: int) -> Json:
        entry = self.places.pop(place)
        name, digest = name_of(entry), entry["digest"]
        self.digests[digest].discard(place)
        (self.names[name] if name else self.bare[digest]).discard(place)
        return entry
