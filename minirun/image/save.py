"""`save`: images as one tar that everybody reads.

    blobs/sha256/<digest>   manifests, configs, layers as they lie in the store, each once
    index.json, oci-layout  an OCI layout: skopeo oci-archive:, umoci, podman, containerd
    manifest.json           docker-archive: docker load, podman load, skopeo docker-archive:

Docker writes both forms into one tar since 25; the docker form only points at the same blobs.  The same images
give the same bytes, in whatever order they are asked for: everything is sorted, dated 1970, and root's.

See      image-spec image-layout.md; moby image/spec/v1.2.md
By hand  tar --sort=name --mtime=@0 --owner=0 --group=0 -cf FILE -C LAYOUT .
Next     archive.py
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from minirun.errors import MinirunError, in_words
from minirun.image import names, reference, tarwriter
from minirun.image.index import nameless
from minirun.image.mediatypes import CONTAINERD_NAME, INDEX, REF_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from minirun.image.image import Image
    from minirun.image.mediatypes import Json
    from minirun.image.store import Store

FORMATS = ("docker-archive", "oci")
_READ_BYTES = 1 << 20


class Saved:
    """An image and one name it is saved under, or ""; with annotations for its line in index.json."""

    def __init__(self, image: Image, name: str, annotations: Mapping[str, str] = {}) -> None:
        self.image = image
        self.name = name
        self._annotations = annotations

    @property
    def entry(self) -> Json:
        """Its line in index.json: as in our own, but for what only concerns this machine."""
        entry = nameless(self.image.entry)
        names = {CONTAINERD_NAME: self.name, REF_NAME: self.name} if self.name else {}
        return {**entry, **({"annotations": found} if (found := {**self._annotations, **names}) else {})}


def save(store: Store, texts: list[str], form: str = FORMATS[0]) -> Iterator[bytes]:
    """The archive of the images that `texts` name, in chunks of a few MB.  Raises NotFoundError before the first."""
    return archive(store, [one for text in texts for one in chosen(store, text)], form)


def archive(store: Store, images: Iterable[Saved], form: str) -> Iterator[bytes]:
    """The same of images that are in hand; their blobs are in the store, whether a name leads to them or not."""
    saved = sorted(images, key=lambda one: _text(one.entry))
    files = description(saved)
    if form == FORMATS[0]:
        files["manifest.json"] = _text(_docker_manifest(saved))
    return tarwriter.joined(_archive(store, blobs(saved), files))


def description(saved: list[Saved]) -> dict[str, bytes]:
    """The two files that make a directory with blobs an OCI layout: their names and what is in them."""
    entries: list[Json] = []
    for one in saved:
        if one.entry not in entries:
            entries.append(one.entry)
    return {
        "index.json": _text({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}),
        "oci-layout": _text({"imageLayoutVersion": "1.0.0"}),
    }


def chosen(store: Store, text: str) -> list[Saved]:
    """What `text` stands for: a name without a tag all tags of it, as in Docker; an id or a digest no name."""
    name = None if names.is_whole_id(text) else reference.parse(text)
    if name and not name.digest and name.tag == reference.DEFAULT_TAG and not text.endswith(f":{name.tag}"):
        tags = [image for image in store.images() if image.reference.startswith(f"{name.name}:")]
        if tags:
            return [Saved(image, image.reference) for image in tags]
    image = store.get(text)
    return [Saved(image, image.reference if image.reference == str(name) else "")]


def _text(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def blobs(saved: list[Saved]) -> dict[str, int]:
    """Digest -> size of all that the images are made of, sorted."""
    found: dict[str, int] = {}
    for one in saved:
        manifest = one.image.manifest
        for descriptor in (one.image.entry, manifest["config"], *manifest["layers"]):
            found[descriptor["digest"]] = int(descriptor["size"])
    return dict(sorted(found.items()))


def _docker_manifest(saved: list[Saved]) -> list[Json]:
    """One item for each image, with all of its names; Docker writes null for none.

    The names are whole: podman would take Docker's `alpine:latest` for `localhost/alpine:latest`.
    """
    items: dict[str, Json] = {}
    for one in saved:
        manifest = one.image.manifest
        item = items.setdefault(
            one.image.digest,
            {
                "Config": _member(manifest["config"]["digest"]),
                "RepoTags": None,
                "Layers": [_member(layer["digest"]) for layer in manifest["layers"]],
            },
        )
        if one.name and one.name not in (item["RepoTags"] or []):
            item["RepoTags"] = [*(item["RepoTags"] or []), one.name]
    return list(items.values())


def _member(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


# ---- the tar ----------------------------------------------------------------------------------------------


def _archive(store: Store, blobs: dict[str, int], files: dict[str, bytes]) -> Iterator[bytes]:
    with store.adding():  # nothing is swept away before it is read
        yield tarwriter.directory("blobs") + tarwriter.directory("blobs/sha256")
        for digest, size in blobs.items():
            yield tarwriter.file(_member(digest), size)
            yield from blob(store, digest, size)
            yield tarwriter.padding(size)
    for name, content in sorted(files.items()):
        yield tarwriter.file(name, len(content)) + content + tarwriter.padding(len(content))
    yield tarwriter.end()


def blob(store: Store, digest: str, size: int) -> Iterator[bytes]:
    """The content of a blob, exactly `size` bytes: a header before it has promised them."""
    count = 0
    try:
        with open(store.layout.blob_path(digest), "rb", buffering=0) as file:
            while block := file.read(_READ_BYTES):
                count += len(block)
                yield block
    except OSError as error:
        raise MinirunError(
            f"the image store is damaged: {in_words(error)}", "minirun rmi the image and pull it again"
        ) from error
    if count != size:
        raise MinirunError(
            f"the image store is damaged: blob {digest[7:19]} has {count} bytes instead of {size}",
            "minirun rmi the image and pull it again",
        )


# ---- where it goes ----------------------------------------------------------------------------------------


def write_to(path: str, chunks: Iterable[bytes], mode: int = 0o600) -> None:
    """Write `chunks` to `path`, which then has all of them, and `mode`, or is as it was before.

    What is not a plain file, a fifo or /dev/stdout, is written to as it is.  The new file has no name before it
    is whole (open(2), O_TMPFILE), so that nothing stays of it even after kill -9.
    """
    as_it_is = os.path.exists(path) and not os.path.isfile(path)
    path = path if as_it_is else os.path.realpath(path)
    try:
        opened, flags = (path, 0) if as_it_is else (os.path.dirname(path), os.O_TMPFILE)
        fd = os.open(opened, flags | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise MinirunError(f"invalid output path: {path}: {error.strerror}") from error
    try:
        write_all(fd, chunks)
        if not as_it_is:
            os.fchmod(fd, mode)
            _give_name(fd, path)
    finally:
        os.close(fd)


def _give_name(fd: int, path: str) -> None:
    """link(2) replaces nothing and rename(2) needs a name, so it takes both."""
    temporary = f"{os.path.dirname(path)}/.{os.path.basename(path)[:200]}.{os.urandom(4).hex()}"
    # with a src_dir_fd, which an absolute path ignores, Python calls linkat(2); its link(2) would link the link
    os.link(f"/proc/self/fd/{fd}", temporary, src_dir_fd=fd, follow_symlinks=True)
    try:
        os.rename(temporary, path)
    except OSError as error:
        os.unlink(temporary)
        raise MinirunError(f"invalid output path: {path}: {error.strerror}") from error


def write_all(fd: int, chunks: Iterable[bytes]) -> None:
    """Write `chunks` to an open descriptor."""
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            try:
                rest = rest[os.write(fd, rest) :]
            except OSError as error:
                raise MinirunError(f"the archive cannot be written: {error.strerror}") from error
