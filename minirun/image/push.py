"""`push`: an image from the store to a registry.

    layers, four at a time   already there, mounted from a repository beside it, or sent (upload.py)
    config                   the same
    manifest                 last: a registry refuses one that names what it has not got

Layers that lie plain in the store are gzipped on the way, always to the same bytes, and the manifest that is
sent says so; it then differs from the store's, which is told the digest the registry knows the image by.

See      distribution-spec "Push"
By hand  skopeo copy oci:/var/lib/minirun/images:NAME docker://NAME
"""

from __future__ import annotations

import json
import os
from concurrent.futures import FIRST_EXCEPTION, wait
from contextlib import ExitStack
from hashlib import sha256
from typing import TYPE_CHECKING

from minirun.errors import NotFoundError, UsageError
from minirun.image import names, reference, tarstream
from minirun.image.mediatypes import LAYER, MANIFEST
from minirun.image.registry import Registry
from minirun.image.threads import Pool
from minirun.image.upload import Blob, Upload, denied

if TYPE_CHECKING:
    from collections.abc import Callable
    from hashlib import _Hash
    from typing import IO

    from minirun.image.image import Image
    from minirun.image.layout import Layout
    from minirun.image.mediatypes import Json
    from minirun.image.progress import Progress
    from minirun.image.reference import Reference
    from minirun.image.settings import Settings
    from minirun.image.store import Store

UPLOADS = 4  # layers at the same time
_GZIP_LEVEL = 2  # of isal's 0 to 3: half of gzip's time for a tenth more bytes
_READ_BYTES = 1 << 20


def push(
    name: Reference,
    store: Store,
    settings: Settings,
    progress: Progress,
    *,
    all_tags: bool = False,
    platform: str = "",
) -> None:
    """Send the image `name`, or all that share its repository.  `progress` gets Docker's lines.

    Raises NotFoundError before anything is sent, also where one of them is not for `platform`.
    """
    images = _images(name, store, all_tags)
    for image in images:
        image.require(platform, reference.parse(image.reference).familiar)
    registry = Registry(name.registry, name.repository, settings, actions="pull,push")
    progress.say(f"The push refers to repository [{name.name}]")
    with store.adding():  # nobody sweeps blobs away meanwhile
        for image in images:
            digest = _Push(registry, reference.parse(image.reference), image, progress).run()
            names.set_origin(store.layout, image, digest)


def send(name: Reference, image: Image, settings: Settings, progress: Progress) -> str:
    """Send one image, whose blobs are in the store, to be `name` there; returns its digest.

    For use within `Store.adding()`: no name need lead to it here.
    """
    return _Push(
        Registry(name.registry, name.repository, settings, actions="pull,push"), name, image, progress
    ).run()


def _images(name: Reference, store: Store, all_tags: bool) -> list[Image]:
    if name.digest:
        raise UsageError("cannot push a digest reference", "a tag names what is pushed: NAME:TAG")
    tagged = [(image, reference.parse(image.reference)) for image in store.images() if image.reference]
    same = [(image, other) for image, other in tagged if other.name == name.name and other.tag]
    if not same:
        raise NotFoundError(
            f"An image does not exist locally with the tag: {name.familiar_name}",
            "minirun images lists those",
        )
    chosen = [image for image, other in same if all_tags or other.tag == name.tag]
    if not chosen:
        raise NotFoundError(f"tag does not exist: {name.familiar}", f"minirun images {name.familiar_name}")
    return chosen


class _Push:
    """One image under one tag."""

    def __init__(self, registry: Registry, name: Reference, image: Image, progress: Progress) -> None:
        self._registry = registry
        self._name = name
        self._image = image
        self._layout = image.layout
        self._progress = progress
        self._neighbours = _neighbours(image.layout, name)

    def run(self) -> str:
        """Returns the digest the registry knows it by."""
        layers = self._send_layers()
        self._send(self._image.manifest["config"], lambda done, total: None)
        return self._send_manifest(layers)

    def _send_layers(self) -> list[Json]:
        """The descriptors of the layers as the registry has them, lowest first."""
        layers: list[Json] = self._image.manifest["layers"]
        unique = {layer["digest"]: layer for layer in reversed(layers)}  # Docker's order: uppermost first
        for layer in unique.values():
            self._progress.layer(_short(layer), "Preparing")
        pool = Pool(UPLOADS)
        try:
            jobs = {digest: pool.submit(self._send_layer, layer) for digest, layer in unique.items()}
            for job in wait(jobs.values(), return_when=FIRST_EXCEPTION).done:
                job.result()
        except BaseException:
            self._registry.cancelled = True
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # one that waits for an answer ends by itself
        return [jobs[layer["digest"]].result() for layer in layers]

    def _send_layer(self, layer: Json) -> Json:
        name = _short(layer)
        sent, word = self._send(
            layer, lambda done, total: self._progress.advance(name, "Pushing", done, total)
        )
        self._progress.layer(name, word)
        return sent

    def _send(self, descriptor: Json, sent: Callable[[int, int], None]) -> tuple[Json, str]:
        """Bring one blob there; returns its descriptor, changed if it had to be gzipped, and how it went."""
        with ExitStack() as files:
            file: IO[bytes] = files.enter_context(open(self._layout.blob_path(descriptor["digest"]), "rb"))
            blob = Blob(file.fileno(), descriptor["digest"], descriptor["size"])
            if descriptor["mediaType"] == LAYER and not tarstream.packing(file.read(tarstream.MAGIC_BYTES)):
                file, blob = _gzipped(file, f"{self._layout.paths.images}/incoming")
                files.enter_context(file)
                descriptor = {**descriptor, **blob.descriptor, "mediaType": f"{LAYER}+gzip"}
            upload = Upload(self._registry, self._name.repository, blob, lambda at: sent(at, blob.size))
            return descriptor, upload.run(self._neighbours.get(blob.digest, []))

    def _send_manifest(self, layers: list[Json]) -> str:
        manifest = self._image.manifest
        if layers == manifest["layers"]:
            with open(self._layout.blob_path(self._image.digest), "rb") as file:
                content = file.read()
        else:
            content = json.dumps({**manifest, "layers": layers}, separators=(",", ":")).encode()
        path = f"/v2/{self._name.repository}/manifests/{self._name.tag}"
        answer = self._registry.ask("PUT", path, {"Content-Type": MANIFEST}, content)
        if not 200 <= answer.status < 300:  # 201 by the specification, 200 of some that are older than it
            raise denied(answer)
        digest = f"sha256:{sha256(content).hexdigest()}"
        self._progress.say(f"{self._name.tag}: digest: {digest} size: {len(content)}")
        return digest


def _neighbours(layout: Layout, name: Reference) -> dict[str, list[str]]:
    """Blob digest -> repositories of the same registry that should have it: images here have such names."""
    found: dict[str, list[str]] = {}
    for image in names.images(layout):
        other = reference.parse(image.reference) if image.reference else None
        if other and other.registry == name.registry and other.repository != name.repository:
            for layer in image.manifest["layers"]:
                repositories = found.setdefault(layer["digest"], [])
                if other.repository not in repositories:
                    repositories.append(other.repository)
    return found


def _gzipped(file: IO[bytes], directory: str) -> tuple[IO[bytes], Blob]:
    """The whole of `file` as gzip in a file without a name, which goes when it is closed."""
    import tempfile

    from isal import isal_zlib

    packed = tempfile.TemporaryFile(dir=directory)
    pack = isal_zlib.compressobj(_GZIP_LEVEL, wbits=31)  # 31: a gzip header, whose mtime is 0
    hasher = sha256()
    file.seek(0)
    for block in iter(lambda: file.read(_READ_BYTES), b""):
        _append(packed, hasher, pack.compress(block))
    _append(packed, hasher, pack.flush())
    packed.flush()
    size = os.fstat(packed.fileno()).st_size
    return packed, Blob(packed.fileno(), f"sha256:{hasher.hexdigest()}", size)


def _append(file: IO[bytes], hasher: _Hash, data: bytes) -> None:
    hasher.update(data)
    file.write(data)


def _short(descriptor: Json) -> str:
    return str(descriptor["digest"])[7:19]
