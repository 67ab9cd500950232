"""`load`: images from a tar that docker save, podman save, skopeo or an OCI tool wrote.

    docker-archive   manifest.json [{"Config", "RepoTags", "Layers"}] and the files it names; plain layers
    OCI layout       oci-layout, index.json, blobs/sha256/...; docker save writes both since 25: this is taken

The tar is read once, from a file or a pipe, and no member is ever written under its own name: each regular
file is kept as a blob under its digest, and what no image turns out to need is swept away at the end.

See      image-spec image-layout.md; moby image/spec/v1.2.md
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from minirun.errors import MinirunError, UnsupportedError, UsageError
from minirun.image import config as reading
from minirun.image import derive, manifests, names, platforms, reference, tarstream
from minirun.image.index import named
from minirun.image.mediatypes import CONTAINERD_NAME, INDEX, LAYER, REF_NAME
from minirun.image.tarstream import entry_name

if TYPE_CHECKING:
    import tarfile
    from typing import Any, BinaryIO

    from minirun.image.image import Image
    from minirun.image.mediatypes import Json
    from minirun.image.platforms import Platform
    from minirun.image.reference import Reference
    from minirun.image.store import Store

    Members = dict[str, Json]  # member name -> {"digest", "size"} or {"link": another member}


def load(store: Store, source: str | BinaryIO, platform: Platform | None = None) -> list[Image]:
    """Take in every image of the archive `source` (a path or an open binary file), unpacked.

    Of one for several platforms the one for `platform`, or for this machine.
    """
    if not isinstance(source, str):
        return _load(store, source, platform)
    try:
        file = open(source, "rb", buffering=0)
    except OSError as error:
        raise MinirunError(f"{source}: {error.strerror}") from error
    with file:
        return _load(store, file, platform)


def _load(store: Store, file: BinaryIO, platform: Platform | None) -> list[Image]:
    with store.adding():
        archive = _Archive(store, _read_members(store, file), platform)
        if "oci-layout" in archive.members and "index.json" in archive.members:
            return _load_layout(archive)
        if "manifest.json" in archive.members:
            return _load_docker(archive)
    if "repositories" in archive.members:
        raise UnsupportedError(
            "this archive is of Docker's form before 1.10", "load and save it with a newer docker"
        )
    raise MinirunError("not an image archive: it has neither manifest.json nor index.json")


def _read_members(store: Store, file: BinaryIO) -> Members:
    members: Members = {}
    limits = store.settings.limits
    with tarstream.Unpacked(file, limits) as unpacked:
        stream = tarstream.TarStream(iter(unpacked))
        for info in tarstream.entries(stream, limits):
            _read_member(store, info, stream, members)
    return members


def _read_member(store: Store, info: tarfile.TarInfo, stream: tarstream.TarStream, members: Members) -> None:
    try:
        name = entry_name(info.name)
        if info.isreg() and info.sparse is None:
            members[name] = store.layout.add_blob(
                (bytes(part) for part in stream.read_parts(info.size)), size=info.size
            )
        elif info.issym() or info.islnk():  # docker-archive names a layer twice that way
            base = posixpath.dirname(name) if info.issym() else ""
            members[name] = {"link": entry_name(posixpath.normpath(posixpath.join(base, info.linkname)))}
        elif not info.isdir():
            raise MinirunError("neither a file, a directory nor a link")
    except MinirunError as error:
        raise MinirunError(f"archive member {tarstream.shown(info.name)}: {error.message}") from error


class _Archive:
    """The members of an archive, all of them blobs of the store by now, and which platform is wanted.

    Many names may stand for one image, so what was looked at once is remembered.
    """

    def __init__(self, store: Store, members: Members, platform: Platform | None) -> None:
        self.store = store
        self.members = members
        self.platform = platform
        self._packings: dict[str, str] = {}  # digest of a layer -> how its media type ends
        self._manifests: dict[tuple[str, str], manifests.Manifest] = {}
        self._entries: dict[tuple[Any, ...], Json] = {}
        self._fitting: set[str] = set()  # digests of configs

    def blob(self, name: str) -> Json:
        """The descriptor of member `name`, through links.  Raises MinirunError when it is not there."""
        for _ in range(8):
            member = self.members.get(entry_name(name))
            if member is None:
                raise MinirunError(f"the archive has no member {name!r}, which its manifest names")
            if "link" not in member:
                return member
            name = member["link"]
        raise MinirunError(f"archive member {name!r} is a link in a circle")

    def layer(self, name: str) -> Json:
        """The descriptor of member `name` as a layer: its first bytes tell how it is packed."""
        blob = self.blob(name)
        if blob["digest"] not in self._packings:
            with open(self.store.layout.blob_path(blob["digest"]), "rb") as file:
                self._packings[blob["digest"]] = tarstream.packing(file.read(tarstream.MAGIC_BYTES))
        media_type = LAYER + self._packings[blob["digest"]]
        return {"mediaType": media_type, "digest": blob["digest"], "size": blob["size"]}

    def entry_of(self, config: Json, layers: list[Json], original: bytes = b"") -> Json:
        """The index entry of an image that is in the store, unpacked, when this returns."""
        key = (config["digest"], original, *(layer["digest"] for layer in layers))
        if key not in self._entries:
            self._entries[key] = derive.add_unpacked(self.store.layout, config, layers, original)
        return self._entries[key]

    def check_platform(self, config: Json) -> None:
        """Raise UnsupportedError unless an image of the archive is for the platform that is wanted."""
        if config["digest"] in self._fitting:
            return
        self._fitting.add(config["digest"])
        document = reading.read(self.store.layout.read_json_blob(config["digest"]))
        if self.platform and not platforms.fits(document, self.platform):
            there, wanted = platforms.show(platforms.of(document)), platforms.show(self.platform)
            raise UnsupportedError(f"the archive's image is for {there}, and {wanted} is wanted")

    def manifest(self, entry: Json) -> manifests.Manifest:
        """The manifest that an entry of index.json leads to; its layers are there."""
        key = (manifests.text(entry, "digest"), repr(entry.get("mediaType")))
        if key not in self._manifests:
            found = manifests.for_platform(entry, self._fetch, self.platform)
            for layer in found.layers:
                self.blob(f"blobs/sha256/{layer['digest'][7:]}")
            self._manifests[key] = found
        return self._manifests[key]

    def _fetch(self, descriptor: Json) -> bytes:
        digest = manifests.text(descriptor, "digest")
        blob = self.blob(f"blobs/sha256/{digest.removeprefix('sha256:')}")
        with open(self.store.layout.blob_path(blob["digest"]), "rb") as file:
            return file.read(manifests.BYTES_MAX + 1)

    def document(self, name: str) -> Json:
        """The descriptor of member `name`, which is to be read whole."""
        blob = self.blob(name)
        if blob["size"] > manifests.BYTES_MAX:
            raise MinirunError(f"archive member {name!r} is too large: {blob['size']} bytes")
        return blob

    def json(self, name: str) -> Any:
        blob = self.document(name)
        with open(self.store.layout.blob_path(blob["digest"]), "rb") as file:
            return manifests.parse(file.read(), f"archive member {name!r}")


# ---- docker-archive ---------------------------------------------------------------------------------------


def _load_docker(archive: _Archive) -> list[Image]:
    entries: list[Json] = []
    for item in manifests.checked_list(archive.json("manifest.json"), "manifest.json"):
        config = archive.document(manifests.text(item, "Config"))
        archive.check_platform(config)
        layers = [archive.layer(name) for name in _texts(item, "Layers")]
        entry = archive.entry_of(config, layers)
        for tag in _texts(item, "RepoTags") or [""]:
            entries.append(named(entry, reference.parse(tag) if tag else None))
    return names.add(archive.store.layout, entries)


def _texts(item: Json, key: str) -> list[str]:
    """The list of strings at `key`; none when there is no list, or null."""
    value = item.get(key) or []
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise MinirunError(f"manifest.json has a {key} that is not a list of strings")
    return value


# ---- OCI layout -------------------------------------------------------------------------------------------


def _load_layout(archive: _Archive) -> list[Image]:
    for name, member in archive.members.items():
        if (
            name.startswith("blobs/sha256/")
            and "digest" in member
            and member["digest"][7:] != posixpath.basename(name)
        ):
            raise MinirunError(
                f"archive member {name!r} has the wrong content: its digest is {member['digest']}"
            )
    index = archive.json("index.json")
    entries = index.get("manifests") if isinstance(index, dict) else None
    made = [_load_entry(archive, entry) for entry in manifests.checked_list(entries, "index.json")]
    return names.add(archive.store.layout, made)


def _load_entry(archive: _Archive, entry: Json) -> Json:
    manifest = archive.manifest(entry)
    if entry.get("mediaType") not in (INDEX, manifests.DOCKER_LIST):  # of those it was chosen
        archive.check_platform(manifest.config)
    kept = archive.entry_of(manifest.config, manifest.layers, manifest.original)
    return named(kept, _name(entry), entry["digest"])


def _name(entry: Json) -> Reference | None:
    """The name an index entry has; None where it has none, or one that only other tools understand."""
    annotations = entry.get("annotations")
    known = annotations if isinstance(annotations, dict) else {}
    name = known.get(CONTAINERD_NAME) or known.get(REF_NAME)
    try:
        return reference.parse(name) if isinstance(name, str) else None
    except UsageError:
        return None
