"""A container that would rather not be stopped: what keeps its shim waiting, and the ways around that."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests import containers
from tests.containers import Container, eventually
from tests.support import Minirun, WithoutCure

Start = Callable[..., Container]
QUICK = 6  # seconds: far less than a shim that never answers

# the same with less patience, so that the test need not have so much
IMPATIENT = "from minirun.runtime import joining; joining.JOIN_SECONDS = 1.0"


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and containers.process_status(pid, "State")[0] not in "ZX"


def shim_of(container: Container) -> int:
    return int(container.status("PPid"))


def memory_of(pid: int) -> int:
    """Bytes that have been in its memory at once, at most."""
    return int(containers.process_status(pid, "VmHWM").split()[0]) * 1024


# ---- files that are read for it

LINKS = ["/proc/kmsg", "/proc/1/pagemap", "/dev/console", "/proc/self/mem"]


@pytest.mark.parametrize("target", LINKS)
def test_passwd_that_is_a_link_into_proc_keeps_nobody_waiting(start: Start, target: str) -> None:
    script = f"rm -f /etc/passwd; ln -s {target} /etc/passwd; sleep 1000"
    probe = ("--health-cmd", "true", "--health-interval", "100ms", "--health-start-interval", "100ms")
    container = start(*probe, "busybox", "sh", "-c", script)
    eventually(lambda: container.inspect("{{.State.Health.Status}}") == "healthy")
    began = time.monotonic()
    container.minirun("rm", "-f", container.id, check=True)
    assert time.monotonic() - began < QUICK


@pytest.mark.parametrize("name", ["passwd", "group"])
def test_a_huge_file_is_not_read_into_the_shim(start: Start, name: str) -> None:
    container = start("busybox", "sh", "-c", f"truncate -s 1G /etc/{name}; sleep 1000")
    eventually(lambda: container.proc(f"root/etc/{name}").stat().st_size == 1 << 30)
    result = container.exec("true")
    assert result.code == 125
    assert f"/etc/{name} of the container is too large" in result.stderr
    assert memory_of(shim_of(container)) < 64 << 20


# ---- processes that it stops


@pytest.fixture
def stopper(minirun: Minirun, watcher: Path) -> Container:
    """A container that stops every process which joins it, with an ordinary signal."""
    impatient = WithoutCure(minirun.root, minirun.state, IMPATIENT)
    files = ("-v", f"{watcher}:/watcher:ro")
    container = containers.start(impatient, *files, "busybox", "/watcher")
    eventually(lambda: "watching" in container.logs().stdout)
    return container


def test_an_exec_that_is_stopped_is_given_up(stopper: Container) -> None:
    def attempt() -> bool:
        """Whether the container was quick enough; else the program began, and stands still."""
        process = stopper.minirun.spawn("exec", stopper.id, "true", stderr=subprocess.PIPE)
        try:
            return b"was not ready in time" in process.communicate(timeout=QUICK)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return False

    assert any(attempt() for _ in range(5))
    assert stopper.minirun("rm", "-f", stopper.id).code == 0


@pytest.mark.parametrize("words", [("rm", "-f"), ("kill",), ("stop", "-t", "1")])
def test_meanwhile_it_can_be_ended(minirun: Minirun, watcher: Path, words: tuple[str, ...]) -> None:
    """Even when the shim has all the patience there is."""
    patient = WithoutCure(minirun.root, minirun.state, IMPATIENT.replace("1.0", "1000.0"))
    container = containers.start(patient, "-v", f"{watcher}:/watcher:ro", "busybox", "/watcher")
    eventually(lambda: "watching" in container.logs().stdout)
    # one that the watcher was too slow for must not be over by then, either
    waiting = [
        minirun.spawn("exec", container.id, "sleep", "1000", stderr=subprocess.DEVNULL) for _ in range(3)
    ]
    time.sleep(0.5)
    began = time.monotonic()
    minirun(*words, container.id, check=True)
    assert time.monotonic() - began < QUICK + 1
    for process in waiting:
        assert process.wait(QUICK) != 0


# ---- processes that it traces


def watching(start: Start, watcher: Path, *words: str, options: tuple[str, ...] = ()) -> Container:
    container = start(*options, "-v", f"{watcher}:/watcher:ro", "busybox", "/watcher", *words)
    eventually(lambda: "watching" in container.logs().stdout)
    return container


PROBE = ("--health-cmd", "true", "--health-interval", "100ms", "--health-start-interval", "100ms")


def test_a_dead_process_that_is_kept_back_keeps_the_shim_from_nothing(start: Start, watcher: Path) -> None:
    """Whoever traces a process waits for it before its parent can."""
    container = watching(start, watcher, "--keep", options=PROBE)
    waiting = container.minirun.spawn("exec", container.id, "true")
    time.sleep(1.5)
    began = time.monotonic()
    container.minirun("rename", container.id, "renamed", check=True)
    assert time.monotonic() - began < QUICK
    container.minirun("rm", "-f", container.id, check=True)
    waiting.wait(QUICK)


def test_nor_does_one_that_was_given_up_keep_the_container_from_ending(
    minirun: Minirun, watcher: Path
) -> None:
    """A dead process that its parent has not waited for keeps PID 1 of its namespace from ending, killed or not."""
    impatient = WithoutCure(minirun.root, minirun.state, IMPATIENT)
    options = ("--cap-add", "SYS_PTRACE", *PROBE)
    container = watching(
        partial(containers.start, impatient), watcher, "--say", "x", "--keep", options=options
    )
    time.sleep(4)  # more than a probe has to join, and then to die
    began = time.monotonic()
    minirun("rm", "-f", container.id, check=True)
    assert time.monotonic() - began < QUICK


LONE = '{"kind": "error", "message": "half a \\ud800 character"}'
NONSENSE = '{"kind": "call", "step": "a", "call": "b", "errno": 99999999999999999999, "path": "p"}'


@pytest.mark.parametrize(
    "words", ['{"kind": "cancelled", "message": "evil"}', NONSENSE, LONE, "[[[", '{"a": 1}', "x"]
)
def test_what_it_says_in_the_name_of_a_process_is_no_more_than_words(
    start: Start, watcher: Path, words: str
) -> None:
    container = watching(start, watcher, "--say", words, options=("--cap-add", "SYS_PTRACE", *PROBE))
    eventually(lambda: "-1" in container.inspect("{{range .State.Health.Log}}{{.ExitCode}} {{end}}"))
    assert container.inspect("{{.State.Status}}") == "running"
    assert container.minirun("inspect", container.id).code == 0


# ---- a shim that is stopped


@pytest.fixture
def numb(start: Start) -> Iterator[Container]:
    """A container whose shim says nothing any more."""
    container = start("busybox", "sleep", "1000")
    shim = shim_of(container)
    os.kill(shim, signal.SIGSTOP)
    yield container
    assert not is_alive(shim)


@pytest.mark.parametrize("words", [("rm", "-f"), ("stop", "-t", "1")])
def test_a_shim_that_says_nothing_is_killed_with_its_container(
    minirun: Minirun, numb: Container, words: tuple[str, ...]
) -> None:
    assert minirun(*words, numb.id).code == 0
    assert not is_alive(numb.pid)


def test_so_it_is_when_the_machine_goes_down(minirun: Minirun, numb: Container, start: Start) -> None:
    other = start("--stop-timeout", "1", "busybox", "sleep", "1000")
    minirun("system", "shutdown", timeout=60)
    assert not is_alive(other.pid)
    assert not is_alive(numb.pid)
