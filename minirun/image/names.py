"""The list in index.json when images get names: what each newcomer takes from those that are there.

An archive may bring thousands at once, so nothing here looks through the list once for each of them.

See  store.py for what is in an entry
"""

from __future__ import annotations

from minirun.image.store import REF_NAME, nameless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.image.store import Json


def added(entries: list[Json], new: list[Json]) -> list[Json]:
    """`entries` with the `new` ones added in their order.

    An image that had the name of a new one stays, nameless, unless it is the same image; a nameless entry goes when
    its image gets a name, and is not added when its image is there.
    """
    listed = _List(entries)
    for entry in new:
        listed.add(entry)
    return listed.entries()


def name_of(entry: Json) -> str:
    return str(entry.get("annotations", {}).get(REF_NAME) or "")


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
            if old["digest"] != digest:
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
