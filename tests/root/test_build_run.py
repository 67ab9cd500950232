"""RUN of a build: a program in a step's overlay, its exit code, and a layer that holds what it has changed."""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from minirun.build.mounts import parse
from minirun.build.network import Network
from minirun.build.run_state import RunState, clear_leftovers
from minirun.linux import cgroups
from minirun.network import ledger
from minirun.paths import Paths
from minirun.runtime import process
from tests import leaks
from tests.build_steps import Steps
from tests.containers import eventually
from tests.support import Minirun


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["exit 0"], 0),
        (["exit 3"], 3),
        (["kill -9 $$"], 0),  # PID 1 does not hear it: pid_namespaces(7)
        (["sh -c 'kill -TERM $$'; exit $?"], 143),
        (["/nothing", ""], 127),
        (["nothing-in-path", ""], 127),
        (["/etc", ""], 126),
    ],
)
def test_the_exit_code_is_as_a_shell_says_it(steps: Steps, words: list[str], code: int) -> None:
    assert steps(*words).code == code


def test_what_cannot_be_started_is_said_where_the_program_would_have_written(steps: Steps) -> None:
    assert "no such file or directory" in steps("/nothing", "").stderr


def test_the_layer_has_what_the_program_changed_and_nothing_else(steps: Steps) -> None:
    done = steps("echo hi > /new; rm /bin/vi; mkdir -p /a/b")
    assert done.changes() == {"new", "bin", "bin/vi", "a", "a/b"}
    assert (done.upper / "bin/vi").is_char_device()  # a whiteout, as overlayfs makes it


def test_a_program_that_changes_nothing_leaves_an_empty_layer(steps: Steps) -> None:
    assert steps("cat /etc/hosts /etc/resolv.conf").changes() == set()


def test_both_streams_arrive_apart(steps: Steps) -> None:
    done = steps("echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_a_child_in_the_background_ends_with_the_first_process(steps: Steps, paths: Paths) -> None:
    done = steps("sleep 4321 & sleep 4321 & echo started")
    assert done.stdout == "started\n"
    assert b"4321" not in b"".join(path.read_bytes() for path in commands())


def commands() -> Iterator[Path]:
    return (path for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK))


def test_nothing_stays_in_the_state_tree(steps: Steps, paths: Paths) -> None:
    steps("true")
    assert {path.name for path in Path(steps.state.directory).iterdir()} == {"shim.lock"}
    steps.state.close()
    assert not Path(paths.state, ".build").exists()


# ---- as `minirun run` does it -------------------------------------------------------------------------------------

LOOK = "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; cut -d' ' -f2-4 /proc/mounts | sort; ls -l /dev | cut -c1-10"


@pytest.mark.parametrize("privileged", [False, True])
def test_it_may_do_what_a_container_may_and_sees_what_that_sees(
    steps: Steps, minirun: Minirun, privileged: bool
) -> None:
    words = ["--privileged"] if privileged else []
    run = minirun("run", "--rm", "--network", "none", *words, "busybox", "sh", "-c", LOOK, check=True).stdout
    done = steps(LOOK, insecure=privileged).stdout
    ours, theirs = (set(text.splitlines()) for text in (done, run))
    assert {line for line in ours ^ theirs if not line.startswith(("/etc/", "/ overlay "))} == set()


def test_limits_are_set(steps: Steps) -> None:
    options = {
        "shm_size": 1 << 20,
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}],
        "resources": {"pids": {"limit": 3}},
    }
    script = "ulimit -n; df -k /dev/shm | tail -1; sleep 5 & sleep 5 & sleep 5 & sleep 5 &"
    done = steps(script, **options)
    assert done.stdout.startswith("77\nshm                       1024 ")
    assert "can't fork" in done.stderr


def test_the_environment_is_what_was_asked_for(steps: Steps) -> None:
    done = steps("env | sort", env=["A=1", "PATH=/bin", "B=x y"])
    assert done.stdout == "A=1\nB=x y\nHOME=/root\nPATH=/bin\nPWD=/\nSHLVL=1\n"


def test_nothing_is_to_be_read(steps: Steps) -> None:
    assert steps("cat | wc -c").stdout == "0\n"


# ---- who, and where -------------------------------------------------------------------------------------------------


def test_a_user_without_an_entry_is_that_number(steps: Steps) -> None:
    assert steps("id -u; id -g; echo $HOME", user="4711").stdout == "4711\n0\n/\n"


def test_a_user_by_name_needs_an_entry(steps: Steps) -> None:
    assert steps("true", user="nobody-here").error.startswith("unable to find user nobody-here")


def test_a_working_directory_that_is_gone_is_made_for_the_user(steps: Steps) -> None:
    done = steps("pwd; touch here", user="12:34", workdir="/a/b")
    assert (done.stdout, done.changes()) == ("/a/b\n", {"a", "a/b", "a/b/here"})
    status = (done.upper / "a" / "b").stat()
    assert (status.st_uid, status.st_gid) == (12, 34)


@pytest.mark.parametrize("workdir", ["/etc/passwd", "/proc/self/fd/1"])
def test_what_is_no_directory_is_no_working_directory(steps: Steps, workdir: str) -> None:
    assert f'cannot use "{workdir}" as the working directory' in steps("true", workdir=workdir).error


# ---- what it writes -------------------------------------------------------------------------------------------------


def test_much_output_arrives_whole(steps: Steps) -> None:
    done = steps("head -c 20000000 /dev/zero | tr '\\0' x")
    assert len(done.stdout) == 20_000_000


def test_a_filled_etc_is_in_the_layer_and_our_files_are_not(steps: Steps) -> None:
    done = steps("for i in 1 2 3; do echo $i > /etc/$i; done; echo x >> /etc/hosts")
    assert done.changes() == {"etc", "etc/1", "etc/2", "etc/3"}
    assert "Read-only file system" in done.stderr


def test_what_the_image_has_in_our_files_places_stays(steps: Steps, tmp_path: Path) -> None:
    own = tmp_path / "own" / "etc"
    own.mkdir(parents=True)
    (own / "hosts").write_text("of the image\n")
    done = steps("cat /etc/hosts; touch /etc/new", layers=[*steps.layers, str(own.parent)])
    assert "buildkitsandbox" in done.stdout
    assert done.changes() == {"etc", "etc/new"}


def test_a_directory_keeps_its_time_though_we_mounted_in_it(steps: Steps) -> None:
    first = steps("mkdir /d; touch -d '2001-02-03 00:00:00' /d")
    below = [*steps.layers, str(first.upper)]
    done = steps("true", layers=below, mounts=[parse("type=tmpfs,target=/d/e/f")])
    assert done.changes() == set()
    done = steps("touch /d/new", layers=below, mounts=[parse("type=tmpfs,target=/d/e/f")])
    assert done.changes() == {"d", "d/new"}
    assert (done.upper / "d").stat().st_mtime > 1_000_000_000


def test_what_is_written_need_not_reach_the_disk(steps: Steps) -> None:
    """Of 200 MB no one waits for the disk: neither fsync(2) of the program nor our umount."""
    began = time.monotonic()
    done = steps(
        "dd if=/dev/zero of=/big bs=1M count=200 conv=fsync 2>/dev/null; sync; cut -d' ' -f1 /proc/uptime"
    )
    assert done.code == 0
    assert (done.upper / "big").stat().st_size == 200 << 20
    assert time.monotonic() - began < 10


# ---- killed -------------------------------------------------------------------------------------------------------

SLEEPER = "sleep 31415"


def left_of_builds(paths: Paths) -> dict[str, object]:
    """All that a build may leave, looked for without its help."""
    groups = {os.path.basename(group) for group in leaks.cgroups() if "/minirun/build-" in group}
    lines = [path.read_bytes() for path in commands()]
    return {
        "state": Path(paths.state, ".build").exists(),
        "groups": [
            group for group in groups if cgroups.owner_of(f"/minirun/{group}").startswith(paths.state)
        ],
        "processes": [line for line in lines if SLEEPER.replace(" ", "\0").encode() in line],
        "mounts": [mount for mount in leaks.mounts() if ".build" in mount or "step" in mount],
        "places": ledger.read(paths, "bridge")["endpoints"],
    }


NOTHING = {"state": False, "groups": [], "processes": [], "mounts": [], "places": {}}


@pytest.mark.parametrize("seed", range(15))
def test_a_build_that_is_killed_at_any_moment_leaves_nothing(
    minirun: Minirun, paths: Paths, tmp_path: Path, steps: Steps, seed: int
) -> None:
    steps.state.close()
    mounts = [parse("type=tmpfs,target=/t"), parse("type=cache,target=/c")]

    def build() -> int:
        steps.state = RunState(paths)
        network = Network(steps.state)
        network.start()
        options = (
            {"network": "default", "namespace": network.path(), "mounts": mounts} if seed % 3 == 0 else {}
        )
        pid, _ = steps.start(SLEEPER, **options)
        os.waitpid(pid, 0)
        return 0

    pid = process.fork(build)
    time.sleep(random.Random(seed).uniform(0, 0.15))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    eventually(lambda: clear_leftovers(paths) or left_of_builds(paths) == NOTHING, 5)


def test_a_run_whose_child_is_killed_is_cleared_by_its_build(steps: Steps, paths: Paths) -> None:
    pid, directory = steps.start(f"echo up; {SLEEPER}")
    eventually(lambda: "up" in (directory / "stdout").read_text())
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    steps.state.close()
    eventually(lambda: left_of_builds(paths) == NOTHING)


def test_another_build_clears_nothing_of_one_that_lives(steps: Steps, paths: Paths) -> None:
    pid, directory = steps.start("echo up; sleep 0.5; echo end")
    eventually(lambda: "up" in (directory / "stdout").read_text())
    clear_leftovers(paths)
    assert os.waitpid(pid, 0)[1] == 0
    assert (directory / "stdout").read_text() == "up\nend\n"


def test_a_reset_waits_for_the_end_of_a_build_and_clears_one_that_was_killed(tmp_path: Path) -> None:
    own = Minirun(tmp_path / "root", tmp_path / "state")
    paths = Paths(str(own.root), str(own.state))
    state = RunState(paths)
    done = own("system", "reset", "-f")
    assert (done.code, done.stderr.splitlines()[0]) == (1, "minirun: a build is running here")
    os.close(state.lock)
    own("system", "reset", "-f", check=True)
    assert not own.state.exists()
