r"""Templates for `--format` and `inspect -f`: the language of Go's text/template, with Docker's functions.

    {{.Field}} {{.A.B}} {{.}} {{$}}          fields of the value at hand, that value, the outermost value
    {{json .X}} {{upper .X}} {{.X | json}}   functions (gotemplate/functions.py has them all), nested with ( )
    {{if eq .X "y" "z"}}..{{else if .Z}}..{{else}}..{{end}}   {{with .X}}..{{else with .Y}}..{{end}}
    {{range .List}}{{.}}{{else}}none{{end}}  {{range $key, $value := .Map}}..{{break}}..{{continue}}..{{end}}
    {{$x := .X}} {{$x = "other"}}            variables
    {{define "t"}}..{{end}} {{template "t" .X}} {{block "t" .X}}..{{end}}
    {{- .X -}} {{/* words */}}               the white space beside it goes; a comment

See  pkg.go.dev/text/template; docs.docker.com "Format command and log output"
"""

from __future__ import annotations

from minirun.cli.gotemplate import api_types, evaluation, functions, lexer, parser, printing, values
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

as_json = printing.as_json


def parse(template: str) -> Callable[[Any], str]:
    """`template` as a function from a value (gotemplate/values.py, or what JSON has) to text.

    Both raise UsageError, with line and column.
    """
    tree = read(template)
    return lambda value: evaluation.fill(tree, values.typeless(value))


def read(template: str) -> parser.Tree:
    """Raises UsageError, with line and column."""
    try:
        return parser.parse(template, functions.NAMES)
    except RecursionError:
        raise UsageError("template: it is nested too deeply") from None


def headings(template: str) -> Callable[[values.Map], str]:
    """`template` as a function from the headings of a table's fields to its first line."""
    tree = read(template)
    return lambda value: evaluation.fill(tree, value, changed=functions.FOR_HEADINGS)


def of_type(template: str, name: str) -> Callable[[dict[str, Any]], str]:
    """`template` as a function from facts to text; `name` is their type in gotemplate/api_types.py."""
    tree = read(template)
    return lambda facts: evaluation.fill(tree, api_types.typed(facts, name))


def inspection(template: str) -> Callable[[dict[str, Any]], str]:
    """`template` for `inspect -f`, of containers, images, networks and volumes.

    As in Docker, what cannot be had of their types ({{.Id}}: Go's name is ID) is asked of the JSON once more, where a
    key that is not there is an error.
    """
    tree = read(template)

    def fill(facts: dict[str, Any]) -> str:
        try:
            return evaluation.fill(tree, api_types.typed(facts, api_types.inspected(facts)))
        except lexer.TemplateError as first:
            try:
                return evaluation.fill(tree, values.raw(facts), strict=True)
            except lexer.TemplateError as second:
                raise (first if first.at > second.at else second) from None  # that which got further

    return fill
