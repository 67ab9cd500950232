"""What a container's DNS query is answered with.  dnslib, on the client's side here, reads the replies."""

import os
import struct
from pathlib import Path
from typing import Any

import pytest
from dnslib import EDNS0, QTYPE, RCODE, DNSRecord

from minirun.network import nameserver, nameserver_names
from minirun.network.nameserver import Forward, answer
from minirun.network.nameserver_names import Names
from tests.dns import CLIENT, CLIENT_V6, DB, WEB, data, endpoint, query, write_network

SPY = "5" * 64


def write_networks(directory: Path) -> None:
    """WEB and DB on `backend`, WEB on `lab`, too; SPY is on another, and somebody on the default one."""
    web = endpoint("web", CLIENT, CLIENT_V6, aliases=["www", "all"])
    db = endpoint("Db", "172.18.0.3", aliases=["all"])
    write_network(directory, "backend", ["172.18.0.0/16", "fd12:3456::/64"], {WEB: web, DB: db})
    lab = {WEB: endpoint("web", "10.9.0.2"), "e" * 64: endpoint("tool", "10.9.0.3")}
    write_network(directory, "lab", ["10.9.0.0/24"], lab)
    write_network(directory, "secret", ["10.66.0.0/24"], {SPY: endpoint("spy", "10.66.0.2")})
    write_network(
        directory, "bridge", ["172.17.0.0/16"], {WEB: endpoint("web", "172.17.0.2", aliases=["old"])}
    )


@pytest.fixture
def names(tmp_path: Path) -> Names:
    write_networks(tmp_path)
    return Names(str(tmp_path), "backend")


def reply(
    names: Names, name: str, qtype: str = "A", *, client: str = CLIENT, udp: bool = True, **more: Any
) -> DNSRecord:
    found = answer(query(name, qtype, **more), client, names, udp)
    assert isinstance(found, bytes)
    return DNSRecord.parse(found)


def is_forwarded(names: Names, name: str, qtype: str = "A") -> bool:
    return isinstance(answer(query(name, qtype), CLIENT, names, True), Forward)


# Names


@pytest.mark.parametrize(
    "name",
    ["db", "DB", "dB.", "d" * 12, "db.backend", "Db.BACKEND.", "dddddddddddd.backend"],
)
def test_a_container_is_known_by_name_and_short_id_alone_and_with_the_network(names: Names, name: str):
    assert data(reply(names, name)) == ["172.18.0.3"]


@pytest.mark.parametrize("name", ["www", "www.backend"])
def test_a_container_is_known_by_its_aliases(names: Names, name: str):
    assert data(reply(names, name)) == [CLIENT]


def test_aaaa_gives_the_v6_address(names: Names):
    assert data(reply(names, "www", "AAAA")) == [CLIENT_V6]


def test_any_gives_both(names: Names):
    assert sorted(data(reply(names, "www", "ANY"))) == [CLIENT, CLIENT_V6]


@pytest.mark.parametrize("qtype", ["AAAA", "MX", "TXT", "SRV", "HTTPS", "PTR"])
def test_a_known_name_without_such_a_record_is_an_empty_answer(names: Names, qtype: str):
    found = reply(names, "db", qtype)
    assert (found.header.rcode, found.rr, found.header.aa) == (RCODE.NOERROR, [], 1)


def test_a_known_name_without_any_address_is_not_asked_elsewhere(names: Names, tmp_path: Path):
    write_network(tmp_path, "lab", [], {WEB: endpoint("web"), DB: endpoint("later")})
    assert reply(names, "later").rr == []


def test_the_answer_is_ours_and_about_the_question(names: Names):
    found = reply(names, "wWw.BackEnd")
    assert (found.header.id, found.header.qr, found.header.aa, found.header.ra, found.header.rd) == (
        4711,
        1,
        1,
        1,
        1,
    )
    assert found.q.qname.label == found.rr[0].rname.label == (b"wWw", b"BackEnd")
    assert found.rr[0].ttl == nameserver.TTL_SECONDS


def test_who_did_not_want_recursion_is_told_so(names: Names):
    raw = bytearray(query("web"))
    raw[2] &= 0xFE
    found = answer(bytes(raw), CLIENT, names, True)
    assert isinstance(found, bytes)
    assert not DNSRecord.parse(found).header.rd


def test_addresses_of_one_alias_take_turns(names: Names):
    heads = [data(reply(names, "all"))[0] for _ in range(4)]
    assert sorted(heads[:2]) == [CLIENT, "172.18.0.3"]
    assert heads[:2] == heads[2:]


def test_they_take_turns_for_a_client_that_asks_in_pairs(names: Names):
    heads = {(data(reply(names, "all")), reply(names, "all", "AAAA"))[0][0] for _ in range(4)}
    assert len(heads) == 2


def test_a_name_on_two_networks_is_both(names: Names):
    assert sorted(data(reply(names, "web"))) == ["10.9.0.2", CLIENT]


def test_with_its_network_it_is_one(names: Names):
    assert data(reply(names, "web.lab")) == ["10.9.0.2"]


def test_a_client_asks_over_v6_as_well(names: Names):
    assert data(reply(names, "db", client=CLIENT_V6)) == ["172.18.0.3"]
    assert data(reply(names, "db", client="FD12:3456:0::0002")) == ["172.18.0.3"]


@pytest.mark.parametrize("name", ["spy", "spy.secret", "old", "old.bridge", "web.bridge", "tool.backend"])
def test_names_of_networks_the_client_is_not_on_are_not_known(names: Names, name: str):
    assert is_forwarded(names, name)


@pytest.mark.parametrize("client", ["172.18.0.9", "10.66.0.2", "10.9.0.2", "172.17.0.2", "::1", "", "x", "1"])
def test_who_is_not_on_this_network_is_refused(names: Names, client: str):
    found = reply(names, "web", client=client)
    assert (found.header.rcode, found.rr) == (RCODE.REFUSED, [])
    assert reply(names, "example.org", client=client).header.rcode == RCODE.REFUSED


def test_a_dot_within_a_label_is_not_one_between_two(names: Names):
    raw = query("web").replace(b"\3web", b"\x0bweb.backend")
    assert isinstance(answer(raw, CLIENT, names, True), Forward)


def test_names_that_dns_cannot_say_are_left_out(names: Names, tmp_path: Path):
    odd = {WEB: endpoint("w" * 64, "10.9.0.2", aliases=["ok", "two..dots", "end."])}
    write_network(tmp_path, "lab", ["10.9.0.0/24"], odd)
    assert data(reply(names, "ok.lab")) == ["10.9.0.2"]
    assert reply(names, "2.0.9.10.in-addr.arpa", "PTR").header.rcode == RCODE.NXDOMAIN


# Addresses


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("3.0.18.172.in-addr.arpa", "Db.backend."),
        ("3.0.9.10.IN-ADDR.ARPA.", "tool.lab."),
        ("2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.5.4.3.2.1.D.f.ip6.arpa", "web.backend."),
    ],
)
def test_an_address_has_a_name(names: Names, name: str, target: str):
    assert data(reply(names, name, "PTR")) == [target]


@pytest.mark.parametrize("name", ["9.0.18.172.in-addr.arpa", "2.0.66.10.in-addr.arpa"])
def test_nobodys_and_another_networks_addresses_do_not_exist(names: Names, name: str):
    found = reply(names, name, "PTR")
    assert (found.header.rcode, found.rr) == (RCODE.NXDOMAIN, [])


@pytest.mark.parametrize(
    "name",
    [
        "1.2.0.192.in-addr.arpa",
        "18.172.in-addr.arpa",
        "03.0.18.172.in-addr.arpa",
        "300.0.18.172.in-addr.arpa",
        "3.0.18.172.in-addr",
        "x.ip6.arpa",
        "in-addr.arpa",
    ],
)
def test_other_addresses_are_asked_elsewhere(names: Names, name: str):
    assert is_forwarded(names, name, "PTR")


def test_an_address_has_nothing_but_a_name(names: Names):
    found = reply(names, "3.0.18.172.in-addr.arpa", "TXT")
    assert (found.header.rcode, found.rr) == (RCODE.NOERROR, [])


# Elsewhere


@pytest.mark.parametrize("name", ["example.org", "nobody", "nobody.backend", "."])
def test_what_is_not_ours_is_forwarded_to_the_hosts_servers(names: Names, name: str):
    found = answer(query(name), CLIENT, names, True)
    assert isinstance(found, Forward)
    assert found.servers == ()


def test_an_endpoint_may_have_servers_of_its_own(names: Names, tmp_path: Path):
    write_network(tmp_path, "backend", [], {WEB: endpoint("web", CLIENT, nameservers=["192.0.2.9"])})
    found = answer(query("example.org"), CLIENT, names, True)
    assert isinstance(found, Forward)
    assert found.servers == ("192.0.2.9",)


def test_from_internal_networks_nothing_goes_out(names: Names, tmp_path: Path):
    inside = {DB: endpoint("db", "172.18.0.3", nameservers=["192.0.2.9"])}
    write_network(tmp_path, "backend", ["172.18.0.0/16"], inside, internal=True)
    assert reply(names, "example.org", client="172.18.0.3").header.rcode == RCODE.SERVFAIL
    assert data(reply(names, "db", client="172.18.0.3")) == ["172.18.0.3"]


def test_one_network_with_a_way_out_is_enough(names: Names, tmp_path: Path):
    write_network(tmp_path, "backend", [], {WEB: endpoint("web", CLIENT)}, internal=True)
    assert is_forwarded(names, "example.org")


@pytest.fixture
def forward(names: Names) -> Forward:
    found = answer(query("Example.org", "HTTPS"), CLIENT, names, True)
    assert isinstance(found, Forward)
    return found


def upstream_says(asked: bytes, size: int = 0) -> bytes:
    return asked[:2] + b"\x81\x80" + asked[4:] + bytes(size)


def test_a_forwarded_query_has_another_id_and_its_answer_the_clients(forward: Forward):
    sent = forward.outgoing(b"ab")
    assert sent == b"ab" + query("Example.org", "HTTPS")[2:]
    assert forward.incoming(upstream_says(sent))[:2] == (4711).to_bytes(2, "big")


def test_an_answer_is_known_by_id_and_question_whatever_its_case(forward: Forward):
    message = upstream_says(forward.outgoing(b"ab"))
    assert forward.is_answered_by(message, b"ab")
    assert forward.is_answered_by(message.replace(b"Example", b"eXAMPLE"), b"ab")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"ab", b"ba"),
        (b"\x81\x80", b"\x01\x00"),  # not a reply
        (b"Example", b"Another"),
        (b"\0\x41\0\1", b"\0\x61\0\1"),  # another type, which differs like "A" and "a"
        (b"\0\x41\0\1", b""),
        (b"\x81\x80\0\1", b"\x81\x80\0\0"),
    ],
)
def test_what_is_not_the_answer_is_not_taken_for_it(forward: Forward, old: bytes, new: bytes):
    message = upstream_says(forward.outgoing(b"ab")).replace(old, new, 1)
    assert not forward.is_answered_by(message, b"ab")


def test_an_answer_too_long_for_the_client_is_replaced_by_the_advice_to_use_tcp(forward: Forward):
    found = DNSRecord.parse(forward.incoming(upstream_says(forward.outgoing(b"ab"), 500)))
    assert (found.header.tc, found.header.aa, found.rr, str(found.q.qname)) == (1, 0, [], "Example.org.")


# EDNS, and how long a reply may be


def test_who_speaks_edns_is_answered_in_it(names: Names):
    found = reply(names, "web", edns=EDNS0(udp_len=4096, flags="do"))
    assert [(rr.rtype, rr.edns_len, rr.edns_do) for rr in found.ar] == [(QTYPE.OPT, 1232, 1)]
    assert reply(names, "web").ar == []


def test_an_unknown_version_of_edns_is_badvers(names: Names):
    found = reply(names, "web", edns=EDNS0(version=1, udp_len=1232))
    assert (found.header.rcode, found.ar[0].edns_rcode, found.ar[0].edns_ver, found.rr) == (0, 1, 0, [])


@pytest.fixture
def crowd(names: Names, tmp_path: Path) -> Names:
    many = {
        f"{number:064}": endpoint(f"c{number}", f"10.9.0.{number}", aliases=["many"])
        for number in range(1, 101)
    }
    write_network(tmp_path, "backend", [], many)
    return names


@pytest.mark.parametrize(
    ("edns", "limit"),
    [(None, 512), (EDNS0(udp_len=0), 512), (EDNS0(udp_len=800), 800), (EDNS0(udp_len=9000), 1232)],
)
def test_a_datagram_is_as_long_as_the_client_can_take(crowd: Names, edns: EDNS0 | None, limit: int):
    found = answer(query("many", edns=edns), "10.9.0.1", crowd, True)
    assert isinstance(found, bytes)
    assert limit / 3 < len(found) <= limit
    assert DNSRecord.parse(found).header.tc


def test_over_tcp_the_answer_is_whole(crowd: Names):
    found = reply(crowd, "many", client="10.9.0.1", udp=False)
    assert (len(set(data(found))), found.header.tc) == (100, 0)


# What is not a proper query


@pytest.mark.parametrize("raw", [b"", b"\0" * 11, query("web")[:2] + b"\x80" + query("web")[3:]])
def test_no_query_has_no_reply(names: Names, raw: bytes):
    assert answer(raw, CLIENT, names, True) is None


def header(flags: int = 0x0100, *counts: int) -> bytes:
    return struct.pack("!6H", 4711, flags, *(counts or (1, 0, 0, 0)))


TAIL = b"\0\1\0\1"


@pytest.mark.parametrize(
    "raw",
    [
        header(),
        header() + b"\3we",
        header() + b"\3web\0\0\1",
        header() + b"\xc0\x0c" + TAIL,  # a name that points at itself
        header() + b"\1a\xc0\x0c" + TAIL,
        header() + b"\x40a\0" + TAIL,
        header() + (b"\x3f" + b"a" * 63) * 4 + b"\0" + TAIL,  # 257 bytes, two too many
        header(0x0100, 0, 0, 0, 0),
        header(0x0100, 2, 0, 0, 0) + b"\3web\0" + TAIL + b"\3web\0" + TAIL,
        header(0x0100, 1, 0, 0, 4) + b"\3web\0" + TAIL + (b"\0" + TAIL + b"\0\0\0\0\0\4abcd") * 4,
        header(0x0100, 1, 0, 0, 1) + b"\3web\0" + TAIL + b"\0\0\x29",
        header(0x0100, 1, 0, 0, 2) + b"\3web\0" + TAIL + b"\0\0\x29\4\xd0\0\0\0\0\0\0" * 2,
    ],
)
def test_a_broken_query_is_answered_with_a_header(names: Names, raw: bytes):
    assert answer(raw, CLIENT, names, True) == struct.pack("!6H", 4711, 0x8181, 0, 0, 0, 0)


def test_names_in_records_that_point_in_a_circle_end(names: Names):
    body = b"\3web\0" + TAIL + b"\xc0\x1d\0\x0a\0\1\0\0\0\0\0\6" + b"\x07\xc0\x1d\xc0\x1e\xc0"
    assert answer(header(0x0100, 1, 0, 0, 2) + body, CLIENT, names, True) == header(0x8181, 0, 0, 0, 0)


@pytest.mark.parametrize("opcode", [1, 2, 4, 5, 15])
def test_only_queries_are_implemented(names: Names, opcode: int):
    raw = header(opcode << 11) + b"\3web\0" + TAIL
    assert answer(raw, CLIENT, names, True) == header(0x8084 | opcode << 11, 0, 0, 0, 0)


@pytest.mark.parametrize("qclass", [0, 3, 4, 254, 255])
def test_only_the_internet_class_is_served(names: Names, qclass: int):
    assert reply(names, "web", qclass=qclass).header.rcode == RCODE.REFUSED


@pytest.mark.parametrize("qtype", ["AXFR", "IXFR"])
def test_zones_are_not_handed_out(names: Names, qtype: str):
    assert reply(names, "example.org", qtype).header.rcode == RCODE.REFUSED


def test_a_label_may_hold_any_bytes(names: Names):
    raw = header() + b"\3\xff\0\xfe\0" + TAIL
    assert isinstance(answer(raw, CLIENT, names, True), Forward)


# The files


def test_a_change_is_noticed(names: Names, tmp_path: Path):
    assert is_forwarded(names, "new")
    write_network(tmp_path, "lab", [], {WEB: endpoint("web", "10.9.0.2"), DB: endpoint("new", "10.9.0.7")})
    assert data(reply(names, "new")) == ["10.9.0.7"]


def test_changes_with_one_time_stamp_are_noticed(names: Names, tmp_path: Path):
    names.refresh()
    before = os.stat(tmp_path)
    write_network(tmp_path, "lab", [], {WEB: endpoint("new", "10.9.0.7")})
    os.utime(tmp_path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert data(reply(names, "new")) == ["10.9.0.7"]


def test_nothing_is_read_while_nothing_changes(names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    os.utime(tmp_path, (1, 1))
    names.refresh()
    monkeypatch.setattr(nameserver_names, "_read_networks", None)
    assert data(reply(names, "db")) == ["172.18.0.3"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"pools": [], "endpoints": 7}', "\0", "[" * 5000]
)
def test_a_file_that_makes_no_sense_is_ignored(names: Names, tmp_path: Path, text: str):
    (tmp_path / "lab.json").write_text(text)
    assert data(reply(names, "web")) == [CLIENT]


def test_files_of_another_kind_are_ignored(names: Names, tmp_path: Path):
    for name in ("lab.lock", ".tmp-lab.json", "odd.json.bak"):
        (tmp_path / name).write_text((tmp_path / "secret.json").read_text())
    (tmp_path / "directory.json").mkdir()
    assert data(reply(names, "web.backend")) == [CLIENT]


def test_without_the_directory_everybody_is_refused(tmp_path: Path):
    assert reply(Names(f"{tmp_path}/gone", "backend"), "web").header.rcode == RCODE.REFUSED


def test_a_network_is_in_use_while_it_has_endpoints(names: Names, tmp_path: Path):
    assert names.in_use()
    write_network(tmp_path, "backend", [], {})
    assert not names.in_use()
    (tmp_path / "backend.json").unlink()
    assert not names.in_use()
