"""The trace's messages as objects, numbered, with the process that sent each told by its role.

A run is four processes: the command line (`cli`), the container's parent (`shim`), for a moment the one that makes
the network (`net`), and the one that becomes the container (`init`).  All of them write to the same socket; the
order in which its messages arrive is the order of `seq`.

See  linux/trace.py, which writes them
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from minirun.runtime import init

_INIT_PHASES = {"fork", *(step.__name__ for step in init.CREATE)}


@dataclass(frozen=True)
class Step:
    """A named step begins; `stopped` when the process waits for an answer."""

    seq: int
    time: float  # seconds since the first event
    pid: int
    role: str
    name: str
    why: str
    stopped: bool


@dataclass(frozen=True)
class Act:
    """One act that changed kernel state, or failed to.  `args` are the trace's: numbers raw, structures as words."""

    seq: int
    time: float
    pid: int
    role: str
    phase: str
    call: str
    args: list[Any]
    result: int
    errno: int
    why: str


class Register:
    """Turns messages into events, and remembers who is who."""

    def __init__(self, cli: int, shim: int, own: str = "cli", parent: str = "shim") -> None:
        """`own` is what the process `cli` is called, `parent` the container's parent, `shim`."""
        self.roles = {cli: own, shim: parent}
        self.count = 0
        self.began = -1.0

    def event(self, message: bytes, pid: int) -> Step | Act:
        """The event of one message, in the order of their arrival.

        `pid` is the sender's as the kernel tells it: in its own pid namespace init knows itself only as 1.
        """
        raw = json.loads(message)
        self.count += 1
        self.began = raw["time"] if self.began < 0 else self.began
        common = (self.count, round(raw["time"] - self.began, 6), pid, self._role(pid, raw))
        why = " ".join(raw.get("why", "").split())
        if "step" in raw:
            return Step(*common, raw["step"], why, raw.get("stopped", False))
        return Act(
            *common, raw["phase"], raw["call"], raw["args"], raw.get("result", 0), raw.get("errno", 0), why
        )

    def _role(self, pid: int, raw: dict[str, Any]) -> str:
        """A process not seen before was forked by the shim: in the step `fork` it is init, before that net."""
        phase = raw.get("step") or raw["phase"]
        return self.roles.setdefault(pid, "init" if phase in _INIT_PHASES else "net")
