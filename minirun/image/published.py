"""What a registry has under a name, without pulling it: `manifest inspect`.

    NAME  ──> an index      entries, each for a platform  ──> manifests
          └─> a manifest    config and layers

See      docs.docker.com "docker manifest inspect"
By hand  skopeo inspect --raw docker://NAME
Next     registry.py
"""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import TYPE_CHECKING

from minirun.errors import MinirunError, UnsupportedError
from minirun.image import manifests, platforms
from minirun.image.mediatypes import INDEX, MANIFEST
from minirun.image.registry import Registry

if TYPE_CHECKING:
    from typing import Any

    from minirun.image.mediatypes import Json
    from minirun.image.reference import Reference
    from minirun.image.settings import Settings

ENTRIES_MAX = 100  # of an index, each of which costs two requests to describe


def document(name: Reference, settings: Settings) -> Any:
    """The JSON of the manifest or index."""
    return _fetch(_registry(name, settings), name, {})[1]


def described(name: Reference, settings: Settings) -> Json | list[Json]:
    """The same with its descriptor, as Docker's `--verbose`; of an index, each of its entries.

    Raises UnsupportedError for an index of more than ENTRIES_MAX.
    """
    registry = _registry(name, settings)
    descriptor: Json = {"digest": name.digest} if name.digest else {}
    content, found = _fetch(registry, name, descriptor)
    kind = found.get("mediaType") or descriptor.get("mediaType") or ""
    if kind not in (INDEX, manifests.DOCKER_LIST) and "manifests" not in found:
        digest = f"sha256:{sha256(content).hexdigest()}"
        own = {"mediaType": kind or MANIFEST, "digest": digest, "size": len(content)}
        return _described(registry, name.familiar, own, content, found)
    entries = manifests.checked_list(found.get("manifests"), "the index's manifests")
    if len(entries) > ENTRIES_MAX:
        raise UnsupportedError(
            f"{name.familiar} has {len(entries)} manifests, and {ENTRIES_MAX} at most are described",
            "without --verbose the index is shown as it is",
        )
    several = []
    for entry in entries:
        own = {"mediaType": manifests.text(entry, "mediaType"), **manifests.sound_descriptor(entry)}
        content, below = _fetch(registry, name, dict(own))
        if platform := entry.get("platform"):
            own["platform"] = platform
        several.append(_described(registry, f"{name.familiar}@{own['digest']}", own, content, below))
    return several


def _registry(name: Reference, settings: Settings) -> Registry:
    return Registry(name.registry, name.repository, settings)


def _fetch(registry: Registry, name: Reference, descriptor: Json) -> tuple[bytes, Json]:
    content = registry.manifest(descriptor.get("digest") or name.digest or name.tag, descriptor)
    return content, manifests.parse_object(content, f"the manifest of {name.familiar}")


def _described(registry: Registry, ref: str, descriptor: Json, content: bytes, found: Json) -> Json:
    config = found.get("config")
    if "platform" not in descriptor and isinstance(config, dict):
        descriptor["platform"] = _platform(registry, config)
    kind = "OCIManifest" if descriptor["mediaType"] == MANIFEST else "SchemaV2Manifest"
    return {"Ref": ref, "Descriptor": descriptor, "Raw": base64.b64encode(content).decode(), kind: found}


def _platform(registry: Registry, config: Json) -> Json:
    """Which the config is for; an image that was built alone has it only there."""
    checked = manifests.sound_descriptor(config)
    what = f"the config {checked['digest']}"
    if checked["size"] > manifests.BYTES_MAX:
        raise MinirunError(f"{what} is larger than {manifests.BYTES_MAX} bytes")
    found = manifests.parse_object(b"".join(registry.blob(checked)), what)
    if platforms.of(found) == platforms.UNKNOWN:
        return {}
    return {key: found[key] for key in ("architecture", "os", "os.version", "variant") if found.get(key)}
