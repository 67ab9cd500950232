"""Whoever joins a container's pid namespace: what a program in there with CAP_SYS_PTRACE can get from it.

watcher.c stops each process that appears before it does anything, and says what it sees of it.
"""

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests import containers
from tests.bundles import Oci
from tests.containers import Container, eventually
from tests.support import Minirun, WithoutCure

Start = Callable[..., Container]

# the fork into the pid namespace comes first, as it once did
EARLY = """
import time
from minirun.runtime import init, joining
def be_watched(_plan, _sync):  # on a busy machine the watcher may be late
    time.sleep(0.05)
beside = (joining.enter_pid_namespace, joining.lead_session, be_watched)
rest = [step for step in joining.{steps} if step not in beside]
at = rest.index({after}) + 1
joining.{steps} = (*rest[:at], *beside, *rest[at:])
"""


def sightings(container: Container) -> list[dict[str, str]]:
    """What the watcher saw of processes that had not come to their execve yet."""
    lines = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in container.logs().stdout.splitlines()]
    return [line for line in lines if "python" in line.get("exe", "")]


@pytest.fixture
def watched(watcher: Path, tmp_path: Path) -> Callable[..., Container]:
    """watched(start, "--cap-add", "SYS_PTRACE") runs the watcher, which knows of a file of the host's."""
    (tmp_path / "host").write_text("of the host")
    files = ("-v", f"{watcher}:/watcher:ro")

    def watched(start: Start, *options: str) -> Container:
        container = start(*options, *files, "busybox", "/watcher", str(tmp_path / "host"))
        eventually(lambda: "watching" in container.logs().stdout)
        return container

    return watched


def assert_nothing_to_get(container: Container) -> None:
    """It was seen, in the container's root, with nothing of the host's, no descriptor, and no other capability."""
    own = container.status("CapPrm")
    seen = eventually(lambda: sightings(container))
    assert {(one["host"], one["environ"], one["fds"], one["caps"]) for one in seen} == {("0", "0", "0", own)}
    assert {one["writable"] for one in seen} == {"0"}, container.logs().stdout


@pytest.mark.parametrize("capabilities", ["SYS_PTRACE", "SYS_PTRACE CHECKPOINT_RESTORE", "ALL"])
def test_an_exec_shows_nothing_that_the_container_has_not(start: Start, watched, capabilities: str) -> None:
    container = watched(start, *(f"--cap-add={name}" for name in capabilities.split()))
    for _ in range(5):
        container.exec("true")
    assert_nothing_to_get(container)


def test_nor_does_a_health_probe(start: Start, watched) -> None:
    probe = ("--health-cmd", "true", "--health-interval", "50ms", "--health-start-interval", "50ms")
    assert_nothing_to_get(watched(start, "--cap-add", "SYS_PTRACE", *probe))


def test_an_exec_that_forked_first_would_show_every_capability(minirun: Minirun, watched) -> None:
    """Without the cure the attempt works: whoever stops that process is root of the host."""
    patch = EARLY.format(steps="EXEC", after="joining.join_container")
    without = WithoutCure(minirun.root, minirun.state, patch)
    container = watched(partial(containers.start, without), "--cap-add", "SYS_PTRACE")
    for _ in range(5):
        container.exec("true")
    seen = eventually(lambda: sightings(container))
    assert any(one["caps"] != container.status("CapPrm") and one["fds"] != "0" for one in seen)


def test_an_exec_of_a_python_of_the_host_would_lead_to_its_libraries(minirun: Minirun, watched) -> None:
    """Without the copies: /proc/PID/map_files leads to the C library of the host, and it can be written."""
    unsealed = WithoutCure(minirun.root, minirun.state, "")  # not started by scripts/minirun
    container = watched(partial(containers.start, unsealed), "--cap-add", "ALL")
    for _ in range(5):  # the watcher may miss one
        container.exec("true")
    eventually(lambda: sightings(container))
    assert re.search(r"^writable .*/libc\.so", container.logs().stdout, re.MULTILINE)


# ---- `minirun-oci create` with the pid namespace of another container


def joins(container: Container, config: dict[str, Any]) -> None:
    namespaces = [one for one in config["linux"]["namespaces"] if one["type"] != "pid"]
    path = str(container.proc("ns/pid"))
    config["linux"]["namespaces"] = [*namespaces, {"type": "pid", "path": path}]


def test_nor_does_a_container_that_joins_a_pid_namespace(start: Start, watched, oci: Oci, bundle) -> None:
    container = watched(start, "--cap-add", "ALL")
    path = bundle("true", change=partial(joins, container))
    oci.detached("create", "--bundle", path, "x")
    (seen,) = eventually(lambda: sightings(container))
    assert seen["writable"] == "0", container.logs().stdout
    assert (seen["host"], seen["environ"], seen["caps"]) == ("0", "0", "00000000a80425fb")
    assert seen["fds"] == "1"  # exec.fifo, where it waits for `start`


def test_which_otherwise_would_show_the_host(start: Start, watched, oci: Oci, bundle) -> None:
    container = watched(start, "--cap-add", "SYS_PTRACE")
    without = Oci(oci.root, EARLY.format(steps="CREATE_BESIDE", after="init.await_hooks"))
    without.detached("create", "--bundle", bundle("true", change=partial(joins, container)), "x")
    (seen,) = eventually(lambda: sightings(container))
    assert seen["host"] == "1"
    assert seen["caps"] != "00000000a80425fb"


def test_it_sees_the_processes_of_that_namespace_and_runs(start: Start, oci: Oci, bundle) -> None:
    container = start("busybox", "sleep", "1000")
    script = "ps; readlink /proc/self/ns/pid"
    result = oci("run", "--bundle", bundle("sh", "-c", script, change=partial(joins, container)), "x")
    assert "sleep 1000" in result.stdout
    assert os.readlink(container.proc("ns/pid")) in result.stdout
    assert result.code == 0


def test_a_program_that_is_not_there_is_found_out_at_create(start: Start, oci: Oci, bundle) -> None:
    container = start("busybox", "sleep", "1000")
    result = oci("create", "--bundle", bundle("nosuch", change=partial(joins, container)), "x")
    assert result.code == 127
    assert "executable file not found in $PATH" in result.stderr
    assert oci("state", "x").code == 1
