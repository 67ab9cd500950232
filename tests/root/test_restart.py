"""Restart policies on real containers."""

import itertools
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.containers import Container, eventually
from tests.support import Minirun

Start = Callable[..., Container]


def run(minirun: Minirun, policy: str, script: str) -> str:
    """A detached container that may end at once; its id."""
    words = ("run", "-d", "--network", "none", "--restart", policy, "busybox", "sh", "-c", script)
    return minirun(*words, check=True).stdout.strip()


def shown(minirun: Minirun, id: str, template: str) -> str:
    return minirun("inspect", "-f", template, id, check=True).stdout.strip()


def await_exit(minirun: Minirun, id: str) -> None:
    eventually(lambda: shown(minirun, id, "{{.State.Status}}") == "exited")


def times_of(minirun: Minirun, id: str, action: str) -> list[float]:
    """When something happened to the container, in seconds."""
    events = [json.loads(line) for line in (minirun.root / "events.jsonl").read_text().splitlines()]
    mine = [event for event in events if event["Actor"]["ID"] == id and event["Action"] == action]
    return [event["timeNano"] / 1e9 for event in mine]


def test_without_a_policy_it_stays_down(minirun: Minirun):
    id = run(minirun, "no", "exit 3")
    await_exit(minirun, id)
    assert shown(minirun, id, "{{.RestartCount}} {{.State.ExitCode}}") == "0 3"


def test_on_failure_gives_up_after_so_many(minirun: Minirun):
    id = run(minirun, "on-failure:2", "echo run; exit 3")
    await_exit(minirun, id)
    assert shown(minirun, id, "{{.RestartCount}} {{.State.ExitCode}}") == "2 3"
    assert minirun("logs", id).stdout == "run\n" * 3


def test_on_failure_is_content_with_success(minirun: Minirun):
    id = run(minirun, "on-failure", "test -e /ran && exit 0; touch /ran; exit 1")
    await_exit(minirun, id)
    assert shown(minirun, id, "{{.RestartCount}} {{.State.ExitCode}}") == "1 0"


def test_each_wait_is_twice_the_one_before(minirun: Minirun):
    id = run(minirun, "on-failure:4", "exit 1")
    await_exit(minirun, id)
    ends, starts = times_of(minirun, id, "die"), times_of(minirun, id, "start")
    waits = [start - end for end, start in zip(ends, starts[1:], strict=False)]
    assert all(wait >= wanted for wait, wanted in zip(waits, (0.1, 0.2, 0.4, 0.8), strict=True))
    assert all(earlier < later for earlier, later in itertools.pairwise(waits))


def test_while_it_waits_it_is_restarting(minirun: Minirun):
    id = run(minirun, "always", "exit 1")
    eventually(lambda: shown(minirun, id, "{{.State.Status}} {{.State.Restarting}}") == "restarting true")
    line = minirun("ps", "--filter", f"id={id}", "--format", "{{.Status}}").stdout
    assert line.startswith("Restarting (1)")


@pytest.mark.parametrize("policy", ["always", "unless-stopped", "on-failure"])
def test_a_killed_program_is_started_again(start: Start, policy: str):
    container = start("--restart", policy, "busybox", "sleep", "1000")
    os.kill(container.pid, signal.SIGKILL)
    eventually(lambda: container.inspect("{{.State.Status}} {{.RestartCount}}") == "running 1")
    pid = int(container.inspect("{{.State.Pid}}"))
    assert pid != container.pid
    assert os.readlink(f"/proc/{pid}/exe").endswith("busybox")


def test_what_it_wrote_is_there_after_a_restart(start: Start):
    container = start("--restart", "always", "busybox", "sh", "-c", "echo x >>/runs; sleep 1000")
    os.kill(container.pid, signal.SIGKILL)
    eventually(lambda: container.exec("cat", "/runs").stdout == "x\nx\n")


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_what_a_person_ends_stays_down(start: Start, verb: str):
    container = start("--restart", "always", "busybox", "sleep", "1000")
    container.minirun(verb, *(["-t", "0"] if verb == "stop" else []), container.id, check=True)
    eventually(lambda: container.inspect("{{.State.Status}}") == "exited")
    time.sleep(0.5)
    assert container.inspect("{{.State.Status}} {{.RestartCount}}") == "exited 0"


def test_a_stop_ends_the_wait_for_a_restart(minirun: Minirun):
    id = run(minirun, "always", "exit 1")
    eventually(lambda: int(shown(minirun, id, "{{.RestartCount}}")) >= 4)  # waits are long now
    minirun("stop", id, check=True)
    assert shown(minirun, id, "{{.State.Status}}") == "exited"
    starts = len(times_of(minirun, id, "start"))
    time.sleep(2)
    assert len(times_of(minirun, id, "start")) == starts


def test_rm_and_a_policy_exclude_each_other(minirun: Minirun):
    result = minirun("run", "--rm", "--restart", "always", "busybox", "true")
    assert result.code == 125
    assert "--restart" in result.stderr


def test_a_program_that_cannot_be_started_again_costs_the_shim_nothing(minirun: Minirun, tmp_path: Path):
    """It removes itself: each further try fails, is recorded, and leaves no descriptor open."""
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nrm /dir/program\nsleep 0.3\n")
    program.chmod(0o755)
    words = ("--network", "none", "--restart", "always", "-v", f"{tmp_path}:/dir", "busybox", "/dir/program")
    id = minirun("run", "-d", *words, check=True).stdout.strip()
    shim = int((minirun.state / id / "shim.lock").read_text())
    eventually(lambda: int(shown(minirun, id, "{{.RestartCount}}")) == 2)
    before = len(os.listdir(f"/proc/{shim}/fd"))
    eventually(lambda: int(shown(minirun, id, "{{.RestartCount}}")) == 5)
    assert len(os.listdir(f"/proc/{shim}/fd")) == before
    assert "no such file" in shown(minirun, id, "{{.State.Error}}").lower()
