"""The --flags of an instruction, and the values that some of them have.

See  Go's time.ParseDuration, strconv.ParseBool
"""

from __future__ import annotations

import re

from minirun import booleans
from minirun.errors import UsageError
from minirun.image.suggestions import did_you_mean
from minirun.image.words import BLANKS, SPACE, behind_blanks, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Known = Mapping[str, type]
    """What an instruction takes: str once, bool with or without a value, list any number of times."""

_MILLISECOND = 10**6
_NANOSECONDS = {
    **{"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": _MILLISECOND},
    **{"s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9},
}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)


def leading(rest: str, escape: str) -> tuple[list[str], str]:
    """The --flags in front of an instruction's text, quotes and escapes taken away; and the text."""
    found: list[str] = []
    rest = rest.lstrip(SPACE)
    at = 0
    while rest.startswith("--", at):
        word = _written(escape).match(rest, at)
        flag = _unquoted(word[0], escape) if word else "--"
        at = word.end() if word else at
        if flag == "--":
            break
        found.append(flag)
        at = behind_blanks(rest, at)
    return found, rest[at:].strip(SPACE)


def _written(escape: str) -> re.Pattern[str]:
    """A flag as it is written; an escape escapes in single quotes, too, other than for a shell."""
    e = re.escape(escape)
    return re.compile(
        rf"""(?:{e}.|{e}\Z|"(?:{e}.|{e}\Z|[^"{e}]++)*+(?:"|\Z)|'(?:{e}.|{e}\Z|[^'{e}]++)*+(?:'|\Z)"""
        rf"""|[^{BLANKS}"'{e}]++)++""",
        re.DOTALL,
    )


def _unquoted(word: str, escape: str) -> str:
    made: list[str] = []
    quote, chars = "", iter(word)
    for char in chars:
        if char == escape:
            made.append(next(chars, ""))
        elif char == quote:
            quote = ""
        elif char in "\"'" and not quote:
            quote = char
        else:
            made.append(char)
    return "".join(made)


class Flags:
    """The flags that were given, each once or, in a list, more often."""

    def __init__(self, given: Sequence[str], known: Known) -> None:
        self._values: dict[str, list[str]] = {}
        for flag in given:
            dashed, equals, value = flag.partition("=")
            name = dashed.removeprefix("--")
            kind = known.get(name)
            if kind is None:
                raise UsageError(f"unknown flag: {dashed}{did_you_mean(name, known)}")
            if name in self._values and kind is not list:
                raise UsageError(f"duplicate flag specified: {dashed}")
            if not (equals or kind is bool) or (kind is bool and equals and not value):
                raise UsageError(f"missing a value on flag: {dashed}")
            if kind is bool and value.lower() not in ("", "true", "false"):
                raise UsageError(f"expecting boolean value for flag {dashed}, not: {value}")
            self._values.setdefault(name, []).append(value)

    def given(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, default: str = "") -> str:
        return self._values.get(name, [default])[0]

    def texts(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def true(self, name: str) -> bool:
        return self.given(name) and self.text(name).lower() != "false"

    def interval(self, name: str) -> int:
        """Nanoseconds of `--interval=1m30s`, 0 where it is not given."""
        text = self.text(name)
        value = duration(text) if text else 0
        if value and value < _MILLISECOND:
            raise UsageError(f"Interval {quoted(name)} cannot be less than 1ms")
        return value


def duration(text: str) -> int:
    """Nanoseconds of `1h30m`, `1.5s`, `-2ms` or `0`."""
    number = text.lstrip("+-") if text[1:2] not in ("+", "-") else ""
    parts = _PART.findall(number)
    if number != "0" and (not parts or "".join(digits + unit for digits, unit in parts) != number):
        raise UsageError(f"time: invalid duration {quoted(text)}", "as in 30s, 1m30s or 500ms")
    total = sum(_times(digits, _NANOSECONDS[unit]) for digits, unit in parts)
    if total >= 1 << 63:
        raise UsageError(f"time: invalid duration {quoted(text)}", "292 years are the longest")
    return -total if text.startswith("-") else total


def _times(digits: str, unit: int) -> int:
    whole, _, rest = digits.partition(".")
    parts: int = 10 ** len(rest[:30])
    return int(whole[:30] or "0") * unit + int(rest[:30] or "0") * unit // parts


def truth(text: str) -> bool | None:
    """1, t, true and their opposites; None for any other word."""
    return booleans.EXACT.get(text)
