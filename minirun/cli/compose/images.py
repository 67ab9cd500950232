"""`compose images`: the images that the project's containers were made from.

See  cli/images.py
"""

from __future__ import annotations

import click

from minirun.cli import format, images, template
from minirun.cli.compose import choosing
from minirun.cli.printing import say
from minirun.image import platforms
from minirun.image.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.cli.compose.group import Compose
    from minirun.compose.observed import Container
    from minirun.image.image import Image

_HEADINGS = {
    "Container": "CONTAINER",
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Platform": "PLATFORM",
    "ID": "IMAGE ID",
    "Size": "SIZE",
    "CreatedSince": "CREATED",
}


@click.command("images", short_help="List images that the containers use")
@click.option("-q", "--quiet", is_flag=True, help="Only the IDs.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="table, json.")
@click.argument("services", nargs=-1)
@click.pass_obj
def images_command(compose: Compose, quiet: bool, form: str, services: tuple[str, ...]) -> None:
    """List the images that the containers of the project, or of SERVICES, were made from."""
    store = Store(compose.session)
    found = [(one, _image(store, one)) for one in choosing.containers(compose, services)]
    if quiet:
        ids = dict.fromkeys(one.record["image_id"].removeprefix("sha256:") for one, _ in found)
        say("".join(f"{image_id}\n" for image_id in ids), end="")
    elif form == "json":
        say(template.as_json([_fields(one, image) for one, image in found]))
    else:
        rows = [_row(one, image) for one, image in found]
        for line in format.lines(rows, "", _HEADINGS, list(_HEADINGS)):
            say(line)


def _image(store: Store, one: Container) -> Image | None:
    """The image, by the name it was asked for if that still means it, else by its id; None when it is gone."""
    for name in (one.record["options"]["image"], one.record["image_id"]):
        image = store.find(name)
        if image and image.id == one.record["image_id"]:
            return image
    return None


def _row(one: Container, image: Image | None) -> format.Row:
    gone = {"Repository": "<none>", "Tag": "<none>", "ID": one.record["image_id"][7:19]}
    row = images.row(image) if image else {**dict.fromkeys(_HEADINGS, "N/A"), **gone}
    return {**row, "Container": one.name, "Platform": _platform(image)}


def _fields(one: Container, image: Image | None) -> dict[str, Any]:
    row = _row(one, image)
    return {
        "ID": one.record["image_id"],
        "ContainerName": one.name,
        "Repository": row["Repository"],
        "Tag": row["Tag"],
        "Platform": row["Platform"],
        "Size": image.size if image else 0,
        "Created": image.created if image else None,
    }


def _platform(image: Image | None) -> str:
    return platforms.show(platforms.of(image.document)) if image else "N/A"
