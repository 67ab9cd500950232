"""The words of `run` as values, and the words that are refused."""

import pytest

from minirun.engine.create import command, environment
from minirun.engine.options import run_options
from minirun.engine.options.run_options import RunOptions
from minirun.errors import UsageError


def test_variables_come_from_the_words_and_from_here(monkeypatch):
    monkeypatch.setenv("HERE", "x")
    monkeypatch.delenv("NOWHERE", raising=False)
    assert run_options.environment(["A=b=c", "HERE", "NOWHERE", "E="], []) == ["A=b=c", "HERE=x", "E="]


def test_a_file_of_variables_comes_first(tmp_path):
    (tmp_path / "env").write_text("# no\n  A=from file\nB='kept as it is' \n\n")
    found = run_options.environment(["A=word"], [str(tmp_path / "env")])
    assert found == ["A=from file", "B='kept as it is' ", "A=word"]
    assert environment(["PATH=/bin", "A=image"], found) == ["PATH=/bin", "A=word", "B='kept as it is' "]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("nofile=1:2", (1, 2)), ("nofile=5", (5, 5)), ("nofile=-1", (-1, -1)), ("core=0:-1", (0, -1))],
)
def test_resource_limits(text, expected):
    found = run_options.ulimit(text)
    assert (found["soft"], found["hard"]) == expected
    assert found["type"] == "RLIMIT_" + text.partition("=")[0].upper()


@pytest.mark.parametrize(
    "text", ["nofile", "nosuch=1", "nofile=", "nofile=a", "nofile=3:2", "nofile=-1:5", "=1"]
)
def test_what_is_no_resource_limit_is_quoted(text):
    with pytest.raises(UsageError, match=f'invalid ulimit: "{text}"'):
        run_options.ulimit(text)


def security(*entries):
    made = RunOptions("image", [])
    run_options.security(made, entries)
    return made.no_new_privileges, made.seccomp


def test_security_options():
    assert security() == (False, {})
    assert security("no-new-privileges", "seccomp=unconfined") == (True, None)
    assert security("no-new-privileges:true") == (True, {})
    assert security("no-new-privileges=false") == (False, {})
    assert security("apparmor=unconfined", "label=disable") == (False, {})


@pytest.mark.parametrize(
    "entry", ["seccomp=", "seccomp", "no-new-privileges=maybe", "apparmor=profile", "label=type:x"]
)
def test_security_that_cannot_be_given_is_refused(entry):
    with pytest.raises(UsageError, match="invalid --security-opt"):
        security(entry)


IMAGE = {"Entrypoint": ["/entry", "-x"], "Cmd": ["cmd", "arg"]}


@pytest.mark.parametrize(
    ("entrypoint", "args", "expected"),
    [
        (None, [], ["/entry", "-x", "cmd", "arg"]),
        (None, ["own"], ["/entry", "-x", "own"]),
        ("/mine", [], ["/mine"]),
        ("/mine", ["own"], ["/mine", "own"]),
        ("", ["own"], ["own"]),
    ],
)
def test_entry_point_and_command_as_docker_joins_them(entrypoint, args, expected):
    given = RunOptions("image", args)
    given.entrypoint = entrypoint
    assert command(given, IMAGE) == expected


def test_no_command_at_all_is_told():
    with pytest.raises(UsageError, match="no command specified"):
        command(RunOptions("image", []), {})
