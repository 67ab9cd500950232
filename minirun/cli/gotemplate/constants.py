r"""Numbers, letters and texts as they are written in a template: `0x1F`, `1e3`, `'a'`, `"a\tb"`, `\`raw\``.

See  the Go specification "Lexical elements"; strconv Unquote
"""

from __future__ import annotations

import re

_ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34}
_ESCAPE = re.compile(
    r"\\(?:x(?P<hex>[0-9a-fA-F]{2})|(?P<octal>[0-7]{3})|u(?P<four>[0-9a-fA-F]{4})|U(?P<eight>[0-9a-fA-F]{8})|(?P<one>.))",
    re.DOTALL,
)
_INT_MAX = 2**63


def text(written: str) -> str:
    """What stands between the quotes.  Raises ValueError.  Bytes that are no UTF-8 are Python's surrogates."""
    if written[0] == "`":
        return written[1:-1].replace("\r", "")
    parts, at = bytearray(), 0
    for match in _ESCAPE.finditer(inner := written[1:-1]):
        parts += inner[at : match.start()].encode("utf-8", "surrogateescape") + _escaped(match, written[0])
        at = match.end()
    return (bytes(parts) + inner[at:].encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _escaped(match: re.Match[str], quote: str) -> bytes:
    if match["hex"]:
        return bytes([int(match["hex"], 16)])
    if match["octal"]:
        return bytes([int(match["octal"], 8)])  # \777 is a ValueError
    if match["one"]:
        if match["one"] not in _ESCAPES or (match["one"] in "\"'" and match["one"] != quote):
            raise ValueError(match[0])
        return bytes([_ESCAPES[match["one"]]])
    return chr(int(match["four"] or match["eight"], 16)).encode()  # a surrogate is a ValueError


def character(written: str) -> int:
    """`'a'` is 97.  Raises ValueError."""
    letters = text(written)
    if len(letters) != 1:
        raise ValueError(written)
    return ord(letters)


def number(written: str) -> int | float:
    """Raises ValueError; OverflowError for an integer of more than 64 bits."""
    digits = written.lstrip("+-")
    is_float = any(letter in digits for letter in ".eE") and digits[:2].lower() != "0x"
    if is_float:
        return float(written)
    if re.fullmatch(r"0[0-7_]+", digits):  # C's way to write an octal number
        digits = f"0o{digits[1:].lstrip('_')}"
    value = int(digits, 0) * (-1 if written.startswith("-") else 1)
    if not -_INT_MAX <= value < _INT_MAX:
        raise OverflowError(written)
    return value
