"""`ps`, `logs`, `stop`, `rm`, `inspect`: containers after they have been started."""

import json
import os
import re
import time
from pathlib import Path

import pytest

from tests.containers import eventually

RUN = ("run", "--network", "none")


@pytest.fixture
def sleeper(start):
    return start("--name", "sleeper", "busybox", "sleep", "1000")


# ---- ps


def test_ps_shows_what_runs_and_with_a_what_has_ended(minirun, sleeper):
    minirun(*RUN, "--name", "ended", "busybox", "sh", "-c", "exit 3")
    header, row = minirun("ps").stdout.splitlines()
    assert re.split(r"   +", header) == [
        "CONTAINER ID",
        "IMAGE",
        "COMMAND",
        "CREATED",
        "STATUS",
        "PORTS",
        "NAMES",
    ]
    assert re.fullmatch(rf'{sleeper.id[:12]}   busybox   "sleep 1000"   .* ago   Up .*   +sleeper', row)
    rows = minirun("ps", "-a").stdout.splitlines()[1:]
    assert len(rows) == 2
    assert re.search(r"Exited \(3\) (Less than a second|\d seconds?) ago +ended$", rows[0])  # newest first


def test_ps_quiet_gives_ids_short_or_whole(minirun, sleeper):
    assert minirun("ps", "-q").stdout == f"{sleeper.id[:12]}\n"
    assert minirun("ps", "-q", "--no-trunc").stdout == f"{sleeper.id}\n"


def test_ps_cuts_long_commands(minirun, start):
    start("busybox", "sleep", "1000", "1000", "1000", "1000")
    assert '"sleep 1000 1000 100…"' in minirun("ps").stdout
    assert '"sleep 1000 1000 1000 1000"' in minirun("ps", "--no-trunc").stdout


# ---- logs


@pytest.fixture
def printed(minirun):
    minirun(
        *RUN,
        "--name",
        "printed",
        "busybox",
        "sh",
        "-c",
        "echo one; sleep 0.1; echo two >&2; sleep 0.1; printf end",
    )


def test_logs_keep_the_streams_apart(minirun, printed):
    result = minirun("logs", "printed")
    assert (result.stdout, result.stderr) == ("one\nend", "two\n")


@pytest.mark.parametrize(
    ("tail", "out", "err"),
    [("1", "end", ""), ("2", "end", "two\n"), ("0", "", ""), ("9", "one\nend", "two\n")],
)
def test_logs_tail(minirun, printed, tail, out, err):
    result = minirun("logs", "--tail", tail, "printed")
    assert (result.stdout, result.stderr) == (out, err)


def test_logs_with_times(minirun, printed):
    first = minirun("logs", "-t", "printed").stdout.splitlines()[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z one", first)


def test_logs_of_one_that_runs(minirun, start):
    container = start("busybox", "sh", "-c", "echo started; sleep 1000")
    assert eventually(lambda: container.logs().stdout) == "started\n"


def test_the_log_has_dockers_format(minirun, printed):
    path = Path(minirun("inspect", "-f", "{{.LogPath}}", "printed").stdout.strip())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["stream"], line["log"]) for line in lines] == [
        ("stdout", "one\n"),
        ("stderr", "two\n"),
        ("stdout", "end"),
    ]
    assert set(lines[0]) == {"log", "stream", "time"}


def test_a_line_longer_than_16_kib_is_whole_again(minirun):
    minirun(*RUN, "--name", "long", "busybox", "sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; echo")
    assert minirun("logs", "long").stdout == "x" * 100000 + "\n"
    assert minirun("logs", "-n", "1", "long").stdout == "x" * 100000 + "\n"


def test_a_character_cut_by_a_read_is_whole_in_the_log(minirun):
    script = r"printf '\303'; sleep 0.2; printf '\244\n'"
    minirun(*RUN, "--name", "cut", "busybox", "sh", "-c", script)
    assert minirun("logs", "cut").stdout == "ä\n"


# ---- stop


def test_stop_lets_the_program_end_itself(minirun, start):
    script = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    container = start("--name", "polite", "busybox", "sh", "-c", script)
    eventually(lambda: container.logs().stdout == "ready\n")
    began = time.monotonic()
    result = minirun("stop", "polite")
    assert (result.stdout, result.stderr, result.code) == ("polite\n", "", 0)
    assert time.monotonic() - began < 5
    assert container.logs().stdout == "ready\nbye\n"
    assert container.inspect("{{.State.Status}} {{.State.ExitCode}}") == "exited 0"


def test_stop_kills_what_ignores_it_and_says_why(minirun, sleeper):
    began = time.monotonic()
    result = minirun("stop", "-t", "1", "sleeper")
    assert 1 <= time.monotonic() - began < 5
    assert "sleeper has no handler for SIGTERM as PID 1" in result.stderr
    assert sleeper.inspect("{{.State.ExitCode}}") == "137"
    assert not os.path.exists(f"/proc/{sleeper.pid}")


def test_stop_of_what_is_stopped_is_no_error(minirun):
    minirun(*RUN, "--name", "ended", "busybox", "true")
    assert minirun("stop", "ended").code == 0


def test_stop_of_what_does_not_exist_goes_on_with_the_others(minirun, sleeper):
    result = minirun("stop", "-t", "0", "nosuch", "sleeper")
    assert (result.code, result.stdout) == (1, "sleeper\n")
    assert "No such container: nosuch" in result.stderr


def test_a_stopped_container_has_no_process_and_no_cgroup(minirun, start):
    container = start("busybox", "sh", "-c", "sleep 1000 & sleep 1000")
    group = Path(container.inspect("{{.Kernel.Cgroup}}"))
    pids = (group / "cgroup.procs").read_text().split()
    minirun("stop", "-t", "0", container.id, check=True)
    assert [pid for pid in pids if os.path.exists(f"/proc/{pid}")] == []
    assert not group.exists()


# ---- rm


def test_rm_refuses_what_runs_in_dockers_words(minirun, sleeper):
    result = minirun("rm", "sleeper")
    assert result.code == 1
    assert result.stderr == (
        'minirun: cannot remove container "/sleeper": container is running: '
        "stop the container before removing or force remove\n"
    )
    assert os.path.exists(f"/proc/{sleeper.pid}")


def test_rm_force_kills_and_removes(minirun, sleeper):
    assert minirun("rm", "-f", "sleeper").stdout == "sleeper\n"
    assert not os.path.exists(f"/proc/{sleeper.pid}")
    assert not (minirun.root / "containers" / sleeper.id).exists()
    assert minirun("ps", "-a", "-q").stdout == ""


def test_rm_takes_ids_prefixes_and_names(minirun):
    for name in ("one", "two", "three"):
        minirun(*RUN, "--name", name, "busybox", "true")
    ids = minirun("ps", "-a", "-q", "--no-trunc").stdout.split()
    assert minirun("rm", ids[0], ids[1][:20], "one").code == 0
    assert minirun("ps", "-a", "-q").stdout == ""


def test_rm_of_what_does_not_exist_is_told(minirun):
    result = minirun("rm", "nosuch")
    assert (result.code, result.stdout) == (1, "")
    assert "No such container: nosuch" in result.stderr


# ---- inspect


def test_inspect_has_dockers_keys(minirun, sleeper):
    [found] = json.loads(minirun("inspect", "sleeper").stdout)
    assert found["Id"] == sleeper.id
    assert found["Name"] == "/sleeper"
    assert (found["Path"], found["Args"]) == ("sleep", ["1000"])
    assert (found["State"]["Running"], found["State"]["Pid"]) == (True, sleeper.pid)
    assert found["Config"]["Image"] == "busybox"


def test_inspect_shows_what_the_kernel_holds(sleeper):
    kernel = json.loads(sleeper.inspect("{{json .Kernel}}"))
    assert set(kernel["Capabilities"].values()) == {"00000000a80425fb", "0" * 16}
    assert str(sleeper.pid) in Path(kernel["Cgroup"], "cgroup.procs").read_text().split()


def test_inspect_formats(minirun, sleeper):
    assert sleeper.inspect("{{.State.Running}} of {{.Name}}") == "true of /sleeper"
    assert json.loads(sleeper.inspect("{{json .Config.Cmd}}")) == ["sleep", "1000"]
    result = minirun("inspect", "-f", "{{.Nosuch}}", "sleeper")
    assert (result.code, "Nosuch" in result.stderr) == (1, True)


def test_ps_formats(minirun, sleeper):
    assert minirun("ps", "--format", "{{.Names}} {{.State}}").stdout == "sleeper running\n"
    assert minirun("ps", "--format", r"table {{.ID}}\t{{.Image}}").stdout.splitlines() == [
        "CONTAINER ID   IMAGE",
        f"{sleeper.id[:12]}   busybox",
    ]
    assert json.loads(minirun("ps", "--format", "json").stdout)["Command"] == '"sleep 1000"'


def test_the_bundle_can_be_read_and_is_the_one_that_ran(minirun, sleeper):
    spec = json.loads(sleeper.inspect("{{json .Spec}}"))
    assert spec["process"]["args"] == ["sleep", "1000"]
    assert spec == json.loads((minirun.root / "containers" / sleeper.id / "config.json").read_text())


def test_times_are_rfc3339_and_in_order(minirun):
    minirun(*RUN, "--name", "timed", "busybox", "sleep", "0.2")
    state = json.loads(minirun("inspect", "-f", "{{json .State}}", "timed").stdout)
    assert state["StartedAt"] < state["FinishedAt"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", state["StartedAt"])
