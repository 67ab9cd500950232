"""A small world to send packets through: containers with servers in them, other machines, and who reaches whom.

The servers are sockets of the test, opened in the containers' network namespaces: a socket stays where it was opened.
Other machines are network namespaces joined to the host by a veth pair.
"""

import contextlib
import ipaddress
import re
import select
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dnslib

from minirun.network import namespace
from tests.containers import Container
from tests.support import Minirun, run

PORT = 80
QUICK, PATIENT = 0.6, 5.0  # seconds to wait where nothing should come, and where something should


def netns(container: Container) -> str:
    return f"/proc/{container.pid}/ns/net"


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def open_in(where: str, family: int, kind: int) -> socket.socket:
    """A socket in the namespace at the path `where`; "" is our own."""
    if not where:
        return socket.socket(family, kind)
    with namespace.inside(where):
        return socket.socket(family, kind)


class Servers:
    """TCP and UDP servers on both families in many namespaces; each says its name and whom it sees."""

    def __init__(self) -> None:
        self.names: dict[socket.socket, str] = {}
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def add(self, name: str, where: str, port: int = PORT, address: str = "") -> None:
        for family in (socket.AF_INET, socket.AF_INET6):
            if address and family_of(address) != family:
                continue
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                sock = open_in(where, family, kind)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((address or ("::" if family == socket.AF_INET6 else "0.0.0.0"), port))
                if kind == socket.SOCK_STREAM:
                    sock.listen(50)
                self.names[sock] = name

    def _serve(self) -> None:
        while not self.stopped.is_set():
            ready, _, _ = select.select(list(self.names), [], [], 0.2)
            for sock in ready:
                with contextlib.suppress(OSError):
                    self._answer(sock)

    def _answer(self, sock: socket.socket) -> None:
        if sock.type == socket.SOCK_STREAM:
            connection, client = sock.accept()
            connection.sendall(f"{self.names[sock]} {client[0]}".encode())
            connection.close()
        else:
            _, client = sock.recvfrom(100)
            sock.sendto(f"{self.names[sock]} {client[0]}".encode(), client)

    def __enter__(self) -> "Servers":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join()
        for sock in self.names:
            sock.close()


def visit(where: str, address: str, port: int = PORT, protocol: str = "tcp", seconds: float = QUICK) -> str:
    """What a server says: its name, and the address it sees us come from.  "" when nobody answers."""
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with open_in(where, family_of(address), kind) as sock:
        sock.settimeout(seconds)
        try:
            sock.connect((address, port))
            if protocol == "udp":
                sock.send(b"hello")
            return sock.recv(100).decode()
        except OSError:
            return ""


def reaches(
    where: str, address: str, port: int = PORT, protocol: str = "tcp", *, expected: bool = True
) -> str:
    """`visit` with as much patience as what is expected needs; only the server's name."""
    said = visit(where, address, port, protocol, PATIENT if expected else QUICK)
    return said.partition(" ")[0]


# ---- names ----------------------------------------------------------------------------------------------------------


def resolver_of(container: Container) -> str:
    """The first name server in the container's resolv.conf."""
    text = container.proc("root/etc/resolv.conf").read_text()
    return re.findall(r"^nameserver (\S+)", text, re.MULTILINE)[0]


def ask(container: Container, name: str, kind: str = "A", server: str = "") -> list[str]:
    """What the container's resolver answers for a name: addresses, or names for PTR.  [] for none."""
    return [str(record.rdata) for record in question(container, name, kind, server).rr]


def question(container: Container, name: str, kind: str = "A", server: str = "") -> dnslib.DNSRecord:
    server = server or resolver_of(container)
    query = dnslib.DNSRecord.question(name, kind)
    with open_in(netns(container), family_of(server), socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENT)
        sock.connect((server, 53))
        sock.send(query.pack())
        return dnslib.DNSRecord.parse(sock.recv(4096))


def reverse_name(address: str) -> str:
    return ipaddress.ip_address(address).reverse_pointer


# ---- other machines -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Machine:
    """Another machine: its namespace, its addresses, and the host's on the wire between them."""

    where: str
    addresses: tuple[str, str]
    host: tuple[str, str]

    def run(self, *words: str) -> str:
        return run("nsenter", f"--net={self.where}", *words, check=True).stdout


@contextlib.contextmanager
def machine(directory: Path, number: int = 1) -> Iterator[Machine]:
    """A machine on a wire of its own; it knows no route to any container."""
    where, link = str(directory / f"machine{number}"), f"mrt-wire{number}"
    made = Machine(
        where,
        (f"198.51.{100 + number}.2", f"2001:db8:{number}::2"),
        (f"198.51.{100 + number}.1", f"2001:db8:{number}::1"),
    )
    namespace.pin(where)
    try:
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", where, check=True)
        _address(("ip",), link, made.host)
        _address(("nsenter", f"--net={where}", "ip"), "eth0", made.addresses)
        made.run("ip", "link", "set", "lo", "up")
        yield made
    finally:
        subprocess.run(["ip", "link", "delete", link], capture_output=True)
        namespace.unpin(where)


def _address(ip: tuple[str, ...], link: str, addresses: tuple[str, str]) -> None:
    run(*ip, "address", "add", f"{addresses[0]}/24", "dev", link, check=True)
    run(*ip, "address", "add", f"{addresses[1]}/64", "dev", link, "nodad", check=True)
    run(*ip, "link", "set", link, "up", check=True)


# ---- another host ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ElsewhereMinirun(Minirun):
    """minirun run in another network namespace, which is a host of its own as far as networks go."""

    where: str = ""

    def command(self, *arguments: str | Path) -> list[str]:
        return ["nsenter", f"--net={self.where}", *super().command(*arguments)]


@contextlib.contextmanager
def host(minirun: Minirun, directory: Path) -> Iterator[tuple[ElsewhereMinirun, Machine]]:
    """A host with nothing in it but a loopback, and a machine that it is joined to."""
    where = str(directory / "host")
    namespace.pin(where)
    enter = ("nsenter", f"--net={where}")
    try:
        run(*enter, "ip", "link", "set", "lo", "up", check=True)
        # our own values are not to be inherited, as those of net.ipv4 are
        run(*enter, "sysctl", "-qw", "net.ipv4.ip_forward=0", "net.bridge.bridge-nf-call-ip6tables=0")
        with machine(directory, 9) as other:
            run("ip", "link", "set", "mrt-wire9", "netns", where, check=True)
            _address((*enter, "ip"), "mrt-wire9", other.host)
            yield ElsewhereMinirun(minirun.root, minirun.state, where), other
    finally:
        namespace.unpin(where)
