"""A shell in which `docker` is minirun: what people have in their scripts, character for character."""

import shlex
import subprocess
from pathlib import Path

from tests.support import Minirun, Result, run


class Shell:
    """shell("docker ps && docker images") -> Result, in `directory`; `programs` is where its `docker` is put."""

    def __init__(self, minirun: Minirun, directory: Path, programs: Path) -> None:
        self.directory, self.programs = directory, programs
        self.spawned: list[subprocess.Popen[bytes]] = []
        programs.mkdir(exist_ok=True)
        (programs / "docker").write_text(f'#!/bin/sh\nexec {shlex.join(minirun.command())} "$@"\n')
        (programs / "docker").chmod(0o755)

    def command(self, line: str) -> list[str]:
        """The argument vector, for tests that start it themselves: in a pty, for one."""
        place = ["env", "-C", str(self.directory), "sh", "-c"]
        return [*place, f"PATH={shlex.quote(str(self.programs))}:$PATH; {line}"]

    def __call__(
        self, line: str, input: str | None = None, timeout: float = 120, check: bool = True
    ) -> Result:
        return run(*self.command(line), input=input, timeout=timeout, check=check)

    def spawn(self, line: str, **options: object) -> subprocess.Popen[bytes]:
        """Starts it and comes back at once; a signal reaches the program, and end() ends it."""
        self.spawned.append(subprocess.Popen(self.command(f"exec {line}"), **options))  # type: ignore[call-overload]
        return self.spawned[-1]

    def end(self) -> None:
        while self.spawned:
            process = self.spawned.pop()
            process.kill()
            process.wait()
