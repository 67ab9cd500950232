"""Where the services of a graph stand in a picture: in rows, and so that few lines cross.

The way of Sugiyama: each level is one or several rows; a line that passes a row has a place of its own in it; the
places of a row are sorted by the middle of what they are joined to, again and again; then each is moved as near to
that middle as its neighbours let it.  All that wait for one service share its line as far as they can.

See  Sugiyama, Tagawa, Toda: "Methods for Visual Understanding of Hierarchical System Structures", 1981
     cli/compose/graph_svg.py
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COLUMNS = 6  # boxes in a row, at most
_SWEEPS = 12


class Place(NamedTuple):
    """A service, or with `passing` where its line passes a row."""

    row: int
    name: str
    passing: bool = False


class Layout:
    """`rows` of places from left to right; `x` of each one's middle; `lines` between places of neighbouring rows."""

    def __init__(
        self, rows: list[list[Place]], lines: list[tuple[Place, Place]], x: dict[Place, float]
    ) -> None:
        self.rows = rows
        self.lines = lines
        self.x = x

    def place_of(self, name: str) -> Place:
        return next(place for row in self.rows for place in row if place.name == name and not place.passing)


def make(
    levels: Sequence[Sequence[str]],
    edges: Iterable[tuple[str, str]],
    box_width: float,
    line_width: float,
    columns: int = COLUMNS,
) -> Layout:
    """`edges` are (service, what it waits for); the widths are with the gaps between."""
    edges = list(edges)
    joined = {name for edge in edges for name in edge}
    lone = [name for level in levels for name in level if name not in joined]
    split = _split([[name for name in level if name in joined] for level in levels], edges, columns)
    rows = [
        [Place(number, name) for name in row] for number, row in enumerate([*split, *_chunks(lone, columns)])
    ]
    lines = _lines(rows, edges)
    _sort(rows, lines)
    widths = {place: line_width if place.passing else box_width for row in rows for place in row}
    return Layout(rows, lines, _coordinates(rows, lines, widths))


def _split(levels: Sequence[Sequence[str]], edges: list[tuple[str, str]], columns: int) -> list[list[str]]:
    """Levels as rows; of a wide one those come first that others wait for."""
    needed = {target for _, target in edges}
    rows: list[list[str]] = []
    for level in levels:
        rows += _chunks(sorted(level, key=lambda name: name not in needed), columns)
    return rows


def _chunks(names: Sequence[str], columns: int) -> list[list[str]]:
    """As few rows as may be, about equally long."""
    count = -(-len(names) // columns)
    size = -(-len(names) // count) if count else 1
    return [list(names[at : at + size]) for at in range(0, len(names), size)]


def _lines(rows: list[list[Place]], edges: list[tuple[str, str]]) -> list[tuple[Place, Place]]:
    """Each edge from row to row; places are added to the rows that it passes."""
    place_of = {place.name: place for row in rows for place in row}
    found: dict[tuple[Place, Place], None] = {}
    for source, target in edges:
        upper, lower = place_of[target], place_of[source]
        before = upper
        for number in range(upper.row + 1, lower.row):
            passing = Place(number, target, passing=True)
            if passing not in rows[number]:
                rows[number].append(passing)
            found[before, passing] = None
            before = passing
        found[before, lower] = None
    return list(found)


def _sort(rows: list[list[Place]], lines: list[tuple[Place, Place]]) -> None:
    """Sort each row by what it is joined to above, then below, in turn; the best of all turns stays."""
    above, below = _joined(lines)
    best, least = [list(row) for row in rows], crossings(rows, lines)
    for sweep in range(_SWEEPS):
        joined = below if sweep % 2 else above
        position = {place: (number + 0.5) / len(row) for row in rows for number, place in enumerate(row)}
        for row in reversed(rows) if sweep % 2 else rows:
            row.sort(
                key=lambda place: _mean([position[one] for one in joined.get(place, [])], position[place])
            )
            position.update({place: (number + 0.5) / len(row) for number, place in enumerate(row)})
        count = crossings(rows, lines)
        if count < least:
            best, least = [list(row) for row in rows], count
    rows[:] = best


def _joined(lines: list[tuple[Place, Place]]) -> tuple[dict[Place, list[Place]], dict[Place, list[Place]]]:
    """What each place is joined to above, and below."""
    above: dict[Place, list[Place]] = {}
    below: dict[Place, list[Place]] = {}
    for upper, lower in lines:
        above.setdefault(lower, []).append(upper)
        below.setdefault(upper, []).append(lower)
    return above, below


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def crossings(rows: list[list[Place]], lines: list[tuple[Place, Place]]) -> int:
    """How often two lines cross."""
    position = {place: number for row in rows for number, place in enumerate(row)}
    by_row: dict[int, list[tuple[int, int]]] = {}
    for upper, lower in lines:
        by_row.setdefault(upper.row, []).append((position[upper], position[lower]))
    return sum(
        (one[0] - other[0]) * (one[1] - other[1]) < 0
        for pairs in by_row.values()
        for number, one in enumerate(pairs)
        for other in pairs[:number]
    )


def _coordinates(
    rows: list[list[Place]], lines: list[tuple[Place, Place]], widths: dict[Place, float]
) -> dict[Place, float]:
    """The middle of each place; the leftmost edge of all is 0."""
    above, below = _joined(lines)
    x: dict[Place, float] = {}
    for row in rows:
        x.update(zip(row, spread([0.0] * len(row), [widths[place] for place in row]), strict=True))
    for sweep in range(_SWEEPS):
        for row in reversed(rows) if sweep % 2 else rows:
            wanted = [
                _mean([x[one] for one in (*above.get(place, []), *below.get(place, []))], x[place])
                for place in row
            ]
            x.update(zip(row, spread(wanted, [widths[place] for place in row]), strict=True))
    _centre(rows, lines, x)
    left = min((x[place] - widths[place] / 2 for place in x), default=0.0)
    return {place: value - left for place, value in x.items()}


def _centre(rows: list[list[Place]], lines: list[tuple[Place, Place]], x: dict[Place, float]) -> None:
    """Rows that nothing leads to stand below the middle of the others."""
    joined = {place for line in lines for place in line}
    others = [x[place] for place in joined]
    middle = (min(others) + max(others)) / 2 if others else 0.0
    for row in rows:
        if not joined & set(row):
            by = middle - (x[row[0]] + x[row[-1]]) / 2
            x.update({place: x[place] + by for place in row})


def spread(wanted: Sequence[float], widths: Sequence[float]) -> list[float]:
    """Places as near to `wanted` as they can be, in this order, without overlapping: least squares.

    Neighbours that would overlap are put together and moved as one, to the mean of what they want.

    >>> spread([0, 0], [10, 10])
    [-5.0, 5.0]
    >>> spread([0, 100], [10, 10])
    [0.0, 100.0]
    """
    offsets = [0.0]
    for one, other in itertools.pairwise(widths):
        offsets.append(offsets[-1] + (one + other) / 2)
    groups: list[tuple[float, int]] = []  # (mean, how many)
    for value, offset in zip(wanted, offsets, strict=False):
        mean, count = value - offset, 1
        while groups and groups[-1][0] > mean:
            before, number = groups.pop()
            mean, count = (before * number + mean * count) / (number + count), number + count
        groups.append((mean, count))
    means = [mean for mean, count in groups for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=False)]
