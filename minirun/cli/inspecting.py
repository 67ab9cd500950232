"""`inspect`: everything about a container, an image or a volume."""

from __future__ import annotations

import click

from minirun.cli.commands import Session
from minirun.engine import inspect, lifecycle
from minirun.errors import NotFoundError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@click.command("inspect")
@click.option(
    "-f", "--format", "form", default="", help="json, {{.State.Pid}}, {{json .Config}}: one part of it."
)
@click.option("--type", "kind", type=click.Choice(["container", "image"]), help="Look among these only.")
@click.argument("names", nargs=-1, required=True)
@click.pass_obj
def inspect_command(session: Session, form: str, kind: str | None, names: tuple[str, ...]) -> int:
    """Return low-level information on containers, and on images where no container has the name."""
    from minirun.cli import imageinspect

    found, code = [], 0
    for name in names:
        try:
            found.append(_look_up(session, name, kind))
        except NotFoundError as error:
            click.echo(f"minirun: {error}", err=True)
            code = 1
    imageinspect.show(found, form)
    return code


def _look_up(session: Session, name: str, kind: str | None) -> dict[str, Any]:
    from minirun.cli import imageinspect
    from minirun.image.store import Store

    try:
        if kind != "image":
            return inspect.container(session, lifecycle.find(session, name))
    except NotFoundError:
        if kind:
            raise
    try:
        image = Store(session).find(name)
    except UsageError:
        if kind:
            raise
        image = None  # no name for an image either
    if image is None:
        raise NotFoundError(f"No such {kind or 'object'}: {name}")
    return imageinspect.facts(image)
