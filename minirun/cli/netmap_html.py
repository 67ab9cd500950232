"""`minirun network map --html`: the template netmap.html with the picture in it, and the same as tables.

The picture is SVG, drawn here from above to below and from left to right:

    world
      │
    ┌─┴── host ─────────────────────────────────────────────────────┐
    │ eth0                                                          │
    │ ┌┴─ table ─────────────────────────────────────────────────┐  │
    │ │ out: masqueraded     in: 0.0.0.0:8080/tcp → web          │  │
    │ └┬─────────────────────────────────────────────────────────┘  │
    │  │ ┌─ band of a network ─────────────────────────────────────┐│
    │  ├─┤ what it is   ┃── veth ─── [web]      ── veth ─── [api]  ││
    │  │ └──────────────┺ its bridge ──────────────────────────────┘│

Elements are made as a tree, so whatever a name has in it is text; a Content-Security-Policy allows the style alone.

See      layers_html.py; developer.mozilla.org/docs/Web/SVG/Reference/Element
"""

from __future__ import annotations

import os
import re
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from minirun.cli import netmap_words as words
from minirun.cli import svg
from minirun.cli.svg import element as _e
from minirun.cli.svg import path as _path
from minirun.cli.svg import rect as _rect
from minirun.engine.diagnose.snapshot import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.cli.svg import Element
    from minirun.engine.diagnose.netmap import Map, MapEndpoint, MapNetwork
    from minirun.engine.diagnose.snapshot import Link

_TEMPLATE = f"{os.path.dirname(__file__)}/netmap.html"
_PLACE = re.compile(r"\{\{(\w+)\}\}")
_HUES = 6  # netmap.html has so many: .n0 to .n5

# Where things are, in the picture's own units; a letter of class mono is LETTER wide, one of mono small SMALL.
_WIDTH, _EDGE = 1200, 24
_TRUNK = 64
_BAND, _BAND_WIDTH = 100, 1200 - 100 - 24 - 16
_BUS, _BUS_WIDTH = 400, 12
_VETH = 128  # from the bus to a box, or from one box to the next
_BOX, _LONG_BOX = 238, 604  # wide; the long one where a network has one column
_LINE, _PAD, _GAP = 16, 10, 14
_LETTER, _SMALL = 7.3, 6.4
_ONE_COLUMN = 3  # containers at most
_PORTS = 440  # where the list of published ports begins


def page(whole: Map) -> str:
    """The whole page."""
    with open(_TEMPLATE, encoding="utf-8") as file:
        template = file.read()
    values = {
        "policy": svg.policy(template.partition("<style>")[2].partition("</style>")[0]),
        "title": "minirun: networks",
        "heading": "Networks of this host",
        "summary": _summary(whole),
        "content": "\n".join(svg.serialized(part) for part in _content(whole)),
    }
    return _PLACE.sub(lambda match: values[match[1]], template)


def _summary(whole: Map) -> str:
    used = words.used(whole)
    containers = {member.id for network in used for member in network.members}
    ports = sum(1 for _ in words.published(whole))
    parts = (
        words.several(len(used), "network"),
        words.several(len(containers), "container"),
        words.several(ports, "published port"),
    )
    return f"{', '.join(parts)}. As it was at the moment of asking; drawn by minirun network map --html."


def _content(whole: Map) -> Iterator[Element]:
    if whole.remarks:
        yield _remarks(whole)
    yield _e("figure", {}, _picture(whole))
    yield from _tables(whole)


# ---- parts of it --------------------------------------------------------------------------------------------------


def _text(x: float, y: float, kind: str, text: str, *, end: bool = False) -> Element:
    return svg.text(x, y, kind, text, anchor="end" if end else "")


def _group(kind: str, tooltip: str, *content: Element, **attributes: str) -> Element:
    """As svg.group(), with other attributes."""
    made = svg.group(kind, tooltip, *content)
    made.attrib.update(attributes)
    return made


def _badge(x: float, y: float) -> Element:
    """The mark of a remark."""
    circle = _e("circle", {"cx": x, "cy": y, "r": 9, "class": "badge"})
    return _e(
        "g", {}, circle, _e("text", {"x": x, "y": y + 4, "text-anchor": "middle", "class": "onworld"}, "!")
    )


def _fit(text: str, width: float, letter: float = _LETTER) -> str:
    return words.cut(text, int(width / letter))


# ---- the picture --------------------------------------------------------------------------------------------------


class _Part(NamedTuple):
    """Something drawn, and how high it is."""

    elements: list[Element]
    height: float


def _picture(whole: Map) -> Element:
    top = 96.0
    host = _host(whole, top + _EDGE)
    table = _table(whole, top + _EDGE + host.height)
    y = top + _EDGE + host.height + table.height
    used = words.used(whole)
    bands: list[Element] = []
    foot = 0.0  # where the trunk ends
    for number, network in enumerate(used):
        band = _band(network, whole, number, y)
        bands += band.elements
        foot = foot if network.internal else y + _TITLE_AT
        y += band.height + _GAP
    legend = _legend(y + 8)
    y += legend.height
    trunk = _trunk(whole, top + _EDGE, foot or top + _EDGE + host.height)
    return _e(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {_WIDTH} {y + _EDGE:g}", "role": "group"},
        _e("title", {}, "Networks of this host; the tables below say the same"),
        _rect(16, top, _WIDTH - 32, y - top + 8, "host", 14),
        _text(_WIDTH - 36, top + 26, "quiet", "the host", end=True),
        *trunk,
        *_world(),
        *host.elements,
        *table.elements,
        *bands,
        *legend.elements,
    )


def _world() -> list[Element]:
    return [
        _rect(_TRUNK - 24, 16, 190, 44, "world", 22),
        _text(_TRUNK + 6, 43, "title onworld", "the world outside"),
    ]


def _trunk(whole: Map, top: float, foot: float) -> list[Element]:
    """From the world through the host down to the last network that is joined to it."""
    if not whole.default_routes:
        return [_path("trunk", f"M {_TRUNK} {top + 30} V {foot:g}")]
    return [_path("trunk", f"M {_TRUNK} 60 V {foot:g}")]


def _host(whole: Map, y: float) -> _Part:
    """The host's interfaces side by side, those that lead out first."""
    elements: list[Element] = []
    x = _TRUNK - 24
    for link in whole.links[:4]:
        elements.append(_interface(link, whole, x, y))
        x += 260
    if not whole.default_routes:
        elements.append(_text(_TRUNK, y - 36, "bad", "no default route: nothing leads out"))
    forwards = f"forwards {words.forwarding(whole)}"
    elements.append(_text(_WIDTH - 36, y + 24, "quiet", forwards, end=True))
    return _Part(elements, 96 if whole.links else 48)


def _interface(link: Link, whole: Map, x: float, y: float) -> Element:
    own = ", ".join(link.addresses) or "no address"
    way = words.ways(whole, link.name) or "leads nowhere by default"
    return _group(
        "",
        f"{link.name}\n{own}\n{way}",
        _rect(x, y, 240, 72, "box"),
        _text(x + 14, y + 22, "title", _fit(link.name, 210)),
        _text(x + 14, y + 42, "mono", _fit(own, 216)),
        _text(x + 14, y + 60, "quiet small", _fit(way, 216, 5.8)),
    )


def _table(whole: Map, y: float) -> _Part:
    """What the rules do on the way out, at the left, and on the way in."""
    left = list(_about_rules(whole))
    rows = _port_rows(whole, _PORTS, y + 44)
    height = max(len(left) * 18, rows.height + 22) + 30
    x = _TRUNK - 24
    wrong = any(kind == "bad" for kind, _ in left)
    elements = [
        _rect(x, y, _WIDTH - 36 - x, height, "box wrong" if wrong else "box"),
        _path("rule", f"M {_PORTS - 16} {y + 12:g} V {y + height - 12:g}"),
        _text(_PORTS, y + 24, "title", "published ports" if rows.elements else "no port is published"),
        *rows.elements,
    ]
    for number, (kind, text) in enumerate(left):
        shown = _fit(text, 360, 5.8 if "small" in kind else _LETTER)
        elements.append(_text(x + 14, y + 24 + number * 18, kind, shown))
    return _Part(elements, height + 22)


def _about_rules(whole: Map) -> Iterator[tuple[str, str]]:
    """Class and text of each line."""
    yield "mono", f"table inet {whole.table}"
    if not any(network.members for network in whole.networks):
        yield "quiet", "comes with the first container"
        return
    if "inet" in whole.families:
        yield "", "out: masqueraded as"
        yield "mono", ", ".join(words.leading_addresses(whole)) or "the address it leaves by"
        yield "", "in: answers, and what is published"
    for family in FAMILIES:
        if family not in whole.families:
            yield "bad", f"table {family} is missing"
    for drop in whole.drops:
        yield "quiet small", f"dropped: {words.dropped(drop)}, {words.counted(drop.counter)}"


def _port_rows(whole: Map, x: float, y: float) -> _Part:
    found = list(words.published(whole))
    wide = max((len(row.outside) for _, _, row in found), default=0) * _LETTER + 18
    elements = []
    for number, (network, member, row) in enumerate(found):
        place = y + number * 22
        to = f"{_fit(member.name, 150)} {row.inside}"
        count = words.counted(row.counter) if row.counter else "not in the table"
        elements += [
            _rect(x - 6, place - 12, wide - 4, 18, "chip", 5),
            _text(x, place + 1, "mono", row.outside),
            _text(x + wide, place + 1, "good" if row.counter else "bad", "→" if row.counter else "↛"),
            _e("a", {"href": f"#{_anchor(network, member)}"}, _text(x + wide + 20, place + 1, "mono", to)),
            _text(_WIDTH - 52, place + 1, "quiet" if row.counter else "bad", count, end=True),
        ]
    return _Part(elements, len(found) * 22)


def _anchor(network: MapNetwork, member: MapEndpoint) -> str:
    return f"{network.name}.{member.name}"


# ---- a network ----------------------------------------------------------------------------------------------------

_TITLE_AT = 26.0  # below the band's upper edge; there the trunk joins it


def _band(network: MapNetwork, whole: Map, number: int, y: float) -> _Part:
    about = _about(network, whole, y)
    members = _members(network, whole, y + 16)
    height = max(about.height, members.height + 32)
    kind = "band internal" if network.internal else "band"
    bus = _rect(_BUS, y + 16, _BUS_WIDTH, height - 32, "bridge" if network.there else "nobridge", 5)
    joined = [] if network.internal else [_path("trunk", f"M {_TRUNK} {y + _TITLE_AT} H {_BAND}")]
    tooltip = f"network {network.name}\nbridge {network.bridge}{'' if network.there else ': missing'}"
    group = _group(
        f"n{number % _HUES}",
        "",
        _rect(_BAND, y, _BAND_WIDTH, height, kind, 10),
        *joined,
        *about.elements,
        _group("", tooltip, bus),
        *members.elements,
    )
    return _Part([group], height)


def _about(network: MapNetwork, whole: Map, y: float) -> _Part:
    """What a network is, in words beside its bridge."""
    x, width = _BAND + 18, _BUS - _BAND - 36
    lines = [("mono" if network.there else "mono bad", network.bridge)]
    lines += [("mono", address) for address in words.gateways(network)]
    for text in (words.name_server(network), *words.rules(network, whole)):
        bad = "bad" if (network.dns_port and not network.dns_pid and text.startswith("names")) else "quiet"
        lines += [(bad, line) for line in textwrap.wrap(text, int(width / 6.2))]
    elements = [_text(x, y + 32, "large", _fit(network.name, width - 40, 10))]
    elements += [
        _text(x, y + 56 + number * 17, kind, _fit(text, width) if "mono" in kind else text)
        for number, (kind, text) in enumerate(lines)
    ]
    if words.marked(whole, network.name):
        elements.append(_badge(_BUS - 24, y + 26))
    return _Part(elements, 56 + len(lines) * 17 + 8)


def _members(network: MapNetwork, whole: Map, y: float) -> _Part:
    """The containers, in one column of wide boxes or in two, each with its veth."""
    columns = 1 if len(network.members) <= _ONE_COLUMN else 2
    width = _LONG_BOX if columns == 1 else _BOX
    elements: list[Element] = []
    start = float(y)
    for first in range(0, len(network.members), columns):
        row = network.members[first : first + columns]
        height = max(_height(member, width) for member in row)
        for column, member in enumerate(row):
            x = _BUS + _BUS_WIDTH + _VETH + column * (width + _VETH)
            elements += [
                _veth(member, x, y, height, column),
                _box(member, network, whole, x, y, width, height),
            ]
        y += height + _GAP
    return _Part(elements, y - start - _GAP)


def _lines(member: MapEndpoint, width: float) -> list[tuple[str, str]]:
    """What stands in a container's box below its name: class, text."""
    image = words.image(member.image)
    lines = [("mono", ", ".join(member.addresses))] if width > _BOX else []
    lines = lines or [("mono", address) for address in member.addresses]
    rest = [note for note in words.notes(member) if note not in member.addresses and note != image]
    if ports := dict.fromkeys(row.outside.rpartition(":")[2] for row in words.rows(member.ports)):
        lines.append(("mono small good", f"publishes {', '.join(ports)}"))
    spaces = [note for note in rest if note.startswith("pid ")]
    lines += [("mono small quiet", note) for note in spaces]
    others = ", ".join(note for note in rest if note not in spaces)
    letters = int((width - 2 * _PAD) / 5.8)
    lines += [("small quiet", line) for line in textwrap.wrap(others, letters)[:3]]
    return lines


def _height(member: MapEndpoint, width: float) -> float:
    return 2 * _PAD + 14 + _LINE * len(_lines(member, width))


def _box(
    member: MapEndpoint, network: MapNetwork, whole: Map, x: float, y: float, width: float, height: float
) -> Element:
    """A container: its network namespace."""
    bad = words.marked(whole, network.name, member.name)
    kind = (
        "space" + (" wrong" if bad else "") + (" again" if member.others and not member.default_route else "")
    )
    image = words.image(member.image)
    room = width - 2 * _PAD - (22 if bad else 0)
    name = _fit(member.name, room - 60 if image else room, 8.6)
    after = _fit(image, room - len(name) * 8.6 - 8, 6.2)
    elements = [
        _rect(x, y, width, height, kind),
        _text(x + _PAD, y + _PAD + 11, "title", name),
        _text(x + width - _PAD - (22 if bad else 0), y + _PAD + 11, "small quiet", after, end=True),
    ]
    for number, (style, text) in enumerate(_lines(member, width)):
        letter = _LETTER if style == "mono" else _SMALL if "mono" in style else 0
        shown = _fit(text, width - 2 * _PAD, letter) if letter else text
        elements.append(_text(x + _PAD, y + _PAD + 29 + number * _LINE, style, shown))
    if bad:
        elements.append(_badge(x + width - 15, y + 16))
    return _group("member", _tooltip(member), *elements, id=_anchor(network, member))


def _tooltip(member: MapEndpoint) -> str:
    """All there is to say of a container, a line each."""
    ports = (f"published: {row.outside} to {row.inside}" for row in words.rows(member.ports))
    veth = f"veth {member.interface} to {member.inside}{f': {member.broken}' if member.broken else ''}"
    way = "its way out" if member.default_route else ""
    parts = (member.name, member.addresses[0], *words.notes(member), member.mac, veth, way, *ports)
    return "\n".join(filter(None, parts))


def _veth(member: MapEndpoint, x: float, y: float, height: float, column: int) -> Element:
    """From the bus to the box at `x`; to one of the second column in the gap below the first."""
    middle, bus = y + min(height / 2, 34), _BUS + _BUS_WIDTH
    start = x - _VETH
    path = f"M {bus} {middle:g} H {x}"
    if column:
        gap = y + height + _GAP / 2
        turn = start + 14
        path = f"M {bus} {gap:g} H {turn} Q {turn + 8} {gap:g} {turn + 8} {gap - 8:g} V {middle + 8:g}"
        path += f" Q {turn + 8} {middle:g} {turn + 16} {middle:g} H {x}"
    kind = "veth broken" if member.broken else "veth default" if member.default_route else "veth"
    at = y + height + _GAP / 2 if column else middle
    label = start + (26 if column else 10)
    inside = _fit(member.inside, 60, _SMALL)
    parts = [
        _path(kind, path),
        _e("circle", {"cx": bus, "cy": f"{at:g}", "r": 4.5, "class": "socket"}),
        _text(label, middle - 6, "mono small", _fit(member.interface, 82, _SMALL)),
        _text(x - 7, middle + (26 if member.broken else 14), "mono small quiet", inside, end=True),
    ]
    if member.broken:
        parts.append(_path("cross", f"M {x - 20} {middle - 6:g} l 12 12 m 0 -12 l -12 12"))
        parts.append(_text(label, middle + 14, "small bad", member.broken))
    elif member.default_route:
        parts.append(_path("tip", f"M {bus + 7} {at:g} l 10 -5 v 10 z"))
    return _group("", _veth_tooltip(member), *parts)


def _veth_tooltip(member: MapEndpoint) -> str:
    state = member.broken or ("the container's way out" if member.default_route else "whole")
    return f"veth pair {member.interface} to {member.inside} of {member.name}: {state}"


def _legend(y: float) -> _Part:
    x: float = _BAND + 4
    samples = [
        ("veth default", "a veth pair, the container's way out"),
        ("veth", "a veth pair"),
        ("veth broken", "a broken one"),
    ]
    elements: list[Element] = []
    for kind, text in samples:
        elements += [_path(kind, f"M {x} {y + 8} h 36"), _text(x + 44, y + 12, "quiet", text)]
        x += 44 + len(text) * 6.2 + 24
    elements.append(
        _text(x, y + 12, "quiet", "a box is a network namespace; a dashed one has its way out elsewhere")
    )
    return _Part([_group("n0", "", *elements)], 28)


# ---- in words -----------------------------------------------------------------------------------------------------


def _remarks(whole: Map) -> Element:
    items = (
        _e("li", {}, f"{words.whose(remark)}{remark.text}", _e("code", {}, remark.advice))
        for remark in whole.remarks
    )
    return _e("section", {"id": "remarks"}, _e("h2", {}, words.discord(whole)), _e("ul", {}, *items))


def _tables(whole: Map) -> Iterator[Element]:
    for network in whole.networks:
        if network.members:
            yield _e("h2", {}, f"Network {network.name}")
            facts = [f"bridge {network.bridge}", f"gateway {', '.join(words.gateways(network))}"]
            facts += [words.name_server(network), *words.rules(network, whole)]
            yield _e("p", {}, "; ".join(facts))
            yield _table_of(
                ["container", "addresses", "hardware address", "veth", "namespace", "and"],
                [_cells(member) for member in network.members],
            )
    unused = [network for network in whole.networks if not network.members]
    yield from _list("No containers, so no bridge", [_unused(network) for network in unused])
    unattached = [f"{one.name} ({words.image(one.image)}) {words.how(one)}" for one in whole.unattached]
    yield from _list("On no network", unattached)
    drops = [f"{words.counted(drop.counter)}: {words.dropped(drop)}" for drop in whole.drops]
    yield from _list("Dropped so far", drops)


def _unused(network: MapNetwork) -> str:
    return f"{network.name}  {', '.join(network.subnets)}"


def _cells(member: MapEndpoint) -> list[str]:
    way = ", its way out" if member.default_route else ""
    veth = f"{member.interface} to {member.inside}{f', {member.broken}' if member.broken else way}"
    ports = [f"published: {row.outside} to {row.inside}" for row in words.rows(member.ports)]
    spaces = [note for note in words.notes(member) if note.startswith("pid ")]
    rest = [note for note in words.notes(member) if note not in (*member.addresses, *spaces)]
    return [
        member.name,
        ", ".join(member.addresses),
        member.mac,
        veth,
        ", ".join(spaces),
        ", ".join([*rest, *ports]),
    ]


def _table_of(heads: list[str], rows: list[list[str]]) -> Element:
    head = _e("tr", {}, *(_e("th", {"scope": "col"}, text) for text in heads))
    body = (_e("tr", {}, *(_e("td", {}, text) for text in row)) for row in rows)
    return _e("div", {"class": "wide"}, _e("table", {}, head, *body))


def _list(title: str, lines: list[str]) -> Iterator[Element]:
    if lines:
        yield _e("h2", {}, title)
        yield _e("ul", {"class": "plain"}, *(_e("li", {}, line) for line in lines))
