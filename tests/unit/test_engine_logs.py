"""A container's log file: what is written in pieces is read as lines."""

import json

import pytest

from minirun.engine import logs


@pytest.fixture
def log(tmp_path):
    """log((stream, bytes), ...) -> the lines read back as (stream, text)."""
    path = str(tmp_path / "log.json")

    def log(*writes):
        writer = logs.FileWriter(path)
        for stream, data in writes:
            writer.write(stream, data)
        writer.close()
        return [(line["stream"], line["log"]) for line in logs.read(path)]

    log.path = path
    return log


def test_lines_are_written_when_they_are_whole(log):
    assert log(("stdout", b"a"), ("stdout", b"b\nc"), ("stderr", b"x\n"), ("stdout", b"d\n")) == [
        ("stdout", "ab\n"),
        ("stderr", "x\n"),
        ("stdout", "cd\n"),
    ]


def test_what_has_no_end_is_written_at_the_end(log):
    assert log(("stdout", b"no newline")) == [("stdout", "no newline")]


def test_a_long_line_is_in_pieces_in_the_file_and_whole_again(log):
    text = "x" * 50000 + "\n"
    assert log(("stdout", text[:30000].encode()), ("stdout", text[30000:].encode())) == [("stdout", text)]
    with open(log.path) as file:
        sizes = [len(json.loads(line)["log"]) for line in file]
    assert len(sizes) > 1


def test_a_line_that_never_ends_does_not_grow_in_memory(tmp_path):
    writer = logs.FileWriter(str(tmp_path / "log"))
    for _ in range(100):
        writer.write("stdout", b"x" * 5000)
        assert len(writer.pending["stdout"]) <= logs.PARTIAL
    writer.close()


@pytest.mark.parametrize("shift", range(4))
def test_a_piece_does_not_cut_a_character(log, shift):
    text = "a" * shift + "ä€😀" * 5000
    pieces = [("stdout", text.encode()[at : at + 999]) for at in range(0, len(text.encode()), 999)]
    assert log(*pieces) == [("stdout", text)]


def test_pieces_of_two_streams_do_not_mix(log):
    out, err = b"o" * 40000, b"e" * 40000
    mixed = [("stdout", out), ("stderr", err), ("stdout", b"\n"), ("stderr", b"\n")]
    assert log(*mixed) == [("stdout", out.decode() + "\n"), ("stderr", err.decode() + "\n")]


def test_bytes_that_are_no_text_are_replaced(log):
    assert log(("stdout", b"\xff\n")) == [("stdout", "�\n")]


def test_a_line_cut_off_by_a_crash_is_passed_over(log):
    log(("stdout", b"whole\n"))
    with open(log.path, "a") as file:
        file.write('{"log": "half')
    assert [line["log"] for line in logs.read(log.path)] == ["whole\n"]


def test_no_log_has_no_lines(tmp_path):
    assert list(logs.read(str(tmp_path / "nosuch"))) == []
