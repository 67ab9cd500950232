"""`run -it` and `exec -it` in a real terminal."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.containers import eventually, process_status
from tests.terminals import Terminal

RUN = ("run", "--rm", "-it", "--network", "none", "busybox")


@pytest.fixture
def run_it(minirun):
    """run_it("sh") -> a Terminal with `run -it busybox sh` in it."""
    opened = []

    def run_it(*command, **size):
        opened.append(Terminal(minirun.command(*RUN, *command), **size))
        return opened[-1]

    yield run_it
    for terminal in opened:
        terminal.__exit__(None, None, None)


@pytest.fixture
def exec_it(minirun, start):
    container = start("busybox", "sleep", "1000")
    opened = []

    def exec_it(*command, **size):
        opened.append(Terminal(minirun.command("exec", "-it", container.id, *command), **size))
        return opened[-1]

    yield exec_it
    for terminal in opened:
        terminal.__exit__(None, None, None)


@pytest.fixture(params=["run", "exec"])
def it(request):
    return request.getfixturevalue(f"{request.param}_it")


def test_a_shell_prompts_answers_and_exits(it):
    terminal = it("sh")
    terminal.expect("/ # ")
    terminal.press("echo $((6*7))\n")
    assert terminal.expect("/ # ").endswith("echo $((6*7))\r\n42\r\n/ # ")
    terminal.press("exit 3\n")
    assert terminal.wait()[0] == 3
    assert terminal.is_as_before()


@pytest.mark.parametrize("attempt", range(5))
def test_the_size_is_right_in_the_first_output(it, attempt):
    assert it("stty", "size", rows=20 + attempt, columns=77).wait() == (0, f"{20 + attempt} 77\r\n")


def test_a_resize_is_followed(it):
    terminal = it("sh", "-c", "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done")
    terminal.expect("ready\r\n")
    terminal.resize(44, 155)
    assert terminal.expect("\r\n") == "44 155\r\n"
    terminal.resize(12, 34)
    assert terminal.expect("\r\n") == "12 34\r\n"


def test_ctrl_c_reaches_the_program_and_not_minirun(it):
    terminal = it("sh", "-c", "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.05; done")
    terminal.expect("ready\r\n")
    terminal.press("\x03")
    assert terminal.wait() == (5, "^Ccaught\r\n")


def test_ctrl_c_ends_a_command_and_the_shell_goes_on(it):
    terminal = it("sh")
    terminal.expect("/ # ")
    terminal.press("sleep 1000\n")
    terminal.expect("sleep 1000\r\n")
    time.sleep(0.2)
    terminal.press("\x03")
    terminal.expect("/ # ")
    terminal.press("exit $?\n")
    assert terminal.wait()[0] == 130


def test_ctrl_d_ends_the_shell(it):
    terminal = it("sh")
    terminal.expect("/ # ")
    terminal.press("\x04")
    assert terminal.wait()[0] == 0


def test_the_terminal_is_the_containers_own(it):
    name, owner = it("sh", "-c", "tty; stat -c %u:%g:%a $(tty)").wait()[1].splitlines()
    assert name.startswith("/dev/pts/")
    assert owner == "0:5:620"


def test_it_is_the_controlling_terminal(it):
    assert it("sh", "-c", "echo through >/dev/tty; ps -o tty= | head -1").wait()[1].startswith("through\r\n")


def test_a_users_terminal_is_the_users(minirun):
    command = minirun.command(
        *RUN[:-1], "-u", "33", "busybox", "sh", "-c", "stat -c %u $(tty); echo x >/dev/stderr"
    )
    with Terminal(command) as terminal:
        assert terminal.wait() == (0, "33\r\nx\r\n")


def test_much_output_is_whole(it):
    code, text = it("seq", "1", "30000").wait(30)
    assert code == 0
    assert text == "".join(f"{number}\r\n" for number in range(1, 30001))


def test_keys_typed_before_the_program_runs_are_not_lost(it):
    terminal = it("sh", "-c", "read line; echo got $line")
    terminal.press("early\n")
    terminal.expect("got early\r\n")
    assert terminal.wait()[0] == 0


def test_the_environment_says_what_terminal_it_is(it):
    assert it("sh", "-c", "echo $TERM").wait()[1] == "xterm\r\n"


# ---- the terminal afterwards


def raw(terminal):
    terminal.expect("/ # ")
    assert not terminal.is_as_before()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_minirun_that_is_ended_leaves_the_terminal_as_it_was(it, number):
    terminal = it("sh")
    raw(terminal)
    terminal.process.send_signal(number)
    assert terminal.wait()[0] == 128 + number
    assert terminal.is_as_before()


def test_an_error_leaves_the_terminal_as_it_was(it):
    terminal = it("nosuch")
    code, text = terminal.wait()
    assert (code, 'exec: "nosuch": executable file not found in $PATH' in text) == (127, True)
    assert terminal.is_as_before()


def test_a_killed_shim_leaves_the_terminal_as_it_was(run_it, minirun):
    terminal = run_it("sh")
    raw(terminal)
    pid = minirun("inspect", "-f", "{{.State.Pid}}", minirun("ps", "-q").stdout.strip()).stdout.strip()
    os.kill(int(process_status(pid, "PPid")), signal.SIGKILL)
    code, text = terminal.wait()
    assert code == 125
    assert "the shim of the container was killed" in text
    assert terminal.is_as_before()


def test_a_killed_container_leaves_the_terminal_as_it_was(it, minirun):
    terminal = it("sh")
    raw(terminal)
    pid = minirun("inspect", "-f", "{{.State.Pid}}", minirun("ps", "-q").stdout.strip()).stdout.strip()
    os.kill(int(pid), signal.SIGKILL)
    assert terminal.wait()[0] == 137
    assert terminal.is_as_before()


def test_the_container_outlives_a_minirun_that_is_ended(run_it, minirun):
    terminal = run_it("sleep", "1000")
    eventually(lambda: minirun("ps", "-q").stdout)
    terminal.process.send_signal(signal.SIGTERM)
    terminal.wait()
    assert minirun("ps").stdout.count("Up") == 1


# ---- without a terminal


def test_input_that_is_no_terminal_is_refused(minirun):
    result = minirun(*RUN, "sh", input="echo hi")
    assert result.code == 125
    assert "the input device is not a TTY" in result.stderr
    assert minirun("ps", "-a", "-q").stdout == ""


def test_a_detached_container_may_have_a_terminal(start):
    container = start("-dt", "busybox", "sh", "-c", "tty; sleep 1000")
    assert eventually(lambda: container.logs().stdout) == "/dev/pts/0\n"
    assert os.readlink(container.proc("fd/0")) == "/dev/pts/0"


def test_without_interactive_a_terminal_still_shows_the_output(minirun):
    result = minirun("run", "--rm", "-t", "--network", "none", "busybox", "sh", "-c", "test -t 1 && echo yes")
    assert result.stdout.replace("\r", "") == "yes\n"


def test_dev_console_is_the_terminal(start):
    container = start("-dt", "busybox", "sleep", "1000")
    console, first = container.proc("root/dev/console"), container.proc("root/dev/pts/0")
    assert os.stat(console).st_rdev == os.stat(first).st_rdev
    assert Path(first).exists()
