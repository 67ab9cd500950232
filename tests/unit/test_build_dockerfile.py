"""A Dockerfile's text becomes lines: directives, continuations, comments, flags, here-documents."""

import time

import pytest

from minirun.build import dockerfile
from minirun.build.dockerfile import Dockerfile, DockerfileError, Heredoc, Line


def read(text: str) -> Dockerfile:
    return dockerfile.parse(text.encode())


def line(text: str) -> Line:
    return read(text).lines[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# escape=`\nRUN a", {"escape": "`"}),
        ("#escape = \\ \nRUN a", {"escape": "\\"}),
        ("  # Syntax=docker/dockerfile:1\n# check=skip=all;error=true\nRUN a", None),
        ("\ufeff# escape=`\nRUN a", {"escape": "`"}),
        ("# a comment\n# escape=`\nRUN a", {}),
        ("\n# escape=`\nRUN a", {}),
        ("# foo=bar\n# escape=`\nRUN a", {}),
        ("RUN a\n# escape=`", {}),
        ("#!/usr/bin/env docker\n# escape=`\n# check=skip=all\nRUN a", {"check": "skip=all"}),
    ],
)
def test_directives_come_before_all_else(text: str, expected: dict[str, str] | None) -> None:
    expected = (
        {"syntax": "docker/dockerfile:1", "check": "skip=all;error=true"} if expected is None else expected
    )
    assert read(text).directives == expected


@pytest.mark.parametrize(
    ("text", "original"),
    [
        ("RUN a \\\n  b \\  \n c", "RUN a   b  c"),
        ("RUN a\\\nb", "RUN ab"),
        ("RUN a \\\n# no\n  # no\nb", "RUN a b"),
        ("RUN a \\\n\n\nb", "RUN a b"),
        ("RUN a \\\\\nRUN b", "RUN a \\\\"),
        ("RUN a \\", "RUN a"),
        ("RUN \\\n a # b", "RUN  a # b"),
        ("\\\n\\\nRUN a", "RUN a"),
        ("   RUN a\t", "RUN a"),
        ("RUN a \\\r\n b\r\n", "RUN a  b"),
        ("# escape=`\nRUN a `\nb\\\nRUN c", "RUN a b\\"),
        ("RUN a \\\u00a0\nRUN b", "RUN a \\"),
    ],
)
def test_an_instruction_goes_on_behind_the_escape_character(text: str, original: str) -> None:
    assert line(text).original == original


def test_an_empty_line_inside_an_instruction_is_told() -> None:
    file = read("FROM a\nRUN a \\\n\n b\nRUN b \\\n # c\n d")
    assert file.empty_continuations == [4]


def test_lines_know_where_they_are() -> None:
    file = read("# x\nFROM a\n\nRUN b \\\n\\\n  c\nRUN <<E\nd\nE\n")
    assert [(one.word, one.start, one.end) for one in file.lines] == [
        ("FROM", 2, 2),
        ("RUN", 4, 6),
        ("RUN", 7, 9),
    ]


def test_the_word_is_upper_case_and_kept_as_written() -> None:
    one = line("rUn a")
    assert (one.word, one.written, one.text) == ("RUN", "rUn", "a")


@pytest.mark.parametrize(
    ("text", "comments"),
    [
        ("# a b\n  #c\nRUN x", ["a b", "c"]),
        ("# a\n#\n# b\nRUN x", ["b"]),
        ("# a\n\nRUN x", []),
        ("# escape=\\\n# b\nRUN x", ["b"]),
        ("# b\nRUN x \\\n# no\n y", ["b"]),
    ],
)
def test_comments_belong_to_the_line_below(text: str, comments: list[str]) -> None:
    assert line(text).comments == comments


@pytest.mark.parametrize(
    ("text", "flags", "rest"),
    [
        ("RUN --a=b --c  d --e", ["--a=b", "--c"], "d --e"),
        ('RUN --a="b c" d', ["--a=b c"], "d"),
        ("RUN --a='b \"c' d", ['--a=b "c'], "d"),
        (r"RUN --a=b\ c\"d e", ['--a=b c"d'], "e"),
        ("RUN --a=b", ["--a=b"], ""),
        ("RUN --a -- --b c", ["--a"], "--b c"),
        ("RUN -a", [], "-a"),
        ("RUN a --b", [], "a --b"),
        ("RUN --mount=type=cache,target=/a \\\n  --network=none \\\n  b", None, "b"),
    ],
)
def test_flags_stand_before_the_text(text: str, flags: list[str] | None, rest: str) -> None:
    one = line(text)
    assert one.flags == (["--mount=type=cache,target=/a", "--network=none"] if flags is None else flags)
    assert one.text == rest


def shown(heredoc: Heredoc) -> tuple[str, str, str, bool]:
    return heredoc.name, heredoc.fd, heredoc.text, heredoc.expand


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN <<EOF\n a\n\nb\nEOF", [("EOF", "", " a\n\nb\n", True)]),
        ("RUN <<EOF\nEOF", [("EOF", "", "", True)]),
        ("RUN <<'EOF'\n# a\n\\\nEOF", [("EOF", "", "# a\n\\\n", False)]),
        ('RUN <<"E O"\na\nE O', [("E O", "", "a\n", False)]),
        ('RUN <<E"O"F\na\nEOF', [("EOF", "", "a\n", False)]),
        ("RUN <<-EOF\n\t\ta\n \tb\n\tEOF", [("EOF", "", "a\n \tb\n", True)]),
        ("RUN a 3<<EOF\nb\nEOF", [("EOF", "3", "b\n", True)]),
        ("RUN <<A a <<-B\n1\nA\n\t2\nB", [("A", "", "1\n", True), ("B", "", "2\n", True)]),
        ("RUN <<EOF\n EOF\nEOF \nEOF", [("EOF", "", " EOF\nEOF \n", True)]),
        ("RUN <<EOF\r\na\r\nEOF\r\n", [("EOF", "", "a\r\n", True)]),
        ("copy <<EOF /a\nb\nEOF", [("EOF", "", "b\n", True)]),
        ("ONBUILD ADD <<EOF /a\nb\nEOF", [("EOF", "", "b\n", True)]),
        ("RUN --mount=type=tmpfs,target=/a <<EOF\nb\nEOF", [("EOF", "", "b\n", True)]),
        ("RUN <<$EOF\nb\n$EOF", [("$EOF", "", "b\n", True)]),
        ("RUN <<E \\\n\\\nRUN\nb\nE", [("E", "", "b\n", True)]),
        ("RUN a << EOF", []),
        ("RUN a <<<EOF", []),
        ("RUN a '<<EOF'", []),
        ("RUN a \\<<EOF", []),
        ("RUN a $((1<<2))", []),
        ("RUN it's <<EOF", []),
        ('RUN ["a", "<<EOF"]', []),
        ("CMD <<EOF", []),
    ],
)
def test_here_documents_follow_their_line(text: str, expected: list[tuple[str, str, str, bool]]) -> None:
    assert list(map(shown, line(text).heredocs)) == expected


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        (b"", "the Dockerfile cannot be empty", (0, 0)),
        (b"# a\n\n", "file with no instructions", (2, 2)),
        (b"# escape=a\nRUN b", "invalid escape token 'a' does not match ` or \\", (1, 1)),
        (b"# escape=`\n# escape=`\nRUN b", "only one escape parser directive can be used", (2, 2)),
        (b"RUN a\nRUN <<EOF\nb\n", "unterminated heredoc", (2, 3)),
        (b"RUN caf\xe9", "not valid UTF-8: byte 0xe9", (1, 1)),
        (b"RUN a\nRUN <<E\n\xff\nE", "not valid UTF-8: byte 0xff", (3, 4)),
        (b"RUN a\0b", "a NUL byte", (1, 1)),
        (b"RUN a\nRUN " + b"b" * 65532, "dockerfile line greater than max allowed size of 65535", (2, 2)),
    ],
)
def test_what_is_wrong_is_said_with_its_lines(text: bytes, message: str, where: tuple[int, int]) -> None:
    with pytest.raises(DockerfileError) as caught:
        dockerfile.parse(text)
    assert caught.value.reason == message
    assert (caught.value.line, caught.value.end) == where
    assert caught.value.message == (
        f"dockerfile parse error on line {where[0]}: {message}" if where[0] else message
    )


def test_a_file_may_have_16_mebibytes() -> None:
    with pytest.raises(DockerfileError) as caught:
        dockerfile.parse(b"# " * (8 << 20) + b"\n")
    assert caught.value.message == "Dockerfile exceeds maximum allowed size of 16 MiB"


def test_a_line_may_have_65535_bytes() -> None:
    assert len(line("RUN " + "b" * 65531).text) == 65531


def test_a_comment_may_be_in_any_encoding() -> None:
    assert dockerfile.parse(b"# Jos\xe9\nRUN a \\\n# \xff\n b").lines[0].original == "RUN a  b"


@pytest.mark.parametrize(
    "text",
    [
        "# syntax=docker/dockerfile:1\n# escape=`\n# c\nFROM a AS b\nRUN a `\n  b\n",
        "FROM a\nRUN <<-A <<'B'\n\ta\n\tA\n$b\nB\nUSER c",
        "FROM a\nRUN " + "b \\\n" * 30_000 + "c",
        "RUN " + "\\\\" * 30_000 + "\\\nb" + "\\\\" * 30_000,
        "RUN a \\\u00a0\n",
        "RUN a \\ \\",
        "\ufeff\ufeffRUN a",
    ],
)
def test_what_is_printed_is_read_as_the_same(text: str) -> None:
    file = read(text)
    again = read(dockerfile.printed(file))
    assert again.directives == file.directives
    assert [(one.original, one.word, one.flags, one.text) for one in again.lines] == [
        (one.original, one.word, one.flags, one.text) for one in file.lines
    ]
    assert [[shown(body) for body in one.heredocs] for one in again.lines] == [
        [shown(body) for body in one.heredocs] for one in file.lines
    ]


@pytest.mark.parametrize(
    "unit",
    [
        "RUN make all\n",
        "RUN a \\\n",
        "# comment\n",
        "RUN <<EOF\nhello world\nEOF\n",
        "--a=b \\\n",
        "LABEL a=b c='d e'\n",
        "\n",
    ],
)
def test_a_long_file_takes_no_longer_than_its_length(unit: str) -> None:
    data = b"RUN \\\n" + unit.encode() * (2_000_000 // len(unit))
    begun = time.monotonic()
    dockerfile.parse(data)
    assert time.monotonic() - begun < 15
