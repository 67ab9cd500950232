"""`--format` of the commands that list things.

    (nothing), table               the usual columns
    table {{.ID}}\\t{{.Size}}       columns of one's own, with headings
    json                           one JSON object a line
    {{.ID}} {{json .}}             a template (template.py) filled in for each row

See  docs.docker.com "Format command and log output"
"""

from __future__ import annotations

import re

from minirun.printable import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    Row = dict[str, Any]

_FIRST_FIELD = re.compile(r"\.(\w+)")


def lines(
    rows: Iterable[Row], form: str, headings: Mapping[str, str], columns: Sequence[str]
) -> Iterable[str]:
    """What to print for `rows`, the answers to the option `--format form`.

    `headings` has the heading of each field that a row has, {"ID": "IMAGE ID"}; `columns` the usual ones.
    """
    kind, _, own = form.strip().partition(" ")
    if kind in ("", "table") and not own:
        return table(
            [
                [headings[name] for name in columns],
                *([one_line(str(row[name])) for name in columns] for row in rows),
            ]
        )
    from minirun.cli import template

    if form.strip() == "json":
        return map(template.as_json, rows)
    if kind != "table":
        return map(template.parse(form), rows)
    fill = template.parse(own.strip())
    heading = template.ACTION.sub(lambda action: _heading(action["inside"], headings), own.strip())
    return table([template.parse(heading)({}).split("\t"), *(fill(_cells(row)).split("\t") for row in rows)])


def _cells(row: Row) -> Row:
    """A row whose values stay in their columns.  A table is for people, and a pager may stand behind a pipe."""
    return {name: one_line(value) if isinstance(value, str) else value for name, value in row.items()}


def _heading(action: str, headings: Mapping[str, str]) -> str:
    """What stands over an action: the heading of the field it shows, whatever is done to it."""
    field = _FIRST_FIELD.search(action)
    return headings.get(field[1], "") if field else ""


def table(rows: list[list[str]]) -> list[str]:
    """Columns as wide as their widest cell, three spaces between them, as Docker's."""
    count = max(map(len, rows))
    full = [row + [""] * (count - len(row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*full, strict=True)]
    return ["   ".join(map(str.ljust, row, widths)).rstrip() for row in full]
