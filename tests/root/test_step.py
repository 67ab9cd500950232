"""`--step` and `--break`: stopping a run, looking at it, going on or giving up."""

import os
import re
import subprocess

import pytest

from tests.support import Result, run
from tests.terminals import Terminal

NONE = ("--rm", "--network", "none")
STORY = """
    image record order own_mounts overlay bundle create cgroup fork await_placement enter_namespaces
    await_hooks set_kernel_knobs set_names detach_mounts mount_filesystems make_devices open_terminal
    seal_paths pivot_root take_stdio set_limits drop_bounding change_user set_capabilities
    find_program close_descriptors load_seccomp_as_root await_start start load_seccomp execute
"""
STEPS = STORY.split()


def answer(minirun, lines: str, *words: str) -> Result:
    """minirun run WORDS, with `lines` typed at its questions."""
    return minirun("run", *words, input=lines)


def stops(result: Result) -> list[str]:
    return re.findall(r"^before (\w+)", result.stderr, re.M)


def test_it_stops_before_every_step(minirun):
    result = answer(minirun, "\n" * 60, "--step", *NONE, "busybox", "echo", "hi")
    assert (result.stdout, result.code) == ("hi\n", 0)
    assert stops(result) == STEPS


def test_the_network_has_its_step_too(minirun):
    result = answer(minirun, "c\n" * 60, "--step", "--rm", "busybox", "true")
    assert result.code == 0
    assert stops(result).count("network") == 1


def test_a_stop_says_why_who_and_three_commands(minirun):
    result = answer(minirun, "c\n", "--break", "before:pivot_root", *NONE, "busybox", "true")
    text = result.stderr.partition("before pivot_root")[2].partition("Enter or c")[0]
    assert re.search(r"init, pid [0-9]+\n  All that the host's tree was needed for", text)
    assert len(re.findall(r"^    \S", text, re.M)) == 3


def test_a_breakpoint_stops_only_there(minirun):
    result = answer(minirun, "c\n", "--break", "before:set_names", *NONE, "busybox", "true")
    assert (stops(result), result.code) == (["set_names"], 0)


def test_several_breakpoints(minirun):
    words = ("--break", "before:fork", "--break", "before:execute")
    assert stops(answer(minirun, "\n\n", *words, *NONE, "busybox", "true")) == ["fork", "execute"]


@pytest.mark.parametrize("step", [*STEPS, "network"])
@pytest.mark.parametrize("rm", [("--rm",), ()], ids=["rm", "keep"])
def test_q_at_any_step_leaves_nothing(minirun, step, rm):
    """The leak check looks after this test: containers, mounts, cgroups, links, rules, processes, directories."""
    network = () if step == "network" else ("--network", "none")
    result = answer(minirun, "q\n", "--break", f"before:{step}", *rm, *network, "busybox", "echo", "hi")
    assert (result.stdout, result.code) == ("", 125)
    assert result.stderr.endswith(f"minirun: stopped before {step}\n")
    assert minirun("ps", "-a", "-q").stdout == ""


def test_the_end_of_the_input_is_q(minirun):
    result = answer(minirun, "", "--step", *NONE, "busybox", "true")
    assert (stops(result), result.code) == (["image"], 125)


def test_after_q_nobody_else_is_asked(minirun):
    result = answer(minirun, "c\nc\nc\nc\nq\nc\n", "--step", "--rm", "busybox", "true")
    assert (len(stops(result)), result.code) == (5, 125)


def test_what_is_no_answer_is_asked_again(minirun):
    result = answer(minirun, "what\nc\n", "--break", "before:fork", *NONE, "busybox", "true")
    assert result.code == 0
    assert result.stderr.count("Enter or c") == 2


@pytest.mark.parametrize("word", ["before:nosuch", "after:fork", "fork"])
def test_a_step_that_there_is_not_is_refused_with_those_there_are(minirun, word):
    result = minirun("run", "--break", word, *NONE, "busybox", "true")
    assert result.code == 125
    assert "no step" in result.stderr
    assert "pivot_root" in result.stderr


def test_the_commands_that_are_shown_work(minirun):
    """Each command of each stop is run while the process waits there."""
    command = minirun.command("run", "--step", *NONE, "busybox", "true")
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL}
    failed = []
    with subprocess.Popen(command, bufsize=0, **pipes) as process:
        for _ in STEPS:
            text = ""
            while "leave > " not in text:
                text += (read := os.read(process.stderr.fileno(), 4096).decode())
                assert read, text
            for line in re.findall(r"^    (\S.*)", text, re.M):
                # lsns looks at every process of the machine, and fails when one ends under its eyes
                code = run("sh", "-c", f"{line} || {line}" if line.startswith("lsns") else line).code
                failed += [line] if code and not line.startswith("grep") else []
            process.stdin.write(b"c\n")
        process.communicate()
    assert (failed, process.returncode) == ([], 0)


def test_when_nobody_reads_the_question_that_is_q(minirun):
    command = minirun.command(
        "run", "--break", "before:fork", "--break", "before:execute", *NONE, "busybox", "true"
    )
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stderr.readline()
        process.stderr.close()
        process.stdin.write(b"c\n")
        assert process.wait(10) in (125, 120)  # 120: Python could not say the last words either


def test_a_stopped_process_can_be_looked_at(minirun):
    """Before set_names the host's name is still in the new namespace."""
    command = minirun.command("run", "--break", "before:set_names", "-h", "inside", *NONE, "busybox", "true")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        heading = next(line for line in process.stderr if line.startswith(b"before"))
        pid = heading.split()[-1].decode()
        assert run("nsenter", "-t", pid, "-u", "hostname").stdout.strip() == os.uname().nodename
        assert os.readlink(f"/proc/{pid}/ns/uts") != os.readlink("/proc/self/ns/uts")
        process.communicate(b"c\n")
    assert process.returncode == 0


def test_narration_and_stops_go_together(minirun):
    result = answer(minirun, "c\n", "--explain", "--break", "before:pivot_root", *NONE, "busybox", "true")
    before, _, after = result.stderr.partition("before pivot_root")
    assert "── seal_paths ──" in before
    assert "pivot_root . ." in after


def test_in_a_terminal_the_program_has_it_to_itself_afterwards(minirun):
    words = ("run", "--break", "before:execute", "-it", *NONE, "busybox", "sh", "-c", "read x; echo got $x")
    with Terminal(minirun.command(*words)) as terminal:
        terminal.expect("leave > ")
        terminal.press("c\r")
        terminal.press("word\r")
        terminal.expect("got word")
        assert terminal.wait()[0] == 0
        assert terminal.is_as_before()


def test_ctrl_c_at_a_stop_is_q(minirun):
    with Terminal(minirun.command("run", "--break", "before:fork", *NONE, "busybox", "true")) as terminal:
        terminal.expect("leave > ")
        terminal.press("\x03")
        assert terminal.wait()[0] in (125, 130)
        assert terminal.is_as_before()


def test_when_the_program_has_the_input_we_ask_on_the_terminal(minirun, tmp_path):
    (tmp_path / "input").write_text("from the file\n")
    words = minirun.command("run", "-i", "--break", "before:fork", *NONE, "busybox", "cat")
    with Terminal(
        ["sh", "-c", 'file=$1; shift; exec "$@" < "$file"', "sh", str(tmp_path / "input"), *words]
    ) as terminal:
        terminal.expect("leave > ")
        terminal.press("c\r")
        terminal.expect("from the file")
        assert terminal.wait()[0] == 0


def test_without_any_terminal_that_is_refused(minirun):
    command = minirun.command("run", "-i", "--step", *NONE, "busybox", "cat")
    result = run("setsid", "--wait", *command, input="x\n")
    assert result.code == 125
    assert "--step needs a terminal" in result.stderr
