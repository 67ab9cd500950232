"""One RUN of a build, as the build's child runs it: in an overlay of its own, with what it prints in files."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minirun.build import layer, run
from minirun.build.run import RunOrder
from minirun.build.run_state import RunState
from minirun.engine import overlay
from minirun.errors import MinirunError
from minirun.linux import syscalls
from minirun.linux.constants import CLONE_NEWNS, MS_REC, MS_SLAVE
from minirun.runtime import process


class Done:
    """How it ended: the exit code, what it printed, and its upper directory.  `error`: why it could not be run."""

    def __init__(self, code: int, directory: Path, below: list[str]) -> None:
        self.code = code
        self.below = below
        self.stdout = (directory / "stdout").read_text(errors="replace")
        self.stderr = (directory / "stderr").read_text(errors="replace")
        self.error = (directory / "error").read_text() if (directory / "error").exists() else ""
        self.directory = directory
        self.upper = directory / "upper"

    def changes(self) -> set[str]:
        """What is in the layer: the names below the upper directory, when layer.py has put that in order."""
        layer.survey(str(self.upper), self.below[::-1], None)
        return {str(path.relative_to(self.upper)) for path in self.upper.rglob("*")}


class Steps:
    """steps("echo hi") runs a shell on `layers`, lowest first; `directory` is where the steps' trees are made."""

    def __init__(self, state: RunState, layers: list[str], directory: Path) -> None:
        self.state = state
        self.layers = layers
        self.directory = directory
        self.count = 0

    def __call__(self, *script: str, layers: list[str] | None = None, **options: Any) -> Done:
        pid, directory = self.start(*script, layers=layers, **options)
        code = process.exit_code(os.waitpid(pid, 0)[1])
        done = Done(code, directory, layers or self.layers)
        print(f"{script}: exit {code}\n{done.stdout}\n{done.stderr}\n{done.error}")
        return done

    def start(self, *script: str, layers: list[str] | None = None, **options: Any) -> tuple[int, Path]:
        """The child, while it runs, and its directory."""
        self.count += 1
        directory = self.directory / f"step{self.count}"
        directory.mkdir()
        for name in ("stdout", "stderr"):
            (directory / name).touch()
        args = ["/bin/sh", "-c", *script] if len(script) == 1 else list(script)
        keywords = {name: options.pop(name) for name in list(options) if name in RUN_OPTIONS}
        order = RunOrder(args, **{"network": "none", **options})
        below = layers or self.layers
        parent = os.getpid()
        return process.fork(lambda: self._child(parent, order, below, directory, keywords)), directory

    def _child(
        self, parent: int, order: RunOrder, below: list[str], directory: Path, keywords: dict[str, Any]
    ) -> int:
        enter_own_mounts(parent)
        streams = (open_null(), open_new(directory / "stdout"), open_new(directory / "stderr"))
        try:
            overlay.mount(str(directory), below, ",volatile")
            return run.run(self.state, order, f"{directory}/merged", streams, **keywords)
        except (MinirunError, OSError) as error:
            (directory / "error").write_text(str(error))
            return 125


RUN_OPTIONS = {"namespace", "supply"}


def enter_own_mounts(parent: int) -> None:
    """What every child of a build does first."""
    process.die_with(parent, why="")
    syscalls.unshare(CLONE_NEWNS)
    syscalls.mount(None, "/", None, MS_SLAVE | MS_REC)


def open_null() -> int:
    return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)


def open_new(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)


Run = Callable[..., Done]
