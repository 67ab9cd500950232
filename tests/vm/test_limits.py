"""Limits on real containers, as the kernel counts them.  The root tier has them too, where v1 holds controllers."""

import contextlib
import time
from collections.abc import Callable

import pytest

from tests import containers, limits
from tests.support import Minirun


@pytest.fixture
def start(minirun: Minirun) -> Callable[..., containers.Container]:
    return lambda *words: containers.start(minirun, *words)


def run_limited(minirun: Minirun, *words: str):
    return minirun("run", "--network", "none", *words)


def kernel(container: containers.Container, file: str) -> str:
    return limits.kernel(f"/minirun/{container.id}", file)


def keyed(container: containers.Container, file: str) -> dict[str, int]:
    return limits.keyed(f"/minirun/{container.id}", file)


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
    assert kernel(container, "memory.max") == f"{32 << 20}"
    with contextlib.suppress(FileNotFoundError):  # a kernel without swap accounting
        assert kernel(container, "memory.swap.max") == f"{16 << 20}"


def test_a_busy_loop_gets_the_cpu_time_it_may_have(start: Callable[..., containers.Container]) -> None:
    container = start("--cpus", "0.2", "busybox", "sh", "-c", "while :; do :; done")
    begin, used = time.monotonic(), keyed(container, "cpu.stat")["usage_usec"]
    time.sleep(5)
    share = (keyed(container, "cpu.stat")["usage_usec"] - used) / 1e6 / (time.monotonic() - begin)
    assert 0.18 <= share <= 0.22


def test_cpu_shares_become_a_weight(start: Callable[..., containers.Container]) -> None:
    container = start("--cpu-shares", "1024", "busybox", "sleep", "100")
    assert kernel(container, "cpu.weight") == "100"


def test_a_fork_loop_ends_at_the_pids_limit(minirun: Minirun) -> None:
    """EAGAIN inside; outside, processes start as before."""
    loop = "for i in $(seq 30); do sleep 20 & done; echo started them all"
    result = run_limited(minirun, "--pids-limit", "20", "busybox", "sh", "-c", loop)
    assert "Resource temporarily unavailable" in result.stderr
    assert "started them all" not in result.stdout
    assert run_limited(minirun, "busybox", "true").code == 0


def test_the_group_is_gone_with_the_container(minirun: Minirun) -> None:
    container = containers.start(minirun, "--memory", "32m", "busybox", "sleep", "100")
    assert limits.groups(f"/minirun/{container.id}")
    minirun("rm", "-f", container.id, check=True)
    assert limits.groups(f"/minirun/{container.id}") == []


def test_inspect_shows_limits_as_the_kernel_has_them(start: Callable[..., containers.Container]) -> None:
    container = start("--memory", "33000000", "--pids-limit", "50", "busybox", "sleep", "100")
    assert f'"memory.max":"{kernel(container, "memory.max")}"' in container.inspect("{{json .Kernel.Limits}}")
    assert '"pids.max":"50"' in container.inspect("{{json .Kernel.Limits}}")


def test_a_cpu_set_without_its_controller_is_refused(minirun: Minirun) -> None:
    """The guest kernel has no cpuset; a host that has it applies it."""
    result = run_limited(
        minirun, "--rm", "--cpuset-cpus", "0", "busybox", "grep", "Cpus_allowed_list", "/proc/1/status"
    )
    assert result.code == (0 if "cpuset" in limits.controllers() else 125)
    assert result.stdout in ("Cpus_allowed_list:\t0\n", "")
