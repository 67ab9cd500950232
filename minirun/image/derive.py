"""A new image from a tree of files, or from an image and what changed: what import, commit and build share.

    tar ──> sha256: the diff_id ──> gzip ──> sha256: the blob's digest ──> images/blobs/sha256/

All in one go, without a file in between.  gzip's header has room for a time and a name; both stay empty, so
the same tar is always the same blob.

See      image-spec layer.md, config.md "history" and "rootfs"
By hand  tee >(sha256sum) <layer.tar | gzip -n | sha256sum
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from minirun.errors import MinirunError, UsageError
from minirun.image import layers, manifests, reference, tarstream
from minirun.image.store import LAYER, named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BufferedReader

    from minirun.image.platforms import Platform
    from minirun.image.reference import Reference
    from minirun.image.store import Image, Json, Store

_GZIP = 31  # zlib's word for "a gzip header, the largest window"
_LEVEL = 2  # of isal's 0 to 3: ten times as fast as gzip -6, and a tenth larger
_NO_ENTRIES = f"sha256:{hashlib.sha256(bytes(1024)).hexdigest()}"  # diff_ids: of a tar without entries,
_NOTHING = f"sha256:{hashlib.sha256().hexdigest()}"  # and of no tar at all


def name_for(text: str) -> Reference | None:
    """The name a new image is to get; None for "".  Raises UsageError for what cannot be given."""
    name = reference.parse(text) if text else None
    if name is not None and name.digest:
        raise UsageError(f"{text!r}: a new image gets a name and a tag; its digest is what it will be")
    return name


# ---- one layer --------------------------------------------------------------------------------------------


class Layer:
    """A layer in the store: the descriptor of its blob, and the digest of its tar."""

    def __init__(self, descriptor: Json, diff_id: str) -> None:
        self.descriptor = descriptor
        self.diff_id = diff_id

    @property
    def is_empty(self) -> bool:
        return self.diff_id == _NO_ENTRIES


def add_layer(store: Store, tar: Iterable[bytes]) -> Layer:
    """Keep the tar stream as a layer, packed.  For use within `store.adding()`."""
    hasher = hashlib.sha256()
    blob = store.add_blob(_gzipped(_hashed(tar, hasher)))
    return Layer({"mediaType": f"{LAYER}+gzip", **blob}, f"sha256:{hasher.hexdigest()}")


def _hashed(chunks: Iterable[bytes], hasher: Any) -> Iterator[bytes]:
    for chunk in chunks:
        hasher.update(chunk)
        yield chunk


def _gzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    from isal import isal_zlib

    packer = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP)
    for chunk in chunks:
        if packed := packer.compress(chunk):
            yield packed
    yield packer.flush()


# ---- the image --------------------------------------------------------------------------------------------


def add_image(
    store: Store, base: Image, layer: Layer, config: Json, step: Json, name: Reference | None
) -> Image:
    """Put `base` with `layer` on top into the store, unpacked; a layer without entries is only history.

    `config` is how to run it; `step` is the entry of its history: created, created_by, author, comment.
    """
    document = _document(base.document, layer, config, step)
    below = base.manifest["layers"]
    descriptors = below if layer.is_empty else [*below, layer.descriptor]
    return add_unpacked(store, store.add_json(document), descriptors, name)


def add_unpacked(
    store: Store,
    config: Json,
    descriptors: list[Json],
    name: Reference | None,
    *,
    origin: str = "",
    original: bytes = b"",
) -> Image:
    """As `store.add_image`, but the layers are unpacked before a name leads to them: bad ones leave nothing."""
    entry = keep_unpacked(store, config, descriptors, original)
    return store.add_entries([named(entry, name, origin)])[0]


def keep_unpacked(store: Store, config: Json, descriptors: list[Json], original: bytes = b"") -> Json:
    """As `store.keep_image`, with its layers unpacked."""
    document = store.read_json_blob(config["digest"])
    manifests.check_config(document, len(descriptors))
    diff_ids = document["rootfs"]["diff_ids"]
    packed = [
        layers.Packed(store.blob_path(descriptor["digest"]), diff_id)
        for descriptor, diff_id in zip(descriptors, diff_ids, strict=True)
    ]
    layers.unpack_all(store.paths.layers, packed, limits=store.settings.limits)
    return store.keep_image(config, descriptors, original)


_FOR_THE_MACHINE = (
    "os",
    "architecture",
    "variant",  # as platforms.py has them, and
    "os.version",
    "os.features",
)


def _document(below: Json, layer: Layer, config: Json, step: Json) -> Json:
    """The config file of an image whose own, before `layer`, was `below`."""
    diff_ids = below["rootfs"]["diff_ids"]
    entry = {key: value for key, value in step.items() if value}
    document = {key: below[key] for key in _FOR_THE_MACHINE if below.get(key)}
    document.update({key: entry[key] for key in ("created", "author") if key in entry})
    document["config"] = {key: value for key, value in config.items() if value not in (None, "", [], {})}
    entry.update({"empty_layer": True} if layer.is_empty else {})
    document["history"] = [*(below.get("history") or []), entry]
    new = [] if layer.is_empty else [layer.diff_id]
    document["rootfs"] = {"type": "layers", "diff_ids": [*diff_ids, *new]}
    return document


# ---- import -----------------------------------------------------------------------------------------------


def from_tar(
    store: Store, file: BufferedReader, config: Json, step: Json, name: Reference | None, platform: Platform
) -> Image:
    """`import`: an image of one layer from the tar of a tree, packed with gzip, zstd, bzip2, xz or not at all."""
    import lzma

    below = {key: value for key, value in zip(_FOR_THE_MACHINE, platform, strict=False) if value}
    with store.adding():
        try:
            with tarstream.Unpacked(_opened(file), store.settings.limits) as tar:
                layer = add_layer(store, tar)
        except (EOFError, lzma.LZMAError, OSError) as error:
            if getattr(error, "errno", None):  # the disk's; bz2 raises OSError without a number for bad data
                raise
            raise MinirunError(f"the archive cannot be read: {error}") from error
        if layer.diff_id in (_NOTHING, _NO_ENTRIES):
            raise MinirunError("the archive is empty")
        document = _document({**below, "rootfs": {"diff_ids": []}}, layer, config, step)
        return add_unpacked(store, store.add_json(document), [layer.descriptor], name)


def _opened(file: BufferedReader) -> tarstream.Readable:
    """tarstream knows how layers are packed; trees come packed in two more ways."""
    magic = file.peek(tarstream.MAGIC_BYTES)
    if magic.startswith(b"BZh"):
        import bz2

        return bz2.open(file)
    if magic.startswith(b"\xfd7zXZ\0"):
        import lzma

        return lzma.open(file)
    return file
