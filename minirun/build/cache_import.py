"""`--cache-from`: steps that a build elsewhere has done, taken over when this one comes to them.

    NAME, type=registry,ref=NAME   an image, which may be one that has its own steps in its config (type=inline)
    type=local,src=DIR             what --cache-to type=local wrote

Only what tells of the steps is fetched at once; a layer is, when a step of this build has its key.  From then on it is
in the cache as if it had been done here.  A cache that cannot be had is told of and does without: it only made the
build faster.

See      cache_format.py
"""

from __future__ import annotations

import functools
import os

from minirun.build import cache_format, system_errors
from minirun.build.cache import Cache
from minirun.build.image_parts import ImageParts
from minirun.build.progress import Vertex
from minirun.errors import MinirunError
from minirun.files import read_bytes
from minirun.image import chain, manifests, reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minirun.build.cache import Record
    from minirun.build.options import CacheEntry
    from minirun.build.progress import Progress
    from minirun.image.mediatypes import Json
    from minirun.image.store import Store

    Fetch = Callable[[Json], Iterator[bytes]]

_READ_BYTES = 1 << 20


class Source:
    """One cache that was found: its steps, and where their layers are."""

    def __init__(self, steps: dict[str, Json], layers: dict[str, Json], fetch: Fetch) -> None:
        self.steps = steps
        self._layers = layers  # diff_id -> descriptor
        self._fetch = fetch

    def has(self, step: Json) -> bool:
        return step["diff_id"] in self._layers

    def fetch(self, store: Store, diff_id: str) -> Json:
        """The descriptor of a layer's blob, which is in the store then."""
        descriptor = self._layers[diff_id]
        if not store.layout.has_blob(descriptor["digest"]):
            store.layout.add_blob(self._fetch(descriptor), descriptor["digest"], descriptor["size"])
        return descriptor


def opened(store: Store, wanted: list[CacheEntry], progress: Progress) -> Cache:
    """The cache of this root, with what the caches `wanted` have beside it."""
    sources = []
    for entry in wanted:
        vertex = Vertex(f"importing cache manifest from {entry['ref'] or entry['path']}")
        progress.start(vertex)
        try:
            sources.append(ImageParts(progress, vertex).watch(functools.partial(_source, store, entry)))
        except (MinirunError, OSError) as error:
            progress.failed(vertex, str(system_errors.told(error)))
        else:
            progress.done(vertex)
    return ImportingCache(store, sources) if sources else Cache(store.paths)


class ImportingCache(Cache):
    """A key that is not known here is looked for there."""

    def __init__(self, store: Store, sources: list[Source]) -> None:
        super().__init__(store.paths)
        self._store = store
        self._sources = sources

    def find(self, key: str) -> Record | None:
        return super().find(key) or self._take_over(key)

    def _take_over(self, key: str) -> Record | None:
        for source in self._sources:
            step = source.steps.get(key)
            if step and source.has(step):
                try:
                    self.add(key, self._record(source, step))
                except MinirunError:  # it only made the build faster
                    source.steps.pop(key)
                    continue
                return super().find(key)
        return None

    def _record(self, source: Source, step: Json) -> Record:
        blob, layer = self._unpacked(source, step)
        return {
            "created": step["created"],
            "step": step["step"],
            "layer": layer,
            "diff_id": step["diff_id"],
            "size": step["size"],
            "blob": blob,
        }

    def _unpacked(self, source: Source, step: Json) -> tuple[Json | None, str]:
        """The blob of a step's layer, if it had to be fetched, and the layer's name below layers/."""
        directory, diff_ids = self.paths.layers, [*step["below"], step["diff_id"]]
        there = chain.find(directory, diff_ids)
        if there is not None:
            return None, os.path.basename(there)
        from minirun.image import layers

        descriptor = source.fetch(self._store, step["diff_id"])
        blob = layers.Packed(self._store.layout.blob_path(descriptor["digest"]), step["diff_id"])
        below = [layers.Packed(f"below/{index}", diff_id) for index, diff_id in enumerate(step["below"])]
        if any(chain.find(directory, diff_ids[: index + 1]) is None for index in range(len(below))):
            raise MinirunError("what the step stands on is not unpacked")
        path = layers.unpack_all(directory, [*below, blob], limits=self._store.settings.limits)[-1]
        return descriptor, os.path.basename(path)


# ---- where a cache is -------------------------------------------------------------------------------------


def _source(store: Store, entry: CacheEntry) -> Source:
    return _of_directory(entry["path"]) if entry["type"] == "local" else _of_registry(store, entry["ref"])


def _of_directory(path: str) -> Source:
    def content(descriptor: Json) -> bytes:
        return read_bytes(_blob(path, descriptor), manifests.BYTES_MAX)

    def fetch(descriptor: Json) -> Iterator[bytes]:
        with open(_blob(path, descriptor), "rb", buffering=0) as file:
            yield from iter(lambda: file.read(_READ_BYTES), b"")

    index = manifests.parse(read_bytes(f"{path}/index.json", manifests.BYTES_MAX), f"{path}/index.json")
    entries = manifests.checked_list(index.get("manifests") if isinstance(index, dict) else None, path)
    if not entries:
        raise MinirunError(f"{path}: there is no cache in it")
    return _made(entries[0], content, fetch)


def _blob(path: str, descriptor: Json) -> str:
    digest = manifests.text(descriptor, "digest")
    if not reference.is_digest(digest):
        raise MinirunError(f"{path}: {digest!r} is not a sha256 digest")
    return f"{path}/blobs/sha256/{digest[7:]}"


def _of_registry(store: Store, ref: str) -> Source:
    from minirun.image.registry import Registry

    name = reference.parse(ref)
    registry = Registry(name.registry, name.repository, store.settings)

    def content(descriptor: Json) -> bytes:
        if descriptor.get("mediaType") in (None, *manifests.ACCEPTED):
            return registry.manifest(descriptor.get("digest") or name.tag, descriptor)
        return b"".join(registry.blob(descriptor))

    return _made({"digest": name.digest} if name.digest else {}, content, registry.blob)


def _made(top: Json, content: Callable[[Json], bytes], fetch: Fetch) -> Source:
    """The cache that the manifest `top` leads to."""
    manifest = manifests.for_platform(top, content)
    config = manifests.parse(content({**manifest.config, "mediaType": "config"}), "the cache's config")
    config = manifests.checked_config(config, len(manifest.layers))
    diff_ids = config["rootfs"]["diff_ids"]
    return Source(cache_format.steps(config), dict(zip(diff_ids, manifest.layers, strict=True)), fetch)
