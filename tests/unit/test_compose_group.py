"""`minirun compose`: what stands before its commands."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from minirun.cli import command_table
from minirun.cli.commands import Session
from minirun.cli.compose.group import Compose, compose_group
from minirun.cli.compose.table import COMMANDS
from minirun.errors import NotFoundError, UsageError


def invoke(*words: str):
    return CliRunner().invoke(compose_group, words, obj=Session())


def test_without_a_command_it_shows_what_there_is():
    done = invoke()
    assert (done.exit_code, "Commands:" in done.output) == (0, True)


@pytest.mark.parametrize("words", [["nope"], ["version", "--nope"], ["--ansi", "blue", "version"]])
def test_a_wrong_command_line_exits_with_1(words: list[str]):
    assert invoke(*words).exit_code == 1


def test_dry_run_may_stand_behind_the_command():
    assert invoke("version", "--dry-run", "--short").exit_code == 0


def test_a_warning_is_shown_once(capsys: pytest.CaptureFixture[str]):
    compose = Compose(Session())
    compose.warn("X is not set")
    compose.warn("X is not set")
    assert capsys.readouterr().err == "WARN[0000] X is not set\n"


def test_the_limit_of_the_environment_counts_where_no_option_does(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COMPOSE_PARALLEL_LIMIT", "3")
    assert (Compose(Session()).parallel, Compose(Session(), parallel=5).parallel) == (3, 5)


def test_a_limit_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COMPOSE_PARALLEL_LIMIT", "x")
    with pytest.raises(UsageError, match="must be an integer"):
        _ = Compose(Session()).parallel


def test_the_projects_env_file_counts_where_the_environment_says_nothing(tmp_path: Path):
    (tmp_path / ".env").write_text("COMPOSE_PARALLEL_LIMIT=7\nCOMPOSE_ANSI=always\n")
    compose = Compose(Session(), project_directory=str(tmp_path))
    assert (compose.parallel, compose.ansi, compose.colours()) == (7, "always", True)


def test_a_project_that_is_named_needs_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    compose = Compose(Session(), project_name="demo")
    assert (compose.name(), compose.load_if_asked()) == ("demo", None)


def test_a_project_without_a_file_is_not_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFoundError, match="no configuration file provided"):
        Compose(Session()).name()


def test_what_is_doubtful_in_the_files_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "compose.yaml").write_text("services: {web: {image: 'busybox:$NOT_SET'}}\n")
    Compose(Session(), project_directory=str(tmp_path)).load()
    assert 'The "NOT_SET" variable is not set' in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_is_there(name: str):
    place, about = COMMANDS[name]
    assert (command_table.load(place).name, bool(about)) == (name, True)
