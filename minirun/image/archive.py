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
from minirun.image import derive, manifests, platforms, reference, tarstream
from minirun.image.store import CONTAINERD_NAME, LAYER, REF_NAME
from minirun.image.tarstream import entry_name

if TYPE_CHECKING:
    import tarfile
    from typing import Any, BinaryIO

    from minirun.image.platforms import Platform
    from minirun.image.reference import Reference
    from minirun.image.store import Image, Json, Store

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
            members[name] = store.add_blob((bytes(part) for part in stream.take(info.size)), size=info.size)
        elif info.issym() or info.islnk():  # docker-archive names a layer twice that way
            base = posixpath.dirname(name) if info.issym() else ""
            members[name] = {"link": entry_name(posixpath.normpath(posixpath.join(base, info.linkname)))}
        elif not info.isdir():
            raise MinirunError("neither a file, a directory nor a link")
    except MinirunError as error:
        raise MinirunError(f"archive member {tarstream.shown(info.name)}: {error.message}") from error


class _Archive:
    """The members of an archive, all of them blobs of the store by now, and which platform is wanted."""

    def __init__(self, store: Store, members: Members, platform: Platform | None) -> None:
        self.store = store
        self.members = members
        self.platform = platform

    def blob(self, name: str) -> Json:
        """The descriptor of member `name`, through links.  Raises MinirunError when it is not there."""
        for _ in range(8):
            member = self.members.get(posixpath.normpath(name))
            if member is None:
                raise MinirunError(f"the archive has no member {name!r}, which its manifest names")
            if "link" not in member:
                return member
            name = member["link"]
        raise MinirunError(f"archive member {name!r} is a link in a circle")

    def json(self, name: str) -> Any:
        blob = self.blob(name)
        if blob["size"] > manifests.BYTES_MAX:
            raise MinirunError(f"archive member {name!r} is too large: {blob['size']} bytes")
        with open(self.store.blob_path(blob["digest"]), "rb") as file:
            return manifests.parse(file.read(), f"archive member {name!r}")


# ---- docker-archive ---------------------------------------------------------------------------------------


def _load_docker(archive: _Archive) -> list[Image]:
    images: list[Image] = []
    for item in manifests.checked_list(archive.json("manifest.json"), "manifest.json"):
        config = archive.blob(manifests.text(item, "Config"))
        _check_platform(archive, config)
        layers = [_layer(archive, name) for name in _texts(item, "Layers")]
        for tag in _texts(item, "RepoTags") or [""]:
            name = reference.parse(tag) if tag else None
            images.append(derive.add_unpacked(archive.store, config, layers, name))
    return images


def _texts(item: Json, key: str) -> list[str]:
    """The list of strings at `key`; none when there is no list, or null."""
    value = item.get(key) or []
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise MinirunError(f"manifest.json has a {key} that is not a list of strings")
    return value


def _check_platform(archive: _Archive, config: Json) -> None:
    document = archive.store.read_json_blob(config["digest"])
    if archive.platform and not platforms.fits(document, archive.platform):
        there, wanted = platforms.show(platforms.of(document)), platforms.show(archive.platform)
        raise UnsupportedError(f"the archive's image is for {there}, and {wanted} is wanted")


def _layer(archive: _Archive, name: str) -> Json:
    blob = archive.blob(name)
    with open(archive.store.blob_path(blob["digest"]), "rb") as file:
        packing = tarstream.packing(file.read(tarstream.MAGIC_BYTES))
    return {"mediaType": LAYER + packing, "digest": blob["digest"], "size": blob["size"]}


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
    return [_load_entry(archive, entry) for entry in manifests.checked_list(entries, "index.json")]


def _load_entry(archive: _Archive, entry: Json) -> Image:
    def fetch(descriptor: Json) -> bytes:
        digest = manifests.text(descriptor, "digest")
        blob = archive.blob(f"blobs/sha256/{digest.removeprefix('sha256:')}")
        with open(archive.store.blob_path(blob["digest"]), "rb") as file:
            return file.read(manifests.BYTES_MAX + 1)

    manifest = manifests.for_platform(entry, fetch, archive.platform)
    for layer in manifest.layers:
        archive.blob(f"blobs/sha256/{layer['digest'][7:]}")
    return derive.add_unpacked(
        archive.store,
        manifest.config,
        manifest.layers,
        _name(entry),
        origin=entry["digest"],
        original=manifest.original,
    )


def _name(entry: Json) -> Reference | None:
    """The name an index entry has; None where it has none, or one that only other tools understand."""
    annotations = entry.get("annotations")
    names = annotations if isinstance(annotations, dict) else {}
    name = names.get(CONTAINERD_NAME) or names.get(REF_NAME)
    try:
        return reference.parse(name) if isinstance(name, str) else None
    except UsageError:
        return None
