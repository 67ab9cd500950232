"""A cache that travels in the config of an image: what is written, and that what others wrote is looked at first."""

from typing import Any

import pytest

from minirun.build import cache_format
from minirun.build.cache_format import Made

DIFF = "sha256:" + "d" * 64
STEP = {"key": "a" * 64, "created": "2024", "step": "RUN x", "diff_id": DIFF, "size": 7, "below": [DIFF]}


def record(layer: str) -> Any:
    return {"created": "2024", "step": "RUN x", "layer": layer, "diff_id": DIFF, "size": 7, "blob": None}


def test_what_is_written_is_read() -> None:
    config = {cache_format.KEY: cache_format.document([Made("a" * 64, record("l"), [DIFF], True)])}
    assert cache_format.steps(config) == {"a" * 64: STEP}


def test_steps_are_in_the_order_of_their_keys() -> None:
    made = [Made(letter * 64, record("l"), [], True) for letter in "cab"]
    assert cache_format.document(made) == cache_format.document(made[::-1])


@pytest.mark.parametrize(
    "change",
    [
        {"key": "a"},
        {"key": "../" + "a" * 61},
        {"key": 7},
        {"diff_id": "sha256:../x"},
        {"diff_id": None},
        {"diff_id": ""},
        {"below": "sha256"},
        {"below": ["x"]},
        {"size": -1},
        {"size": True},
        {"created": 1},
    ],
)
def test_a_step_that_makes_no_sense_is_left_out(change: dict[str, Any]) -> None:
    told = {"version": 1, "steps": [{**STEP, **change}, {**STEP, "key": "b" * 64}]}
    assert list(cache_format.steps({cache_format.KEY: told})) == ["b" * 64]


@pytest.mark.parametrize("told", [None, [], {}, {"version": 2, "steps": [STEP]}, {"version": 1, "steps": {}}])
def test_what_is_no_cache_has_no_steps(told: Any) -> None:
    assert cache_format.steps({cache_format.KEY: told}) == {}
