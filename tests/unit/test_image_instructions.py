"""`--change`: instructions in a Dockerfile's words, quotes and variables as a shell has them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirun.errors import UsageError
from minirun.image import instructions


def changed(*lines: str, **config: Any) -> dict[str, Any]:
    return instructions.apply(config, list(lines))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('CMD ["a", "b c"]', {"Cmd": ["a", "b c"]}),
        ("cmd echo $HOME", {"Cmd": ["/bin/sh", "-c", "echo $HOME"]}),
        ('ENTRYPOINT ["/bin/a"]', {"Entrypoint": ["/bin/a"], "Cmd": None}),
        ("ENV A=1 B='x y' C=a\\ b", {"Env": ["A=1", "B=x y", "C=a b"]}),
        ("ENV A the rest  of it", {"Env": ["A=the rest  of it"]}),
        (
            "EXPOSE 80 53/UDP 8000-8001",
            {"ExposedPorts": {"53/udp": {}, "80/tcp": {}, "8000/tcp": {}, "8001/tcp": {}}},
        ),
        ('LABEL "a b"="c \\"d\\"" e=', {"Labels": {"a b": 'c "d"', "e": ""}}),
        ("USER 1000:10", {"User": "1000:10"}),
        ('VOLUME ["/a b", "/c"]', {"Volumes": {"/a b": {}, "/c": {}}}),
        ("VOLUME /a /c", {"Volumes": {"/a": {}, "/c": {}}}),
        ("WORKDIR /a/../b", {"WorkingDir": "/b"}),
        ("STOPSIGNAL sigint", {"StopSignal": "sigint"}),
        ("ONBUILD RUN make", {"OnBuild": ["RUN make"]}),
        (
            "HEALTHCHECK --interval=5s CMD a",
            {"Healthcheck": {"Test": ["CMD-SHELL", "a"], "Interval": 5_000_000_000}},
        ),
        ("# nothing", {}),
    ],
)
def test_an_instruction(line: str, expected: dict[str, Any]) -> None:
    assert changed(line) == expected


def test_a_variable_is_that_of_the_config() -> None:
    made = changed("ENV B=${A}2 C='$A' D=${N:-none} E=${A:+yes}", "USER $B", Env=["A=1"])
    assert made["Env"] == ["A=1", "B=12", "C=$A", "D=none", "E=yes"]
    assert made["User"] == "12"


def test_variables_of_one_line_do_not_see_each_other() -> None:
    assert changed("ENV A=2 B=$A", Env=["A=1"])["Env"] == ["A=2", "B=1"]


def test_a_relative_directory_begins_at_the_one_before() -> None:
    assert changed("WORKDIR /a", "WORKDIR b")["WorkingDir"] == "/a/b"


def test_what_was_there_is_kept_and_not_changed_in_place() -> None:
    config = {"Labels": {"a": "1"}, "Env": ["X=1"], "Cmd": ["sh"]}
    assert instructions.apply(config, ["LABEL b=2", "ENV Y=2"]) == {
        "Labels": {"a": "1", "b": "2"},
        "Env": ["X=1", "Y=2"],
        "Cmd": ["sh"],
    }
    assert config == {"Labels": {"a": "1"}, "Env": ["X=1"], "Cmd": ["sh"]}


def test_an_entrypoint_takes_the_old_command_away_but_not_a_new_one() -> None:
    assert changed('ENTRYPOINT ["e"]', Cmd=["old"])["Cmd"] is None
    assert changed('CMD ["new"]', 'ENTRYPOINT ["e"]', Cmd=["old"])["Cmd"] == ["new"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("RUN make", "RUN is not a valid change command"),
        ("ENV", "change 'ENV': ENV requires at least one argument"),
        (
            "ENV A=1 B",
            "change 'ENV A=1 B': Syntax error - can't find = in \"B\". Must be of the form: name=value",
        ),
        ("ENV A", "change 'ENV A': ENV must have two arguments"),
        ("ENV =1", "change 'ENV =1': ENV names can not be blank"),
        (
            "LABEL a='b",
            'change "LABEL a=\'b": failed to process "\'b": '
            "unexpected end of statement while looking for matching single-quote",
        ),
        ("EXPOSE 70000", "change 'EXPOSE 70000': invalid containerPort: 70000"),
        ("EXPOSE 9-8", "change 'EXPOSE 9-8': invalid containerPort: 9-8"),
        ("STOPSIGNAL SIGFOO", "change 'STOPSIGNAL SIGFOO': invalid signal: SIGFOO"),
        ("USER", "change 'USER': USER requires exactly one argument"),
        ("VOLUME []", "change 'VOLUME []': VOLUME requires at least one argument"),
        ("ONBUILD FROM a", "change 'ONBUILD FROM a': FROM isn't allowed as an ONBUILD trigger"),
        ("USER ${U:?who}", "change 'USER ${U:?who}': failed to process \"${U:?who}\": U: who"),
    ],
)
def test_what_is_wrong_is_quoted(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        changed(line)
    assert caught.value.message == message


@given(st.sampled_from(["ENV", "LABEL", "CMD", "EXPOSE", "VOLUME", "WORKDIR", "USER"]), st.text())
def test_any_text_is_taken_or_refused(word: str, text: str) -> None:
    try:
        changed(f"{word} {text}")
    except UsageError:
        pass


@given(st.text(st.characters(exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\0")))
def test_a_value_in_single_quotes_arrives_as_it_is(text: str) -> None:
    text = text.replace("'", "")
    assert changed(f"ENV A='{text}'")["Env"] == [f"A={text}"]


# ---- the instructions of a build ---------------------------------------------------------------------------


def made(word: str, text: str, *flags: str, **config: Any) -> dict[str, Any]:
    instructions.change(config, word, text, {"ARG": "arg", "BOTH": "arg"}, flags=flags)
    return config


SECOND = 10**9


@pytest.mark.parametrize(
    ("word", "text", "expected"),
    [
        ("CMD", "a $ARG", {"Cmd": ["/bin/sh", "-c", "a $ARG"], "ArgsEscaped": True}),
        ("CMD", "[]", {"Cmd": [], "ArgsEscaped": True}),
        ("CMD", "", {"Cmd": ["/bin/sh", "-c", ""], "ArgsEscaped": True}),
        ("ENTRYPOINT", '["a"]', {"Entrypoint": ["a"]}),
        ("SHELL", '["/bin/bash", "-c"]', {"Shell": ["/bin/bash", "-c"]}),
        ("USER", "$ARG:$ARG", {"User": "arg:arg"}),
        ("WORKDIR", "$ARG//b/../c/", {"WorkingDir": "/arg/c"}),
        ("WORKDIR", "//a", {"WorkingDir": "/a"}),
        ("VOLUME", '/$ARG "/a"', {"Volumes": {"/arg": {}, "/a": {}}}),
        ("STOPSIGNAL", "SIGRTMIN+3", {"StopSignal": "SIGRTMIN+3"}),
        ("STOPSIGNAL", "9", {"StopSignal": "9"}),
        ("LABEL", "$ARG=$ARG", {"Labels": {"arg": "arg"}}),
        ("MAINTAINER", "me $ARG", {}),
        ("ONBUILD", "RUN $ARG", {"OnBuild": ["RUN $ARG"]}),
        (
            "EXPOSE",
            "80 127.0.0.1:81:82 83:84/UDP",
            {"ExposedPorts": {"80/tcp": {}, "82/tcp": {}, "84/udp": {}}},
        ),
        ("EXPOSE", "[::1]:80-81:80-81", {"ExposedPorts": {"80/tcp": {}, "81/tcp": {}}}),
        ("HEALTHCHECK", "none", {"Healthcheck": {"Test": ["NONE"]}}),
        ("HEALTHCHECK", "CMD curl $ARG", {"Healthcheck": {"Test": ["CMD-SHELL", "curl $ARG"]}}),
        ("HEALTHCHECK", 'cmd ["a", "b"]', {"Healthcheck": {"Test": ["CMD", "a", "b"]}}),
    ],
)
def test_what_an_instruction_of_a_build_does(word: str, text: str, expected: dict[str, Any]) -> None:
    assert made(word, text) == expected


def test_the_flags_of_a_health_check() -> None:
    flags = (
        "--interval=1m30s",
        "--timeout=1.5s",
        "--start-period=0s",
        "--start-interval=100ms",
        "--retries=3",
    )
    assert made("HEALTHCHECK", "CMD a", *flags)["Healthcheck"] == {
        "Test": ["CMD-SHELL", "a"],
        "Interval": 90 * SECOND,
        "Timeout": 3 * SECOND // 2,
        "StartInterval": SECOND // 10,
        "Retries": 3,
    }


def test_the_shell_of_the_config_runs_commands() -> None:
    assert made("CMD", "a", Shell=["/bin/bash", "-ec"])["Cmd"] == ["/bin/bash", "-ec", "a"]


def test_the_environment_comes_over_the_arguments() -> None:
    assert made("USER", "$ARG$BOTH", Env=["BOTH=env"])["User"] == "argenv"


def test_a_variable_with_blanks_is_several_ports() -> None:
    assert made("EXPOSE", "$PORTS", Env=["PORTS=1 2/udp"])["ExposedPorts"] == {"1/tcp": {}, "2/udp": {}}


def test_a_variable_that_is_not_set_is_told() -> None:
    unset: set[str] = set()
    instructions.change({}, "USER", "$A${B:-b}", unset=unset)
    assert unset == {"A", "B"}


@pytest.mark.parametrize(
    ("word", "text", "message"),
    [
        ("EXPOSE", "/tcp", 'invalid port: "/tcp": no port specified'),
        ("EXPOSE", "80/foo", 'invalid port: "80/foo": invalid proto: foo'),
        ("EXPOSE", "a:80", "invalid hostPort: a"),
        ("EXPOSE", "1.2.3:80:80", "invalid IP address: 1.2.3"),
        ("EXPOSE", "80-82:90-91", "invalid ranges specified for container and host Ports: 90-91 and 80-82"),
        ("STOPSIGNAL", "SIGRTMIN+40", "invalid signal: SIGRTMIN+40"),
        ("STOPSIGNAL", "0", "invalid signal: 0"),
        ("VOLUME", '["$NONE"]', "VOLUME specified can not be an empty string"),
        ("COPY", "a b", "COPY is no instruction that changes an image's config"),
    ],
)
def test_what_an_instruction_of_a_build_does_not_take(word: str, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        made(word, text)
    assert caught.value.message == message
