"""`pull`: an image from a registry into the store.

    manifest, config          small, and first: they say what to expect
    then three layers at a time, each of them by three threads:
      registry ──> append to images/incoming/ ──> decompress, sha256 ──> files in layers/.tmp-*
                   sha256 (incoming.py)           (tarstream.py)         (unpacking.py)
    index.json                last: until then no name leads to any of it, and a failure leaves nothing

See      distribution-spec "Pull"
By hand  skopeo copy docker://NAME oci:DIR:NAME; then unpack each layer
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from hashlib import sha256
from typing import TYPE_CHECKING

from minirun.image import layers, manifests, names, threads
from minirun.image.incoming import Cancelled, Incoming
from minirun.image.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minirun.image.image import Image
    from minirun.image.layout import Layout
    from minirun.image.mediatypes import Json
    from minirun.image.platforms import Platform
    from minirun.image.progress import Progress
    from minirun.image.reference import Reference
    from minirun.image.store import Store
    from minirun.image.tarstream import Readable

_LOOK_SECONDS = 0.05


def pull(name: Reference, store: Store, progress: Progress, platform: Platform | None = None) -> Image:
    """Fetch `name` for `platform` (this machine's without one) into `store`.  `progress` gets Docker's news."""
    registry = Registry(name.registry, name.repository, store.settings)
    before = store.find(str(name))
    progress.say(f"{name.tag or name.digest}: Pulling from {name.repository}")
    with store.adding():
        image = _fetch(registry, name, store, progress, platform)
    progress.say(f"Digest: {image.origin}")
    newer = before is None or before.digest != image.digest
    status = "Downloaded newer image for" if newer else "Image is up to date for"
    progress.say(f"Status: {status} {name.familiar}")
    return image


def _fetch(
    registry: Registry, name: Reference, store: Store, progress: Progress, platform: Platform | None
) -> Image:
    digest = ""

    def fetch(descriptor: Json) -> bytes:
        nonlocal digest
        content = registry.manifest(descriptor.get("digest") or name.tag, descriptor)
        digest = digest or f"sha256:{sha256(content).hexdigest()}"
        return content

    layout = store.layout
    manifest = manifests.for_platform({"digest": name.digest} if name.digest else {}, fetch, platform)
    if not layout.has_blob(manifest.config["digest"]):
        layout.add_blob(registry.blob(manifest.config), **manifest.config)
    document = layout.read_json_blob(manifest.config["digest"])
    document = manifests.checked_config(document, len(manifest.layers))
    _fetch_layers(registry, manifest.layers, document["rootfs"]["diff_ids"], store, progress)
    return names.add_image(
        layout, manifest.config, manifest.layers, name, origin=digest, original=manifest.original
    )


def _fetch_layers(
    registry: Registry, descriptors: list[Json], diff_ids: list[str], store: Store, progress: Progress
) -> None:
    """Download and unpack what is missing."""
    downloads = [
        Download(registry, store.layout, *layer, progress)
        for layer in zip(descriptors, diff_ids, strict=True)
    ]
    here = [download.here for download in downloads]
    for download, is_here in zip(downloads, here, strict=True):
        progress.layer(download.name, "Already exists" if is_here else "Pulling fs layer")

    def done(index: int) -> None:
        if not here[index]:
            progress.layer(downloads[index].name, "Pull complete")

    try:
        layers.unpack_all(store.paths.layers, list(downloads), done, store.settings.limits)
    except Exception:  # after a kill or Ctrl-C the next pull goes on from there; a failure leaves nothing
        for download in downloads:
            download.discard()
        raise


class Download(layers.Packed):
    """A layer that is perhaps still to come."""

    def __init__(
        self, registry: Registry, layout: Layout, descriptor: Json, diff_id: str, progress: Progress
    ) -> None:
        digest = str(descriptor["digest"])
        super().__init__(layout.blob_path(digest), diff_id)
        self.incoming_path = layout.incoming_path(digest)
        self.registry = registry
        self.descriptor = descriptor
        self.progress = progress
        self.name = digest[7:19]

    @property
    def size(self) -> int:
        return int(self.descriptor["size"])

    @property
    def here(self) -> bool:
        return os.path.exists(self.path)

    def cancel(self) -> None:
        self.registry.cancelled = True

    def _is_cancelled(self) -> bool:
        return self.registry.cancelled

    def discard(self) -> None:
        """Remove what there is of it, unless another pull is at work on it."""
        with contextlib.suppress(FileNotFoundError, BlockingIOError):
            fd = os.open(self.incoming_path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(self.incoming_path)
            finally:
                os.close(fd)

    @contextlib.contextmanager
    def content(self) -> Iterator[Readable]:
        fd = _lock_blob(self.path, self.incoming_path, self._is_cancelled)
        if self.here:
            with open(fd, "rb", buffering=0) as file:
                yield file
            return
        incoming = Incoming(fd, self.incoming_path, self.descriptor, self._is_cancelled)
        download = threading.Thread(target=self._fetch, args=[incoming], daemon=True)
        try:
            threads.start(download)
            yield _Reported(incoming, self.progress, self.name)
            incoming.wait()
        except Exception as error:
            if download.ident and not isinstance(error, Cancelled):
                incoming.wait()  # if the blob is not what it should be, that is the reason to give
            raise
        finally:
            if download.ident:
                download.join(_LOOK_SECONDS)
            if not download.is_alive():  # else it hangs in a read, and ends with the process
                os.close(fd)

    def _fetch(self, incoming: Incoming) -> None:
        """The thread that downloads."""
        try:
            offset = incoming.recover()
            if offset < incoming.size:
                for chunk in self.registry.blob(self.descriptor, offset):
                    incoming.append(chunk)
                    self.progress.advance(self.name, "Downloading", incoming.written, incoming.size)
            incoming.finish(self.path)
            self.progress.layer(self.name, "Download complete")
        except BaseException as error:
            incoming.fail(Cancelled("the download was cancelled") if self._is_cancelled() else error)


def _lock_blob(path: str, incoming: str, is_cancelled: Callable[[], bool]) -> int:
    """A descriptor of the blob at `path`, or of what there is of it at `incoming`, locked.

    It is the same inode before and after the rename, so who unpacks while downloading goes on holding it.
    """
    while True:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            fd = os.open(incoming, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _wait_for_lock(fd, is_cancelled)
            if _is_at(path, fd) or (_is_at(incoming, fd) and not os.path.exists(path)):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # who had it failed and removed it, or was done before we came: look again


def _wait_for_lock(fd: int, is_cancelled: Callable[[], bool]) -> None:
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if is_cancelled():
                raise Cancelled("the download was cancelled") from None
            time.sleep(_LOOK_SECONDS)


def _is_at(path: str, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


class _Reported:
    """A blob being read, with the news of it once it is all here and only unpacking is left."""

    def __init__(self, incoming: Incoming, progress: Progress, name: str) -> None:
        self._incoming = incoming
        self._progress = progress
        self._name = name

    def read(self, size: int, /) -> bytes:
        block = self._incoming.read(size)
        incoming = self._incoming
        if incoming.written == incoming.size:
            self._progress.advance(self._name, "Extracting", incoming.position, incoming.size)
        return block
