"""Plain values as YAML text, letter by letter as go-yaml writes it: `compose config` can be compared with Docker's.

Which words need quotes is libyaml's rule; which need them because they would be read as something else is go-yaml's,
and it has quotes of two sorts for that: "1" is no number, 'yes' was a flag in YAML 1.1.

See  yaml_emitter_analyze_scalar of libyaml; encode.go and resolve.go of go-yaml v4
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from minirun.compose.language import scalars

_WIDTH = 80
_STEP = 2
_LONGEST_KEY = 128

# Words that would be read as something else than text.
_NO_TEXT = re.compile(
    r"""~|null|Null|NULL|true|True|TRUE|false|False|FALSE|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)
    |[-+]?(0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|[0-9][0-9_]*)
    |[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?
    |[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?(Z|[-+][0-9]{2}:[0-9]{2})?)?
    |""",
    re.VERBOSE,
)
# Words that were something else than text for YAML 1.1.
_WAS_NO_TEXT = re.compile(
    r"[yYnN]|yes|Yes|YES|on|On|ON|no|No|NO|off|Off|OFF|<<|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"
)
_SAFE = re.compile(r"[A-Za-z/_$][A-Za-z0-9/_$.=@+-]*( [A-Za-z0-9/_$.=@+-]+)*")
_INDICATORS = frozenset("#,[]{}&*!|>'\"%@`")
_BREAKS = "\n\r\x85\u2028\u2029"
_ESCAPES = {
    "\0": "0", "\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r", "\x1b": "e",
    '"': '"', "\\": "\\", "\x85": "N", "\xa0": "_", "\u2028": "L", "\u2029": "P",
}  # fmt: skip


def dump(value: dict[str, Any]) -> str:
    """A document."""
    return "".join(f"{line}\n" for line in _lines(value, 0)) if value else "{}\n"


def _lines(value: Any, indent: int) -> Iterator[str]:
    """Of a mapping or a list that is not empty."""
    margin = " " * indent
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _entry(f"{margin}{_key(key)}:", item, indent)
    else:
        for item in value:
            if isinstance(item, (dict, list)) and item:
                first, *rest = _lines(item, indent + _STEP)
                yield f"{margin}- {first[indent + _STEP :]}"
                yield from rest
            else:
                yield from _entry(f"{margin}-", item, indent)


def _entry(start: str, item: Any, indent: int) -> Iterator[str]:
    if isinstance(item, (dict, list)) and item:
        yield start
        yield from _lines(item, indent + _STEP)
    else:
        yield from f"{start} {scalar(item, len(start) + 1, indent + _STEP)}".split("\n")


def _key(key: str) -> str:
    quoted = scalar(key, 0, 0) if "\n" not in key else _double(key, 0, 0)
    return quoted.replace("\n", "") if len(key) <= _LONGEST_KEY else f"? {quoted}\n"


def scalar(value: Any, column: int, indent: int) -> str:
    """A value without others in it; it starts in `column`, and its further lines are indented."""
    if not isinstance(value, str):
        return _bare(value)
    if len(value) < _WIDTH - column and _SAFE.fullmatch(value) and not _reads_otherwise(value):
        return value
    if "\n" in value:
        return _block(value, indent) if _block_allowed(value) else _double(value, column, indent)
    if _NO_TEXT.fullmatch(value) and not _overflows(value):
        return _double(value, column, indent)
    if not _single_allowed(value):
        return _double(value, column, indent)
    if _plain_allowed(value) and not _WAS_NO_TEXT.fullmatch(value):
        return _folded(value, column, indent)
    return "'" + _folded(value.replace("'", "''"), column + 1, indent) + "'"


def _bare(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (dict, list)):
        return "{}" if isinstance(value, dict) else "[]"
    text = scalars.as_text(value)
    return {"NaN": ".nan", "+Inf": ".inf", "-Inf": "-.inf"}.get(text, text)


def _reads_otherwise(value: str) -> bool:
    return bool(_NO_TEXT.fullmatch(value) or _WAS_NO_TEXT.fullmatch(value))


def _overflows(value: str) -> bool:
    """A number that Go cannot hold is text to it."""
    return "e" in value.lower() and value.lower() not in ("true", "false") and _is_infinite(value)


def _is_infinite(value: str) -> bool:
    try:
        return abs(float(value.replace("_", ""))) == float("inf")
    except ValueError:
        return False


def _printable(letter: str) -> bool:
    code = ord(letter)
    return 0x20 <= code <= 0x7E or code == 0x0A or (0xA0 <= code <= 0xFFFD and code != 0xFEFF)


def _single_allowed(value: str) -> bool:
    return all(map(_printable, value))


def _block_allowed(value: str) -> bool:
    """As lines below `|`."""
    return (
        value.strip("\n") != ""
        and all(_printable(letter) or letter == "\t" for letter in value)
        and not value.endswith(" ")
        and " \n" not in value
    )


def _plain_allowed(value: str) -> bool:
    """Without quotes."""
    if value[0] in _INDICATORS or value[0] == " " or value[-1] in " :" or value.startswith(("---", "...")):
        return False
    if value[0] in "-?:" and value[1:2] in ("", " "):
        return False
    return ": " not in value and " #" not in value and not any(letter in value for letter in _BREAKS)


def _folded(value: str, column: int, indent: int) -> str:
    """A line that goes beyond the width goes on below, where it has one space."""
    if column + len(value) <= _WIDTH:
        return value
    parts, start = [], 0
    for at in range(1, len(value) - 1):
        long = column + at - start > _WIDTH
        if long and value[at] == " " and value[at - 1] != " " and value[at + 1] != " ":
            parts.append(value[start:at])
            start, column = at + 1, indent
    return ("\n" + " " * indent).join([*parts, value[start:]])


def _block(value: str, indent: int) -> str:
    hint = str(_STEP) if value.startswith(" ") else ""
    ends = len(value) - len(value.rstrip("\n"))
    hint += "-" if ends == 0 else "+" if ends > 1 else ""
    lines = value.removesuffix("\n").split("\n")
    return "\n".join([f"|{hint}", *(" " * indent + line if line else "" for line in lines)])


def _double(value: str, column: int, indent: int) -> str:
    lines, line, column = [], '"', column + 1
    marked = value.startswith("\ufeff")  # go-yaml takes each letter behind it for another one
    for at, letter in enumerate(value):
        inner = 0 < at < len(value) - 1
        if letter == " " and inner and column > _WIDTH and value[at - 1] != " ":
            lines.append(line)
            line, column = ("\\" if value[at + 1] == " " else ""), indent
            continue
        written = letter if _printable(letter) and letter not in '"\\\n' and not marked else _escaped(letter)
        line += written
        column += len(written)
    return ("\n" + " " * indent).join([*lines, line + '"'])


def _escaped(letter: str) -> str:
    if letter in _ESCAPES:
        return "\\" + _ESCAPES[letter]
    code = ord(letter)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
