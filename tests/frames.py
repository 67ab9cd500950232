"""Ethernet frames made by hand, for what a container's root may try: it has CAP_NET_RAW by default.

Every frame ends with random bytes, by which it is known again where it arrives.
"""

import os
import socket
import struct
import time

from tests.netlab import open_in

ETH_P_ALL, ETH_P_IP, ETH_P_ARP, ETH_P_IPV6 = 3, 0x0800, 0x0806, 0x86DD
_PATIENCE = 5.0  # seconds until the control frame has to be there


def ethernet(target_mac: str, source_mac: str, kind: int, payload: bytes) -> bytes:
    return _mac(target_mac) + _mac(source_mac) + struct.pack("!H", kind) + payload


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def udp4(source: str, target: str) -> bytes:
    """An IPv4 packet with a UDP datagram in it, without UDP's checksum, which may be left out."""
    datagram = struct.pack("!HHHH", 4000, 4001, 8 + 20, 0) + os.urandom(20)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, socket.IPPROTO_UDP, 0)
    header += socket.inet_aton(source) + socket.inet_aton(target)
    return header[:10] + struct.pack("!H", _checksum(header)) + header[12:] + datagram


def arp_reply(mac: str, address: str, target_mac: str, target: str) -> bytes:
    """`address` is at `mac`: RFC 826."""
    fixed = struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, 2)
    ends = _mac(mac) + socket.inet_aton(address) + _mac(target_mac) + socket.inet_aton(target)
    return fixed + ends + os.urandom(18)  # up to Ethernet's 60 bytes


def icmp6(source: str, target: str, body: bytes) -> bytes:
    """An IPv6 packet with an ICMPv6 message; `body` begins with type and code, its checksum is put in.

    Behind it comes an option that nobody knows.
    """
    body += b"\xfd\x02" + os.urandom(14)
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
    pseudo = ends + struct.pack("!II", len(body), socket.IPPROTO_ICMPV6)
    body = body[:2] + struct.pack("!H", _checksum(pseudo + body)) + body[4:]
    return struct.pack("!IHBB", 6 << 28, len(body), socket.IPPROTO_ICMPV6, 255) + ends + body


def neighbour_advertisement(address: str, mac: str) -> bytes:
    """`address` is at `mac`, and that overrides what was known: RFC 4861 section 4.4."""
    flags = struct.pack("!BBHI", 136, 0, 0, 0x60000000)
    return flags + socket.inet_pton(socket.AF_INET6, address) + b"\x02\x01" + _mac(mac)


def router_advertisement(mac: str) -> bytes:
    return struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + b"\x01\x01" + _mac(mac)


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def arriving(sender: str, receiver: str, frames: list[bytes], control: bytes, by: str = "eth0") -> list[bool]:
    """Which of `frames`, sent by the interface `by` of the namespace `sender`, come in at eth0 of `receiver`.

    `control` is sent last and has to arrive: what was not there before it will not come any more.
    """
    marks = [frame[-8:] for frame in (*frames, control)]
    with (
        open_in(receiver, socket.AF_PACKET, socket.SOCK_RAW) as listener,
        open_in(sender, socket.AF_PACKET, socket.SOCK_RAW) as speaker,
    ):
        listener.bind(("eth0", ETH_P_ALL))
        speaker.bind((by, 0))
        listener.settimeout(0.2)
        for frame in (*frames, control):
            speaker.send(frame)
        seen: list[bytes] = []
        deadline = time.monotonic() + _PATIENCE
        while marks[-1] not in b"".join(seen):
            assert time.monotonic() < deadline, "not even the control frame arrives"
            try:
                seen.append(listener.recv(65536))
            except TimeoutError:
                continue
    return [mark in b"".join(seen) for mark in marks[:-1]]
