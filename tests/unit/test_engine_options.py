"""The words of `run` as values, and the words that are refused."""

import json

import pytest

from minirun.cli import limit_options
from minirun.engine.create import environment, program
from minirun.engine.options import key_values, mounts, run_options, security
from minirun.engine.view import inspect_mounts
from minirun.errors import UnsupportedError, UsageError


def test_variables_come_from_the_words_and_from_here(monkeypatch):
    monkeypatch.setenv("HERE", "x")
    monkeypatch.delenv("NOWHERE", raising=False)
    assert key_values.environment(["A=b=c", "HERE", "NOWHERE", "E="], []) == [
        "A=b=c",
        "HERE=x",
        "NOWHERE",
        "E=",
    ]


def test_a_file_of_variables_comes_first(tmp_path):
    (tmp_path / "env").write_text("# no\n  A=from file\nB='kept as it is' \n\n")
    found = key_values.environment(["A=word"], [str(tmp_path / "env")])
    assert found == ["A=from file", "B='kept as it is' ", "A=word"]
    assert environment(["PATH=/bin", "A=image"], found) == ["PATH=/bin", "A=word", "B='kept as it is' "]


FILES: dict[str, tuple[bytes, list[str]]] = {
    "a byte order mark": (b"\xef\xbb\xbfA=1\nB=2\n", ["A=1", "B=2"]),
    "one before a comment": (b"\xef\xbb\xbf# no\nA=1\n", ["A=1"]),
    "one that is none": (b"A=1\nB=\xef\xbb\xbf\n", ["A=1", "B=\ufeff"]),
    "lines of Windows": (b"A=1\r\n\r\nB=2 \r\n# no\r\n", ["A=1", "B=2 "]),
    "only the last carriage return": (b"A=1\rB=2\r\r\n", ["A=1\rB=2\r"]),
    "lines of blanks": (b"\n  \nA=1\n\t\n\x0b\n", ["A=1"]),
    "blanks before names": ("  A=1\n\tB=2\n   # no\n\u00a0C=3".encode(), ["A=1", "B=2", "C=3"]),
    "values as they are": (
        b'A= 1 \nB="x y"\nC=1 # yes\nD=1=2\nE=',
        ["A= 1 ", 'B="x y"', "C=1 # yes", "D=1=2", "E="],
    ),
    "names that a shell would not take": ("A-B.c=1\nÜ=é".encode(), ["A-B.c=1", "Ü=é"]),
    "a name alone": (b"HERE\nNOWHERE\n", ["HERE=x"]),
    "nothing": (b"", []),
    "a long value": (b"A=" + b"x" * 100_000, ["A=" + "x" * 100_000]),
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_variables_and_labels_are_read_as_docker_reads_them(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HERE", "x")
    monkeypatch.delenv("NOWHERE", raising=False)
    content, expected = FILES[name]
    (tmp_path / "file").write_bytes(content)
    assert key_values.environment([], [str(tmp_path / "file")]) == expected
    with_value = [] if name == "a name alone" else expected
    assert key_values.labels([], [str(tmp_path / "file")]) == dict(one.split("=", 1) for one in with_value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"A=1\n=x\n", 'line 2: no name before the = of "=x"'),
        (b"   =x", 'line 1: no name before the = of "=x"'),
        (b"# one\n\nexport A=1\n", 'line 3: the name "export A" has whitespace in it'),
        (b"A =1", 'line 1: the name "A " has whitespace in it'),
        (b"A\t=1", "has whitespace in it"),
        (b"HERE  \n", 'line 1: the name "HERE  " has whitespace in it'),
        (b"A=1\r\nB=\xe9\r\n", "line 2: the byte at column 3 is not UTF-8"),
        (b"A=1\0\n", "line 1: there is a NUL in it"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(content, words, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UsageError) as told:
        key_values.environment([], [str(path)])
    assert told.value.message.startswith(f"--env-file {path}, line ")
    assert words in told.value.message
    with pytest.raises(UsageError, match=r"^--label-file "):
        key_values.labels([], [str(path)])


@pytest.mark.parametrize(
    ("path", "words"),
    [
        *(("nosuch", "No such file"), (".", "Is a directory"), ("a\0b", "null byte"), ("", "No such")),
        ("/dev/zero", "^--env-file /dev/zero: larger than"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(path, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=words):
        key_values.environment([], [path])


def test_labels_of_the_command_line_come_over_those_of_files(tmp_path):
    (tmp_path / "file").write_text("a=file\nb=file\n")
    found = key_values.labels(["a=word", "c", "d=", " e=1", "f==2"], [str(tmp_path / "file")])
    assert found == {"a": "word", "b": "file", "c": "", "d": "", " e": "1", "f": "=2"}


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("=v", "empty name"),
        ("", "empty name"),
        ("=", "empty name"),
        ("\t =v", "empty name"),
        ("a b=c", "whitespace"),
        ("a =c", "whitespace"),
    ],
)
def test_what_is_no_label(label, words):
    with pytest.raises(UsageError, match=words):
        key_values.labels([label])


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
        ("domainname", "d" * 65, "invalid domainname .* more than 64 characters"),
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
