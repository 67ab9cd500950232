"""`cp` and `diff`: files of a container, running or not."""

from __future__ import annotations

import os
import sys

import click

from minirun.cli import units
from minirun.cli.commands import Session
from minirun.cli.printing import say, say_line
from minirun.engine import containers
from minirun.errors import UsageError


@click.command("cp")
@click.option("-a", "--archive", is_flag=True, help="Keep owners, set-user-ID bits and devices on the host.")
@click.option("-L", "--follow-link", is_flag=True, help="Copy what SOURCE links to.")
@click.option(
    "-q/",
    "--quiet/--no-quiet",
    default=None,
    help="Say nothing; --quiet=false: also where there is no terminal.",
)
@click.argument("source")
@click.argument("destination")
@click.pass_obj
def cp_command(
    session: Session, archive: bool, follow_link: bool, quiet: bool | None, source: str, destination: str
) -> None:
    """Copy between a container and here: CONTAINER:SOURCE DESTINATION|-, or SOURCE|- CONTAINER:DESTINATION."""
    if not source or not destination:
        raise UsageError(f"{'destination' if source else 'source'} can not be empty")
    from_container, from_path = split(source)
    if from_container and not from_path:
        raise UsageError("path cannot be empty", f"{from_container}:/ is all of it")
    to_container, to_path = split(destination)
    if from_container and to_container:
        raise UsageError("copying between containers is not supported")
    if not from_container and not to_container:
        raise UsageError("must specify at least one container source", "as in web:/etc/nginx")
    size = copy(session, source, destination, follow=follow_link, archive=archive)
    place = _absolute(to_path) if from_container else destination
    if to_path != "-" and not (quiet if quiet is not None else not sys.stdout.isatty()):
        say(f"Successfully copied {units.size(size)} to {place}", err=True)


def copy(session: Session, source: str, destination: str, *, follow: bool, archive: bool) -> int:
    """Copy, one of the two being CONTAINER:PATH.  Returns how many bytes."""
    from_container, from_path = split(source)
    to_container, to_path = split(destination)
    if from_container:
        return _copy_out(session, from_container, from_path, to_path, follow, archive)
    return _copy_in(session, from_path, to_container, to_path, follow)


def split(text: str) -> tuple[str, str]:
    """(container or "", path) of one side.  A path that begins with / or . is the host's, whatever colons it has."""
    name, colon, path = text.partition(":")
    return (name, path) if colon and name and not text.startswith(("/", ".")) else ("", text)


def _copy_out(session: Session, container: str, path: str, to_path: str, follow: bool, archive: bool) -> int:
    """Returns how many bytes."""
    from minirun.engine.files import copying, tree
    from minirun.image import save

    record = containers.find(session, container)
    if to_path == "-" and sys.stdout.isatty():
        raise UsageError("refusing to write a tar archive to a terminal", "redirect it, or name a path")
    here, wanted = tree.host(), _absolute(to_path)
    with tree.of_container(session, record) as inside:
        source = copying.Source(inside, "/" + path.lstrip("/"), follow=follow)
        if to_path != "-":
            return copying.copy(source, here, wanted, foreign=not archive)
        save.write_all(1, source.tar("" if source.contents else source.name))
        return 0


def _copy_in(session: Session, path: str, container: str, to_path: str, follow: bool) -> int:
    from minirun.engine.files import copying, tree

    record = containers.find(session, container)
    source = None if path == "-" else copying.Source(tree.host(), _absolute(path), follow=follow)
    with tree.of_container(session, record) as inside:
        if source:
            return copying.copy(source, inside, "/" + to_path.lstrip("/"), foreign=False)
        return copying.unpack(sys.stdin.buffer, inside, "/" + to_path.lstrip("/"))


def _absolute(path: str) -> str:
    """`path` from /, as it is written: `a/../b` is for the kernel to resolve, where a may be a link."""
    return path if path.startswith("/") else f"{os.getcwd()}/{path}"


@click.command("diff")
@click.argument("container")
@click.pass_obj
def diff_command(session: Session, container: str) -> None:
    """Show what a container has added (A), changed (C) and deleted (D) in its file system."""
    from minirun.engine.files import diff

    for kind, path in diff.changes(session, containers.find(session, container)):
        say_line(f"{kind} {path}")
