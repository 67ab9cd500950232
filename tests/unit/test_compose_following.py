"""Following logs that nobody writes any more: the order of lines, pieces of lines, and when it is over."""

import json
import threading
from pathlib import Path

import pytest

from minirun.compose.following import Follower, Listener
from minirun.engine import events
from minirun.paths import Paths


class Heard(Listener):
    """Remembers the lines."""

    def __init__(self):
        self.lines = []

    def line(self, record, stream, text, time):
        self.lines.append((record["id"], stream, text))


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path / "root"), str(tmp_path / "state"))


@pytest.fixture
def logged(paths: Paths):
    """logged("a", (1, "text\\n")) -> the record of a container with that log; a number stands for a time."""

    def logged(container_id, *pieces, stream="stdout"):
        directory = Path(paths.container(container_id))
        directory.mkdir(parents=True)
        entries = [
            {"log": text, "stream": stream, "time": f"2026-01-01T00:00:{at:02}Z"} for at, text in pieces
        ]
        (directory / "log.json").write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
        return {"id": container_id, "options": {"log": {"driver": "json-file"}}}

    return logged


def told(paths, *records, **how):
    heard = Heard()
    with Follower(paths, "demo", heard) as follower:
        for record in records:
            follower.add(record, **how)
        follower.tell_now()
    return [text for _, _, text in heard.lines]


def test_lines_of_several_come_in_the_order_of_their_times(paths, logged):
    a, b = logged("a", (1, "1\n"), (4, "4\n")), logged("b", (2, "2\n"), (3, "3\n"))
    assert told(paths, a, b) == ["1", "2", "3", "4"]


def test_pieces_become_one_line(paths, logged):
    assert told(paths, logged("a", (1, "be"), (2, "ginning\n"), (3, "rest"))) == ["beginning", "rest"]


def test_the_last_lines_are_those_of_each(paths, logged):
    a, b = logged("a", (1, "1\n"), (2, "2\n")), logged("b", (1, "3\n"), (2, "4\n"))
    assert sorted(told(paths, a, b, tail=1)) == ["2", "4"]


def test_a_container_that_is_gone_is_passed_over(paths):
    assert told(paths, {"id": "gone", "options": {"log": {"driver": "json-file"}}}) == []


def test_where_nothing_runs_it_is_over_at_once(paths, logged):
    heard = Heard()
    with Follower(paths, "demo", heard) as follower:
        follower.add(logged("a", (1, "text\n"), stream="stderr"))
        follower.run()
    assert heard.lines == [("a", "stderr", "text")]


@pytest.fixture
def expecting(paths: Paths):
    """A follower that runs, in a thread, and expects the container "soon"."""
    with Follower(paths, "demo", Listener()) as follower:
        follower.expected.add("soon")
        thread = threading.Thread(target=follower.run)
        thread.start()
        yield follower, thread
        follower.stop()
        thread.join()


def test_it_waits_for_what_is_expected_until_it_is_told_to_stop(expecting):
    follower, thread = expecting
    thread.join(0.2)
    assert thread.is_alive()
    follower.stop()
    thread.join(5)
    assert not thread.is_alive()


def test_what_is_removed_is_expected_no_more(paths, expecting):
    _, thread = expecting
    events.emit(paths, "container", "destroy", "soon", {"com.docker.compose.project": "demo"})
    thread.join(5)
    assert not thread.is_alive()
