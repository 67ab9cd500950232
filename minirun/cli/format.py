"""`--format` of the commands that list things.

    (nothing), table               the usual columns
    table {{.ID}}\\t{{.Size}}       columns of one's own, with headings
    json                           one JSON object a line
    {{.ID}} {{json .}}             a template (template.py) filled in for each row

See  docs.docker.com "Format command and log output"
"""

from __future__ import annotations

from minirun.cli.widths import width
from minirun.printable import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from minirun.cli.gotemplate.values import Map, Methods, Struct

    Row = dict[str, Any]

_GAP = 3  # letters between two columns


class Labels(str):
    """Labels as a row has them, `a=b,c=d`, which still answer {{.Label "a"}}."""

    __slots__ = ("labels",)
    labels: dict[str, str]

    def __new__(cls, labels: dict[str, str]) -> Labels:
        made = super().__new__(cls, ",".join(f"{key}={value}" for key, value in labels.items()))
        made.labels = labels
        return made


def is_usual(form: str) -> bool:
    """Whether `--format form` is for the usual columns, of which --quiet leaves the ids."""
    return form.strip(" ") in ("", "table")


def lines(
    rows: Iterable[Row], form: str, headings: Mapping[str, str], columns: Sequence[str]
) -> Iterable[str]:
    """What to print for `rows`, the answers to the option `--format form`.

    `headings` has the heading of each field that a row has, {"ID": "IMAGE ID"}; `columns` the usual ones.
    """
    form = form.strip(" ")
    if is_usual(form):
        return table(
            [
                [headings[name] for name in columns],
                *([one_line(str(row[name])) for name in columns] for row in rows),
            ]
        )
    from minirun.cli import template

    if form == "json":
        return (template.as_json(fields(row)) for row in rows)
    # in a shell's quotes \t is two letters; who lists things means the one
    own = form.removeprefix("table").strip(" ").replace("\\t", "\t").replace("\\n", "\n")
    fill = template.parse(own)
    if not form.startswith("table"):
        return (fill(fields(row)) for row in rows)
    shown = [fill(fields(_cells(row))) for row in rows]
    first = template.headings(own)(_headings(headings))
    return table([line.split("\t") for text in (first, *shown) for line in text.split("\n")])


def fields(row: Row) -> Struct:
    """A row for a template: its JSON is in the order of the names, `.Label "x"` is one of its labels."""
    from minirun.cli.gotemplate import values

    if isinstance(row, values.Struct):
        return row
    methods: Methods = {}
    if isinstance(labels := row.get("Labels"), Labels):
        methods = {"Label": lambda name: labels.labels.get(name, "")}
    shown = {name: values.typeless(value) for name, value in row.items()}
    return values.Struct(shown, methods=methods, sorts=True)


def _headings(headings: Mapping[str, str]) -> Map:
    from minirun.cli.gotemplate import values

    return values.Map(dict(headings), methods={"Label": _label_heading})


def _label_heading(name: str) -> str:
    """`com.example.some-name` is headed `some name`."""
    return name.rpartition(".")[2].replace("-", " ").replace("_", " ")


def _cells(row: Row) -> Row:
    """A row whose values stay in their columns.  A table is for people, and a pager may stand behind a pipe."""
    return {name: _cell(value) for name, value in row.items()}


def _cell(value: Any) -> Any:
    if isinstance(value, Labels):
        return Labels({one_line(key): one_line(text) for key, text in value.labels.items()})
    return one_line(value) if isinstance(value, str) else value


def table(rows: list[list[str]], narrowest: int = 10) -> list[str]:
    """Columns as wide as their widest cell and three spaces, `narrowest` at least, as Docker's.

    >>> table([["TAG", "SIZE"], ["latest", "1kB"]])
    ['TAG       SIZE', 'latest    1kB']
    """
    count = max(map(len, rows))
    full = [row + [""] * (count - len(row)) for row in rows]
    columns = [max(narrowest, _GAP + max(map(width, column))) for column in zip(*full, strict=True)]
    return ["".join(map(_filled, row, columns)).rstrip() for row in full]


def _filled(cell: str, columns: int) -> str:
    return cell + " " * (columns - width(cell))
