"""The records of steps: found by what went into them."""

import os
from pathlib import Path
from typing import Any

import pytest

from minirun.build import cache
from minirun.build.cache import Cache
from minirun.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path / "root"), str(tmp_path / "state"))


def record(paths: Paths, layer: str = "0" * 64) -> Any:
    """Of a step that made `layer`, which is there."""
    os.makedirs(f"{paths.layers}/{layer}", exist_ok=True)
    return {"created": "", "step": "RUN x", "layer": layer, "diff_id": "", "size": 0, "blob": None}


def test_what_went_into_a_step_is_its_key_in_any_order() -> None:
    assert cache.key("run", a=1, b=["x"]) == cache.key("run", b=["x"], a=1)
    assert len({cache.key("run", a=1), cache.key("run", a=2), cache.key("copy", a=1)}) == 3


def test_a_record_is_found_by_its_key(paths: Paths) -> None:
    Cache(paths).add("a" * 64, record(paths, "l" * 64))
    found = Cache(paths).find("a" * 64)
    assert found
    assert found["layer"] == "l" * 64
    assert Cache(paths).find("b" * 64) is None


def test_a_record_whose_layer_has_gone_is_not_found(paths: Paths) -> None:
    Cache(paths).add("a" * 64, record(paths, "l" * 64))
    os.rmdir(f"{paths.layers}/{'l' * 64}")
    assert Cache(paths).find("a" * 64) is None


def test_what_is_found_counts_as_used_now(paths: Paths) -> None:
    Cache(paths).add("a" * 64, record(paths))
    [path] = Path(paths.build_cache).iterdir()
    os.utime(path, (1, 1))
    Cache(paths).find("a" * 64)
    assert path.stat().st_mtime > 1


def test_a_step_that_is_done_again_has_one_record(paths: Paths) -> None:
    Cache(paths).add("a" * 64, record(paths, "1" * 64))
    Cache(paths).add("a" * 64, record(paths, "2" * 64))
    assert os.listdir(paths.build_cache) == [f"{'a' * 64}.{'2' * 64}.json"]


def test_what_another_build_has_added_is_found_when_it_is_looked_for_again(paths: Paths) -> None:
    before = Cache(paths)
    Cache(paths).add("a" * 64, record(paths))
    assert before.find("a" * 64) is None
    assert before.find_again("a" * 64)


def test_a_damaged_record_is_none(paths: Paths) -> None:
    Cache(paths).add("a" * 64, record(paths))
    [path] = Path(paths.build_cache).iterdir()
    path.write_text("{")
    assert Cache(paths).find("a" * 64) is None
