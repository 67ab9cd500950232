"""Health checks without a container: real probes, short ones, in a loop of their own."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from minirun.engine.shim import health, loop
from minirun.errors import MinirunError


def launch(args: list[str]) -> tuple[int, int]:
    """A probe on this machine, in a session of its own like those in a container."""
    reader, writer = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_DUP2, writer, 2)]
    pid = os.posix_spawn(args[0], args, os.environ, file_actions=actions, setsid=True)
    os.close(writer)
    return pid, reader


class Watched:
    """A health check, and how its status went."""

    def __init__(self, text: str, launch: Callable[[list[str]], tuple[int, int]] = launch, **settings: float):
        self.state = health.fresh(None)
        self.changes: list[tuple[str, str]] = []
        wanted = {"interval": 0.02, "timeout": 5, "start_period": 0, "start_interval": 0.02, "retries": 3}
        wanted |= {"test": ["CMD-SHELL", text], **settings}
        self.health = health.Health(wanted, self.state, launch, self._changed)
        self.results = 0

    def _changed(self, before: str) -> None:
        self.results += 1
        if before != self.state["status"]:
            self.changes.append((before, self.state["status"]))

    def run(self, results: int) -> "Watched":
        """Serve until there are so many results."""
        loop.serve([self.health], lambda: self.results >= results)
        return self

    def serve_for(self, seconds: float) -> None:
        class Clock(loop.Part):
            end = time.monotonic() + seconds

            def deadline(self) -> float:
                return self.end

        loop.serve([self.health, Clock()], lambda: time.monotonic() >= Clock.end)

    @property
    def last(self) -> dict[str, object]:
        return self.state["log"][-1]


def test_a_success_makes_healthy():
    assert Watched("exit 0").run(1).changes == [("starting", "healthy")]


def test_as_many_failures_as_retries_make_unhealthy():
    watched = Watched("exit 7", retries=2).run(1)
    assert (watched.state["status"], watched.state["failing_streak"]) == ("starting", 1)
    assert watched.run(2).changes == [("starting", "unhealthy")]
    assert watched.last["exit_code"] == 7


def test_a_success_ends_the_row_of_failures(tmp_path: Path):
    """Fails, fails, succeeds, fails, fails: never three in a row."""
    script = f"echo x >>{tmp_path}/n; test $(wc -l <{tmp_path}/n) -eq 3"
    watched = Watched(script).run(5)
    assert watched.changes == [("starting", "healthy")]
    assert watched.state["failing_streak"] == 2


def test_unhealthy_becomes_healthy_again(tmp_path: Path):
    watched = Watched(f"test -e {tmp_path}/well", retries=1).run(1)
    (tmp_path / "well").touch()
    assert watched.run(2).changes == [("starting", "unhealthy"), ("unhealthy", "healthy")]


def test_failures_do_not_count_in_the_start_period():
    watched = Watched("exit 1", retries=1, start_period=60).run(3)
    assert (watched.state["status"], watched.state["failing_streak"]) == ("starting", 0)


def test_failures_count_after_the_start_period():
    watched = Watched("exit 1", retries=1, start_period=0.1)
    watched.serve_for(0.3)
    assert watched.state["status"] == "unhealthy"


def test_a_success_ends_the_start_period(tmp_path: Path):
    script = f"rm {tmp_path}/well"
    (tmp_path / "well").touch()
    watched = Watched(script, retries=1, start_period=60).run(2)
    assert watched.changes == [("starting", "healthy"), ("healthy", "unhealthy")]


def test_the_start_interval_holds_while_it_starts():
    watched = Watched("exit 1", start_period=60, start_interval=0.05, interval=60)
    begin = time.monotonic()
    watched.run(2)
    assert 0.1 <= time.monotonic() - begin < 5


def test_the_interval_holds_from_the_end_of_a_probe():
    watched = Watched("sleep 0.2", interval=0.1)
    begin = time.monotonic()
    watched.run(2)
    assert time.monotonic() - begin >= 0.6


def test_the_first_probe_comes_after_an_interval():
    watched = Watched("exit 0", interval=0.2)
    watched.serve_for(0.1)
    assert watched.results == 0


def test_a_probe_that_takes_too_long_has_failed():
    watched = Watched("echo waiting; sleep 60", timeout=0.1, retries=1).run(1)
    assert watched.changes == [("starting", "unhealthy")]
    assert watched.last["exit_code"] == -1
    assert watched.last["output"] == "Health check exceeded timeout (100ms): waiting\n"


def test_what_a_probe_started_dies_with_it(tmp_path: Path):
    Watched(f"sleep 60 & echo $! >{tmp_path}/pid; wait", timeout=0.2).run(1)
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and ") Z" not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < deadline


def test_a_grandchild_with_the_pipe_does_not_hold_up(tmp_path: Path):
    begin = time.monotonic()
    watched = Watched(f"echo said; sleep 60 & echo $! >{tmp_path}/pid").run(2)
    assert time.monotonic() - begin < 5
    assert watched.last["output"] == "said\n"
    os.kill(int((tmp_path / "pid").read_text()), 9)


def test_what_is_in_the_pipe_when_the_probe_has_ended_counts():
    def launch_and_wait(args: list[str]) -> tuple[int, int]:
        pid, output = launch(args)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return pid, output

    assert Watched("echo said", launch_and_wait).run(1).last["output"] == "said\n"


def test_output_is_cut():
    watched = Watched("head -c 300000 /dev/zero | tr '\\0' x").run(1)
    assert watched.last["output"] == "x" * 4096 + "..."


def test_both_streams_of_a_probe_are_kept():
    assert Watched("echo out; echo err >&2").run(1).last["output"] == "out\nerr\n"


def test_the_last_five_results_are_kept_with_their_times():
    watched = Watched("exit 0").run(7)
    log = watched.state["log"]
    assert len(log) == 5
    assert log[0]["start"] < log[0]["end"] <= log[1]["start"]


@pytest.mark.parametrize("error", [MinirunError("no such program"), OSError("no such program")])
def test_a_probe_that_cannot_start_has_failed(error: Exception):
    def refuse(args: list[str]) -> tuple[int, int]:
        raise error

    watched = Watched("exit 0", refuse, retries=1).run(1)
    assert watched.last["exit_code"] == -1
    assert watched.last["output"] == "no such program"
    assert watched.changes == [("starting", "unhealthy")]


def test_a_signal_is_an_exit_code_as_in_a_shell():
    assert Watched("kill -TERM $$").run(1).last["exit_code"] == 143


def test_stop_ends_a_probe_and_leaves_no_process(tmp_path: Path):
    watched = Watched(f"echo $$ >{tmp_path}/pid; sleep 60")
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        watched.serve_for(0.02)
    before = len(os.listdir("/proc/self/fd"))
    watched.health.stop()
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()
    assert len(os.listdir("/proc/self/fd")) == before - 2
    assert (watched.state["status"], watched.results) == ("unhealthy", 0)


def test_no_probe_is_due_in_a_pause():
    watched = Watched("exit 0")
    watched.health.pause()
    assert watched.health.deadline() == loop.NEVER
    watched.health.resume()
    assert watched.run(1).state["status"] == "healthy"


def test_a_container_that_starts_again_keeps_the_results():
    again = health.fresh(Watched("exit 0").run(1).state)
    assert (again["status"], len(again["log"])) == ("starting", 1)


def test_no_descriptor_stays_open():
    before = set(os.listdir("/proc/self/fd"))
    Watched("sleep 60", timeout=0.05).run(3)
    Watched("exit 0").run(3)
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_command_without_a_shell():
    assert health.command(["CMD", "curl", "-f", "localhost"]) == ["curl", "-f", "localhost"]
    assert health.command(["CMD-SHELL", "exit 1"]) == ["/bin/sh", "-c", "exit 1"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.1, "100ms"), (0.0015, "1.5ms"), (1, "1s"), (1.5, "1.5s"), (90, "1m30s"), (3600, "1h0m0s")],
)
def test_a_duration_is_written_as_go_does(seconds: float, text: str):
    assert health.duration(seconds) == text


@pytest.mark.parametrize("test", [["true"], ["CMD"], []])
def test_a_test_that_is_none_fails_and_ends_no_shim(test: list[str]):
    """A record may be from when nobody looked."""

    def start(args: list[str]) -> tuple[int, int]:
        return launch([args[0]])

    watched = Watched("", start, test=test, retries=1).run(2)
    assert watched.last["exit_code"] == -1
    assert watched.changes == [("starting", "unhealthy")]
