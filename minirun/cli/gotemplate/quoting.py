r"""Text in quotes, as Go writes it: `"a\"b\n"`.  `ps` shows commands so, and has no need of the rest of printing.

See  strconv Quote
"""

from __future__ import annotations

_ESCAPES = {7: "\\a", 8: "\\b", 12: "\\f", 10: "\\n", 13: "\\r", 9: "\\t", 11: "\\v", 92: "\\\\", 34: '\\"'}


def quote(text: str) -> str:
    r"""As strconv.Quote: a newline is `\n`, what is no letter `\x1b` or `\u00ad`, a byte that is no UTF-8 `\xff`."""
    return '"' + "".join(map(escaped, text)) + '"' if _needs_escape(text) else f'"{text}"'


def _needs_escape(text: str) -> bool:
    return not text.isprintable() or '"' in text or "\\" in text


def escaped(letter: str) -> str:
    code = ord(letter)
    if code in _ESCAPES:
        return _ESCAPES[code]
    if letter.isprintable():
        return letter
    if 0xDC80 <= code <= 0xDCFF:  # Python's way to keep a byte
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
