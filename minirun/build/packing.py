"""The layers of a result as blobs of the store: packed when an output needs them, and not before.

    layers/<diff_id>/ ──> tar ──> sha256: is it still what the image says? ──> gzip, zstd or nothing ──> blob

A layer that is here as a blob, as those of base images are, stays as it is packed unless another way is asked for.

See      image/derive.py; image-spec layer.md, media-types.md
By hand  tar --sort=name --xattrs --format=pax -cf - -C LAYER . | tee >(sha256sum) | gzip -n
Next     image/derive.py
"""

from __future__ import annotations

from minirun.build.layer import tar_of
from minirun.errors import MinirunError
from minirun.image.mediatypes import LAYER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from minirun.build.layer import Layer
    from minirun.build.output_words import Output
    from minirun.image.layout import Layout
    from minirun.image.mediatypes import Json
    from minirun.image.store import Store

    Told = Callable[[int], None]  # of bytes of a tar that went by


def packed(store: Store, layers: list[Layer], output: Output, told: Told = lambda count: None) -> list[Json]:
    """The descriptors of the blobs of `layers`, lowest first.  For use within `Store.adding()`."""
    return [pack(store, layer, output.compression, output.level, output.force, told) for layer in layers]


def pack(
    store: Store,
    layer: Layer,
    compression: str = "",
    level: int = -1,
    force: bool = False,
    told: Told = lambda count: None,
) -> Json:
    """The descriptor of one layer's blob, which is made if it is not there: several may be made side by side.

    `compression` "" is gzip for what is made.  `force`: what is there and packed in another way is made again.
    Raises MinirunError when the layer is not what its diff_id says any more.
    """
    there = (
        layer.descriptor if layer.descriptor and store.layout.has_blob(layer.descriptor["digest"]) else None
    )
    if there and not force:
        return there
    # threads and tarfile: 15 ms that a build which finds all in the cache does not pay
    from minirun.image import derive

    wanted = compression or "gzip"
    if there and there["mediaType"] == LAYER + derive.PACKINGS[wanted]:
        return there
    chunks = _of_blob(store.layout, there) if there else tar_of(layer.path(store.paths))
    made = derive.add_layer(store.layout, _told(chunks, told), wanted, level)
    if made.diff_id != layer.diff_id:
        hint = "pull the base image again, or build with --no-cache"
        raise MinirunError(f"layer {layer.diff_id[7:19]} is not on disk as the image has it", hint)
    return made.descriptor


def _told(chunks: Iterable[bytes], told: Told) -> Iterator[bytes]:
    for chunk in chunks:
        told(len(chunk))
        yield chunk


def _of_blob(layout: Layout, descriptor: Json) -> Iterator[bytes]:
    from minirun.image import tarstream

    with open(layout.blob_path(descriptor["digest"]), "rb", buffering=0) as file:
        yield from tarstream.decompressed(tarstream.CountingFile(file))
