"""The names of a network: what a DNS query of a container is answered with.  Bytes in, bytes out, no sockets.

Who asks is known by the source address alone, which a container cannot choose, and sees the names of every network
it is on: nameserver_names.py.  An address that is nobody's is told nothing.  What is no name of those networks is
somebody else's to answer: the result is then a Forward, for nameserver_loop.py to send on.

    answer(query, client, names, udp)
        None      no reply at all: it was none of a query, and replying to replies can go on for ever
        bytes     the one reply
        Forward   whom to ask, and what of their answer goes back to the client

Queries are untrusted.  Header and question are taken apart here, where a name holds no compression pointer and so
cannot lead in a circle; dnslib reads the few records behind them and writes all replies.

See      RFC 1035 section 4 (messages), RFC 6891 (EDNS), RFC 3596 (AAAA, ip6.arpa), RFC 8482 (ANY)
By hand  dig @172.18.0.1 web        from inside a container of that network
"""

from __future__ import annotations

import struct
from socket import AF_INET, inet_pton
from typing import TYPE_CHECKING, NamedTuple

from dnslib import (  # type: ignore[import-untyped]
    EDNS0,
    PTR,
    QTYPE,
    RCODE,
    RD,
    RR,
    DNSBuffer,
    DNSHeader,
    DNSLabel,
    DNSQuestion,
    DNSRecord,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from minirun.network.nameserver_names import Names, View

# A container that is started again may get another address, and its clients are to notice at once.  A few seconds
# still spare us the second query of a program that looks a name up twice in a row; asking us again costs little.
TTL_SECONDS = 5

# What we say we can take in one datagram, and the most we put into one: it crosses every link unfragmented.
UDP_PAYLOAD = 1232
_PLAIN_UDP_PAYLOAD = 512  # RFC 1035 section 4.2.1, for a client that says nothing
_TCP_PAYLOAD = 65535

_HEADER = struct.Struct("!6H")  # id, flags, questions, answers, authorities, additional records
_QUESTION_TAIL = struct.Struct("!HH")  # type, class
_IN = 1
_BADVERS = 16
_SIZES = {QTYPE.A: (4,), QTYPE.AAAA: (16,), QTYPE.ANY: (4, 16)}  # how long an address of that type is
_TYPES = {4: QTYPE.A, 16: QTYPE.AAAA}
_SMALLEST_RECORD = 16  # an A record: pointer to the name, type, class, TTL, length, address
_TRANSFERS = (QTYPE.AXFR, QTYPE.IXFR)

# A query has one record for EDNS, one for a signature, IXFR one more.  Without a limit, 64 kB of records that point
# at each other's names would keep dnslib busy for seconds.
_MOST_RECORDS = 3


# A query.


class Query(NamedTuple):
    """A query that can be answered: one question, and what the client says about itself."""

    raw: bytes
    labels: tuple[bytes, ...]  # of the name, in the client's spelling
    qtype: int
    qclass: int
    end: int  # offset behind the question
    edns: RR | None
    limit: int  # bytes of the longest reply

    @property
    def name(self) -> bytes:
        """Lower case, without the last dot; a dot within a label is told from one between two, RFC 1035 5.1."""
        return b".".join(label.replace(b".", rb"\.") for label in self.labels).lower()


def _parse(raw: bytes, udp: bool) -> Query:
    """Raises ValueError, or whatever dnslib raises, when `raw` is not one question and at most a few records."""
    _, _, questions, *others = _HEADER.unpack_from(raw)
    if questions != 1 or sum(others) > _MOST_RECORDS:
        raise ValueError("not one question")
    labels, end = _name(raw, _HEADER.size)
    qtype, qclass = _QUESTION_TAIL.unpack_from(raw, end)
    end += _QUESTION_TAIL.size
    edns = _edns(raw, end, sum(others))
    limit = _PLAIN_UDP_PAYLOAD
    if edns:
        limit = max(limit, min(edns.edns_len, UDP_PAYLOAD))
    return Query(raw, labels, qtype, qclass, end, edns, limit if udp else _TCP_PAYLOAD)


def _name(raw: bytes, offset: int) -> tuple[tuple[bytes, ...], int]:
    """The labels of the name at `offset`, and the offset behind it.

    Nothing comes before the name but the header, so there is nothing a compression pointer could point at: one is
    an error like any other length above 63.
    """
    labels = []
    start = offset
    while length := raw[offset]:
        label = raw[offset + 1 : offset + 1 + length]
        offset += 1 + length
        if length > 63 or offset - start > 254:
            raise ValueError("the name is too long, or compressed")
        labels.append(label)
    return tuple(labels), offset + 1


def _edns(raw: bytes, offset: int, count: int) -> RR | None:
    """The OPT record among the `count` records at `offset`; None without one."""
    if not count:
        return None
    buffer = DNSBuffer(raw)
    buffer.offset = offset
    records = [RR.parse(buffer) for _ in range(count)]
    found = [record for record in records if record.rtype == QTYPE.OPT]
    if len(found) > 1:
        raise ValueError("more than one OPT record, RFC 6891 section 6.1.1")
    return found[0] if found else None


# The answer.


def answer(raw: bytes, client: str, names: Names, udp: bool) -> bytes | Forward | None:
    """What to do about the message `raw` from the address `client`.  Raises nothing, whatever the bytes."""
    if len(raw) < _HEADER.size or raw[2] & 0x80:  # QR, a reply
        return None
    if raw[2] & 0x78:  # opcode, anything but QUERY
        return _bare(raw, RCODE.NOTIMP)
    try:
        query = _parse(raw, udp)
    except Exception:  # dnslib raises its own, and what Python raises in it; RecursionError is among them
        return _bare(raw, RCODE.FORMERR)
    names.refresh()
    view = names.view(client)
    # One reply a query is not enough for a zone transfer, and there are no zones here.
    if view is None or query.qclass != _IN or query.qtype in _TRANSFERS:
        return _reply(query, RCODE.REFUSED)
    if query.edns and query.edns.edns_ver > 0:
        return _reply(query, _BADVERS)
    return _by_name(query, view, names) or _by_address(query, view, names) or _elsewhere(query, view)


def _by_name(query: Query, view: View, names: Names) -> bytes | None:
    """The addresses of a container; None when the client knows none of that name.

    A name without an address of the kind, or asked for its mail servers, is known all the same: an empty answer
    and not NXDOMAIN, by which a client would give the name up for every type.
    """
    addresses = view.addresses(query.name)
    if addresses is None:
        return None
    wanted = [address for address in addresses if len(address) in _SIZES.get(query.qtype, ())]
    turned = names.in_turn(wanted, query.name, query.qtype)
    turned = turned[: query.limit // _SMALLEST_RECORD + 1]  # one too many for the reply is as good as all
    label = DNSLabel(query.labels)
    records = [_record(label, _TYPES[len(address)], RD(address)) for address in turned]
    return _reply(query, RCODE.NOERROR, records, own=True)


def _by_address(query: Query, view: View, names: Names) -> bytes | None:
    """The name of an address; None for one outside all our subnets.

    The host's resolvers know nothing of addresses within, and are not told which ones containers talk to.
    Whether another network has a container there is none of the client's business: NXDOMAIN either way.
    """
    address = _reverse_address(query.name)
    everywhere = (subnet for network in names.networks.values() for subnet in network.subnets)
    if not address or not any(subnet.covers(address) for subnet in everywhere):
        return None
    targets = [endpoint.own_name for endpoint in view.owners(address) if endpoint.own_name]
    if not targets:
        return _reply(query, RCODE.NXDOMAIN, own=True)
    wanted = targets if query.qtype in (QTYPE.PTR, QTYPE.ANY) else []
    label = DNSLabel(query.labels)
    return _reply(
        query, RCODE.NOERROR, [_record(label, QTYPE.PTR, PTR(target)) for target in wanted], own=True
    )


def _reverse_address(name: bytes) -> bytes | None:
    """
    >>> _reverse_address(b"2.0.18.172.in-addr.arpa")
    b'\\xac\\x12\\x00\\x02'
    """
    *words, zone, arpa = [b"", b"", *name.split(b".")]
    digits = [word.decode("latin-1") for word in words[:1:-1]]
    try:
        if (zone, arpa) == (b"in-addr", b"arpa") and len(digits) == 4:
            return inet_pton(AF_INET, ".".join(digits))
        if (zone, arpa) == (b"ip6", b"arpa") and [len(digit) for digit in digits] == [1] * 32:
            return bytes.fromhex("".join(digits))
    except (OSError, ValueError):
        pass
    return None


def _elsewhere(query: Query, view: View) -> bytes | Forward:
    """Names that are not ours.

    A container that is on internal networks only has no way out.  Forwarding for it would be one: a query name
    carries data to whoever runs the zone asked for, and the answer carries data back.
    """
    return Forward(query, view.nameservers) if view.may_leave() else _reply(query, RCODE.SERVFAIL)


class Forward(NamedTuple):
    """A query that others are to answer: `servers`, or the host's when there are none."""

    query: Query
    servers: tuple[str, ...]

    def outgoing(self, ident: bytes) -> bytes:
        """The query under another id (2 bytes): the client's own is no secret from the client's neighbours."""
        return ident + self.query.raw[2:]

    def is_answered_by(self, message: bytes, ident: bytes) -> bool:
        """Whether `message` is the reply to outgoing(ident): its id, its question, and no query itself."""
        asked, end = self.query.raw, self.query.end
        tail = end - _QUESTION_TAIL.size
        return (
            message[:2] == ident
            and message[2:3] >= b"\x80"
            and message[4:6] == b"\0\1"
            and message[12:tail].lower() == asked[12:tail].lower()  # lengths of labels are below the letters
            and message[tail:end] == asked[tail:end]
        )

    def incoming(self, message: bytes) -> bytes:
        """What the client gets of an answer: all of it, or none and the advice to ask over TCP."""
        if len(message) <= self.query.limit:
            return self.query.raw[:2] + message[2:]
        return _reply(self.query, message[3] & 15, truncated=True)

    def failure(self) -> bytes:
        """What the client gets when nobody answered."""
        return _reply(self.query, RCODE.SERVFAIL)


def has_failed(message: bytes) -> bool:
    """Whether a server's reply says that another server should be asked: SERVFAIL, NOTIMP, REFUSED."""
    return message[3] & 15 in (RCODE.SERVFAIL, RCODE.NOTIMP, RCODE.REFUSED)


# Writing.


def _record(label: DNSLabel, rtype: int, data: RD) -> RR:
    return RR(label, rtype, ttl=TTL_SECONDS, rdata=data)


def _reply(
    query: Query, rcode: int, records: Sequence[RR] = (), *, own: bool = False, truncated: bool = False
) -> bytes:
    """The reply to `query`: whole or, if that is too long for the client, with TC set and what of it has room.

    A client that sees TC asks again over TCP; some (musl before 1.2.4) only ever use what they got.
    `own`: the names asked for are ours, which the AA bit says.
    """
    flags = {"qr": 1, "aa": own, "tc": truncated, "rd": query.raw[2] & 1, "ra": 1, "rcode": rcode & 15}
    header = DNSHeader(_HEADER.unpack_from(query.raw)[0], 0, **flags)
    question = DNSQuestion(DNSLabel(query.labels), query.qtype, query.qclass)
    packed = bytes(DNSRecord(header, [question], list(records), ar=list(_our_edns(query, rcode))).pack())
    if len(packed) > query.limit and records:
        return _reply(query, rcode, records[: len(records) // 2], own=own, truncated=True)
    return packed


def _our_edns(query: Query, rcode: int) -> Iterable[EDNS0]:
    """Our OPT record, for a client that sent one; it also holds what of `rcode` the header has no bits for."""
    if query.edns:
        flags = "do" if query.edns.edns_do else ""
        yield EDNS0(udp_len=UDP_PAYLOAD, ext_rcode=rcode >> 4, flags=flags)


def _bare(raw: bytes, rcode: int) -> bytes:
    """A header and no more, for a message that was not understood: its id, opcode and RD, and `rcode`."""
    ident, flags, *_ = _HEADER.unpack_from(raw)
    return _HEADER.pack(ident, 0x8080 | flags & 0x7900 | rcode, 0, 0, 0, 0)
