"""What has changed between two configurations, in words."""

import json
from typing import Any

import pytest

from minirun.compose.differences import differences


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ({"environment": {"DEBUG": "0"}}, {"environment": {"DEBUG": "1"}}, ["environment DEBUG 0 -> 1"]),
        ({}, {"user": "web"}, ["user web is new"]),
        ({"user": "web"}, {}, ["user web is gone"]),
        ({"command": ["a", "b"]}, {"command": ["a", "c"]}, ['command ["a", "b"] -> ["a", "c"]']),
        (
            {"cap_add": ["A", "B"]},
            {"cap_add": ["B", "C"]},
            ["cap_add without A", "cap_add with C"],
        ),
        ({"dns": ["1.1.1.1", "8.8.8.8"]}, {"dns": ["8.8.8.8", "1.1.1.1"]}, ["dns in another order"]),
        (
            {"deploy": {"resources": {"limits": {"cpus": 0.5}}}},
            {"deploy": {"resources": {"limits": {"cpus": 1}}}},
            ["deploy resources limits cpus 0.5 -> 1"],
        ),
        ({"x": "a" * 100}, {"x": ""}, [f'x {"a" * 57}... -> ""']),
        ({"a": 1}, {"a": 1}, ["its configuration has changed"]),
    ],
)
def test_differences(before: Any, now: Any, words: list[str]) -> None:
    assert differences(json.dumps(before), json.dumps(now)) == words


def test_nobody_has_written_it_down() -> None:
    assert differences("", "{}") == ["its configuration has changed"]
