"""Answers are those of the request that was sent, and of no other."""

from __future__ import annotations

import errno

import pytest

from minirun.network import netlink

MESSAGE = netlink._message(netlink._RTM_DELLINK, 0, b"")


def message(kind: int, sequence: int, body: bytes = b"") -> bytes:
    return netlink.HEADER.pack(netlink.HEADER.size + len(body), kind, 0, sequence, 0) + body


def error(number: int, sequence: int) -> bytes:
    return message(2, sequence, (-number).to_bytes(4, "little", signed=True) + b"\0" * 16)


class Kernel:
    """A socket whose answers are `reads`: functions of the number that the request has."""

    def __init__(self, *reads) -> None:
        self.reads = list(reads)

    def send(self, message: bytes) -> None:
        self.sequence = netlink.HEADER.unpack_from(message)[3]

    def recv(self, size: int) -> bytes:
        return self.reads.pop(0)(self.sequence)


def test_the_answer_to_a_request_that_was_interrupted_is_passed_over() -> None:
    kernel = Kernel(lambda number: error(errno.EEXIST, number - 1), lambda number: error(0, number))
    netlink._exchange(kernel, MESSAGE)
    assert kernel.reads == []


def test_an_error_of_its_own_is_raised() -> None:
    kernel = Kernel(lambda number: error(0, number - 1) + error(errno.ENODEV, number))
    with pytest.raises(OSError, match="No such device"):
        netlink._exchange(kernel, MESSAGE)


def test_a_dump_has_the_messages_that_answer_it_up_to_the_last() -> None:
    kernel = Kernel(
        lambda number: message(3, number - 1) + message(16, number, b"one!"),
        lambda number: message(16, number - 1, b"old!") + message(16, number, b"two!") + message(3, number),
    )
    found = netlink.dump(kernel, MESSAGE)
    assert [one[netlink.HEADER.size :] for one in found] == [b"one!", b"two!"]


def test_each_request_has_a_number_of_its_own() -> None:
    kernel = Kernel(lambda number: error(0, number), lambda number: error(0, number))
    netlink._exchange(kernel, MESSAGE)
    first = kernel.sequence
    netlink._exchange(kernel, MESSAGE)
    assert kernel.sequence != first
