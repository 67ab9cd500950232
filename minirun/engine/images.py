"""What is done to images, each act with its event: every command, and whoever builds images, goes through here.

image/ knows no containers.  So this hands it what they claim: `store` is the one store that may sweep unpacked
layers away, and `lease` keeps those of an image until the container that is being made from it claims them.

See      moby daemon/images/image_events.go for the events' words; image/store.py, image/sweep.py
"""

from __future__ import annotations

import os

from minirun.engine import events, records
from minirun.files import visible_names
from minirun.image import reference
from minirun.image.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from io import BufferedReader
    from typing import BinaryIO

    from minirun.engine.record_types import Record
    from minirun.files import locked
    from minirun.image.image import Image
    from minirun.image.mediatypes import Json
    from minirun.image.progress import Progress
    from minirun.image.reference import Reference
    from minirun.image.sweep import Claim
    from minirun.paths import Paths


def store(paths: Paths) -> Store:
    """The images here, with what containers claim of their layers.  Those who only look take a plain Store."""
    return Store(paths, lambda: claims(paths))


def lease(paths: Paths) -> locked:
    """Held from before a container's layers are chosen until its record is on disk: nobody sweeps them away."""
    return Store(paths).lease()


def claims(paths: Paths) -> Iterator[Claim]:
    """One for each container there is, stopped ones too; and one for the steps that a build need not do again.

    A record that cannot be read or understood may name any layer: its claim is on all of them.
    """
    from minirun.image.sweep import Claim

    kept = [layer for name in visible_names(paths.build_cache) for layer in name.split(".")[1:2]]
    yield Claim(kept, "the build cache")
    try:
        for directory in records.damaged(paths):
            yield Claim(None, _short(os.path.basename(directory)))
        for record in records.list_all(paths):
            running = record["state"]["status"] == "running"
            yield Claim(record["layers"], _short(record["id"]), image_id=record["image_id"], running=running)
            for mount in record["mounts"]:
                if mount["layers"]:
                    yield Claim(mount["layers"], _short(record["id"]))
    except OSError as error:
        yield Claim(None, f"a container, {error.filename or paths.containers}: {error.strerror},")


def used(paths: Paths) -> set[str]:
    """The ids of the images that containers, running or not, were made from."""
    return {claim.image_id for claim in claims(paths) if claim.image_id}


def _short(container_id: str) -> str:
    return f"container {container_id[:12]}"


def layers_kept_for(paths: Paths) -> list[str]:
    """Whose damaged records keep a sweep from removing unpacked layers, as in `container 4f5e6a7b8c9d`."""
    from minirun.image import sweep

    return sweep.unknown(claims(paths))


# ---- from and to a registry -------------------------------------------------------------------------------


def ensure(
    paths: Paths, text: str, policy: str = "missing", progress: Progress | None = None, platform: str = ""
) -> Image:
    """The image `text`, from here or, as `policy` (missing, always, never) allows, from its registry.

    Raises NotFoundError when it is not to be had, UsageError for what is no name or no platform.
    """
    from minirun.image import pull_policy

    image = pull_policy.ensure(store(paths), text, policy, progress, platform)
    if image.pulled:
        _emit_exchange(paths, "pull", text)
    return image


def pull(paths: Paths, text: str, progress: Progress | None = None, platform: str = "") -> Image:
    """The image `text` as its registry has it now."""
    return ensure(paths, text, "always", progress, platform)


def pull_all_tags(
    paths: Paths, text: str, progress: Progress | None = None, platform: str = ""
) -> list[Image]:
    """Every tag of the repository `text`, one after the other.  A failure leaves those before it here."""
    from minirun.errors import NotFoundError
    from minirun.image.pull_policy import naming_what_is_here
    from minirun.image.registry import Registry

    name, images = reference.parse(text), store(paths)
    with naming_what_is_here(images):
        tags = Registry(name.registry, name.repository, images.settings).tags()
    if not tags:
        raise NotFoundError(f"{name.name} has no tags")
    return [pull(paths, f"{name.name}:{tag}", progress, platform) for tag in tags]


def pinned(paths: Paths, text: str) -> str:
    """The image `text` with the digest that its registry has for its tag now; nothing is pulled."""
    from hashlib import sha256

    from minirun.image.registry import Registry

    name = reference.parse(text)
    if not name.digest:
        manifest = Registry(name.registry, name.repository, store(paths).settings).manifest(name.tag, {})
        name.digest = f"sha256:{sha256(manifest).hexdigest()}"
    return str(name)


def push(
    paths: Paths,
    text: str,
    progress: Progress | None = None,
    *,
    all_tags: bool = False,
    platform: str = "",
) -> None:
    """Send the image `text`, or all that share its repository, to the registry its name begins with.

    Raises NotFoundError when an image is not here, or not for `platform`.
    """
    from minirun.image import push as pushing
    from minirun.image.progress import Progress as Silent

    images = store(paths)
    pushing.push(
        *(reference.parse(text), images, images.settings, progress or Silent()),
        all_tags=all_tags,
        platform=platform,
    )
    _emit_exchange(paths, "push", text)


def _emit_exchange(paths: Paths, action: str, text: str) -> None:
    """`pull` or `push`: with a registry it is all about names."""
    name = reference.parse(text)
    events.emit(paths, "image", action, name.familiar, {"name": name.familiar_name})


# ---- names, and what goes with the last one ---------------------------------------------------------------


def tag(paths: Paths, source: str, target: str) -> None:
    """Give the image `source` the name `target` as well.  Raises UsageError for a name with a digest."""
    from minirun.errors import UsageError
    from minirun.image import names

    name = reference.parse(target)
    if name.digest:
        raise UsageError("refusing to create a tag with a digest reference")
    images = Store(paths)
    image = images.get(source)
    names.tag(images.layout, image, name)
    _emit_tag(paths, image, target)


def add(paths: Paths, entry: Json, names: Sequence[Reference]) -> Image:
    """Put an image whose blobs are here into the index, under all of `names` or without one, in one change of it.

    For use within `Store.adding()`; what had one of the names loses it.
    """
    from minirun.image import index
    from minirun.image import names as naming

    entries = [index.named(entry, name) for name in names] or [entry]
    image = naming.add(Store(paths).layout, entries)[0]
    for name in names:
        _emit_tag(paths, image, str(name))
    return image


def remove(paths: Paths, text: str, *, force: bool = False, platform: str = "") -> list[str]:
    """Take the name `text` away, or all of an id; the image goes with its last name.  Returns Docker's lines.

    Raises ConflictError when a container was made from it, or when an id has several names, NotFoundError when it is
    not for `platform`; see image/removal.py.
    """
    from minirun.image import removal

    images = store(paths)
    before = _ids(images)
    lines = removal.remove(images, text, force=force, platform=platform)
    _emit_removal(paths, before, lines)
    return lines


def prune(
    paths: Paths, wanted: Callable[[Image], bool] = lambda image: True, *, every: bool = False
) -> tuple[list[str], int]:
    """Remove nameless images that no container uses, or `every` such image; and what killed pulls left.

    Returns Docker's lines, and the bytes of disk that came back.
    """
    from minirun.image import removal

    images = store(paths)
    before = _ids(images)
    lines, reclaimed = removal.prune(images, wanted, every=every)
    _emit_removal(paths, before, lines)
    events.emit(paths, "image", "prune", "", {"reclaimed": str(reclaimed)})
    return lines, reclaimed


def _ids(images: Store) -> dict[str, str]:
    """What a line of a removal may name, a familiar name or an id -> the id of the image it stands for."""
    from minirun.image.image import id_of

    found: dict[str, str] = {}
    for image in images.images():
        found[id_of(image)] = id_of(image)
        if image.reference:
            found[reference.parse(image.reference).familiar] = id_of(image)
    return found


def _emit_removal(paths: Paths, ids: dict[str, str], lines: Iterable[str]) -> None:
    """`lines` are Docker's, from the removal; those about layers and digests are no events."""
    actions = {"Untagged": "untag", "Deleted": "delete"}
    for line in lines:
        done, _, what = line.partition(": ")
        if what in ids:
            events.emit(paths, "image", actions[done], ids[what], {"name": ids[what]})


def _emit_tag(paths: Paths, image: Image, name: str) -> None:
    attributes = {**_labels(image), "name": reference.parse(name).familiar}
    events.emit(paths, "image", "tag", image.id, attributes)


# ---- from and to files and containers ---------------------------------------------------------------------


def load(paths: Paths, source: str | BinaryIO, platform: str = "") -> list[Image]:
    """Take in every image of an archive, a path or an open file; of one for several platforms that one."""
    from minirun.image import archive, platforms

    images = archive.load(store(paths), source, platforms.parse(platform) if platform else None)
    for image in images:
        _emit(paths, "load", image)
    return images


def save(
    paths: Paths,
    texts: Sequence[str],
    write: Callable[[Iterable[bytes]], None],
    form: str = "docker-archive",
    platform: str = "",
) -> None:
    """Have `write` write the archive of the images that `texts` name, in chunks.

    Raises NotFoundError before `write` is called, also where an image is not for `platform`.
    """
    from minirun.image import save as saving

    images = store(paths)
    saved = [(one.image, text) for text in texts for one in saving.chosen(images, text)]
    for image, text in saved:
        image.require(platform, text)
    write(saving.save(images, list(texts), form))
    for image, _ in saved:
        _emit(paths, "save", image)


def import_tree(
    paths: Paths,
    file: BufferedReader,
    name: str = "",
    *,
    changes: Sequence[str] = (),
    message: str = "",
    platform: str = "",
) -> Image:
    """An image of one layer from the tar of a tree, packed or not: `import`.

    `changes` are instructions of a Dockerfile; `message` goes into the history; `platform` is this machine's
    unless it is given.
    """
    from minirun.image import derive, instructions, platforms

    wanted = reference.of_new_image(name)
    config = instructions.apply({}, list(changes))
    machine = platforms.parse(platform) if platform else platforms.own()
    step = {"created": records.now(), "comment": message}
    image = derive.from_tar(store(paths), file, config, step, wanted, machine)
    if name:
        _emit_tag(paths, image, name)
    _emit(paths, "import", image)
    return image


def commit(
    paths: Paths,
    record: Record,
    name: str = "",
    *,
    author: str = "",
    message: str = "",
    changes: Sequence[str] = (),
    pause: bool = True,
) -> Image:
    """An image of a container as it is now.  `changes` are instructions of a Dockerfile, for the image's config."""
    from minirun.engine.files import commit as committing

    wanted = reference.of_new_image(name)
    image = committing.commit(
        store(paths), record, wanted, author=author, message=message, instructions=list(changes), pause=pause
    )
    if name:
        _emit_tag(paths, image, name)
    events.of_container(paths, record, "commit", comment=message, imageID=image.id, imageRef=name)
    return image


def _emit(paths: Paths, action: str, image: Image) -> None:
    """`load`, `save`, `import`."""
    events.emit(paths, "image", action, image.id, {**_labels(image), "name": image.id})


def _labels(image: Image) -> dict[str, str]:
    return image.config.get("Labels") or {}
