"""What happens to images, told as events in Docker's words: see events.py.

The image layer knows no engine, so those who call it tell.

See  moby daemon/images/image_events.go
"""

from __future__ import annotations

from minirun.engine import events
from minirun.image import reference
from minirun.image.store import id_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from minirun.image.reference import Reference
    from minirun.image.store import Image, Store
    from minirun.paths import Paths


def exchanged(paths: Paths, action: str, name: Reference) -> None:
    """`pull` or `push`: with a registry it is all about names."""
    events.emit(paths, "image", action, name.familiar, {"name": name.familiar_name})


def tagged(paths: Paths, image: Image, name: Reference) -> None:
    events.emit(paths, "image", "tag", image.id, {**_labels(image), "name": name.familiar})


def happened(paths: Paths, action: str, image: Image) -> None:
    """`load`, `save`, `import`."""
    events.emit(paths, "image", action, image.id, {**_labels(image), "name": image.id})


def _labels(image: Image) -> dict[str, str]:
    return image.config.get("Labels") or {}


class Removal:
    """To be made before images are removed: which name stood for which of them."""

    def __init__(self, paths: Paths, store: Store) -> None:
        self.paths = paths
        self.ids = {
            reference.parse(image.reference).familiar: id_of(image)
            for image in store.images()
            if image.reference
        }
        self.all = {*self.ids.values(), *(id_of(image) for image in store.images())}

    def tell(self, lines: Iterable[str]) -> None:
        """`lines` are Docker's, from the removal; those about layers and digests are no events."""
        for line in lines:
            done, _, what = line.partition(": ")
            if done == "Untagged" and what in self.ids:
                self._emit("untag", self.ids[what])
            elif done == "Deleted" and what in self.all:
                self._emit("delete", what)

    def _emit(self, action: str, image_id: str) -> None:
        events.emit(self.paths, "image", action, image_id, {"name": image_id})


def pruned(paths: Paths, reclaimed: int) -> None:
    events.emit(paths, "image", "prune", "", {"reclaimed": str(reclaimed)})
