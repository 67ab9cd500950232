"""`update`: what counts as something said."""

import pytest

from minirun.cli import update
from minirun.errors import UsageError


def invoke(*words):
    with update.update_command.make_context("update", [*words, "one"]) as ctx:
        return update.update_command.invoke(ctx)


@pytest.mark.parametrize(
    "words",
    [
        ["--cpu-shares", "0"],
        ["--blkio-weight", "0"],
        ["--cpus", "0"],
        ["--cpu-rt-runtime", "0"],
        ["--restart", "no"],
    ],
)
def test_a_zero_is_something(words, monkeypatch):
    monkeypatch.setattr(update.stopping, "for_each", lambda names, _: names)
    assert invoke(*words) == ("one",)


def test_nothing_said_is_refused():
    with pytest.raises(UsageError, match="You must provide one or more flags"):
        invoke()
