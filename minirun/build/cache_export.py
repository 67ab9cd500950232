"""`--cache-to`: what the steps of a build have made, for builds elsewhere.

    type=inline              in the config of the image itself: what went into the result, and nothing more to carry
    type=local,dest=DIR      an OCI layout; what an earlier build has put there and nothing needs goes
    type=registry,ref=NAME   an image of that name

mode=min takes the layers of the result, mode=max those of all stages.

See      cache_format.py; docs.docker.com "Cache storage backends"
"""

from __future__ import annotations

import os

from minirun.build import cache, cache_format, output_words, packing
from minirun.build.progress import Part, Vertex
from minirun.errors import MinirunError, in_words
from minirun.files import make_private, write_whole
from minirun.image import reference
from minirun.image.image import Image, add_manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.build.cache_format import Made
    from minirun.build.options import CacheEntry
    from minirun.build.progress import Progress
    from minirun.image.mediatypes import Json
    from minirun.image.store import Store

_TITLES = {"local": "exporting cache to client directory", "registry": "exporting cache to registry"}


def add_inline(store: Store, document: Json, made: list[Made]) -> None:
    """`type=inline`: put the steps of the result into the config file of its image."""
    document[cache_format.KEY] = cache_format.document(_chosen(store, made, "min"))


def export(
    store: Store, wanted: list[CacheEntry], made: list[Made], machine: Json, progress: Progress
) -> None:
    """Write every cache that is wanted beside the image; `machine` has its platform.

    A failure is the build's, unless ignore-error was said.
    """
    for entry in wanted:
        if entry["type"] == "inline":
            continue
        vertex = Vertex(_TITLES[entry["type"]])
        progress.start(vertex)
        try:
            with store.adding():
                _export(store, entry, made, machine, progress, vertex)
        except (MinirunError, OSError) as error:
            progress.failed(vertex, in_words(error))
            if not entry["ignore_error"]:
                raise
        else:
            progress.done(vertex)


def _export(
    store: Store, entry: CacheEntry, made: list[Made], machine: Json, progress: Progress, vertex: Vertex
) -> None:
    chosen = _chosen(store, made, entry["mode"])
    image = _image(store, chosen, machine, Part(progress, vertex, "preparing build cache for export"))
    if entry["type"] == "local":
        write_directory(store, image, entry["path"])
        return
    from minirun.build.image_parts import ImageParts
    from minirun.image import push

    parts, name = ImageParts(progress, vertex), reference.parse(entry["ref"])
    parts.watch(lambda: push.send(name, image, store.settings, parts))


def _chosen(store: Store, made: list[Made], mode: str) -> list[Made]:
    """Those that are wanted, each under all its keys: what is read from a stage is known by its content, too."""
    kept = cache.Cache(store.paths)
    found = []
    for one in made:
        if one.in_result or mode == "max":
            keys = {one.key} | kept.keys_of(one.record)
            found += [cache_format.Made(key, one.record, one.below, one.in_result) for key in keys]
    return found


def _image(store: Store, made: list[Made], machine: Json, part: Part) -> Image:
    """An image that nobody runs: each layer once, and the steps in its config."""
    layers = {one.record["diff_id"]: cache.layer_of(one.record) for one in made}
    any_packing = output_words.Output("image")
    descriptors = packing.packed(store, list(layers.values()), any_packing, part.add)
    part.complete()
    rootfs = {"type": "layers", "diff_ids": list(layers)}
    document = {**machine, "rootfs": rootfs, cache_format.KEY: cache_format.document(made)}
    return Image(store.layout, add_manifest(store.layout, store.layout.add_json(document), descriptors))


def write_directory(store: Store, image: Image, dest: str) -> None:
    """An OCI layout with this image alone: blobs first, then the index, then goes what the index does not need."""
    from minirun.image import save

    saved = [save.Saved(image, "")]
    files, needed = save.description(saved), save.blobs(saved)
    blobs = f"{dest}/blobs/sha256"
    try:
        make_private(blobs)
        for digest, size in needed.items():
            if not os.path.exists(f"{blobs}/{digest[7:]}"):
                save.write_to(f"{blobs}/{digest[7:]}", save.blob(store, digest, size), 0o644)
        for name in ("oci-layout", "index.json"):
            write_whole(f"{dest}/{name}", files[name])
        for name in set(os.listdir(blobs)) - {digest[7:] for digest in needed}:
            os.unlink(f"{blobs}/{name}")
    except OSError as error:
        raise MinirunError(f"--cache-to {dest}: {error.strerror}") from error
