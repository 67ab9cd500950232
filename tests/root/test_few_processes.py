"""minirun itself where the kernel gives no more processes: one sentence, and nothing is left."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad_registry import BadRegistry
from tests.leaks import cgroup2_mount
from tests.support import Minirun, Result, run


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group with a pids.max, beside the others; in the hierarchy of version 1 where that has `pids`."""
    found = subprocess.run(["findmnt", "-n", "-o", "TARGET", "-O", "pids"], capture_output=True, text=True)
    made = Path(found.stdout.split()[0] if found.stdout else str(cgroup2_mount())) / "minirun-test-few"
    made.mkdir()
    yield made
    made.rmdir()


def with_processes(count: int, group: Path, command: list[str]) -> Result:
    (group / "pids.max").write_text(str(count))
    return run("sh", "-c", f'echo $$ >{group}/cgroup.procs; exec "$@"', "sh", *command)


@pytest.mark.parametrize("count", range(1, 4))
def test_run_without_processes_leaves_nothing(minirun: Minirun, group: Path, count: int) -> None:
    result = with_processes(count, group, minirun.command("run", "--rm", "busybox", "true"))
    assert result.code == 125
    assert result.stderr.startswith(
        "minirun: no more processes can be started: Resource temporarily unavailable\n"
    )
    assert minirun("ps", "-a", "-q", check=True).stdout == ""


def test_pull_without_threads_is_one_sentence(minirun: Minirun, group: Path) -> None:
    server = BadRegistry()
    server.image(b"")
    try:
        result = with_processes(1, group, minirun.command("pull", server.name))
    finally:
        server.stop()
    assert (result.code, "Traceback" in result.stderr) == (1, False)
    assert result.stderr.startswith(
        "minirun: no more threads can be started: Resource temporarily unavailable\n"
    )
