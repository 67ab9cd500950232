"""The keys that leave a container running."""

import pytest

from minirun.cli.attach import DETACH_KEYS, Keys, detach_keys
from minirun.errors import UsageError


@pytest.mark.parametrize(
    ("typed", "passed", "leaves"),
    [
        ([b"ls\n"], b"ls\n", False),
        ([b"\x10\x11"], b"", True),
        ([b"\x10", b"\x11"], b"", True),
        ([b"ls\x10\x11rest"], b"ls", True),
        ([b"\x10", b"x"], b"\x10x", False),
        ([b"\x10", b"\x10"], b"\x10\x10", False),
        ([b"\x10\x10\x11"], b"\x10\x10\x11", False),
        ([b"\x10", b"\x10", b"\x11"], b"\x10\x10\x11", False),
        ([b"\x10", b"\x10", b"\x10", b"\x11"], b"\x10\x10", True),
        ([b"\x10", b"x\x10", b"\x11"], b"\x10x", True),
        ([b"\x10"], b"", False),
        ([b"\x11\x10"], b"\x11", False),
    ],
)
def test_the_keys_leave_and_all_else_is_passed_on(typed, passed, leaves):
    keys = Keys(DETACH_KEYS)
    results = [keys.feed(piece) for piece in typed]
    assert b"".join(result for result, _ in results) == passed
    assert results[-1][1] == leaves


def test_without_keys_everything_is_passed_on():
    assert Keys(b"").feed(b"\x10\x11") == (b"\x10\x11", False)


def test_a_key_that_does_not_go_on_with_the_sequence_does_not_begin_it_either():
    """As in Docker, where `aaa` is sent at once."""
    assert Keys(b"aab").feed(b"aaab") == (b"aaab", False)
    assert Keys(b"aab").feed(b"xaab") == (b"x", True)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("", b"\x10\x11"),
        ("ctrl-p,ctrl-q", b"\x10\x11"),
        ("ctrl-a,x", b"\x01x"),
        ("ctrl-@", b"\x00"),
        ("ctrl-[,a", b"\x1ba"),
        ("ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"\x1c\x1d\x1e\x1f"),
        ("DEL", b"\x7f"),
    ],
)
def test_keys_are_named_as_docker_names_them(text, sent):
    assert detach_keys(text) == sent


@pytest.mark.parametrize("text", ["ctrl-", ",", "DELETE", "ctrl-pp", "control-p", "a,,b", "ctrl-1", "é"])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(UsageError, match="escape keys"):
        detach_keys(text)
