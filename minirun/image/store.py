"""The image store: an OCI image layout on disk, and the layers unpacked from it.

    images/oci-layout        {"imageLayoutVersion": "1.0.0"}
    images/index.json        one descriptor per name; annotations hold the canonical reference
    images/blobs/sha256/     manifests, configs, packed layers, each named by its digest
    images/incoming/         downloads not yet whole (incoming.py)
    layers/                  unpacked layers (chain.py)

An index entry without a reference is an image whose name went to a newer one (`<none>`).  Manifests are kept
in the OCI form, whatever form they came in, so that skopeo and umoci read the store in place; ORIGIN is the
digest under which the registry knows the image.

Finding an image that is here is on the way of every `run`: json and nothing heavier is imported for it.

See      image-spec image-layout.md, manifest.md, config.md
By hand  skopeo inspect oci:/var/lib/minirun/images:docker.io/library/alpine:latest
Next     layers.py
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time

from minirun.errors import MinirunError, NotFoundError, UsageError
from minirun.files import locked, make_private, open_lock, read_json, write_json
from minirun.image import chain, platforms, reference
from minirun.image import progress as silent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from minirun.image.platforms import Platform
    from minirun.image.progress import Progress
    from minirun.image.reference import Reference
    from minirun.image.settings import Settings
    from minirun.image.usage import Claim
    from minirun.paths import Paths

    Json = dict[str, Any]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"  # with +gzip or +zstd when packed

REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
ORIGIN = "io.minirun.origin"  # digest the registry gave the name, when it is not the manifest's own
TAGGED = "io.minirun.tagged"  # when the image got the name

# Another tool may put an index into the layout (skopeo copy --all): kept, but not an image to run.
_INDEXES = (INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HEX = re.compile(r"[0-9a-f]{64}")
_WHOLE_ID = re.compile(r"sha256:.*|[0-9a-f]{64}")  # never a name
_ID = re.compile(r"(?:sha256:)?[0-9a-f]{4,64}")
PARTIAL_SECONDS = 86400
DOCUMENT_BYTES_MAX = 4 << 20  # what registries must take at least (distribution-spec, "Pushing Manifests")
_EMPTY_INDEX: Json = {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}


class Image:
    """One name in the store and what it stands for.  Files are read when they are first asked for."""

    def __init__(self, store: Store, entry: Json) -> None:
        self.store = store
        self.entry = entry
        self.digest: str = entry["digest"]  # of the manifest
        self.reference: str = entry.get("annotations", {}).get(
            REF_NAME, ""
        )  # canonical, or "" when it lost its name
        self.pulled = False  # whether it has just come from a registry
        self._manifest: Json | None = None
        self._document: Json | None = None

    @property
    def origin(self) -> str:
        """The digest the registry knows the image by; the manifest's when it came from elsewhere."""
        return str(self.entry.get("annotations", {}).get(ORIGIN, self.digest))

    @property
    def manifest(self) -> Json:
        """image-spec manifest.md"""
        if self._manifest is None:
            self._manifest = self.store.read_json_blob(self.digest)
        return self._manifest

    @property
    def id(self) -> str:
        """`sha256:...` of the config: the same for every name and every packing of the image."""
        return str(self.manifest["config"]["digest"])

    @property
    def document(self) -> Json:
        """The whole config file, image-spec config.md: architecture, config, rootfs, history, created."""
        if self._document is None:
            self._document = self.store.read_json_blob(self.id)
        return self._document

    @property
    def config(self) -> Json:
        """How to run it: Env, Cmd, Entrypoint, User, WorkingDir, Labels, StopSignal and so on."""
        return self.document.get("config") or {}

    def require(self, platform: str) -> None:
        """Raise NotFoundError, in Docker's words, unless the image answers to `--platform platform`."""
        wanted = platforms.parse(platform)
        if not platforms.fits(self.document, wanted):
            raise NotFoundError(
                f"image with reference {self.reference or self.id} was found but does not match the specified"
                f" platform: wanted {platforms.show(wanted)}, actual: {platforms.show(platforms.of(self.document))}"
            )

    @property
    def created(self) -> str:
        """RFC 3339, or "" when the image does not say."""
        return str(self.document.get("created") or "")

    @property
    def diff_ids(self) -> list[str]:
        """Digests of the unpacked layer tars, lowest first."""
        return list(self.document["rootfs"]["diff_ids"])

    @property
    def size(self) -> int:
        """Bytes of the files in its layers; of the packed layers where they were never unpacked."""
        sizes = zip(self.unpacked(), self.manifest["layers"], strict=True)
        return sum(_unpacked_size(path) or int(layer["size"]) for path, layer in sizes)

    def unpacked(self) -> list[str | None]:
        """The directory of each layer, lowest first; None for those not unpacked."""
        ids = self.diff_ids
        return [chain.find(self.store.paths.layers, ids[: index + 1]) for index in range(len(ids))]

    def layer_paths(self, done: Callable[[int], None] = lambda index: None) -> list[str]:
        """Directories for overlayfs's lowerdir, lowest first; what is not unpacked yet is unpacked now.

        A layer an image has twice is there once, at its upper place: overlayfs refuses a directory twice.
        """
        found = self.unpacked()
        paths = [path for path in found if path]
        if len(paths) < len(found):
            from minirun.image import layers  # threads and tarfile: 40 ms that a present image does not pay

            packed = [
                layers.Packed(self.store.blob_path(digest), diff_id) for digest, diff_id in self._layers()
            ]
            paths = layers.unpack_all(self.store.paths.layers, packed, done, self.store.settings.limits)
        return [path for index, path in enumerate(paths) if path not in paths[index + 1 :]]

    def _layers(self) -> list[tuple[str, str]]:
        digests = [str(layer["digest"]) for layer in self.manifest["layers"]]
        return list(zip(digests, self.diff_ids, strict=True))


def _unpacked_size(path: str | None) -> int:
    try:
        return int(read_json(f"{path}.json")["size"])
    except OSError:
        return 0


class Store:
    """All images under one root.  Making one touches nothing; the first image to come makes the layout."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self._index = f"{paths.images}/index.json"
        self._index_lock = f"{paths.root}/images.lock"
        self._content_lock = f"{paths.root}/content.lock"
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """What the file of `--config` says about registries and limits."""
        if self._settings is None:
            from minirun.image import settings  # TOML: for those who pull, push and unpack

            self._settings = settings.load(self.paths.registries)
        return self._settings

    # ---- finding ----

    def images(self) -> list[Image]:
        """Every name, in the order they came; an image with two names is there twice."""
        entries = self._read_index()["manifests"]
        return [Image(self, entry) for entry in entries if entry.get("mediaType") not in _INDEXES]

    def find(self, text: str) -> Image | None:
        """The image that `text` names: a reference, name@digest, an id or the beginning of one.

        Raises UsageError when `text` cannot be a name, or begins the ids of several images.
        """
        images = self.images()
        if not _WHOLE_ID.fullmatch(text) and (image := _by_name(images, text)):
            return image
        return _by_id(images, text) if _ID.fullmatch(text) else None

    def get(self, text: str) -> Image:
        """As `find`, but raises NotFoundError with Docker's words."""
        image = self.find(text)
        if image is None:
            raise NotFoundError(f"No such image: {text}", "minirun images lists those that are here")
        return image

    def ensure(
        self, text: str, pull: str = "missing", progress: Progress | None = None, platform: str = ""
    ) -> Image:
        """The image `text`, pulled when `pull` says so: `missing`, `always` or `never`.

        An image for another `platform` than the one asked for is as good as missing.
        """
        wanted = platforms.parse(platform) if platform else None
        progress = progress or silent.Progress()
        image = None if pull == "always" else self.find(text)
        if image is not None and wanted and not platforms.fits(image.document, wanted):
            if pull == "never" or _WHOLE_ID.fullmatch(text):
                image.require(platform)
            image = None
        if image is None:
            image = self._pull(text, pull, progress, wanted)
        if warning := platforms.warning(image.document, wanted):
            progress.say(warning)
        return image

    def _pull(self, text: str, pull: str, progress: Progress, platform: Platform | None) -> Image:
        if pull == "never":
            raise NotFoundError(
                f"no image {text} here, and --pull never", "minirun images lists those that are here"
            )
        if _WHOLE_ID.fullmatch(text):
            raise NotFoundError(f"no image {text} here, and a registry is asked for names only")
        from minirun.image import pull as puller  # TLS and HTTP: 75 ms

        name = reference.parse(text)
        if pull == "missing":
            progress.say(f"Unable to find image '{name.familiar}' locally")
        try:
            image = puller.pull(name, self, progress, platform)
        except MinirunError as error:
            if pull == "always":
                raise
            raise type(error)(f"no image {name.familiar} here, and {error.message}", error.hint) from error
        image.pulled = True
        return image

    def _read_index(self) -> Json:
        try:
            index: Json = read_json(self._index)
        except FileNotFoundError:
            return {**_EMPTY_INDEX, "manifests": []}
        return index

    # ---- blobs ----

    def blob_path(self, digest: str) -> str:
        """Where the blob `digest` is or would be.  Raises MinirunError for what is not a sha256 digest."""
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise MinirunError(f"{digest!r} is not a sha256 digest")
        return f"{self.paths.images}/blobs/sha256/{digest[7:]}"

    def incoming_path(self, digest: str) -> str:
        """Where the blob `digest` grows while it is fetched."""
        return f"{self.paths.images}/incoming/{digest.removeprefix('sha256:')}"

    def has_blob(self, digest: str) -> bool:
        return os.path.exists(self.blob_path(digest))

    def read_json_blob(self, digest: str) -> Json:
        """A manifest or config.  Raises MinirunError when it is missing or not a JSON object."""
        try:
            value = read_json(self.blob_path(digest), DOCUMENT_BYTES_MAX)
        except (OSError, ValueError, RecursionError) as error:
            raise MinirunError(
                f"the image store is damaged: {error}", "minirun rmi the image and pull it again"
            ) from error
        if not isinstance(value, dict):
            raise MinirunError(f"blob {digest} is not a JSON object")
        return value

    def add_blob(self, chunks: Iterable[bytes], digest: str = "", size: int = -1) -> Json:
        """Keep a stream as a blob; returns {"digest", "size"}.

        `digest` and `size`, where given, are what it must turn out to be; otherwise nothing is kept and a
        MinirunError says which differs.
        """
        from minirun.image import incoming  # nothing that runs a container gets here

        self.make_layout()
        temporary = f"{self.paths.images}/incoming/{digest[7:] or 'new'}-{os.getpid()}-{os.urandom(4).hex()}"
        try:
            found = _write_hashed(temporary, chunks, size)
            incoming.check(digest, size, found["digest"], found["size"])
            os.rename(temporary, self.blob_path(found["digest"]))
        except BaseException as error:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            if isinstance(error, OSError):
                raise MinirunError(f"{self.paths.images}: {error.strerror}") from error
            raise
        return found

    def add_json(self, value: object) -> Json:
        """Keep a JSON document as a blob, always in the same bytes for the same value."""
        import json

        return self.add_blob([json.dumps(value, separators=(",", ":"), sort_keys=True).encode()])

    def make_layout(self) -> None:
        """image-spec image-layout.md: the file and directories every layout has."""
        if os.path.exists(f"{self.paths.images}/oci-layout"):
            return
        for name in ("blobs/sha256", "incoming"):
            make_private(f"{self.paths.images}/{name}")
        write_json(f"{self.paths.images}/oci-layout", {"imageLayoutVersion": "1.0.0"})

    # ---- names ----

    @contextlib.contextmanager
    def adding(self) -> Iterator[None]:
        """Held while blobs come in that no name refers to yet, so that nobody sweeps them away.

        Afterwards this sweeps what no name came to refer to: of a failure nothing is left.
        """
        try:
            with locked(self._content_lock, shared=True):
                yield
        finally:
            self.sweep()

    def keeping(self) -> locked:
        """Held while a container's record is written, so that nobody sweeps its layers away until it tells of them."""
        return locked(self._content_lock, shared=True)

    def add_image(
        self,
        config: Json,
        layers: list[Json],
        name: Reference | None,
        *,
        origin: str = "",
        original: bytes = b"",
    ) -> Image:
        """Put an image whose blobs are here into the index, under `name` or without one.

        `config` and `layers` are descriptors (layers lowest first); `origin` is the registry's digest;
        `original` is the manifest as it came, kept byte for byte, if it is of the OCI form already.
        """
        return self.add_entries([named(self.keep_image(config, layers, original), name, origin)])[0]

    def keep_image(self, config: Json, layers: list[Json], original: bytes = b"") -> Json:
        """The manifest of an image whose blobs are here, kept as a blob as well; returns an entry without a name."""
        from minirun.image import manifests

        document = self.read_json_blob(config["digest"])
        manifests.check_config(document, len(layers))
        config = {"mediaType": CONFIG, "digest": config["digest"], "size": config["size"]}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
        kept = self.add_blob([original]) if original else self.add_json(manifest)
        platform = ("architecture", "os", "variant")
        shown = {key: document[key] for key in platform if document.get(key)}
        return {"mediaType": MANIFEST, **kept, "platform": shown}

    def add_entries(self, entries: list[Json]) -> list[Image]:
        """Put images into the index, all in one change of it."""
        from minirun.image import names

        self.change_index(lambda old: names.added(old, entries))
        return [Image(self, entry) for entry in entries]

    def set_origin(self, image: Image, digest: str) -> None:
        """Note that a registry knows the image by `digest` now, under the name it has here."""
        kept = {key: value for key, value in image.entry.get("annotations", {}).items() if key != ORIGIN}
        entry = {
            **image.entry,
            "annotations": {**kept, **({ORIGIN: digest} if digest != image.digest else {})},
        }
        self.change_index(lambda entries: [entry if old == image.entry else old for old in entries])

    def tag(self, image: Image, name: Reference) -> None:
        """Give `image` another name; what had that name loses it."""
        annotations = _named_now(name)
        if image.reference and reference.parse(image.reference).name == name.name:
            annotations[ORIGIN] = image.origin  # the registry's digest goes for all tags of a repository
        self.add_entries([{**image.entry, "annotations": annotations}])

    def change_index(self, change: Callable[[list[Json]], list[Json]]) -> None:
        with locked(self._index_lock):
            index = self._read_index()
            index["manifests"] = change(index["manifests"])
            write_json(self._index, index, durable=True)

    # ---- removing ----

    def remove(self, text: str, claims: Iterable[Claim], *, force: bool = False) -> list[str]:
        """`rmi text`: take the name away, and with the last one the image, unless one of `claims` is on it."""
        from minirun.image import removal

        return removal.remove(self, text, claims, force=force)

    def _held(self) -> set[str]:
        """The digests of all blobs that an image needs."""
        held: set[str] = set()
        for entry in self._read_index()["manifests"]:
            self._hold(entry, held)
        return held

    def _hold(self, descriptor: Json, held: set[str]) -> None:
        """Add to `held` what `descriptor` leads to; an index may list manifests that are not here."""
        digest = str(descriptor["digest"])
        if digest in held or not self.has_blob(digest):
            return
        held.add(digest)
        document = self.read_json_blob(digest)
        for child in document.get("manifests", []):
            self._hold(child, held)
        if "config" in document:
            held.update(str(blob["digest"]) for blob in [document["config"], *document["layers"]])

    def sweep(self, *, partial: bool = False) -> None:
        """Remove blobs and unpacked layers that no image needs; `partial`: also what killed pulls left.

        Whoever is adding an image holds the lock; then this does nothing, and they sweep when they are done.
        """
        fd = open_lock(self._content_lock)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._sweep_blobs()
            self._sweep_incoming(partial=partial)
            self._sweep_layers()
        except BlockingIOError:
            pass
        finally:
            os.close(fd)

    def _sweep_blobs(self) -> None:
        held = {digest[7:] for digest in self._held()}
        for name in _names_in(f"{self.paths.images}/blobs/sha256"):
            if name not in held:
                os.unlink(f"{self.paths.images}/blobs/sha256/{name}")

    def _sweep_incoming(self, *, partial: bool) -> None:
        """What a killed pull left is kept for a day, for the next one to go on from; the rest is of no use."""
        for name in _names_in(f"{self.paths.images}/incoming"):
            path = f"{self.paths.images}/incoming/{name}"
            resumable = _HEX.fullmatch(name) and time.time() - os.stat(path).st_mtime < PARTIAL_SECONDS
            if partial or not resumable:
                os.unlink(path)

    def _sweep_layers(self) -> None:
        from minirun.image import usage

        held = {name for claim in usage.claims(self.paths) for name in claim.layers}
        for image in {image.digest: image for image in self.images()}.values():  # some have many names
            ids = _diff_ids_of(image)
            held.update(diff_id[7:] for diff_id in ids)
            held.update(os.path.basename(path) for path in chain.chain_directories("", ids))
        gone = [name for name in _names_in(self.paths.layers) if _layer_key(name) not in held]
        if gone:
            from minirun.image import layers

            layers.remove(self.paths.layers, gone)


def id_of(image: Image) -> str:
    """The image's id; "" when its files are damaged, which must not keep it from being removed."""
    try:
        return image.id
    except MinirunError:
        return ""


def _diff_ids_of(image: Image) -> list[str]:
    try:
        return image.diff_ids
    except MinirunError:
        return []


def _layer_key(name: str) -> str:
    return name.removesuffix(".json")


def _names_in(path: str) -> list[str]:
    """What is in a directory, without what starts with a dot; nothing when there is no directory."""
    try:
        return [name for name in os.listdir(path) if not name.startswith(".")]
    except FileNotFoundError:
        return []


def _write_hashed(path: str, chunks: Iterable[bytes], limit: int) -> Json:
    """Write `chunks` to the new file `path`, stopping beyond `limit` bytes (if not negative)."""
    import hashlib

    hasher, size = hashlib.sha256(), 0
    with open(path, "xb") as file:  # buffered: a full disk may take half of a chunk without an error
        for chunk in chunks:
            size += len(chunk)
            if 0 <= limit < size:
                break
            hasher.update(chunk)
            file.write(chunk)
        os.fchmod(file.fileno(), 0o644)
    return {"digest": f"sha256:{hasher.hexdigest()}", "size": size}


# ---- which image is meant ---------------------------------------------------------------------------------


def _by_name(images: list[Image], text: str) -> Image | None:
    name = reference.parse(text)
    wanted = str(name)
    for image in images:
        if image.reference == wanted:
            return image
    if not name.digest:
        return None
    for image in images:
        same_name = image.reference.startswith((f"{name.name}:", f"{name.name}@"))
        if same_name and name.digest in (image.digest, image.origin):
            return image
    return None


def is_name_of(text: str, image: Image) -> bool:
    """Whether `text` is a name, not an id, that leads to `image`."""
    return not _WHOLE_ID.fullmatch(text) and _by_name([image], text) is not None


def _by_id(images: list[Image], text: str) -> Image | None:
    digits = text.removeprefix("sha256:")
    found = {
        image.id: image
        for image in reversed(images)
        if image.id[7:].startswith(digits) or image.digest[7:].startswith(digits)
    }
    if len(found) > 1:
        raise UsageError(f"{text!r} begins the ids of {len(found)} images", "give more digits")
    return next(iter(found.values()), None)


def _named_now(name: Reference) -> dict[str, str]:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {REF_NAME: str(name), CONTAINERD_NAME: str(name), TAGGED: now}


def named(entry: Json, name: Reference | None, origin: str = "") -> Json:
    """The index entry with a name, and with the registry's digest where it is not the manifest's own."""
    annotations = _named_now(name) if name else {}
    if origin and origin != entry["digest"]:
        annotations[ORIGIN] = origin
    return {**entry, "annotations": annotations} if annotations else entry


def nameless(entry: Json) -> Json:
    return {key: value for key, value in entry.items() if key != "annotations"}
