"""Other limits for a group that has some: all of what was asked, or nothing.

    each file is read before it is written; a refusal writes back what was read, last first

See      engine/update.py and runtime/changing.py, who know what the limits were
By hand  cat memory.max; echo 128M > memory.max
"""

from __future__ import annotations

import contextlib

from minirun.errors import UsageError
from minirun.linux import cgroup_controllers, cgroup_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

_NO_THROTTLE = "rbps=max wbps=max riops=max wiops=max"


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """`new` over `old`, value by value.  Raises UsageError for memory beyond a limit on swap that stays."""
    made = {
        kind: {**old.get(kind, {}), **new.get(kind, {})}
        if isinstance({**old, **new}[kind], dict)
        else new.get(kind, old.get(kind))
        for kind in {**old, **new}
    }
    memory, asked = made.get("memory", {}), new.get("memory", {})
    limit, swap = memory.get("limit", 0), memory.get("swap", 0)
    if limit == -1 and "swap" not in asked:
        memory["swap"] = -1
    elif "limit" in asked and "swap" not in asked and 0 < swap < limit:
        raise UsageError(
            "Memory limit should be smaller than already set memoryswap limit, "
            "update the memoryswap at the same time"
        )
    return made


def difference(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """The files to write so that `new` holds where `old` did; "max" is what holds where nothing is asked."""
    return {file: value for file, value in new.items() if old.get(file) != value}


@contextlib.contextmanager
def written(group: str, changed: Mapping[str, str]) -> Iterator[None]:
    """The files hold the new values in the with block, and the old ones again after an error."""
    before: list[dict[str, str]] = []
    try:
        for file, value in changed.items() if group else ():
            before.append(_before(group, file, value))
            cgroup_controllers.change_limits(group, {**_beside(file, changed), file: value})
        yield
    except BaseException:
        for values in reversed(before):
            with contextlib.suppress(OSError, UsageError):  # the error to tell is the first one
                cgroup_controllers.set_limits(group, values)
        raise


def _beside(file: str, changed: Mapping[str, str]) -> dict[str, str]:
    """Whether a limit on swap can be done without is a question of the one on memory."""
    memory = changed.get("memory.max")
    return {"memory.max": memory} if file == "memory.swap.max" and memory else {}


def _before(group: str, file: str, value: str) -> dict[str, str]:
    """What to write so that `file` says again what it says now, before `value` is written."""
    if file == "io.bfq.weight" and not cgroup_files.has(group, file):
        file = "io.weight"  # where the kernel has no BFQ, see cgroup_controllers.set_limits
    if not cgroup_files.has(group, file):
        return {}
    text = cgroup_files.read(group, file)
    if file == "io.max":  # says nothing of a device without a limit
        lines = [f"{line.split()[0]} {_NO_THROTTLE}" for line in value.splitlines()]
        text = "\n".join([*lines, *text.splitlines()])
    return {file: text} if text else {}
