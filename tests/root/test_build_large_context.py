"""A context of 200,000 files: looked at in seconds, and a second time without opening one."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from minirun.build import digests
from minirun.build.digests import Remembered
from minirun.build.ignore import Ignore
from minirun.build.selection import Order, select
from minirun.build.tree import Tree
from minirun.paths import Paths

FILES = 200_000


@pytest.fixture
def large() -> Iterator[Path]:
    """200,000 files, in memory: a disk may take a minute for them."""
    made = Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    for number in range(FILES):
        if number % 1000 == 0:
            directory = made / str(number)
            directory.mkdir()
        os.close(os.open(f"{directory}/{number}", os.O_CREAT | os.O_WRONLY))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path / "root"), str(tmp_path / "state"))


@pytest.fixture
def tree(large: Path) -> Iterator[Tree]:
    made = Tree(os.open(large, os.O_PATH), "the context", Ignore(["*.pyc"]), (0, 0))
    yield made
    made.close()


def test_they_are_looked_at_in_seconds(tree: Tree, paths: Paths, monkeypatch: pytest.MonkeyPatch):
    real = time.time_ns
    monkeypatch.setattr(digests.time, "time_ns", lambda: real() + 60 * 10**9)
    started = time.process_time()
    remembered = Remembered(paths, "k")
    rows = select(tree, Order(["."], "/d/")).entries(remembered)
    remembered.save()
    assert len(rows) == FILES + FILES // 1000
    assert time.process_time() - started < 30
    monkeypatch.setattr(digests, "_READ", None)  # opening one is an error now
    assert select(tree, Order(["."], "/d/")).entries(Remembered(paths, "k")) == rows


def test_those_that_are_left_out_are_not_looked_at(tree: Tree, paths: Paths):
    tree.ignore = Ignore(["*"])
    started = time.process_time()
    assert select(tree, Order(["."], "/d/")).entries(Remembered(paths, "")) == []
    assert time.process_time() - started < 1
