"""Names lead to images: finding the one that is meant, giving names, taking images into the index.

    alpine, me/tool:1.2       a reference, as reference.py completes it
    alpine@sha256:31e3...     a name and the manifest's digest, or the one the registry knows it by
    sha256:..., 64 digits     an id, never a name
    beef                      four digits or more: the beginning of an id or of a digest, when no name is like it

Finding an image that is here is on the way of every `run`: json and nothing heavier is imported for it.

See      docs.docker.com "docker image tag"
Next     store.py
"""

from __future__ import annotations

from minirun.errors import NotFoundError, UsageError
from minirun.image import reference
from minirun.image.image import Image, add_manifest
from minirun.image.mediatypes import INDEX, ORIGIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.image.layout import Layout
    from minirun.image.mediatypes import Json
    from minirun.image.reference import Reference

# Another tool may put an index into the layout (skopeo copy --all): kept, but not an image to run.
_INDEXES = (INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")


# ---- finding ----------------------------------------------------------------------------------------------


def images(layout: Layout) -> list[Image]:
    """Every name, in the order they came; an image with two names is there twice."""
    return [Image(layout, entry) for entry in layout.entries() if entry.get("mediaType") not in _INDEXES]


def find(layout: Layout, text: str) -> Image | None:
    """The image that `text` names: a reference, name@digest, an id or the beginning of one.

    Raises UsageError when `text` cannot be a name, or begins the ids of several images.
    """
    found = images(layout)
    if not is_whole_id(text) and (image := _by_name(found, text)):
        return image
    return _by_id(found, text) if _is_beginning_of_id(text) else None


def get(layout: Layout, text: str) -> Image:
    """As `find`, but raises NotFoundError with Docker's words."""
    image = find(layout, text)
    if image is None:
        raise NotFoundError(f"No such image: {text}", "minirun images lists those that are here")
    return image


def is_whole_id(text: str) -> bool:
    """Whether it is an id from its first to its last digit, which no name can be."""
    return text.startswith("sha256:") or (len(text) == 64 and reference.is_hex(text))


def is_name_of(text: str, image: Image) -> bool:
    """Whether `text` is a name, not an id, that leads to `image`."""
    return not is_whole_id(text) and _by_name([image], text) is not None


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


def _is_beginning_of_id(text: str) -> bool:
    digits = text.removeprefix("sha256:")
    return 4 <= len(digits) <= 64 and reference.is_hex(digits)


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


# ---- naming -----------------------------------------------------------------------------------------------


def add(layout: Layout, entries: list[Json]) -> list[Image]:
    """Put images whose blobs are here into the index, all in one change of it."""
    from minirun.image import index

    layout.change_entries(lambda old: index.added(old, entries))
    return [Image(layout, entry) for entry in entries]


def add_image(
    layout: Layout,
    config: Json,
    layers: list[Json],
    name: Reference | None,
    *,
    origin: str = "",
    original: bytes = b"",
) -> Image:
    """Put one image whose blobs are here into the index, under `name` or without one.

    `origin` is the registry's digest; the others are those of image.add_manifest.
    """
    from minirun.image import index

    return add(layout, [index.named(add_manifest(layout, config, layers, original), name, origin)])[0]


def tag(layout: Layout, image: Image, name: Reference) -> None:
    """Give `image` another name; what had that name loses it."""
    from minirun.image import index

    annotations = index.named_now(name)
    if image.reference and reference.parse(image.reference).name == name.name:
        annotations[ORIGIN] = image.origin  # the registry's digest goes for all tags of a repository
    add(layout, [{**image.entry, "annotations": annotations}])


def set_origin(layout: Layout, image: Image, digest: str) -> None:
    """Note that a registry knows the image by `digest` now, under the name it has here."""
    from minirun.image import index

    entry = index.with_origin(image.entry, digest)
    layout.change_entries(lambda entries: [entry if old == image.entry else old for old in entries])
