"""`minirun build`: its words, and what it shows of what came of a build."""

import io
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from minirun.build.options import BuildOptions
from minirun.build.progress import Progress, Vertex, Warning
from minirun.build.source import BuildError, Source
from minirun.cli import build, build_options, flag_values
from minirun.cli.commands import Session
from minirun.errors import MinirunError, UsageError

FILE = Source("Dockerfile", "FROM busybox as x\nRUN false\n")
FINDING = Warning(
    "FromAsCasing", "'as' and 'FROM' keywords' casing do not match", "https://x/y", (1, 1), "Dockerfile"
)


def parsed(*args: str) -> BuildOptions:
    """The options of `build ARGS`."""

    @click.command()
    @build_options.add
    def command(context: str, **words: Any) -> BuildOptions:
        return build_options.parse(context, words)

    made: BuildOptions = command.main(list(flag_values.spell_out(command, args)), standalone_mode=False)
    return made


def test_the_guides_line() -> None:
    options = parsed("-t", "myapp:1.0.0", ".")
    assert (options["context"], options["tags"]) == (".", ["myapp:1.0.0"])


def test_options_may_come_after_the_context() -> None:
    assert parsed(".", "-t", "a", "-f", "x/Dockerfile")["dockerfile"] == "x/Dockerfile"


@pytest.mark.parametrize(
    ("args", "name", "value"),
    [
        (["--pull"], "pull", True),
        (["--pull=true"], "pull", True),
        (["--pull=false"], "pull", False),
        (["--no-cache=1"], "no_cache", True),
        (["-q=true"], "quiet", True),
        (["--check"], "call", "check"),
        (["--call", "outline"], "call", "outline"),
        (["--progress=plain"], "progress", "plain"),
        (["--shm-size", "64m"], "shm_size", 64 << 20),
        (["--ulimit", "nofile=1:2"], "rlimits", [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}]),
        (
            ["-m", "64m", "-c", "512"],
            "resources",
            {"memory": {"limit": 64 << 20, "swap": 128 << 20}, "cpu": {"shares": 512}},
        ),
        (["--add-host", "a:1.2.3.4,b=1.2.3.5"], "extra_hosts", [["a", "1.2.3.4"], ["b", "1.2.3.5"]]),
        (["--label", "a=b", "--label", "c"], "labels", {"a": "b", "c": ""}),
        (["--no-cache-filter", "a,b"], "no_cache_filter", ["a", "b"]),
        (["--annotation", "a=b"], "annotations", [("manifest", "a", "b")]),
        (["--build-context", "src=../x"], "build_contexts", {"src": "../x"}),
        (["--build-arg", "t=--pull=true"], "build_args", {"t": "--pull=true"}),
        (["-t", "--", "--"], "tags", ["--"]),
    ],
)
def test_words_become_options(
    args: list[str], name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minirun.build.options.check", lambda options: None)
    assert dict(parsed(*args, "."))[name] == value


@pytest.mark.parametrize(
    "words",
    [
        "--rm --force-rm --compress --isolation default --disable-content-trust",
        "--rm=false --builder default --provenance=false --sbom=false",
        "--attest type=provenance,disabled=true -D",
    ],
)
def test_what_has_nothing_to_do_here_is_accepted(words: str) -> None:
    parsed(*words.split(), ".")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("--sbom=true", "no attestations"),
        ("--provenance mode=max", "no attestations"),
        ("--cache-to type=s3,bucket=b", "no cache of type 's3'"),
        ("--progress loud", "invalid --progress"),
        ("--network mynet", "run in one of"),
        ("--allow everything", "invalid --allow"),
        ("--on-error debugger", "invalid --on-error"),
    ],
)
def test_what_cannot_be_done_is_refused(words: str, why: str) -> None:
    with pytest.raises(MinirunError, match=why):
        parsed(*words.split(), ".")


def test_the_environment_says_how_progress_is_shown_where_no_word_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BUILDKIT_PROGRESS", "plain")
    assert parsed(".")["progress"] == "plain"
    assert parsed("--progress", "rawjson", ".")["progress"] == "rawjson"
    assert parsed("-q", ".")["quiet"]


# ---- what is shown ----------------------------------------------------------------------------------------


class Outcome:
    """Of a build that made an image."""

    image_id = "sha256:1234"
    metadata = {"containerimage.config.digest": "sha256:1234"}  # noqa: RUF012
    warnings: list[Warning] = []  # noqa: RUF012
    source = FILE
    report = "TARGET: x"
    explanation: list[str] = []  # noqa: RUF012


class Fake:
    """A build that only tells of one step; `outcome` is what comes of it, or is raised."""

    def __init__(self, outcome: Outcome | Exception) -> None:
        self.outcome = outcome

    def __call__(self, paths: object, options: BuildOptions, progress: Progress) -> Outcome:
        vertex = Vertex("[1/2] FROM docker.io/library/busybox:latest")
        progress.cached(vertex)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(str(tmp_path / "root"), str(tmp_path / "state"))


def test_progress_goes_to_standard_error(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert build.run(session, parsed("."), Fake(Outcome())) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "#1 [1/2] FROM docker.io/library/busybox:latest\n#1 CACHED\n")


@pytest.mark.parametrize("word", ["-q", "--progress=quiet"])
def test_quiet_prints_the_id(word: str, session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    build.run(session, parsed(word, "."), Fake(Outcome()))
    assert capsys.readouterr() == ("sha256:1234\n", "")


def test_the_id_and_what_was_made_are_written_to_files(session: Session, tmp_path: Path) -> None:
    iid, metadata = tmp_path / "iid", tmp_path / "metadata"
    build.run(session, parsed("--iidfile", str(iid), "--metadata-file", str(metadata), "."), Fake(Outcome()))
    assert iid.read_text() == "sha256:1234"
    assert iid.stat().st_mode & 0o777 == 0o644
    assert '"containerimage.config.digest": "sha256:1234"' in metadata.read_text()


def test_an_old_id_does_not_outlive_a_build_that_fails(session: Session, tmp_path: Path) -> None:
    iid = tmp_path / "iid"
    iid.write_text("sha256:old")
    build.run(session, parsed("--iidfile", str(iid), "."), Fake(BuildError("no")))
    assert not iid.exists()


def test_a_failing_step_is_shown_in_its_file(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    error = BuildError(
        'process "/bin/sh -c false" did not complete successfully: exit code: 1', "", FILE, (2, 2)
    )
    assert build.run(session, parsed("."), Fake(error)) == 1
    assert capsys.readouterr().err.splitlines()[2:] == [
        *("Dockerfile:2", "--------------------", "   1 |     FROM busybox as x", "   2 | >>> RUN false"),
        "--------------------",
        'ERROR: failed to solve: process "/bin/sh -c false" did not complete successfully: exit code: 1',
    ]


def test_warnings_follow_a_build(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome()
    outcome.warnings = [FINDING]
    assert build.run(session, parsed("."), Fake(outcome)) == 0
    assert capsys.readouterr().err.splitlines()[2:] == [
        *("", " 1 warning found (use --debug to expand):"),
        " - FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)",
    ]


def test_with_debug_they_are_explained() -> None:
    lines = build.warnings([FINDING, FINDING], FILE, expand=True)
    assert lines[1] == " 2 warnings found:"
    assert lines[3:5] == ["More info: https://x/y", "Dockerfile:1"]


def test_check_prints_what_was_found_and_returns_1(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = Outcome()
    outcome.warnings = [FINDING]
    assert build.run(session, parsed("--check", "."), Fake(outcome)) == 1
    assert capsys.readouterr().out.splitlines()[:5] == [
        *("Check complete, 1 warning has been found!", "", "WARNING: FromAsCasing - https://x/y"),
        *("'as' and 'FROM' keywords' casing do not match", "Dockerfile:1"),
    ]


def test_check_without_findings(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert build.run(session, parsed("--check", "."), Fake(Outcome())) == 0
    assert capsys.readouterr().out == "Check complete, no warnings found.\n"


def test_hints_come_after_warnings_and_fail_nothing(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = Outcome()
    outcome.warnings = [Warning("hint:RootUser", "it runs as root", lines=(1, 1))]
    assert build.run(session, parsed("--check", "."), Fake(outcome)) == 0
    assert capsys.readouterr().out.splitlines()[:4] == [
        *("Check complete, no warnings found.", "", "HINT: RootUser", "it runs as root"),
    ]
    lines = build.findings([*outcome.warnings, FINDING], FILE)
    assert lines[0] == "Check complete, 1 warning has been found!"
    assert lines.index("WARNING: FromAsCasing - https://x/y") < lines.index("HINT: RootUser")


def test_check_as_json(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome()
    outcome.warnings = [FINDING]
    build.run(session, parsed("--call", "check,format=json", "."), Fake(outcome))
    assert '"ruleName": "FromAsCasing"' in capsys.readouterr().out


def test_other_calls_print_their_report(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert build.run(session, parsed("--call", "targets", "."), Fake(Outcome())) == 0
    assert capsys.readouterr().out == "TARGET: x\n"


def test_no_archive_is_written_to_a_terminal(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", screen)
    with pytest.raises(UsageError, match="refusing to write an archive to a terminal"):
        build.run(session, parsed("-o", "-", "."), Fake(Outcome()))
