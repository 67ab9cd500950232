"""Completion as the shells ask for it: the real bash with our script; zsh and fish by their protocols, and themselves
where they are installed."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import CHECKOUT, Minirun, Result, run

LAUNCHER = CHECKOUT / "scripts" / "minirun"

# What bash does at TAB: the function gets the program, the word it thinks is being written, and COMP_LINE.
BASH = """
eval "$({launcher} completion bash)"
COMP_LINE={line} COMP_POINT=${{#COMP_LINE}}
_minirun_completion {launcher} {word}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def bash(minirun: Minirun) -> Callable[[str], list[str]]:
    """bash("stop w") -> what the last word could become."""

    def complete(words: str) -> list[str]:
        line = f"minirun --root {minirun.root} --state {minirun.state} {words}"
        word = line.rpartition(" ")[2].rpartition("=")[2].rpartition(":")[2]  # bash breaks words there
        script = BASH.format(launcher=LAUNCHER, line=f"'{line}'", word=f"'{word}'")
        return run("bash", "-c", script, check=True).stdout.split()

    return complete


@pytest.fixture
def three(minirun: Minirun) -> Iterator[None]:
    """Containers `made`, `runs` and `over`."""
    minirun("create", "--name", "made", "--network", "none", "busybox", check=True)
    minirun("run", "-d", "--name", "runs", "--network", "none", "busybox", "sleep", "100", check=True)
    minirun("run", "--name", "over", "--network", "none", "busybox", "true", check=True)
    yield
    minirun.remove_all()


def ask(minirun: Minirun, words: str, word: str = "", shell: str = "bash") -> Result:
    """The protocol itself: the words so far and the last of them in variables."""
    env = {"COMP_WORDS": f"minirun --root {minirun.root} --state {minirun.state} {words}", "COMP_CWORD": word}
    return run(LAUNCHER, env={**env, "_MINIRUN_COMPLETE": f"{shell}_complete"})


def test_commands(bash: Callable[[str], list[str]]) -> None:
    assert {"start", "stop", "stats"} >= set(bash("st")) >= {"start", "stop"}
    assert "prune" in bash("container ")


def test_options(bash: Callable[[str], list[str]]) -> None:
    assert bash("run --ent") == ["--entrypoint"]
    assert bash("run --pull ") == ["missing", "always", "never"]


@pytest.mark.usefixtures("three")
def test_containers_that_make_sense_for_the_command(bash: Callable[[str], list[str]]) -> None:
    assert bash("stop ") == bash("exec ") == bash("container kill ") == ["runs"]
    assert set(bash("start ")) == {"made", "over"}
    assert set(bash("logs ")) == {"made", "over", "runs"}
    assert bash("rm ")[-1] == "runs"


@pytest.mark.usefixtures("three")
def test_what_is_typed_already_is_not_offered_again(bash: Callable[[str], list[str]]) -> None:
    assert bash("rm made ov") == ["over"]
    assert set(bash("rm made ")) == {"over", "runs"}


@pytest.mark.usefixtures("three")
def test_inspect_takes_anything(bash: Callable[[str], list[str]]) -> None:
    assert {"made", "runs", "over", "busybox"} <= set(bash("inspect "))


@pytest.mark.usefixtures("three")
def test_namespaces_that_can_be_shared(bash: Callable[[str], list[str]]) -> None:
    assert bash("run --pid ") == ["host", "container:runs"]
    assert bash("create --uts ") == ["host"]


def test_images(bash: Callable[[str], list[str]]) -> None:
    for command in ("run", "create", "rmi", "image inspect", "history", "tag"):
        assert bash(f"{command} busy") == ["busybox", "busybox:latest"]


def test_a_tag_is_completed_though_bash_breaks_words_at_colons(bash: Callable[[str], list[str]]) -> None:
    assert bash("run busybox:la") == ["latest"]


def test_a_value_after_an_equals_sign(bash: Callable[[str], list[str]]) -> None:
    assert bash("run --network=b") == ["bridge"]


def test_no_names_of_containers_where_something_new_is_named(bash: Callable[[str], list[str]]) -> None:
    assert bash("run busybox ") == []
    assert bash("run --name ") == []


def test_a_word_that_is_no_command_is_no_trouble(minirun: Minirun) -> None:
    result = ask(minirun, "nosuch x ")
    assert (result.code, result.stderr) == (0, "")


def test_nothing_is_started_and_nothing_made(tmp_path: Path) -> None:
    elsewhere = Minirun(root=tmp_path / "root", state=tmp_path / "state")
    assert ask(elsewhere, "run ").stdout == "\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("three")
def test_who_may_not_read_gets_commands_but_no_names(minirun: Minirun) -> None:
    minirun.root.chmod(0o700)
    env = {"_MINIRUN_COMPLETE": "bash_complete", "COMP_CWORD": ""}
    given = f"minirun --root {minirun.root} --state {minirun.state} "
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", LAUNCHER)
    assert run(*nobody, env={**env, "COMP_WORDS": f"{given} stop "}) == Result("\n", "", 0)
    assert "plain,stop\n" in run(*nobody, env={**env, "COMP_WORDS": given}).stdout


def test_the_script_is_for_everybody() -> None:
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    assert "complete -o nosort" in run(*nobody, LAUNCHER, "completion", "bash", check=True).stdout


@pytest.mark.usefixtures("three")
def test_zsh_is_told_what_each_is(minirun: Minirun) -> None:
    env = {"COMP_WORDS": f"minirun --root {minirun.root} --state {minirun.state} stop ", "COMP_CWORD": "6"}
    said = run(LAUNCHER, env={**env, "_MINIRUN_COMPLETE": "zsh_complete"}, check=True).stdout
    assert said == "plain\nruns\nrunning, sleep 100\n"


@pytest.mark.usefixtures("three")
def test_fish_is_told_what_each_is(minirun: Minirun) -> None:
    assert ask(minirun, "stop r", "r", "fish").stdout.startswith("plain,runs")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_itself_takes_its_script(shell: str) -> None:
    script = run(LAUNCHER, "completion", shell, check=True).stdout
    assert "_minirun_completion" in script
    if not shutil.which(shell):
        return  # zsh and fish are not among what the tests install; their protocols are tested above
    # interactive, as zsh defines compdef only then, after compinit
    first = "autoload -U compinit; compinit -D\n" if shell == "zsh" else ""
    env = {**os.environ, "HOME": "/nonexistent"}
    done = subprocess.run([shell, "-s"], input=first + script, capture_output=True, text=True, env=env)
    assert (done.returncode, done.stderr) == (0, "")
