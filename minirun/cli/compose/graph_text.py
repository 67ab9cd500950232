"""`minirun compose graph` on a terminal or in a pipe: services in the order in which they start, joined by rails.

    ●      db      postgres:16   running, healthy
    │ ●    cache   redis         running
    ├─┴─●  web     demo-web      2 running        after db is healthy, and cache

A rail runs from a service down to the last one that waits for it.

See  compose/graph.py
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, NamedTuple

from minirun.compose import graph
from minirun.engine.view.layers import ADDED, CHANGED, REMOVED
from minirun.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.cli.layers_text import Pen
    from minirun.compose.graph import Box, Edge, Graph

_COLOURS = {
    graph.WELL: ADDED,
    graph.COMING: CHANGED,
    graph.BAD: REMOVED,
    graph.DONE: ADDED,
    graph.NONE: "quiet",
}
_MARKS = {graph.WELL: "●", graph.COMING: "◐", graph.BAD: "✗", graph.DONE: "✓", graph.NONE: "○"}
_AFTER = {graph.STARTED: "{}", "healthy": "{} is healthy", "completed": "{} has ended with 0"}
_WIDEST = 120  # columns
_WIDEST_IMAGE = 32


class Row(NamedTuple):
    """A service's line: the rails in front of it, with its own mark as ●, and the rails that go on below."""

    box: Box
    rails: str
    below: str


def render(drawn: Graph, pen: Pen) -> Iterator[str]:
    """The picture line by line."""
    rows = list(lay_out(drawn))
    width = min(pen.width, _WIDEST)
    indent = max((len(row.rails) for row in rows), default=0) + 2
    name = max((len(row.box.name) for row in rows), default=0) + 2
    image = min(max((len(row.box.image) for row in rows), default=0), _WIDEST_IMAGE) + 2
    yield pen("title", printable(drawn.name))
    for row in rows:
        box = row.box
        rails = row.rails.replace("●", pen(_COLOURS[box.state], _MARKS[box.state]))
        padding = " " * (indent - len(row.rails))
        shown = short(box.image, _WIDEST_IMAGE)
        yield (
            f"{rails}{padding}{pen('title', f'{box.name:<{name}}')}"
            f"{pen('quiet', f'{shown:<{image}}')}{pen(_COLOURS[box.state], words(box))}"
        ).rstrip()
        for text in _details(drawn, box):
            for line in textwrap.wrap(text, max(width - indent - name, 30), subsequent_indent="  "):
                yield f"{row.below:<{indent}}{'':<{name}}{pen('quiet', line)}"
        if row.below:
            yield row.below
    yield from _legend(drawn, pen)


def short(image: str, width: int) -> str:
    """An image's name; of a long one its end, which tells it from others.

    >>> short("registry.example.org/tools/web:1.2", 12)
    '…ols/web:1.2'
    """
    image = printable(image)
    return image if len(image) <= width else "…" + image[len(image) - width + 1 :]


def words(box: Box) -> str:
    """How it is, and how many there are to be where that is more than one."""
    if box.state == graph.NONE:
        return f"not there; {box.wanted} wanted" if box.wanted != 1 else "not there"
    return box.words


def after(edge: Edge) -> str:
    """`db is healthy`, as it stands behind "after"."""
    optional = "" if edge.required else " (optional)"
    return _AFTER[edge.condition].format(edge.target) + optional


def _details(drawn: Graph, box: Box) -> Iterator[str]:
    if needs := drawn.needs(box.name):
        yield f"after {', '.join(after(edge) for edge in needs)}"
    if box.ports:
        yield f"ports {', '.join(box.ports)}"
    if box.networks and (len(drawn.networks) > 1 or box.networks != ["default"]):
        yield f"networks {', '.join(box.networks)}"
    for one in box.storage:
        yield printable(f"{one.kind} {f'{one.source} at ' if one.source else ''}{one.target}")


def _legend(drawn: Graph, pen: Pen) -> Iterator[str]:
    yield ""
    if drawn.networks:
        yield pen("quiet", f"networks  {', '.join(map(_network, drawn.networks))}")
    if drawn.volumes:
        yield pen("quiet", f"volumes   {', '.join(drawn.volumes)}")


def _network(network: graph.Network) -> str:
    kinds = [
        word for word, is_so in (("internal", network.internal), ("external", network.external)) if is_so
    ]
    return network.key + (f" ({', '.join(kinds)})" if kinds else "")


# ---- the rails ------------------------------------------------------------------------------------------------------


def lay_out(drawn: Graph) -> Iterator[Row]:
    """A row for each service, from those that start first."""
    waiting = {
        box.name: {edge.source for edge in drawn.edges if edge.target == box.name} for box in drawn.boxes
    }
    rails: list[str] = []  # the service whose rail each column has, "" for none
    for box in ordered(drawn):
        needed = {edge.target for edge in drawn.needs(box.name)}
        column = _column(rails, needed)
        rails += [""] * (column + 1 - len(rails))
        for target in needed:
            waiting[target].discard(box.name)
        ending = {target for target in needed if not waiting[target]}
        line = _line(rails, column, needed, ending)
        rails = ["" if name in ending else name for name in rails]
        rails[column] = box.name if waiting[box.name] else ""
        yield Row(box, line, " ".join("│" if name else " " for name in rails).rstrip())


def ordered(drawn: Graph) -> list[Box]:
    """Each behind what it waits for, and as near to it as can be, so that few rails go on at a time.

    Those that wait for nobody and nobody waits for come last.
    """
    place: dict[str, int] = {}
    left = {box.name: box for box in drawn.boxes}
    lone = set(left) - {name for edge in drawn.edges for name in edge[:2]}
    while left:
        ready = [box for box in left.values() if all(edge.target in place for edge in drawn.needs(box.name))]
        chosen = max(
            ready,
            key=lambda box: (
                box.name not in lone,
                sorted((place[edge.target] for edge in drawn.needs(box.name)), reverse=True),
            ),
        )
        place[chosen.name] = len(place)
        del left[chosen.name]
    boxes = {box.name: box for box in drawn.boxes}
    return [boxes[name] for name in place]


def _column(rails: list[str], needed: set[str]) -> int:
    """The first that is free to the right of all rails that lead there."""
    first = max((number + 1 for number, name in enumerate(rails) if name in needed), default=0)
    return next((number for number in range(first, len(rails)) if not rails[number]), max(len(rails), first))


def _line(rails: list[str], column: int, needed: set[str], ending: set[str]) -> str:
    """`├─┴─● │`: the rails that end here or go by, and the service's own place."""
    leading = [number for number, name in enumerate(rails) if name and name in needed]
    first = min(leading, default=column)
    parts = []
    for number, name in enumerate(rails):
        sign = "●" if number == column else _sign(number == first, name, needed, ending)
        if sign == " " and first < number < column:
            sign = "─"
        parts.append(sign + ("─" if first <= number < column else " "))
    return "".join(parts).rstrip()


def _sign(is_first: bool, name: str, needed: set[str], ending: set[str]) -> str:
    if name not in needed or not name:
        return "│" if name else " "
    if name in ending:
        return "╰" if is_first else "┴"
    return "├" if is_first else "┼"
