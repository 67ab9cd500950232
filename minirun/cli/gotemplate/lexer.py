r"""A template's text, cut into tokens.

    Name: {{- .Name | json }}\n   ->   literal `Name:`, left, field `.Name`, space, sign `|`, space, word `json`,
                                    space, right, literal `\n`

White space inside of an action is a token, for `f (.X)` and `f(.X)` are not the same.  What a trim marker or a comment
takes away is not there any more.

See  text/template/parse lex.go
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_WHITE = " \t\r\n"
_TRIM = re.compile(r"-[ \t\r\n]")
_RIGHT = re.compile(r"(?P<trim>[ \t\r\n]-)?\}\}")
_END = r"(?=[\s.,|:()]|\}\}|$)"  # a name has to end before one of these
_NUMBER = (
    r"[+-]?(?:0[xXbBoO][0-9a-fA-F_]+"
    r"|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]+)?|\.[0-9][0-9_]*(?:[eE][+-]?[0-9_]+)?)"
)
_TOKEN = re.compile(
    r"(?P<space>(?:[ \t\r\n](?!-\}\}))+)"
    rf"|(?P<number>{_NUMBER}(?!\w))"
    rf"|(?P<variable>\$\w*{_END})|(?P<field>\.[^\W\d]\w*{_END})|(?P<dot>\.(?!\w))|(?P<word>[^\W\d]\w*{_END})"
    r'|(?P<text>"(?:\\.|[^"\\\n])*"|`[^`]*`)' + r"|(?P<char>'(?:\\.|[^'\\\n])+')"
    r"|(?P<sign>:=|[=|(),])"
)
_SHOWN_MAX = 60


class Token(NamedTuple):
    kind: str  # literal left right space number variable field dot word text char sign end
    text: str
    at: int  # where it begins, for errors


class TemplateError(UsageError):
    """What is wrong with a template, and where in its text."""

    def __init__(self, at: int, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.at = at


def fail(template: str, at: int, why: str, hint: str = "") -> NoReturn:
    """Raise TemplateError with line, column and the action that `at` is in."""
    line, column = template.count("\n", 0, at) + 1, at - template.rfind("\n", 0, at)
    raise TemplateError(at, f"template:{line}:{column}: {_action_around(template, at)}{why}", hint)


def _action_around(template: str, at: int) -> str:
    start = template.rfind("{{", 0, at + 2)
    if start < 0:
        return ""
    end = template.find("}}", max(at - 1, start))
    shown = template[start : end + 2 if end >= 0 else len(template)].replace("\n", " ")
    return (shown if len(shown) <= _SHOWN_MAX else f"{shown[:_SHOWN_MAX]}…") + ": "


def tokens(template: str) -> Iterator[Token]:
    """The tokens of a template, and at last one of the kind `end`.  Raises UsageError."""
    at, trim = 0, False
    while True:
        left = template.find("{{", at)
        literal = template[at : left if left >= 0 else len(template)]
        literal = literal.lstrip(_WHITE) if trim else literal
        if left < 0:
            break
        inside = left + 2
        if _TRIM.match(template, inside):
            literal, inside = literal.rstrip(_WHITE), inside + 2
        if literal:
            yield Token("literal", literal, at)
        if template.startswith("/*", inside):
            at, trim = _comment(template, left, inside)
            continue
        yield Token("left", "{{", left)
        for token in _inside(template, inside, left):
            yield token
            at = token.at + len(token.text)
        trim = token.text.startswith(tuple(_WHITE))
    if literal:
        yield Token("literal", literal, at)
    yield Token("end", "", len(template))


def _comment(template: str, left: int, inside: int) -> tuple[int, bool]:
    """Where a comment has ended, and whether the white space after it goes."""
    end = template.find("*/", inside)
    if end < 0:
        fail(template, left, "the comment has no */")
    right = _RIGHT.match(template, end + 2)
    if not right:
        fail(template, left, "after */ has to come }}")
    return right.end(), bool(right["trim"])


def _inside(template: str, at: int, left: int) -> Iterator[Token]:
    """The tokens up to }}, with it."""
    depth = 0
    while not (right := _RIGHT.match(template, at)):
        match = _TOKEN.match(template, at)
        if not match:
            _explain(template, at, left)
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth < 0:
            fail(template, at, 'there is no "(" for this ")"')
        yield Token(str(match.lastgroup), match[0], at)
        at = match.end()
    if depth:
        fail(template, at, '")" is missing')
    yield Token("right", right[0], at)


def _explain(template: str, at: int, left: int) -> NoReturn:
    """Why no token begins at `at`."""
    if at >= len(template) or template.find("}}", at) < 0:
        fail(template, left, "it has {{ without }}")
    if template[at] in "\"`'":
        fail(template, at, f"the text that begins with {template[at]} does not end")
    word = re.compile(r"[^\s|()}]+|.", re.DOTALL).match(template, at)
    fail(template, at, f'"{word[0] if word else template[at]}" is not understood')
