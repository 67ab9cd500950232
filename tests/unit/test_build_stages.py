"""Lines become stages of typed instructions; what is wrong is said in BuildKit's words, with its line."""

from typing import Any

import pytest

from minirun.build import dockerfile, stages
from minirun.build.dockerfile import DockerfileError
from minirun.build.stages import Arg, Env, From, Label, Metadata, Run
from minirun.errors import UsageError


def read(text: str) -> tuple[list[Arg], list[stages.Stage]]:
    return stages.stages(dockerfile.parse(text.encode()))


def instruction(text: str) -> Any:
    return read(f"FROM scratch\n{text}")[1][0].instructions[0]


def test_stages_begin_with_from_and_arguments_before_the_first_are_global() -> None:
    arguments, found = read("ARG V=1 W\nFROM a:$V AS One\nRUN x\nfrom --platform=$P scratch\nENV a=b\n")
    assert [one.pairs for one in arguments] == [[("V", "1"), ("W", None)]]
    assert [(one.index, one.name, one.base.image, one.base.platform) for one in found] == [
        (0, "one", "a:$V", ""),
        (1, "", "scratch", "$P"),
    ]
    assert [type(one) for stage in found for one in stage.instructions] == [Run, Env]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN make  all", {"command": "make  all", "script": "make  all", "file": None}),
        ('RUN ["make", "all"]', {"command": ["make", "all"], "script": ""}),
        ('RUN ["make" "all"]', {"command": '["make" "all"]'}),
        ("RUN --network=none x", {"network": "none", "security": "sandbox"}),
        ("RUN --network=default x", {"network": ""}),
        ("RUN --security=insecure x", {"security": "insecure"}),
        (
            "RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t x",
            {"mounts": ["type=cache,target=/c", "type=tmpfs,target=/t"]},
        ),
        ("RUN --device=vendor.com/class=name x", {"devices": ["vendor.com/class=name"]}),
        ("RUN <<EOF\na\nb\nEOF", {"command": "<<EOF", "script": "a\nb\n"}),
        ("RUN <<-EOF\n\ta\n\tEOF", {"script": "a\n"}),
        ("RUN cat <<A && cat <<'B'\na\nA\n$b\nB", {"script": "cat <<A && cat <<'B'\na\nA\n$b\nB"}),
        ("RUN python3 <<-EOF\n\ta\n\tEOF", {"script": "python3 <<-EOF\n\ta\nEOF"}),
    ],
)
def test_run(text: str, expected: dict[str, Any]) -> None:
    run = instruction(text)
    assert {key: getattr(run, key) for key in expected} == expected


def test_a_script_that_begins_with_an_interpreter_is_a_file() -> None:
    run = instruction("RUN <<EOF\n#!/bin/python3\nprint()\nEOF")
    assert run.file.name == "EOF"
    assert run.file.text == "#!/bin/python3\nprint()\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("COPY a b c/", {"sources": ["a", "b"], "target": "c/", "is_add": False, "unpack": None}),
        ('COPY ["a b", "c"]', {"sources": ["a b"], "target": "c"}),
        ("COPY --from=builder /a /b", {"source_stage": "builder"}),
        ("COPY --chown=a:b --chmod=u+x a b", {"chown": "a:b", "chmod": "u+x"}),
        ("COPY --link --parents a b", {"link": True, "parents": True}),
        ("COPY --link=false a b", {"link": False}),
        ("COPY --exclude=*.o --exclude=*.a a b", {"exclude": ["*.o", "*.a"]}),
        ("ADD --checksum=sha256:12 http://a b", {"is_add": True, "checksum": "sha256:12"}),
        ("ADD --keep-git-dir --unpack=false a b", {"keep_git_dir": True, "unpack": False}),
        ("ADD --unpack a b", {"unpack": True}),
    ],
)
def test_copy_and_add(text: str, expected: dict[str, Any]) -> None:
    copy = instruction(text)
    assert {key: getattr(copy, key) for key in expected} == expected


def test_the_body_of_a_here_document_is_a_source() -> None:
    copy = instruction("COPY x <<one <<-'two' /d/\n1\none\n\t$2\n\ttwo")
    assert copy.sources == ["x"]
    assert [(name, body.text, body.expand) for name, body in copy.files] == [
        ("one", "1\n", True),
        ("two", "$2\n", False),
    ]


@pytest.mark.parametrize(
    ("text", "kind", "pairs", "legacy"),
    [
        ("ENV a=b c='d e'", Env, [("a", "b"), ("c", "'d e'")], False),
        ("ENV a b  c", Env, [("a", "b  c")], True),
        ('LABEL "a b"=c d=', Label, [('"a b"', "c"), ("d", "")], False),
    ],
)
def test_pairs_are_as_written(text: str, kind: type, pairs: list[tuple[str, str]], legacy: bool) -> None:
    found = instruction(text)
    assert (type(found), found.pairs, found.legacy) == (kind, pairs, legacy)


def test_an_argument_may_have_a_default_that_is_empty() -> None:
    assert instruction("ARG a b= c='d e'").pairs == [("a", None), ("b", ""), ("c", "'d e'")]


def test_a_trigger_has_its_here_documents_with_it() -> None:
    found = instruction("ONBUILD RUN <<EOF\na\nEOF")
    assert isinstance(found, Metadata)
    assert found.text == "RUN <<EOF\na\nEOF"
    trigger = stages.one(found.text)
    assert isinstance(trigger, Run)
    assert trigger.script == "a\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM a:b c", "FROM requires either one or three arguments"),
        ("FROM a is b", "FROM requires either one or three arguments"),
        ("FROM", "FROM requires either one or three arguments"),
        (
            "FROM a AS 1b",
            'invalid name for build stage: "1b", name can\'t start with a number or contain symbols',
        ),
        ("FROM --foo=1 a", "unknown flag: --foo"),
        ("FROM --platfrom=1 a", "unknown flag: --platfrom (did you mean platform?)"),
        ("FORM a", "unknown instruction: FORM (did you mean FROM?)"),
        ("form a", "unknown instruction: form (did you mean from?)"),
        ("BADCMD a", "unknown instruction: BADCMD"),
        ("RUN x", "no build stage in current context: RUN is before the first FROM"),
        ("ARG", "ARG requires at least one argument"),
        ("ARG =1", "ARG names can not be blank"),
    ],
)
def test_what_is_wrong_with_the_first_line(text: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        read(text)
    assert caught.value.message == f"dockerfile parse error on line 1: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("RUN", "RUN requires at least one argument"),
        ("RUN []", "RUN requires at least one argument"),
        ("RUN [1]", "when using JSON array syntax, arrays must be comprised of strings only"),
        ("RUN --mont=a x", "unknown flag: --mont (did you mean mount?)"),
        ("RUN --network=a --network=b x", "duplicate flag specified: --network"),
        ("RUN --network x", "missing a value on flag: --network"),
        ("RUN --network=bridge x", 'invalid network mode "bridge"'),
        ("RUN --security=a x", 'security "a" is not valid'),
        ("RUN --mount=type=cach x", 'unsupported mount type "cach" (did you mean cache?)'),
        (
            "RUN --mount=from=$a,target=/b x",
            "'from' doesn't support variable expansion, define alias stage instead",
        ),
        (
            "COPY a",
            "COPY requires at least two arguments, but only one was provided. Destination could not be determined",
        ),
        ("COPY a <<EOF\nb\nEOF", "COPY cannot accept a heredoc as a destination"),
        (
            "COPY --from=$a b c",
            "variable expansion is not supported for --from, define a new stage with FROM using ARG from global "
            "scope as a workaround",
        ),
        ("COPY --link=yes a b", "expecting boolean value for flag --link, not: yes"),
        ("COPY --link= a b", "missing a value on flag: --link"),
        ("ADD --from=a b c", "unknown flag: --from"),
        ("COPY --checksum=a b c", "unknown flag: --checksum"),
        ("ENV", "ENV requires at least one argument"),
        ("ENV a", "ENV must have two arguments"),
        ("LABEL a=b c", 'Syntax error - can\'t find = in "c". Must be of the form: name=value'),
        ("ENV --x a=b", "unknown flag: --x"),
        ("EXPOSE", "EXPOSE requires at least one argument"),
        ("USER", "USER requires exactly one argument"),
        ("VOLUME", "VOLUME requires at least one argument"),
        ('VOLUME ["", "a"]', "VOLUME specified can not be an empty string"),
        ("SHELL /bin/bash", "SHELL requires the arguments to be in JSON form: /bin/bash"),
        ("SHELL []", "SHELL requires at least one argument"),
        ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
        ("HEALTHCHECK curl x", 'Unknown type "CURL" in HEALTHCHECK (try CMD)'),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK --interval=1us CMD x", 'Interval "interval" cannot be less than 1ms'),
        ("HEALTHCHECK --interval=5 CMD x", 'time: invalid duration "5"'),
        ("HEALTHCHECK --retries=-1 CMD x", "--retries cannot be negative (-1)"),
        ("HEALTHCHECK --retries=x CMD x", 'invalid number of retries "x"'),
        ("HEALTHCHECK --foo=x CMD x", "unknown flag: --foo"),
        ("ONBUILD", "ONBUILD requires at least one argument"),
        ("ONBUILD ONBUILD RUN a", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("ONBUILD FROM a", "FROM isn't allowed as an ONBUILD trigger"),
        ("ONBUILD ENV a", "ENV must have two arguments"),
    ],
)
def test_what_is_wrong_with_an_instruction(text: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        instruction(text)
    assert caught.value.message == f"dockerfile parse error on line 2: {message}"
    assert caught.value.line == 2


def test_a_file_of_arguments_alone_has_no_stage() -> None:
    with pytest.raises(DockerfileError) as caught:
        read("ARG a=1")
    assert caught.value.message == "dockerfile contains no stages to build"


@pytest.mark.parametrize("text", ["RUN a\nRUN b", "FROM a", "MAINTAINER a", "ONBUILD RUN x", "", "FOO"])
def test_a_trigger_is_one_instruction_of_a_kind_that_is_allowed(text: str) -> None:
    with pytest.raises(UsageError):
        stages.one(text)


def test_the_line_of_an_error_is_that_of_the_instruction() -> None:
    with pytest.raises(DockerfileError) as caught:
        read("# a\nFROM a\n\nRUN b \\\n # c\n d\nCOPY \\\n e\n")
    assert (caught.value.line, caught.value.end) == (7, 8)
    assert isinstance(read("FROM a")[1][0].base, From)
