"""Files that are put aside while they are read: no line missed, none twice."""

import os
import threading
import time

import pytest

from minirun.engine.logs import tail, writer


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "log.json")


@pytest.fixture
def follower(path):
    made = tail.Tail(path, follow=True)
    yield made
    made.close()


def numbers(entries):
    return [int(entry["log"]) for entry in entries]


def put(path, *texts, aside=False):
    """Append lines; `aside`: first give the file a number, as logs.Files does."""
    if aside:
        for number in range(9, 0, -1):
            if os.path.exists(writer.name(path, number - 1)):
                os.rename(writer.name(path, number - 1), writer.name(path, number))
    with open(path, "a") as file:
        file.write("".join(f'{{"log":"{text}"}}\n' for text in texts))


def test_files_are_read_from_the_oldest_on(path):
    for number in range(12):
        put(path, number, aside=True)
    found = tail.Tail(path)
    assert numbers(tail.parse(found.read()) + tail.parse(found.read())) == [2, 3]
    found.close()


def test_half_a_line_waits_for_its_other_half(path, follower):
    with open(path, "w") as file:
        file.write('{"log":')
        file.flush()
        follower.wait()
        assert follower.read() == b""
        file.write('"1"}\n')
    follower.wait()
    assert follower.read() == b'{"log":"1"}\n'


def test_a_line_larger_than_a_block_is_read(path):
    put(path, "x" * (3 * tail.BLOCK), "y")
    found = tail.Tail(path)
    assert [len(entry["log"]) for entry in tail.parse(found.read())] == [3 * tail.BLOCK, 1]
    found.close()


def test_the_end_of_a_file_that_was_put_aside_is_read_first(path, follower):
    put(path, 1)
    follower.wait()
    follower.read()
    put(path, 2)
    put(path, 3, aside=True)
    follower.wait()
    assert numbers(tail.parse(follower.read()) + tail.parse(follower.read())) == [2, 3]
    assert not follower.missed


def test_a_reader_that_was_too_slow_is_told(path, follower):
    put(path, 1)
    follower.wait()
    put(path, 2, aside=True)
    put(path, 3, aside=True)
    os.unlink(f"{path}.1")
    follower.wait()
    assert numbers(tail.parse(follower.read()) + tail.parse(follower.read())) == [1, 3]
    assert follower.missed


def test_waiting_ends_at_its_deadline(follower):
    began = time.monotonic()
    assert follower.wait((), time.time() + 0.05) == []
    assert 0.04 < time.monotonic() - began < 5


@pytest.mark.parametrize("followers", [1, 2])
def test_followers_get_every_line_once_while_a_fast_writer_puts_files_aside(path, followers):
    count = 30_000
    made = [tail.Tail(path, follow=True) for _ in range(followers)]
    found: list[list[int]] = [[] for _ in made]

    def follow(one, into):
        while not into or into[-1] != count - 1:
            one.wait((), time.time() + 1)
            while block := one.read():
                into += numbers(tail.parse(block))

    threads = [
        threading.Thread(target=follow, args=pair, daemon=True) for pair in zip(made, found, strict=True)
    ]
    for thread in threads:
        thread.start()
    write_numbers(path, count)
    for thread in threads:
        thread.join(30)
    assert all(into == list(range(count)) for into in found)
    assert not any(one.missed for one in made)
    for one in made:
        one.close()


def write_numbers(path, count):
    """As fast as it goes, a new file for every 500 lines or so; enough of them that a reader can keep up."""
    log = writer.FileWriter(path, 40_000, 500)
    for begin in range(0, count, 100):
        log.write("stdout", "".join(f"{number}\n" for number in range(begin, begin + 100)).encode())
    log.close()


def test_a_place_is_the_line_that_begins_there_or_next(path):
    put(path, 0, 1)
    put(path, 2, 3, aside=True)
    found = tail.Tail(path)
    first = []
    for place in range(found.size() + 1):
        found.go(place)
        entries = tail.parse(found.read())
        first.append(numbers(entries)[0] if entries else None)
    length = len('{"log":"0"}\n')
    assert first == [0] + [1] * length + [2] * length + [3] * length + [None] * length
    found.close()
