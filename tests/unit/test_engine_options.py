"""The words of `run` as values, and the words that are refused."""

import os

import pytest

from minirun.engine import options
from minirun.engine.options import RunOptions
from minirun.engine.run import command, environment
from minirun.errors import UsageError

MEBIBYTE = 2**20


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("64m", 64 * MEBIBYTE), ("64M", 64 * MEBIBYTE), ("64mb", 64 * MEBIBYTE), ("64MiB", 64 * MEBIBYTE), ("1g", 2**30),
     ("512k", 2**19), ("1.5k", 1536), ("100", 100), ("100b", 100), ("0", 0), ("-1", -1)],
)  # fmt: skip
def test_sizes(text, bytes_):
    assert options.size(text, "--memory") == bytes_


@pytest.mark.parametrize("text", ["", "m", "much", "-2", "1x", "nan", "inf", "1e400"])
def test_what_is_no_size_is_quoted(text):
    with pytest.raises(UsageError, match=f'invalid size "{text}" for --memory'):
        options.size(text, "--memory")


@pytest.mark.parametrize(
    ("limit", "swap", "expected"),
    [
        (None, None, {}),
        ("8m", None, {"limit": 8 * MEBIBYTE, "swap": 16 * MEBIBYTE}),
        ("8m", "0", {"limit": 8 * MEBIBYTE, "swap": 16 * MEBIBYTE}),
        ("8m", "8m", {"limit": 8 * MEBIBYTE, "swap": 8 * MEBIBYTE}),
        ("8m", "-1", {"limit": 8 * MEBIBYTE, "swap": -1}),
    ],
)
def test_swap_counts_memory_and_is_twice_it_by_default(limit, swap, expected):
    assert options.memory(limit, swap) == expected


@pytest.mark.parametrize(
    ("limit", "swap"), [("5m", None), ("8m", "7m"), (None, "8m"), ("-1", None), ("0", None)]
)
def test_memory_that_makes_no_sense(limit, swap):
    with pytest.raises(UsageError):
        options.memory(limit, swap)


def test_cpus_are_a_quota():
    assert options.cpu("0.2", None, None) == {"quota": 20000, "period": 100000}
    assert options.cpu(None, 512, "0") == {"shares": 512, "cpus": "0"}


@pytest.mark.parametrize("cpus", ["0", "-1", "many", "nan", str((os.cpu_count() or 1) + 1)])
def test_more_cpus_than_there_are_or_none_is_refused(cpus):
    with pytest.raises(UsageError):
        options.cpu(cpus, None, None)


def test_variables_come_from_the_words_and_from_here(monkeypatch):
    monkeypatch.setenv("HERE", "x")
    monkeypatch.delenv("NOWHERE", raising=False)
    assert options.environment(["A=b=c", "HERE", "NOWHERE", "E="], []) == ["A=b=c", "HERE=x", "E="]


def test_a_file_of_variables_comes_first(tmp_path):
    (tmp_path / "env").write_text("# no\n  A=from file\nB='kept as it is' \n\n")
    found = options.environment(["A=word"], [str(tmp_path / "env")])
    assert found == ["A=from file", "B='kept as it is' ", "A=word"]
    assert environment(["PATH=/bin", "A=image"], found) == ["PATH=/bin", "A=word", "B='kept as it is' "]


def test_a_volume_is_a_private_recursive_bind():
    assert options.volume("/a:/b") == {
        "destination": "/b",
        "type": "bind",
        "source": "/a",
        "options": ["rbind", "rprivate"],
    }
    assert options.volume("/a:/b:ro,rslave")["options"] == ["rbind", "ro", "rslave"]


@pytest.mark.parametrize(
    "text", ["/a", "/a:", "/a:b", "name:/b", "/a:/", "/a:/b:wrong", "/a:/b:rshared", "", ":/b"]
)
def test_what_is_no_volume_is_quoted(text):
    with pytest.raises(UsageError, match=f'invalid volume specification: "{text}"'):
        options.volume(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("nofile=1:2", (1, 2)), ("nofile=5", (5, 5)), ("nofile=-1", (-1, -1)), ("core=0:-1", (0, -1))],
)
def test_resource_limits(text, expected):
    found = options.ulimit(text)
    assert (found["soft"], found["hard"]) == expected
    assert found["type"] == "RLIMIT_" + text.partition("=")[0].upper()


@pytest.mark.parametrize(
    "text", ["nofile", "nosuch=1", "nofile=", "nofile=a", "nofile=3:2", "nofile=-1:5", "=1"]
)
def test_what_is_no_resource_limit_is_quoted(text):
    with pytest.raises(UsageError, match=f'invalid ulimit: "{text}"'):
        options.ulimit(text)


def security(*entries):
    made = RunOptions("image", [])
    options.security(made, entries)
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


def test_limits_that_are_not_asked_for_are_not_in_the_config():
    words = dict.fromkeys(("memory", "memory_swap", "cpus", "cpu_shares", "cpuset_cpus", "pids_limit"))
    assert options.resources(words) == {}
    assert options.resources({**words, "pids_limit": 20}) == {"pids": {"limit": 20}}
    assert options.resources({**words, "pids_limit": -1}) == {}
