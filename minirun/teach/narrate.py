"""`--explain`: the run told in plain text, a hundred columns wide.

    role ── step ──────────────────────────────────────────────────────────────────────── pid ──
            why the step is there

            what a person would type                                                man page
              why, for this act

Acts of a kind that follow each other are told as one, with all their commands folded into it.  What the network
process does beside the shim is held back until the shim goes on, so that the two do not interleave.
"""

from __future__ import annotations

import errno
import os
import re
import textwrap
from typing import TYPE_CHECKING

from minirun.printable import printable
from minirun.teach import acts
from minirun.teach.events import Act, Step

if TYPE_CHECKING:
    from typing import TextIO

    from minirun.teach.names import Names

WIDTH = 100
_INDENT = 8
_PARENTS = ("shim", "step")  # of a container; the second is a build's
_MAN = 18  # columns kept free at the right of a command

_PLAIN = {"role": "", "command": "", "man": "", "why": "", "bad": "", "end": ""}
_COLOURS = {
    "role": "\033[1;36m",
    "command": "\033[1m",
    "man": "\033[36m",
    "why": "\033[2m",
    "bad": "\033[31m",
    "end": "\033[0m",
}


class Narrator:
    """Writes the narration to `out` as the events come."""

    def __init__(self, out: TextIO, names: Names, title: str, colour: bool) -> None:
        self.out = out
        self.names = names
        self.ink = _COLOURS if colour else _PLAIN
        self.steps: dict[int, Step] = {}  # pid -> the step it is in
        self.narrated: dict[int, str] = {}  # pid -> the step last told of it
        self.heading = (0, "")  # (pid, phase) of the heading above
        self.kind: tuple[object, ...] = ()  # what the acts in `group` have in common
        self.group: list[Act] = []
        self.held: list[Step | Act] = []  # the network process's
        self.line(printable(title), "command")
        self.line(
            "Every act that changes kernel state, what a person would type for it, its manual page, and why.",
            "why",
        )

    def notify(self, event: Step | Act) -> None:
        """Tell one event, now or as soon as it has its place."""
        if _runs_beside(event):
            self.held.append(event)
            return
        if _ends_holding(event):
            self.release()
        self._narrate(event)

    def release(self) -> None:
        """Tell what was held back."""
        held, self.held = self.held, []
        for event in held:
            self._narrate(event)
        self.flush()

    def _narrate(self, event: Step | Act) -> None:
        if isinstance(event, Step):
            self._step(event)
            return
        if self.names.learn(repr(event.args)):
            self.flush()
            self._define()
        kind = (event.pid, event.phase, event.call, event.why, event.errno)
        if kind != self.kind:
            self.flush()
        self.kind = kind
        self.group.append(event)
        if event.call == "execve":
            self.flush()

    def _step(self, step: Step) -> None:
        """A new step.  The one before is told, too, when there was nothing to tell of it."""
        self.flush()
        before = self.steps.get(step.pid)
        if before and self.narrated.get(step.pid) != before.name:
            self._head(before.pid, before.role, before.name)
            self.line(
                " " * _INDENT
                + "No kernel state changes in this step, only files of minirun's own, if anything.",
                "why",
            )
        self.steps[step.pid] = step

    def flush(self) -> None:
        """Write the acts that were collected for folding."""
        group, self.group, self.kind = self.group, [], ()
        if not group:
            return
        first = group[0]
        self._head(first.pid, first.role, first.phase)
        commands = fold([printable(self.names.shorten(acts.command(act))) for act in group])
        for number, text in enumerate(commands):
            self._command(text, acts.man(first) if number == 0 else "")
        self._why(first)
        self.out.flush()

    def finish(self) -> None:
        """The last word, when the run is over."""
        self.release()
        self.flush()
        self.out.flush()

    # ---- how it looks

    def line(self, text: str = "", ink: str = "") -> None:
        self.out.write(f"{self.ink[ink]}{text}{self.ink['end']}\n" if ink else f"{text}\n")

    def _head(self, pid: int, role: str, phase: str) -> None:
        """A heading, when the process or its step is another than above."""
        if self.heading == (pid, phase):
            return
        self.heading = (pid, phase)
        again = self.narrated.get(pid) == phase
        self.narrated[pid] = phase
        step = self.steps.get(pid)
        left = f"{role:<5}── {phase or 'begin'}{', continued' if again else ''} "
        right = f" pid {pid} ──"
        self.line()
        self.line(left + "─" * (WIDTH - len(left) - len(right)) + right, "role")
        if step and step.name == phase and not again:
            self._paragraph(step.why, _INDENT)
            self.line()

    def _paragraph(self, text: str, indent: int) -> None:
        for line in textwrap.wrap(text, WIDTH - indent):
            self.line(" " * indent + line, "why")

    def _command(self, text: str, man: str) -> None:
        lines = wrap(text, WIDTH - _INDENT - _MAN)
        for number, line in enumerate(lines):
            right = f"{man:>{WIDTH - _INDENT - len(line)}}" if number == 0 and man else ""
            ink = self.ink
            tail = f"{ink['man']}{right}{ink['end']}" if right else ""
            self.out.write(f"{' ' * _INDENT}{ink['command']}{line}{ink['end']}{tail}\n")

    def _why(self, act: Act) -> None:
        if act.why:
            self._paragraph(act.why, _INDENT + 2)
        if act.errno:
            name = errno.errorcode.get(act.errno, str(act.errno))
            self.line(f"{' ' * (_INDENT + 2)}refused: {os.strerror(act.errno)} ({name})", "bad")

    def _define(self) -> None:
        self.line()
        for assignment, meaning in self.names.definitions():
            self.out.write(f"{' ' * _INDENT}{assignment:<50}")
            self.line(f"  # {meaning}", "why")


def _runs_beside(event: Step | Act) -> bool:
    """What the network process does, and the shim before it got its order, unless a person is asked about it."""
    if isinstance(event, Step):
        return event.role == "net" and not event.stopped
    return event.role == "net" or (event.role in _PARENTS and not event.phase)


def _ends_holding(event: Step | Act) -> bool:
    """The shim makes the overlay while the network is made, and then waits for it."""
    return isinstance(event, Step) and (event.stopped or (event.role in _PARENTS and event.name != "overlay"))


# ---- many commands as one -----------------------------------------------------------------------------------


def fold(commands: list[str]) -> list[str]:
    """Commands of one kind as one command where a shell has a word for that; all of them stay named.

    >>> fold(["capsh --drop=cap_bpf", "capsh --drop=cap_lease"])
    ['capsh --drop=cap_bpf,cap_lease']
    >>> fold(["mount --bind $R/dev/null $R/proc/keys", "mount --bind $R/dev/null $R/proc/kcore"])
    ['for x in keys kcore; do mount --bind $R/dev/null $R/proc/$x; done']
    """
    if len(commands) < 2:
        return commands
    if len(set(commands)) == 1:
        return [f"{commands[0]}   # {len(commands)} times"]
    if all(command.startswith("capsh --drop=") for command in commands):
        return [",".join([commands[0], *(command.removeprefix("capsh --drop=") for command in commands[1:])])]
    before = _common_start(commands)
    after = _common_end([command.removeprefix(before) for command in commands])
    middles = [command[len(before) : len(command) - len(after)] for command in commands]
    if not before or any("$" in middle or "\n" in middle for middle in middles):
        return commands
    words = " ".join(f"'{middle}'" if " " in middle else middle for middle in middles)
    return [f"for x in {words}; do {before}$x{after}; done"]


def _common_start(texts: list[str]) -> str:
    """What all begin with, up to and with the last / or blank of it."""
    start = _shared_start(texts)
    return start[: max(start.rfind("/"), start.rfind(" ")) + 1]


def _common_end(texts: list[str]) -> str:
    end = _shared_start([text[::-1] for text in texts])[::-1]
    return end[end.find(" ") :] if " " in end else ""


def _shared_start(texts: list[str]) -> str:
    shortest, longest = (
        min(texts),
        max(texts),
    )  # all others sort between these two, so they share what these share
    length = next((at for at, letter in enumerate(shortest) if letter != longest[at]), len(shortest))
    return shortest[:length]


def wrap(text: str, width: int) -> list[str]:
    """A command in lines: broken at blanks, which a backslash makes good, else behind a comma or a colon."""
    lines: list[str] = []
    for whole in text.split("\n"):
        lines += _wrap_line(whole, width)
    return lines


def _wrap_line(text: str, width: int) -> list[str]:
    lines, line = [], ""
    for piece in re.findall(r"(?:'[^']*'|[^ ,:'])*[ ,:]?", text):
        if line.strip() and len(line) + len(piece.rstrip()) > width - 2:
            lines.append(f"{line.rstrip()} \\" if line.endswith(" ") else line)
            line = "    "
        line += piece
    return [*lines, line.rstrip()]
