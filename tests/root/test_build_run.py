"""RUN of a build: a program in a step's overlay, its exit code, and a layer that holds what it has changed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from minirun.paths import Paths
from tests.build_steps import Steps


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
