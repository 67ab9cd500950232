"""save, load, import, export, commit: images and containers as files."""

from __future__ import annotations

import os
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from minirun.cli import refused_options
from minirun.cli.printing import say
from minirun.errors import MinirunError, UnsupportedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from io import BufferedReader

    from minirun.image.image import Image
    from minirun.paths import Paths

_FORMATS = ("docker-archive", "oci")  # image/save.py


@click.command("save", short_help="Save images to a tar archive")
@click.option(
    "-o", "--output", default="", metavar="FILE", help="Write to this file, not to standard output."
)
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default=_FORMATS[0], help="What is in the tar."
)
@click.option("--platform", default="", help="OS/ARCHITECTURE[/VARIANT] the images have to be for.")
@click.argument("images", nargs=-1, required=True)
@click.pass_obj
def save_command(paths: Paths, output: str, form: str, platform: str, images: tuple[str, ...]) -> None:
    """Save images with their names to one tar.

    docker-archive is an OCI layout as well, as docker save writes it; oci is that layout alone.
    A name without a tag stands for all tags of it.
    """
    from minirun.engine import images as engine

    refuse_terminal("save", output)
    engine.save(paths, images, writer(output), form, platform)


@click.command("load", short_help="Load images from a tar archive or from standard input")
@click.option("-i", "--input", "path", default="", help="Read from this file, not from standard input.")
@refused_options.nothing_to_do("load")
@click.option("--platform", default="", help="Of an image for several, take the one for os/arch[/variant].")
@click.pass_obj
def load_command(paths: Paths, path: str, platform: str) -> None:
    """Load images that docker save, podman save or skopeo wrote, or an OCI layout in a tar."""
    from minirun.engine import images

    if not path and sys.stdin.isatty():
        raise MinirunError("requested load from stdin, but stdin is empty", "minirun load -i FILE")
    for image in images.load(paths, path or sys.stdin.buffer, platform):
        say(f"Loaded image: {_familiar(image)}" if image.reference else f"Loaded image ID: {image.id}")


def _familiar(image: Image) -> str:
    from minirun.image import reference

    return reference.parse(image.reference).familiar


@click.command("import", short_help="Make an image from a tar archive of a file system")
@click.option("-c", "--change", "changes", multiple=True, help="A Dockerfile instruction to apply.")
@click.option("-m", "--message", default="", help="A comment for the image's history.")
@click.option("--platform", default="", help="The os/arch[/variant] it is for, if not this machine's.")
@click.argument("source", metavar="FILE|URL|-")
@click.argument("name", default="", metavar="[REPOSITORY[:TAG]]")
@click.pass_obj
def import_command(
    paths: Paths, changes: tuple[str, ...], message: str, platform: str, source: str, name: str
) -> None:
    """Make an image of one layer from FILE, the one at URL, or standard input, and print its id."""
    from minirun.engine import images

    with _opened(paths, source) as file:
        image = images.import_tree(
            paths,
            file,
            name,
            changes=changes,
            message=message or f"Imported from {source}",
            platform=platform,
        )
    say(image.id)


@contextmanager
def _opened(paths: Paths, source: str) -> Iterator[BufferedReader]:
    if source.startswith(("http://", "https://")):
        from minirun.build import remote

        with (
            closing(remote.download(paths, source)) as held,
            open(_open_in(held.fd, held.name), "rb") as file,
        ):
            yield file
        return
    if "://" in source:
        raise UnsupportedError(
            f"{source}: only http and https are fetched", "fetch it, then minirun import FILE"
        )
    if source == "-" and sys.stdin.isatty():
        raise UsageError("there is a terminal on standard input, not a tar", "minirun import - < FILE")
    try:
        file = os.fdopen(0, "rb", closefd=False) if source == "-" else open(source, "rb")
    except OSError as error:
        raise MinirunError(f"{source}: {error.strerror}") from error
    with file:
        yield file


def _open_in(directory: int, name: str) -> int:
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)


# ---- containers -------------------------------------------------------------------------------------------


@click.command("export", short_help="Export a container's file system as a tar archive")
@click.option(
    "-o", "--output", default="", metavar="FILE", help="Write to this file, not to standard output."
)
@click.argument("container")
@click.pass_obj
def export_command(paths: Paths, output: str, container: str) -> None:
    """Write all files of a container, running or not, as a tar."""
    from minirun.engine import containers
    from minirun.engine.files import commit

    refuse_terminal("export", output)
    commit.export(paths, containers.find(paths, container), writer(output))


@click.command("commit", short_help="Make an image from a container's changes")
@click.option("-a", "--author", default="", help="As in 'Ada Lovelace <ada@example.org>'.")
@click.option("-m", "--message", default="", help="A comment for the image's history.")
@click.option("-c", "--change", "changes", multiple=True, help="A Dockerfile instruction to apply.")
@click.option("-p/", "--pause/--no-pause", default=True, help="Pause it meanwhile (--pause=false: do not).")
@click.argument("container")
@click.argument("name", default="", metavar="[REPOSITORY[:TAG]]")
@click.pass_obj
def commit_command(
    paths: Paths, author: str, message: str, changes: tuple[str, ...], pause: bool, container: str, name: str
) -> None:
    """Make an image of a container's image and what changed in it, and print its id."""
    from minirun.engine import containers, images

    record = containers.find(paths, container)
    image = images.commit(paths, record, name, author=author, message=message, changes=changes, pause=pause)
    say(image.id)


# ---- output -----------------------------------------------------------------------------------------------


def refuse_terminal(verb: str, output: str) -> None:
    if not output and sys.stdout.isatty():
        raise UsageError(f"cowardly refusing to {verb} to a terminal. Use the -o flag or redirect")


def writer(output: str) -> Callable[[Iterable[bytes]], None]:
    """What writes an archive to the file `output`, or to standard output for ""."""
    from minirun.image import save

    if output:
        return lambda chunks: save.write_to(output, chunks)
    return lambda chunks: save.write_all(sys.stdout.fileno(), chunks)
