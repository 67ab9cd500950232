"""Progress: bars on a real terminal (a pty), read as the terminal would show them; plain lines elsewhere."""

import io
import re
import sys

import pytest

from minirun.cli import progress
from tests.support import CHECKOUT
from tests.terminals import Terminal

_CONTROL = re.compile(r"\x1b\[(\d*)([A-Za-z])|\x1b\[\?25([hl])|([\r\n])")


class Screen:
    """What a terminal shows after `output`: the few sequences that the bars use, on lines without end."""

    def __init__(self, output: str) -> None:
        self.lines, self.row, self.column, self.cursor = [""], 0, 0, True
        self.frames = output.count("\x1b[1A")
        at = 0
        for match in _CONTROL.finditer(output):
            self._write(output[at : match.start()])
            self._obey(match)
            at = match.end()
        self._write(output[at:])
        self.shown = [line.rstrip() for line in self.lines if line.strip()]

    def _write(self, text: str) -> None:
        line = self.lines[self.row]
        self.lines[self.row] = line[: self.column].ljust(self.column) + text + line[self.column + len(text) :]
        self.column += len(text)

    def _obey(self, match: re.Match[str]) -> None:
        number, letter, cursor, plain = match.groups()
        if plain == "\r":
            self.column = 0
        elif plain == "\n":
            self.row += 1
            self.lines += [""] * (self.row == len(self.lines))
        elif cursor:
            self.cursor = cursor == "h"
        elif letter == "A":
            self.row -= int(number)
        elif letter == "K":
            self.lines[self.row] = ""


def terminal(code: str, *, term: str = "xterm", **size: int) -> Terminal:
    """A program in a terminal: `code` has `news`, the Progress of its standard output, in a with block."""
    body = "\n".join(f"    {line}" for line in code.splitlines())
    program = (
        f"import sys, time\nfrom minirun.cli.progress import show\nwith show(sys.stdout) as news:\n{body}"
    )
    variables = [f"TERM={term}", f"PYTHONPATH={CHECKOUT}"]
    return Terminal(["env", *variables, sys.executable, "-c", program], **size)


def seen(code: str, **size: int) -> Screen:
    """The screen at its end."""
    with terminal(code, **size) as shown:
        _, output = shown.wait()
        return Screen(output)


TWO_LAYERS = """
news.say("latest: Pulling from me/tool")
news.layer("aaaaaaaaaaaa", "Pulling fs layer")
news.layer("bbbbbbbbbbbb", "Already exists")
for done in range(0, 101):
    news.advance("aaaaaaaaaaaa", "Downloading", done * 1000, 100_000)
    time.sleep(0.003)
"""


def test_the_last_picture_stays_with_what_was_said_around_it() -> None:
    screen = seen(TWO_LAYERS + 'news.layer("aaaaaaaaaaaa", "Pull complete")\nnews.say("Digest: sha256:1")')
    assert screen.shown == [
        "latest: Pulling from me/tool",
        "aaaaaaaaaaaa: Pull complete",
        "bbbbbbbbbbbb: Already exists",
        "Digest: sha256:1",
    ]
    assert screen.cursor


def test_a_bar_moves_on_one_line() -> None:
    with terminal(TWO_LAYERS) as shown:
        half_way = shown.expect("=====>") + shown.expect("kB/100kB")
    assert re.search(r"aaaaaaaaaaaa: Downloading \[=+> +\] +\d+kB/100kB", half_way)


def test_speed_is_shown() -> None:
    with terminal(TWO_LAYERS) as shown:
        assert re.search(r"\d kB/s|\dkB/s", shown.expect("kB/s"))


def test_it_is_drawn_ten_times_a_second_however_often_it_is_told() -> None:
    screen = seen(
        "end = time.monotonic() + 1\n"
        "news.layer('bbbbbbbbbbbb', 'Waiting')\n"
        "while time.monotonic() < end:\n"
        "    news.advance('aaaaaaaaaaaa', 'Downloading', 1, 2)"
    )
    assert 3 <= screen.frames <= 12  # with two layers a frame goes up one line


def test_an_error_follows_the_bars_on_a_line_of_its_own() -> None:
    with terminal(TWO_LAYERS + "sys.exit('minirun: no route to host')") as shown:
        code, output = shown.wait()
        assert shown.is_as_before()
    screen = Screen(output)
    assert code == 1
    assert screen.shown[-1] == "minirun: no route to host"
    assert screen.shown[1].startswith("aaaaaaaaaaaa: Downloading [======")
    assert screen.cursor


def test_control_c_leaves_the_bars_and_gives_the_cursor_back() -> None:
    with terminal(TWO_LAYERS + "time.sleep(30)") as shown:
        before = shown.expect("100kB/100kB")
        shown.press("\x03")
        _, output = shown.wait()
    screen = Screen(before + output)
    assert screen.cursor
    assert "KeyboardInterrupt" in screen.shown
    assert any(line.startswith("aaaaaaaaaaaa: Downloading [=====") for line in screen.shown)


@pytest.mark.parametrize("columns", [16, 30, 60, 200])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    screen = seen(TWO_LAYERS, columns=columns)
    assert max(map(len, screen.shown[1:])) < columns
    assert screen.shown[1].startswith("aaaaaaaaaaaa: D"[: columns - 1])


def test_a_terminal_made_smaller_gets_smaller_bars() -> None:
    with terminal(TWO_LAYERS + "time.sleep(1)\nnews.say('done')") as shown:
        shown.expect("100kB/100kB")
        shown.resize(20, 50)
        shown.expect("\x1b[2K")
        _, output = shown.wait()
    assert all(len(line) < 50 for line in Screen(output).shown)


MANY_LAYERS = """
for number in range(60):
    news.layer(f"{number:012}", "Pulling fs layer")
news.advance("000000000059", "Downloading", 1, 2)
time.sleep(0.5)
for number in range(60):
    news.layer(f"{number:012}", "Pull complete")
"""


def test_more_layers_than_lines_show_those_that_move() -> None:
    with terminal(MANY_LAYERS, rows=10) as shown:
        picture = shown.expect("0 of 60 layers are complete")
        assert "000000000059: Downloading" in picture
        _, rest = shown.wait()
    assert "000000000059: Pull complete" in rest


def test_unpacking_is_shown_when_the_download_is_over() -> None:
    layer = progress.Layer("aaaaaaaaaaaa")
    layer.advance("Downloading", 5, 10)
    layer.advance("Extracting", 1, 10)
    assert layer.status == "Downloading"
    layer.advance("Downloading", 10, 10)
    layer.advance("Extracting", 2, 10)
    assert (layer.status, layer.done) == ("Extracting", 2)


def test_the_next_image_begins_below() -> None:
    screen = seen(
        "for tag in 'ab':\n"
        "    news.say(f'{tag}: Pulling from me/tool')\n"
        "    news.layer('aaaaaaaaaaaa', 'Pull complete')\n"
        "    news.say(f'Status: {tag}')"
    )
    layer = "aaaaaaaaaaaa: Pull complete"
    assert screen.shown == [
        *("a: Pulling from me/tool", layer, "Status: a", "b: Pulling from me/tool"),
        *(layer, "Status: b"),
    ]


# ---- no terminal to draw on -------------------------------------------------------------------------------


def tell(news: progress.Progress) -> None:
    news.say("latest: Pulling from me/tool")
    news.layer("aaaaaaaaaaaa", "Pulling fs layer")
    news.advance("aaaaaaaaaaaa", "Downloading", 1, 2)
    news.layer("aaaaaaaaaaaa", "Pull complete")


PLAIN = [
    "latest: Pulling from me/tool",
    "aaaaaaaaaaaa: Pulling fs layer",
    "aaaaaaaaaaaa: Pull complete",
]


def test_a_pipe_gets_plain_lines() -> None:
    stream = io.StringIO()
    with progress.show(stream) as news:
        tell(news)
    assert stream.getvalue().splitlines() == PLAIN


def test_quiet_is_silent() -> None:
    stream = io.StringIO()
    with progress.show(stream, quiet=True) as news:
        tell(news)
    assert stream.getvalue() == ""


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines() -> None:
    with terminal("news.layer('aaaaaaaaaaaa', 'Waiting')", term="dumb") as shown:
        assert shown.wait()[1] == "aaaaaaaaaaaa: Waiting\r\n"


def test_rich_is_not_loaded_before_the_first_layer() -> None:
    with terminal("news.say('hello')\nprint('rich' in sys.modules)") as shown:
        assert shown.wait()[1] == "hello\r\nFalse\r\n"


def test_what_is_told_too_late_is_not_drawn() -> None:
    with terminal(
        "pass\nnews.layer('aaaaaaaaaaaa', 'Waiting')\nnews.close()\nnews.layer('b', 'Late')"
    ) as shown:
        assert "Late" not in shown.wait()[1]
