"""Events: written by many at once, put aside when there are many, and never in the way of what they tell of."""

import json
import multiprocessing
import os
import resource

import pytest

from minirun.cli import events as shown
from minirun.cli import moments
from minirun.engine import events
from minirun.engine.logs import tail
from minirun.errors import UsageError
from minirun.paths import Paths


@pytest.fixture
def paths(tmp_path):
    return Paths(str(tmp_path / "root"), str(tmp_path / "state"))


@pytest.fixture(autouse=True)
def root(paths):
    os.mkdir(paths.root)


def written(paths):
    found = tail.Tail(events.path(paths))
    lines = b"".join(iter(found.read, b""))
    found.close()
    return [json.loads(line) for line in lines.splitlines()]


def emit_many(paths, who, count):
    for number in range(count):
        events.emit(paths, "volume", "create", f"{who}-{number}", {})


def event(kind="container", action="start", id="abc", **attributes):
    return {"Type": kind, "Action": action, "scope": "local", "Actor": {"ID": id, "Attributes": attributes}}


# ---- writing ----------------------------------------------------------------------------------------------


def test_an_event_has_dockers_keys(paths):
    record = {
        "id": "abc",
        "name": "db",
        "labels": {"a": "b"},
        "image": "docker.io/library/x:1",
        "options": {"image": "x:1"},
    }
    events.of_container(paths, record, "die", exitCode="3")
    (found,) = written(paths)
    assert found.pop("timeNano") // 10**9 == found.pop("time")
    assert found == {
        "status": "die",
        "id": "abc",
        "from": "x:1",
        "Type": "container",
        "Action": "die",
        "Actor": {"ID": "abc", "Attributes": {"a": "b", "image": "x:1", "name": "db", "exitCode": "3"}},
        "scope": "local",
    }


def test_many_at_once_lose_and_tear_nothing_while_files_are_put_aside(paths, monkeypatch):
    monkeypatch.setattr(events, "LARGEST", 60_000)  # two files hold more than all of them
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=emit_many, args=(paths, who, 100)) for who in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = written(paths)
    assert os.path.exists(f"{events.path(paths)}.1")
    assert {one["Actor"]["ID"] for one in found} == {
        f"{who}-{number}" for who in range(6) for number in range(100)
    }
    assert [one["timeNano"] for one in found] == sorted(one["timeNano"] for one in found)


def test_there_are_two_files_at_most(paths, monkeypatch):
    monkeypatch.setattr(events, "LARGEST", 1000)
    emit_many(paths, 0, 100)
    assert sorted(os.listdir(paths.root)) == ["events.jsonl", "events.jsonl.1"]
    assert written(paths)[-1]["Actor"]["ID"] == "0-99"


def test_a_place_that_cannot_be_written_fails_nobody(paths):
    os.rmdir(paths.root)
    events.emit(paths, "image", "pull", "x", {})
    assert not os.path.exists(paths.root)


def test_on_a_full_disk_an_event_is_whole_or_not_there(paths):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    emit_many(paths, 0, 20)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    events.emit(paths, "volume", "create", "last", {})
    ids = [one["Actor"]["ID"] for one in written(paths)]
    assert ids == [f"0-{number}" for number in range(len(ids) - 1)] + ["last"]
    assert len(ids) < 10


def test_half_an_event_hides_only_itself(paths):
    events.emit(paths, "volume", "create", "one", {})
    with open(events.path(paths), "a") as file:
        file.write('{"Type":')
    events.emit(paths, "volume", "create", "two", {})
    found = tail.Tail(events.path(paths))
    assert [one["Actor"]["ID"] for one in tail.parse(found.read())] == ["one", "two"]
    found.close()


# ---- filters ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "one"),
    [
        ({"event": ["start", "die"]}, event()),
        ({"event": ["exec_create"]}, event(action="exec_create: sh -c true")),
        ({"event": ["exec_create: sh"]}, event(action="exec_create: sh")),
        ({"event": ["health_status"]}, event(action="health_status: healthy")),
        ({"type": ["container"], "scope": ["local"], "daemon": ["any"]}, event()),
        ({"container": ["ab"]}, event()),
        ({"container": ["db"]}, event(name="db")),
        ({"image": ["busybox"]}, event(image="busybox:latest")),
        ({"image": ["busybox:latest"]}, event("image", "pull", "busybox:latest", name="busybox")),
        ({"image": ["host:5000/x"]}, event(image="host:5000/x:1")),
        ({"label": ["a", "b=c"]}, event(a="1", b="c")),
        ({"volume": ["data"]}, event("volume", "create", "data")),
        ({"network": ["front"]}, event("network", "connect", "0123", name="front")),
    ],
)
def test_filters_let_through(wanted, one):
    assert shown.is_wanted(one, wanted)


@pytest.mark.parametrize(
    ("wanted", "one"),
    [
        ({"event": ["sta"]}, event()),
        ({"event": ["exec_create: sh"]}, event(action="exec_create: sh -c true")),
        ({"type": ["image"]}, event()),
        ({"container": ["b"]}, event()),
        ({"image": ["busy"]}, event(image="busybox:latest")),
        ({"image": ["host"]}, event(image="host:5000/x")),
        ({"label": ["a", "b"]}, event(a="1")),
        ({"event": ["start"], "container": ["x"]}, event()),
    ],
)
def test_filters_keep_back(wanted, one):
    assert not shown.is_wanted(one, wanted)


# ---- moments ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1136073600", 1136073600 * 10**9),
        ("1136073600.000000001", 1136073600 * 10**9 + 1),
        ("1136073600.5", 1136073600 * 10**9 + 5 * 10**8),
        ("2006-01-01T00:00:00Z", 1136073600 * 10**9),
        ("2006-01-01T01:00:00.123456789+01:00", 1136073600 * 10**9 + 123456789),
    ],
)
def test_a_moment_is_exact(text, nanoseconds):
    assert moments.nanoseconds(text, "since") == nanoseconds


@pytest.mark.parametrize(("text", "seconds"), [("10m", 600), ("1h30m", 5400), ("1.5s", 1.5), ("-10m", -600)])
def test_a_duration_is_so_long_ago(text, seconds, monkeypatch):
    monkeypatch.setattr(moments.time, "time_ns", lambda: 10**18)
    assert moments.nanoseconds(text, "since") == 10**18 - round(seconds * 10**9)


@pytest.mark.parametrize(
    "text", ["yesterday", "10x", "10 m", "2006-13-01", "2006-01-01T", "1h-5m", "m", "-", ""]
)
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(UsageError, match="since"):
        moments.nanoseconds(text, "since")
