"""`minirun network map` on a terminal or in a pipe: the same lines, with colours on a terminal only.

the world outside
│
├─ eth0  192.0.2.10/24
│
├─ published                           what the host leads inside
│
├─┬─ shop ── bridge mr-8fe8018b6189    joined to what leads out ...
│ ├─ vethac110002 ◄═══ eth0  web
│ └─ vethac110003 ◄═══ eth0  api
│
│ ┌─ vault ── bridge mr-90cf74516ec7   ... and not, being internal
│ └─ vethac120002 ════ eth1  api
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, NamedTuple

from minirun.cli import netmap_words as words
from minirun.engine.view.layers import ADDED, CHANGED, REMOVED
from minirun.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minirun.cli.layers_text import Pen
    from minirun.engine.diagnose.netmap import Map, MapEndpoint, MapNetwork

_WIDEST = 100  # columns
_WHOLE, _DEFAULT_ROUTE, _BROKEN = "════", "◄═══", "═╳══"
_GOOD, _LOOK, _BAD = ADDED, CHANGED, REMOVED  # the pen's colours: green, yellow, red
_NARROWEST_NAME, _WIDEST_NAME = 8, 28
_LENGTH_OF_MAC = 17
_ROOM_OF_COUNT = 34  # of a published port: its arrow, its counter, and what is between
_MARK = "!"


class Columns(NamedTuple):
    """How wide each is, in all networks alike."""

    veth: int
    inside: int
    name: int
    address: int
    mac: bool  # whether it has room in the first line
    whole: int


def render(whole: Map, pen: Pen) -> Iterator[str]:
    """The map line by line."""
    width = min(pen.width, _WIDEST)
    columns = _columns(whole, width)
    # Joined to the outside first; what is internal stands beside the trunk.
    used = words.used(whole)
    joined = sum(not one.internal for one in used)
    yield pen("title", "the world outside")
    yield from _host(whole, pen, width, trunk="│" if joined else " ")
    yield from _published(whole, pen, width, trunk="│" if joined else " ")
    for number, network in enumerate(used):
        yield from _network(network, whole, pen, columns, last=number >= joined - 1)
    yield from _unused(whole, pen, width)
    yield from _unattached(whole, pen, width)
    yield from _dropped(whole, pen)
    yield from _remarks(whole, pen, width)
    if used:
        yield ""
        yield pen("quiet", _legend(whole))


def _columns(whole: Map, width: int) -> Columns:
    members = [member for network in whole.networks for member in network.members]
    veth, inside, address, name = (
        max((len(text) for text in texts), default=0)
        for texts in (
            [member.interface for member in members],
            [member.inside for member in members],
            [member.addresses[0] for member in members],
            [member.name for member in members],
        )
    )
    rest = width - (5 + veth + 1 + len(_WHOLE) + 1 + inside + 2) - (2 + address) - 3  # 3: the mark
    roomy = rest - (2 + _LENGTH_OF_MAC) >= _NARROWEST_NAME
    rest -= 2 + _LENGTH_OF_MAC if roomy else 0
    return Columns(veth, inside, _between(name, min(rest, _WIDEST_NAME)), address, roomy, width)


# ---- outside ------------------------------------------------------------------------------------------------------


def _host(whole: Map, pen: Pen, width: int, trunk: str) -> Iterator[str]:
    longest = max((len(link.name) for link in whole.links), default=0)
    yield trunk.rstrip()
    for link in whole.links:
        way = words.ways(whole, link.name)
        facts = "  ".join(filter(None, (", ".join(link.addresses) or "no address", way)))
        first, *more = textwrap.wrap(facts, width - longest - 5)
        start = "├─" if way and trunk != " " else f"{trunk} "
        yield f"{start} {pen('title', f'{link.name:{longest}}')}  {first}"
        yield from (f"{trunk}  {'':{longest}}  {line}" for line in more)
    if not whole.default_routes:
        yield f"{trunk}  {pen(_LOOK, 'the host has no default route: nothing leads out')}"
    yield f"{trunk}  {pen('quiet', f'the host forwards: {words.forwarding(whole)}')}"


def _published(whole: Map, pen: Pen, width: int, trunk: str) -> Iterator[str]:
    """Each published port on a line: where it is reached, where it leads, what has come."""
    rows = [(printable(member.name), row) for _, member, row in words.published(whole)]
    if not rows:
        return
    outside = max(len(row.outside) for _, row in rows)
    room = width - outside - _ROOM_OF_COUNT
    inside = _between(max(len(row.inside) for _, row in rows), room - _NARROWEST_NAME)
    names = _between(max(len(name) for name, _ in rows), room - inside)
    yield trunk.rstrip()
    start = "├─" if trunk != " " else "  "
    yield f"{start} {pen('title', 'published')} {pen('quiet', f'by table inet {whole.table}')}"
    for name, row in rows:
        arrow = pen(_GOOD if row.counter else _BAD, "──►")
        count = words.counted(row.counter) if row.counter else pen(_BAD, f"{_MARK} not in the table")
        to = f"{words.cut(name, names):{names}}  {words.cut(row.inside, inside):{inside}}"
        yield f"{trunk}  {row.outside:{outside}} {arrow} {to}  {count}"


def _between(wanted: int, room: int) -> int:
    """As wide as wanted, if there is room, but never so narrow that nobody can read it."""
    return max(min(wanted, room), min(wanted, _NARROWEST_NAME))


# ---- a network ----------------------------------------------------------------------------------------------------


def _network(network: MapNetwork, whole: Map, pen: Pen, columns: Columns, *, last: bool) -> Iterator[str]:
    """`last`: nothing below is joined to the outside, so the trunk ends here."""
    trunk = " " if last else "│"
    above = trunk if network.internal else "│"
    corner = f"{trunk} ┌─" if network.internal else "└─┬─" if last else "├─┬─"
    yield above.rstrip()
    yield f"{corner} {_title(network, whole, pen)}"
    for line in _facts(network, whole, pen):
        yield from _wrapped(line, f"{trunk} │  ", columns.whole, pen)
    for member in network.members:
        yield from _member(member, network, whole, pen, columns, trunk)


def _title(network: MapNetwork, whole: Map, pen: Pen) -> str:
    bridge = f"bridge {network.bridge}" if network.there else pen(_BAD, f"no bridge {network.bridge}")
    count = words.several(len(network.members), "container")
    mark = f" {pen(_LOOK, _MARK)}" if words.marked(whole, network.name) else ""
    return f"{pen('title', words.cut(printable(network.name), _WIDEST_NAME))} ── {bridge}, {count}{mark}"


def _facts(network: MapNetwork, whole: Map, pen: Pen) -> Iterator[str]:
    yield f"gateway {', '.join(words.gateways(network))}; {words.name_server(network)}"
    yield from words.rules(network, whole)


def _member(
    member: MapEndpoint, network: MapNetwork, whole: Map, pen: Pen, columns: Columns, trunk: str
) -> Iterator[str]:
    last = member is network.members[-1]
    name = words.cut(printable(member.name), columns.name)
    mark = pen(_LOOK, _MARK) if words.marked(whole, network.name, member.name) else ""
    parts = [
        pen("title", f"{name:{columns.name}}"),
        f"{member.addresses[0]:{columns.address}}",
        *([pen("quiet", member.mac)] if columns.mac else []),
        mark,
    ]
    yield f"{trunk} {'└' if last else '├'}─ {_veth(member, pen, columns)}  {'  '.join(parts)}".rstrip()
    indent = f"{trunk} {' ' if last else '│'}  {'':{columns.veth + columns.inside + len(_WHOLE) + 4}}"
    notes = [*([] if columns.mac else [member.mac]), *words.notes(member)]
    yield from _wrapped(", ".join(notes), indent, columns.whole, pen)


def _veth(member: MapEndpoint, pen: Pen, columns: Columns) -> str:
    drawn, style = (_DEFAULT_ROUTE, _GOOD) if member.default_route else (_WHOLE, "")
    if member.broken:
        drawn, style = _BROKEN, _BAD
    veth = pen(_BAD if member.broken else "", f"{member.interface:{columns.veth}}")
    return f"{veth} {pen(style, drawn)} {member.inside:{columns.inside}}"


# ---- the rest -----------------------------------------------------------------------------------------------------


def _unused(whole: Map, pen: Pen, width: int) -> Iterator[str]:
    unused = [network for network in whole.networks if not network.members]
    lines = [
        [network.name, ", ".join(network.subnets) or "its subnet is chosen with its first container"]
        for network in unused
    ]
    yield from _listed("no containers: no bridge", lines, pen, width)


def _unattached(whole: Map, pen: Pen, width: int) -> Iterator[str]:
    lines = [[one.name, words.image(one.image), words.how(one)] for one in whole.unattached]
    yield from _listed("on no network", lines, pen, width)


def _dropped(whole: Map, pen: Pen) -> Iterator[str]:
    lines = [
        [f"{words.counted(drop.counter)}", words.dropped(drop), f"({drop.family}, {drop.chain})"]
        for drop in whole.drops
    ]
    yield from _listed("dropped so far", lines, pen, _WIDEST)


def _listed(title: str, lines: list[list[str]], pen: Pen, width: int) -> Iterator[str]:
    if not lines:
        return
    yield ""
    yield pen("title", title)
    columns = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (f"{printable(cell):{column}}" for cell, column in zip(line, columns, strict=True))
        yield words.cut(f"  {'  '.join(cells)}".rstrip(), width)


def _remarks(whole: Map, pen: Pen, width: int) -> Iterator[str]:
    if not whole.remarks:
        return
    yield ""
    yield pen("title", words.discord(whole))
    for remark in whole.remarks:
        text = printable(f"{words.whose(remark)}{remark.text}")
        lines = textwrap.wrap(text, width - 4)
        yield from (f"  {pen(_LOOK, ' ' if more else _MARK)} {line}" for more, line in enumerate(lines))
        yield f"      {pen('quiet', 'try:')} {printable(remark.advice)}"


def _legend(whole: Map) -> str:
    signs = [f"{_DEFAULT_ROUTE} veth, the container's way out", f"{_WHOLE} veth", f"{_BROKEN} broken"]
    if whole.remarks:
        signs.append(f"{_MARK} see above")
    return "   ".join(signs)


def _wrapped(text: str, indent: str, width: int, pen: Pen) -> Iterable[str]:
    """`text` on as many lines as it needs, below each other."""
    lines = textwrap.wrap(printable(text), width - len(indent), break_long_words=True, break_on_hyphens=False)
    return (f"{indent}{pen('quiet', line)}" for line in lines)
