"""What tests of every tier use: running a program, and running minirun with directories of its own."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Result:
    """How a program ended. `code` is negative for a signal, as in subprocess."""

    stdout: str
    stderr: str
    code: int


def run(
    *arguments: str | Path,
    input: str | None = None,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 120,
    check: bool = False,
) -> Result:
    """Runs a program to its end. What it printed is printed again, so pytest shows it when the test fails.

    `env` is added to the environment; `timeout` is in seconds; `check` fails the test unless the program exits 0.
    """
    command = [str(argument) for argument in arguments]
    print("$", shlex.join(command))
    done = subprocess.run(
        command,
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",
        env={**os.environ, **(env or {})},
        cwd=cwd,
        timeout=timeout,
    )
    print(done.stdout, end="")
    print(done.stderr, end="", file=sys.stderr)
    print(f"exit {done.returncode}")
    assert not check or done.returncode == 0, f"{shlex.join(command)}: exit {done.returncode}: {done.stderr}"
    return Result(done.stdout, done.stderr, done.returncode)


@dataclass(frozen=True)
class Minirun:
    """The real command line with a data root and a state directory of its own: minirun("run", "busybox", "true")."""

    root: Path
    state: Path

    def command(self, *arguments: str | Path) -> list[str]:
        """The argument vector, for tests that start it themselves: in a pty, or in the background."""
        launcher = CHECKOUT / "scripts" / "minirun"
        return [str(word) for word in (launcher, "--root", self.root, "--state", self.state, *arguments)]

    def __call__(
        self, *arguments: str | Path, input: str | None = None, timeout: float = 120, check: bool = False
    ) -> Result:
        return run(*self.command(*arguments), input=input, timeout=timeout, check=check)

    def spawn(self, *arguments: str | Path, **options: object) -> subprocess.Popen[bytes]:
        """Starts it and comes back at once; `options` are those of subprocess.Popen."""
        command = self.command(*arguments)
        print("$", shlex.join(command), "&")
        return subprocess.Popen(command, **options)  # type: ignore[call-overload, no-any-return]

    def remove_all(self) -> None:
        """Removes every container a test left behind."""
        ids = self("ps", "-a", "-q", "--no-trunc", check=True).stdout.split()
        if ids:
            self("rm", "-f", *ids, check=True)


@dataclass(frozen=True)
class WithoutCure(Minirun):
    """minirun with a line of Python before it begins, which takes a safeguard away: does the attempt work then?"""

    patch: str = ""

    def command(self, *arguments: str | Path) -> list[str]:
        words = super().command(*arguments)
        return [*patched("minirun.cli.main", self.patch), *words[1:]]


def patched(module: str, patch: str) -> list[str]:
    """The launchers' own command, with `patch` before the program; arguments are to follow."""
    program = f"""
import gc, sys
gc.disable()
sys.path += [{str(CHECKOUT)!r}, {str(CHECKOUT / ".venv" / "site-packages")!r}]
sys.argv[0] = {"minirun-oci" if module.endswith("oci") else "minirun"!r}
from minirun.linux import interpreter
interpreter.secure = lambda: None  # it would begin again without the patch
interpreter.is_secure = lambda: True  # so would its shims
{patch}
from {module} import main
main()"""
    return [str(CHECKOUT / ".venv" / "bin" / "python3"), "-I", "-S", "-X", "utf8", "-c", program]


def in_child(act: Callable[[], object]) -> int:
    """The wait status of a child that does `act`: it exits with the errno of what went wrong, or 0."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            act()
            code = 0
        except OSError as error:
            code = error.errno or 99
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]
