"""What Compose shows while it works: lines, JSON, and a picture on a real terminal (a pty)."""

import io
import json
import re
import sys
import textwrap
import threading

import pytest

from minirun.build.progress import Vertex
from minirun.cli.compose import report_lines, report_terminal, reports
from minirun.cli.compose.report_builds import Builds
from minirun.errors import UsageError
from tests.support import CHECKOUT
from tests.terminals import Terminal


def lines(*, dry_run: bool = False) -> tuple[report_lines.Lines, io.StringIO]:
    stream = io.StringIO()
    return report_lines.Lines(stream, dry_run=dry_run), stream


# ---- lines ------------------------------------------------------------------------------------------------


def test_a_line_for_each_piece_of_news() -> None:
    report, stream = lines()
    report.working("Container p-db-1", "Creating")
    report.done("Container p-db-1", "Created")
    report.warn("Network p_default", "Resource is still in use")
    report.failed("Container p-db-1", "it exited (1)")
    assert stream.getvalue().splitlines() == [
        " Container p-db-1 Creating ",
        " Container p-db-1 Created ",
        " Network p_default Resource is still in use ",
        " Container p-db-1 Error it exited (1)",
    ]


def test_a_dry_run_says_so_in_every_line() -> None:
    report, stream = lines(dry_run=True)
    report.done("Container p-db-1", "Created")
    assert stream.getvalue() == " DRY-RUN MODE -  Container p-db-1 Created \n"


def test_layers_of_a_pull_have_lines_but_not_their_bytes() -> None:
    report, stream = lines()
    pull = report.pull("Image busybox")
    pull.say("latest: Pulling from library/busybox")
    pull.layer("4abcf2066143", "Pulling fs layer")
    pull.advance("4abcf2066143", "Downloading", 1, 2)
    pull.layer("4abcf2066143", "Pull complete")
    assert stream.getvalue() == " 4abcf2066143 Pulling fs layer \n 4abcf2066143 Pull complete \n"


def test_json_has_the_keys_of_docker_composes() -> None:
    stream = io.StringIO()
    report = report_lines.Json(stream)
    report.working("Volume p_data", "Creating")
    report.failed("Container p-db-1", "no")
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"id": "Volume p_data", "status": "Working", "text": "Creating"},
        {"id": "Container p-db-1", "status": "Error", "text": "Error", "details": "no"},
    ]


def test_json_of_a_pull_counts_a_layers_bytes_once_a_hundredth() -> None:
    stream = io.StringIO()
    pull = report_lines.Json(stream, dry_run=True).pull("Image busybox")
    for done in (500, 501, 510):
        pull.advance("4abcf2066143", "Downloading", done, 1000)
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [one["percent"] for one in told] == [50, 51]
    assert told[0]["parent_id"] == "Image busybox"
    assert told[0]["dry-run"] is True


def test_quiet_has_warnings_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with reports.show("up", "quiet") as report:
        report.done("Container p-db-1", "Created")
        report.say("Found orphan containers")
    assert capsys.readouterr().err == "minirun: Found orphan containers\n"


@pytest.mark.parametrize(
    ("mode", "ansi", "message"),
    [
        ("fancy", "auto", 'unsupported --progress value "fancy"'),
        ("auto", "blue", 'invalid value for --ansi: "blue"'),
        ("tty", "never", "can't use --progress tty while ANSI support is disabled"),
        ("plain", "always", "can't use --progress plain while ANSI support is forced"),
    ],
)
def test_what_cannot_be_shown_is_refused(mode: str, ansi: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)), reports.show("up", mode, ansi=ansi):
        pass


# ---- builds -----------------------------------------------------------------------------------------------


def test_a_step_says_whose_it_is() -> None:
    stream = io.StringIO()
    builds = Builds("plain", stream, threading.RLock())
    for service in ("web", "api"):
        news = builds.of(service)
        step, export = Vertex("[2/2] RUN make"), Vertex("exporting to image")
        news.start(step)
        news.done(step)
        news.cached(export)
    builds.close()
    headings = re.findall(r"^#\d+ \[.*", stream.getvalue(), re.MULTILINE)
    assert headings == [
        "#1 [web 2/2] RUN make",
        "#2 [web] exporting to image",
        "#3 [api 2/2] RUN make",
        "#4 [api] exporting to image",
    ]


def test_quiet_builds_show_what_failed_alone() -> None:
    report, stream = lines()
    report.quiet_build = True
    news, step = report.build("Service web"), Vertex("[2/2] RUN false")
    news.start(step)
    news.output(step, 1, b"oh no\n")
    news.failed(step, "exit code: 1")
    report.close()
    assert [line for line in stream.getvalue().splitlines() if "web" in line] == [" > [web 2/2] RUN false:"]


# ---- on a terminal ----------------------------------------------------------------------------------------


def terminal(code: str, *, variables: tuple[str, ...] = (), rows: int = 24, columns: int = 60) -> Terminal:
    """A program in a terminal: `code` has `report` in a with block."""
    program = f"""
import sys, time
from minirun.cli.compose.reports import show
with show("up") as report:
{textwrap.indent(textwrap.dedent(code), "    ")}
"""
    env = ["TERM=xterm", f"PYTHONPATH={CHECKOUT}", *variables]
    return Terminal(["env", *env, sys.executable, "-c", program], rows=rows, columns=columns)


UP = """
report.expect(["Network p_default", "Container p-db-1", "Container p-web-1"])
report.done("Network p_default", "Created")
report.working("Container p-db-1", "Waiting")
"""


def last_picture(output: str) -> list[str]:
    """The lines from the last heading on, without colours, marks that turn and times."""
    text = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", output[output.rindex("[+] up") :])
    text = re.sub(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", "~", text)
    return [re.sub(r" +\d+\.\ds$", "", line).rstrip() for line in text.splitlines()]


def test_the_picture_while_something_is_done() -> None:
    with terminal(UP + "time.sleep(0.3)\nprint('now', flush=True)\ntime.sleep(9)") as shown:
        picture = last_picture(shown.expect("now"))
    assert picture[:-1] == [
        "[+] up 1/3",
        " ✔ Network p_default Created",
        " ~ Container p-db-1  Waiting",
    ]


def test_the_picture_at_the_end_stays() -> None:
    with terminal(UP + "report.failed('Container p-db-1', 'it is unhealthy')") as shown:
        _, output = shown.wait()
    assert last_picture(output)[1:] == [
        " ✔ Network p_default Created",
        " ✘ Container p-db-1  Error it is unhealthy",
    ]


def test_what_is_said_is_above_the_picture() -> None:
    with terminal(UP + "time.sleep(0.15)\nreport.say('Found orphan containers')") as shown:
        _, output = shown.wait()
    assert output.index("minirun: Found orphan containers") < output.rindex("[+] up")
    assert last_picture(output)[0] == "[+] up 1/3"


def test_after_the_picture_news_are_lines_but_for_starts() -> None:
    after = "\nreport.close()\nreport.done('Container p-db-1', 'Started')\nreport.done('Container p-db-1', 'Healthy')"
    with terminal(UP + after) as shown:
        _, output = shown.wait()
    assert output.rstrip().endswith("Container p-db-1 \x1b[32mHealthy\x1b[0m")
    assert "Started" not in output


def test_how_much_of_an_image_has_come() -> None:
    code = """
    report.working("Image nginx", "Pulling")
    pull = report.pull("Image nginx")
    pull.layer("a", "Pulling fs layer")
    pull.layer("b", "Already exists")
    pull.advance("a", "Downloading", 3_000_000, 6_000_000)
    time.sleep(0.15)
    print("now", flush=True)
    """
    with terminal(code) as shown:
        picture = last_picture(shown.expect("now"))
    assert picture[1] == " ~ Image nginx [⣤⣿] 3.00MB / 6.00MB Pulling"


def test_control_c_leaves_the_picture_and_the_cursor() -> None:
    with terminal(UP + "time.sleep(30)") as shown:
        before = shown.expect("Waiting")
        shown.press("\x03")
        _, output = shown.wait()
        assert shown.is_as_before()
    whole = before + output
    assert whole.rindex("\x1b[?25h") > whole.rindex("\x1b[?25l")


@pytest.mark.parametrize("columns", [5, 16, 40, 200])
def test_no_row_is_wider_than_the_terminal(columns: int) -> None:
    with terminal(UP + "report.failed('Container p-db-1', 'no ' * 50)", columns=columns) as shown:
        _, output = shown.wait()
    assert max(map(len, re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", output).splitlines())) < columns


def test_on_a_low_terminal_what_is_being_done_stays() -> None:
    code = """
    report.working("Container p-slow-1", "Starting")
    for number in range(9):
        report.done(f"Container p-web-{number}", "Created")
    time.sleep(0.15)
    print("now", flush=True)
    """
    with terminal(code, rows=6) as shown:
        picture = last_picture(shown.expect("now"))
    assert picture[1:-1] == [
        " ~ Container p-slow-1 Starting",
        " ✔ Container p-web-7  Created",
        " ✔ Container p-web-8  Created",
        " ... 7 more",
    ]


def test_no_colours_where_they_are_not_wanted() -> None:
    with terminal(UP, variables=("NO_COLOR=1",)) as shown:
        _, output = shown.wait()
    assert not re.search(r"\x1b\[\d*m", output)


def test_a_name_is_no_escape_sequence() -> None:
    with terminal("report.done('Container \\x1b[2J', 'Created')") as shown:
        _, output = shown.wait()
    assert "\x1b[2J" not in output


def task(name: str, text: str) -> report_terminal.Task:
    made = report_terminal.Task(name, 0.0)
    made.enter("done", text, "", 1.0)
    return made


def test_a_long_name_leaves_room_for_the_status() -> None:
    rows = report_terminal.laid_out(
        [task("Container " + "x" * 99, "Created"), task("b", "Removed")], "", 40, 1.0
    )
    assert ["".join(text for text, _ in row) for row in rows] == [
        " ✔ Container xxxxxxxxxxx... Created 1.0s",
        " ✔ b" + " " * 24 + "Removed 1.0s",
    ]
