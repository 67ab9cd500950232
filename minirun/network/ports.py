"""Published ports: what `-p` says, and a socket that keeps the port for us while the container runs.

Packets do not reach that socket: the table sends them on before.  It is there so that no other process can take
the port, and so that a port which is taken already is noticed here and not by its users later.  It is there before
the table's rules are, and whoever connects in between is refused when they have come.

See      ip(7), tcp(7); docs.docker.com/engine/network/port-publishing
By hand  ss -lntup
"""

from __future__ import annotations

import errno
import socket
import struct

from minirun.errors import ConflictError, UsageError
from minirun.network import addresses
from minirun.network.firewall import ANY4, ANY6

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypedDict

    from minirun.network.ledger import Network, Port

    class PortRequest(TypedDict):
        """What `-p` asks for, one for each port of the container."""

        host_ip: str  # "": every address
        host_ports: list[int]  # the first free of these; [0]: one that the kernel chooses
        container_port: int
        protocol: str


PROTOCOLS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_BACKLOG = 128  # a connection that is left out would ask again, and stay with this socket, too
_TRIES = 20  # for a random port that is free for both families


# ---- words ------------------------------------------------------------------------------------------------------


def parse(text: str) -> list[PortRequest]:
    """`-p [IP:][HOST[-END]:]CONTAINER[-END][/PROTOCOL]`.  Raises UsageError quoting the bad part."""
    rest, protocol = _protocol(text)
    host_ip, rest = _host_ip(text, rest)
    host, _, container = rest.rpartition(":")
    targets = port_range(container, "containerPort", least=1)
    if not host:
        return [_request(host_ip, [0], target, protocol) for target in targets]
    sources = port_range(host, "hostPort", least=0)
    if len(targets) == 1:
        return [_request(host_ip, sources, targets[0], protocol)]
    if len(sources) != len(targets):
        raise UsageError(f"invalid ranges specified for container and host Ports: {container} and {host}")
    return [
        _request(host_ip, [source], target, protocol) for source, target in zip(sources, targets, strict=True)
    ]


def _request(host_ip: str, host_ports: list[int], container_port: int, protocol: str) -> PortRequest:
    return {
        "host_ip": host_ip,
        "host_ports": host_ports,
        "container_port": container_port,
        "protocol": protocol,
    }


def _protocol(text: str) -> tuple[str, str]:
    rest, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in PROTOCOLS:
        raise UsageError(f"invalid proto: {protocol}", "tcp and udp can be published")
    return rest, protocol


def _host_ip(text: str, rest: str) -> tuple[str, str]:
    """The address in front, and what follows it."""
    if rest.startswith("["):
        host_ip, bracket, rest = rest[1:].partition("]:")
        if not bracket:
            raise UsageError(f'invalid publish "{text}"', "an IPv6 address stands as in -p [::1]:8080:80")
    elif rest.count(":") == 2:
        host_ip, _, rest = rest.partition(":")
    elif rest.count(":") > 2:
        raise UsageError(f'invalid publish "{text}"', "as in -p 127.0.0.1:8080:80 or -p [::1]:8080:80")
    else:
        return "", rest
    try:
        return addresses.to_text(*addresses.alone(host_ip)[::2]), rest
    except OSError:
        raise UsageError(
            f'invalid IP address "{host_ip}" in "{text}"', "as in -p 127.0.0.1:8080:80"
        ) from None


def port_range(text: str, what: str, *, least: int) -> list[int]:
    """`80` or `8000-8010` as numbers.  Raises UsageError."""
    first, dash, last = text.partition("-")
    words = [word for word in (first, last if dash else first) if word.isascii() and word.isdecimal()]
    numbers = [int(word) for word in words if len(word) < 20]  # int() takes no more than 4300 digits
    if len(numbers) != 2 or any(number > 65535 or number < least for number in numbers):
        raise UsageError(f"invalid {what}: {text}", f"ports are numbers from {least or 1} to 65535")
    if numbers[0] > numbers[1]:
        raise UsageError(f"invalid range format for {what}: {text}", "the smaller number comes first")
    return list(range(numbers[0], numbers[1] + 1))


def check(request: PortRequest) -> None:
    """What `parse` would not have made.  Raises UsageError."""
    inside, outside = request["container_port"], request["host_ports"]
    if not 1 <= inside <= 65535 or not outside or not all(0 <= port <= 65535 for port in outside):
        raise UsageError(f"invalid ports: {outside or 'none'} to {inside}", "numbers from 1 to 65535")
    if address := request["host_ip"]:
        _host_ip(address, f"[{address}]:")


def parse_exposed(text: str) -> list[str]:
    """`--expose 80[-90][/udp]` as ["80/tcp", ...].  Raises UsageError."""
    rest, protocol = _protocol(text)
    return [f"{number}/{protocol}" for number in port_range(rest, "port in --expose", least=1)]


def of_exposed(exposed: Iterable[str]) -> Iterator[PortRequest]:
    """`-P`: a random port of the host for each that the image or --expose names."""
    for text in exposed:
        number, _, protocol = text.partition("/")
        yield _request("", [0], int(number), protocol or "tcp")


# ---- sockets ----------------------------------------------------------------------------------------------------


class Reservation:
    """The ports that a container has of the host, each kept by an open socket."""

    def __init__(self) -> None:
        self.ports: list[Port] = []
        self.sockets: list[socket.socket] = []

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()
        self.ports, self.sockets = [], []

    def refuse_early(self) -> None:
        """Reset the connections that came before the rules: they stay with our sockets, and nobody answers here."""
        for sock in self.sockets:
            if sock.type == socket.SOCK_STREAM:
                _refuse_waiting(sock)


def _refuse_waiting(listener: socket.socket) -> None:
    listener.setblocking(False)
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # no more of them; or one that has gone again
            return
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST, not FIN
        connection.close()


def reserve(requests: Iterable[PortRequest], networks: list[Network], *, v6: bool) -> Reservation:
    """Take the ports asked for, all or none; `v6`: the container has an address of that kind.

    `networks` tell the name of a container that has one already.  Raises ConflictError naming who has the port,
    UsageError for an address that this host has not got.
    """
    made = Reservation()
    try:
        for request in requests:
            _reserve_one(made, request, networks, v6=v6)
    except BaseException:
        made.close()
        raise
    return made


def _reserve_one(made: Reservation, request: PortRequest, networks: list[Network], *, v6: bool) -> None:
    host_ips = [request["host_ip"]] if request["host_ip"] else [ANY4, *([ANY6] if v6 else [])]
    if addresses.is_v6(host_ips[0]) and not v6:
        raise UsageError(
            f"cannot publish at [{host_ips[0]}]: the container's network has no IPv6",
            "minirun network create --ipv6 makes one that has",
        )
    candidates = request["host_ports"] if request["host_ports"] != [0] else [0] * _TRIES
    for number, candidate in enumerate(candidates):
        try:
            sockets = _bind_all(request["protocol"], host_ips, candidate)
            break
        except OSError as error:
            if error.errno != errno.EADDRINUSE or number == len(candidates) - 1:
                raise _refusal(error, request["protocol"], host_ips[0], candidate, networks) from None
    made.sockets += sockets
    for host_ip, sock in zip(host_ips, sockets, strict=True):
        made.ports.append(
            {
                "protocol": request["protocol"],
                "host_ip": host_ip,
                "host_port": sock.getsockname()[1],
                "container_port": request["container_port"],
            }
        )


def _bind_all(protocol: str, host_ips: list[str], port: int) -> list[socket.socket]:
    """A socket at each address, all with the same port.  Raises OSError."""
    sockets: list[socket.socket] = []
    try:
        for host_ip in host_ips:
            sockets.append(bound(protocol, host_ip, port))
            port = sockets[0].getsockname()[1]
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def bound(protocol: str, host_ip: str, port: int) -> socket.socket:
    """A socket that has the port: of TCP it listens, for only then do others get EADDRINUSE whatever they set."""
    family = socket.AF_INET6 if addresses.is_v6(host_ip) else socket.AF_INET
    sock = socket.socket(family, PROTOCOLS[protocol] | socket.SOCK_CLOEXEC)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if protocol == "tcp":  # connections of an earlier owner that are fading away are no obstacle
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host_ip, port))
        if protocol == "tcp":
            sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


# ---- who has it -------------------------------------------------------------------------------------------------


def _refusal(error: OSError, protocol: str, host_ip: str, port: int, networks: list[Network]) -> Exception:
    where = show_address(host_ip, port)
    if error.errno == errno.EADDRINUSE:
        who = _container_with(networks, protocol, host_ip, port) or _process_with(protocol, port)
        by = f" by {who}" if who else ""
        hint = "choose another port, or stop what has it"
        return ConflictError(f"Bind for {where} failed: port is already allocated{by}", hint)
    if error.errno == errno.EADDRNOTAVAIL:
        hint = "`ip address` shows this host's addresses"
        return UsageError(f"Bind for {where} failed: this host has no address {host_ip}", hint)
    return UsageError(f"Bind for {where} failed: {error.strerror}")


def show_address(host_ip: str, port: int) -> str:
    """
    >>> show_address("::", 80)
    '[::]:80'
    """
    return f"[{host_ip}]:{port}" if addresses.is_v6(host_ip) else f"{host_ip}:{port}"


def _container_with(networks: list[Network], protocol: str, host_ip: str, port: int) -> str:
    for network in networks:
        for endpoint in network["endpoints"].values():
            for held in endpoint["ports"]:
                same_address = held["host_ip"] == host_ip or {held["host_ip"], host_ip} & {ANY4, ANY6}
                if held["protocol"] == protocol and held["host_port"] == port and same_address:
                    return f"container {endpoint['name']}"
    return ""


def _process_with(protocol: str, port: int) -> str:
    """`nginx (pid 12)`; a shim, which may be of another --root, by its container's name."""
    from minirun.network import listeners  # with re, which a shim has no use for

    owner = listeners.owner_of_port(protocol, port)
    if owner is None:
        return ""
    title = "minirun:shim "
    if owner.program.startswith(title):
        return f"container {owner.program.removeprefix(title)}"
    return str(owner)
