"""Signals by the names that kill(1) knows."""

import signal

import pytest

from minirun.linux import signals


@pytest.mark.parametrize("prefix", ["", "SIG", "sig"])
@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("TERM", 15),
        ("kill", 9),
        ("CLD", 17),
        ("POLL", 29),
        ("IO", 29),
        ("IOT", 6),
        ("PWR", 30),
        ("STKFLT", 16),
        ("RTMIN", 34),
        ("RTMIN+3", 37),
        ("rtmin+30", 64),
        ("RTMAX-14", 50),
        ("RTMAX", 64),
        ("RTMAX-30", 34),
    ],
)
def test_a_name_with_and_without_sig(prefix, name, number):
    assert signals.named(prefix + name) == number


def test_all_that_this_kernel_has_by_name_and_by_number():
    for known in signal.Signals:
        assert signals.named(known.name) == signals.named(str(int(known))) == known
    assert [signals.named(str(number)) for number in range(1, 65)] == list(range(1, 65))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "65",
        "-1",
        "FOO",
        "SIG",
        "SIG9",
        "RTMIN-1",
        "RTMAX+1",
        "RTMIN+31",
        "RTMIN+",
        "RTMIN+٣",
        "٩",
        "_DFL",
        "x" * 200_000,
    ],
)
def test_what_is_none(text):
    assert not signals.named(text)
