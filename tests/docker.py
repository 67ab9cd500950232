"""Debian's Docker to compare with: private dockerds, seen by nobody else."""

import contextlib
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.support import Result, run


def docker_groups() -> set[Path]:
    """The groups above Docker's, which it leaves, in each hierarchy."""
    return set(Path("/sys/fs/cgroup").glob("*/docker")) | set(Path("/sys/fs/cgroup").glob("docker"))


def client(program: Callable[[str], str]) -> str:
    """Debian's, not a newer one that the machine has beside it."""
    return "/usr/bin/docker" if os.path.exists("/usr/bin/docker") else program("docker")


class Docker:
    """A dockerd with directories of its own; docker("load") -> its output.

    `where` is the network namespace it runs in, with its bridge and its rules; without one it gets a new one, in which
    it makes no network at all.
    """

    def __init__(self, directory: Path, program: Callable[[str], str], where: str = "") -> None:
        self.client = [client(program), "-H", f"unix://{directory}/sock"]
        self.directory = directory
        self.groups_before = docker_groups()
        words = [program("dockerd"), "--data-root", directory / "data", "--exec-root", directory / "exec"]
        words += ["--pidfile", directory / "pid", "-H", f"unix://{directory}/sock"]
        if not where:
            words += ["--iptables=false", "--ip6tables=false", "--bridge=none"]
        up = ["sh", "-c", 'ip link set lo up; exec "$@"', "sh"]
        enter = ["nsenter", f"--net={where}"] if where else ["unshare", "--net", *up]
        with open(directory / "log", "wb") as log:
            command = [*enter, *map(str, words)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def __call__(self, *words: str | Path) -> str:
        return self.attempt(*words, check=True).stdout

    def attempt(self, *words: str | Path, check: bool = False) -> Result:
        return run(*self.client, *words, check=check)

    def wait(self) -> None:
        for _ in range(300):
            if subprocess.run([*self.client, "version"], capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        raise AssertionError("dockerd did not start")

    def remove_all(self) -> None:
        ids = self("ps", "-aq").split()
        if ids:
            self("rm", "-f", "-v", *ids)

    def stop(self) -> None:
        self.remove_all()
        self.process.terminate()
        self.process.wait(30)
        for group in docker_groups() - self.groups_before:
            with contextlib.suppress(OSError):  # of another dockerd, too
                group.rmdir()
