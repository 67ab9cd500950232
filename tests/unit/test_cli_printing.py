import io
import sys

import pytest

from minirun.cli import format, printing, ps

HOSTILE = "a\x1b[2Jb\nc"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_shown_what_it_would_have_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", screen := Screen())
    printing.say(HOSTILE)
    assert screen.getvalue() == "a\\x1b[2Jb\nc\n"


def test_a_newline_in_a_name_does_not_begin_a_line_of_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", screen := Screen())
    printing.say_line(HOSTILE)
    assert screen.getvalue() == "a\\x1b[2Jb\\nc\n"


def test_a_program_behind_a_pipe_gets_the_words_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    printing.say(HOSTILE)
    printing.say_line(HOSTILE)
    assert capsys.readouterr().out == f"{HOSTILE}\n" * 2


@pytest.mark.parametrize("form", ["", "table {{.Name}}\t{{.Size}}"])
def test_a_cell_stays_in_its_column(form: str) -> None:
    rows = [{"Name": "a\x1b[2J\n\tb", "Size": "1"}]
    lines = list(format.lines(rows, form, {"Name": "NAME", "Size": "SIZE"}, ["Name", "Size"]))
    assert lines == ["NAME            SIZE", "a\\x1b[2J\\n\\tb   1"]


def test_ps_quotes_a_command_as_go_does() -> None:
    assert ps.shown_command('say "hi"\n\\x\x1b[2J é', whole=True) == '"say \\"hi\\"\\n\\\\x\\x1b[2J é"'
