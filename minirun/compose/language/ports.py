"""`127.0.0.1:8000-8001:80-81/udp` spelt out: a port of a container, and where the host publishes it.

See  compose-spec 05-services.md "ports"
"""

from __future__ import annotations

from typing import Any

PROTOCOLS = ("tcp", "udp", "sctp")
_LAST = 65535


def spelt(word: str) -> list[dict[str, Any]]:
    """The ports of one short form, a mapping each.  Raises ValueError.

    >>> spelt("8000:80")
    [{'target': 80, 'published': '8000'}]
    """
    ports, _, protocol = word.partition("/")
    protocol = protocol.lower()
    if "/" in word and protocol not in PROTOCOLS:
        raise ValueError(f'invalid protocol "{protocol}" in "{word}"; there are {", ".join(PROTOCOLS)}')
    address, published, target = _parts(ports, word)
    first, last = _range(target, word, "container")
    given: dict[str, Any] = {"host_ip": address} if address else {}
    extra = {"protocol": protocol} if protocol else {}
    if not published:
        return [{**given, "target": port, **extra} for port in range(first, last + 1)]
    host_first, host_last = _range(published, word, "host")
    if host_last - host_first == last - first:
        return [
            {**given, "target": port, "published": str(host_first + port - first), **extra}
            for port in range(first, last + 1)
        ]
    if first != last:
        raise ValueError(f'"{word}": as many ports of the host as of the container, or one of the container')
    return [{**given, "target": first, "published": f"{host_first}-{host_last}", **extra}]


def _parts(ports: str, word: str) -> tuple[str, str, str]:
    """Address, published, target."""
    before, _, target = ports.rpartition(":")
    address, _, published = before.rpartition(":")
    if not address:
        return "", published, target
    address = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    return _address_in(address, word), published, target


def _address_in(address: str, word: str) -> str:
    _check(address, f'invalid address "{address}" in "{word}"')
    return address


def address(text: str) -> str:
    """An IPv4 or IPv6 address, or none.  Raises ValueError."""
    if text:
        _check(text, f'expected an address, not "{text}"')
    return text


def _check(address: str, refusal: str) -> None:
    import ipaddress

    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise ValueError(refusal) from None


def _range(word: str, whole: str, whose: str) -> tuple[int, int]:
    """First and last of `80` or `80-82`."""
    first, dash, last = word.partition("-")
    for digits in (first, last) if dash else (first,):
        if not (digits.isascii() and digits.isdecimal() and int(digits) <= _LAST):
            raise ValueError(f'invalid port "{word}" of the {whose} in "{whole}"')
    if dash and int(last) < int(first):
        raise ValueError(f'invalid port range "{word}" in "{whole}"')
    if whose == "container" and int(first) == 0:
        raise ValueError(f'invalid port "{word}" of the {whose} in "{whole}"')
    return int(first), int(last if dash else first)
