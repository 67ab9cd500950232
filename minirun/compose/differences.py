"""What has changed between two configurations of a service, key by key, in words.

differences('{"environment": {"DEBUG": "0"}}', '{"environment": {"DEBUG": "1"}}')  ->  ["environment DEBUG 0 -> 1"]
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_LONGEST = 60  # characters of a value that are shown


def differences(before: str, now: str) -> list[str]:
    """Both are JSON; `before` is "" where nobody has written it down."""
    if not before:
        return ["its configuration has changed"]
    found = list(_differences("", json.loads(before), json.loads(now)))
    return found or ["its configuration has changed"]


def _differences(path: str, before: Any, now: Any) -> Iterator[str]:
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            yield from _of_key(f"{path} {key}".strip(), key, before, now)
    elif isinstance(before, list) and isinstance(now, list) and path not in ("command", "entrypoint"):
        yield from (f"{path} without {_shown(one)}" for one in before if one not in now)
        yield from (f"{path} with {_shown(one)}" for one in now if one not in before)
        if sorted(map(str, before)) == sorted(map(str, now)):
            yield f"{path} in another order"
    else:
        yield f"{path} {_shown(before)} -> {_shown(now)}"


def _of_key(path: str, key: str, before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    if key not in before:
        yield f"{path} {_shown(now[key])} is new"
    elif key not in now:
        yield f"{path} {_shown(before[key])} is gone"
    else:
        yield from _differences(path, before[key], now[key])


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
