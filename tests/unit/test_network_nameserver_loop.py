"""The name server as a process: real sockets on the loopback, resolvers that the tests write, and its end."""

import contextlib
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dnslib import EDNS0, QTYPE, RCODE, RR, TXT, DNSQuestion, DNSRecord

from minirun.network import nameserver_loop
from minirun.network.nameserver_loop import Resolvers, Settings
from tests.dns import (
    HERE,
    PATIENT_CLIENT_SECONDS,
    WEB,
    Served,
    bound,
    data,
    endpoint,
    query,
    receive,
    send,
    write_backend,
    write_network,
)


def bound_alike(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """UDP and TCP sockets with one port; a random one may be somebody else's of the other protocol: then another."""
    for _ in range(20):
        udp = bound(socket.SOCK_DGRAM, address, port)
        try:
            return udp, bound(socket.SOCK_STREAM, address, udp.getsockname()[1])
        except OSError:
            udp.close()
    raise AssertionError("no port is free for both protocols")


class FakeResolver:
    """Answers with a text record of what it was asked and how, unless `behave` (query, reply) says otherwise."""

    def __init__(self, address: str = HERE, port: int = 0) -> None:
        self.udp, self.tcp = bound_alike(address, port)
        self.address, self.port = self.udp.getsockname()[:2]
        self.behave: Callable[[DNSRecord], list[bytes]] | None = None
        self.seen: list[tuple[DNSRecord, Any]] = []
        self.threads = [threading.Thread(target=target) for target in (self._datagrams, self._streams)]
        for thread in self.threads:
            thread.start()

    def reset(self) -> None:
        self.behave = None
        self.seen.clear()

    def _replies(self, raw: bytes, how: str, client: object) -> list[bytes]:
        asked = DNSRecord.parse(raw)
        self.seen.append((asked, client))
        return self.behave(asked) if self.behave else [text(asked, f"{how} {self.address}")]

    def _datagrams(self) -> None:
        with self.udp:
            while raw := self.udp.recvfrom(65535):
                if not raw[0]:
                    return
                for reply in self._replies(raw[0], "udp", raw[1]):
                    self.udp.sendto(reply, raw[1])

    def _streams(self) -> None:
        with self.tcp:
            while True:
                sock, client = self.tcp.accept()
                with sock:
                    raw = sock.recv(int.from_bytes(sock.recv(2), "big"))
                    if not raw:
                        return
                    for reply in self._replies(raw, "tcp", client):
                        send(sock, reply)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", (self.address, self.port))
        socket.create_connection((self.address, self.port)).close()
        for thread in self.threads:
            thread.join()


def text(asked: DNSRecord, *words: str) -> bytes:
    reply = asked.reply(aa=0)
    reply.add_answer(*(RR(asked.q.qname, QTYPE.TXT, rdata=TXT(word), ttl=1) for word in words))
    return bytes(reply.pack())


@pytest.fixture(scope="module")
def resolver() -> Iterator[FakeResolver]:
    with contextlib.closing(FakeResolver()) as made:
        yield made


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory, resolver: FakeResolver) -> Iterator[Served]:
    """One server for most tests; at its end it must have printed nothing."""
    directory = tmp_path_factory.mktemp("networks")
    served = Served(directory, resolver.port)
    yield served
    assert served.end() == ""
    assert served.process.returncode == 0


@pytest.fixture
def served(process: Served, resolver: FakeResolver) -> Served:
    """The test is the container WEB, with the host's resolv.conf naming the fake one."""
    resolver.reset()
    process.resolv_conf.unlink(missing_ok=True)
    process.resolv_conf.write_text(f"nameserver {HERE}\n")
    write_backend(process.directory)
    return process


# Names of ours


def test_a_name_is_answered_over_udp(served: Served):
    assert data(served.ask(query("web"))) == [HERE]


def test_a_long_answer_is_cut_over_udp_and_whole_over_tcp(served: Served):
    assert served.ask(query("db")).header.tc
    assert len(served.ask_over_tcp(query("db")).rr) == 100


def test_several_queries_on_one_connection(served: Served):
    with served.connect() as sock:
        for name in ("web", "db", "web.backend"):
            send(sock, query(name))
        assert [len(receive(sock).rr) for _ in range(3)] == [1, 100, 1]


def test_a_query_in_small_pieces(served: Served):
    with served.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in len(query("web")).to_bytes(2, "big") + query("web"):
            sock.send(bytes([byte]))
        assert data(receive(sock)) == [HERE]


def test_a_client_that_has_no_more_to_ask_gets_its_reply(served: Served):
    with served.connect() as sock:
        send(sock, query("web"))
        sock.shutdown(socket.SHUT_WR)
        assert data(receive(sock)) == [HERE]
        assert sock.recv(1) == b""


def test_a_connection_without_queries_ends(tmp_path: Path):
    write_backend(tmp_path)
    served = Served(tmp_path, prelude="nameserver_loop._IDLE_SECONDS = 0.1")
    with served.connect() as sock:
        sock.sendall(b"\0")
        assert sock.recv(1) == b""
    assert served.end() == ""


def test_a_connection_whose_client_does_not_read_ends(tmp_path: Path):
    write_backend(tmp_path)
    served = Served(tmp_path, prelude="nameserver_loop._IDLE_SECONDS = 0.1")
    with served.connect() as sock:
        eventually(lambda: hangs_up(sock))
    assert served.end() == ""


def hangs_up(sock: socket.socket) -> bool:
    """Whether it does before it has answered some more queries, none of whose answers we read."""
    try:
        for _ in range(2000):
            send(sock, query("db"))
    except ConnectionError:
        return True
    return False


def test_a_client_that_reads_late_gets_all_its_replies(served: Served):
    with socket.socket() as sock:
        sock.settimeout(PATIENT_CLIENT_SECONDS)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(served.tcp)
        for _ in range(200):
            send(sock, query("db"))
        sock.shutdown(socket.SHUT_WR)
        time.sleep(0.2)  # enough for the server to fill what there is between us
        assert sum(len(receive(sock).rr) for _ in range(200)) == 200 * 100


@pytest.mark.parametrize("raw", [b"\xff\xff", b"\0\3abc", b"\0\0"])
def test_who_sends_nonsense_over_tcp_is_hung_up_on(served: Served, raw: bytes):
    with served.connect() as sock:
        sock.sendall(raw)
        assert sock.recv(1) == b""


def test_a_change_of_the_network_is_noticed(served: Served):
    assert data(served.ask(query("web"))) == [HERE]
    write_network(served.directory, "backend", [], {WEB: endpoint("new", HERE)})
    assert data(served.ask(query("new"))) == [HERE]


def test_it_serves_ipv6(tmp_path: Path):
    try:
        bound(socket.SOCK_DGRAM, "::1").close()
    except OSError:
        pytest.skip("no IPv6 on the loopback")
    write_network(tmp_path, "backend", ["::1/128"], {WEB: endpoint("web", "::1")})
    served = Served(tmp_path, address="::1")
    assert data(served.ask(query("web", "AAAA"))) == ["::1"]
    assert data(served.ask_over_tcp(query("web", "AAAA"))) == ["::1"]
    assert served.end() == ""


def test_connections_have_a_limit_and_come_back(served: Served):
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(served.connect()) for _ in range(nameserver_loop._MOST_CONNECTIONS)]
        send(held[-1], query("web"))
        assert data(receive(held[-1])) == [HERE]
        with served.connect() as sock:
            assert sock.recv(1) == b""
    eventually(lambda: data(served.ask_over_tcp(query("web"))) == [HERE])


def eventually(condition: Callable[[], bool]) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError, IndexError):
            if condition():
                return
        time.sleep(0.02)
    raise AssertionError("it never came true")


# Names of others


def test_other_names_are_the_hosts_resolvers(served: Served):
    found = served.ask(query("Example.org", "TXT"))
    assert (data(found), found.header.id, str(found.q.qname)) == ([f'"udp {HERE}"'], 4711, "Example.org.")


def test_what_comes_over_tcp_goes_on_over_tcp(served: Served):
    assert data(served.ask_over_tcp(query("example.org", "TXT"))) == [f'"tcp {HERE}"']


def test_every_query_has_an_id_and_a_port_of_its_own(served: Served, resolver: FakeResolver):
    for _ in range(8):
        served.ask(query("example.org", "TXT"))
    assert len({asked.header.id for asked, _ in resolver.seen}) > 5
    assert len({client for _, client in resolver.seen}) > 5


def test_a_forged_answer_is_passed_over(served: Served, resolver: FakeResolver):
    def forged_first(asked: DNSRecord) -> list[bytes]:
        other = DNSRecord(asked.header, q=DNSQuestion("other.org", 16))
        wrong_id = bytes([asked.header.id >> 8 ^ 1, asked.header.id & 255])
        return [b"", b"\0", text(other, "forged"), wrong_id + text(asked, "forged")[2:], text(asked, "true")]

    resolver.behave = forged_first
    assert data(served.ask(query("example.org", "TXT"))) == ['"true"']


@pytest.mark.parametrize(("size", "fits"), [(0, False), (1200, True)])
def test_an_answer_too_long_for_the_client_is_truncated(
    served: Served, resolver: FakeResolver, size: int, fits: bool
):
    resolver.behave = lambda asked: [text(asked, *["x" * 200] * 4)]
    found = served.ask(query("example.org", "TXT", edns=EDNS0(udp_len=size)))
    assert (found.header.tc, len(found.rr)) == ((0, 4) if fits else (1, 0))


def test_a_long_answer_over_tcp_is_whole(served: Served, resolver: FakeResolver):
    resolver.behave = lambda asked: [text(asked, *["x" * 250] * 200)]
    assert len(served.ask_over_tcp(query("example.org", "TXT")).rr) == 200


def test_a_resolver_may_say_truncated_itself(served: Served, resolver: FakeResolver):
    resolver.behave = lambda asked: [text(asked)[:2] + b"\x83\x80" + text(asked)[4:]]
    assert served.ask(query("example.org", "TXT")).header.tc


def test_a_dead_resolver_is_passed_over_at_once(served: Served):
    served.resolv_conf.write_text(f"nameserver 127.0.0.99\nnameserver {HERE}\n")
    begin = time.monotonic()
    assert data(served.ask(query("example.org", "TXT"))) == [f'"udp {HERE}"']
    assert data(served.ask_over_tcp(query("example.org", "TXT"))) == [f'"tcp {HERE}"']
    assert time.monotonic() - begin < 1.9


def test_a_silent_resolver_is_passed_over_after_a_while(served: Served, resolver: FakeResolver):
    served.resolv_conf.write_text(f"nameserver 127.0.0.98\nnameserver {HERE}\n")
    with bound(socket.SOCK_DGRAM, "127.0.0.98", resolver.port):
        begin = time.monotonic()
        assert data(served.ask(query("example.org", "TXT"))) == [f'"udp {HERE}"']
        assert time.monotonic() - begin > 1.9


def test_a_resolver_that_fails_is_asked_after_all_others(served: Served, resolver: FakeResolver):
    def refused(asked: DNSRecord) -> list[bytes]:
        return [text(asked)[:3] + b"\x85" + text(asked)[4:]]

    resolver.behave = refused
    served.resolv_conf.write_text(f"nameserver {HERE}\nnameserver 127.0.0.97\n")
    with contextlib.closing(FakeResolver("127.0.0.97", resolver.port)):
        assert data(served.ask(query("example.org", "TXT"))) == ['"udp 127.0.0.97"']
    assert served.ask(query("example.org", "TXT")).header.rcode == RCODE.REFUSED


@pytest.mark.parametrize(
    "lines", ["", "nameserver 127.0.0.99\n", "nameserver x\nnameserver fe80::1%nolink\nnameserver ::1\n"]
)
def test_when_nobody_answers_it_is_servfail(served: Served, lines: str):
    served.resolv_conf.write_text(f"# {lines!r}\n{lines}")
    assert served.ask(query("example.org", "TXT")).header.rcode == RCODE.SERVFAIL


def test_a_changed_resolv_conf_is_read_again(served: Served, resolver: FakeResolver):
    served.ask(query("example.org", "TXT"))
    with contextlib.closing(FakeResolver("127.0.0.96", resolver.port)):
        (served.directory / "next").write_text("nameserver 127.0.0.96\n")
        (served.directory / "next").rename(served.resolv_conf)
        assert data(served.ask(query("example.org", "TXT"))) == ['"udp 127.0.0.96"']


def test_while_resolv_conf_is_away_the_last_one_counts(served: Served):
    served.ask(query("example.org", "TXT"))
    served.resolv_conf.unlink()
    assert data(served.ask(query("example.org", "TXT"))) == [f'"udp {HERE}"']


def test_an_endpoints_own_servers_are_asked_instead(served: Served, resolver: FakeResolver):
    write_backend(served.directory, nameservers=["127.0.0.95"])
    with contextlib.closing(FakeResolver("127.0.0.95", resolver.port)):
        assert data(served.ask(query("example.org", "TXT"))) == ['"udp 127.0.0.95"']


def test_a_slow_resolver_holds_nobody_else_up(served: Served, resolver: FakeResolver):
    resolver.behave = lambda asked: []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(20):
            sock.sendto(query("example.org"), served.udp)
        begin = time.monotonic()
        assert data(served.ask(query("web"))) == [HERE]
        assert time.monotonic() - begin < 1.9


def test_what_is_under_way_has_a_limit(tmp_path: Path, resolver: FakeResolver):
    resolver.reset()
    resolver.behave = lambda asked: []
    write_backend(tmp_path)
    served = Served(tmp_path, resolver.port, prelude="nameserver_loop._MOST_FORWARDED = 3")
    served.resolv_conf.write_text(f"nameserver {HERE}\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(3):
            sock.sendto(query("example.org"), served.udp)
        begin = time.monotonic()
        assert served.ask(query("example.org")).header.rcode == RCODE.SERVFAIL
        assert time.monotonic() - begin < 1.9
    assert served.end() == ""


def test_our_own_socket_is_no_resolver(tmp_path: Path):
    with bound(socket.SOCK_DGRAM) as own:
        settings = Settings(f"{tmp_path}/resolv.conf", own.getsockname()[1])
        (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\nnameserver 127.0.0.2\n")
        found = Resolvers(settings, [own]).of_host()
    assert [upstream.address[0] for upstream in found] == ["127.0.0.2"]


def test_a_resolver_on_a_link_is_known_with_its_link(tmp_path: Path):
    (tmp_path / "resolv.conf").write_text("nameserver fe80::1%lo\nnameserver fe80::1%nolink\n")
    found = Resolvers(Settings(f"{tmp_path}/resolv.conf"), []).of_host()
    assert [upstream.address for upstream in found] == [("fe80::1", 53, 0, socket.if_nametoindex("lo"))]


# Its end, and what does not end it


def test_it_ends_when_the_network_is_gone(tmp_path: Path):
    write_backend(tmp_path)
    served = Served(tmp_path, tick=0.05)
    assert data(served.ask(query("web"))) == [HERE]
    (tmp_path / "backend.json").unlink()
    assert served.process.wait(PATIENT_CLIENT_SECONDS) == 0
    assert served.end() == ""


def test_it_ends_when_the_network_is_empty(tmp_path: Path):
    write_network(tmp_path, "backend", [], {})
    served = Served(tmp_path, tick=0.05)
    assert served.process.wait(PATIENT_CLIENT_SECONDS) == 0
    assert served.end() == ""


def test_a_fault_of_ours_costs_one_query(tmp_path: Path):
    fault = """
answer = nameserver.answer
def faulty(raw, *rest, **more):
    if b"fault" in raw:
        raise KeyError
    return answer(raw, *rest, **more)
nameserver.answer = faulty
"""
    write_backend(tmp_path)
    served = Served(tmp_path, prelude=fault)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, served.connect() as stream:
        sock.sendto(query("fault"), served.udp)
        send(stream, query("fault"))
        assert stream.recv(1) == b""
    assert data(served.ask(query("web"))) == [HERE]
    assert served.end() == ""


def test_it_sleeps_while_nobody_asks(served: Served):
    def switches() -> int:
        lines = Path(f"/proc/{served.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("voluntary")).split()[1])

    served.ask(query("web"))
    time.sleep(0.3)  # on a busy machine it is not at rest as soon as it has answered
    before = switches()
    time.sleep(0.3)
    assert switches() - before <= 2


def test_descriptors_are_allowed_up_to_the_hard_limit(monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 500))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    nameserver_loop._allow_descriptors()
    assert asked == [(500, 500)]
