"""Manifests: what a registry or an archive says an image is made of, checked before anything believes it.

    index (or Docker's manifest list)  ──platform──>  manifest  ──>  config, layers

Docker's schema 2 differs from OCI's form in its media types only: `for_this_machine` gives one form for both.

See      image-spec image-index.md, manifest.md; distribution-spec; Docker "Image Manifest V 2, Schema 2"
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from minirun.errors import MinirunError, UnsupportedError
from minirun.image.store import INDEX, LAYER, MANIFEST

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from minirun.image.store import Json

BYTES_MAX = 4 << 20  # what registries must take at least (distribution-spec, "Pushing Manifests")
_DEPTH_MAX = 4  # an index in an index is allowed, a circle is not

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPTED = (MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST)
_SCHEMA_1 = (
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
)

_PACKING = {
    LAYER: "",
    f"{LAYER}+gzip": "+gzip",
    f"{LAYER}+zstd": "+zstd",
    "application/vnd.docker.image.rootfs.diff.tar": "",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "+zstd",
}

_OCI = (LAYER, f"{LAYER}+gzip", f"{LAYER}+zstd")

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "riscv64": "riscv64"}
ARCHITECTURE = _ARCHITECTURES.get(os.uname().machine, os.uname().machine)


def parse(content: bytes, what: str) -> Any:
    """The JSON in `content`; `what` names it in the error."""
    if len(content) > BYTES_MAX:
        raise MinirunError(f"{what} is larger than {BYTES_MAX} bytes")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MinirunError(f"{what} is not valid JSON: {error}") from None


def checked_list(value: Any, what: str) -> list[Json]:
    """`value`, if it is a list of JSON objects."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise MinirunError(f"{what} is not a list of objects")
    return value


def text(item: Json, key: str) -> str:
    """The string at `key`."""
    value = item.get(key)
    if not isinstance(value, str):
        raise MinirunError(f"a manifest without a proper {key!r}")
    return value


class Manifest:
    """What an image is made of: descriptors with OCI media types, layers lowest first.

    `original` is the document byte for byte when it was of the OCI form, else empty.
    """

    def __init__(self, config: Json, layers: list[Json], original: bytes) -> None:
        self.config = config
        self.layers = layers
        self.original = original


def for_this_machine(descriptor: Json, fetch: Callable[[Json], bytes], depth: int = 0) -> Manifest:
    """The manifest that `descriptor` leads to, through indexes.

    `fetch(descriptor)` gives a document's bytes, its digest checked.  Raises UnsupportedError for schema 1,
    foreign layers and unknown media types; MinirunError for what is not sound.
    """
    if depth > _DEPTH_MAX:
        raise MinirunError("the index leads to indexes without an end")
    content = fetch(descriptor)
    document = parse(content, f"manifest {descriptor.get('digest', '')}")
    if not isinstance(document, dict):
        raise MinirunError("the manifest is not a JSON object")
    media_type = document.get("mediaType") or descriptor.get("mediaType") or ""
    if document.get("schemaVersion") == 1 or media_type in _SCHEMA_1:
        raise UnsupportedError(
            "the image has a schema 1 manifest, a form given up in 2017", "push it again with a newer docker"
        )
    if media_type in (INDEX, DOCKER_LIST):
        return for_this_machine(_choose(document), fetch, depth + 1)
    if media_type not in ("", MANIFEST, DOCKER_MANIFEST):
        raise UnsupportedError(f"a manifest of unknown type {media_type!r}")
    layers = checked_list(document.get("layers"), "the manifest's layers")
    original = (
        content if media_type == MANIFEST and all(item.get("mediaType") in _OCI for item in layers) else b""
    )
    config = _descriptor(document.get("config"))
    if config["size"] > BYTES_MAX:
        raise MinirunError(f"the image's config is larger than {BYTES_MAX} bytes")
    return Manifest(config, [_layer(item) for item in layers], original)


def _choose(index: Json) -> Json:
    """The entry for this machine; one without a platform counts when nothing says better."""
    entries = checked_list(index.get("manifests"), "the index's manifests")
    for entry in entries:
        platform = entry.get("platform") or {}
        if platform.get("os") == "linux" and platform.get("architecture") == ARCHITECTURE:
            return entry
    unnamed = [entry for entry in entries if not entry.get("platform")]
    if unnamed:
        return unnamed[0]
    offered = ", ".join(sorted({_platform(entry) for entry in entries})) or "none"
    raise UnsupportedError(f"the image is not there for linux/{ARCHITECTURE}: it offers {offered}")


def _platform(entry: Json) -> str:
    platform = entry["platform"]
    return f"{platform.get('os')}/{platform.get('architecture')}"


def _layer(layer: Json) -> Json:
    media_type = text(layer, "mediaType")
    if layer.get("urls") or "foreign" in media_type or "nondistributable" in media_type:
        raise UnsupportedError(
            "the image has a foreign layer, to be fetched from an address of its own choice"
        )
    if media_type not in _PACKING:
        raise UnsupportedError(f"a layer of unknown type {media_type!r}")
    return {"mediaType": LAYER + _PACKING[media_type], **_descriptor(layer)}


def _descriptor(value: Any) -> Json:
    if not isinstance(value, dict) or not isinstance(value.get("size"), int) or value["size"] < 0:
        raise MinirunError("a descriptor without a proper size")
    return {"digest": text(value, "digest"), "size": value["size"]}
