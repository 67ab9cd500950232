"""A new image from a tree of files, or from an image and what changed: what import, commit and build share.

    tar ──> sha256: the diff_id ──> gzip ──> sha256: the blob's digest ──> images/blobs/sha256/

    draft or scratch ──add, note──> layers and history on top ──publish──> index.json, once

A layer is hashed, packed and kept in one go, without a file in between.  gzip's header has room for a time and a
name; both stay empty, so the same tar is always the same blob.

See      image-spec layer.md, config.md "history" and "rootfs"
By hand  tee >(sha256sum) <layer.tar | gzip -n | sha256sum
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Any

from minirun.errors import MinirunError, in_words
from minirun.image import chain, layers, manifests, names, tarstream
from minirun.image.image import add_manifest
from minirun.image.index import named
from minirun.image.mediatypes import LAYER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BufferedReader

    from minirun.image.image import Image
    from minirun.image.layout import Layout
    from minirun.image.mediatypes import Json
    from minirun.image.platforms import Platform
    from minirun.image.reference import Reference
    from minirun.image.store import Store

PACKINGS = {"gzip": "+gzip", "zstd": "+zstd", "uncompressed": ""}  # and how their media types end
_GZIP = 31  # zlib's word for "a gzip header, the largest window"
_LEVEL = 2  # of isal's 0 to 3: ten times as fast as gzip -6, and a tenth larger
_NO_ENTRIES = f"sha256:{hashlib.sha256(bytes(1024)).hexdigest()}"  # diff_ids: of a tar without entries,
_NOTHING = f"sha256:{hashlib.sha256().hexdigest()}"  # and of no tar at all


# ---- one layer --------------------------------------------------------------------------------------------


class Layer:
    """A layer in the store: the descriptor of its blob, and the digest of its tar."""

    def __init__(self, descriptor: Json, diff_id: str) -> None:
        self.descriptor = descriptor
        self.diff_id = diff_id

    @property
    def is_empty(self) -> bool:
        return self.diff_id == _NO_ENTRIES


def add_layer(layout: Layout, tar: Iterable[bytes], packing: str = "gzip", level: int = -1) -> Layer:
    """Keep the tar stream as a layer, packed.  For use within `Store.adding()`.

    `packing` is one of PACKINGS; the `level` is the packer's own (gzip 0 to 9, zstd 0 to 22), -1 a fast one.
    """
    hasher = hashlib.sha256()
    blob = layout.add_blob(_packed(_hashed(tar, hasher), packing, level))
    return Layer({"mediaType": LAYER + PACKINGS[packing], **blob}, f"sha256:{hasher.hexdigest()}")


def _hashed(chunks: Iterable[bytes], hasher: Any) -> Iterator[bytes]:
    for chunk in chunks:
        hasher.update(chunk)
        yield chunk


def _packed(chunks: Iterable[bytes], packing: str, level: int) -> Iterator[bytes]:
    packer = _packer(packing, level)
    if packer is None:
        yield from chunks
        return
    for chunk in chunks:
        if packed := packer.compress(chunk):
            yield packed
    yield packer.flush()


def _packer(packing: str, level: int) -> Any:
    """What has `compress` and `flush`; None for a layer that is not packed."""
    if packing == "uncompressed":
        return None
    if packing == "zstd":
        from backports import zstd  # compression.zstd in Python 3.14

        return zstd.ZstdCompressor(level if level >= 0 else None)
    if level >= 0:  # isal has levels of its own
        import zlib

        return zlib.compressobj(level, zlib.DEFLATED, _GZIP)
    from isal import isal_zlib

    return isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP)


# ---- the image --------------------------------------------------------------------------------------------

_FOR_THE_MACHINE = (
    "os",
    "architecture",
    "variant",  # as platforms.py has them, and
    "os.version",
    "os.features",
)


class Draft:
    """An image in the making: what it is built on, and the layers and lines of history that come on top.

    No name leads to any of it before `publish`.  `step`, of each addition, is the line of history: created,
    created_by, author, comment; what is empty is left out.
    """

    def __init__(self, store: Store, base: Json, descriptors: list[Json]) -> None:
        """`base` is the config file of the image it begins with, `descriptors` are that image's layers."""
        self.store = store
        self.config: Json = base.get("config") or {}  # of the base; publish() is given the new one
        self.descriptors = list(descriptors)
        self.diff_ids: list[str] = list(base["rootfs"]["diff_ids"])
        self.history: list[Json] = list(base.get("history") or [])
        self._document = {key: base[key] for key in _FOR_THE_MACHINE if base.get(key)}

    def add(self, tar: Iterable[bytes], step: Json) -> Layer:
        """Put the layer in `tar`, packed, on top; one without entries is only a line of history."""
        layer = add_layer(self.store.layout, tar)
        if layer.is_empty:
            self.note(step)
        else:
            self._add_line(step)
            self.descriptors.append(layer.descriptor)
            self.diff_ids.append(layer.diff_id)
        return layer

    def note(self, step: Json) -> None:
        """Add a line of history that made no layer, as ENV and CMD do."""
        self._add_line(step, empty_layer=True)

    def _add_line(self, step: Json, **more: bool) -> None:
        line = {key: value for key, value in step.items() if value}
        self._document.update({key: line[key] for key in ("created", "author") if key in line})
        self.history.append({**line, **more})

    def layer_paths(self) -> list[str]:
        """Directories for overlayfs's lowerdir, lowest first, of all layers so far."""
        return chain.each_once(layers.unpack_blobs(self.store.layout, self.descriptors, self.diff_ids))

    def publish(self, config: Json, name: Reference | None) -> Image:
        """Put the image into the index, unpacked, under `name` or without one.  `config` is how to run it."""
        kept = {key: value for key, value in config.items() if value not in (None, "", [], {})}
        rootfs = {"type": "layers", "diff_ids": self.diff_ids}
        document = {**self._document, "config": kept, "history": self.history, "rootfs": rootfs}
        layout = self.store.layout
        entry = add_unpacked(layout, layout.add_json(document), self.descriptors)
        return names.add(layout, [named(entry, name)])[0]


@contextlib.contextmanager
def draft(store: Store, base: Image) -> Iterator[Draft]:
    """A draft on top of `base`.  Nothing is swept away during the block; afterwards goes what was not published."""
    with store.adding():
        yield Draft(store, base.document, base.manifest["layers"])


@contextlib.contextmanager
def scratch(store: Store, platform: Platform) -> Iterator[Draft]:
    """The same on top of nothing, for `platform`: Dockerfile's `FROM scratch`."""
    machine = {key: value for key, value in zip(_FOR_THE_MACHINE, platform, strict=False) if value}
    with store.adding():
        yield Draft(store, {**machine, "rootfs": {"diff_ids": []}}, [])


def add_unpacked(layout: Layout, config: Json, descriptors: list[Json], original: bytes = b"") -> Json:
    """As image.add_manifest, but the layers are unpacked before a name can lead to them: bad ones leave nothing."""
    document = manifests.checked_config(layout.read_json_blob(config["digest"]), len(descriptors))
    layers.unpack_blobs(layout, descriptors, document["rootfs"]["diff_ids"])
    return add_manifest(layout, config, descriptors, original)


# ---- import -----------------------------------------------------------------------------------------------


def from_tar(
    store: Store, file: BufferedReader, config: Json, step: Json, name: Reference | None, platform: Platform
) -> Image:
    """`import`: an image of one layer from the tar of a tree, packed with gzip, zstd, bzip2, xz or not at all."""
    import lzma

    with scratch(store, platform) as image:
        try:
            with tarstream.Unpacked(tarstream.opened(file), store.settings.limits) as tar:
                layer = image.add(tar, step)
        except (EOFError, lzma.LZMAError, OSError) as error:
            if getattr(error, "errno", None):  # the disk's; bz2 raises OSError without a number for bad data
                raise
            raise MinirunError(f"the archive cannot be read: {in_words(error)}") from error
        if layer.diff_id in (_NOTHING, _NO_ENTRIES):
            raise MinirunError("the archive is empty")
        return image.publish(config, name)
