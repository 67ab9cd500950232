"""One question to a name server, as a program in a container would put it: for looking, not for serving.

The question goes out of the network namespace we are in.

See      RFC 1035 section 4; nameserver.py is the other side
By hand  nsenter --net=/proc/PID/ns/net nslookup db 172.18.0.1
"""

from __future__ import annotations

import socket
from typing import NamedTuple

from dnslib import QTYPE, RCODE, DNSError, DNSRecord  # type: ignore[import-untyped]
from dnslib.label import DNSLabelError  # type: ignore[import-untyped]

from minirun.network import addresses

_PORT = 53
_MOST_BYTES = 65535


class Answer(NamedTuple):
    addresses: list[str]
    problem: str = ""  # why there are none
    heard: bool = True  # whether anybody answered


def ask(server: str, name: str, kind: str, timeout_seconds: float) -> Answer:
    """The addresses of `name`, of the kind A or AAAA."""
    family = socket.AF_INET6 if addresses.is_v6(server) else socket.AF_INET
    try:
        query = DNSRecord.question(name, kind)
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(timeout_seconds)
            sock.connect((server, _PORT))  # then nobody else's answer is heard, and a refusal is
            sock.send(query.pack())
            reply = DNSRecord.parse(sock.recv(_MOST_BYTES))
    except TimeoutError:
        return Answer([], f"{server} does not answer within {timeout_seconds:g} s", heard=False)
    except ConnectionRefusedError:
        return Answer([], f"nothing listens at {server}:{_PORT}", heard=False)
    except OSError as error:
        return Answer([], f"{server} cannot be asked: {error.strerror}", heard=False)
    except (DNSError, DNSLabelError, ValueError):  # a name that DNS cannot say, or an answer that is none
        return Answer([], f"{server} says nothing that can be understood")
    return _read(reply, server, kind)


def _read(reply: DNSRecord, server: str, kind: str) -> Answer:
    found = [str(record.rdata) for record in reply.rr if QTYPE[record.rtype] == kind]
    if found:
        return Answer(found)
    code = RCODE.get(reply.header.rcode, "an error")
    reason = f"no {kind} record" if code == "NOERROR" else code
    return Answer([], f"{server} says {reason}")
