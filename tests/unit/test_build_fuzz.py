"""Whatever somebody writes into a Dockerfile is read or refused in a sentence; what is printed is read as the same."""

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from minirun.build import checks, dockerfile, mounts, outline, rules, stages
from minirun.build.dockerfile import Dockerfile
from minirun.errors import MinirunError, UsageError
from minirun.image import flags, instructions, words

WORDS = [
    *(
        "FROM",
        "RUN",
        "COPY",
        "ADD",
        "ENV",
        "ARG",
        "LABEL",
        "CMD",
        "ENTRYPOINT",
        "SHELL",
        "HEALTHCHECK",
        "EXPOSE",
    ),
    *(
        "USER",
        "WORKDIR",
        "VOLUME",
        "STOPSIGNAL",
        "ONBUILD",
        "MAINTAINER",
        "run",
        "Foo",
        "ONBUILD RUN",
        "ONBUILD COPY",
    ),
]
PIECES = [
    *(
        "a",
        "b",
        "A",
        "EOF",
        "scratch",
        "AS",
        "as",
        ".",
        "/",
        "$A",
        "${A}",
        "${A:-b}",
        "${A#*b}",
        "${A//a/b}",
        "${",
        "}",
    ),
    *(
        "$",
        '"',
        "'",
        "\\",
        "`",
        "<<EOF",
        "<<-EOF",
        "<<'EOF'",
        "3<<A",
        "<<",
        "--from=a",
        "--mount=type=cache,target=/a",
    ),
    *(
        "--chown=1:2",
        "--link",
        "--network=none",
        "--platform=$A",
        "--",
        "-",
        "[",
        "]",
        '["a", "b"]',
        ",",
        "=",
        "a=b",
    ),
    *(
        "80/tcp",
        "CMD",
        "NONE",
        "--interval=5s",
        "#",
        "check=skip=all",
        "\t",
        " ",
        " ",
        " ",
        "\n",
        "\n",
        "\\\n",
        "`\n",
    ),
    *(
        "\r\n",
        "\f",
        "\x00",
        "\u00a0",
        "\ufeff",
        "é",
        "\udc80",
        "# escape=`\n",
        "# check=error=true\n",
        "\nEOF\n",
    ),
]
PARTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
LINES = st.tuples(st.sampled_from(WORDS), PARTS).map(" ".join)
TEXTS = st.lists(LINES, max_size=8).map("\n".join) | st.lists(
    st.sampled_from(WORDS + PIECES), max_size=30
).map("".join)
VARIABLES = st.dictionaries(st.sampled_from("ABab"), PARTS, max_size=3)
ESCAPES = st.sampled_from("\\`")


def read(text: str) -> Dockerfile | None:
    try:
        return dockerfile.parse(text.encode("utf-8", "surrogateescape"))
    except MinirunError:
        return None


def shown(file: Dockerfile) -> Any:
    return file.directives, [
        (
            *(line.original, line.word, line.written, line.flags, line.text),
            [(body.name, body.fd, body.chomp, body.expand, body.raw) for body in line.heredocs],
        )
        for line in file.lines
    ]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        dockerfile.parse(data)
    except MinirunError:
        pass


@settings(max_examples=400)
@given(TEXTS)
@example("RUN a \\ \\")
@example("RUN a \\\n \\\n # b\n\n")
@example("\ufeff\ufeffRUN a")
@example("#!x\n# escape=`\n# check=skip=all\nRUN a")
@example("RUN <<EOF <<EOF\nEOF\nEOF")
def test_what_is_printed_is_read_as_the_same(text: str) -> None:
    file = read(text)
    if file:
        assert shown(dockerfile.parse(dockerfile.printed(file).encode())) == shown(file)


@settings(max_examples=400)
@given(TEXTS, VARIABLES)
def test_a_file_is_understood_or_refused(text: str, variables: dict[str, str]) -> None:
    file = read(f"FROM a:1 AS a\n{text}")
    if not file:
        return
    for act in (
        lambda: stages.stages(file),
        lambda: checks.check(file, build_args=variables),
        lambda: checks.hint(file, build_args=variables),
        lambda: outline.outline(file, "", variables),
        lambda: outline.targets(file),
    ):
        try:
            act()
        except MinirunError:
            pass


@given(TEXTS)
def test_a_trigger_is_understood_or_refused(text: str) -> None:
    try:
        stages.one(text)
    except UsageError:
        pass


@settings(max_examples=300)
@given(PARTS | st.text(), VARIABLES, ESCAPES, st.booleans())
def test_words_are_expanded_or_refused(
    text: str, variables: dict[str, str], escape: str, quotes: bool
) -> None:
    try:
        words.expand(text, variables, escape, quotes=quotes)
        words.expand_to_words(text, variables, escape)
    except UsageError:
        pass


@given(PARTS | st.text(), ESCAPES)
def test_nothing_but_blanks_is_lost_between_words(text: str, escape: str) -> None:
    found = words.split(text, escape)
    assert "".join("".join(found).split()) in "".join(text.split())
    assert all(word and word[0] not in words.SPACE for word in found)


@given(st.text(st.characters(exclude_characters="'\"\\$"), min_size=1))
def test_a_word_without_special_characters_is_itself(text: str) -> None:
    assert words.expand(text, {}) == text


@given(
    PARTS | st.text(), st.lists(PARTS, max_size=2), st.sampled_from(instructions.WORDS), VARIABLES, ESCAPES
)
def test_an_instruction_changes_a_config_or_is_refused(
    text: str, given_flags: list[str], word: str, variables: dict[str, str], escape: str
) -> None:
    try:
        instructions.change({}, word, text, variables, escape, [f"--{flag}" for flag in given_flags])
    except UsageError:
        pass


@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    "type=",
                    "cache",
                    "secret",
                    "target=/a",
                    "id=",
                    "$A",
                    '"',
                    ",",
                    "=",
                    "mode=0600",
                    "ro",
                    "size=1g",
                )
            ]
        ),
        max_size=8,
    ).map("".join)
    | st.text()
)
def test_a_mount_is_understood_or_refused(text: str) -> None:
    try:
        mounts.check_early(text)
        mounts.parse(text, lambda word: words.expand(word, {}))
    except UsageError:
        pass


@given(st.text("0123456789.-+hmsnuµ") | st.text())
def test_a_duration_is_understood_or_refused(text: str) -> None:
    try:
        assert abs(flags.duration(text)) < 2**63
    except UsageError:
        pass


@given(st.text("skiperrortue=;,all ") | st.text())
def test_a_choice_of_rules_is_understood_or_refused(text: str) -> None:
    try:
        rules.Choice(text)
    except UsageError:
        pass
