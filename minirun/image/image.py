"""One image: a manifest, the config it names, and layers, each packed as a blob and unpacked as a directory.

    index.json ──entry──> manifest ──┬──> config      how to run it, and the diff_ids of its layers
                                     └──> layers      blobs; layers.py unpacks them below layers/

Manifests are kept in the OCI form, whatever form they came in, so that skopeo and umoci read the store in place.

See      image-spec manifest.md, config.md
By hand  jq . /var/lib/minirun/images/blobs/sha256/DIGEST
Next     names.py
"""

from __future__ import annotations

from minirun.errors import MinirunError, NotFoundError
from minirun.image import chain, config, platforms
from minirun.image.mediatypes import CONFIG, MANIFEST, ORIGIN, REF_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.image.layout import Layout
    from minirun.image.mediatypes import Json


class Image:
    """One name in the index and what it stands for.  Files are read when they are first asked for."""

    def __init__(self, layout: Layout, entry: Json) -> None:
        self.layout = layout
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
            self._manifest = self.layout.read_json_blob(self.digest)
        return self._manifest

    @property
    def id(self) -> str:
        """`sha256:...` of the config: the same for every name and every packing of the image."""
        return str(self.manifest["config"]["digest"])

    @property
    def document(self) -> Json:
        """The config file, image-spec config.md, as config.py reads it: architecture, config, rootfs, history."""
        if self._document is None:
            self._document = config.read(self.layout.read_json_blob(self.id))
        return self._document

    @property
    def config(self) -> Json:
        """How to run it: Env, Cmd, Entrypoint, User, WorkingDir, Labels, StopSignal and so on."""
        return self.document.get("config") or {}

    def require(self, platform: str, text: str = "") -> None:
        """Raise NotFoundError, in Docker's words, unless the image, asked for as `text`, is for `--platform platform`.

        The platform "" is any.
        """
        wanted = platforms.parse(platform) if platform else None
        if wanted and not platforms.fits(self.document, wanted):
            raise NotFoundError(
                f"image with reference {text or self.reference or self.id} was found but does not match the specified"
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
        return sum(self.layer_sizes())

    def layer_sizes(self) -> list[int]:
        """The same of each layer, lowest first."""
        found = zip(self.unpacked(), self.manifest["layers"], strict=True)
        return [chain.size(path) if path else int(layer["size"]) for path, layer in found]

    def unpacked(self) -> list[str | None]:
        """The directory of each layer, lowest first; None for those not unpacked."""
        ids = self.diff_ids
        return [chain.find(self.layout.paths.layers, ids[: index + 1]) for index in range(len(ids))]

    def layer_paths(self, done: Callable[[int], None] = lambda index: None) -> list[str]:
        """Directories for overlayfs's lowerdir, lowest first; what is not unpacked yet is unpacked now.

        A layer an image has twice is there once, at its upper place.
        """
        found = self.unpacked()
        paths = [path for path in found if path]
        if len(paths) < len(found):
            from minirun.image import layers  # threads and tarfile: 40 ms that a present image does not pay

            paths = layers.unpack_blobs(self.layout, self.manifest["layers"], self.diff_ids, done)
        return chain.each_once(paths)


def id_of(image: Image) -> str:
    """The image's id; "" when its files are damaged, which must not keep it from being removed."""
    try:
        return image.id
    except MinirunError:
        return ""


def diff_ids_of(image: Image) -> list[str]:
    """Its layers' diff_ids; none when its files are damaged."""
    try:
        return image.diff_ids
    except MinirunError:
        return []


def add_manifest(layout: Layout, described: Json, layers: list[Json], original: bytes = b"") -> Json:
    """Keep the manifest of an image whose other blobs are here; returns an entry for the index, without a name.

    `described` (the config) and `layers` are descriptors (layers lowest first); `original` is the manifest as it
    came, kept byte for byte, if it is of the OCI form already.
    """
    from minirun.image import manifests

    document = manifests.checked_config(layout.read_json_blob(described["digest"]), len(layers))
    descriptor = {"mediaType": CONFIG, "digest": described["digest"], "size": described["size"]}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor, "layers": layers}
    kept = layout.add_blob([original]) if original else layout.add_json(manifest)
    platform = ("architecture", "os", "variant")
    shown = {key: document[key] for key in platform if document.get(key)}
    return {"mediaType": MANIFEST, **kept, "platform": shown}
