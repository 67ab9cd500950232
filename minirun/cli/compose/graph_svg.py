"""`minirun compose graph --svg`: a project as a picture, and as one page with it.

From above to below in the order in which services start; a line leads from a service to those that wait for it:

    ┌ db ──────────┐        ┌ cache ───────┐
    │ postgres:16  │        │ redis        │
    └──────┬───────┘        └──────┬───────┘
           ♥                       │              a heart: once it is healthy; a tick: once it has ended with 0
        ┌ web ─────────────────────▼───┐
        │ demo-web        [8000:80]    │
        └──────────────────────────────┘

The style is within the picture, for light and dark; nothing is loaded, nothing runs.  What a pointer rests on in the
lists below, a network or a volume, makes all else pale.

See  graph_layout.py in compose/ for where things stand; cli/svg.py
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from minirun.cli import svg
from minirun.cli.compose import graph_text
from minirun.cli.svg import group, number, path, rect, text
from minirun.compose import graph, graph_layout
from minirun.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from minirun.cli.svg import Element
    from minirun.compose.graph import Box, Edge, Graph
    from minirun.compose.graph_layout import Layout, Place

_HERE = os.path.dirname(__file__)
_HUES = 6  # graph.css has so many: .n0 to .n5
_BOX, _GAP, _PASSING = 208.0, 26.0, 22.0  # wide
_MARGIN, _ROW_GAP = 28.0, 60.0
_LEAST_WIDTH = 640.0
_LINE, _PAD = 17.0, 12.0
_LETTER, _SMALL, _BOLD = 6.7, 6.2, 8.2  # a letter is so wide, at most
_STORAGE = 3  # lines of it in a box
_HEAD = 74.0
_HEART = (
    "M 0 4.2 C -6 0 -4.6 -4.4 -2 -3.6 C -0.8 -3.3 0 -2 0 -2 C 0 -2 0.8 -3.3 2 -3.6 C 4.6 -4.4 6 0 0 4.2 Z"
)
_TICK = "M -3.4 0.2 L -1 2.8 L 3.6 -2.8"


class Drawing(NamedTuple):
    """What there is to know for each part of the picture."""

    graph: Graph
    layout: Layout
    hues: dict[str, int]  # of networks
    volumes: dict[str, int]
    tops: list[float]  # of the rows
    heights: list[float]
    left: float

    def x(self, place: Place) -> float:
        return self.left + self.layout.x[place]


def page(drawn: Graph) -> str:
    """One HTML page with the picture in it."""
    with open(f"{_HERE}/graph.html", encoding="utf-8") as file:
        template = file.read()
    style = _style(drawn)
    values = {"policy": svg.policy(style), "title": f"{drawn.name}: services", "picture": picture(drawn)}
    values["title"] = values["title"].replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)


def picture(drawn: Graph) -> str:
    """The picture alone, as the text of an SVG file."""
    layout = graph_layout.make(
        [[box.name for box in level] for level in drawn.levels],
        [(edge.source, edge.target) for edge in drawn.edges],
        _BOX + _GAP,
        _PASSING,
    )
    wide = max(
        (x + (_PASSING if place.passing else _BOX + _GAP) / 2 for place, x in layout.x.items()), default=0.0
    )
    width = max(wide - _GAP / 2, _LEAST_WIDTH) + 2 * _MARGIN
    drawing = _drawing(drawn, layout, (width - wide) / 2)
    foot = drawing.tops[-1] + drawing.heights[-1] if drawing.tops else _HEAD
    below, height = _legend(drawing, foot + 34, width)
    made = svg.element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {number(width)} {number(height)}",
            "width": number(width),
            "height": number(height),
            "role": "img",
        },
        svg.element("title", {}, f"{drawn.name}: {_summary(drawn)}"),
        svg.element("style", {}, _style(drawn)),
        rect(0, 0, width, height, "back", 0),
        text(_MARGIN, 38, "heading", drawn.name),
        text(_MARGIN, 58, "quiet", _summary(drawn)),
        *_lines(drawing),
        *(_box(drawing, box) for box in drawn.boxes),
        *below,
    )
    return svg.serialized(made)


def _style(drawn: Graph) -> str:
    """graph.css, and a rule for each network and volume that makes the others pale; no character that XML escapes."""
    with open(f"{_HERE}/graph.css", encoding="utf-8") as file:
        style = file.read()
    marks = [f"net{number}" for number in range(len(drawn.networks))]
    marks += [f"vol{number}" for number in range(len(drawn.volumes))]
    rules = [f"svg:has(.key.{mark}:hover) .service:not(.{mark}) {{ opacity: .2; }}\n" for mark in marks]
    return style + "".join(rules)


def _summary(drawn: Graph) -> str:
    parts = [(len(drawn.boxes), "service"), (len(drawn.networks), "network"), (len(drawn.volumes), "volume")]
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in parts if count)


def _drawing(drawn: Graph, layout: Layout, left: float) -> Drawing:
    boxes = {box.name: box for box in drawn.boxes}
    heights = [
        max((_height(boxes[place.name]) for place in row if not place.passing), default=0.0)
        for row in layout.rows
    ]
    tops, y = [], _HEAD + 10
    for height in heights:
        tops.append(y)
        y += height + _ROW_GAP
    hues = {network.key: index for index, network in enumerate(drawn.networks)}
    return Drawing(
        drawn, layout, hues, {key: at for at, key in enumerate(drawn.volumes)}, tops, heights, left
    )


# ---- lines ----------------------------------------------------------------------------------------------------------


def _lines(drawing: Drawing) -> Iterator[Element]:
    """Those that pass below those that end, marks over both."""
    ends = _ends(drawing)
    marks: list[Element] = []
    last: list[Element] = []
    for upper, lower in drawing.layout.lines:
        x, y = drawing.x(upper), _foot_of(drawing, upper)
        if lower.passing:
            yield path(
                "line", _curve(x, y, drawing.x(lower), drawing.tops[lower.row]) + _through(drawing, lower)
            )
            continue
        edge = next(one for one in drawing.graph.needs(lower.name) if one.target == upper.name)
        end = ends[edge]
        top = drawing.tops[lower.row]
        words = f"{edge.source} starts after {graph_text.after(edge)}"
        kind = f"line {edge.condition}" + ("" if edge.required else " optional")
        last.append(group("", words, path(kind, _curve(x, y, end, top - 5))))
        marks.append(_mark(edge, end, top, words))
    yield from last
    yield from marks


def _foot_of(drawing: Drawing, place: Place) -> float:
    if place.passing:
        return drawing.tops[place.row] + drawing.heights[place.row]
    box = next(box for box in drawing.graph.boxes if box.name == place.name)
    return drawing.tops[place.row] + _height(box)


def _through(drawing: Drawing, place: Place) -> str:
    return f" V {number(drawing.tops[place.row] + drawing.heights[place.row])}"


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    """Down, over, down: the way over is within the gap above `to_y`."""
    begin = max(y, to_y - _ROW_GAP + 5)
    middle = (begin + to_y) / 2
    return (
        f"M {number(x)} {number(y)} V {number(begin)} "
        f"C {number(x)} {number(middle)} {number(to_x)} {number(middle)} {number(to_x)} {number(to_y)}"
    )


def _ends(drawing: Drawing) -> dict[Edge, float]:
    """Where along the upper edge of its service's box each edge ends: side by side, as they come."""
    found: dict[Edge, float] = {}
    for row in drawing.layout.rows:
        for place in row:
            arriving = [] if place.passing else drawing.graph.needs(place.name)
            from_ = {upper.name: drawing.x(upper) for upper, lower in drawing.layout.lines if lower == place}
            arriving.sort(key=lambda edge: from_[edge.target])
            step = min(_BOX / (len(arriving) + 1), 44.0)
            left = drawing.x(place) - step * (len(arriving) - 1) / 2
            found.update({edge: left + step * index for index, edge in enumerate(arriving)})
    return found


def _mark(edge: Edge, x: float, top: float, words: str) -> Element:
    """The arrow's head, and how the other has to be."""
    head = path(f"tip {edge.condition}", f"M {number(x - 4.5)} {number(top - 7)} h 9 l -4.5 7 Z")
    if edge.condition == graph.STARTED:
        return head
    return group("", words, head, _badge(edge.condition, x, top - 17))


def _badge(condition: str, x: float, y: float) -> Element:
    sign = _HEART if condition == "healthy" else _TICK
    return svg.element(
        "g",
        {"transform": f"translate({number(x)} {number(y)})", "class": f"badge {condition}"},
        svg.element("circle", {"r": 8.5}),
        path("sign", sign),
    )


# ---- boxes ----------------------------------------------------------------------------------------------------------


def _box(drawing: Drawing, box: Box) -> Element:
    place = drawing.layout.place_of(box.name)
    left, top = drawing.x(place) - _BOX / 2, drawing.tops[place.row]
    marks = [f"net{drawing.hues[key]}" for key in box.networks if key in drawing.hues]
    marks += [f"vol{drawing.volumes[one.source]}" for one in box.storage if one.source in drawing.volumes]
    content: list[Element] = [
        rect(left, top, _BOX, _height(box), "box"),
        svg.element("circle", {"cx": number(left + 17), "cy": number(top + 19), "r": 5.5, "class": "dot"}),
        text(left + 30, top + 24, "name", _fit(box.name, _BOX - 76, _BOLD)),
    ]
    if box.wanted != 1:
        content.append(text(left + _BOX - _PAD, top + 24, "quiet", f"× {box.wanted}", anchor="end"))
    y = top + 26
    for kind, words in _texts(box):
        y += _LINE
        content.append(text(left + _PAD, y, kind, words))
    content += _pills(box.ports, "port", left, y + 8)
    y += 22 * len(_flowed(box.ports))
    content += _tags(drawing, box, left, y + 10)
    return group(" ".join(["service", box.state, *marks]), _tooltip(box), *content)


def _texts(box: Box) -> Iterator[tuple[str, str]]:
    """Class and words of each line below the name."""
    room = _BOX - 2 * _PAD
    yield "mono quiet", graph_text.short(box.image, int(room / _SMALL))
    if box.state != graph.NONE:
        yield "state", _fit(box.words, room, _LETTER)
    for one in box.storage[:_STORAGE]:
        yield "mono storage", _fit(_kept(one), room, _SMALL)
    if len(box.storage) > _STORAGE:
        yield "quiet", f"and {len(box.storage) - _STORAGE} more"


def _kept(one: graph.Storage) -> str:
    """`data ▸ /var/lib/data`, a bind mount by its last name."""
    source = os.path.basename(one.source) if one.kind == "bind" else one.source or one.kind
    return f"{source} ▸ {one.target}"


def _height(box: Box) -> float:
    lines = sum(1 for _ in _texts(box))
    tags = 22 * len(_flowed(box.networks)) + 2 if box.networks else 0
    return 26 + lines * _LINE + 22 * len(_flowed(box.ports)) + tags + 12


def _flowed(words: Sequence[str]) -> list[list[str]]:
    """Pills in as many rows as they need."""
    rows: list[list[str]] = []
    left = 0.0
    for word in words:
        width = _pill_width(word) + 6
        if width > left:
            rows.append([])
            left = _BOX - 2 * _PAD + 6
        rows[-1].append(word)
        left -= width
    return rows


def _pill_width(word: str) -> float:
    return min(len(word) * _SMALL + 14, _BOX - 2 * _PAD)


def _pills(words: Sequence[str], kind: str, left: float, y: float) -> Iterator[Element]:
    for row in _flowed(words):
        x = left + _PAD
        for word in row:
            width = _pill_width(word)
            yield group(
                f"pill {kind}",
                "",
                rect(x, y, width, 17, "body", 8.5),
                text(x + width / 2, y + 12.5, "mono", _fit(word, width - 8, _SMALL), anchor="middle"),
            )
            x += width + 6
        y += 22


def _tags(drawing: Drawing, box: Box, left: float, y: float) -> Iterator[Element]:
    """The networks it is on."""
    hue_of = {key: f"network n{hue % _HUES}" for key, hue in drawing.hues.items()}
    for row in _flowed(box.networks):
        x = left + _PAD
        for key in row:
            yield from _pills([key], hue_of.get(key, "network other"), x - _PAD, y)
            x += _pill_width(key) + 6
        y += 22


def _tooltip(box: Box) -> str:
    ports = [f"port {port}" for port in box.ports]
    storage = [f"{one.kind} {one.source} at {one.target}" for one in box.storage]
    return printable("\n".join([box.name, box.image, graph_text.words(box), *ports, *storage]))


def _fit(words: str, width: float, letter: float) -> str:
    words = printable(words)
    count = int(width / letter)
    return words if len(words) <= count else words[: count - 1] + "…"


# ---- below ----------------------------------------------------------------------------------------------------------


def _legend(drawing: Drawing, top: float, width: float) -> tuple[list[Element], float]:
    """The lists of networks and volumes, and what the signs mean; and where all that ends."""
    made: list[Element] = [path("rule", f"M {_MARGIN} {number(top - 10)} H {number(width - _MARGIN)}")]
    y = top + 14
    for title, entries in (
        ("networks", list(_network_keys(drawing))),
        ("volumes", list(_volume_keys(drawing))),
        ("signs", list(_signs(drawing))),
    ):
        if entries:
            made.append(text(_MARGIN, y, "quiet", title))
            parts, y = _flow(entries, y, width)
            made += parts
            y += 30
    return made, y


def _flow(
    entries: Iterable[tuple[str, str, list[Element]]], y: float, width: float
) -> tuple[list[Element], float]:
    """Entries one after another, each a mark at (0, 0) and words; (class, words, mark)."""
    made = []
    x = _MARGIN + 80
    for kind, words, mark in entries:
        needed = 22 + len(words) * _LETTER + 18
        if x + needed > width - _MARGIN and x > _MARGIN + 80:
            x, y = _MARGIN + 80, y + 24
        place = {"class": f"key {kind}", "transform": f"translate({number(x + 8)} {number(y - 4)})"}
        made.append(svg.element("g", place, *mark, text(14, 4.5, "", words)))
        x += needed
    return made, y


def _network_keys(drawing: Drawing) -> Iterator[tuple[str, str, list[Element]]]:
    for index, network in enumerate(drawing.graph.networks):
        kinds = [word for word, so in (("internal", network.internal), ("external", network.external)) if so]
        words = network.key + (f" ({', '.join(kinds)})" if kinds else "")
        yield f"net{index} network n{index % _HUES}", words, [rect(-8, -7, 16, 14, "body", 7)]


def _volume_keys(drawing: Drawing) -> Iterator[tuple[str, str, list[Element]]]:
    can = "M -6 -4 a 6 2.5 0 0 1 12 0 v 8 a 6 2.5 0 0 1 -12 0 Z M -6 -4 a 6 2.5 0 0 0 12 0"
    for index, key in enumerate(drawing.graph.volumes):
        yield f"vol{index}", key, [path("can", can)]


def _signs(drawing: Drawing) -> Iterator[tuple[str, str, list[Element]]]:
    """What is in the picture, and no more."""
    conditions = {edge.condition for edge in drawing.graph.edges}
    if drawing.graph.edges:
        yield "", "starts after", [path("line", "M 0 -8 V 3"), path("tip", "M -4.5 1 h 9 l -4.5 7 Z")]
    if "healthy" in conditions:
        yield "", "once it is healthy", [_badge("healthy", 0, 0)]
    if "completed" in conditions:
        yield "", "once it has ended with 0", [_badge("completed", 0, 0)]
    if any(not edge.required for edge in drawing.graph.edges):
        yield "", "if it is there", [path("line optional", "M -8 0 H 8")]
    states = {box.state for box in drawing.graph.boxes}
    for state, words in (
        (graph.WELL, "runs"),
        (graph.COMING, "not yet"),
        (graph.BAD, "failed"),
        (graph.DONE, "has ended with 0"),
        (graph.NONE, "not there"),
    ):
        if state in states:
            yield state, words, [svg.element("circle", {"r": 5.5, "class": "dot"})]
