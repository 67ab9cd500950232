"""Containers as a Python program has them that uses the engine as a library, from an interpreter of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from minirun.engine import containers, control, records
from minirun.engine.options import policies, run_options
from minirun.engine.shim.spawn import Spawner
from minirun.errors import ConflictError, MinirunError, ProgramNotFound
from minirun.image.progress import Progress
from minirun.paths import Paths
from tests.support import Minirun

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
        first.sock.close()
        first.wait()
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
