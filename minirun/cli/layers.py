"""`minirun image layers`: what is inside an image, for looking.

Four forms of the same findings: a summary, the whole trees, JSON, and a page for a browser.

See      engine/view/layers.py, where it is found out; docs/images.md
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from minirun.cli.layers_words import printable
from minirun.cli.printing import write_lines
from minirun.errors import UsageError
from minirun.image.store import Store

if TYPE_CHECKING:
    from typing import Any

    from minirun.engine.view.layers import Entry, Layer
    from minirun.image.image import Image
    from minirun.paths import Paths


@click.command("layers", short_help="Show what each layer of an image adds, changes and removes")
@click.option("--tree", is_flag=True, help="Print the whole tree of each layer.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON document.")
@click.option("--html", "as_html", is_flag=True, help="Write one page for a browser; it needs no network.")
@click.option("-o", "--output", "path", default="", help="Write to this file, not to standard output.")
@click.argument("name", metavar="IMAGE")
@click.pass_obj
def layers_command(paths: Paths, tree: bool, as_json: bool, as_html: bool, path: str, name: str) -> None:
    """Show what each layer of an image adds, changes and removes, the lowest first.

    Bytes are wasted when a later layer overwrites or removes the file: they stay in the image.
    """
    from minirun.engine.view import layers as view  # what runs a container does not come here

    if tree + as_json + as_html > 1:
        raise UsageError("--tree, --json and --html are different forms", "choose one of them")
    if as_html and not path and sys.stdout.isatty():
        raise UsageError("a page is for a browser and not for a terminal", "-o FILE")
    image = Store(paths).get(name)
    layers = view.read(image)
    if as_json:
        write_lines([_document(image, layers)], path)
    elif as_html:
        from minirun.cli import layers_html

        write_lines([layers_html.page(image, layers)], path)
    else:
        from minirun.cli import layers_text

        pen = layers_text.Pen(sys.stdout, plain=bool(path))
        write_lines(layers_text.lines(image, layers, pen, whole=tree), path)


# ---- JSON -------------------------------------------------------------------------------------------------


def _document(image: Image, layers: list[Layer]) -> str:
    import json

    document = {
        "image": image.reference,
        "id": image.id,
        "bytes": sum(layer.root.total for layer in layers),
        "wasted": sum(layer.root.wasted for layer in layers),
        "history": image.document.get("history") or [],
        "layers": [_layer(layer) for layer in layers],
    }
    return json.dumps(document, indent=1)


def _layer(layer: Layer) -> dict[str, Any]:
    return {
        "number": layer.number + 1,
        "diff_id": layer.diff_id,
        "digest": layer.digest,
        "directory": layer.directory,
        "bytes": layer.root.total,
        "packed_bytes": layer.packed_bytes,
        "wasted": layer.root.wasted,
        "created_by": layer.history.get("created_by") or "",
        "created": layer.history.get("created") or "",
        "counts": layer.counts,
        "entries": [_entry(entry) for entry, _ in layer.root.walk()],
    }


def _entry(entry: Entry) -> dict[str, Any]:
    """What is said of one name; what does not apply is left out."""
    found: dict[str, Any] = {"path": f"/{printable(entry.path)}", "change": entry.change, "kind": entry.kind}
    found["size"] = entry.size
    found["mode"] = f"{entry.mode:04o}"
    found["uid"], found["gid"] = entry.owner
    if entry.target:
        found["target"] = printable(entry.target)
    if entry.first is not entry:
        found["hard_link_to"] = f"/{printable(entry.first.path)}"
    if entry.opaque:
        found["opaque"] = True
    if entry.hides:
        found["hides"] = entry.hides
    if entry.hidden_by >= 0:
        found["hidden_by"] = entry.hidden_by + 1
    return found
