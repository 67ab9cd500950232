"""pull, images and tag: images come in, and are listed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from minirun.cli import filters, format, progress, refused_options, units
from minirun.cli.printing import say
from minirun.engine import images as engine
from minirun.errors import MinirunError, UsageError
from minirun.image import reference
from minirun.image.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.cli.format import Row
    from minirun.image.image import Image
    from minirun.paths import Paths


@click.command("pull", short_help="Download an image from a registry")
@refused_options.as_it_is("--disable-content-trust")
@click.option("-a", "--all-tags", is_flag=True, help="Download every tag of the repository.")
@click.option("--platform", default="", help="OS/ARCHITECTURE[/VARIANT], where it is not this machine's.")
@click.option("-q", "--quiet", is_flag=True, help="Print the image's name only.")
@click.argument("name")
@click.pass_obj
def pull_command(paths: Paths, all_tags: bool, platform: str, quiet: bool, name: str) -> None:
    """Download an image from a registry."""
    parsed = reference.parse(name)
    if all_tags and (parsed.digest or _has_tag(name)):
        raise UsageError("tag can't be used with --all-tags/-a")
    if not quiet and not all_tags and not parsed.digest and not _has_tag(name):
        say(f"Using default tag: {parsed.tag}")
    with progress.show(sys.stdout, quiet) as news:
        if all_tags:
            engine.pull_all_tags(paths, name, news, platform)
        else:
            image = engine.pull(paths, name, news, platform)
    say(parsed.name if all_tags else image.reference)


def _has_tag(name: str) -> bool:
    return ":" in name.rpartition("/")[2]


# ---- images -----------------------------------------------------------------------------------------------

_HEADINGS = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "VirtualSize": "SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
    "Containers": "CONTAINERS",
}
_COLUMNS = ["Repository", "Tag", "ID", "CreatedSince", "Size"]
_FILTERS = ("dangling", "label", "label!", "reference", "before", "since", "until")


@click.command("images", short_help="List images")
@click.option("-q", "--quiet", is_flag=True, help="Print ids only.")
@click.option(
    "-a",
    "--all",
    "every",
    is_flag=True,
    help="With --tree, those without a name, too; they are always in the list.",
)
@click.option("--no-trunc", is_flag=True, help="Print whole ids.")
@click.option("--digests", is_flag=True, help="Add the digest the registry knows the image by.")
@click.option("-f", "--filter", "words", multiple=True, help=f"KEY=VALUE; {', '.join(_FILTERS)}.")
@click.option("--format", "form", default="", help="json, 'table {{.ID}}', '{{.Repository}}:{{.Tag}}'.")
@click.option("--tree", is_flag=True, help="Show what each is for, what it takes up, and whether it is used.")
@click.argument("repository", default="")
@click.pass_obj
def images_command(
    paths: Paths,
    quiet: bool,
    every: bool,
    no_trunc: bool,
    digests: bool,
    words: tuple[str, ...],
    form: str,
    tree: bool,
    repository: str,
) -> None:
    """List images, the newest first; only those of REPOSITORY[:TAG] if it is given."""
    if tree:
        _refuse_beside_tree({"quiet": quiet, "no-trunc": no_trunc, "show-digest": digests, "format": form})
    wanted = filters.parse(words, _FILTERS)
    images = _select(Store(paths), wanted, repository)
    images.sort(key=lambda image: units.moment(image.created) or 0, reverse=True)
    if tree:
        from minirun.cli import imagetree

        named = [image for image in images if image.reference or every or "dangling" in wanted]
        return imagetree.show(named, engine.used(paths))
    if quiet and format.is_usual(form):
        lines = iter(dict.fromkeys(shown_id(image.id, no_trunc) for image in images))
    else:
        columns = [*_COLUMNS[:2], *(["Digest"] if digests else []), *_COLUMNS[2:]]
        rows = (row(image, whole=no_trunc) for image in images)
        lines = iter(format.lines(rows, form, _HEADINGS, columns))
    for line in lines:
        say(line)


def _refuse_beside_tree(options: dict[str, bool | str]) -> None:
    for name, value in options.items():
        if value:
            raise UsageError(f"--{name} is not yet supported with --tree")


def row(image: Image, *, whole: bool = False) -> Row:
    """The fields of `--format`; what only `system df -v` finds out is N/A."""
    name = reference.parse(image.reference) if image.reference else None
    return {
        "Repository": name.familiar_name if name else "<none>",
        "Tag": (name.tag if name else "") or "<none>",
        "Digest": image.origin,
        "ID": shown_id(image.id, whole),
        "CreatedSince": units.ago(image.created),
        "CreatedAt": units.when(image.created),
        "Size": units.size(image.size),
        "VirtualSize": units.size(image.size, 4),
        **dict.fromkeys(("SharedSize", "UniqueSize", "Containers"), "N/A"),
    }


def shown_id(image_id: str, whole: bool) -> str:
    return image_id if whole else image_id[7:19]


def _select(store: Store, wanted: dict[str, list[str]], repository: str) -> list[Image]:
    """The images that all the filters let through.  A time is asked of an image once, not for each."""
    times = {key: [_created(store.get(text)) for text in wanted.get(key, ())] for key in ("before", "since")}
    limits = [filters.until(text) for text in wanted.get("until", ())]
    dangling = [filters.boolean(text) for text in wanted.get("dangling", ())]
    patterns = wanted.get("reference", [])
    return [
        image
        for image in sound(store.images())
        if all(bool(image.reference) != one for one in dangling)
        and (not patterns or any(is_called(image, pattern) for pattern in patterns))
        and (not repository or is_called(image, repository))
        and all(filters.has_label(image.config.get("Labels") or {}, one) for one in wanted.get("label", ()))
        and not any(
            filters.has_label(image.config.get("Labels") or {}, one) for one in wanted.get("label!", ())
        )
        and all(_created(image) < moment for moment in times["before"] + limits)
        and all(_created(image) > moment for moment in times["since"])
    ]


def sound(images: list[Image]) -> Iterator[Image]:
    """Those whose files can be read; the others are told of, and rmi can still remove them."""
    for image in images:
        try:
            _ = image.diff_ids, image.manifest["layers"]
            yield image
        except (MinirunError, KeyError, TypeError) as error:  # another tool may have put anything there
            say(f"minirun: {image.reference or image.digest}: {error}", err=True)


def _created(image: Image) -> float:
    return units.moment(image.created) or 0


def is_called(image: Image, pattern: str) -> bool:
    """Whether `pattern`, a name as people write it with or without its tag, is for this image."""
    if not image.reference:
        return False
    name = reference.parse(image.reference)
    called = {name.familiar, name.familiar_name, str(name), name.name}
    called |= {f"{name.familiar_name}@{image.origin}", f"{name.name}@{image.origin}"}
    return any(filters.matches(pattern, one) for one in called)


# ---- tag --------------------------------------------------------------------------------------------------


@click.command("tag", short_help="Give an image another name")
@click.argument("source", metavar="SOURCE_IMAGE[:TAG]")
@click.argument("target", metavar="TARGET_IMAGE[:TAG]")
@click.pass_obj
def tag_command(paths: Paths, source: str, target: str) -> None:
    """Give SOURCE_IMAGE the name TARGET_IMAGE as well."""
    engine.tag(paths, source, target)
