"""The one printer of errors: what a person sees of `minirun` and of `minirun-oci`."""

import pytest

from minirun import errors
from minirun.cli import failures
from minirun.errors import InitError, MinirunError, ProgramNotFound, ProgramNotInvocable
from minirun.linux.syscalls import SyscallError


def test_step_and_hint_have_lines_of_their_own() -> None:
    error = InitError("mounts", "mount(2)", 22, "/proc", "look at it")
    assert failures.lines("minirun", error) == [
        "minirun: mount(2) /proc: Invalid argument",
        "  while: mounts",
        "  hint:  look at it",
    ]


def test_a_log_gets_the_step_in_the_same_line_and_no_hint() -> None:
    error = InitError("mounts", "mount(2)", 22, "/proc", "look at it")
    assert failures.one_line(error) == "mount(2) /proc: Invalid argument (while: mounts)"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(13, "Permission denied", "/x"), "/x: Permission denied"),
        (OSError(13, "Permission denied"), "Permission denied"),
        (SyscallError(13, "mount", "/x"), "mount(2) /x: Permission denied"),
        (MinirunError("no"), "no"),
        (IndexError("list index out of range"), "minirun has made a mistake: list index out of range"),
    ],
)
def test_the_sentence_has_no_number_or_name_of_python(error: Exception, sentence: str) -> None:
    assert errors.sentence(error) == sentence


def test_a_word_of_a_hundred_thousand_letters_is_quoted_in_part() -> None:
    (line,) = failures.lines("minirun", MinirunError(f"unable to find user {'x' * 120_000}: no entry"))
    assert len(line) < 2100
    assert line.startswith("minirun: unable to find user xxx")
    assert line.endswith("xxx: no entry")


def test_a_terminal_is_not_sent_what_an_error_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    failures.show("minirun", MinirunError("\x1b[2J", "\x07"))
    assert capsys.readouterr().err == "minirun: \\x1b[2J\n  hint:  \\x07\n"


def test_debug_puts_a_traceback_before_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise MinirunError("no")
    except MinirunError as error:
        failures.show("minirun", error, debug=True)
    first, *_, last = capsys.readouterr().err.splitlines()
    assert (first, last) == ("Traceback (most recent call last):", "minirun: no")


def test_debug_shows_where_a_mistake_of_ours_was_made(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        int("x")
    except ValueError as error:
        failures.show("minirun", errors.unforeseen(error), debug=True)
    assert 'int("x")' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"), [(ProgramNotFound("x"), 127), (ProgramNotInvocable("x"), 126), (MinirunError("x"), 1)]
)
def test_the_exit_code_is_a_shells_where_the_program_is_to_blame(error: Exception, code: int) -> None:
    assert failures.exit_code(error, otherwise=1) == code
