"""Containers by name and id, and whose shim lives."""

import fcntl
import os
import re
from pathlib import Path

import pytest

from minirun.engine import records
from minirun.engine.options import run_options
from minirun.errors import ConflictError, MinirunError, NotFoundError, UsageError
from minirun.paths import Paths


@pytest.fixture
def paths(tmp_path):
    return Paths(str(tmp_path / "root"), str(tmp_path / "state"))


@pytest.fixture
def add(paths):
    def add(container_id, name=""):
        record = {"version": records.VERSION, "id": container_id, "name": name, "created": container_id}
        record |= {"options": run_options.defaults("busybox"), "state": records.new_state()}
        records.add(paths, record)
        return record

    return add


def test_a_container_is_found_by_id_prefix_and_name(paths, add):
    add("abc123", "one")
    add("abd456", "two")
    assert [records.find(paths, text)["name"] for text in ("abc123", "abc", "one", "/one")] == ["one"] * 4


def test_a_name_wins_over_a_prefix(paths, add):
    add("abc123", "one")
    add("ffffff", "abc")
    assert records.find(paths, "abc")["id"] == "ffffff"


def test_an_ambiguous_prefix_is_told(paths, add):
    add("abc123", "one")
    add("abd456", "two")
    with pytest.raises(UsageError, match='several container ids begin with "ab"'):
        records.find(paths, "ab")


@pytest.mark.parametrize("text", ["", "nosuch", "../x", "."])
def test_what_is_not_there_is_told(paths, add, text):
    add("abc123", "one")
    with pytest.raises(NotFoundError):
        records.find(paths, text)


def test_a_name_is_given_once(paths, add):
    add("abc123", "one")
    with pytest.raises(ConflictError, match='"/one" is already in use by container "abc123"'):
        add("ffffff", "one")
    assert [record["id"] for record in records.list_all(paths)] == ["abc123"]


def test_random_names_are_never_the_same(add):
    names = {add(f"{number:06}")["name"] for number in range(400)}
    assert len(names) == 400
    assert all(re.fullmatch(r"[a-z]+_[a-z]+[0-9]*", name) for name in names)


def test_a_half_made_directory_is_passed_over(paths, add):
    add("abc123", "one")
    os.mkdir(paths.container("half"))
    (open(f"{paths.containers}/file", "w")).close()
    assert [record["id"] for record in records.list_all(paths)] == ["abc123"]


@pytest.mark.parametrize("name", ["a", "-x", ".x", "a b", "a/b", "a\n", "ä" * 3, ""])
def test_names_docker_refuses(name):
    with pytest.raises(UsageError, match="Invalid container name"):
        run_options.check_name(name)


def test_a_shim_lives_as_long_as_its_lock(paths):
    os.makedirs(paths.run("x"))
    assert not records.has_shim(paths, "x")
    with open(records.shim_lock(paths, "x"), "w") as lock:
        assert not records.has_shim(paths, "x")
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert records.has_shim(paths, "x")
    assert not records.has_shim(paths, "x")


def test_ids_are_64_hexadecimal_digits():
    assert re.fullmatch("[0-9a-f]{64}", records.new_id())
    assert records.new_id() != records.new_id()


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}"])
def test_a_damaged_record_is_named(paths, content: str):
    directory = Path(paths.container("a" * 64))
    directory.mkdir(parents=True)
    (directory / "container.json").write_text(content)
    assert records.damaged(paths) == [str(directory)]
    assert records.list_all(paths) == []
    with pytest.raises(MinirunError, match=f"damaged: {directory}/container.json"):
        records.find(paths, "a" * 64)


def test_a_newer_format_is_told(paths, add):
    record = add("abc123", "one")
    records.write(paths, {**record, "version": records.VERSION + 1})
    with pytest.raises(
        MinirunError,
        match=rf"newer minirun wrote it, in format {records.VERSION + 1}; this one knows {records.VERSION}",
    ):
        records.read(paths, "abc123")


def test_a_record_of_format_1_is_read_in_todays_shape(paths, add):
    record = add("abc123", "one")
    wanted = run_options.defaults("busybox", ["true"])
    options = {key: value for key, value in wanted.items() if key not in ("sysctls", "attachments")}
    options["plugs"] = wanted["attachments"]
    records.write(paths, {**record, "version": 1, "options": options, "plugs": options["plugs"]})
    found = records.read(paths, "abc123")
    assert (found["version"], found["options"]) == (records.VERSION, wanted)
    assert found["attachments"] == wanted["attachments"]
    assert "plugs" not in found


@pytest.mark.parametrize(("word", "words"), [(None, None), ("sh", ["sh"]), ("", [""])])
def test_the_one_word_of_an_entry_point_is_a_list_today(paths, add, word, words):
    record = add("abc123", "one")
    options = {**run_options.defaults("busybox"), "entrypoint": word}
    records.write(paths, {**record, "version": 2, "options": options})
    assert records.read(paths, "abc123")["options"]["entrypoint"] == words


def test_an_older_number_does_not_make_a_record_of_anything(paths):
    directory = Path(paths.container("a" * 64))
    directory.mkdir(parents=True)
    (directory / "container.json").write_text('{"version": 1}')
    assert records.damaged(paths) == [str(directory)]
