"""What the command line and the image say about health and restarts, as the record keeps it.

An image says durations in nanoseconds, a person as `1m30s`, the record in seconds.  0 stands for "not said".

See  image-spec config.md (Docker's extension "Healthcheck"); Go's time.ParseDuration
"""

from __future__ import annotations

import re

from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.engine.record_types import HealthSettings, RestartPolicy

POLICIES = ("no", "on-failure", "always", "unless-stopped")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")
_SHORTEST = 0.001  # seconds; Docker's
_LONGEST = 2**63 / 1e9  # seconds; Go counts nanoseconds
_LONGEST_TEXT = 200  # characters: findall() takes the square of their number
_TIMES = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start_period": "StartPeriod",
    "start_interval": "StartInterval",
}


def duration(text: str, option: str) -> float:
    """Seconds of `1h30m`, `1.5s`, `100ms` or `0`.  Raises UsageError."""
    if text.startswith("-"):
        raise UsageError(f"{option} cannot be negative")
    parts = _PART.findall(text) if len(text) <= _LONGEST_TEXT else []
    if text != "0" and (not parts or "".join(number + unit for number, unit in parts) != text):
        raise UsageError(f'invalid duration "{text}" for {option}', "as in 30s, 1m30s or 500ms")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if seconds > _LONGEST:
        raise UsageError(f'invalid duration "{text}" for {option}', "292 years are the longest")
    return seconds


def restart(text: str) -> RestartPolicy:
    """`always`, `on-failure:3`.  Raises UsageError in Docker's words."""
    name, colon, count = text.partition(":")
    if name not in ("", *POLICIES):
        choices = ", ".join(f"'{policy}'" for policy in POLICIES)
        raise UsageError(f"invalid restart policy: unknown policy '{name}'", f"use one of {choices}")
    if colon and not name:
        raise UsageError("invalid restart policy format: no policy provided before colon")
    if colon and (not count.removeprefix("-").isdecimal() or len(count) > 18):
        raise UsageError("invalid restart policy format: maximum retry count must be an integer")
    if colon and name != "on-failure":
        raise UsageError("invalid restart policy: maximum retry count can only be used with 'on-failure'")
    made: RestartPolicy = {"name": name or "no", "maximum": int(count or 0)}
    check_restart(made)
    return made


def check_restart(policy: RestartPolicy) -> None:
    """Raises UsageError for a policy that makes no sense; in Docker's words."""
    if policy["maximum"] and policy["name"] != "on-failure":
        raise UsageError("invalid restart policy: maximum retry count can only be used with 'on-failure'")
    if policy["maximum"] < 0:
        raise UsageError("invalid restart policy: maximum retry count cannot be negative")


def health(
    *,
    command: str | list[str] | None = None,
    interval: str = "",
    timeout: str = "",
    start_period: str = "",
    start_interval: str = "",
    retries: int | None = None,
    disable: bool = False,
) -> HealthSettings | None:
    """What is said about health; None when nothing is.

    `command` is a text for the shell, or a list of a program and its arguments; times are as `duration` has them.
    Raises UsageError.
    """
    times = {
        "interval": interval,
        "timeout": timeout,
        "start_period": start_period,
        "start_interval": start_interval,
    }
    said = any(times.values()) or command is not None or retries is not None
    if disable and said:
        raise UsageError("--no-healthcheck conflicts with --health-* options")
    if disable or not said:
        return _settings(["NONE"], 0) if disable else None
    made = _settings(_test(command), retries or 0)
    for name, text in times.items():
        made[name] = duration(text, f"--health-{name.replace('_', '-')}") if text else 0.0  # type: ignore[literal-required]
    check_health(made)
    return made


def _test(command: str | list[str] | None) -> list[str]:
    if not command:
        return []
    return ["CMD-SHELL", command] if isinstance(command, str) else ["CMD", *command]


def check_health(settings: HealthSettings) -> None:
    """Raises UsageError for what a shim could make nothing of."""
    if settings["test"] and not _is_test(settings["test"]):
        hint = '["CMD", program, ...], ["CMD-SHELL", text] or ["NONE"]'
        raise UsageError(f"invalid health check: {settings['test']}", hint)
    if settings["retries"] < 0:
        raise UsageError("--health-retries cannot be negative")
    for name in _TIMES:
        if not 0 <= settings[name] <= _LONGEST:  # type: ignore[literal-required]  # nan neither
            raise UsageError(f"--health-{name.replace('_', '-')} cannot be negative, or more than 292 years")
    _checked(settings)


def _is_test(test: list[str]) -> bool:
    """Docker's three forms."""
    kind, *words = test
    return {"NONE": not words, "CMD": bool(words), "CMD-SHELL": len(words) == 1}.get(kind, False)


def _checked(made: HealthSettings) -> HealthSettings:
    """Raises UsageError, in Docker's words, for a time so short that the shim would do nothing else any more."""
    for name, key in _TIMES.items():
        if 0 < made[name] < _SHORTEST:  # type: ignore[literal-required]
            hint = f"--health-{name.replace('_', '-')} 30s, or --no-healthcheck"
            raise UsageError(f"{key} in Healthcheck cannot be less than 1ms", hint)
    return made


def _settings(test: list[str], retries: int) -> HealthSettings:
    return {
        "test": test,
        "interval": 0.0,
        "timeout": 0.0,
        "start_period": 0.0,
        "start_interval": 0.0,
        "retries": retries,
    }


def of_image(healthcheck: dict[str, Any] | None) -> HealthSettings | None:
    """The image's HEALTHCHECK, config.Healthcheck.  Raises UsageError when that is none."""
    if not healthcheck:
        return None
    try:
        test = list(healthcheck.get("Test") or [])
        known = test[:1] == ["NONE"] or (test[:1] in (["CMD"], ["CMD-SHELL"]) and len(test) > 1)
        made = _settings([str(word) for word in test] if known else [], int(healthcheck.get("Retries") or 0))
        for name, key in _TIMES.items():
            made[name] = (healthcheck.get(key) or 0) / 1e9  # type: ignore[literal-required]
    except (TypeError, ValueError, AttributeError):
        hint = "--no-healthcheck, or an image whose config is right"
        raise UsageError(
            f"the image's health check makes no sense: {ascii(healthcheck)[:60]}", hint
        ) from None
    return made


def merged(ours: HealthSettings | None, image: HealthSettings | None) -> HealthSettings | None:
    """The command line's settings, and the image's where it says nothing.  None: there is nothing to run.

    Docker looks at an image's times when it builds it and never again.  Ours may be built by anybody, so that what
    comes of both is looked at here: the command line may say better than a bad image.
    """
    if not ours or not image:
        chosen = ours or image
    else:
        chosen = image.copy()
        chosen.update({name: value for name, value in ours.items() if value})  # type: ignore[typeddict-item]
    if not chosen or not chosen["test"]:
        return None
    return chosen if chosen["test"][0] == "NONE" else _checked(chosen)
