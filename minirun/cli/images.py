"""pull, load, images, rmi: Docker's words around the image store."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from minirun.cli import progress
from minirun.errors import MinirunError, NotFoundError
from minirun.files import read_json
from minirun.image import reference
from minirun.image.store import Store

if TYPE_CHECKING:
    from minirun.image.store import Image
    from minirun.paths import Paths


@click.command("pull", short_help="Download an image from a registry")
@click.option("-q", "--quiet", is_flag=True, help="Print the image's name only.")
@click.argument("name")
@click.pass_obj
def pull_command(paths: Paths, quiet: bool, name: str) -> None:
    """Download an image from a registry."""
    parsed = reference.parse(name)
    if (
        not quiet
        and not parsed.digest
        and parsed.tag == reference.DEFAULT_TAG
        and not name.endswith(":latest")
    ):
        click.echo(f"Using default tag: {parsed.tag}")
    with progress.show(sys.stdout, quiet) as news:
        image = Store(paths).ensure(name, pull="always", progress=news)
    click.echo(image.reference)


@click.command("load", short_help="Load images from a tar archive or from standard input")
@click.option("-i", "--input", "path", default="", help="Read from this file, not from standard input.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
@click.pass_obj
def load_command(paths: Paths, path: str, quiet: bool) -> None:
    """Load images that docker save, podman save or skopeo wrote, or an OCI layout in a tar."""
    from minirun.image import archive

    if not path and sys.stdin.isatty():
        raise MinirunError("requested load from stdin, but stdin is empty", "minirun load -i FILE")
    images = archive.load(Store(paths), path or sys.stdin.buffer)
    for image in images:
        image.layer_paths()
        if not quiet:
            click.echo(
                f"Loaded image: {_familiar(image)}" if image.reference else f"Loaded image ID: {image.id}"
            )


def _familiar(image: Image) -> str:
    return reference.parse(image.reference).familiar


# ---- images -----------------------------------------------------------------------------------------------


@click.command("images", short_help="List images")
@click.option("-q", "--quiet", is_flag=True, help="Print ids only.")
@click.option(
    "-a", "--all", "_all", is_flag=True, help="Accepted as Docker does; there are no hidden images."
)
@click.option("--no-trunc", is_flag=True, help="Print whole ids.")
@click.option("--digests", is_flag=True, help="Add the digest the registry knows the image by.")
@click.argument("repository", default="")
@click.pass_obj
def images_command(
    paths: Paths, quiet: bool, _all: bool, no_trunc: bool, digests: bool, repository: str
) -> None:
    """List images, the newest first; only those of REPOSITORY[:TAG] if it is given."""
    images = [image for image in Store(paths).images() if not repository or _is_of(image, repository)]
    images.sort(key=lambda image: image.created, reverse=True)
    if quiet:
        for image_id in dict.fromkeys(_id(image, no_trunc) for image in images):
            click.echo(image_id)
        return
    heading = ["REPOSITORY", "TAG", *(["DIGEST"] if digests else []), "IMAGE ID", "CREATED", "SIZE"]
    _print_table([heading] + [_row(image, no_trunc, digests) for image in images])


def _is_of(image: Image, repository: str) -> bool:
    wanted = reference.parse(repository)
    if not image.reference:
        return False
    name = reference.parse(image.reference)
    asked_for_tag = str(wanted) != f"{wanted.name}:{reference.DEFAULT_TAG}" or repository.endswith(":latest")
    return name == wanted if asked_for_tag else name.name == wanted.name


def _row(image: Image, no_trunc: bool, digests: bool) -> list[str]:
    name = reference.parse(image.reference) if image.reference else None
    tag = name.tag if name else ""
    digest = [image.origin] if digests else []
    return [
        name.familiar_name if name else "<none>",
        tag or "<none>",
        *digest,
        _id(image, no_trunc),
        _ago(image.created),
        _size(image.size),
    ]


def _id(image: Image, whole: bool) -> str:
    return image.id if whole else image.id[7:19]


def _print_table(rows: list[list[str]]) -> None:
    """Columns as wide as their widest cell, three spaces between them, as Docker's."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("   ".join(map(str.ljust, row, widths)).rstrip())


def _size(count: float) -> str:
    """Bytes in Docker's units: powers of 1000, three digits.  4850000 -> `4.85MB`"""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g}{unit}"
        count /= 1000
    return f"{count:.3g}TB"


_AGES = (("year", 365 * 86400), ("month", 30 * 86400), ("week", 7 * 86400), ("day", 86400))
_SHORT_AGES = (("hour", 3600), ("minute", 60), ("second", 1))


def _ago(created: str) -> str:
    """RFC 3339 -> `3 weeks ago`, in the largest unit of which there are two, as Docker does."""
    try:
        then = datetime.fromisoformat(created)
    except ValueError:
        return "N/A"
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    seconds = (datetime.now(UTC) - then).total_seconds()
    if seconds < 1:
        return "Less than a second ago"
    for unit, length in _AGES + _SHORT_AGES:
        count = int(seconds // length)
        if count >= 2 or unit == "second":
            return f"{count} {unit}{'s' if count != 1 else ''} ago"
        if count == 1 and unit in ("hour", "minute"):
            return f"About {'an hour' if unit == 'hour' else 'a minute'} ago"
    return "N/A"


# ---- rmi --------------------------------------------------------------------------------------------------


@click.command("rmi", short_help="Remove images")
@click.option("-f", "--force", is_flag=True, help="Remove a name in use, and an id with several names.")
@click.argument("names", nargs=-1, required=True)
@click.pass_obj
def rmi_command(paths: Paths, force: bool, names: tuple[str, ...]) -> None:
    """Take a name from an image; with its last name goes the image."""
    store, in_use = Store(paths), _images_in_use(paths)
    failures: list[MinirunError] = []
    for name in names:
        try:
            for line in store.remove(name, in_use, force=force):
                click.echo(line)
        except NotFoundError as error:
            if not force:
                failures.append(error)
        except MinirunError as error:
            failures.append(error)
    if failures:
        raise MinirunError("\n".join(failure.message for failure in failures), failures[0].hint)


def _images_in_use(paths: Paths) -> dict[str, str]:
    """Image id -> a container that was made from it."""
    in_use: dict[str, str] = {}
    try:
        containers = os.listdir(paths.containers)
    except FileNotFoundError:
        return in_use
    for container in containers:
        try:
            in_use[str(read_json(f"{paths.container(container)}/container.json")["image_id"])] = container
        except (OSError, ValueError, KeyError):
            continue  # half made or half removed: it holds nothing
    return in_use
