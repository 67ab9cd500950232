"""Fuzzing the name server: whatever a container sends, it gets at most one reply, and learns nothing of others.

The examples are the same in every run (derandomize), so a failure is found again; MINIRUN_FUZZ=50 looks at fifty
times as many, others each time.
"""

import os
import socket
import struct
from collections.abc import Iterator

import pytest
from dnslib import EDNS0, QTYPE, EDNSOption
from hypothesis import example, given
from hypothesis import strategies as st

from minirun.network.nameserver import UDP_PAYLOAD, Forward, answer
from minirun.network.nameserver_names import Names
from tests.dns import (
    CLIENT,
    CLIENT_V6,
    HERE,
    WEB,
    Served,
    data,
    endpoint,
    query,
    write_backend,
    write_network,
)
from tests.fuzzing import fuzz

HEADER = struct.Struct("!6H")
# What the client must never be told: on the other network, as a text and as bytes of an address.
SECRETS = [b"spyglass", b"secretnet", b"\x0a\x42\x4d\x58", b"\xfd\x66\x6d\x77"]
OTHERS_V6 = "fd66:6d77::9"
PTR_OF_OTHERS = ["88.77.66.10.in-addr.arpa", "9." + "0." * 23 + "7.7.d.6.6.6.d.f.ip6.arpa"]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Names:
    directory = tmp_path_factory.mktemp("networks")
    many = {
        f"{number:064}": endpoint(f"c{number}", f"172.18.1.{number}", aliases=["all"]) for number in range(99)
    }
    web = endpoint("web", CLIENT, CLIENT_V6, aliases=["all"])
    write_network(directory, "backend", ["172.18.0.0/16", "fd12:3456::/64"], {WEB: web, **many})
    spy = {"5" * 64: endpoint("spyglass", "10.66.77.88", OTHERS_V6, aliases=["www"])}
    write_network(directory, "secretnet", ["10.66.77.0/24", "fd66:6d77::/64"], spy)
    return Names(str(directory), "backend")


# Queries: bytes, queries with bytes changed, and queries put together from parts that fit badly.

NAMES = ["web", "all", "all.backend", "c7", "www", "spyglass.secretnet", "example.org", *PTR_OF_OTHERS]
TYPES = ["A", "AAAA", "ANY", "PTR", "TXT", "AXFR", "OPT", "HTTPS"]
CLIENTS = st.sampled_from([CLIENT, CLIENT_V6, "10.66.77.88", "203.0.113.1", ""])


@st.composite
def well_formed(draw: st.DrawFn) -> bytes:
    edns = EDNS0(
        udp_len=draw(st.integers(0, 65535)),
        version=draw(st.sampled_from([0, 0, 0, 1, 255])),
        flags=draw(st.sampled_from(["", "do"])),
        opts=[EDNSOption(draw(st.integers(0, 65535)), draw(st.binary(max_size=40)))],
    )
    return query(
        draw(st.sampled_from(NAMES)), draw(st.sampled_from(TYPES)), edns=edns if draw(st.booleans()) else None
    )


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    raw = bytearray(draw(well_formed()))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw) - 1))
        raw[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
        raw = raw or bytearray(1)
    return bytes(raw)


POINTERS = st.integers(0, 200).map(lambda offset: struct.pack("!H", 0xC000 | offset))
LABELS = st.binary(min_size=1, max_size=63).map(lambda label: bytes([len(label)]) + label)
QNAMES = st.lists(st.one_of(LABELS, POINTERS, st.just(b"\0")), max_size=6).map(b"".join)
RECORDS = st.tuples(
    QNAMES,
    st.one_of(st.integers(0, 300), st.sampled_from([41, 41, 2, 5, 6, 12, 15, 33, 46, 250])),
    st.integers(0, 65535),
    st.integers(0, 2**32 - 1),
    st.integers(0, 40),
    st.one_of(st.binary(max_size=40), QNAMES),
).map(lambda parts: parts[0] + struct.pack("!HHIH", *parts[1:5]) + parts[5])


@st.composite
def assembled(draw: st.DrawFn) -> bytes:
    counts = [draw(st.sampled_from([1, 1, 1, 0, 2, 65535])), *(draw(st.integers(0, 2)) for _ in range(3))]
    flags = draw(st.sampled_from([0x0100, 0x0000, 0x0110, 0x2800, 0x8180]))
    records = draw(st.lists(RECORDS, max_size=4))
    return HEADER.pack(draw(st.integers(0, 65535)), flags, *counts) + b"".join(
        [draw(QNAMES), draw(st.sampled_from([b"\0\1\0\1", b"\0\1\0", b"\0\xff\0\1"])), *records]
    )


QUERIES = st.one_of(st.binary(max_size=300), well_formed(), mutated(), assembled())


def room_for_reply(raw: bytes, udp: bool) -> int:
    return (UDP_PAYLOAD if b"\0\0\x29" in raw else 512) if udp else 65535


def tells(reply: bytes, raw: bytes) -> list[bytes]:
    """The secrets in a reply that the query did not hold itself."""
    return [secret for secret in SECRETS if secret in reply.lower() and secret not in raw.lower()]


@given(raw=QUERIES, client=CLIENTS, udp=st.booleans())
@example(raw=HEADER.pack(7, 0x0100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", client=CLIENT, udp=True)
@example(raw=HEADER.pack(7, 0x0100, 1, 0, 0, 0) + b"\1a\xc0\x0e\0\1\0\1", client=CLIENT, udp=True)
@fuzz(1500)
def test_a_reply_is_one_fits_and_keeps_secrets(names: Names, raw: bytes, client: str, udp: bool):
    found = answer(raw, client, names, udp)
    if isinstance(found, Forward):
        assert client in (CLIENT, CLIENT_V6)
        found = found.failure()
    if found is not None:
        assert found[:2] == raw[:2]
        assert found[2] & 0x80
        assert len(found) <= room_for_reply(raw, udp)
        assert not tells(found, raw)


@given(raw=QUERIES, client=st.sampled_from(["10.66.77.88", "203.0.113.1", "", "fe80::1%eth0", "\0", "ä"]))
@fuzz(400)
def test_a_stranger_is_never_told_an_address(names: Names, raw: bytes, client: str):
    found = answer(raw, client, names, True)
    assert found is None or (isinstance(found, bytes) and found[6:8] == b"\0\0" and found[3] & 15)


@given(raw=well_formed(), message=st.one_of(st.binary(max_size=600), mutated()))
@fuzz(400)
def test_whatever_a_resolver_sends_fits_or_is_not_passed_on(names: Names, raw: bytes, message: bytes):
    found = answer(raw, CLIENT, names, True)
    if isinstance(found, Forward) and found.is_answered_by(message, message[:2]):
        assert len(found.incoming(message)) <= room_for_reply(raw, True)
        assert found.incoming(message)[:2] == raw[:2]


@given(raw=well_formed(), more=st.binary(max_size=2000))
@fuzz(300)
def test_an_answer_is_passed_on_whole_or_not_at_all(names: Names, raw: bytes, more: bytes):
    found = answer(raw, CLIENT, names, True)
    if isinstance(found, Forward):
        message = found.outgoing(b"ab")
        message = message[:2] + b"\x81\x80" + message[4:] + more
        assert found.is_answered_by(message, b"ab")
        passed = found.incoming(message)
        assert passed[2:] == message[2:] or (passed[2] & 2 and len(passed) <= 512)


# Over real sockets


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("served")
    write_backend(directory)
    made = Served(directory)  # without resolvers
    made.ask(query("web"))
    yield made
    assert made.end() == ""


@given(messages=st.lists(QUERIES, min_size=1, max_size=5))
@fuzz(60)
def test_after_nonsense_over_udp_it_still_answers(served: Served, messages: list[bytes]):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for message in messages:
            sock.sendto(message, served.udp)
        assert data(served.ask(query("web"))) == [HERE]


@given(
    stream=st.lists(
        st.one_of(QUERIES, QUERIES.map(lambda raw: struct.pack("!H", len(raw)) + raw)), max_size=4
    )
)
@fuzz(60)
def test_after_nonsense_over_tcp_it_still_answers(served: Served, stream: list[bytes]):
    with served.connect() as sock:
        try:
            for some in stream:
                sock.sendall(some)
        except ConnectionError:  # it has hung up, as it may
            pass
        assert data(served.ask_over_tcp(query("web"))) == [HERE]


def test_every_type_and_class_is_borne(names: Names):
    for qtype in QTYPE.forward:
        for qclass in (0, 1, 255):
            raw = query("web")[:-4] + struct.pack("!HH", qtype, qclass)
            assert isinstance(answer(raw, CLIENT, names, True), bytes)


def test_no_message_takes_long(names: Names):
    """Records whose names lead from pointer to pointer, as many as fit."""
    start = 12 + 5 + 11
    chain = b"".join(struct.pack("!H", 0xC000 | (start + 2 * hop - 2 if hop else 12)) for hop in range(2000))
    record = b"\0" + struct.pack("!HHIH", 10, 1, 0, len(chain)) + chain
    last = struct.pack("!H", 0xC000 | (start + len(chain) - 2)) + struct.pack("!HHIH", 10, 1, 0, 1) + b"x"
    raw = HEADER.pack(7, 0x0100, 1, 0, 0, 3) + b"\0\0\1\0\1" + record + last * 2
    begin = os.times().user
    assert answer(raw, CLIENT, names, True) == HEADER.pack(7, 0x8181, 0, 0, 0, 0)
    assert os.times().user - begin < 2  # seconds of the processor; it is milliseconds
