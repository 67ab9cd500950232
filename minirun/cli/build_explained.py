"""`build --explain`: each RUN that was done, told as `run --explain` tells a container, when it has ended.

See  build/explain_run.py, which has gathered what is told; teach/narrate.py
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from minirun.printable import printable
from minirun.teach.events import Register
from minirun.teach.names import Names
from minirun.teach.narrate import Narrator

if TYPE_CHECKING:
    from typing import TextIO

    from minirun.build.explain_run import Message
    from minirun.paths import Paths

_RUN = re.compile(r"build-[0-9a-f]{12}-[0-9a-f]{4}")


class Teller:
    """Tells on `out`."""

    def __init__(self, paths: Paths, out: TextIO) -> None:
        self.paths, self.out = paths, out
        self.colour = out.isatty() and not os.environ.get("NO_COLOR")

    def tell(self, label: str, pid: int, messages: list[Message]) -> None:
        """One RUN, whose child was `pid`."""
        register = Register(os.getpid(), pid, own="build", parent="step")
        names = RunNames(self.paths, " ".join(message.decode(errors="replace") for message, _ in messages))
        narrator = Narrator(self.out, names, label, self.colour)
        for message, sender in messages:
            narrator.notify(register.event(message, sender))
        narrator.finish()


class RunNames(Names):
    """The paths of one RUN: its workspace, and where its state is.  All of `text` is known before the first is told."""

    def __init__(self, paths: Paths, text: str) -> None:
        super().__init__(paths)
        workspace = re.search(re.escape(paths.layers) + r"/\.tmp-build-[0-9a-f]+", text)
        found = _RUN.search(text)
        self.workspace = workspace[0] if workspace else ""
        self.id = found[0] if found else ""
        self.is_told = False

    def learn(self, text: str) -> bool:
        """True the first time, when there is something to be told of."""
        first, self.is_told = not self.is_told, True
        return first and bool(self.id)

    def _places(self) -> list[tuple[str, str]]:
        state = f"{self.paths.state}/.build/{self.id.rpartition('-')[0]}/{self.id}"
        return [
            ("R", f"{self.workspace}/merged"),
            ("W", self.workspace),
            ("S", state),
            ("G", f"{self.cgroups}/minirun/{self.id}"),
            ("L", self.paths.layers),
        ]

    def definitions(self) -> list[tuple[str, str]]:
        state = f"{self.paths.state}/.build/{self.id.rpartition('-')[0]}"
        return [
            (f"ID={self.id}", "the RUN"),
            (f"W={printable(self.workspace)}", "the step's own directory: upper, work, merged"),
            ("R=$W/merged", "its root filesystem"),
            (f"S={state}/$ID", "its bundle, and the runtime's state; gone when it ends"),
            (f"G={self.cgroups}/minirun/$ID", "its control group"),
            (f"L={self.paths.layers}", "the layers of all images"),
        ]
