"""`--filter KEY=VALUE` of the commands that list and prune.

Several values of one key: any of them will do, but labels are all wanted.  Several keys: all of them are wanted.

See  docs.docker.com "Filter commands"
"""

from __future__ import annotations

import re
import time
from fnmatch import fnmatchcase

from minirun import booleans
from minirun.cli import units
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SECONDS = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[hms]))+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def parse(words: Iterable[str], known: Iterable[str]) -> dict[str, list[str]]:
    """`["label=a", "label=b"]` -> `{"label": ["a", "b"]}`.  Raises UsageError for a key that is not `known`."""
    found: dict[str, list[str]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"invalid filter '{word}': it has no =", "--filter KEY=VALUE")
        if key not in known:
            raise UsageError(f"invalid filter '{key}'", f"there are {', '.join(known)}")
        found.setdefault(key, []).append(value)
    return found


def boolean(text: str) -> bool:
    """`true`, `1`, `false` and so on."""
    truth = booleans.SMALL.get(text.lower())
    if truth is None:
        raise UsageError(f"invalid filter: '{text}' is neither true nor false")
    return truth


def finder(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether any of these regular expressions finds something in a text, or there are none: `name=^db`."""
    compiled = [_compiled(text) for text in patterns]
    return lambda text: not compiled or any(one.search(text) for one in compiled)


def _compiled(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"invalid filter: '{text}' is no regular expression: {error}") from None


def has_label(labels: dict[str, str], wanted: str) -> bool:
    """`key`, or `key=value`."""
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


def matches(pattern: str, text: str) -> bool:
    """A shell's pattern in which * and ? do not match a slash, as Go's path.Match."""
    patterns, parts = pattern.replace("[^", "[!").split("/"), text.split("/")
    return len(patterns) == len(parts) and all(map(fnmatchcase, parts, patterns))


def until(text: str) -> float:
    """A moment in seconds since 1970: `24h`, `1h30m` (so long ago), a date, or that number itself."""
    if _NUMBER.fullmatch(text):
        return float(text)
    if _DURATION.fullmatch(text):
        spans = re.findall(r"([\d.]+)(ms|[hms])", text)
        return time.time() - sum(float(count) * _SECONDS[unit] for count, unit in spans)
    moment = units.moment(text)
    if moment is None:
        raise UsageError(f"invalid filter: '{text}' is not a time", "24h, 2024-01-31, 2024-01-31T12:00:00Z")
    return moment
