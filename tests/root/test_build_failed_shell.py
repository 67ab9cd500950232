"""`build --on-error shell`: where a RUN fails, a shell in the state before it, in the person's own terminal."""

import time
from pathlib import Path

import pytest

from minirun.paths import Paths
from tests.support import Minirun
from tests.terminals import Terminal

FILE = """FROM busybox
ENV A=b
WORKDIR /w
RUN echo 1 > /one
USER 1000:1001
RUN --mount=target=/ctx --mount=type=tmpfs,target=/t --network=none echo said; echo 2 > /tmp/two; exit 4
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text(FILE)
    return tmp_path


def command(minirun: Minirun, context: Path) -> list[str]:
    return minirun.command("build", "--on-error", "shell", context)


def test_the_shell_is_where_the_run_was_and_sees_what_it_saw(minirun: Minirun, context: Path) -> None:
    with Terminal(command(minirun, context)) as terminal:
        terminal.expect("said")
        terminal.expect("exit ends it.")
        terminal.expect("/w $ ")
        terminal.press("echo $A:$(pwd):$(id -u):$(id -g); ls /ctx /one /t /tmp /sys/class/net\n")
        seen = terminal.expect("/w $ ")
        assert "b:/w:1000:1001" in seen
        assert "Dockerfile" in seen
        assert "two" not in seen
        assert "eth0" not in seen
        terminal.press("exit 7\n")
        code, rest = terminal.wait()
    assert code == 1
    assert "exit code: 4" in rest


def test_the_terminal_is_a_real_one_and_is_left_as_it_was(minirun: Minirun, context: Path) -> None:
    with Terminal(command(minirun, context), rows=20, columns=70) as terminal:
        terminal.expect("/w $ ")
        terminal.press("stty size; tty\n")
        assert "20 70" in terminal.expect("/dev/pts/0")
        terminal.press("echo it$((1))began; sleep 1000\n")
        terminal.expect("it1began")
        time.sleep(0.2)
        terminal.press("\x03")
        terminal.expect("/w $ ")
        terminal.press("\x04")
        assert terminal.wait()[0] == 1
        assert terminal.is_as_before()


def test_nothing_of_it_is_kept(minirun: Minirun, context: Path, paths: Paths) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN test -e /made")
    for _ in range(2):
        with Terminal(command(minirun, context)) as terminal:
            terminal.expect("# ")
            terminal.press("ls /made; touch /made; exit\n")
            assert "No such file" in terminal.expect("exit code: 1")
            assert terminal.wait()[0] == 1
    assert not [path for path in Path(paths.layers).iterdir() if path.name.startswith(".tmp")]


@pytest.mark.parametrize("script", ["RUN rm /bin/sh", 'RUN ["/bin/rm", "/bin/sh", "/bin/ash"]'])
def test_an_image_without_a_shell_has_none(minirun: Minirun, context: Path, script: str) -> None:
    (context / "Dockerfile").write_text(f'FROM busybox\n{script}\nRUN ["/bin/false"]')
    with Terminal(command(minirun, context)) as terminal:
        terminal.expect("there can be no shell: exec: ")
        assert terminal.wait()[0] == 1


def test_without_a_terminal_it_fails_as_without_the_option(minirun: Minirun, context: Path) -> None:
    done = minirun("build", "--on-error", "shell", context)
    assert done.code == 1
    assert "are not a terminal, so there is no shell" in done.stderr
    assert "exit code: 4" in done.stderr


def test_a_build_that_works_knows_nothing_of_it(minirun: Minirun, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN true")
    with Terminal([*command(minirun, context), "-q"]) as terminal:
        code, rest = terminal.wait()
    assert (code, "shell" in rest) == (0, False)


def test_what_is_killed_meanwhile_leaves_nothing(minirun: Minirun, context: Path, paths: Paths) -> None:
    with Terminal(command(minirun, context)) as terminal:
        terminal.expect("/w $ ")
        terminal.process.kill()
        terminal.process.wait()
    (context / "Dockerfile").write_text("FROM busybox\nRUN true")
    minirun("build", "-q", context, check=True)
    assert not Path(paths.state, ".build").exists()
    assert not [path for path in Path(paths.layers).iterdir() if path.name.startswith(".tmp")]
