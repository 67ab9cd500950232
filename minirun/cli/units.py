"""Sizes and ages in Docker's words.

See  github.com/docker/go-units, duration.go and size.go
"""

from __future__ import annotations

import re
import time

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")

# (fewer than so many hours, called, of so many hours): one of them is never said, there are always two or more
_LONG = ((48, "hour", 1), (24 * 14, "day", 24), (24 * 60, "week", 24 * 7), (24 * 730, "month", 24 * 30))


def size(count: float, digits: int = 3) -> str:
    """Bytes in powers of 1000.  4850000 -> `4.85MB`"""
    rounds_up = 1000 - 0.5 * 10 ** (3 - digits)
    for unit in _UNITS[:-1]:
        if count < rounds_up:
            return f"{count:.{digits}g}{unit}"
        count /= 1000
    return f"{count:.{digits}g}{_UNITS[-1]}"


def binary_size(count: float) -> str:
    """Bytes in powers of 1024, as Docker writes memory.  1572864 -> `1.5MiB`"""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.4g}{unit}"
        count /= 1024
    return f"{count:.4g}TiB"


def duration(seconds: float) -> str:
    """A length of time in its largest unit of which there are two: `3 weeks`, `About an hour`."""
    if seconds < 1:
        return "Less than a second"
    if seconds < 60:
        return _count(int(seconds), "second")
    if seconds < 120:
        return "About a minute"
    if seconds < 3600:
        return _count(int(seconds // 60), "minute")
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    for limit, unit, length in _LONG:
        if hours < limit:
            return _count(hours // length, unit)
    return _count(int(seconds // (365 * 86400)), "year")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}{'s' if number != 1 else ''}"


def moment(text: str) -> float | None:
    """Seconds since 1970 of an RFC 3339 time; None for what is not one, and for Go's zero, the year 1."""
    from datetime import UTC, datetime

    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    if when.year == 1:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def ago(text: str) -> str:
    """An RFC 3339 time as `3 weeks ago`; `N/A` for what is not one."""
    then = moment(text)
    return "N/A" if then is None else f"{duration(time.time() - then)} ago"


def when(text: str) -> str:
    """An RFC 3339 time as Go prints one, in this machine's zone: `2024-01-02 04:04:05 +0100 CET`."""
    then = moment(text)
    return "N/A" if then is None else time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(then))


def exactly(text: str) -> str:
    """The same with all its digits, in its own zone; what is no such time stays as it is.

    >>> exactly("2024-01-02T03:04:05.250Z")
    '2024-01-02 03:04:05.25 +0000 UTC'
    """
    from datetime import datetime

    try:
        then = datetime.fromisoformat(text)
    except ValueError:
        return text
    fraction = re.sub(r"^[^.]*\.?(\d*?)0*(?:[^\d].*)?$", r"\1", text)[:9]
    zone = f"{then:%z} UTC" if not then.utcoffset() else f"{then:%z %z}"
    return f"{then.year:04d}{then:-%m-%d %H:%M:%S}{'.' * bool(fraction)}{fraction} {zone}"


def local(text: str) -> str:
    """An RFC 3339 time in this machine's zone, without fractions; what is no time stays as it is."""
    from datetime import datetime

    then = moment(text)
    if then is None:
        return text
    return datetime.fromtimestamp(then).astimezone().isoformat(timespec="seconds").replace("+00:00", "Z")
