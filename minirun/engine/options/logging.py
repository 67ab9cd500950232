"""What becomes of what a container prints: the log driver and its options, checked as Docker checks them.

    driver      json-file; local: the same format here, and put aside at 20m; none: nothing is kept; syslog and
                journald: to a service, and kept as with local (cache-max-size, cache-max-file, cache-disabled)
    max-size    a size as `10m`, in powers of 1000: log.json is put aside when it is that large
    max-file    how many files there are at most, with those put aside
    labels env  names of labels and variables that `logs --details` shows; tag: a word that it shows
    compress    false: files that were put aside are not compressed here

See  docs.docker.com "JSON File logging driver"; logs/writer.py, which does what is said here
"""

from __future__ import annotations

from minirun.errors import UnsupportedError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from minirun.engine.record_types import LogSettings

SERVICES = ("syslog", "journald")
DRIVERS = ("json-file", "local", "none", *SERVICES)
_ELSEWHERE = ("fluentd", "gelf", "awslogs", "splunk", "gcplogs", "etwlogs", "logentries")  # Docker's others
_CACHE = ("cache-disabled", "cache-max-size", "cache-max-file")
_OPTIONS = {
    "json-file": ("max-size", "max-file", "labels", "env", "tag", "compress"),
    "local": ("max-size", "max-file", "compress"),
    "syslog": ("syslog-address", "syslog-facility", "syslog-format", "tag", "labels", "env", *_CACHE),
    "journald": ("tag", "labels", "env", *_CACHE),
}
_SIZES = {"max-size": "20m", "max-file": "5"}  # Docker's
_DEFAULTS = {"local": _SIZES, **dict.fromkeys(SERVICES, _SIZES)}
_DIGITS_MAX = 18  # of a number of bytes, or of files
_UNITS = {unit: 1000**power for power, unit in enumerate(("", "k", "m", "g", "t", "p"))}  # Docker's: decimal


def settings(*, driver: str = "", options: Mapping[str, str] | None = None) -> LogSettings:
    """A driver, json-file where none is named, and its options.  Raises UsageError or UnsupportedError."""
    made: LogSettings = {"driver": driver or DRIVERS[0], "options": dict(options or {})}
    check(made)
    return made


def check(log: LogSettings) -> None:
    """Raises UsageError for a driver or an option that is not there, in Docker's words."""
    driver, options = log["driver"], log["options"]
    if driver in _ELSEWHERE:
        raise UnsupportedError(
            f"--log-driver {driver} is not in minirun: nothing is sent to that service",
            "syslog and journald hand on what they get; `minirun logs -f` can be piped",
        )
    if driver not in DRIVERS:
        raise UsageError(
            f'logger: no log driver named "{driver}" is registered', f"there are {', '.join(DRIVERS)}"
        )
    if driver == "none":
        if options:
            raise UsageError(f"invalid logging opts for driver {driver}")
        return
    for key in options:
        if key not in _OPTIONS[driver]:
            raise UsageError(
                f"unknown log opt '{key}' for {driver} log driver", f"there are {', '.join(_OPTIONS[driver])}"
            )
    if driver in SERVICES:
        from minirun.engine.options import log_services

        log_services.check(driver, options)
    options = with_defaults(log)
    max_size(options), max_file(options)
    if options.get("compress", "false") not in ("false", "0"):
        raise UnsupportedError("compress: logs that were put aside are not compressed here")


def is_kept(log: LogSettings) -> bool:
    """Whether there is a log.json that `logs` can read."""
    return log["driver"] != "none" and log["options"].get("cache-disabled") != "true"


def with_defaults(log: LogSettings) -> dict[str, str]:
    """The options, and what the driver has for those that are not given; those of a cache under the file's names."""
    given = {key.removeprefix("cache-"): value for key, value in log["options"].items()}
    return {**_DEFAULTS.get(log["driver"], {}), **given}


def max_size(options: Mapping[str, str]) -> int:
    """`max-size` in bytes; 0: as large as it gets.

    >>> max_size({"max-size": "1.5k"})
    1500
    """
    text = options.get("max-size")
    if text is None:
        return 0
    plain = text.lower().removesuffix("b").removesuffix("i")
    number = plain.rstrip("kmgtp").rstrip()
    unit = plain.removeprefix(number).strip()
    if unit not in _UNITS or not number.replace(".", "", 1).isdecimal() or len(number) > _DIGITS_MAX:
        raise UsageError(f"invalid size: '{text}'", "--log-opt max-size=10m")
    size = int(float(number) * _UNITS[unit])
    if size <= 0:
        raise UsageError("max-size must be a positive number", "--log-opt max-size=10m")
    return size


def max_file(options: Mapping[str, str]) -> int:
    """`max-file`: how many files there are at most."""
    text = options.get("max-file", "1")
    if not text.isdecimal() or len(text) > _DIGITS_MAX:
        raise UsageError(f'invalid value for max-file: "{text}" is not a number', "--log-opt max-file=3")
    if int(text) < 1:
        raise UsageError("max-file cannot be less than 1")
    return int(text)
