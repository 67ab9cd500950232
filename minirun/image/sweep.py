"""What nothing needs goes: blobs that no image leads to, unpacked layers that no image has and nobody claims.

A blob comes before the name that leads to it, and a container's layers are chosen before its record is written,
so whoever is between the two holds content.lock:

    shared                   adding an image (`adding`), making a container (`Store.lease`); as many as like
    exclusive, not waiting   sweeping; who finds the lock held leaves the sweep to them

The images themselves say what they need.  Who else needs a layer is not known down here: the store's `claims` are
asked, under the lock, and yield one Claim for each container (engine/images.py).  A store without `claims` does not
know, and leaves every unpacked layer alone; so does one of whose claims it is not known what they are on.

See      flock(2)
By hand  find /var/lib/minirun/layers -maxdepth 1; jq .layers /var/lib/minirun/containers/*/container.json
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from minirun.files import locked, open_lock, visible_names
from minirun.image import chain, names
from minirun.image.image import diff_ids_of
from minirun.image.reference import is_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from minirun.image.layout import Layout
    from minirun.image.mediatypes import Json

    Claims = Callable[[], Iterable["Claim"]]

PARTIAL_SECONDS = 86400  # that a killed pull's bytes wait for the next one


class Claim:
    """Something that stands on unpacked layers, whatever becomes of the images they came with."""

    def __init__(
        self, layers: list[str] | None, reason: str, *, image_id: str = "", running: bool = False
    ) -> None:
        self.layers = layers  # paths, or names below layers/; None: it is not known which, so it may be any
        self.reason = reason  # who it is, as in "container 4f5e6a7b8c9d"
        self.image_id = image_id  # of the image it was made from, which is not to be removed under it
        self.running = running


@contextlib.contextmanager
def adding(layout: Layout, claims: Claims | None) -> Iterator[None]:
    """Held while blobs come in that no name refers to yet, so that nobody sweeps them away.

    Afterwards this sweeps what no name came to refer to: of a failure nothing is left.
    """
    try:
        with locked(layout.content_lock, shared=True):
            yield
    finally:
        sweep(layout, claims)


# ---- the sweep --------------------------------------------------------------------------------------------


def sweep(layout: Layout, claims: Claims | None, *, partial: bool = False) -> None:
    """Remove blobs and unpacked layers that nothing needs; `partial`: also what killed pulls left."""
    fd = open_lock(layout.content_lock)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _sweep_blobs(layout)
        _sweep_incoming(layout, partial=partial)
        if claims is not None:
            _sweep_layers(layout, list(claims()))
    except BlockingIOError:
        pass
    finally:
        os.close(fd)


def unknown(claims: Iterable[Claim]) -> list[str]:
    """The reasons of those claims for which no unpacked layer can be removed."""
    return [claim.reason for claim in claims if claim.layers is None]


def _sweep_blobs(layout: Layout) -> None:
    directory = f"{layout.paths.images}/blobs/sha256"
    needed = {digest[7:] for digest in _needed_blobs(layout)}
    for name in visible_names(directory):
        if name not in needed:
            os.unlink(f"{directory}/{name}")


def _needed_blobs(layout: Layout) -> set[str]:
    """The digests of all blobs that an entry of the index leads to."""
    found: set[str] = set()
    for entry in layout.entries():
        _follow(layout, entry, found)
    return found


def _follow(layout: Layout, descriptor: Json, found: set[str]) -> None:
    """Add to `found` what `descriptor` leads to; an index may list manifests that are not here."""
    digest = str(descriptor["digest"])
    if digest in found or not layout.has_blob(digest):
        return
    found.add(digest)
    document = layout.read_json_blob(digest)
    for child in document.get("manifests", []):
        _follow(layout, child, found)
    if "config" in document:
        found.update(str(blob["digest"]) for blob in [document["config"], *document["layers"]])


def _sweep_incoming(layout: Layout, *, partial: bool) -> None:
    """What a killed pull left is kept for a day, for the next one to go on from; the rest is of no use."""
    for name in visible_names(f"{layout.paths.images}/incoming"):
        path = layout.incoming_path(name)
        resumable = is_digest(f"sha256:{name}") and time.time() - os.stat(path).st_mtime < PARTIAL_SECONDS
        if partial or not resumable:
            os.unlink(path)


def _sweep_layers(layout: Layout, claims: list[Claim]) -> None:
    if unknown(claims):
        return
    needed = {os.path.basename(layer) for claim in claims for layer in claim.layers or ()}
    needed |= _layers_of_images(layout)
    directory = layout.paths.layers
    gone = [name for name in visible_names(directory) if name.removesuffix(".json") not in needed]
    if gone:
        from minirun.image import layers

        layers.remove(directory, gone)


def _layers_of_images(layout: Layout) -> set[str]:
    """The names below layers/ that the images' layers have or would have."""
    found: set[str] = set()
    for image in {image.digest: image for image in names.images(layout)}.values():  # some have many names
        ids = diff_ids_of(image)
        found.update(os.path.basename(chain.diff_directory("", diff_id)) for diff_id in ids)
        found.update(os.path.basename(path) for path in chain.chain_directories("", ids))
    return found
