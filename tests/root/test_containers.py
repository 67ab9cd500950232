"""From `create` to `rm`: each command for containers, as Docker's."""

import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.containers import eventually
from tests.terminals import Terminal

NONE = ("--network", "none")


def status(minirun, name="box"):
    return minirun("inspect", "-f", "{{.State.Status}}", name).stdout.strip()


def create(minirun, *words):
    """`create --name box` with the words after it; returns the id."""
    return minirun("create", "--name", "box", *NONE, *words, check=True).stdout.strip()


@pytest.fixture
def sleeper(start):
    return start("--name", "box", "busybox", "sleep", "1000")


@pytest.fixture
def polite(start):
    """It ends on SIGTERM with 7, on SIGUSR1 it prints."""
    script = "trap 'exit 7' TERM; trap 'echo usr1' USR1; echo ready; while :; do sleep 0.1; done"
    container = start("--name", "box", "busybox", "sh", "-c", script)
    eventually(lambda: "ready" in container.logs().stdout)
    return container


# ---- create, start


def test_a_created_container_has_not_run(minirun):
    id = create(minirun, "busybox", "echo", "hello")
    assert re.fullmatch("[0-9a-f]{64}", id)
    assert status(minirun) == "created"
    assert "Created" in minirun("ps", "-a").stdout
    assert minirun("logs", "box").stdout == ""


def test_start_runs_it_and_prints_its_name(minirun):
    create(minirun, "busybox", "sleep", "100")
    assert minirun("start", "box", check=True).stdout == "box\n"
    assert status(minirun) == "running"


def test_starting_what_runs_is_no_error(minirun, sleeper):
    assert minirun("start", "box", check=True).stdout == "box\n"


def test_started_again_it_has_the_same_files_and_its_log_goes_on(minirun):
    create(minirun, "busybox", "sh", "-c", "echo x >>/count; cat /count | wc -l")
    for _ in range(3):
        minirun("start", "-a", "box", check=True)
    assert minirun("logs", "box").stdout.split() == ["1", "2", "3"]


def test_start_in_front_gives_output_and_exit_code(minirun):
    create(minirun, "busybox", "sh", "-c", "echo out; echo err >&2; exit 5")
    result = minirun("start", "-a", "box")
    assert (result.stdout, result.stderr, result.code) == ("out\n", "err\n", 5)


def test_start_with_input(minirun):
    create(minirun, "-i", "busybox", "cat")
    assert minirun("start", "-ai", "box", input="typed\n").stdout == "typed\n"


def test_a_program_that_is_not_there_is_told_at_start(minirun):
    create(minirun, "busybox", "nosuch")
    result = minirun("start", "box")
    assert result.code == 1
    assert 'exec: "nosuch": executable file not found in $PATH' in result.stderr
    assert status(minirun) == "created"


@pytest.mark.parametrize("command", ["start", "stop", "kill", "restart", "pause", "unpause", "rm", "wait"])
def test_those_that_are_not_there_are_told_and_the_others_done(minirun, command):
    create(minirun, "busybox", "true")
    result = minirun(command, "nosuch", "box")
    assert result.code == 1
    assert "No such container: nosuch" in result.stderr


# ---- attach


def test_attach_shows_what_comes_next_and_gives_the_exit_code(minirun, start):
    start("--name", "box", "-i", "busybox", "sh", "-c", "read line; echo got $line; exit 3")
    result = minirun("attach", "box", input="hello\n")
    assert (result.stdout, result.code) == ("got hello\n", 3)


def test_a_person_leaves_with_the_keys_and_comes_back(minirun):
    with Terminal(minirun.command("run", "--name", "box", *NONE, "-it", "busybox", "sh")) as terminal:
        terminal.expect("#")
        terminal.press("marker=here\r")
        terminal.expect("#")
        terminal.press("\x10\x11")
        assert terminal.wait()[0] == 0
        assert terminal.is_as_before()
    assert status(minirun) == "running"
    with Terminal(minirun.command("attach", "box")) as terminal:
        terminal.press("echo still $marker\r")
        terminal.expect("still here")
        terminal.press("exit 4\r")
        assert terminal.wait()[0] == 4


def test_signals_are_passed_on_or_not(minirun, polite):
    process = minirun.spawn(
        "attach", "--no-sig-proxy", "box", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert status(minirun) == "running"


@pytest.mark.parametrize(("before", "word"), [("create", "stopped"), ("pause", "paused")])
def test_attach_wants_a_running_container(minirun, start, before, word):
    if before == "create":
        create(minirun, "busybox", "true")
    else:
        start("--name", "box", "busybox", "sleep", "100")
        minirun("pause", "box", check=True)
    result = minirun("attach", "box")
    assert result.code == 1
    assert f"cannot attach to a {word} container" in result.stderr


# ---- stop, kill, restart, wait


def test_stop_asks_and_the_program_answers(minirun, polite):
    minirun("stop", "box", check=True)
    assert minirun("inspect", "-f", "{{.State.ExitCode}}", "box").stdout == "7\n"


def test_stop_kills_after_its_time_and_says_why(minirun, sleeper):
    began = time.monotonic()
    result = minirun("stop", "-t", "1", "box")
    assert 1 <= time.monotonic() - began < 5
    assert "no handler for SIGTERM" in result.stderr
    assert minirun("inspect", "-f", "{{.State.ExitCode}}", "box").stdout == "137\n"


def test_the_container_brings_its_own_signal_and_time(minirun, start):
    script = "trap 'exit 9' USR1; while :; do sleep 0.1; done"
    start("--name", "box", "--stop-signal", "USR1", "--stop-timeout", "5", "busybox", "sh", "-c", script)
    time.sleep(0.3)
    minirun("stop", "box", check=True)
    assert minirun("inspect", "-f", "{{.State.ExitCode}}", "box").stdout == "9\n"


def test_stop_of_what_does_not_run_is_no_error(minirun):
    create(minirun, "busybox", "true")
    assert minirun("stop", "box", check=True).stdout == "box\n"


def test_kill_sends_any_signal(minirun, polite):
    minirun("kill", "-s", "USR1", "box", check=True)
    eventually(lambda: "usr1" in polite.logs().stdout)
    minirun("kill", "box", check=True)
    assert status(minirun) == "exited"


def test_kill_of_what_does_not_run_is_an_error(minirun):
    id = create(minirun, "busybox", "true")
    result = minirun("kill", "box")
    assert result.code == 1
    assert f"{id} is not running" in result.stderr


def test_a_signal_by_any_name_stops_it_also_when_the_image_names_it(minirun):
    script = "trap 'exit 7' 37; echo ready; while :; do sleep 0.1; done"
    create(minirun, "--stop-signal", "SIGRTMIN+3", "busybox", "sh", "-c", script)
    minirun("commit", "--change", "STOPSIGNAL RTMIN+3", "box", "systemd", check=True)
    minirun("create", "--name", "two", *NONE, "systemd", "sh", "-c", script, check=True)
    minirun("create", "--name", "three", *NONE, "busybox", "sh", "-c", script, check=True)
    minirun("start", "box", "two", "three", check=True)
    eventually(lambda: all("ready" in minirun("logs", name).stdout for name in ("box", "two", "three")))
    minirun("stop", "box", "two", check=True)
    minirun("kill", "-s", "sigrtmax-27", "three", check=True)
    minirun("wait", "three", check=True)
    for name in ("box", "two", "three"):
        assert minirun("inspect", "-f", "{{.State.ExitCode}}", name).stdout == "7\n"


def test_a_signal_that_is_none_is_told_where_it_is_given(minirun, sleeper):
    created = create(minirun, "--name", "other", "busybox", "true")
    for name in ("SIGFOO", "0", "65", "RTMIN+31"):
        for words in (["stop", "-s"], ["restart", "-s"], ["kill", "-s"]):
            result = minirun(*words, name, created, "box")
            assert (result.code, f"nvalid signal: {name}" in result.stderr) == (1, True)
        assert minirun("create", "--stop-signal", name, "busybox").code == 125
    assert status(minirun) == "running"


@pytest.mark.parametrize("name", ["FOO", "99", "-1", ""])
def test_what_is_no_signal_is_refused(minirun, sleeper, name):
    result = minirun("kill", f"--signal={name}", "box")
    assert result.code == 1
    assert "nvalid signal" in result.stderr


def test_restart_is_a_new_run_of_the_same(minirun, polite):
    before = minirun("inspect", "-f", "{{.State.Pid}} {{.State.StartedAt}}", "box").stdout.split()
    minirun("restart", "box", check=True)
    after = minirun("inspect", "-f", "{{.State.Pid}} {{.State.StartedAt}}", "box").stdout.split()
    assert before[0] != after[0]
    assert before[1] < after[1]


def test_restart_does_not_remove_what_rm_would(minirun, start):
    start("--name", "box", "--rm", "busybox", "sleep", "100")
    minirun("restart", "-t", "0", "box", check=True)
    assert status(minirun) == "running"
    minirun("stop", "-t", "0", "box", check=True)
    assert "No such container" in minirun("inspect", "--type", "container", "box").stderr


def test_wait_prints_the_code_when_it_ends(minirun, polite):
    process = minirun.spawn("wait", "box", stdout=subprocess.PIPE)
    time.sleep(0.3)
    assert process.poll() is None
    minirun("stop", "box", check=True)
    assert process.communicate(timeout=10)[0] == b"7\n"
    assert minirun("wait", "box").stdout == "7\n"


# ---- pause, rename, top


def test_pause_and_unpause(minirun, start):
    container = start("--name", "box", "busybox", "sh", "-c", "while :; do date +%s%N; done")
    minirun("pause", "box", check=True)
    assert "(Paused)" in minirun("ps").stdout
    eventually(
        lambda: "frozen 1" in Path(container.inspect("{{.Kernel.Cgroup}}"), "cgroup.events").read_text()
    )
    refused = minirun("exec", "box", "true")
    assert (refused.code, "is paused" in refused.stderr) == (125, True)
    assert minirun("pause", "box").code == 1
    minirun("unpause", "box", check=True)
    assert minirun("exec", "box", "true").code == 0
    assert minirun("unpause", "box").code == 1


def test_a_new_name_is_the_name(minirun, sleeper):
    minirun("rename", "box", "other", check=True)
    assert status(minirun, "other") == "running"
    assert minirun("inspect", "--type", "container", "box").code == 1
    assert "minirun:shim other" in Path(f"/proc/{os.path.basename(shim_of(sleeper))}/cmdline").read_text()


def shim_of(container) -> str:
    return container.proc("stat").read_text().rpartition(")")[2].split()[1]


@pytest.mark.parametrize("name", ["box", "taken", "a b", "_x", ""])
def test_names_that_cannot_be(minirun, sleeper, name):
    minirun("create", "--name", "taken", *NONE, "busybox", "true", check=True)
    assert minirun("rename", "box", name).code == 1
    assert status(minirun) == "running"


def test_top_shows_the_containers_processes_as_the_host_sees_them(minirun, sleeper):
    heading, row = minirun("top", "box", check=True).stdout.splitlines()
    assert heading.split()[1] == "PID"
    assert (row.split()[1], row.split()[-2:]) == (str(sleeper.pid), ["sleep", "1000"])
    assert minirun("top", "box", "-o", "pid", check=True).stdout.split() == ["PID", str(sleeper.pid)]


# ---- ps


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("name=b", "box"),
        ("name=^/?bo", "box"),
        ("status=exited", "old"),
        ("exited=3", "old"),
        ("label=kind=x", "old"),
        ("label=kind", "old"),
        ("ancestor=busybox", "box old"),
        ("before=box", "old"),
        ("since=old", "box"),
        ("health=none", "box old"),
        ("network=none", "box old"),
        ("name=b status=exited", ""),
        ("status=exited status=running", "box old"),
    ],
)
def test_ps_filters(minirun, start, words, names):
    minirun("run", "--name", "old", "--label", "kind=x", *NONE, "busybox", "sh", "-c", "exit 3")
    start("--name", "box", "busybox", "sleep", "1000")
    filters = [item for word in words.split() for item in ("--filter", word)]
    assert minirun("ps", "-a", *filters, "--format", "{{.Names}}").stdout.split() == names.split()


@pytest.mark.parametrize(
    "word", ["nosuch=1", "status=odd", "exited=x", "health=odd", "name=(", "before=nobody", "x"]
)
def test_a_filter_that_makes_no_sense_is_told(minirun, word):
    result = minirun("ps", "--filter", word)
    assert result.code == 1
    assert result.stderr.startswith("minirun: ")


def test_ps_sizes_and_the_last_ones(minirun):
    minirun("run", "--name", "one", *NONE, "busybox", "sh", "-c", "head -c 5000 /dev/zero >/file")
    minirun("create", "--name", "two", *NONE, "busybox", "true", check=True)
    assert re.search(r"5kB \(virtual [\d.]+MB\)", minirun("ps", "-a", "-s", check=True).stdout)
    assert minirun("ps", "-l", "--format", "{{.Names}}").stdout == "two\n"
    assert minirun("ps", "-n", "2", "--format", "{{.Names}}").stdout == "two\none\n"


# ---- options of run


def test_the_id_goes_into_a_file_that_was_not_there(minirun, tmp_path):
    file = tmp_path / "id"
    minirun("run", "--name", "box", "--cidfile", file, *NONE, "busybox", "true", check=True)
    assert file.read_text() == minirun("inspect", "-f", "{{.Id}}", "box").stdout.strip()
    again = minirun("run", "--rm", "--cidfile", file, *NONE, "busybox", "true")
    assert (again.code, "container ID file found" in again.stderr) == (125, True)


def test_create_writes_the_id_file_and_knows_its_streams(minirun, tmp_path):
    made = minirun(
        "create", "--cidfile", tmp_path / "id", "-a", "STDOUT", *NONE, "busybox", "true", check=True
    )
    assert (tmp_path / "id").read_text() == made.stdout.strip()
    streams = "{{.Config.AttachStdout}} {{.Config.AttachStderr}} {{.Config.AttachStdin}}"
    assert minirun("inspect", "-f", streams, made.stdout.strip()).stdout.strip() == "true false false"


def test_no_container_no_id_file(minirun, tmp_path):
    result = minirun("create", "--cidfile", tmp_path / "id", "--pull", "never", "nosuch/image")
    assert result.code == 125
    assert not (tmp_path / "id").exists()


def test_groups_domain_and_annotations(minirun, start):
    container = start(
        "--group-add", "55", "--domainname", "dom", "--annotation", "a=b", "busybox", "sleep", "100"
    )
    assert "55" in container.status("Groups").split()
    assert container.exec("cat", "/proc/sys/kernel/domainname").stdout == "dom\n"
    assert container.inspect('{{index .Spec.annotations "a"}}') == "b"


def test_labels_from_a_file(minirun, tmp_path):
    (tmp_path / "labels").write_text("# a comment\none=1\ntwo=2\n")
    create(minirun, "--label-file", tmp_path / "labels", "--label", "two=3", "busybox", "true")
    assert minirun("inspect", "-f", "{{json .Config.Labels}}", "box").stdout == '{"one":"1","two":"3"}\n'


def test_only_the_streams_that_are_asked_for(minirun):
    result = minirun("run", "--rm", "-a", "stdout", *NONE, "busybox", "sh", "-c", "echo out; echo err >&2")
    assert (result.stdout, result.stderr) == ("out\n", "")


# ---- many at once


def test_twenty_at_once_on_one_container_end_in_one_state(minirun, start):
    """Each succeeds or is told in a sentence; nothing hangs, and afterwards every command works."""
    start("--name", "box", "busybox", "sleep", "1000")
    words = ["start", "stop -t 0", "restart -t 0", "kill"] * 5

    def run(line):
        return minirun(*line.split(), "box", timeout=60)

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(run, words))
    for result in results:
        assert result.code in (0, 1)
        assert "Traceback" not in result.stderr
    minirun("stop", "-t", "0", "box", check=True)
    minirun("start", "box", check=True)
    assert status(minirun) == "running"


def test_of_twenty_that_remove_it_one_does(minirun, start):
    start("--name", "box", "busybox", "sleep", "1000")
    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(lambda _: minirun("rm", "-f", "box", timeout=60), range(20)))
    assert sum(result.stdout == "box\n" and not result.stderr for result in results) >= 1
    assert not any("Traceback" in result.stderr for result in results)
    assert minirun("ps", "-a", "-q").stdout == ""


def test_of_twenty_that_start_it_one_does(minirun):
    create(minirun, "busybox", "sleep", "1000")
    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(lambda _: minirun("start", "box", timeout=60), range(20)))
    assert any(result.code == 0 for result in results)
    assert all(result.code == 0 or "already" in result.stderr for result in results)
    assert minirun("top", "box", "-o", "pid", check=True).stdout.split()[1:] == [
        minirun("inspect", "-f", "{{.State.Pid}}", "box").stdout.strip()
    ]
