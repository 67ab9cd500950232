"""`minirun compose` in a directory of its own: compose("up", "-d"), and what is there afterwards."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support import Minirun, Result, run


class Compose:
    """A project called like its directory; `minirun` has its containers."""

    def __init__(self, minirun: Minirun, directory: Path, file: str) -> None:
        self.minirun, self.directory = minirun, directory
        self.write(file)

    def write(self, file: str, name: str = "compose.yaml") -> None:
        (self.directory / name).write_text(file)

    def command(self, *words: str) -> list[str]:
        return self.minirun.command("compose", *words)

    def __call__(self, *words: str, check: bool = False, **more: Any) -> Result:
        return run(*self.command(*words), cwd=self.directory, check=check, **more)

    def spawn(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command(*words), cwd=self.directory, **options)

    def containers(self) -> dict[str, dict[str, Any]]:
        """{name without the project's: what `inspect` says}"""
        ids = self.minirun("ps", "-aq", "--no-trunc", "--filter", self._mine()).stdout.split()
        found = json.loads(self.minirun("inspect", *ids).stdout) if ids else []
        return {one["Name"].lstrip("/").removeprefix(f"{self.directory.name}-"): one for one in found}

    def ids(self) -> dict[str, str]:
        return {name: one["Id"] for name, one in self.containers().items()}

    def states(self) -> dict[str, str]:
        return {name: one["State"]["Status"] for name, one in self.containers().items()}

    def objects(self, kind: str) -> list[str]:
        """The names of the project's networks or volumes."""
        shown = "{{.Name}}"
        found = self.minirun(kind, "ls", "--format", shown, "--filter", self._mine(), check=True).stdout
        return sorted(name.removeprefix(f"{self.directory.name}_") for name in found.split())

    def _mine(self) -> str:
        return f"label=com.docker.compose.project={self.directory.name}"


@contextlib.contextmanager
def project(minirun: Minirun, directory: Path, file: str) -> Iterator[Compose]:
    """A project in a directory of this name, which goes after the test with all it has."""
    os.makedirs(directory)
    made = Compose(minirun, directory, file)
    try:
        yield made
    finally:
        run(
            *minirun.command("compose", "-p", directory.name, "down", "-v", "-t", "0"),
            cwd=directory,
            check=True,
        )
