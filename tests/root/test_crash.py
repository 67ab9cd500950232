"""Death at any moment: of the command line, of the shim, of the container's first process.

Afterwards the next command tells the truth, and `rm -f` leaves nothing (the leak check around each test looks).
"""

import contextlib
import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import eventually
from tests.support import CHECKOUT, Minirun, run

ROUNDS = 50
WORDS = ("run", "--name", "victim", "busybox", "sh", "-c", "while :; do echo tick; sleep 0.01; done")


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def descendants(pid: int) -> Iterator[int]:
    for child in children(pid):
        yield child
        yield from descendants(child)


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def truth_about(minirun: Minirun) -> tuple[str, int]:
    """What `inspect` says of the container: (status, pid)."""
    told = minirun("inspect", "-f", "{{.State.Status}} {{.State.Pid}}", "victim")
    if told.code:
        return "absent", 0
    status, pid = told.stdout.split()
    return status, int(pid)


def settle(pids: list[int]) -> None:
    """Wait until those that are to die with another have died."""
    deadline = time.monotonic() + 5
    while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.parametrize("victim", ["command line", "shim", "init"])
def test_kill_9_at_a_random_moment_leaves_true_states_and_nothing_after_rm(
    minirun: Minirun, victim: str
) -> None:
    """ROUNDS times in all.  A network is part of it, so that there is more to leak."""
    chance = random.Random(f"seed of {victim}")
    for _ in range(ROUNDS // 3 + 1):
        process = minirun.spawn(
            *WORDS, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(chance.uniform(0.0, 0.35))
        below = list(descendants(process.pid))
        depth = {"command line": [process.pid], "shim": below[:1], "init": below[1:2]}[victim]
        for pid in depth:
            kill(pid)
        if victim == "shim":
            settle(below)
        elif victim == "init":
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
        if victim != "command line" and not depth:
            kill(process.pid)  # it had not come so far
        if victim == "command line":
            process.wait()
            time.sleep(0.3)  # the shim goes on starting what it was told to
        status, pid = truth_about(minirun)
        assert status in ("absent", "created", "running", "exited")
        assert (status == "running") == is_alive(pid) if pid else status != "running"
        if status != "absent":
            minirun("rm", "-f", "victim", check=True)
        kill(process.pid)
        process.wait()
        for orphan in below:
            settle([orphan])


def test_a_container_that_lost_its_shim_is_listed_as_killed(minirun: Minirun) -> None:
    minirun("run", "-d", "--name", "victim", "busybox", "sleep", "100", check=True)
    init = truth_about(minirun)[1]
    shim = int(Path(f"/proc/{init}/stat").read_text().rpartition(")")[2].split()[1])
    kill(shim)
    settle([init])
    assert not is_alive(init), "the container has to die with its shim"
    assert "Exited (137)" in minirun("ps", "-a", check=True).stdout
    assert minirun("inspect", "-f", "{{.State.Error}}", "victim", check=True).stdout == "shim lost\n"


def test_a_container_outlives_the_command_line_that_began_it(minirun: Minirun) -> None:
    process = minirun.spawn(*WORDS, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout
    assert process.stdout.readline() == b"tick\n"
    kill(process.pid)
    process.communicate()
    before = minirun("logs", "victim", check=True).stdout.count("tick")
    time.sleep(0.3)
    assert minirun("logs", "victim", check=True).stdout.count("tick") > before


# the calls of a run in their order; each is made to fail, once early and once late
FAULTS = [
    "unshare:1",
    "unshare:2",
    "mount:1",
    "mount:2",
    "mount:3",
    "mount:5",
    "mount:9",
    "mount:14",
    "setns:1",
    "mkdir:1",
    "mkdir:4",
    "write:1",
    "bpf:1",
    "bpf:2",
    "mknod:1",
    "mknod:4",
    "symlink:1",
    "pivot_root:1",
    "umount2:1",
    "chdir:1",
    "fchdir:1",
    "sethostname:1",
    "prctl:1",
    "prctl:3",
    "prctl:9",
    "keyctl:1",
    "setgroups:1",
    "setresgid:1",
    "setresuid:1",
    "capset:1",
    "seccomp:1",
    "close_range:1",
    "netlink:1",
    "netlink:3",
]


# The shim makes these calls again to clean up, as its first of the kind: a record stays, for `rm` to take away.
HIT_TWICE = ["umount2:1", "prctl:1", "netlink:1"]


def run_with_fault(minirun: Minirun, fault: str):
    command = minirun.command("run", "--rm", "busybox", "echo", "it ran")
    return run(*command, env={"MINIRUN_FAULT": fault})


@pytest.mark.parametrize("fault", FAULTS)
def test_a_call_that_fails_fails_the_run_in_one_sentence(minirun: Minirun, fault: str) -> None:
    result = run_with_fault(minirun, f"{fault}:{errno.EPERM}")
    call = fault.partition(":")[0]
    assert result.code == 125, "this fault has to hit something that a run needs"
    assert result.stderr.startswith("minirun: ")
    assert "Traceback" not in result.stderr
    assert "not permitted" in result.stderr
    assert call in result.stderr or call in ("netlink", "bpf")
    assert minirun("ps", "-a", "-q", check=True).stdout == "" or fault in HIT_TWICE


SHIM, INIT, NET = "shim of the container was killed", "first process of the container ended", "network died"


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("unshare:1", SHIM),
        ("unshare:2", NET),
        ("mount:4", INIT),
        ("mkdir:2", SHIM),
        ("pivot_root:1", INIT),
        ("capset:1", INIT),
        ("netlink:2", NET),
    ],
)
def test_death_in_the_middle_of_a_start_is_told_and_cleared(minirun: Minirun, call: str, told: str) -> None:
    result = run_with_fault(minirun, f"{call}:kill")
    assert (result.code, result.stdout) == (125, "")
    assert told in result.stderr.splitlines()[0]
    minirun.remove_all()


def test_death_at_execve_is_the_programs(minirun: Minirun) -> None:
    result = run_with_fault(minirun, "execve:1:kill")
    assert (result.code, result.stdout, result.stderr) == (137, "", "")


def test_a_fault_kills_the_first_process_of_a_namespace() -> None:
    """It cannot signal itself, so that a fault could come to nothing, and a test of one, too."""
    program = "from minirun.linux import trace; trace.start(-1, fault='mount:1:kill'); trace.before('mount')"
    done = run(
        "unshare", "--pid", "sh", "-c", f'{sys.executable} -c "$1"; exit $?', "sh", program, cwd=CHECKOUT
    )
    assert (done.code, done.stderr) == (128 + signal.SIGKILL, "Killed\n")


# ---- --rm, and somebody is killed


def ids(minirun: Minirun) -> list[str]:
    return minirun("ps", "-a", "-q", check=True).stdout.split()


# the command line, when the record is there and before it has ordered anything; the shim in mid-start, and at its end
@pytest.mark.parametrize("fault", ["mkdir:1", "mount:1", "mount:9", "umount2:1", "rename:2", "unlink:1"])
def test_a_container_with_rm_does_not_outlive_those_who_would_remove_it(minirun: Minirun, fault: str) -> None:
    command = minirun.command("run", "--rm", "-v", "/x", "--network", "none", "busybox", "true")
    volumes = minirun("volume", "ls", "-q", check=True).stdout  # of tests before this one
    assert run(*command, env={"MINIRUN_FAULT": f"{fault}:kill"}).code
    assert ids(minirun) == []
    assert minirun("volume", "ls", "-q", check=True).stdout == volumes
    assert os.listdir(minirun.root / "containers") == [".lock"]


def test_a_container_created_with_rm_stays_until_it_is_started(minirun: Minirun) -> None:
    minirun("create", "--rm", "--name", "victim", "busybox", "true", check=True)
    assert len(ids(minirun)) == 1
    run(*minirun.command("start", "victim"), env={"MINIRUN_FAULT": "mount:1:kill"})
    assert ids(minirun) == []


def test_a_run_with_rm_that_takes_its_time_is_left_alone(minirun: Minirun) -> None:
    command = ("run", "--break", "before:order", "--rm", "--network", "none", "busybox", "echo", "hi")
    process = minirun.spawn(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    eventually(lambda: ids(minirun))
    assert len(ids(minirun)) == 1
    assert process.communicate(b"c\n")[0] == b"hi\n"


def test_a_restart_with_rm_keeps_the_container_whoever_looks(minirun: Minirun) -> None:
    minirun(
        "run", "-d", "--rm", "--name", "victim", "--network", "none", "busybox", "sleep", "100", check=True
    )
    for _ in range(3):
        restart = minirun.spawn("restart", "-t", "0", "victim", stdout=subprocess.DEVNULL)
        while restart.poll() is None:
            assert len(ids(minirun)) == 1
        assert restart.returncode == 0


def test_a_shim_killed_in_mid_start_is_put_away_by_ps(minirun: Minirun) -> None:
    minirun("run", "--name", "victim", "busybox", "true", check=True)
    before = truth_about(minirun)[0]
    assert run(*minirun.command("start", "victim"), env={"MINIRUN_FAULT": "mount:2:kill"}).code
    assert os.listdir(minirun.state) != []
    assert len(ids(minirun)) == 1
    assert os.listdir(minirun.state) == []
    assert truth_about(minirun)[0] == before.replace("absent", "created")


@pytest.mark.parametrize("words", [(), ("--rm",), ("-d", "--rm")])
def test_whoever_waits_for_a_shim_that_is_killed_puts_its_container_away(
    minirun: Minirun, words: tuple[str, ...]
) -> None:
    command = minirun.command("run", *words, "--network", "none", "busybox", "true")
    result = run(*command, env={"MINIRUN_FAULT": "mount:2:kill"})
    assert (result.code, "shim" in result.stderr, "is put away" in result.stderr) == (125, True, True)
    assert os.listdir(minirun.state) == []
    kept = [name for name in os.listdir(minirun.root / "containers") if name != ".lock"]
    assert len(kept) == (0 if "--rm" in words else 1)
