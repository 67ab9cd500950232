"""Variables in values: `$X`, `${X}`, and what to do where X is not set.

    ${X:-word}  ${X-word}    word, if X is unset or empty; if X is unset
    ${X:?word}  ${X?word}    an error that says word, then
    ${X:+word}  ${X+word}    word, if X is set and not empty; if X is set

A word may have variables in it.  `$$` is a plain dollar sign, and so is one that no name follows: `^[a-z]+$`.

See  compose-spec 12-interpolation.md; compose-go template/template.go
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from minirun.compose.language.problems import Problem
from minirun.compose.language.yaml_nodes import Node

Lookup = Callable[[str], "str | None"]

_NAME_STARTS = frozenset("_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_NAME = _NAME_STARTS | frozenset("0123456789")
_DEEPEST = 100  # variables within words of variables
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


class Unfit(ValueError):
    """The text cannot be filled in; `hint` says what to write."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Variable(NamedTuple):
    """`${name operator word}`, the first two characters of the operator at most."""

    name: str
    operator: str = ""
    word: str = ""


def substitute(text: str, lookup: Lookup, unset: Callable[[str], None]) -> str:
    """`text` with its variables filled in.  `unset` is told the names that stand for nothing.  Raises Unfit.

    >>> substitute("${A:-$B}/$$C", {"B": "b"}.get, print)
    'b/$C'
    """
    made = []
    for part in parts(text):
        made.append(part if isinstance(part, str) else _value(part, lookup, unset))
    return "".join(made)


def parts(text: str) -> Iterator[str | Variable]:
    """The plain text and the variables of a text, in turn."""
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        yield text[at:dollar]
        after = text[dollar + 1 : dollar + 2]
        at = dollar + 2
        if after == "{":
            end = _closing_brace(text, dollar)
            yield _braced(text[dollar + 2 : end], text)
            at = end + 1
        elif after in _NAME_STARTS and after:
            end = _end_of_name(text, dollar + 1)
            yield Variable(text[dollar + 1 : end])
            at = end
        elif after == "$":
            yield "$"
        else:
            yield "$"
            at = dollar + 1
    yield text[at:]


def _end_of_name(text: str, at: int) -> int:
    while at < len(text) and text[at] in _NAME:
        at += 1
    return at


def _closing_brace(text: str, dollar: int) -> int:
    """The place of the } of the ${ at `dollar`: other braces than those of variables do not count.

    Where one is missing it is the line's last: `${A:-${B}` is fine as long as A is set.
    """
    line = text[dollar:].partition("\n")[0]
    depth = at = last = 0
    while at < len(line):
        if line.startswith("${", at):
            depth += 1
            at += 1
            if depth > _DEEPEST:
                raise Unfit("variables stand within variables too deeply", f"{_DEEPEST} deep is the most")
        elif line[at] == "}":
            depth -= 1
            last = dollar + at
            if not depth:
                break
        at += 1
    if not last:
        raise _invalid(text)
    return last


def _braced(inside: str, text: str) -> Variable:
    end = _end_of_name(inside, 0)
    name, rest = inside[:end], inside[end:]
    if not name or name[0] not in _NAME_STARTS:
        raise _invalid(text)
    if not rest:
        return Variable(name)
    for operator in _OPERATORS:
        if rest.startswith(operator):
            return Variable(name, operator, rest[len(operator) :])
    raise _invalid(text)


def _invalid(text: str) -> Unfit:
    shown = text if len(text) <= 60 else text[:60] + "..."
    return Unfit(f'"{shown}" has a $ that no variable follows', "write $$ for a plain $")


def _value(variable: Variable, lookup: Lookup, unset: Callable[[str], None]) -> str:
    value = lookup(variable.name)
    operator = variable.operator
    there = value is not None and (value != "" or not operator.startswith(":"))
    if operator.endswith("+"):
        return substitute(variable.word, lookup, unset) if there else value or ""
    if there:
        return value or ""
    if operator.endswith("-"):
        return substitute(variable.word, lookup, unset)
    if operator.endswith("?"):
        reason = substitute(variable.word, lookup, unset)
        missing = f"required variable {variable.name} is missing a value"
        raise Unfit(f"{missing}: {reason}" if reason else missing)
    unset(variable.name)
    return ""


def fill_in(tree: Node, lookup: Lookup, unset: Callable[[str], None], path: str = "") -> Iterator[Problem]:
    """All values of a tree, in place; keys stay as they are."""
    value = tree.value
    if isinstance(value, str):
        if "$" in value:
            try:
                tree.value = substitute(value, lookup, unset)
            except Unfit as error:
                place = {"file": tree.file, "line": tree.line, "column": tree.column}
                yield Problem(str(error), path=path, hint=error.hint, **place)  # type: ignore[arg-type]
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from fill_in(item, lookup, unset, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from fill_in(item, lookup, unset, f"{path}[{number}]")
