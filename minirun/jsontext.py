"""JSON, read and written without `import json`.

That import costs 7 ms, a third of a whole `runc run`, nearly all of it for the regular expressions of its Python half.
The C half does the work in either case; this is the little Python it needs around it.  Text that is not plain, correct
JSON goes to the real module, which knows best how to explain what is wrong with it.

See  json.scanner, json.encoder in the standard library; RFC 8259
"""

from __future__ import annotations

from _json import encode_basestring_ascii, make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Context:
    """What json.JSONDecoder tells the C scanner."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int
    parse_constant = float  # NaN, Infinity, -Infinity


_scan = make_scanner(_Context)  # type: ignore[arg-type]  # typeshed wants a scanner for a context


def loads(text: str | bytes) -> Any:
    """The value of a JSON text, as json.loads.  Raises ValueError that names line and column."""
    try:
        plain = (text if isinstance(text, str) else text.decode()).strip(" \t\n\r")
        value, end = _scan(plain, 0)
        if end == len(plain):
            return value
    except (StopIteration, ValueError, SystemError):  # SystemError: the scanner wanted to raise json's own
        pass
    import json

    return json.loads(text)


def dumps(value: object, *, indent: int = 0, sort_keys: bool = False) -> str:
    """`value` as JSON: on one line, or `indent` spaces deeper each level.  Keys have to be text."""
    return _text(value, "\n" if indent else "", " " * indent, sort_keys)


def _text(value: object, newline: str, step: str, sort_keys: bool) -> str:
    deeper = newline and newline + step
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    # most of what there is in a config.json is text in lists: for that there is no call of this function each
    if isinstance(value, dict):
        pairs = sorted(value.items()) if sort_keys else value.items()
        items = [
            f"{encode_basestring_ascii(key)}: "
            f"{encode_basestring_ascii(item) if type(item) is str else _text(item, deeper, step, sort_keys)}"
            for key, item in pairs
        ]
        return _block(items, "{}", newline, deeper)
    if isinstance(value, (list, tuple)):
        items = [
            encode_basestring_ascii(item) if type(item) is str else _text(item, deeper, step, sort_keys)
            for item in value
        ]
        return _block(items, "[]", newline, deeper)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    raise TypeError(f"a {type(value).__name__} has no place in JSON")


def _block(items: list[str], brackets: str, newline: str, deeper: str) -> str:
    if not items:
        return brackets
    separator = "," + (deeper or " ")
    return f"{brackets[0]}{deeper}{separator.join(items)}{newline}{brackets[1]}"
