"""JSON as Go writes it: letters that HTML knows are escaped, others are not; a number has its shortest form.

See  encoding/json of Go
"""

from __future__ import annotations

from typing import Any

from minirun.compose.language import scalars

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\b": "\\b",
    "\f": "\\f",
    **{chr(code): f"\\u{code:04x}" for code in range(0x20) if chr(code) not in "\n\r\t\b\f"},
    **{letter: f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"},
}
_TABLE = str.maketrans(_ESCAPES)


def dumps(value: Any, indent: int = 0) -> str:
    """On one line without spaces, or each level `indent` deeper.

    >>> dumps({"a": [1, True, None, "<b>"], "c": {}})
    '{"a":[1,true,null,"\\\\u003cb\\\\u003e"],"c":{}}'
    """
    return _text(value, "\n" if indent else "", " " * indent)


def _text(value: Any, newline: str, step: str) -> str:
    deeper = newline and newline + step
    if isinstance(value, dict):
        colon = ": " if newline else ":"
        items = [f"{quoted(key)}{colon}{_text(item, deeper, step)}" for key, item in value.items()]
        return _enclosed("{", items, "}", newline, deeper)
    if isinstance(value, list):
        return _enclosed("[", [_text(item, deeper, step) for item in value], "]", newline, deeper)
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "null"
    return _number(value) if isinstance(value, float) else scalars.as_text(value)


def quoted(value: str) -> str:
    return f'"{value.translate(_TABLE)}"'


def _number(value: float) -> str:
    """
    >>> _number(1.0), _number(1e20), _number(1e21), _number(1e-7)
    ('1', '100000000000000000000', '1e+21', '1e-7')
    """
    if value and not 1e-6 <= abs(value) < 1e21:
        return repr(value).replace("e-0", "e-")
    from decimal import Decimal

    return f"{Decimal(repr(value)):f}".removesuffix(".0")


def _enclosed(opening: str, items: list[str], closing: str, newline: str, deeper: str) -> str:
    if not items:
        return opening + closing
    return f"{opening}{deeper}{f',{deeper}'.join(items)}{newline}{closing}"
