"""`cp` and `diff`: files of a container, running or not."""

from __future__ import annotations

import os
import sys

import click

from minirun.cli import units
from minirun.cli.commands import Session
from minirun.engine import lifecycle
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command("cp")
@click.option("-a", "--archive", is_flag=True, help="Keep owners, set-user-ID bits and devices on the host.")
@click.option("-L", "--follow-link", is_flag=True, help="Copy what SOURCE links to.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing.")
@click.argument("source")
@click.argument("destination")
@click.pass_obj
def cp_command(
    session: Session, archive: bool, follow_link: bool, quiet: bool, source: str, destination: str
) -> None:
    """Copy between a container and here: CONTAINER:SOURCE DESTINATION|-, or SOURCE|- CONTAINER:DESTINATION."""
    from_container, from_path = split(source)
    to_container, to_path = split(destination)
    if from_container and to_container:
        raise UsageError("copying between containers is not supported")
    if not from_container and not to_container:
        raise UsageError("must specify at least one container source", "as in web:/etc/nginx")
    if from_container:
        sizes = _copy_out(session, from_container, from_path, to_path, follow_link, archive)
    else:
        sizes = _copy_in(session, from_path, to_container, to_path, follow_link)
    if not quiet and sys.stdout.isatty() and to_path != "-":
        click.echo(f"Successfully copied {units.size(sum(sizes))} to {destination}", err=True)


def split(text: str) -> tuple[str, str]:
    """(container or "", path) of one side.  A path that begins with / or . is the host's, whatever colons it has."""
    name, colon, path = text.partition(":")
    return (name, path) if colon and name and not text.startswith(("/", ".")) else ("", text)


def _copy_out(
    session: Session, container: str, path: str, to_path: str, follow: bool, archive: bool
) -> list[int]:
    """Returns the sizes of the parts of the tar."""
    from minirun.engine import copying, tree

    record = lifecycle.find(session, container)
    if to_path == "-" and sys.stdout.isatty():
        raise UsageError("refusing to write a tar archive to a terminal", "redirect it, or name a path")
    sizes: list[int] = []
    here, wanted = tree.host(), _absolute(to_path)
    with tree.of_container(session, record) as inside:
        source = copying.Source(inside, "/" + path.lstrip("/"), follow=follow)
        if to_path != "-":
            copying.copy(source, here, wanted, foreign=not archive, count=sizes)
        else:
            for chunk in source.tar("" if source.contents else source.name):
                _write_all(chunk)
    return sizes


def _copy_in(session: Session, path: str, container: str, to_path: str, follow: bool) -> list[int]:
    from minirun.engine import copying, tree

    record = lifecycle.find(session, container)
    sizes: list[int] = []
    source = None if path == "-" else copying.Source(tree.host(), _absolute(path), follow=follow)
    with tree.of_container(session, record) as inside:
        if source:
            copying.copy(source, inside, "/" + to_path.lstrip("/"), foreign=False, count=sizes)
        else:
            copying.unpack(_stdin(), inside, "/" + to_path.lstrip("/"), sizes)
    return sizes


def _absolute(path: str) -> str:
    """`path` from /, as it is written: `a/../b` is for the kernel to resolve, where a may be a link."""
    return path if path.startswith("/") else f"{os.getcwd()}/{path}"


def _stdin() -> Iterator[bytes]:
    while data := os.read(0, 1 << 20):
        yield data


def _write_all(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


@click.command("diff")
@click.argument("container")
@click.pass_obj
def diff_command(session: Session, container: str) -> None:
    """Show what a container has added (A), changed (C) and deleted (D) in its file system."""
    from minirun.engine import diff

    for kind, path in diff.changes(session, lifecycle.find(session, container)):
        click.echo(f"{kind} {path}")
