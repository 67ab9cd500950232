"""What a build writes into an image's history, in BuildKit's words: seen in Docker 20.10."""

import pytest

from minirun.build import history


@pytest.mark.parametrize(
    ("word", "effect", "text", "expected"),
    [
        ("CMD", {"Cmd": ["/bin/sh", "-c", "echo  y"]}, "echo  y", 'CMD ["/bin/sh" "-c" "echo  y"]'),
        ("CMD", {"Cmd": []}, "[]", "CMD []"),
        ("ENTRYPOINT", {"Entrypoint": ["echo", "x y"]}, "", 'ENTRYPOINT ["echo" "x y"]'),
        (
            "EXPOSE",
            {"ExposedPorts": {"81/udp": {}, "53/udp": {}}},
            "81/udp 53/UDP",
            "EXPOSE map[53/udp:{} 81/udp:{}]",
        ),
        ("VOLUME", {"Volumes": {"/c": {}, "/d e": {}}}, "", "VOLUME [/c /d e]"),
        ("SHELL", {"Shell": ["/bin/sh", "-e", "-c"]}, "", "SHELL [/bin/sh -e -c]"),
        ("USER", {"User": "5:6"}, "5:6", "USER 5:6"),
        ("STOPSIGNAL", {"StopSignal": "9"}, "9", "STOPSIGNAL 9"),
        ("MAINTAINER", {}, "Jane Doe <jane@x>", "MAINTAINER Jane Doe <jane@x>"),
        (
            "HEALTHCHECK",
            {"Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 5 * 10**9, "Timeout": 3 * 10**9}},
            "",
            """HEALTHCHECK &{["CMD-SHELL" "true"] "5s" "3s" "0s" '\\x00'}""",
        ),
        (
            "HEALTHCHECK",
            {"Healthcheck": {"Test": ["NONE"], "Retries": 35}},
            "",
            """HEALTHCHECK &{["NONE"] "0s" "0s" "0s" '#'}""",
        ),
    ],
)
def test_a_metadata_instruction(word: str, effect: dict[str, object], text: str, expected: str) -> None:
    assert history.metadata(word, effect, text) == expected


def test_run_shows_the_arguments_in_force_and_the_command() -> None:
    assert history.run(["/bin/sh", "-c", "echo hi"], {"A": "1", "B": ""}) == (
        "RUN |2 A=1 B= /bin/sh -c echo hi # buildkit"
    )
    assert history.run(["/bin/echo", "a b"], {}) == "RUN /bin/echo a b # buildkit"


def test_an_argument_without_a_value_is_shown_by_its_name() -> None:
    assert history.pairs("ARG", [("C", "3"), ("D", None), ("E", "x y")]) == "ARG C=3 D E=x y"


def test_what_changes_no_files_is_marked_so() -> None:
    assert "empty_layer" not in history.line("RUN true", changes_files=True)
    assert history.line("ENV A=1")["empty_layer"] is True


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [(0, "0s"), (1, "1ns"), (1500, "1.5µs"), (10**6, "1ms"), (90 * 10**9, "1m30s"), (3600 * 10**9, "1h0m0s")],
)
def test_a_duration_is_written_as_go_does(nanoseconds: int, expected: str) -> None:
    assert history.duration(nanoseconds) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [('say "hi"', '"say \\"hi\\""'), ("a\\b", '"a\\\\b"'), ("\x01\t", '"\\x01\\t"'), ("ü", '"ü"')],
)
def test_a_text_is_quoted_as_go_does(text: str, expected: str) -> None:
    assert history.quoted(text) == expected
