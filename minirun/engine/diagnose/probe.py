"""One packet sent, from our network namespace or a container's: what comes of it.

What has to be seen from within a container is seen from its network namespace alone: never from its mounts, where
somebody else's files are.

See      tcp(7), udp(7); ip(7) for the errors
By hand  nsenter --net=/proc/PID/ns/net nc -vz -w 2 172.18.0.3 5432
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from minirun.errors import in_words
from minirun.network import addresses, namespace, ports

if TYPE_CHECKING:
    from collections.abc import Iterator

TCP_SECONDS = 2.0
UDP_SECONDS = 0.3  # an ICMP message that refuses comes at once


class Probe(NamedTuple):
    reached: bool
    outcome: str  # what happened, in words


@contextlib.contextmanager
def inside_namespace(pid: int) -> Iterator[None]:
    """In the network namespace of a process for a with block; 0 is no process: where we are."""
    if not pid:
        yield
        return
    with namespace.inside(f"/proc/{pid}/ns/net"):
        yield


def send(protocol: str, address: str, port: int, pid: int = 0) -> Probe:
    """Try it, from our namespace or from that of a process."""
    family = socket.AF_INET6 if addresses.is_v6(address) else socket.AF_INET
    with inside_namespace(pid), socket.socket(family, ports.PROTOCOLS[protocol]) as sock:
        begun = time.monotonic()
        try:
            return _tcp(sock, address, port, begun) if protocol == "tcp" else _udp(sock, address, port)
        except ConnectionRefusedError:
            return Probe(False, "refused: the address answers, and nothing listens there")
        except TimeoutError:
            return Probe(False, f"no answer within {TCP_SECONDS:g} s")
        except OSError as error:
            return Probe(False, error.strerror or in_words(error))


def _tcp(sock: socket.socket, address: str, port: int, begun: float) -> Probe:
    sock.settimeout(TCP_SECONDS)
    sock.connect((address, port))
    return Probe(True, f"connected after {(time.monotonic() - begun) * 1000:.1f} ms")


def _udp(sock: socket.socket, address: str, port: int) -> Probe:
    """Without knowing what the server speaks, no refusal is all that can be seen."""
    sock.settimeout(UDP_SECONDS)
    sock.connect((address, port))
    sock.send(b"")
    try:
        sock.recv(1)
    except TimeoutError:
        return Probe(True, "sent, and not refused")
    return Probe(True, "answered")
