"""`minirun image layers --html`: the template layers.html with the facts about an image in it.

They go in as JSON and not as HTML.  An entry is a row of columns, so that a hundred thousand of them stay a
few megabytes; the script of the page draws a directory when it is opened.  In JSON only `<` could end the element
it stands in, so that is written as an escape, and a Content-Security-Policy allows the page's own script alone.

See      the HTML standard, "Restrictions for contents of script elements"; Content Security Policy Level 3
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
from typing import TYPE_CHECKING

from minirun.cli.layers_words import instruction, printable
from minirun.engine.view import layers as view
from minirun.image import reference

if TYPE_CHECKING:
    from typing import Any

    from minirun.engine.view.layers import Entry, Layer
    from minirun.image.image import Image

_TEMPLATE = f"{os.path.dirname(__file__)}/layers.html"
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def page(image: Image, layers: list[Layer]) -> str:
    """The whole page."""
    with open(_TEMPLATE, encoding="utf-8") as file:
        template = file.read()
    name = reference.parse(image.reference).familiar if image.reference else image.id
    values = {
        "policy": _policy(template),
        "title": html.escape(f"{printable(name)}: layers"),
        "image": _embedded(_facts(image, layers, printable(name))),
    }
    return _PLACE.sub(lambda match: values[match[1]], template)


def _policy(template: str) -> str:
    """Nothing from anywhere, but this style and this script, each named by its hash."""
    style, script = (_between(template, f"<{tag}>", f"</{tag}>") for tag in ("style", "script"))
    return f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'"


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _embedded(value: object) -> str:
    """JSON that is safe inside a script element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _facts(image: Image, layers: list[Layer], name: str) -> dict[str, Any]:
    document = image.document
    steps = view.steps(document.get("history"), layers)
    return {
        "name": name,
        "id": image.id,
        "platform": f"{document.get('os')}/{document.get('architecture')}",
        "created": image.created,
        "bytes": sum(layer.root.total for layer in layers),
        "wasted": sum(layer.root.wasted for layer in layers),
        "layers": [_layer(layer) for layer in layers],
        "steps": [
            {"instruction": instruction(line), "layer": layer.number if layer else None}
            for line, layer in steps
        ],
    }


def _layer(layer: Layer) -> dict[str, Any]:
    places = {id(layer.root): -1}
    rows = []
    for place, (entry, _) in enumerate(layer.root.walk()):
        places[id(entry)] = place
        rows.append(_row(entry, places[id(entry.parent)]))
    return {
        "number": layer.number + 1,
        "diff_id": layer.diff_id,
        "digest": layer.digest,
        "bytes": layer.root.total,
        "packed_bytes": layer.packed_bytes,
        "wasted": layer.root.wasted,
        "created_by": str(layer.history.get("created_by") or ""),
        "counts": layer.counts,
        "entries": rows,
    }


def _row(entry: Entry, parent: int) -> list[object]:
    """The columns that layers.html knows as PARENT, NAME, KIND and so on."""
    return [
        parent,
        printable(entry.name),
        entry.kind,
        entry.change,
        entry.total,
        entry.wasted,
        f"{entry.mode:04o}",
        f"{entry.owner[0]}:{entry.owner[1]}",
        entry.hides,
        entry.hidden_by + 1,
        printable(entry.target),
        f"/{printable(entry.first.path)}" if entry.first is not entry else "",
        int(entry.opaque),
    ]
