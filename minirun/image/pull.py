"""`pull`: an image from a registry into the store."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING

from minirun.image import manifests
from minirun.image.registry import BACK_OFF_SECONDS, DOWNLOADS, TRIES, HTTPError, Registry

if TYPE_CHECKING:
    from minirun.image.progress import Progress
    from minirun.image.reference import Reference
    from minirun.image.store import Image, Json, Store


def pull(name: Reference, store: Store, progress: Progress) -> Image:
    """Fetch the image `name` for this machine into `store`.  `progress` gets Docker's lines."""
    registry = Registry(name.registry, name.repository)
    before = store.find(str(name))
    progress.say(f"{name.tag or name.digest}: Pulling from {name.repository}")
    with store.adding():
        image = _fetch(registry, name, store, progress)
    layers = image.manifest["layers"]
    image.layer_paths(lambda index: progress.layer(_short(layers[index]), "Pull complete"))
    progress.say(f"Digest: {image.origin}")
    newer = before is None or before.digest != image.digest
    status = "Downloaded newer image for" if newer else "Image is up to date for"
    progress.say(f"Status: {status} {name.familiar}")
    return image


def _fetch(registry: Registry, name: Reference, store: Store, progress: Progress) -> Image:
    digest = ""

    def fetch(descriptor: Json) -> bytes:
        nonlocal digest
        content = registry.manifest(descriptor.get("digest") or name.tag, descriptor)
        digest = digest or f"sha256:{sha256(content).hexdigest()}"
        return content

    manifest = manifests.for_this_machine({"digest": name.digest} if name.digest else {}, fetch)
    if not store.has_blob(manifest.config["digest"]):
        store.add_blob(registry.blob(manifest.config), **manifest.config)
    _fetch_layers(registry, manifest.layers, store, progress)
    return store.add_image(manifest.config, manifest.layers, name, origin=digest, original=manifest.original)


def _fetch_layers(registry: Registry, layers: list[Json], store: Store, progress: Progress) -> None:
    """Download what is missing, a few at a time; the first failure stops the rest."""
    missing: dict[str, Json] = {}
    for layer in layers:
        here = store.has_blob(layer["digest"]) or layer["digest"] in missing
        progress.layer(_short(layer), "Already exists" if here else "Pulling fs layer")
        if not here:
            missing[layer["digest"]] = layer
    with ThreadPoolExecutor(DOWNLOADS) as pool:
        jobs = [pool.submit(_fetch_layer, registry, layer, store, progress) for layer in missing.values()]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            registry.cancelled = True
            pool.shutdown(cancel_futures=True)
            raise


def _fetch_layer(registry: Registry, layer: Json, store: Store, progress: Progress) -> None:
    """One blob, begun anew when the connection breaks half way; a wrong digest is not tried again."""
    for attempt in range(TRIES):
        try:
            store.add_blob(registry.blob(layer), layer["digest"], layer["size"])
            progress.layer(_short(layer), "Download complete")
            return
        except HTTPError as error:
            if attempt == TRIES - 1:
                raise registry.failure(f"blob {layer['digest']}", error) from error
            time.sleep(BACK_OFF_SECONDS * 2**attempt)


def _short(descriptor: Json) -> str:
    return str(descriptor["digest"])[7:19]
