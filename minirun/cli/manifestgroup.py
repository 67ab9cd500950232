"""`minirun manifest inspect`: what a registry has under a name, without pulling it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from minirun.cli.commands import LazyGroup
from minirun.cli.printing import say
from minirun.errors import NotFoundError, UnsupportedError
from minirun.image import reference
from minirun.image.store import Store

if TYPE_CHECKING:
    from minirun.paths import Paths

manifest_group = LazyGroup(
    "manifest",
    "See image manifests and lists of them.",
    {"inspect": ("minirun.cli.manifestgroup:inspect_command", "Display an image manifest, or manifest list")},
)


@click.command("inspect", short_help="Display an image manifest, or manifest list")
@click.option("--insecure", is_flag=True, help="Take plain http, or any certificate, from its registry.")
@click.option("-v", "--verbose", is_flag=True, help="Of each manifest its descriptor and platform, too.")
@click.argument("names", metavar="MANIFEST", nargs=-1, required=True)
@click.pass_obj
def inspect_command(paths: Paths, insecure: bool, verbose: bool, names: tuple[str, ...]) -> None:
    """Display the manifest, or the list of manifests for several platforms, that a registry has."""
    from minirun.image import published

    if len(names) > 1:
        raise UnsupportedError("no manifest lists are kept here", "minirun manifest inspect NAME")
    name, settings = reference.parse(names[0]), Store(paths).settings
    if insecure:
        settings = settings.trusting(name.registry)
    try:
        found = (published.described if verbose else published.document)(name, settings)
    except NotFoundError as error:
        raise NotFoundError(f"no such manifest: {name.familiar}", error.hint) from error
    is_list = isinstance(found, dict) and "manifests" in found
    say(json.dumps(found, indent=3 if is_list else "\t", ensure_ascii=False))  # Docker's two ways
