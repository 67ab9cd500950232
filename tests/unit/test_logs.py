"""A container's log file: what is written in pieces is read as lines, whatever the program printed."""

import errno
import itertools
import json
import os
import re
import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirun.engine.logs import drivers, reader, writer
from minirun.engine.options import logging
from minirun.errors import UnsupportedError, UsageError

STREAMS = ("stdout", "stderr")


@pytest.fixture
def log(tmp_path):
    """log((stream, bytes), ...) -> the lines read back as (stream, text)."""

    def log(*writes, limit=0, count=1, **reading):
        log = writer.FileWriter(str(tmp_path / writer.NAME), limit, count)
        for stream, data in writes:
            log.write(stream, data)
        log.close()
        return lines(tmp_path, **reading)

    log.directory = tmp_path
    return log


def lines(directory, **reading):
    """[(stream, text)] of the lines, in the order of their beginnings."""
    reading_one = reader.Reader(str(directory), **reading)
    found, open_lines = [], {}
    for entry in itertools.chain.from_iterable(reading_one.now()):
        if "goes_on" not in entry:
            open_lines[entry["stream"]] = len(found)
            found.append((entry["stream"], ""))
        at = open_lines[entry["stream"]]
        found[at] = (entry["stream"], found[at][1] + entry["log"])
    reading_one.close()
    return found


def entries(path):
    """What a JSON parser that is not ours makes of the file."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


# ---- what is written --------------------------------------------------------------------------------------


def test_a_line_is_dockers_json(log):
    log(("stdout", b"hello\n"))
    text = (log.directory / "log.json").read_text()
    assert re.fullmatch(
        r'\{"log":"hello\\n","stream":"stdout","time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"\}\n', text
    )


def test_lines_are_written_when_they_are_whole(log):
    assert log(("stdout", b"a"), ("stdout", b"b\nc"), ("stderr", b"x\n"), ("stdout", b"d\n")) == [
        ("stdout", "ab\n"),
        ("stderr", "x\n"),
        ("stdout", "cd\n"),
    ]


def test_what_has_no_end_is_written_at_the_end(log):
    assert log(("stdout", b"no newline")) == [("stdout", "no newline")]


def test_a_long_line_is_in_pieces_of_16_kib_in_the_file_and_whole_again(log):
    text = "x" * 50000 + "\n"
    assert log(("stdout", text[:30000].encode()), ("stdout", text[30000:].encode())) == [("stdout", text)]
    sizes = [len(entry["log"]) for entry in entries(log.directory / "log.json")]
    assert sizes == [16384, 16384, 16384, 50001 - 3 * 16384]


def test_a_line_of_just_16_kib_is_in_one_piece(log):
    log(("stdout", b"x" * writer.PARTIAL + b"\n" + b"y" * writer.PARTIAL + b"\n"))
    assert [len(entry["log"]) for entry in entries(log.directory / "log.json")] == [writer.PARTIAL + 1] * 2


def test_a_line_that_never_ends_does_not_grow_in_memory(tmp_path):
    log = writer.FileWriter(str(tmp_path / "log"))
    for _ in range(100):
        log.write("stdout", b"x" * 5000)
        assert len(log.pending["stdout"]) <= writer.PARTIAL
    log.close()


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


TRICKY = [
    b"\\",
    b'"',
    b"\n",
    b"n",
    b"u0041",
    b"\0",
    b"\t",
    b"\r",
    b"\x1b",
    b"\x7f",
    b"\xff",
    "ä\u2028".encode(),
]


@given(data=st.binary(max_size=300) | st.lists(st.sampled_from(TRICKY)).map(b"".join))
def test_any_bytes_come_back_as_a_json_parser_sees_them(data):
    written = b"".join(writer.entries(piece, b'"}\n') for piece in writer.split(data + b"\n")[0])
    found = "".join(json.loads(line)["log"] for line in written.splitlines())
    assert found == (data + b"\n").decode(errors="replace")


@given(
    text=st.text(st.characters(codec="utf-8"), max_size=40),
    copies=st.integers(1, 900),
    cuts=st.lists(st.integers(1, 30000), max_size=6),
)
def test_text_comes_back_however_it_was_cut(tmp_path_factory, text, copies, cuts):
    data = (text * copies).encode()
    directory = tmp_path_factory.mktemp("log")
    log = writer.FileWriter(str(directory / writer.NAME))
    for begin, end in itertools.pairwise([0, *itertools.accumulate(cuts), len(data) + sum(cuts)]):
        log.write("stdout", data[begin:end])
    log.close()
    assert "".join(entry["log"] for entry in entries(directory / writer.NAME)) == text * copies


def test_attributes_are_in_every_line(tmp_path):
    record = {
        "options": {"log": {"driver": "json-file", "options": {"labels": "a,b", "env": "C", "tag": "t"}}},
        "labels": {"a": "1"},
        "env": ["C=2", "D=3"],
    }
    log = drivers.open_writer(record, str(tmp_path))
    log.write("stdout", b"x\ny\n")
    log.close()
    attrs = [entry["attrs"] for entry in entries(tmp_path / writer.NAME)]
    assert attrs == [{"tag": "t", "a": "1", "C": "2"}] * 2


def test_the_driver_local_has_sizes_of_its_own(tmp_path):
    made = logging.settings(driver="local", options={"max-file": "2"})
    record = {"options": {"log": made}, "env": [], "labels": {}}
    files = drivers.open_writer(record, str(tmp_path)).files
    assert (files.limit, files.count) == (20_000_000, 2)
    files.close()
    assert logging.with_defaults(logging.settings()) == {}


def test_the_driver_none_writes_nothing(tmp_path):
    record = {"options": {"log": {"driver": "none", "options": {}}}}
    log = drivers.open_writer(record, str(tmp_path))
    log.write("stdout", b"x\n")
    log.close()
    assert os.listdir(tmp_path) == []
    with pytest.raises(UnsupportedError, match="configured logging driver does not support reading"):
        reader.require_readable(record)


# ---- rotation ---------------------------------------------------------------------------------------------

NUMBERS = [f"{number}\n" for number in range(1000)]


def test_a_full_log_is_put_aside_and_the_oldest_goes(log):
    found = log(*(("stdout", line.encode()) for line in NUMBERS), limit=1000, count=3)
    assert sorted(os.listdir(log.directory)) == ["log.json", "log.json.1", "log.json.2"]
    assert [text for _, text in found] == NUMBERS[-len(found) :]
    assert len(found) < 50


def test_a_file_is_full_with_the_line_that_reaches_its_size(log):
    log(("stdout", "".join(NUMBERS).encode()), limit=1000, count=3)
    size = (log.directory / "log.json.1").stat().st_size
    assert 1000 <= size < 1100


def test_one_file_alone_begins_anew(log):
    found = log(("stdout", "".join(NUMBERS).encode()), limit=1000, count=1)
    assert os.listdir(log.directory) == ["log.json"]
    assert found[-1] == ("stdout", "999\n")


def test_a_log_goes_on_where_it_was(log):
    log(("stdout", b"one\n"), limit=140, count=2)
    assert log(("stdout", b"two\nthree\n"), limit=140, count=2) == [
        ("stdout", "one\n"),
        ("stdout", "two\n"),
        ("stdout", "three\n"),
    ]
    assert (log.directory / "log.json.1").exists()


@pytest.mark.parametrize(
    ("driver", "options", "words"),
    [
        ("syslogd", {}, 'logger: no log driver named "syslogd" is registered'),
        ("json-file", {"max_size": "1m"}, "unknown log opt 'max_size' for json-file log driver"),
        ("json-file", {"max-size": "1q"}, "invalid size: '1q'"),
        ("json-file", {"max-size": "k"}, "invalid size: 'k'"),
        ("json-file", {"max-size": ""}, "invalid size: ''"),
        ("json-file", {"max-size": "0"}, "max-size must be a positive number"),
        ("json-file", {"max-size": "1m", "max-file": "0"}, "max-file cannot be less than 1"),
        ("json-file", {"max-file": "many"}, "many"),
        ("local", {"labels": "a"}, "unknown log opt 'labels' for local log driver"),
        ("none", {"max-size": "1m"}, "invalid logging opts for driver none"),
    ],
)
def test_options_that_make_no_sense_are_refused(driver, options, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        logging.settings(driver=driver, options=options)


@pytest.mark.parametrize(
    ("text", "size"), [("5", 5), ("10k", 10_000), ("1.5m", 1_500_000), ("2GB", 2 * 10**9), ("1 kib", 1000)]
)
def test_sizes_are_dockers(text, size):
    assert logging.max_size({"max-size": text}) == size


# ---- when something goes wrong ----------------------------------------------------------------------------


def test_a_line_cut_off_by_a_crash_is_passed_over(log):
    log(("stdout", b"whole\n"))
    with open(log.directory / "log.json", "a") as file:
        file.write('{"log": "half')
    assert lines(log.directory) == [("stdout", "whole\n")]


def test_the_next_writer_takes_away_what_a_crash_cut_off(log):
    log(("stdout", b"whole\n"))
    with open(log.directory / "log.json", "a") as file:
        file.write('{"log": "' + "half" * 40000)
    assert log(("stdout", b"next\n")) == [("stdout", "whole\n"), ("stdout", "next\n")]
    assert len(entries(log.directory / "log.json")) == 2


def test_a_line_in_the_middle_that_is_no_json_hides_no_other(log):
    log(("stdout", b"one\n"))
    with open(log.directory / "log.json", "a") as file:
        file.write("rubbish\n")
    assert log(("stdout", b"two\n")) == [("stdout", "one\n"), ("stdout", "two\n")]


def test_no_log_has_no_lines(tmp_path):
    assert lines(tmp_path) == []


@pytest.fixture
def small_disk():
    """small_disk(size): no file of ours gets larger, as if the disk were full then; small_disk() ends it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size=before[0]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield limit
    limit()


def test_what_does_not_fit_on_the_disk_is_dropped_and_the_log_says_so(tmp_path, small_disk):
    log = writer.FileWriter(str(tmp_path / writer.NAME))
    small_disk(1000)
    for line in NUMBERS[:100]:
        log.write("stdout", line.encode())
    small_disk()
    log.write("stdout", b"room again\n")
    log.close()
    found = lines(tmp_path)
    kept = found.index(next(one for one in found if one[0] == "stderr"))
    assert found[:kept] == [("stdout", line) for line in NUMBERS[:kept]]
    assert re.match(rf"minirun: {100 - kept} lines \(\d+ bytes of the log\) were lost here: ", found[kept][1])
    assert found[kept + 1 :] == [("stdout", "room again\n")]


def test_no_half_line_stays_on_a_full_disk(tmp_path, small_disk):
    log = writer.FileWriter(str(tmp_path / writer.NAME))
    small_disk(1000)
    log.write("stdout", "".join(NUMBERS).encode())
    fitting = 1000 // 72
    assert [entry["log"] for entry in entries(tmp_path / writer.NAME)] == NUMBERS[:fitting]
    small_disk()
    log.write("stdout", b"room again\n")
    log.close()
    assert f"minirun: {1000 - fitting} lines" in lines(tmp_path)[fitting][1]


def test_a_log_that_cannot_be_put_aside_is_not_lost(tmp_path, monkeypatch):
    log = writer.FileWriter(str(tmp_path / writer.NAME), 200, 2)
    log.write("stdout", b"one\ntwo\nthree\n")
    opened = os.open

    def full(path, *args, **words):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "open", full)
    log.write("stdout", b"four\n")
    monkeypatch.setattr(os, "open", opened)
    log.write("stdout", b"five\n")
    log.close()
    texts = [text for _, text in lines(tmp_path)]
    assert texts[:3] + texts[4:] == ["one\n", "two\n", "three\n", "five\n"]
    assert "1 lines" in texts[3]


# ---- where to begin ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 10, 999, 1000, 5000])
def test_the_last_lines_come_from_all_the_files(log, count):
    found = log(("stdout", "".join(NUMBERS).encode()), limit=10_000, count=20, tail=count)
    assert [text for _, text in found] == NUMBERS[max(0, 1000 - count) :]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_long_line_counts_as_one_of_the_last(log, count):
    found = log(("stdout", b"a\n" + b"x" * 200_000 + b"\nb\n"), tail=count)
    assert [len(text) for _, text in found] == [2, 200_001, 2][-count:]


def test_a_line_that_is_left_out_is_left_out_to_its_end(log):
    long, writes = b"x" * 20000, []
    writes = [("stdout", long), ("stderr", b"between\n"), ("stdout", b"end\n")]
    assert log(*writes, tail=1) == [("stderr", "between\n")]


@pytest.fixture
def dated(tmp_path):
    """A log with a line for each of 5,000 seconds, in two files."""
    for name, begin in (("log.json.1", 0), ("log.json", 2500)):
        times = [
            f"2026-01-01T{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}" for at in range(begin, begin + 2500)
        ]
        text = "".join(f'{{"log":"{at}\\n","stream":"stdout","time":"{at}.000000000Z"}}\n' for at in times)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("since", "until", "count"),
    [
        ("2025-01-01T00:00:00.000000000Z", "", 5000),
        ("2026-01-01T00:00:00.000000001Z", "", 4999),
        ("2026-01-01T01:00:00.000000000Z", "", 1400),
        ("2027-01-01T00:00:00.000000000Z", "", 0),
        ("", "2026-01-01T00:00:09.000000000Z", 10),
        ("2026-01-01T00:41:39.000000000Z", "2026-01-01T00:41:41.000000000Z", 3),
    ],
)
def test_both_ends_of_a_time_are_in_it(dated, since, until, count):
    found = lines(dated, since=since, until=until)
    assert len(found) == count
    assert all(since <= text[:-1] + ".000000000Z" for _, text in found)
