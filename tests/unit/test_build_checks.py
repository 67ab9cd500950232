"""Docker's build checks, as dockerfile_lint_test of moby/buildkit has them; and hints of our own."""

from typing import Any

import pytest

from minirun.build import checks, dockerfile, rules
from minirun.build.ignore import Ignore
from minirun.errors import UsageError


def read(text: str) -> dockerfile.Dockerfile:
    return dockerfile.parse(text.encode())


def found(text: str, **facts: Any) -> list[tuple[str, int, str]]:
    facts.setdefault("platform", "linux/amd64")
    return [(one.rule, one.lines[0], one.message) for one in checks.check(read(text), **facts)]


@pytest.mark.parametrize(
    ("text", "rule", "line", "message"),
    [
        ("FROM scratch AS Bad", "StageNameCasing", 1, "Stage name 'Bad' should be lowercase"),
        ("FROM scratch as b", "FromAsCasing", 1, "'as' and 'FROM' keywords' casing do not match"),
        ("from scratch AS b", "FromAsCasing", 1, "'AS' and 'from' keywords' casing do not match"),
        ("FROM scratch\nCOPY a \\\n\nb", "NoEmptyContinuation", 4, "Empty continuation line"),
        (
            "FROM scratch\ncopy a b\nCOPY a b",
            "ConsistentInstructionCasing",
            2,
            "Command 'copy' should match the case of the command majority (uppercase)",
        ),
        (
            "from scratch\nCopy a b",
            "ConsistentInstructionCasing",
            2,
            "Command 'Copy' should match the case of the command majority (lowercase)",
        ),
        (
            "FROM scratch AS b\nFROM scratch AS b",
            "DuplicateStageName",
            2,
            'Duplicate stage name "b", stage names should be unique',
        ),
        (
            "FROM a:1 AS scratch",
            "ReservedStageName",
            1,
            'Stage name should not use the same name as reserved stage "scratch"',
        ),
        (
            "FROM scratch\nCMD a",
            "JSONArgsRecommended",
            2,
            "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
        ),
        (
            "FROM scratch\nENTRYPOINT a",
            "JSONArgsRecommended",
            2,
            "JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to OS signals",
        ),
        (
            "FROM scratch\nMAINTAINER me",
            "MaintainerDeprecated",
            2,
            "Maintainer instruction is deprecated in favor of using label",
        ),
        (
            "FROM --platform=$BULIDPLATFORM scratch",
            "UndefinedArgInFrom",
            1,
            "FROM argument 'BULIDPLATFORM' is not declared (did you mean BUILDPLATFORM?)",
        ),
        (
            "ARG tag=1\nFROM busybox:${tag}${version} AS b",
            "UndefinedArgInFrom",
            2,
            "FROM argument 'version' is not declared",
        ),
        (
            "FROM scratch\nWORKDIR app/",
            "WorkdirRelativePath",
            2,
            'Relative workdir "app/" can have unexpected results if the base image changes',
        ),
        (
            "FROM scratch\nCOPY $foo .\nARG foo=bar\nRUN echo $foo",
            "UndefinedVar",
            2,
            "Usage of undefined variable '$foo'",
        ),
        (
            "FROM alpine\nARG DIR_BINARIES=b/\nARG DIR_ASSETS=a/\nARG DIR_CONFIG=c/\nCOPY $DIR_ASSET .",
            "UndefinedVar",
            5,
            "Usage of undefined variable '$DIR_ASSET' (did you mean $DIR_ASSETS?)",
        ),
        (
            "FROM alpine\nENV PATH=$PAHT:/tmp/bin",
            "UndefinedVar",
            2,
            "Usage of undefined variable '$PAHT' (did you mean $PATH?)",
        ),
        (
            "FROM scratch\nCOPY <<EOF /a\nit's $b\nEOF",
            "UndefinedVar",
            2,
            "Usage of undefined variable '$b'",
        ),
        (
            "FROM scratch\nRUN --mount=type=cache,target=$c true",
            "UndefinedVar",
            2,
            "Usage of undefined variable '$c'",
        ),
        (
            'FROM scratch\nCMD ["a"]\nCMD ["b"]',
            "MultipleInstructionsDisallowed",
            2,
            "Multiple CMD instructions should not be used in the same stage because only the last one will be used",
        ),
        (
            "FROM scratch\nENV a b",
            "LegacyKeyValueFormat",
            2,
            '"ENV key=value" should be used instead of legacy "ENV key value" format',
        ),
        (
            "FROM scratch\nLABEL a b",
            "LegacyKeyValueFormat",
            2,
            '"LABEL key=value" should be used instead of legacy "LABEL key value" format',
        ),
        (
            "FROM --platform=${TARGETPLATFORM} scratch",
            "RedundantTargetPlatform",
            1,
            "Setting platform to predefined ${TARGETPLATFORM} in FROM is redundant as this is the default behavior",
        ),
        (
            "FROM --platform=linux/amd64 scratch",
            "FromPlatformFlagConstDisallowed",
            1,
            'FROM --platform flag should not use constant value "linux/amd64"',
        ),
        (
            "ARG VERSION\nFROM busybox:$VERSION",
            "InvalidDefaultArgInFrom",
            2,
            "Default value for ARG busybox:$VERSION results in empty or invalid base image name",
        ),
        (
            "FROM scratch\nEXPOSE 80/TCP",
            "ExposeProtoCasing",
            2,
            "Defined protocol '80/TCP' in EXPOSE instruction should be lowercase",
        ),
        (
            "FROM scratch\nEXPOSE 127.0.0.1:80:80",
            "ExposeInvalidFormat",
            2,
            "EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'",
        ),
    ],
)
def test_a_rule(text: str, rule: str, line: int, message: str) -> None:
    assert found(text) == [(rule, line, message)]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("ARG SECRET_PASSPHRASE", 'ARG "SECRET_PASSPHRASE"'),
        ("ENV SUPER_Secret=foo", 'ENV "SUPER_Secret"'),
        ("ARG auth=bar", 'ARG "auth"'),
        ("ENV git_key=", 'ENV "git_key"'),
        ("ENV PUBLIC_KEY=", ""),
        ("ARG public_token", ""),
        ("ENV KEY_FILE=", ""),
        ("ENV sunflower=foo keyboard=a", ""),
    ],
)
def test_names_of_secrets(line: str, name: str) -> None:
    message = f"Do not use ARG or ENV instructions for sensitive data ({name})"
    assert found(f"FROM scratch\n{line}") == ([("SecretsUsedInArgOrEnv", 2, message)] if name else [])


@pytest.mark.parametrize(
    "text",
    [
        "FROM scratch\nCOPY Dockerfile .",
        "from scratch\ncopy Dockerfile /a\n",
        "FROM scratch\nRUN <<'EOT'\nenv\nEOT",
        "FROM scratch\nFROM scratch AS a",
        'FROM scratch\nSHELL ["/a"]\nCMD b\nENTRYPOINT b',
        'FROM scratch AS base\nSHELL ["/a"]\nFROM base\nCMD b',
        "ARG base=scratch\nFROM $base",
        "ARG BUILDPLATFORM=linux/amd64\nFROM --platform=$BUILDPLATFORM scratch",
        "FROM --platform=$BUILDPLATFORM scratch",
        "ARG DEBUG\nFROM scratch${DEBUG}",
        'ARG DEBUG=""\nFROM scratch${DEBUG-@bogus}',
        "FROM scratch AS a\nWORKDIR /app\nFROM a AS b\nWORKDIR sub/",
        "FROM scratch\nARG foo\nCOPY Dockerfile${foo} .",
        "FROM alpine AS base\nARG foo=Dockerfile\nFROM base\nCOPY $foo .",
        'FROM alpine\nRUN echo $NONE\nCMD ["$NONE"]\nENV JAVA=$JAVA_HOME PATH=$PATH:/x',
        'FROM scratch AS a\nCMD ["a"]\nFROM a\nCMD ["b"]',
        "FROM --platform=linux/amd64 scratch AS my_amd64_stage",
        'ARG V="latest"\nFROM busybox:${V}',
        "FROM scratch AS base\nCOPY a /b\nFROM base\nCOPY --from=base /b /a",
        "# bad\nARG foo=bar\nFROM scratch",
    ],
)
def test_nothing_is_wrong(text: str) -> None:
    assert found(text) == []


def test_a_comment_that_describes_nothing_is_told_when_that_is_asked_for() -> None:
    text = """# check=experimental=InvalidDefinitionDescription
# bar this is the bar
ARG foo=bar
# BasE this is the base
FROM scratch AS base
# definitely bad
ARG foo=baz bar=qux
# baz

ARG version=latest
# version of it
ARG version=latest
# something else
COPY Dockerfile .
"""
    assert [(line, message.partition("`")[2]) for _, line, message in found(text)] == [
        (3, "# foo <description>`"),
        (5, "# base <description>`"),
        (7, "# <arg_key> <description>`"),
    ]


@pytest.mark.parametrize(
    ("directive", "expected"),
    [
        ("skip=all", []),
        ("skip=all;error=true", []),
        ("skip=ConsistentInstructionCasing,FromAsCasing", []),
        ("skip=ConsistentInstructionCasing", ["FromAsCasing"]),
        ("error=true", ["FromAsCasing", "ConsistentInstructionCasing"]),
    ],
)
def test_rules_are_left_out_on_request(directive: str, expected: list[str]) -> None:
    text = f"#check={directive}\nFROM scratch as base\ncopy Dockerfile ."
    assert [rule for rule, _, _ in found(text)] == expected


def test_the_build_argument_overrides_the_file() -> None:
    text = "#check=skip=all\nFROM scratch as base"
    given = {"BUILDKIT_DOCKERFILE_CHECK": "error=true"}
    warnings = checks.check(read(text), build_args=given)
    assert checks.failure(read(text), warnings, given) == "lint violation found for rules: FromAsCasing"
    assert checks.failure(read(text), warnings) == ""


def test_a_comment_above_an_instruction_takes_rules_away_from_it() -> None:
    text = "FROM scratch\n# check=skip=SecretsUsedInArgOrEnv\nARG A_KEY\n# check=nonsense\nARG B_KEY"
    assert [line for _, line, _ in found(text)] == [5]


@pytest.mark.parametrize("text", ["skip", "foo=bar", "error=maybe", "skip=all;;"])
def test_a_choice_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="check option"):
        rules.Choice(text)


def test_what_stands_before_a_mistake_is_told() -> None:
    assert [rule for rule, _, _ in found("FROM scratch AS Bad\nMAINTAINER me\nBADCMD")] == [
        "StageNameCasing",
        "MaintainerDeprecated",
    ]


def test_only_the_stages_that_are_built_are_told_of() -> None:
    text = "FROM scratch AS a\nENV a b\nFROM a\nENV c d\nCOPY $a /"
    assert [line for _, line, _ in found(text, only={1})] == [4]
    assert [line for _, line, _ in found(text)] == [2, 4]


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ({"config": {"Env": ["JAVA_HOME=/j"]}}, []),
        ({"config": {}}, ["UndefinedVar"]),
        ({"config": {"Env": ["JAVA_HOME=/j"], "Shell": ["/a"]}}, []),
        ({"config": {"Env": ["JAVA_HOME=/j"]}, "architecture": "arm64"}, ["InvalidBaseImagePlatform"]),
    ],
)
def test_what_is_known_of_a_base(base: dict[str, Any], expected: list[str]) -> None:
    base = {"os": "linux", "architecture": "amd64", **base}
    rules_found = found("FROM java:1\nENV PATH=$JAVA_HOME/bin", bases={"java:1": base})
    assert [rule for rule, _, _ in rules_found] == expected


def test_the_platform_of_a_base_is_compared_with_the_builds() -> None:
    base = {"os": "linux", "architecture": "arm64", "config": {}}
    assert found("FROM a:1", bases={"a:1": base}) == [
        (
            "InvalidBaseImagePlatform",
            1,
            'Base image a:1 was pulled with platform "linux/arm64", expected "linux/amd64" for current build',
        )
    ]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["Dockerfile"], ["Copy", "Add"]),
        (["*"], ["Copy", "Add"]),
        (["*", "!Dockerfile"], []),
        (["foo"], []),
    ],
)
def test_a_file_that_is_ignored_cannot_be_copied(patterns: list[str], expected: list[str]) -> None:
    text = "FROM scratch AS b\nCOPY ./Dockerfile .\nADD Dockerfile /w\nCOPY . /all\nCOPY --from=b /foo /f"
    assert [message for _, _, message in found(text, ignore=Ignore(patterns))] == [
        f'Attempting to {verb} file "Dockerfile" that is excluded by .dockerignore' for verb in expected
    ]


def test_every_rule_has_its_page() -> None:
    assert rules.url("FromPlatformFlagConstDisallowed").endswith("/from-platform-flag-const-disallowed/")
    assert len(rules.RULES) == 22


# ---- hints ------------------------------------------------------------------------------------------------


def hints(text: str, **facts: Any) -> list[tuple[str, int, str]]:
    return [(one.rule, one.lines[0], one.message) for one in checks.hint(read(text), **facts)]


@pytest.mark.parametrize(
    ("text", "rule", "line", "words"),
    [
        ("FROM alpine\nUSER a", "UnpinnedImage", 1, "alpine is another image after each release"),
        ("FROM alpine:latest\nUSER a", "UnpinnedImage", 1, "alpine:latest is"),
        ("FROM a:1\nCOPY --from=busybox /a /b\nUSER a", "UnpinnedImage", 2, "busybox is"),
        ("FROM a:1\nRUN a\nRUN b\nRUN c\nUSER a", "ChainedRuns", 2, "3 RUN lines make 3 layers"),
        ("FROM a:1\nRUN a", "RootUser", 1, "no USER says otherwise"),
        ("FROM a:1\nUSER a\nUSER root", "RootUser", 3, "the last USER should be another one"),
        ("FROM a:1\nUSER 0:0", "RootUser", 2, "the last USER should be another one"),
        (
            "FROM a:1\nCOPY . .\nRUN pip install --no-cache-dir -r requirements.txt\nUSER a",
            "CopyBeforeInstall",
            2,
            "any change of the source runs `pip install` again: copy requirements.txt and run it, then copy the rest",
        ),
        ("FROM a:1\nADD ./ /a\nRUN cd a && npm ci\nUSER a", "CopyBeforeInstall", 2, "package.json"),
        (
            "FROM a:1\nCOPY . .\nRUN apt-get update && apt-get -y install x\nUSER a",
            "CopyBeforeInstall",
            2,
            "before",
        ),
    ],
)
def test_a_hint(text: str, rule: str, line: int, words: str) -> None:
    [(its_rule, its_line, message)] = hints(text)
    assert (its_rule, its_line) == (f"hint:{rule}", line)
    assert words in message


@pytest.mark.parametrize(
    "text",
    [
        "FROM a:1@sha256:" + "0" * 64 + "\nUSER a",
        "FROM a:1 AS b\nRUN x\nRUN y\nFROM a:2\nCOPY --from=b /x /\nUSER 1",
        "FROM a:1 AS b\nFROM b\nUSER a",
        "ARG V=3\nFROM a:$V\nUSER a",
        'FROM a:1\nRUN a\nRUN ["b"]\nRUN --network=none c\nUSER a',
        "FROM gcr.io/distroless/static:nonroot",
        "FROM a:1\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\nCOPY . .\nUSER a",
        "FROM a:1\nCOPY . .\nRUN pip install . && yarn build && npm install -g x\nUSER a",
        "FROM latest-of-a-stage-that-is-not-built AS x\nFROM a:1\nUSER a",
    ],
)
def test_no_hint(text: str) -> None:
    assert hints(text) == []


def test_the_user_of_a_base_that_is_known_counts() -> None:
    assert hints("FROM a:1", bases={"a:1": {"config": {"User": "app"}}}) == []
    assert [rule for rule, _, _ in hints("FROM a:1", bases={"a:1": {"config": {"User": "root"}}})] == [
        "hint:RootUser"
    ]


def test_a_hint_fails_no_build() -> None:
    file = read("# check=error=true\nFROM alpine")
    assert checks.failure(file, checks.hint(file)) == ""


GUIDE = """FROM python:3.11-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
EXPOSE 8000
RUN adduser --disabled-password appuser
USER appuser
CMD ["python", "main.py"]
"""


def test_a_file_that_follows_the_guide_is_clean() -> None:
    assert found(GUIDE) + hints(GUIDE) == []
