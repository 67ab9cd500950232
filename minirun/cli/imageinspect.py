"""image inspect and history: what one image is, and how it was made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from minirun.cli import failures, format, units, widths
from minirun.cli.printing import say
from minirun.errors import NotFoundError
from minirun.image import names, reference
from minirun.image.mediatypes import TAGGED
from minirun.image.store import Store
from minirun.printable import printable

if TYPE_CHECKING:
    from typing import Any

    from minirun.cli.format import Row
    from minirun.image.image import Image
    from minirun.paths import Paths

_NEVER = "0001-01-01T00:00:00Z"  # Go's zero time
_IN_ONE_LINE = str.maketrans("\t\n", "  ")
_HEADINGS = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}
_CREATED_BY_MAX = 45


@click.command("inspect", short_help="Display detailed information on one or more images")
@click.option("-f", "--format", "form", default="", help="json, or a template: '{{.Config.Cmd}}'.")
@click.option("--platform", default="", help="OS/ARCHITECTURE[/VARIANT] the image has to be for.")
@click.argument("names", nargs=-1, required=True)
@click.pass_obj
def inspect_command(paths: Paths, form: str, platform: str, names: tuple[str, ...]) -> int:
    """Display detailed information on one or more images."""
    found, code = [], 0
    for name in names:
        try:
            image = Store(paths).get(name)
            image.require(platform, name)
            found.append(facts(image))
        except NotFoundError as error:
            failures.show("minirun", error)
            code = 1
    show(found, form)
    return code


def show(found: list[dict[str, Any]], form: str) -> None:
    """What inspect prints: everything as JSON, or a template filled in for each."""
    if not form or form == "json":
        say(json.dumps(found, indent=4 if not form else None))
        return
    from minirun.cli import template

    for line in map(template.inspection(form), found):
        say(line)


def facts(image: Image) -> dict[str, Any]:
    """An image under Docker's names."""
    document = image.document
    same = [other for other in names.images(image.layout) if other.id == image.id and other.reference]
    parsed = [reference.parse(other.reference) for other in same]
    digests = [f"{name.familiar_name}@{other.origin}" for name, other in zip(parsed, same, strict=True)]
    return {
        "Id": image.id,
        "RepoTags": [name.familiar for name in parsed if name.tag and not name.digest],
        "RepoDigests": list(dict.fromkeys(digests)),
        "Parent": "",
        "Comment": _comment(document),
        "Created": image.created,
        "Author": document.get("author", ""),
        "Config": image.config,
        "Architecture": document["architecture"],
        "Variant": document.get("variant", ""),
        "Os": document["os"],
        "Size": image.size,
        "GraphDriver": {"Name": "overlay", "Data": _overlay(image)},
        "RootFS": {"Type": "layers", "Layers": image.diff_ids},
        "Metadata": {"LastTagTime": image.entry.get("annotations", {}).get(TAGGED, _NEVER)},
    }


def _comment(document: dict[str, Any]) -> str:
    history = document.get("history") or [{}]
    return str(history[-1].get("comment") or "")


def _overlay(image: Image) -> dict[str, str]:
    """Where the unpacked layers are, the uppermost first as overlayfs wants them; nothing before the first run."""
    return {"LowerDir": ":".join(path for path in reversed(image.unpacked()) if path)}


# ---- history ----------------------------------------------------------------------------------------------


@click.command("history", short_help="Show the history of an image")
@click.option("-H", "--human/--no-human", default=True, help="Sizes and dates to read; --human=false: exact.")
@click.option("--no-trunc", is_flag=True, help="Print whole ids and commands.")
@click.option("-q", "--quiet", is_flag=True, help="Print ids only.")
@click.option("--format", "form", default="", help="json, 'table {{.ID}}', '{{.CreatedBy}}'.")
@click.option("--platform", default="", help="OS/ARCHITECTURE[/VARIANT] the image has to be for.")
@click.argument("name")
@click.pass_obj
def history_command(
    paths: Paths, human: bool, no_trunc: bool, quiet: bool, form: str, platform: str, name: str
) -> None:
    """Show how an image was made, the last step first; a step without an image of its own is <missing>."""
    image = Store(paths).get(name)
    image.require(platform, name)
    rows = history(image, human=human, whole=no_trunc)
    if quiet and format.is_usual(form):
        form = "{{.ID}}"
    created = "CreatedSince" if human else "CreatedAt"
    for line in format.lines(rows, form, _HEADINGS, ["ID", created, "CreatedBy", "Size", "Comment"]):
        say(line)


def history(image: Image, *, human: bool, whole: bool) -> list[Row]:
    """A row for each step; layers beyond what the history tells have rows without words."""
    sizes = image.layer_sizes()
    steps = list(image.document.get("history") or [])
    count = sum(not step.get("empty_layer") for step in steps)
    steps += [{} for _ in sizes[count:]]
    left = iter(sizes)
    rows = [_step(step, 0 if step.get("empty_layer") else next(left, 0), human, whole) for step in steps]
    if rows:
        rows[-1]["ID"] = image.id if whole else image.id[7:19]
    return rows[::-1]


def _step(step: dict[str, Any], size: int, human: bool, whole: bool) -> Row:
    made_by = printable(str(step.get("created_by") or "").translate(_IN_ONE_LINE))
    created = str(step.get("created") or "")
    return {
        "ID": "<missing>",
        "CreatedSince": units.ago(created),
        "CreatedAt": units.local(created),
        "CreatedBy": made_by if whole else widths.ellipsis(made_by, _CREATED_BY_MAX),
        "Size": units.size(size) if human else str(size),
        "Comment": printable(str(step.get("comment") or "")),
    }
