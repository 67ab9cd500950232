"""Limits on real containers, as the kernel counts them."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import containers
from tests.support import Minirun

CGROUPS = Path("/sys/fs/cgroup/minirun")


@pytest.fixture
def start(minirun: Minirun) -> Callable[..., containers.Container]:
    return lambda *words: containers.start(minirun, *words)


def run_limited(minirun: Minirun, *words: str):
    return minirun("run", "--network", "none", *words)


def keyed(container: containers.Container, file: str) -> dict[str, int]:
    lines = (CGROUPS / container.id / file).read_text().splitlines()
    return {name: int(value) for name, value in map(str.split, lines)}


def test_more_memory_than_allowed_is_killed_and_told(minirun: Minirun) -> None:
    result = run_limited(minirun, "--name", "eater", "--memory", "32m", "busybox", "tail", "/dev/zero")
    assert result.code == 137
    assert "--memory (32 MiB)" in result.stderr
    assert minirun("inspect", "-f", "{{.State.OOMKilled}}", "eater").stdout == "true\n"


def test_less_memory_than_allowed_runs(minirun: Minirun) -> None:
    result = run_limited(minirun, "--memory", "32m", "busybox", "sh", "-c", "head -c 16m /dev/zero | wc -c")
    assert (result.code, result.stdout) == (0, "16777216\n")


def test_six_megabytes_are_enough_to_start(minirun: Minirun) -> None:
    """What minirun's own first process needs before execve is within the smallest limit there is."""
    assert run_limited(minirun, "--memory", "6m", "busybox", "true").code == 0


def test_memory_swap_is_the_sum(start: Callable[..., containers.Container]) -> None:
    container = start("--memory", "32m", "--memory-swap", "48m", "busybox", "sleep", "100")
    assert (CGROUPS / container.id / "memory.max").read_text() == f"{32 << 20}\n"
    swap = CGROUPS / container.id / "memory.swap.max"
    assert not swap.exists() or swap.read_text() == f"{16 << 20}\n"


def test_a_busy_loop_gets_the_cpu_time_it_may_have(start: Callable[..., containers.Container]) -> None:
    container = start("--cpus", "0.2", "busybox", "sh", "-c", "while :; do :; done")
    begin, used = time.monotonic(), keyed(container, "cpu.stat")["usage_usec"]
    time.sleep(5)
    share = (keyed(container, "cpu.stat")["usage_usec"] - used) / 1e6 / (time.monotonic() - begin)
    assert 0.18 <= share <= 0.22


def test_cpu_shares_become_a_weight(start: Callable[..., containers.Container]) -> None:
    container = start("--cpu-shares", "1024", "busybox", "sleep", "100")
    assert (CGROUPS / container.id / "cpu.weight").read_text() == "100\n"


def test_a_fork_loop_ends_at_the_pids_limit(minirun: Minirun) -> None:
    """EAGAIN inside; outside, processes start as before."""
    loop = "for i in $(seq 30); do sleep 20 & done; echo started them all"
    result = run_limited(minirun, "--pids-limit", "20", "busybox", "sh", "-c", loop)
    assert "Resource temporarily unavailable" in result.stderr
    assert "started them all" not in result.stdout
    assert run_limited(minirun, "busybox", "true").code == 0


def test_the_group_is_gone_with_the_container(minirun: Minirun) -> None:
    run_limited(minirun, "--rm", "--memory", "32m", "busybox", "true")
    assert not CGROUPS.exists()


def test_inspect_shows_limits_as_the_kernel_has_them(start: Callable[..., containers.Container]) -> None:
    container = start("--memory", "33000000", "--pids-limit", "50", "busybox", "sleep", "100")
    kernel = (CGROUPS / container.id / "memory.max").read_text().strip()
    assert f'"memory.max":"{kernel}"' in container.inspect("{{json .Kernel.Limits}}")
    assert '"pids.max":"50"' in container.inspect("{{json .Kernel.Limits}}")


def test_a_cpu_set_without_its_controller_is_refused(minirun: Minirun) -> None:
    """The guest kernel has no cpuset; a host that has it applies it."""
    result = run_limited(minirun, "--rm", "--cpuset-cpus", "0", "busybox", "true")
    controllers = Path("/sys/fs/cgroup/cgroup.controllers").read_text().split()
    assert result.code == (0 if "cpuset" in controllers else 125)
