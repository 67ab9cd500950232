"""`update`, `pause` and raw settings: what the kernel says before and after."""

import json

import pytest

from tests import containers, limits
from tests.support import Minirun

MEBIBYTE = 1 << 20


@pytest.fixture
def sleeper(minirun: Minirun) -> containers.Container:
    return containers.start(minirun, "--name", "box", "--memory", "64m", "busybox", "sleep", "1000")


def kernel(container: containers.Container, file: str) -> str:
    return limits.kernel(f"/minirun/{container.id}", file)


def test_update_changes_what_was_asked_and_nothing_else(
    minirun: Minirun, sleeper: containers.Container
) -> None:
    minirun("update", "--cpus", "0.5", "--pids-limit", "50", "--memory-reservation", "16m", "box", check=True)
    assert kernel(sleeper, "cpu.max") == "50000 100000"
    assert kernel(sleeper, "pids.max") == "50"
    assert kernel(sleeper, "memory.low") == str(16 * MEBIBYTE)
    assert kernel(sleeper, "memory.max") == str(64 * MEBIBYTE)


def test_inspect_and_the_next_start_know_it(minirun: Minirun, sleeper: containers.Container) -> None:
    minirun("update", "--memory", "128m", "--memory-swap", "-1", "box", check=True)
    assert sleeper.inspect("{{.HostConfig.Memory}}") == str(128 * MEBIBYTE)
    minirun("restart", "-t", "0", "box", check=True)
    assert kernel(sleeper, "memory.max") == str(128 * MEBIBYTE)


def test_a_container_that_does_not_run_gets_it_when_it_does(minirun: Minirun) -> None:
    id = minirun("create", "--name", "box", "--network", "none", "busybox", "sleep", "100", check=True).stdout
    minirun("update", "--pids-limit", "33", "box", check=True)
    minirun("start", "box", check=True)
    assert limits.kernel(f"/minirun/{id.strip()}", "pids.max") == "33"


@pytest.mark.parametrize("bad", ["pids.max=many", "memory.high=-5", "memory.nosuch=1"])
def test_all_or_nothing(minirun: Minirun, sleeper: containers.Container, bad: str) -> None:
    before = {file: kernel(sleeper, file) for file in ("cpu.max", "memory.max", "pids.max", "memory.low")}
    words = ("--cpus", "0.3", "--memory", "32m", "--memory-swap", "64m", "--memory-reservation", "8m")
    result = minirun("update", *words, "--cgroup-conf", bad, "box")
    assert result.code == 1
    assert bad.partition("=")[0] in result.stderr
    assert {file: kernel(sleeper, file) for file in before} == before
    assert sleeper.inspect("{{.HostConfig.Memory}}") == str(64 * MEBIBYTE)


def test_memory_beyond_the_limit_on_swap_is_refused_in_dockers_words(
    minirun: Minirun, sleeper: containers.Container
) -> None:
    result = minirun("update", "--memory", "256m", "box")
    assert result.code == 1
    assert "update the memoryswap at the same time" in result.stderr


def holder_of_40_megabytes(minirun: Minirun) -> containers.Container:
    """In a file on tmpfs, which cannot be reclaimed without swap."""
    words = ("--name", "box", "--memory", "100m", "--memory-swap", "100m", "--tmpfs", "/data")
    script = "head -c 40m /dev/zero >/data/file; echo done; sleep 1000"
    container = containers.start(minirun, *words, "busybox", "sh", "-c", script)
    containers.eventually(lambda: "done" in container.logs().stdout, seconds=30)
    return container


def test_less_memory_than_a_program_holds_ends_it_and_nobody_waits(minirun: Minirun) -> None:
    container = holder_of_40_megabytes(minirun)
    minirun("update", "--memory", "16m", "--memory-swap", "16m", "box", timeout=60)
    assert minirun("wait", "box").stdout == "137\n"
    assert container.inspect("{{.State.OOMKilled}}") == "true"


def test_memory_high_slows_down_and_does_not_kill(minirun: Minirun) -> None:
    words = (
        "--cgroup-conf",
        "memory.high=16M",
        "busybox",
        "sh",
        "-c",
        "head -c 4m /dev/zero | wc -c; sleep 99",
    )
    container = containers.start(minirun, *words)
    assert kernel(container, "memory.high") == str(16 * MEBIBYTE)
    assert container.inspect("{{.State.OOMKilled}}") == "false"


def test_nothing_of_a_paused_container_runs(minirun: Minirun) -> None:
    container = containers.start(minirun, "--name", "box", "busybox", "sh", "-c", "while :; do :; done")
    minirun("pause", "box", check=True)
    assert "frozen 1" in kernel(container, "cgroup.events")
    used = kernel(container, "cpu.stat")
    assert kernel(container, "cpu.stat") == used
    minirun("unpause", "box", check=True)
    assert "frozen 0" in kernel(container, "cgroup.events")


def test_a_paused_container_can_be_stopped_and_killed(minirun: Minirun) -> None:
    script = "trap 'exit 3' TERM; while :; do sleep 0.1; done"
    container = containers.start(minirun, "--name", "box", "busybox", "sh", "-c", script)
    minirun("pause", "box", check=True)
    minirun("stop", "box", check=True)
    assert container.inspect("{{.State.ExitCode}}") == "3"
    minirun("start", "box", check=True)
    minirun("pause", "box", check=True)
    minirun("kill", "box", check=True)
    assert container.inspect("{{.State.ExitCode}}") == "137"


def test_stats_are_the_kernels(minirun: Minirun) -> None:
    script = "head -c 8m /dev/zero >/data/file; while :; do :; done"
    words = (
        "--name",
        "box",
        "--memory",
        "64m",
        "--cpus",
        "0.2",
        "--tmpfs",
        "/data",
        "busybox",
        "sh",
        "-c",
        script,
    )
    containers.start(minirun, *words)
    row = json.loads(minirun("stats", "--no-stream", "--format", "json", "box", check=True).stdout)
    assert row["MemUsage"].endswith(" / 64MiB")
    assert float(row["CPUPerc"].rstrip("%")) < 40
    assert float(row["Throttled"].rstrip("%")) > 20
    assert row["MemShmem"] != "--"
