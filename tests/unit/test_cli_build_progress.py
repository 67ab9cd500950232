"""What a build shows: plain lines, lines of JSON, and a live display on a real terminal (a pty)."""

import base64
import io
import json
import re
import sys
import textwrap
import time

import pytest

from minirun.build.progress import Vertex, Warning
from minirun.cli import build_output, build_progress, build_terminal, widths
from minirun.errors import UsageError
from tests.support import CHECKOUT
from tests.terminals import Terminal

FAILURE = 'process "/bin/sh -c false" did not complete successfully: exit code: 1'


def plain() -> tuple[build_progress.Plain, io.StringIO]:
    stream = io.StringIO()
    return build_progress.Plain(stream), stream


def timeless(text: str) -> list[str]:
    """The lines, with every 0.123 as T."""
    return re.sub(r"\b\d+\.\d+(?=s\b| )", "T", text).splitlines()


# ---- plain ------------------------------------------------------------------------------------------------


def test_one_vertex_after_the_other() -> None:
    news, stream = plain()
    context, run = Vertex("[internal] load build context"), Vertex("[2/2] RUN make")
    news.start(context)
    news.status(context, "transferring context:", 6144, completed=True)
    news.done(context)
    news.start(run)
    news.output(run, 1, b"cc -c main.c\nld")
    news.done(run)
    assert timeless(stream.getvalue()) == [
        *("#1 [internal] load build context", "#1 transferring context: 6.14kB done", "#1 DONE Ts", ""),
        *("#2 [2/2] RUN make", "#2 T cc -c main.c", "#2 T ld", "#2 DONE Ts"),
    ]


def test_what_is_cached_is_two_lines() -> None:
    news, stream = plain()
    news.cached(Vertex("[2/2] RUN make"))
    assert stream.getvalue().splitlines() == ["#1 [2/2] RUN make", "#1 CACHED"]


def test_the_output_of_two_at_once_is_not_mixed() -> None:
    news, stream = plain()
    one, two = Vertex("[a 2/2] RUN one"), Vertex("[b 2/2] RUN two")
    news.start(one)
    news.start(two)
    news.output(two, 1, b"2\n")
    news.output(one, 1, b"1\n")
    news.done(one)
    news.done(two)
    assert timeless(stream.getvalue()) == [
        *("#1 [a 2/2] RUN one", "#1 T 1", "#1 DONE Ts", ""),
        *("#2 [b 2/2] RUN two", "#2 T 2", "#2 DONE Ts"),
    ]


def test_who_is_completed_interrupts() -> None:
    news, stream = plain()
    one, two = Vertex("[a 2/2] RUN one"), Vertex("[b 2/2] RUN two")
    news.start(one)
    news.cached(two)
    news.output(one, 1, b"1\n")
    assert timeless(stream.getvalue()) == [
        *("#1 [a 2/2] RUN one", "#1 ...", "", "#2 [b 2/2] RUN two", "#2 CACHED", ""),
        *("#1 [a 2/2] RUN one", "#1 T 1"),
    ]


def test_who_waits_has_its_turn_after_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    news, stream = plain()
    one, two = Vertex("[a 2/2] RUN one"), Vertex("[b 2/2] RUN two")
    news.start(one)
    news.start(two)
    news.idle()
    assert "#2" not in stream.getvalue()
    later = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: later)
    news.idle()
    assert stream.getvalue().endswith("#1 ...\n\n#2 [b 2/2] RUN two\n")


def test_a_failure_is_told_again_at_the_end_with_its_last_lines() -> None:
    news, stream = plain()
    run, other = Vertex("[2/2] RUN false"), Vertex("[b 2/2] RUN sleep 9")
    news.start(run)
    news.start(other)
    news.output(run, 2, b"".join(b"%d\n" % number for number in range(20)))
    news.failed(run, FAILURE)
    news.canceled(other)
    news.close()
    lines = timeless(stream.getvalue())
    assert f"#1 ERROR: {FAILURE}" in lines
    assert lines[-16:-13] == ["", "#2 [b 2/2] RUN sleep 9", "#2 CANCELED"]
    assert lines[-13:] == [
        "------",
        " > [2/2] RUN false:",
        *(f"T {number}" for number in range(10, 20)),
        "------",
    ]


def test_nothing_is_shown_after_the_end() -> None:
    news, stream = plain()
    vertex = Vertex("exporting to image")
    news.start(vertex)
    news.close()
    before = stream.getvalue()
    news.status(vertex, "pushing", 1, 2)
    news.done(vertex)
    assert stream.getvalue() == before


@pytest.mark.parametrize("mode", ["quiet", "none"])
def test_who_wants_no_progress_sees_only_what_a_failed_step_said_last(mode: str) -> None:
    stream = io.StringIO()
    with build_progress.show(mode, stream) as news:
        good, bad = Vertex("[1/2] RUN true"), Vertex("[2/2] RUN false")
        for vertex in (good, bad):
            news.start(vertex)
            news.output(vertex, 1, b"one\ntwo")
        news.done(good)
        news.failed(bad, FAILURE)
        assert stream.getvalue() == ""
    assert timeless(stream.getvalue()) == ["------", " > [2/2] RUN false:", "T one", "T two", "------"]


def test_a_status_is_not_told_for_every_byte() -> None:
    news, stream = plain()
    vertex = Vertex("[1/1] FROM x")
    news.start(vertex)
    for done in range(1001):
        news.status(vertex, "sha256:aaaa", done * 1000, 1_000_000)
    news.status(vertex, "sha256:aaaa", 1_000_000, 1_000_000, completed=True)
    lines = stream.getvalue().splitlines()
    assert 15 < len(lines) < 25
    assert timeless(lines[-1])[0].replace(" Ts", "") == "#1 sha256:aaaa T / T done".replace("T", "1.00MB")


def test_a_file_gets_colours_as_they_are() -> None:
    news, stream = plain()
    vertex = Vertex("[2/2] RUN ls")
    news.start(vertex)
    news.output(vertex, 1, b"\x1b[34mbin\x1b[0m\n")
    assert "\x1b[34mbin" in stream.getvalue()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[1;32mgreen\x1b[0m", "green"),
        ("10%\r20%\r", "20%"),
        ("windows\r", "windows"),
        ("a\tb", "a       b"),
        ("\x1b]0;title\x07text", "text"),
        ("bell\x07", "bell\\x07"),
        ("\x1b", "\\x1b"),
        ("back\b\b", "back\\x08\\x08"),
    ],
)
def test_what_is_visible_of_a_line(line: str, shown: str) -> None:
    assert build_output.visible(line) == shown


@pytest.mark.parametrize(
    ("done", "total", "shown"),
    [
        (0, 0, ""),
        (227, 0, "227B"),
        (6144, 0, "6.14kB"),
        (0, 28_110_000, "0B / 28.11MB"),
        (10**12, 0, "1.00TB"),
    ],
)
def test_amounts(done: int, total: int, shown: str) -> None:
    assert build_output.amount(done, total) == shown


def test_a_line_without_an_end_is_cut() -> None:
    output = build_output.Output(Vertex("x"), 10, str)
    assert len(output.add(b"x" * 100_000)) == 1


# ---- rawjson ----------------------------------------------------------------------------------------------


def test_rawjson_is_what_clients_of_buildkit_read() -> None:
    stream = io.StringIO()
    news, vertex = build_progress.RawJson(stream), Vertex("[2/2] RUN ls", digest="sha256:1")
    news.start(vertex)
    news.output(vertex, 2, b"\xff\n")
    news.status(vertex, "extracting", 1, 2)
    news.failed(vertex, FAILURE)
    news.warn(Warning("FromAsCasing", "'as' and 'FROM' keywords' casing do not match", "https://x", (1, 1)))
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [list(one) for one in told] == [["vertexes"], ["logs"], ["statuses"], ["vertexes"], ["warnings"]]
    assert told[0]["vertexes"][0].items() >= {"digest": "sha256:1", "name": "[2/2] RUN ls"}.items()
    assert base64.b64decode(told[1]["logs"][0]["data"]) == b"\xff\n"
    assert told[3]["vertexes"][0]["error"] == FAILURE


def test_vertices_of_one_name_have_digests_of_their_own() -> None:
    stream = io.StringIO()
    news = build_progress.RawJson(stream)
    for _ in range(2):
        news.cached(Vertex("[2/2] RUN ls"))
    assert len({json.loads(line)["vertexes"][0]["digest"] for line in stream.getvalue().splitlines()}) == 2


# ---- on a terminal ----------------------------------------------------------------------------------------


def terminal(code: str, *, variables: tuple[str, ...] = (), rows: int = 30, columns: int = 80) -> Terminal:
    """A program in a terminal: `code` has `news` and `vertex(name)` in a with block."""
    program = f"""
import sys, time
from minirun.build.progress import Vertex as vertex
from minirun.cli.build_progress import show
with show("auto", sys.stderr) as news:
{textwrap.indent(textwrap.dedent(code), "    ")}
"""
    env = ["TERM=xterm", f"PYTHONPATH={CHECKOUT}", *variables]
    return Terminal(["env", *env, sys.executable, "-c", program], rows=rows, columns=columns)


BUILD = """
context, run = vertex("[internal] load build context"), vertex("[2/2] RUN make")
news.expect([context, run])
news.start(context)
news.status(context, "transferring context:", 6144, completed=True)
news.done(context)
news.start(run)
news.output(run, 1, b"\\x1b[31mcc -c main.c\\x1b[0m\\n")
time.sleep(0.15)
news.idle()
"""


def last_picture(output: str) -> list[str]:
    """The lines from the last heading on, without what is no text."""
    text = output[output.rindex("[+] Building") :]
    return [line.rstrip() for line in re.sub(r"\x1b\[[?\d]*[A-Za-z]", "", text).splitlines()]


def test_the_picture_while_it_builds() -> None:
    with terminal(BUILD + "print('now', flush=True)\ntime.sleep(9)") as shown:
        picture = last_picture(shown.expect("now"))
    assert re.fullmatch(r"\[\+\] Building \d\.\ds \(1/2\)", picture[0])
    assert [re.sub(r" +\d\.\ds$", "", line) for line in picture[1:-1]] == [
        " => [internal] load build context",
        " => => transferring context: 6.14kB",
        " => [2/2] RUN make",
        " => => # cc -c main.c",
    ]


def test_the_last_picture_says_finished_and_has_no_output() -> None:
    with terminal(BUILD + "news.done(run)") as shown:
        _, output = shown.wait()
    picture = last_picture(output)
    assert "(2/2) FINISHED" in picture[0]
    assert not any("cc -c" in line for line in picture)


def test_a_failure_on_a_terminal_is_followed_by_what_it_printed() -> None:
    with terminal(BUILD + f"news.failed(run, {FAILURE!r})") as shown:
        _, output = shown.wait()
    picture = last_picture(output)
    assert "FINISHED" not in picture[0]
    assert picture[3].startswith(" => ERROR [2/2] RUN make")
    assert picture[4:6] == ["------", " > [2/2] RUN make:"]
    assert picture[6].endswith("cc -c main.c")


def test_control_c_leaves_the_picture_and_the_cursor() -> None:
    with terminal(BUILD + "time.sleep(30)") as shown:
        before = shown.expect("cc -c main.c")
        shown.press("\x03")
        _, output = shown.wait()
        assert shown.is_as_before()
    assert (before + output).rindex("\x1b[?25h") > (before + output).rindex("\x1b[?25l")
    assert "KeyboardInterrupt" in output


def test_no_colours_where_they_are_not_wanted() -> None:
    with terminal(BUILD, variables=("NO_COLOR=1",)) as shown:
        _, output = shown.wait()
    assert not re.search(r"\x1b\[\d*m", output)


@pytest.mark.parametrize("columns", [5, 16, 40, 200])
def test_no_line_of_the_picture_is_wider_than_the_terminal(columns: int) -> None:
    with terminal(BUILD, columns=columns) as shown:
        _, output = shown.wait()
    assert max(map(len, re.sub(r"\x1b\[[?\d]*[A-Za-z]", "", output).splitlines())) < columns


def test_a_picture_is_drawn_ten_times_a_second_at_most() -> None:
    code = """
    run, end = vertex("[2/2] RUN yes"), time.monotonic() + 1
    news.start(run)
    while time.monotonic() < end:
        news.output(run, 1, b"y\\n")
    """
    with terminal(code) as shown:
        _, output = shown.wait()
    assert 5 <= output.count("[+] Building") <= 12


def row(text: str, *, running: bool, seconds: float | None = 1.0) -> build_terminal.Row:
    return build_terminal.Row(text, seconds, "", running)


def test_on_a_low_terminal_what_runs_stays() -> None:
    rows = [row("old", running=False), row("RUN a", running=True), row("# a", running=True, seconds=None)]
    rows += [row("new", running=False), row("RUN b", running=True)]
    names = [[one.text for one in build_terminal._chosen(rows, room)] for room in (5, 4, 3, 2, 1, 0)]
    assert names == [
        ["old", "RUN a", "# a", "new", "RUN b"],
        ["RUN a", "# a", "new", "RUN b"],
        ["RUN a", "# a", "RUN b"],
        ["RUN a", "RUN b"],
        ["RUN b"],
        [],
    ]


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("", 0)])
def test_columns_are_counted_as_a_terminal_shows_them(text: str, columns: int) -> None:
    assert widths.width(text) == columns


def test_a_wide_letter_is_not_cut_in_half() -> None:
    assert widths.shortened("日本語", 5) == "日本"


def test_a_terminal_that_is_asked_for_has_to_be_one() -> None:
    with pytest.raises(UsageError, match="not a terminal"), build_progress.show("tty", io.StringIO()):
        pass
