"""The words of `run` as values, and the words that are refused."""

import json

import pytest

from minirun.cli import limit_options
from minirun.engine.create import environment, program
from minirun.engine.options import mounts, run_options, security
from minirun.engine.view import inspect_mounts
from minirun.errors import UnsupportedError, UsageError


def test_variables_come_from_the_words_and_from_here(monkeypatch):
    monkeypatch.setenv("HERE", "x")
    monkeypatch.delenv("NOWHERE", raising=False)
    assert run_options.environment(["A=b=c", "HERE", "NOWHERE", "E="], []) == [
        "A=b=c",
        "HERE=x",
        "NOWHERE",
        "E=",
    ]


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


def test_security_options():
    assert security.parse([]) == (False, {})
    assert security.parse(["no-new-privileges", "seccomp=unconfined"]) == (True, None)
    assert security.parse(["no-new-privileges:true"]) == (True, {})
    assert security.parse(["no-new-privileges:1", "no-new-privileges=False"]) == (False, {})
    assert security.parse(["seccomp:unconfined", "seccomp=builtin"]) == (False, {})
    assert security.parse(["apparmor=unconfined", "label:disable", "systempaths=unconfined"]) == (False, {})


def test_a_colon_in_the_name_of_a_seccomp_file(tmp_path):
    (tmp_path / "a:b").write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    assert security.parse([f"seccomp={tmp_path}/a:b"]) == (False, {"defaultAction": "SCMP_ACT_ALLOW"})


def test_the_last_word_counts():
    entries = ["writable-cgroups=true", "apparmor:mine", "writable-cgroups=f", "systempaths:unconfined"]
    assert not security.has_writable_cgroups(entries, privileged=True)
    assert security.has_open_paths(entries, privileged=False)
    assert security.apparmor_profile(entries) == "mine"
    assert security.apparmor_profile(["apparmor=unconfined"]) == ""


@pytest.mark.parametrize(
    "entry", ["apparmor=profile", "label=type:x", "label:user:u", "credentialspec=file://x"]
)
def test_security_that_this_host_has_not_is_said(entry, monkeypatch):
    monkeypatch.setattr(security.apparmor, "is_enabled", lambda: False)
    with pytest.raises(UnsupportedError, match=f"--security-opt {entry}"):
        security.parse([entry])


def test_a_profile_is_taken_where_the_host_has_apparmor(monkeypatch):
    monkeypatch.setattr(security.apparmor, "is_enabled", lambda: True)
    assert security.parse(["apparmor=profile"]) == (False, {})


@pytest.mark.parametrize(
    "entry",
    [
        "seccomp=",
        "no-new-privileges=maybe",
        "apparmor",
        "label=",
        "systempaths=all",
        "writable-cgroups=2",
        "x=y",
    ],
)
def test_security_that_cannot_be_given_is_refused(entry):
    with pytest.raises(UsageError, match="invalid --security-opt"):
        security.parse([entry])


IMAGE = {"Entrypoint": ["/entry", "-x"], "Cmd": ["cmd", "arg"]}


@pytest.mark.parametrize(
    ("entrypoint", "args", "expected"),
    [
        (None, [], ["/entry", "-x", "cmd", "arg"]),
        (None, ["own"], ["/entry", "-x", "own"]),
        (["/mine"], [], ["/mine"]),
        (["/mine", "-y"], ["own"], ["/mine", "-y", "own"]),
        ([""], ["own"], ["own"]),
        ([], ["own"], ["own"]),
        ([], [], ["cmd", "arg"]),
    ],
)
def test_entry_point_and_command_as_docker_joins_them(entrypoint, args, expected):
    given = run_options.defaults("image", args)
    given["entrypoint"] = entrypoint
    first, rest = program(given, IMAGE)
    assert first + rest == expected


def test_an_image_may_say_that_it_has_no_entry_point_too():
    assert program(run_options.defaults("image"), {**IMAGE, "Entrypoint": [""]}) == ([], ["cmd", "arg"])


def test_no_command_at_all_is_told():
    with pytest.raises(UsageError, match="no command specified"):
        program(run_options.defaults("image"), {})


def test_what_is_asked_for_survives_being_written_down():
    made = run_options.defaults("image", ["true"])
    assert json.loads(json.dumps(made)) == made


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("oom_score_adj", 1001, r"Invalid value 1001, range for oom score adj is \[-1000, 1000\]"),
        ("restart", {"name": "always", "maximum": 0}, "cannot specify both --restart and --rm"),
        ("hostname", "h" * 65, "more than 64 characters"),
        ("workdir", "x", "needs to be an absolute path"),
        ("stop_signal", "X", "Invalid signal: X"),
        ("stop_signal", "0", "Invalid signal: 0"),
        ("stop_signal", "SIGRTMAX+1", "Invalid signal: SIGRTMAX"),
        ("network", "container:x", "conflicting options: custom host-to-IP mapping"),
        ("resources", {"memory": {"limit": 1}}, "Minimum memory limit allowed is 6MB"),
    ],
)
def test_all_rules_hold_for_whoever_asks(option, value, sentence):
    """Without a command line: a compose file gets the same answers, and nothing is changed."""
    options = run_options.defaults("image")
    options.update({"auto_remove": True, "extra_hosts": [["db", "192.0.2.7"]], option: value})
    before = json.dumps(options)
    with pytest.raises(UsageError, match=sentence):
        run_options.check(options)
    assert json.dumps(options) == before


def test_a_tmpfs_is_shown_with_its_size_and_mode():
    shown = inspect_mounts._asked_for(mounts.mount("type=tmpfs,dst=/x,tmpfs-size=5m,tmpfs-mode=700"))
    assert shown == {"Type": "tmpfs", "Target": "/x", "TmpfsOptions": {"SizeBytes": 5 << 20, "Mode": 0o700}}
    assert "TmpfsOptions" not in inspect_mounts._asked_for(mounts.mount("type=tmpfs,dst=/x"))


def test_open_system_paths_are_not_among_the_security_options():
    assert security.shown([]) is None
    assert security.shown(["systempaths=unconfined"]) == []
    assert security.shown(["systempaths:unconfined", "label=disable"]) == ["label=disable"]


@pytest.mark.parametrize(
    ("memory", "warned"),
    [({}, False), ({"disableOOMKiller": True}, True), ({"disableOOMKiller": True, "limit": 9}, False)],
)
def test_a_wait_that_only_the_host_can_end_is_warned_of(memory, warned, capsys):
    limit_options.warn({**run_options.defaults("x"), "resources": {"memory": memory}})
    assert ("may be dangerous" in capsys.readouterr().err) == warned
