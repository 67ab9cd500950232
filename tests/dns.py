"""What the name server's tests share: networks as the engine writes them, queries, and a server as a process.

dnslib, on the client's side here, makes the queries and reads the replies.
"""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from dnslib import EDNS0, QTYPE, DNSHeader, DNSQuestion, DNSRecord

from tests.support import CHECKOUT

WEB, DB = "1a2b3c4d5e6f" + "0" * 52, "d" * 64  # ids of containers
CLIENT, CLIENT_V6 = "172.18.0.2", "fd12:3456::2"  # WEB's
HERE = "127.0.0.1"
PATIENT_CLIENT_SECONDS = 10

# Sockets come as descriptors, as a parent would hand them on.
PROGRAM = """
import socket, sys
from minirun.network import nameserver_loop, nameserver
directory, resolv_conf, port, tick, udp, tcp, prelude = sys.argv[1:]
exec(prelude)
settings = nameserver_loop.Settings(resolv_conf, int(port), float(tick), grace_seconds=0.05)
udp, tcp = ([socket.socket(fileno=int(word)) for word in words.split()] for words in (udp, tcp))
nameserver_loop.serve(directory, "backend", udp, tcp, settings)
"""


# ---- networks ---------------------------------------------------------------------------------------------------


def endpoint(name: str, *addresses: str, **more: object) -> dict[str, object]:
    return {"name": name, "aliases": [], "addresses": list(addresses), **more}


def write_network(
    directory: Path, name: str, subnets: list[str], endpoints: dict[str, Any], **more: object
) -> None:
    """As the engine does it, by rename."""
    pools = [{"subnet": subnet, "gateway": subnet} for subnet in subnets]
    record = {"id": "0" * 64, "name": name, "pools": pools, "endpoints": endpoints, **more}
    (directory / ".tmp").write_text(json.dumps(record))
    (directory / ".tmp").rename(directory / f"{name}.json")


def write_backend(directory: Path, **more: object) -> None:
    db = endpoint("db", *(f"127.1.0.{number}" for number in range(1, 101)))
    write_network(directory, "backend", ["127.0.0.0/8"], {WEB: endpoint("web", HERE, **more), DB: db})


# ---- queries ----------------------------------------------------------------------------------------------------


def query(name: str, qtype: str = "A", *, qclass: int = 1, edns: EDNS0 | None = None) -> bytes:
    record = DNSRecord(DNSHeader(id=4711, rd=1), q=DNSQuestion(name, getattr(QTYPE, qtype), qclass))
    if edns:
        record.add_ar(edns)
    return bytes(record.pack())


def data(record: DNSRecord) -> list[str]:
    return [str(rr.rdata) for rr in record.rr]


# ---- a server ---------------------------------------------------------------------------------------------------


def bound(kind: socket.SocketKind, address: str = HERE, port: int = 0) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    sock.settimeout(PATIENT_CLIENT_SECONDS)
    if kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # soon full, for who does not read
    try:
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    if kind == socket.SOCK_STREAM:
        sock.listen(200)
    return sock


class Served:
    """A server process and where it listens."""

    def __init__(
        self, directory: Path, port: int = 1, tick: float = 30, prelude: str = "", address: str = HERE
    ) -> None:
        self.directory = directory
        self.resolv_conf = directory / "resolv.conf"
        sockets = [bound(kind, address) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
        self.family = sockets[0].family
        fds = [sock.fileno() for sock in sockets]
        self.udp, self.tcp = (sock.getsockname() for sock in sockets)
        words = [*map(str, (directory, self.resolv_conf, port, tick, *fds)), prelude]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words], pass_fds=fds, cwd=CHECKOUT, stderr=subprocess.PIPE
        )
        for sock in sockets:
            sock.close()

    def ask(self, raw: bytes) -> DNSRecord:
        with socket.socket(self.family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENT_CLIENT_SECONDS)
            sock.sendto(raw, self.udp)
            return DNSRecord.parse(sock.recv(65535))

    def connect(self) -> socket.socket:
        return socket.create_connection(self.tcp[:2], PATIENT_CLIENT_SECONDS)

    def ask_over_tcp(self, raw: bytes) -> DNSRecord:
        with self.connect() as sock:
            send(sock, raw)
            return receive(sock)

    def end(self) -> str:
        """SIGTERM, and what the process said on its standard error in all its life."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=PATIENT_CLIENT_SECONDS)[1].decode()


def send(sock: socket.socket, raw: bytes) -> None:
    sock.sendall(len(raw).to_bytes(2, "big") + raw)


def receive(sock: socket.socket) -> DNSRecord:
    return DNSRecord.parse(exactly(sock, int.from_bytes(exactly(sock, 2), "big")))


def exactly(sock: socket.socket, size: int) -> bytes:
    """A socket with a timeout does not know MSG_WAITALL."""
    received = b""
    while len(received) < size:
        some = sock.recv(size - len(received))
        assert some, f"it hung up after {len(received)} of {size} bytes"
        received += some
    return received
