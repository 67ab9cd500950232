"""`--explain=json`: one line for each event, for programs to read.

An act    {"seq", "time", "phase", "pid", "role", "call", "args": {name: value}, "result" or "errno",
           "shell", "man", "why"}
A step    {"seq", "time", "pid", "role", "step", "why"}
"""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING

from minirun.teach import acts
from minirun.teach.events import Act, Step

if TYPE_CHECKING:
    from typing import Any, TextIO


class Writer:
    """Writes the lines to `out` as the events come."""

    def __init__(self, out: TextIO) -> None:
        self.out = out

    def notify(self, event: Step | Act) -> None:
        self.out.write(json.dumps(_as_object(event)) + "\n")

    def finish(self) -> None:
        self.out.flush()


def _as_object(event: Step | Act) -> dict[str, Any]:
    common = {"seq": event.seq, "time": event.time, "pid": event.pid, "role": event.role}
    if isinstance(event, Step):
        return {**common, "step": event.name, "why": event.why}
    name = errno.errorcode.get(event.errno, str(event.errno))
    outcome = {"errno": name} if event.errno else {"result": event.result}
    return {
        **common,
        "phase": event.phase,
        "call": event.call,
        "args": acts.arguments(event),
        **outcome,
        "shell": acts.command(event),
        "man": acts.man(event),
        "why": event.why,
    }
