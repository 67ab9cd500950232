"""`inspect`: everything about a container, image, network or volume; `container inspect`, about containers alone."""

from __future__ import annotations

import click

from minirun.cli import failures
from minirun.cli.commands import Session
from minirun.engine import containers as engine
from minirun.engine import volumes
from minirun.engine.view import inspect, inspect_mounts, inspect_network
from minirun.errors import MinirunError, NotFoundError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Facts = dict[str, Any]

_format = click.option(
    "-f", "--format", "form", default="", help="json, {{.State.Pid}}, {{json .Config}}: one part of it."
)
_size = click.option("-s", "--size", is_flag=True, help="Count the bytes that containers take up, too.")


@click.command("inspect")
@_format
@_size
@click.option(
    "--type",
    "kind",
    type=click.Choice(["container", "image", "network", "volume"]),
    help="Look among these only.",
)
@click.argument("names", nargs=-1, required=True)
@click.pass_obj
def inspect_command(session: Session, form: str, size: bool, kind: str | None, names: tuple[str, ...]) -> int:
    """Return low-level information on containers, on images where no container has the name, and so on."""
    kinds = [kind] if kind else ["container", "image", "network", "volume"]
    return show(names, form, lambda name: _look_up(session, name, kinds, size))


@click.command("inspect")
@_format
@_size
@click.argument("containers", nargs=-1, required=True)
@click.pass_obj
def container_inspect_command(session: Session, form: str, size: bool, containers: tuple[str, ...]) -> int:
    """Display detailed information on one or more containers."""
    return show(containers, form, lambda name: _container(session, name, size))


def show(names: tuple[str, ...], form: str, look: Callable[[str], Facts]) -> int:
    """What is found goes to stdout, what is not to stderr.  Returns the exit code."""
    from minirun.cli import imageinspect

    found: list[Facts] = []
    missing: list[MinirunError] = []
    for name in names:
        try:
            found.append(look(name))
        except (NotFoundError, UsageError) as error:
            missing.append(error)
    imageinspect.show(found, form)
    for failure in missing:
        failures.show("minirun", failure)
    return int(bool(missing))


def _look_up(session: Session, name: str, kinds: list[str], size: bool) -> Facts:
    """The first of `kinds` that has the name."""
    for kind in kinds:
        try:
            if kind == "network":
                return inspect_network.find(session, name)
            if kind == "volume":
                return inspect_mounts.volume(session, volumes.find(session, name))
            return _container(session, name, size) if kind == "container" else _image(session, name)
        except (NotFoundError, UsageError):
            if len(kinds) == 1:
                raise
    raise NotFoundError(f"No such object: {name}")


def _container(session: Session, name: str, size: bool) -> Facts:
    return inspect.container(session, engine.find(session, name), size=size)


def _image(session: Session, name: str) -> Facts:
    from minirun.cli import imageinspect
    from minirun.image.store import Store

    image = Store(session).find(name)
    if image is None:
        raise NotFoundError(f"No such image: {name}")
    return imageinspect.facts(image)
