"""`minirun exec`: a second process in the same container, and nowhere else."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.containers import eventually, process_status

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


@pytest.fixture
def sleeper(start):
    return start("-e", "OWN=1", "-w", "/tmp", "busybox", "sleep", "1000")


def host_pid(container, name):
    """The pid, as the host counts, of the process `name` in the container's cgroup."""
    procs = Path(container.inspect("{{.Kernel.Cgroup}}"), "cgroup.procs")

    def look():
        return [
            pid for pid in procs.read_text().split() if Path(f"/proc/{pid}/comm").read_text() == f"{name}\n"
        ]

    return int(eventually(look)[-1])


def test_output_streams_and_exit_code(sleeper):
    result = sleeper.exec("sh", "-c", "echo out; echo err >&2; exit 9")
    assert (result.stdout, result.stderr, result.code) == ("out\n", "err\n", 9)


@pytest.mark.parametrize("path", ["/nope", "/etc/passwd", "/tmp/a/b", "/proc/self/fd/1/x"])
def test_a_working_directory_that_is_none_is_not_invocable(sleeper, path):
    result = sleeper.minirun("exec", "-w", path, sleeper.id, "true")
    assert (result.code, f'cannot use "{path}" as the working directory' in result.stderr) == (126, True)


@pytest.mark.parametrize(
    ("program", "code", "message"),
    [
        ("nosuch", 127, 'exec: "nosuch": executable file not found in $PATH'),
        ("/etc", 126, 'exec: "/etc": is a directory'),
    ],
)
def test_what_cannot_be_run(sleeper, program, code, message):
    result = sleeper.exec(program)
    assert (result.code, result.stderr) == (code, f"minirun: {message}\n")


def test_a_signal_is_128_and_more(sleeper):
    assert sleeper.exec("sh", "-c", "kill -9 $$").code == 137


def test_it_shares_namespaces_cgroup_and_root(sleeper, minirun):
    minirun("exec", "-d", sleeper.id, "tail", "-f", "/dev/null", check=True)
    pid = host_pid(sleeper, "tail")
    assert [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in KINDS] == [
        os.readlink(sleeper.proc(f"ns/{kind}")) for kind in KINDS
    ]
    assert Path(f"/proc/{pid}/cgroup").read_text() == sleeper.proc("cgroup").read_text()
    assert os.path.samefile(f"/proc/{pid}/root", sleeper.proc("root"))


@pytest.mark.parametrize(
    "options",
    [[], ["--cap-drop", "ALL"], ["--security-opt", "no-new-privileges"], ["--privileged"], ["-u", "1000"]],
)
def test_it_has_the_same_privileges(start, minirun, options):
    container = start(*options, "busybox", "sleep", "1000")
    minirun("exec", "-d", container.id, "tail", "-f", "/dev/null", check=True)
    pid = host_pid(container, "tail")
    for field in (
        "CapEff",
        "CapPrm",
        "CapBnd",
        "CapInh",
        "CapAmb",
        "Seccomp",
        "NoNewPrivs",
        "Uid",
        "Gid",
        "Groups",
    ):
        assert process_status(pid, field) == container.status(field), field


def test_no_descriptor_of_ours_is_left_open(sleeper, minirun):
    minirun("exec", "-d", sleeper.id, "tail", "-f", "/dev/null", check=True)
    tail = host_pid(sleeper, "tail")
    assert sorted(os.listdir(f"/proc/{tail}/fd")) in (["0", "1", "2"], ["0", "1", "2", "3"])
    assert {os.readlink(f"/proc/{tail}/fd/{number}") for number in os.listdir(f"/proc/{tail}/fd")} == {
        "/dev/null"
    }


def test_privileged_gives_all_capabilities_to_this_process_alone(sleeper, minirun):
    result = minirun("exec", "--privileged", sleeper.id, "grep", "CapEff", "/proc/self/status")
    assert result.stdout.split()[1] == process_status("self", "CapBnd")
    assert sleeper.status("CapEff") == "00000000a80425fb"


def test_environment_directory_and_user_are_the_containers(sleeper):
    result = sleeper.exec("sh", "-c", "echo $OWN $PWD $(id -u) $HOME")
    assert result.stdout == "1 /tmp 0 /root\n"


def test_environment_directory_and_user_can_be_given(sleeper, minirun):
    options = ("-e", "OWN=2", "-e", "MORE=x", "-w", "/etc", "-u", "33:44")
    result = minirun("exec", *options, sleeper.id, "sh", "-c", "echo $OWN $MORE $PWD $(id -u) $(id -g) $HOME")
    assert result.stdout == "2 x /etc 33 44 /var/www\n"


def test_input_goes_in_only_when_asked(sleeper, minirun):
    assert minirun("exec", "-i", sleeper.id, "cat", input="text").stdout == "text"
    assert minirun("exec", sleeper.id, "cat", input="text").stdout == ""


def test_detached_comes_back_at_once(sleeper, minirun):
    began = time.monotonic()
    result = minirun("exec", "-d", sleeper.id, "sleep", "100")
    assert (result.code, result.stdout) == (0, "")
    assert time.monotonic() - began < 5


def test_signals_reach_it(sleeper, minirun):
    script = "trap 'exit 6' TERM; echo ready; while :; do sleep 0.05; done"
    process = minirun.spawn("exec", sleeper.id, "sh", "-c", script, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 6
    process.stdout.close()


def test_a_terminal_wants_a_terminal(sleeper, minirun):
    result = minirun("exec", "-it", sleeper.id, "sh", input="")
    assert result.code == 125
    assert "the input device is not a TTY" in result.stderr


def test_a_container_that_does_not_run_is_told(minirun):
    minirun("run", "--network", "none", "--name", "done", "busybox", "true", check=True)
    result = minirun("exec", "done", "true")
    assert result.code == 125
    assert "is not running" in result.stderr


def test_a_container_that_does_not_exist_is_told(minirun):
    result = minirun("exec", "nosuch", "true")
    assert (result.code, "No such container: nosuch" in result.stderr) == (125, True)


def test_usage_errors_are_125(minirun, sleeper):
    assert minirun("exec", "--nosuch", sleeper.id, "true").code == 125
    assert minirun("exec", sleeper.id).code == 125
    assert minirun("exec", "-u", "nosuch", sleeper.id, "true").code == 125


def test_when_pid_1_ends_so_does_an_exec(sleeper, minirun):
    process = minirun.spawn("exec", sleeper.id, "sleep", "1000")
    procs = Path(sleeper.inspect("{{.Kernel.Cgroup}}"), "cgroup.procs")
    eventually(lambda: len(procs.read_text().split()) == 2)
    minirun("rm", "-f", sleeper.id, check=True)
    assert process.wait(10) == 137


def test_many_at_once(sleeper, minirun):
    started = [
        minirun.spawn("exec", sleeper.id, "sh", "-c", f"echo {number}", stdout=subprocess.PIPE)
        for number in range(10)
    ]
    assert [process.communicate(timeout=60)[0] for process in started] == [
        b"%d\n" % number for number in range(10)
    ]
