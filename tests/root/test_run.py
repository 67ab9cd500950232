"""`minirun run` as people use it: what it prints, how it ends, what it says when it cannot."""

import hashlib
import os
import re
import signal
import subprocess

import pytest

from tests import limits
from tests.containers import eventually
from tests.support import run

NONE = ("run", "--rm", "--network", "none")


def test_output_and_exit_code_are_the_programs(minirun):
    result = minirun("run", "busybox", "echo", "hi")
    assert (result.stdout, result.stderr, result.code) == ("hi\n", "", 0)


def test_the_exit_code_is_passed_on(minirun):
    assert minirun(*NONE, "busybox", "sh", "-c", "exit 7").code == 7


def test_a_program_that_is_not_there_is_127(minirun):
    result = minirun(*NONE, "busybox", "nosuch")
    assert result.code == 127
    assert result.stderr == 'minirun: exec: "nosuch": executable file not found in $PATH\n'


def test_a_path_that_is_not_there_is_127(minirun):
    result = minirun(*NONE, "busybox", "/bin/nosuch")
    assert result.code == 127
    assert 'exec: "/bin/nosuch": stat /bin/nosuch: no such file or directory' in result.stderr


@pytest.mark.parametrize(
    ("program", "reason"), [("/etc", "is a directory"), ("/etc/passwd", "permission denied")]
)
def test_what_cannot_be_run_is_126(minirun, program, reason):
    result = minirun(*NONE, "busybox", program)
    assert result.code == 126
    assert f'exec: "{program}": {reason}' in result.stderr


def test_a_file_without_a_known_format_is_126(minirun, tmp_path):
    (tmp_path / "noise").write_bytes(b"\x01\x02\x03")
    (tmp_path / "noise").chmod(0o755)
    result = minirun(*NONE, "-v", f"{tmp_path}:/noise", "busybox", "/noise/noise")
    assert result.code == 126
    assert "exec format error" in result.stderr


def test_a_failed_start_without_rm_is_listed_with_its_exit_code(minirun):
    minirun("run", "--network", "none", "--name", "failed", "busybox", "nosuch")
    assert minirun("inspect", "-f", "{{.State.ExitCode}}", "failed").stdout == "127\n"
    assert "nosuch" in minirun("inspect", "-f", "{{.State.Error}}", "failed").stdout


def test_an_image_nobody_has_is_125_and_what_was_tried_is_told(minirun):
    result = minirun("run", "nosuchimage:x")
    assert result.code == 125
    assert "no image nosuchimage:x here" in result.stderr
    assert "library/nosuchimage" in result.stderr
    assert "Traceback" not in result.stderr
    assert minirun("ps", "-a", "-q").stdout == ""


def test_pull_never_does_not_ask_a_registry(minirun):
    result = minirun("run", "--pull", "never", "nosuchimage:x")
    assert result.code == 125
    assert "nosuchimage:x" in result.stderr
    assert "never" in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "controller"),
    [("--memory", "64m", "memory"), ("--cpus", "0.5", "cpu"), ("--pids-limit", "20", "pids")],
)
def test_a_limit_without_its_controller_is_125_and_leaves_nothing(minirun, option, value, controller):
    result = run(*limits.WITHOUT_CONTROLLERS, *minirun.command("run", option, value, "busybox", "true"))
    assert result.code == 125
    assert controller in result.stderr.partition("\n")[0]
    assert f"{option} cannot be applied" in result.stderr
    assert minirun("ps", "-a", "-q").stdout == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--nosuch", "busybox"], "No such option"),
        (
            ["-v", "some/where:/x", "busybox"],
            '"some/where" includes invalid characters for a local volume name',
        ),
        (["-e", "=x", "busybox"], 'invalid environment variable: "=x"'),
        (["--memory", "much", "busybox"], 'invalid size "much"'),
        (["--memory", "5m", "busybox"], "Minimum memory limit allowed is 6MB"),
        (["--cpus", "many", "busybox"], 'invalid number of CPUs "many"'),
        (["--ulimit", "nofiles=3", "busybox"], 'invalid ulimit: "nofiles=3"'),
        (["--cap-add", "NOSUCH", "busybox"], "NOSUCH"),
        (["--security-opt", "nonsense", "busybox"], 'invalid --security-opt: "nonsense"'),
        (["--network", "nosuch", "busybox"], "network nosuch not found"),
        (["--name", "-", "busybox"], "Invalid container name (-), only"),
        (["-w", "relative", "busybox"], "the working directory 'relative' is invalid"),
        (["--tmpfs", "relative", "busybox"], "invalid mount path: 'relative' mount path must be absolute"),
        (["UPPER"], "UPPER"),
        ([], "Missing argument"),
    ],
)
def test_a_wrong_command_line_is_125_and_quotes_the_bad_part(minirun, words, message):
    result = minirun("run", *words)
    assert result.code == 125
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert minirun("ps", "-a", "-q").stdout == ""


def test_options_stop_at_the_image(minirun):
    assert minirun(*NONE, "busybox", "echo", "--rm", "-e").stdout == "--rm -e\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_a_program_that_a_signal_ends_is_128_and_more(minirun, number):
    # PID 1 cannot kill itself, so a child is asked how it ends
    script = f"sh -c 'kill -{number.value} $$'; exit $?"
    assert minirun(*NONE, "busybox", "sh", "-c", script).code == 128 + number


def test_pid_1_killed_from_outside_is_137(minirun):
    process = minirun.spawn("run", "--network", "none", "--name", "victim", "busybox", "sleep", "100")
    pid = wait_for_pid(minirun, "victim")
    os.kill(pid, signal.SIGKILL)
    assert process.wait(10) == 137
    assert "Exited (137)" in minirun("ps", "-a").stdout


def wait_for_pid(minirun, name):
    return eventually(lambda: int(minirun("inspect", "-f", "{{.State.Pid}}", name).stdout or 0))


def test_signals_reach_the_program(minirun):
    script = "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    process = minirun.spawn(*NONE, "busybox", "sh", "-c", script, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=10)[0] == b"caught\n"
    assert process.returncode == 3


def test_standard_output_and_error_are_kept_apart(minirun):
    result = minirun(*NONE, "busybox", "sh", "-c", "echo out; echo err >&2")
    assert (result.stdout, result.stderr) == ("out\n", "err\n")


def test_interactive_passes_input_and_its_end(minirun):
    assert minirun(*NONE, "-i", "busybox", "cat", input="one\ntwo").stdout == "one\ntwo"


def test_without_interactive_there_is_no_input(minirun):
    assert minirun(*NONE, "busybox", "cat", input="secret").stdout == ""


def test_a_program_that_does_not_read_its_input_ends_all_the_same(minirun):
    assert minirun(*NONE, "-i", "busybox", "true", input="x" * 2**20).code == 0


def test_much_input_goes_through_whole(minirun):
    text = "0123456789abcde\n" * 2**18  # 4 MiB
    result = subprocess.run(
        minirun.command(*NONE, "-i", "busybox", "md5sum"),
        input=text.encode(),
        stdout=subprocess.PIPE,
        timeout=60,
    )
    assert result.stdout.split()[0].decode() == hashlib.md5(text.encode()).hexdigest()


def test_much_output_is_whole_in_front_and_in_the_log(minirun):
    script = "seq 1 300000; echo end >&2"
    expected = "".join(f"{number}\n" for number in range(1, 300001))  # 2 MiB
    first = subprocess.run(
        minirun.command("run", "--network", "none", "--name", "much", "busybox", "sh", "-c", script),
        capture_output=True,
        text=True,
        timeout=60,
    )
    again = subprocess.run(minirun.command("logs", "much"), capture_output=True, text=True, timeout=60)
    assert first.stdout == again.stdout == expected
    assert first.stderr == again.stderr == "end\n"


def test_bytes_that_are_no_text_pass_unchanged(minirun):
    every = bytes(range(256)) * 64
    command = minirun.command(*NONE, "-i", "busybox", "cat")
    assert subprocess.run(command, input=every, stdout=subprocess.PIPE, timeout=30).stdout == every


def test_a_reader_that_goes_away_ends_the_run_quietly(minirun):
    command = minirun.command(*NONE, "busybox", "seq", "1", "1000000")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) != 0


def test_rm_leaves_no_container(minirun):
    minirun("run", "--rm", "--network", "none", "busybox", "true", check=True)
    assert minirun("ps", "-a", "-q").stdout == ""


def test_detached_prints_the_id_and_comes_back(minirun):
    result = minirun("run", "-d", "--network", "none", "busybox", "sleep", "100")
    assert result.code == 0
    assert re.fullmatch(r"[0-9a-f]{64}\n", result.stdout)
    assert minirun("ps", "-q", "--no-trunc").stdout == result.stdout


def test_detached_is_told_what_cannot_be_started(minirun):
    result = minirun("run", "-d", "--rm", "--network", "none", "busybox", "nosuch")
    assert result.code == 127
    assert 'exec: "nosuch": executable file not found in $PATH' in result.stderr
    assert result.stdout == ""


def test_detached_and_rm_removes_itself(minirun):
    minirun("run", "-d", "--rm", "--network", "none", "busybox", "sleep", "0.1", check=True)
    eventually(lambda: minirun("ps", "-a", "-q").stdout == "")
    assert list((minirun.root / "containers").glob("*/container.json")) == []


def test_a_name_is_taken_once(minirun):
    minirun("run", "-d", "--network", "none", "--name", "mine", "busybox", "sleep", "100", check=True)
    result = minirun("run", "--name", "mine", "busybox", "true")
    assert result.code == 125
    assert 'The container name "/mine" is already in use by container' in result.stderr
    assert len(minirun("ps", "-a", "-q").stdout.split()) == 1


def test_many_at_once_do_not_disturb_each_other(minirun):
    started = [
        minirun.spawn(*NONE, "busybox", "sh", "-c", f"echo {number}; exit {number}", stdout=subprocess.PIPE)
        for number in range(12)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in started]
    assert outputs == [f"{number}\n".encode() for number in range(12)]
    assert [process.returncode for process in started] == list(range(12))


def test_only_root_may(minirun):
    result = subprocess.run(
        minirun.command("ps"), user=65534, group=65534, capture_output=True, text=True, timeout=30
    )
    assert result.returncode == 125
    assert "has to run as root" in result.stderr
