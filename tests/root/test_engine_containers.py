"""Containers as a Python program has them that uses the engine as a library, from an interpreter of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from minirun.engine import containers, control, records, restore
from minirun.engine.options import policies, run_options
from minirun.engine.shim.spawn import Spawner
from minirun.errors import ConflictError, MinirunError, NotFoundError, ProgramNotFound, UsageError
from minirun.image.progress import Progress
from minirun.paths import Paths
from tests.containers import eventually
from tests.support import CHECKOUT, Minirun

if TYPE_CHECKING:
    from minirun.engine.record_types import Record

    Make = Callable[..., Record]


@pytest.fixture
def paths(minirun: Minirun) -> Paths:
    return Paths(str(minirun.root), str(minirun.state))


@pytest.fixture(scope="module")
def spawner() -> Iterator[Spawner]:
    with Spawner() as made:
        first = made.spawn()  # once it answers it is called what it is called, for the leak check
        first.close()
        eventually(lambda: not Path(f"/proc/{first.pid}").exists())
        yield made


@pytest.fixture
def make(paths: Paths) -> Make:
    """make("echo", "hi", tty=True) -> the record of a new container without a network."""

    def made(*args: str, **fields: Any) -> Record:
        options = run_options.defaults("busybox", args)
        options.update({"network": "none", "attachments": [], "pull": "never", **fields})  # type: ignore[typeddict-item]
        return containers.create(paths, options, Progress())

    return made


@pytest.fixture
def run(paths: Paths, make: Make, spawner: Spawner) -> Make:
    def running(*args: str, **fields: Any) -> Record:
        record = make(*args, **fields)
        containers.start(paths, record, spawn=spawner.spawn).close()
        return containers.find(paths, record["id"])

    return running


def health(command: str, **times: str) -> dict[str, Any]:
    return {"health": policies.health(command=command, interval="50ms", start_interval="50ms", **times)}


def test_an_entry_point_has_as_many_words_as_it_likes(paths: Paths, make: Make, spawner: Spawner) -> None:
    record = make("b", entrypoint=["echo", "a"])
    printed: list[bytes] = []
    with containers.start(paths, record, streams=["stdout"], spawn=spawner.spawn) as attached:
        attached.follow(lambda _, data: printed.append(data))
    assert b"".join(printed) == b"a b\n"


# ---- start and follow


def test_follow_hands_over_what_is_printed_until_the_end(paths: Paths, make: Make, spawner: Spawner) -> None:
    record, printed = make("sh", "-c", "echo out; echo err >&2; exit 3"), {"stdout": b"", "stderr": b""}

    def write(stream: str, data: bytes) -> None:
        printed[stream] += data

    with containers.start(paths, record, streams=["stdout", "stderr"], spawn=spawner.spawn) as attached:
        end = attached.follow(write)
        attached.wait_for_shim()
    assert (end.code, end.last) == (3, True)
    assert printed == {"stdout": b"out\n", "stderr": b"err\n"}
    containers.remove(paths, record, force=False)


def test_input_is_passed_on(paths: Paths, make: Make, spawner: Spawner) -> None:
    record, printed = make("cat", interactive=True), []
    with containers.start(paths, record, streams=["stdout"], once=True, spawn=spawner.spawn) as attached:
        attached.send_input(b"hello")
        attached.end_input()
        end = attached.follow(lambda _, data: printed.append(data))
    assert (end.code, b"".join(printed)) == (0, b"hello")


def test_a_program_that_is_not_there_is_an_error_of_start(paths: Paths, make: Make, spawner: Spawner) -> None:
    with pytest.raises(ProgramNotFound):
        containers.start(paths, make("nosuch"), spawn=spawner.spawn)


def test_one_that_runs_is_attached_to(paths: Paths, run: Make) -> None:
    record = run("sh", "-c", "read line; exit 4", interactive=True)
    with containers.start(paths, record, streams=["stdout"]) as attached:
        attached.send_input(b"\n")
        assert attached.follow(lambda *_: None).code == 4


def test_several_are_started_and_each_is_reported(paths: Paths, make: Make, spawner: Spawner) -> None:
    found = [make("sleep", "1000", name=f"number{n}") for n in range(3)] + [make("nosuch", name="bad")]
    heard: dict[str, Exception | None] = {}
    containers.start_all(paths, found, heard.__setitem__, at_once=2, spawn=spawner.spawn)
    assert list(heard) == ["number0", "number1", "number2", "bad"]
    assert [type(error) for error in heard.values()] == [type(None)] * 3 + [ProgramNotFound]
    assert [one["state"]["status"] for one in containers.all_containers(paths)].count("running") == 3


def test_an_exec_is_followed(paths: Paths, run: Make) -> None:
    record, printed = run("sleep", "1000"), []
    with containers.execute(paths, record, ["sh", "-c", "echo $A; exit 5"], env=["A=b"]) as attached:
        end = attached.follow(lambda stream, data: printed.append((stream, data)))
    assert (end.code, printed) == (5, [("stdout", b"b\n")])


def test_all_are_started_and_closed_whatever_the_report_does(
    paths: Paths, make: Make, spawner: Spawner
) -> None:
    found, before = [make("sleep", "1000") for _ in range(4)], descriptors()

    def refuse(name: str, _error: Exception | None) -> None:
        raise ValueError(name)

    with pytest.raises(ValueError, match=found[0]["name"]):
        containers.start_all(paths, found, refuse, at_once=2, spawn=spawner.spawn)
    assert [one["state"]["status"] for one in containers.all_containers(paths)] == ["running"] * 4
    assert descriptors() == before


def test_none_at_once_is_refused(paths: Paths) -> None:
    with pytest.raises(UsageError, match="0 containers at once"):
        containers.start_all(paths, [], lambda *_: None, at_once=0)


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("program", ["true", "nosuch"])
def test_a_start_leaves_no_descriptor_open(paths: Paths, make: Make, spawner: Spawner, program: str) -> None:
    record, before = make(program), descriptors()
    with (
        contextlib.suppress(ProgramNotFound),
        containers.start(paths, record, spawn=spawner.spawn) as attached,
    ):
        attached.follow(lambda *_: None)
        attached.wait_for_shim()
    assert descriptors() == before


# ---- a record is how things were


def test_what_create_has_returned_serves_for_all_that_follows(
    paths: Paths, make: Make, spawner: Spawner
) -> None:
    record = make("sh", "-c", "read line; exit 4", interactive=True)
    containers.start(paths, record, spawn=spawner.spawn).close()
    containers.pause(paths, record)
    containers.unpause(paths, record)
    with containers.execute(paths, record, ["true"]) as executed:
        assert executed.follow(lambda *_: None).code == 0
    with containers.start(paths, record) as attached:  # one that runs is attached to
        containers.kill(paths, record)
        assert attached.follow(lambda *_: None).code == 137
        attached.wait_for_shim()
    containers.start(paths, record, spawn=spawner.spawn).close()
    assert containers.find(paths, record["id"])["state"]["status"] == "running"


def test_one_that_was_renamed_can_have_its_old_name_back(paths: Paths, make: Make) -> None:
    record = make("true", name="first")
    containers.rename(paths, record, "second")
    containers.rename(paths, record, "first")
    assert containers.find(paths, "first")["id"] == record["id"]


def test_stop_of_what_ignores_the_signal_says_so_with_the_record_of_create_too(
    paths: Paths, make: Make, spawner: Spawner
) -> None:
    record = make("sleep", "1000")
    containers.start(paths, record, spawn=spawner.spawn).close()
    assert "no handler for SIGTERM" in containers.stop(paths, record, 0)


@pytest.mark.parametrize("wait", [True, False])
def test_wait_has_the_exit_code_of_what_was_only_created(
    paths: Paths, make: Make, spawner: Spawner, wait: bool
) -> None:
    record = make("sh", "-c", "sleep 0.3; exit 6")
    with containers.start(paths, record, spawn=spawner.spawn, wait=wait):
        assert containers.wait(paths, record) == 6


def test_nobody_can_wait_for_what_is_gone(paths: Paths, make: Make) -> None:
    record = make("true")
    containers.remove(paths, record, force=False)
    with pytest.raises(NotFoundError):
        containers.wait(paths, record)


def test_what_was_ordered_can_be_stopped_before_it_runs(paths: Paths, make: Make, spawner: Spawner) -> None:
    record = make("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done")
    with containers.start(paths, record, spawn=spawner.spawn, wait=False):
        containers.stop(paths, record, 1)
    assert not records.has_shim(paths, record["id"])
    assert containers.find(paths, record["id"])["state"]["status"] == "exited"


def test_what_was_ordered_is_shut_down_as_well(paths: Paths, make: Make, spawner: Spawner) -> None:
    record, heard = make("sleep", "1000", stop_timeout=1), []
    with containers.start(paths, record, spawn=spawner.spawn, wait=False):
        restore.shut_down(paths, lambda name, error: heard.append((name, error)))
    assert heard == [(record["name"], None)]
    assert not records.has_shim(paths, record["id"])


# ---- the shim of such a program


def test_its_shim_runs_from_the_copies_that_no_container_can_write(paths: Paths, run: Make) -> None:
    record = run("sleep", "1000")
    stat = Path(f"/proc/{record['state']['pid']}/stat").read_text()
    shim = stat.rpartition(")")[2].split()[1]
    assert os.statvfs(f"/proc/{shim}/exe").f_flag & os.ST_RDONLY
    assert os.readlink(f"/proc/{shim}/exe") != os.path.realpath("/proc/self/exe")


def test_without_a_spawner_there_is_one_for_the_moment(paths: Paths, make: Make) -> None:
    record = make("true")
    with containers.start(paths, record) as attached:
        assert attached.follow(lambda *_: None).code == 0
        attached.wait_for_shim()
    assert not records.has_shim(paths, record["id"])


def test_a_caller_that_ignores_its_childrens_end_starts_containers_too(
    paths: Paths, make: Make, run: Make
) -> None:
    previous = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        record = make("true")
        with containers.start(paths, record) as attached:
            assert attached.follow(lambda *_: None).code == 0
            attached.wait_for_shim()
    finally:
        signal.signal(signal.SIGCHLD, previous)


def test_a_spawner_may_be_closed_twice() -> None:
    with Spawner() as made:
        made.close()


def test_a_spawner_that_was_killed_is_told_as_such() -> None:
    with Spawner() as made:
        made.spawn().close()
        os.kill(made.pid, signal.SIGKILL)
        with pytest.raises(MinirunError, match="has ended") as caught:
            made.spawn()
    assert "another Spawner" in caught.value.hint


PROGRAM = """
import sys
from minirun.engine import containers
from minirun.paths import Paths
paths = Paths(*sys.argv[1:3])
with containers.start(paths, containers.find(paths, "callee"), streams=["stdout"]) as attached:
    code = attached.follow(lambda *_: None).code
    attached.wait_for_shim()
sys.exit(code)
"""


@pytest.mark.parametrize("closed", ["", "<&-", "<&- >&-", "<&- >&- 2>&-"])
def test_a_program_without_a_file_or_standard_streams_starts_containers(
    paths: Paths, make: Make, closed: str
) -> None:
    make("sh", "-c", "echo hi; exit 7", name="callee")
    python = CHECKOUT / ".venv" / "bin" / "python3"
    words = ["sh", "-c", f'exec "$@" {closed}', "sh", python, "-c", PROGRAM, paths.root, paths.state]
    assert subprocess.run(words, cwd=CHECKOUT, timeout=60).returncode == 7


def test_a_start_that_fails_keeps_nobody_waiting_who_holds_the_lock(
    paths: Paths, make: Make, spawner: Spawner
) -> None:
    """`rename` and its like ask the shim under that lock, and the shim needs it to undo a start with --rm."""
    record = make("nosuch", auto_remove=True)
    with containers.start(paths, record, spawn=spawner.spawn, wait=False) as attached:
        while not (sock := control.connect(paths, record)):
            time.sleep(0.001)
        with records.changing(paths), sock, pytest.raises(ConflictError):
            control.ask(sock, record, "pause", seconds=5)
        with pytest.raises(ProgramNotFound):
            attached.wait_until_running()


# ---- wait_until


def test_it_waits_until_it_is_healthy(paths: Paths, run: Make) -> None:
    record = run(
        "sh", "-c", "sleep 0.3; touch /ready; sleep 1000", **health("test -e /ready", start_period="20s")
    )
    assert record["state"]["health"]["status"] == "starting"  # type: ignore[index]
    found = containers.wait_until(paths, record, "healthy", 20)
    assert found["state"]["health"]["status"] == "healthy"  # type: ignore[index]


def test_it_waits_until_it_has_exited_and_can_be_removed(paths: Paths, run: Make) -> None:
    record = run("sh", "-c", "sleep 0.3; exit 6")
    found = containers.wait_until(paths, record, "exited", 20)
    assert found["state"]["exit_code"] == 6
    containers.remove(paths, found, force=False)


def test_one_that_was_only_created_may_be_started_meanwhile(paths: Paths, make: Make) -> None:
    with pytest.raises(MinirunError, match="is not running in time: it is created"):
        containers.wait_until(paths, make("true"), "running", 0.2)


def test_one_that_restarts_runs_again(paths: Paths, run: Make) -> None:
    record = run("sh", "-c", "test -e /again && sleep 1000; touch /again", restart=policies.restart("always"))
    containers.wait_until(paths, record, "running", 20)
    deadline = time.monotonic() + 20
    while (found := containers.wait_until(paths, record, "running", 20))["restart_count"] == 0:
        assert time.monotonic() < deadline
    assert found["state"]["status"] == "running"


def test_what_removed_itself_has_ended(paths: Paths, run: Make) -> None:
    record = run("sleep", "0.3", auto_remove=True)
    assert containers.wait_until(paths, record, "exited", 20)["state"]["status"] == "exited"


def test_what_removed_itself_long_ago_has_ended(paths: Paths, run: Make) -> None:
    record = run("true", auto_remove=True)
    eventually(lambda: not os.path.exists(paths.container(record["id"])))
    assert containers.wait_until(paths, record, "exited", 20)["state"]["status"] == "exited"
    with pytest.raises(ConflictError, match="has removed itself"):
        containers.wait_until(paths, record, "running", 20)


def test_it_waits_for_no_other_condition(paths: Paths, make: Make) -> None:
    with pytest.raises(UsageError, match='invalid condition: "nonsense"'):
        containers.wait_until(paths, make("true"), "nonsense", 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("script", "fields", "words"),
    [
        ("exit 7", health("false", start_period="20s"), r"has exited \(7\)"),
        ("sleep 1000", {}, "has no health check"),
        (
            "sleep 1000",
            health("false"),
            "is unhealthy",
        ),
    ],
)
def test_what_cannot_come_any_more_is_an_error_at_once(
    paths: Paths, run: Make, script: str, fields: dict[str, Any], words: str
) -> None:
    record, began = run("sh", "-c", script, **fields), time.monotonic()
    with pytest.raises(ConflictError, match=words):
        containers.wait_until(paths, record, "healthy", 30)
    assert time.monotonic() - began < 10


def test_a_shim_that_was_killed_is_noticed(paths: Paths, run: Make) -> None:
    record = run("sleep", "1000")
    shim = Path(f"/proc/{record['state']['pid']}/stat").read_text().rpartition(")")[2].split()[1]
    os.kill(int(shim), 9)
    assert containers.wait_until(paths, record, "exited", 20)["state"]["exit_code"] == 137
