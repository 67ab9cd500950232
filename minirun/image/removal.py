"""`rmi` and `image prune`: names go, and what no name and no container needs any more goes with them.

    a name of several           the name goes
    the last name               the image goes, too: refused when a container was made from it
      forced                    the name goes; the image stays without one until its containers are gone
    an id                       all its names go: refused when they are several, unless forced
    prune                       images without a name, `all` those without a container

What a container stands on never goes: the sweep asks for the claims on layers (sweep.py).

See      docs.docker.com "docker image rm", "docker image prune"
"""

from __future__ import annotations

from minirun.errors import ConflictError
from minirun.image import chain, names, reference, usage
from minirun.image.image import diff_ids_of, id_of
from minirun.image.index import name_of, nameless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.image.image import Image
    from minirun.image.mediatypes import Json
    from minirun.image.store import Store
    from minirun.image.sweep import Claim


def remove(store: Store, text: str, *, force: bool = False, platform: str = "") -> list[str]:
    """`rmi text`: take the name away, and with the last one the image.

    Returns Docker's lines; raises ConflictError, in Docker's words, where the image is in use or has more names, and
    NotFoundError where it is not there or not for `platform`.
    """
    image = store.get(text)
    image.require(platform, text)
    image_id = id_of(image)
    same = [other for other in store.images() if _same(other, image)]
    by_name = names.is_name_of(text, image)
    going = [image] if by_name else same
    user = users(store).get(image_id) if len(going) == len(same) else None
    _check(text, (image_id or image.digest)[7:19], going, user, by_name, force)
    return untag(store, going, keep=user is not None)


def users(store: Store) -> dict[str, Claim]:
    """Image id -> a claim of one who was made from it; of one that runs, if any does.

    A store without claims knows of none: nothing is refused then, and the sweep leaves the unpacked layers.
    """
    claims = list(store.claims()) if store.claims else []
    return {one.image_id: one for one in sorted(claims, key=lambda one: one.running) if one.image_id}


def _same(one: Image, other: Image) -> bool:
    """Whether they are one image, under two names or in two packings; a damaged one has no id to tell by."""
    return one.digest == other.digest or id_of(one) == id_of(other) != ""


def _check(text: str, short: str, going: list[Image], user: Claim | None, by_name: bool, force: bool) -> None:
    if user and by_name and not force:
        raise ConflictError(
            f"conflict: unable to remove repository reference {text!r} (must force)"
            f" - {user.reason} is using its referenced image {short}"
        )
    can_force = not (user and user.running) and any(image.reference for image in going)
    if user and not by_name and not (force and can_force):
        raise ConflictError(
            f"conflict: unable to delete {short} ({'must' if can_force else 'cannot'} be forced) - image is being"
            f" used by {'running' if user.running else 'stopped'} {user.reason}"
        )
    if len(going) > 1 and not force:
        raise ConflictError(
            f"conflict: unable to delete {short} (must be forced)"
            " - image is referenced in multiple repositories"
        )


def untag(store: Store, going: list[Image], *, keep: bool = False) -> list[str]:
    """Remove names, and images with their last one; `keep`: the images stay, nameless.  Returns Docker's lines."""
    entries = [image.entry for image in going]
    leaving = {(entry["digest"], name_of(entry)) for entry in entries}
    before = [(id_of(image), chains(image)) for image in going]

    def change(old: list[Json]) -> list[Json]:
        kept = [entry for entry in old if (entry["digest"], name_of(entry)) not in leaving]
        here = {entry["digest"] for entry in kept}
        bare = {entry["digest"]: nameless(entry) for entry in entries if entry["digest"] not in here}
        return kept + list(bare.values() if keep else ())

    store.layout.change_entries(change)
    left = store.images()
    lines = _untagged(going, left)
    if not keep:
        store.sweep()
        lines += _deleted(before, left)
    return lines


def _untagged(going: list[Image], left: list[Image]) -> list[str]:
    """Each name, and after the last of a repository the digest it was known by there."""
    known = {_repository_digest(image) for image in left}
    last = {_repository_digest(image): index for index, image in enumerate(going)}
    lines: list[str] = []
    for index, image in enumerate(going):
        if not image.reference:
            continue
        name = reference.parse(image.reference)
        lines += [f"Untagged: {name.familiar}"] if name.tag else []
        digest = _repository_digest(image)
        if digest not in known and last[digest] == index:
            lines.append(f"Untagged: {digest}")
    return lines


def _repository_digest(image: Image) -> str:
    """`alpine@sha256:...`"""
    return f"{reference.parse(image.reference).familiar_name}@{image.origin}" if image.reference else ""


def _deleted(before: list[tuple[str, list[str]]], left: list[Image]) -> list[str]:
    """The images that are gone, each with the layers that went with it, uppermost first."""
    ids = {id_of(image) for image in left}
    held = {layer for image in left for layer in chains(image)}
    gone = [[image_id, *reversed(layers)] for image_id, layers in before if image_id and image_id not in ids]
    every = [digest for digests in gone for digest in digests if digest not in held]
    return [f"Deleted: {digest}" for digest in dict.fromkeys(every)]


def chains(image: Image) -> list[str]:
    """The chain ids of an image's layers, lowest first: what Docker calls a layer by."""
    return chain.chain_ids(diff_ids_of(image))


# ---- prune ------------------------------------------------------------------------------------------------


def prune(store: Store, wanted: Callable[[Image], bool], *, every: bool) -> tuple[list[str], int]:
    """Remove nameless images that nobody uses, or `every` such image; only those that are `wanted`.

    Returns Docker's lines, and how many bytes of disk it brought back.
    """
    before = sum(usage.footprint(store.paths).values())
    used = users(store)
    going = [
        image
        for image in store.images()
        if id_of(image) not in used and (every or not image.reference) and wanted(image)
    ]
    lines = untag(store, going) if going else []
    store.sweep(partial=True)
    return lines, max(0, before - sum(usage.footprint(store.paths).values()))
