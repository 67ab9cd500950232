"""The functions of templates: those that Go gives to each, and those that Docker adds.

A function raises ValueError with the reason; whoever calls it knows where it stands.  `and` and `or` are not here: they
look at their arguments one after the other (evaluation.py).

See  text/template funcs.go; docker/cli templates/templates.go
"""

from __future__ import annotations

import re

from minirun.cli.gotemplate import printing, quoting, values
from minirun.cli.gotemplate.values import Nil, Pointer, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_HTML = {"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
_JS = {"\\": "\\\\", "'": "\\'", '"': '\\"', **{letter: f"\\u{ord(letter):04X}" for letter in "<>&="}}


# ---- arguments --------------------------------------------------------------------------------------------


def text(value: Any) -> str:
    value = values.indirect(value)
    if not isinstance(value, str) or isinstance(value, values.Number):
        raise ValueError(f"it wants text, not {described(value)}")
    return value


def whole_number(value: Any) -> int:
    value = values.indirect(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"it wants a whole number, not {described(value)}")
    return value


def described(value: Any) -> str:
    """For an error: what it is and how it looks, in short."""
    if value is None or isinstance(value, Nil):
        return f"a nil {values.kind(value)}".rstrip()
    shown = quoting.quote(value) if isinstance(value, str) else printing.show(value)
    return f"the {values.kind(value)} {shown if len(shown) <= 40 else shown[:40] + '…'}"


# ---- Docker's ---------------------------------------------------------------------------------------------


def _split(value: Any, separator: Any) -> list[str]:
    """Without a separator: into letters."""
    return text(value).split(text(separator)) if text(separator) else list(text(value))


def _join(value: Any, separator: Any) -> str:
    value = values.indirect(value)
    if value is None or value in (values.NIL_SLICE, values.NIL_MAP):
        return ""
    if isinstance(value, Struct) or not isinstance(value, (list, dict)):
        raise ValueError(f"it wants a list, not {described(value)}")
    found = list(value) if isinstance(value, list) else list(value.values())
    shown = [printing.show(one, inside=True) for one in found]
    if len(text(separator)) * len(shown) > printing.LONGEST:
        raise ValueError(f"its text is longer than {printing.LONGEST} letters")
    return text(separator).join(shown if isinstance(value, list) else sorted(shown))


def _title(value: Any) -> str:
    """Each letter that follows no letter, digit or _."""
    return re.sub(r"(?<!\w)\w", lambda match: _each(match[0], str.title), text(value))


def _each(value: str, change: Callable[[str], str]) -> str:
    """Letter by letter, as Go: one stays one."""
    changed = change(value)
    if len(changed) == len(value):
        return changed
    return "".join(one if len(one) == 1 else letter for letter in value for one in [change(letter)])


def _pad(value: Any, before: Any, after: Any) -> str:
    inner, widths = text(value), (whole_number(before), whole_number(after))
    if not inner:
        return ""
    if min(widths) < 0 or max(widths) > printing.WIDEST:
        raise ValueError(f"it cannot pad with {min(widths) if min(widths) < 0 else max(widths)} spaces")
    return " " * widths[0] + inner + " " * widths[1]


def _truncate(value: Any, length: Any) -> str:
    """Bytes, as in Go: what is left of a letter that is cut is no letter."""
    count = whole_number(length)
    if count < 0:
        raise ValueError(f"it cannot leave {count} bytes")
    return text(value).encode("utf-8", "surrogateescape")[:count].decode("utf-8", "surrogateescape")


# ---- Go's: lists and maps ---------------------------------------------------------------------------------


def _length(value: Any) -> int:
    value = values.indirect(value)
    if isinstance(value, Nil) and value.kind != "pointer":
        return 0
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogateescape"))
    if not isinstance(value, (list, dict)) or isinstance(value, Struct):
        raise ValueError(f"{described(value)} has no length")
    return len(value)


def _index(value: Any, *keys: Any) -> Any:
    """A map gives the zero of what is in it for a key it has not got; a list has to be long enough."""
    if value is None:
        raise ValueError("what is nil cannot be indexed")
    for key in keys:
        value = _element(values.indirect(value), values.indirect(key))
    return value


def _element(value: Any, key: Any) -> Any:
    if getattr(value, "is_closed", False):
        raise ValueError("the keys of this map are of a type of their own")
    if (isinstance(value, dict) and not isinstance(value, Struct)) or value is values.NIL_MAP:
        if not isinstance(key, str):
            raise ValueError(f"a map has text for keys, not {described(key)}")
        return value.get(key, getattr(value, "zero", None)) if isinstance(value, dict) else None
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    data = [] if value is values.NIL_SLICE else data
    if not isinstance(data, (list, bytes)):
        raise ValueError(f"{described(value)} cannot be indexed")
    if not 0 <= (number := whole_number(key)) < len(data):
        raise ValueError(f"there is no number {number} in {len(data)}")
    return data[number]


def _slice(value: Any, *ends: Any) -> Any:
    value = values.indirect(value)
    is_text, count = isinstance(value, str), len(ends)
    data = value.encode("utf-8", "surrogateescape") if is_text else value
    data = [] if value is values.NIL_SLICE else data
    if not isinstance(data, (list, bytes)):
        raise ValueError(f"{described(value)} cannot be sliced")
    if count > (2 if is_text else 3):
        raise ValueError("too many numbers")
    numbers = [0, len(data), len(data)]
    numbers[:count] = map(whole_number, ends)
    if numbers != sorted(numbers) or numbers[0] < 0 or numbers[2] > len(data):
        raise ValueError(f"there is no {':'.join(map(str, numbers[: max(count, 1)]))} in {len(data)}")
    part = data[numbers[0] : numbers[1]]
    return part.decode("utf-8", "surrogateescape") if isinstance(part, bytes) else part


# ---- Go's: comparisons ------------------------------------------------------------------------------------


def _is_equal(one: Any, other: Any) -> bool:
    if _is_nil(one) or _is_nil(other):
        return _is_nil(one) and _is_nil(other)
    kinds = {values.kind(one), values.kind(other)}
    if kinds & {"slice", "map"} or len(kinds) > 1 or _has_parts(one) or _has_parts(other):
        raise ValueError(f"{described(one)} and {described(other)} cannot be compared")
    return one is other if isinstance(one, Pointer) else bool(one == other)


def _has_parts(value: Any) -> bool:
    """Whether it is a struct with lists or maps in it, which Go does not compare."""
    return isinstance(value, Struct) and any(values.kind(one) in ("slice", "map") for one in value.values())


def _is_nil(value: Any) -> bool:
    return value is None or isinstance(value, Nil)


def _equal(one: Any, *others: Any) -> bool:
    """Whether it is one of the others."""
    if not others:
        raise ValueError("nothing to compare it with")
    return any(_is_equal(one, other) for other in others)


def _is_less(one: Any, other: Any) -> bool:
    kinds = {values.kind(one), values.kind(other)}
    if len(kinds) > 1 or not kinds <= {"int", "float64", "string"}:
        raise ValueError(f"{described(one)} and {described(other)} have no order")
    return bool(one < other)


# ---- Go's: text -------------------------------------------------------------------------------------------


def _together(arguments: tuple[Any, ...]) -> str:
    return printing.sprint(["<no value>" if one is None else values.indirect(one) for one in arguments])


def _html(*arguments: Any) -> str:
    return "".join(_HTML.get(letter, letter) for letter in _together(arguments))


def _js(*arguments: Any) -> str:
    return "".join(map(_js_letter, _together(arguments)))


def _js_letter(letter: str) -> str:
    if letter in _JS:
        return _JS[letter]
    return letter if letter.isprintable() else f"\\u{ord(letter):04X}"


def _urlquery(*arguments: Any) -> str:
    from urllib.parse import quote_plus

    return quote_plus(_together(arguments), errors="surrogateescape")


def _call(function: Any, *arguments: Any) -> Any:
    raise ValueError(f"{described(function)} is no function")  # and nothing here is one


# name -> (function, how many arguments at least, at most or None)
FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int | None]] = {
    "json": (printing.as_json, 1, 1),
    "upper": (lambda value: _each(text(value), str.upper), 1, 1),
    "lower": (lambda value: _each(text(value), str.lower), 1, 1),
    "title": (_title, 1, 1),
    "join": (_join, 2, 2),
    "split": (_split, 2, 2),
    "truncate": (_truncate, 2, 2),
    "pad": (_pad, 3, 3),
    "len": (_length, 1, 1),
    "slice": (_slice, 1, None),
    "index": (_index, 1, None),
    "print": (lambda *arguments: printing.sprint(list(arguments)), 0, None),
    "println": (lambda *arguments: printing.sprintln(list(arguments)), 0, None),
    "printf": (lambda form, *arguments: printing.sprintf(text(form), list(arguments)), 1, None),
    "html": (_html, 0, None),
    "js": (_js, 0, None),
    "urlquery": (_urlquery, 0, None),
    "call": (_call, 1, None),
    "not": (lambda value: not values.is_true(value), 1, 1),
    "eq": (_equal, 1, None),
    "ne": (lambda one, other: not _is_equal(one, other), 2, 2),
    "lt": (_is_less, 2, 2),
    "le": (lambda one, other: not _is_less(other, one), 2, 2),
    "gt": (lambda one, other: _is_less(other, one), 2, 2),
    "ge": (lambda one, other: not _is_less(one, other), 2, 2),
}
SHORT_CIRCUIT = {"and": True, "or": False}  # go on while the arguments are so
NAMES = frozenset([*FUNCTIONS, *SHORT_CIRCUIT])

# what stands over a column is the heading, whatever is done to the values
FOR_HEADINGS: dict[str, Callable[..., Any]] = {
    "json": lambda value: value,
    "upper": lambda value: value,
    "lower": lambda value: value,
    "title": lambda value: value,
    "truncate": lambda value, length: value,
}
