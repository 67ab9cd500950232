"""Where a run can stop, and what is said there."""

import ast
from pathlib import Path

import pytest

import minirun
from minirun.errors import UsageError
from minirun.paths import Paths
from minirun.runtime import init
from minirun.teach import stepping
from minirun.teach.events import Step
from minirun.teach.names import Names

NOT_OF_A_RUN = {"exec"}  # `minirun exec` has no --step


def steps_in_the_code() -> set[str]:
    """The names of the steps of init, and those in trace.step("NAME", ...) anywhere, unless nobody can stop there."""
    found = {step.__name__ for step in init.CREATE}
    for source in Path(minirun.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "trace.step"
                and isinstance(node.args[0], ast.Constant)
            ):
                stops = not any(keyword.arg == "stops" for keyword in node.keywords)
                found |= {node.args[0].value} if stops else set()
    return found - NOT_OF_A_RUN


def test_every_step_of_a_run_has_its_three_commands():
    assert set(stepping.HINTS) == steps_in_the_code()


def test_no_two_commands_of_a_stop_are_the_same():
    assert [name for name, commands in stepping.HINTS.items() if len(set(commands)) != 3] == []


def test_break_takes_before_and_a_step():
    assert stepping.breakpoints(False, ["before:fork", "before:execute"]) == ["fork", "execute"]
    assert stepping.breakpoints(True, []) == ["*"]


@pytest.mark.parametrize("word", ["before:nosuch", "after:fork", "fork", "", "before:"])
def test_another_word_is_refused_and_the_steps_are_listed(word):
    with pytest.raises(UsageError) as caught:
        stepping.breakpoints(False, [word])
    assert "pivot_root" in caught.value.hint


@pytest.mark.parametrize("name", stepping.HINTS)
def test_the_commands_have_this_runs_pid_and_paths(name):
    names = Names(Paths("/root", "/run"))
    names.learn("a" * 64)
    text = stepping.describe(Step(1, 0.0, 4711, "init", name, "why", True), names)
    assert "{" not in text.replace("{print", "")
    assert f"before {name}" in text
