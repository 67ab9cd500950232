"""Manifests: what a registry or an archive says an image is made of, checked before anything believes it.

    index (or Docker's manifest list)  ──platform──>  manifest  ──>  config, layers

Docker's schema 2 differs from OCI's form in its media types only: `for_platform` gives one form for both.

See      image-spec image-index.md, manifest.md; distribution-spec; Docker "Image Manifest V 2, Schema 2"
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from minirun.errors import MinirunError, UnsupportedError
from minirun.image import config, platforms
from minirun.image.mediatypes import CONFIG, DOCUMENT_BYTES_MAX, INDEX, LAYER, MANIFEST
from minirun.image.reference import is_digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from minirun.image.mediatypes import Json
    from minirun.image.platforms import Platform

BYTES_MAX = DOCUMENT_BYTES_MAX
_INDEXES_MAX = 4  # an index in an index is allowed, a circle is not
_NESTING_MAX = 64  # of JSON; real manifests and configs have about six levels
_LAYERS_MAX = 500  # what the kernel's overlay takes (OVL_MAX_STACK)

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

_CONFIGS = (
    "",
    "application/octet-stream",  # both from tools older than OCI
    CONFIG,
    "application/vnd.docker.container.image.v1+json",
)
_ATTESTATION = "vnd.docker.reference.type"  # annotation of what docker build puts beside an image


# ---- JSON -------------------------------------------------------------------------------------------------


def parse(content: bytes, what: str) -> Any:
    """The JSON in `content`; `what` names it in the error."""
    if len(content) > BYTES_MAX:
        raise MinirunError(f"{what} is larger than {BYTES_MAX} bytes")
    try:
        value = json.loads(content)
        _check_nesting(value, _NESTING_MAX)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise MinirunError(f"{what} is not valid JSON: {reason}") from None
    return value


def parse_object(content: bytes, what: str) -> Json:
    """The same, if it is a JSON object."""
    value = parse(content, what)
    if not isinstance(value, dict):
        raise MinirunError(f"{what} is not a JSON object")
    return value


def _check_nesting(value: Any, levels: int) -> None:
    """Whoever writes it out again goes down as deep as it is."""
    if levels == 0:
        raise RecursionError
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            _check_nesting(item, levels - 1)


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


def _quoted(value: Any) -> str:
    """What a document says, fit for a message: escaped, and not a megabyte of it."""
    words = repr(value)
    return words if len(words) <= 100 else f"{words[:100]}..."


# ---- manifests --------------------------------------------------------------------------------------------


class Manifest:
    """What an image is made of: descriptors with OCI media types, layers lowest first.

    `original` is the document byte for byte when it was of the OCI form, else empty.
    """

    def __init__(self, config: Json, layers: list[Json], original: bytes) -> None:
        self.config = config
        self.layers = layers
        self.original = original


def for_platform(
    descriptor: Json, fetch: Callable[[Json], bytes], platform: Platform | None = None
) -> Manifest:
    """The manifest for `platform` (this machine's without one) that `descriptor` leads to, through indexes.

    `fetch(descriptor)` gives a document's bytes, its digest checked.  Raises UnsupportedError for schema 1,
    foreign layers and unknown media types; MinirunError for what is not sound.
    """
    wanted = platform or platforms.own()
    for _ in range(_INDEXES_MAX + 1):
        content = fetch(descriptor)
        document = parse_object(content, f"the manifest {descriptor.get('digest', '')}".rstrip())
        media_type = _media_type(document, descriptor)
        if media_type not in (INDEX, DOCKER_LIST):
            return _manifest(document, media_type, content)
        descriptor = _choose(document, wanted)
    raise MinirunError("the index leads to indexes without an end")


def _media_type(document: Json, descriptor: Json) -> str:
    """What `document` is.  One that could be read as either kind is refused: CVE-2021-41190."""
    media_type = document.get("mediaType") or descriptor.get("mediaType") or ""
    if document.get("schemaVersion") == 1 or media_type in _SCHEMA_1:
        raise UnsupportedError(
            "the image has a schema 1 manifest, a form given up in 2017", "push it again with a newer docker"
        )
    if media_type not in ("", *ACCEPTED):
        raise UnsupportedError(f"a manifest of unknown type {_quoted(media_type)}")
    is_index, is_manifest = "manifests" in document, "layers" in document or "config" in document
    if is_index and is_manifest:
        raise MinirunError("the manifest is an index and a manifest at the same time")
    return media_type or (INDEX if is_index else "")


def _manifest(document: Json, media_type: str, content: bytes) -> Manifest:
    layers = checked_list(document.get("layers") or [], "the manifest's layers")
    if len(layers) > _LAYERS_MAX:
        raise UnsupportedError(f"the image has {len(layers)} layers, and overlayfs takes {_LAYERS_MAX}")
    listed = isinstance(document.get("layers"), list)  # others read null as none, but not everybody
    oci = media_type == MANIFEST and listed and all(item.get("mediaType") in _OCI for item in layers)
    described = sound_descriptor(document.get("config"))
    if described["size"] > BYTES_MAX:
        raise MinirunError(f"the image's config is larger than {BYTES_MAX} bytes")
    kind = document["config"].get("mediaType") or ""
    if kind not in _CONFIGS:
        raise UnsupportedError(f"this is not an image but an artifact of type {_quoted(kind)}")
    return Manifest(described, [_layer(item) for item in layers], content if oci else b"")


def _choose(index: Json, wanted: Platform) -> Json:
    """The entry for `wanted`; one without a platform counts when nothing says better."""
    entries = [
        entry
        for entry in checked_list(index.get("manifests"), "the index's manifests")
        if not _is_beside(entry)
    ]
    for platform in platforms.compatible(wanted):
        for entry in entries:
            if entry.get("platform") and platforms.of(entry["platform"]) == platform:
                return _pointed_at(entry)
    unnamed = [entry for entry in entries if not entry.get("platform")]
    if unnamed:
        return _pointed_at(unnamed[0])
    offered = sorted({platforms.show(platforms.of(entry["platform"])) for entry in entries})
    raise UnsupportedError(
        f"the image is not there for {platforms.show(wanted)}: it offers {', '.join(offered[:20]) or 'none'}"
    )


def _is_beside(entry: Json) -> bool:
    """Whether an entry is about an image and not one: provenance, a list of its parts, a signature."""
    annotations = entry.get("annotations")
    attests = isinstance(annotations, dict) and _ATTESTATION in annotations
    return attests or (bool(entry.get("platform")) and platforms.of(entry["platform"]) == platforms.UNKNOWN)


def _pointed_at(entry: Json) -> Json:
    """Without a digest it would be asked for by the tag, and lead back to where it is from."""
    return {**entry, **sound_descriptor(entry)}


def _layer(layer: Json) -> Json:
    media_type = text({"mediaType": layer.get("mediaType") or f"{LAYER}+gzip"}, "mediaType")
    if layer.get("urls") or "foreign" in media_type or "nondistributable" in media_type:
        raise UnsupportedError(
            "the image has a foreign layer, to be fetched from an address of its own choice"
        )
    if media_type not in _PACKING:
        raise UnsupportedError(f"a layer of unknown type {_quoted(media_type)}")
    return {"mediaType": LAYER + _PACKING[media_type], **sound_descriptor(layer)}


def sound_descriptor(value: Any) -> Json:
    """The digest and the size in `value`.  Raises MinirunError, UnsupportedError for a digest that is not sha256."""
    if not isinstance(value, dict) or type(value.get("size")) is not int or value["size"] < 0:
        raise MinirunError("a descriptor without a proper size")
    if not is_digest(text(value, "digest")):
        raise UnsupportedError(f"{_quoted(value['digest'])} is not a sha256 digest")
    return {"digest": value["digest"], "size": value["size"]}


# ---- config -----------------------------------------------------------------------------------------------
def checked_config(document: Any, layers: int) -> Json:
    """`document` as config.py reads it, if it is the config of an image of `layers` layers, else MinirunError.

    All that is read of it later is looked at now: see image-spec config.md.
    """
    _check_can_be_used(document)
    document = config.read(document)
    for key, there in (("os", _is_text), ("architecture", _is_text), ("rootfs", _is_object)):
        if not there(document.get(key)):
            raise _odd(key)
    diff_ids = document["rootfs"].get("diff_ids")
    if not _is_list(diff_ids, _is_digest):
        raise _odd("rootfs.diff_ids")
    for key, sound in _OPTIONAL.items():
        value = _at(document, key)
        if value is not None and not sound(value):
            raise _odd(key)
    if len(diff_ids) != layers:
        raise MinirunError(f"the image has {layers} layers and its config {len(diff_ids)}: they do not match")
    checked: Json = document
    return checked


def _check_can_be_used(document: Any) -> None:
    """Text that UTF-8 or a C string cannot hold would surface in execve(2), long after."""
    if not isinstance(document, dict):
        raise MinirunError("the image's config is not one: it is not a JSON object")
    try:
        _check_nesting(document, _NESTING_MAX)
        content = json.dumps(document, ensure_ascii=False).encode()
    except (RecursionError, UnicodeEncodeError):
        raise MinirunError("the image's config is not one: too deeply nested, or not Unicode") from None
    if b"\\u0000" in content:
        raise MinirunError("the image's config is not one: there are NUL characters in it")


def _odd(key: str) -> MinirunError:
    return MinirunError(f"the image's config is not one: its {key} is missing or odd")


def _at(document: Json, key: str) -> Any:
    """The value at `key`, where a dot leads one level down; None when it is not there."""
    outer, dot, inner = key.partition(".")
    value = document.get(outer)
    return value.get(inner) if dot and isinstance(value, dict) else value


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and is_digest(value)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_list(value: Any, sound: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(sound, value))


def _is_texts(value: Any) -> bool:
    return _is_list(value, _is_text)


def _is_labels(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_healthcheck(value: Any) -> bool:
    """Docker's extension: what to run, and nanoseconds and a number, Go's int64."""
    if not isinstance(value, dict) or not _is_texts(value.get("Test") or []):
        return False
    numbers = [value.get(key) or 0 for key in _HEALTH_NUMBERS]
    return all(isinstance(number, int) and 0 <= number < 2**63 for number in numbers)


def _is_step(value: Any) -> bool:
    """One line of the history."""
    words = ("created", "created_by", "author", "comment")
    return isinstance(value, dict) and all(_is_text(value.get(word) or "") for word in words)


_HEALTH_NUMBERS = ("Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")
_OPTIONAL: dict[str, Callable[[Any], bool]] = {
    "variant": _is_text,
    "created": _is_text,
    "author": _is_text,
    "history": lambda value: _is_list(value, _is_step),
    "config": _is_object,
    **dict.fromkeys(("config.Env", "config.Cmd", "config.Entrypoint", "config.Shell"), _is_texts),
    "config.OnBuild": _is_texts,
    **dict.fromkeys(("config.User", "config.WorkingDir", "config.StopSignal"), _is_text),
    **dict.fromkeys(("config.ExposedPorts", "config.Volumes"), _is_object),
    "config.Healthcheck": _is_healthcheck,
    "config.Labels": _is_labels,
}  # null counts as missing
