"""Moments as `--since` and `--until` take them.

    10m  1h30m  1.5s                       so long ago, as Go writes durations
    1136073600  1136073600.000000001       seconds since 1970
    2024-01-31  2024-01-31T12:00:00        in our own time zone
    2024-01-31T12:00:00.123456789+01:00    RFC 3339, to the nanosecond

See  moby api/types/time/timestamp.go
"""

from __future__ import annotations

import re
import time
from datetime import datetime

from minirun.errors import UsageError

_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_SPAN = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_SECONDS = re.compile(r"(-?\d+)(?:\.(\d{1,9}))?")
_DATE = re.compile(r"(\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?")


def nanoseconds(text: str, option: str) -> int:
    """Nanoseconds since 1970 of what was given to `option`.  Raises UsageError for what is no moment."""
    ago = text.removeprefix("-")
    spans = _SPAN.findall(ago)
    if spans and "".join(number + unit for number, unit in spans) == ago:
        length = round(sum(float(number) * _NANOSECONDS[unit] for number, unit in spans))
        return time.time_ns() + (length if text.startswith("-") else -length)
    if match := _SECONDS.fullmatch(text):
        return int(match[1]) * 10**9 + _fraction(match[2])
    if match := _DATE.fullmatch(text):
        try:
            moment = datetime.fromisoformat(match[1] + (match[3] or "")).astimezone()
            return int(moment.timestamp()) * 10**9 + _fraction(match[2])
        except (ValueError, OverflowError):
            pass
    words = f'invalid value for "{option}": failed to parse value as time or duration: "{text}"'
    raise UsageError(words, "10m, 2024-01-31T12:00:00Z")


def _fraction(digits: str | None) -> int:
    return int((digits or "").ljust(9, "0"))


def utc(moment: int) -> str:
    """A moment as it stands in our logs."""
    seconds, rest = divmod(max(0, moment), 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


def local(moment: int) -> str:
    """The same in our own time zone: `...+01:00`, and `...Z` where that is UTC."""
    seconds, rest = divmod(moment, 10**9)
    here = time.localtime(seconds)
    zone = time.strftime("%z", here)
    return time.strftime("%Y-%m-%dT%H:%M:%S", here) + f".{rest:09d}{_zone(zone)}"


def _zone(offset: str) -> str:
    return "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:]}"
