"""Step 1 of 13: the command line begins, as root, from an interpreter that no container can write.

What costs time comes as late as it can.  click, which reads the words, takes 30 to 40 ms to import; the container's
parent (the shim) is forked before that, so that both load what they need side by side, on two cores, and a shim that
never saw click stays small for all of the container's life.

    scripts/minirun     sh: starts the sealed copy of Python, with no site.py and no garbage collection
     main()             here: root?  sealed?  `run`: fork 1, the shim
      commands.call     click: the options before the command, then the command's own module and no other
       run_command      Step 2

Exit codes are Docker's: 125 when minirun fails, 126 and 127 as a shell has them, else the program's own (failures.py).

See      click's documentation on lazy loading (complex applications); linux/interpreter.py and CVE-2019-5736
By hand  .venv/bin/python3 -X importtime -c "import minirun.cli.run" shows what each import costs
Left out a daemon: every command is a process that does its work and ends
Next     cli/run.py
"""

from __future__ import annotations

import os
import sys

from minirun.cli import failures, stdio
from minirun.cli.leaving import leave
from minirun.engine.shim import spawn
from minirun.errors import MinirunError
from minirun.linux import interpreter, trace

TYPE_CHECKING = False  # `typing` costs milliseconds, and only a type checker needs it
if TYPE_CHECKING:
    from typing import NoReturn

_TRACING = ("--explain", "--step", "--break")
_STARTING = {"start", "restart", "restore"}
_COMPOSE_STARTING = {"run", "scale", "up", "watch"}


def main() -> NoReturn:
    """The console script `minirun`.  It ends the process."""
    stdio.fill()  # a daemon that starts us may have closed 0, 1 or 2
    words = sys.argv[1:]
    if "_MINIRUN_COMPLETE" in os.environ:
        _complete()
    _require_root(words)
    if os.geteuid() == 0:
        interpreter.secure()  # a Python that a container could write starts again as its sealed copy
    if "MINIRUN_FAULT" in os.environ:  # tests: the n-th call of a kind fails, or kills us
        trace.start(-1, fault=os.environ["MINIRUN_FAULT"])
    shim, spawner = _shim_ahead(words), _spawner_ahead(words)
    # click is loaded here, not at the top: fork 1 is behind us, and the shim is already loading the runtime
    from minirun.cli import commands

    leave(commands.call(shim, spawner))


def _complete() -> NoReturn:
    """A shell asks what can come next.  No shim, no lock, and no need to be root: completion.py."""
    from minirun.cli import commands, completion  # noqa: F401  (it has its own way with bash)

    leave(commands.call(None))


def _require_root(words: list[str]) -> None:
    """Namespaces, mounts and cgroups are root's; only what touches none of them is anybody's.

    Said before anything is forked or loaded: the first kernel call to fail would say EPERM and not why.
    """
    anybodys = {"--help", "--version"} & set(words) or words[:1] in (
        ["completion"],
        ["help"],
        ["version"],
        ["-v"],
    )
    anybodys = anybodys or ("compose" in words and {"config", "version"} & set(words))
    if os.geteuid() != 0 and not anybodys:
        failures.show("minirun", MinirunError("this has to run as root", "sudo minirun ..."))
        leave(125)


def _shim_ahead(words: list[str]) -> spawn.Shim | None:
    """Fork 1, as early as can be; None where it is not wanted yet.

    A guess from the bare words, for nobody has parsed them: `minirun rm run` forks one too many, which ends by
    itself when nothing is ordered of it.  A traced run forks later, when it is known where the trace goes.
    """
    if "run" not in words or any(word.startswith(_TRACING) for word in words):
        return None
    try:
        return spawn.spawn(expect_network=not any(word.endswith(("none", "host")) for word in words))
    except MinirunError:
        return None  # no more processes: `run` tries again, where an error meets a person


def _spawner_ahead(words: list[str]) -> spawn.Spawner | None:
    """For those that may start several containers: what forks their shims is as small as we are now."""
    starting = _STARTING | _COMPOSE_STARTING if "compose" in words else _STARTING
    if not starting & set(words) or trace.on:
        return None
    try:
        return spawn.Spawner()
    except MinirunError:
        return None
