"""What a name server knows: the containers of all networks by name and by address, as the ledger's files have them.

Who asks is known by the source address alone.  It belongs to an endpoint of the network served, the endpoint to a
container, and that sees the names of every network it is on: its View.

See      ledger.py for the files, nameserver.py for the answers
By hand  cat /var/lib/minirun/networks/*.json
"""

from __future__ import annotations

import os
import time
from collections import Counter
from socket import AF_INET, AF_INET6, inet_pton
from typing import TYPE_CHECKING, NamedTuple

from dnslib import DNSLabel  # type: ignore[import-untyped]

from minirun import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# The default network, whose containers know no names.
_NAMELESS = "bridge"

# A directory changed this short ago may change again without a new time stamp, as the kernel's clock for those
# ticks every 10 ms at worst: what was read then is not kept.
_SETTLED_NANOSECONDS = 20_000_000


class Endpoint(NamedTuple):
    """One container on one network."""

    container_id: str
    own_name: DNSLabel | None  # web.backend, what its addresses are called; None when DNS cannot say it
    names: frozenset[bytes]  # every name it is known by, lower case, `web` and `web.backend`
    addresses: tuple[bytes, ...]  # packed, 4 or 16 bytes
    nameservers: tuple[str, ...]
    links: dict[bytes, bytes]  # what it alone calls others: the name they have


class Network(NamedTuple):
    """One user-defined network, indexed by what is looked up."""

    internal: bool
    subnets: tuple[Subnet, ...]
    endpoints: dict[str, Endpoint]  # by container id
    addresses: dict[bytes, list[bytes]]  # by name
    owners: dict[bytes, Endpoint]  # by address


class Subnet(NamedTuple):
    """172.18.0.0/16 is (4 bytes, prefix 0xAC12 after a shift by 16)."""

    size: int
    shift: int
    prefix: int

    def covers(self, address: bytes) -> bool:
        return len(address) == self.size and int.from_bytes(address, "big") >> self.shift == self.prefix


class View(NamedTuple):
    """What one client may know."""

    networks: tuple[Network, ...]  # those its container is on
    nameservers: tuple[str, ...]  # its own, in place of the host's
    links: dict[bytes, bytes]  # its own words for others, by --link

    def addresses(self, name: bytes) -> list[bytes] | None:
        """All that are called `name`, each once, in a steady order; None when nothing is."""
        name = self.links.get(name, name)
        found = [network.addresses[name] for network in self.networks if name in network.addresses]
        return list(dict.fromkeys(address for some in found for address in some)) if found else None

    def owners(self, address: bytes) -> list[Endpoint]:
        return [network.owners[address] for network in self.networks if address in network.owners]

    def may_leave(self) -> bool:
        return not all(network.internal for network in self.networks)


class Names:
    """The files of all networks in `directory`, read again when one was replaced; `network` is the one served.

    Looking costs one stat(2) when nothing changed: a file is replaced by rename(2), which the directory's time tells.
    """

    def __init__(self, directory: str, network: str) -> None:
        self.directory = directory
        self.network = network
        self.networks: dict[str, Network] = {}
        self._read_at: int | None = None
        self._turns: Counter[tuple[bytes, int]] = Counter()

    def refresh(self) -> None:
        """Make sure that what is known is what the files say now."""
        try:
            changed_at = os.stat(self.directory).st_mtime_ns
        except OSError:
            self.networks, self._read_at = {}, None
            return
        if changed_at != self._read_at:
            self.networks = dict(_read_networks(self.directory))
            settled = not 0 <= time.time_ns() - changed_at < _SETTLED_NANOSECONDS
            self._read_at = changed_at if settled else None
            if settled:
                self._turns.clear()  # the names in there may be gone

    def in_use(self) -> bool:
        """Whether the network served exists and has a container on it."""
        self.refresh()
        own = self.networks.get(self.network)
        return own is not None and bool(own.endpoints)

    def view(self, client: str) -> View | None:
        """What the client with this source address sees; None for an address that is no endpoint's here."""
        try:
            endpoint = self.networks[self.network].owners[_pack_address(client)]
        except (LookupError, OSError, ValueError):  # no such network, no such endpoint, no address at all
            return None
        container = endpoint.container_id
        joined = tuple(network for network in self.networks.values() if container in network.endpoints)
        links: dict[bytes, bytes] = {}
        for network in joined:
            links |= network.endpoints[container].links
        return View(joined, endpoint.nameservers, links)

    def in_turn(self, addresses: list[bytes], name: bytes, qtype: int) -> list[bytes]:
        """`addresses` with another one at the head each time: clients mostly take the first.

        Each name and type has its own turns.  Clients ask for A and AAAA in pairs: of two addresses, one count
        for both types would always put the same in front.
        """
        if len(addresses) < 2:
            return addresses
        self._turns[name, qtype] += 1
        start = self._turns[name, qtype] % len(addresses)
        return addresses[start:] + addresses[:start]


def _read_networks(directory: str) -> Iterator[tuple[str, Network]]:
    """The networks of all files that can be understood, by name."""
    try:
        found = sorted(os.listdir(directory))
    except OSError:
        return
    for file_name in found:
        name, extension = os.path.splitext(file_name)
        if extension != ".json" or name.startswith(".") or name == _NAMELESS:
            continue
        try:
            network = _network(name, files.read_json(f"{directory}/{file_name}"))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            continue  # one broken file does not silence the others
        yield name, network


def _network(name: str, record: dict[str, Any]) -> Network:
    """A file's content, indexed.  Raises what broken content makes Python raise."""
    endpoints = {key: _endpoint(name, key, value) for key, value in record["endpoints"].items()}
    addresses: dict[bytes, list[bytes]] = {}
    owners: dict[bytes, Endpoint] = {}
    for endpoint in endpoints.values():
        for known_as in endpoint.names:
            addresses.setdefault(known_as, []).extend(endpoint.addresses)
        owners.update(dict.fromkeys(endpoint.addresses, endpoint))
    subnets = tuple(_subnet(pool["subnet"]) for pool in record["pools"])
    return Network(bool(record.get("internal")), subnets, endpoints, addresses, owners)


def _endpoint(network: str, container_id: str, record: dict[str, Any]) -> Endpoint:
    own = [record["name"], *(record.get("aliases") or ()), container_id[:12]]
    qualified = [f"{name}.{network}" for name in own]
    return Endpoint(
        container_id,
        DNSLabel(qualified[0].encode()) if _can_be_asked(qualified[0]) else None,
        frozenset(name.lower().encode() for name in (*own, *qualified) if _can_be_asked(name)),
        tuple(_pack_address(address) for address in record["addresses"]),
        tuple(str(server) for server in record.get("nameservers") or ()),
        {
            alias.lower().encode(): name.lower().encode()
            for alias, name in (record.get("links") or {}).items()
        },
    )


def _can_be_asked(name: str) -> bool:
    """Whether a query can hold the name: a container's may be longer than a label, or end with a dot."""
    return len(name) <= 253 and all(0 < len(label.encode()) < 64 for label in name.split("."))


def _subnet(text: str) -> Subnet:
    first, _, length = text.partition("/")
    packed = _pack_address(first)
    shift = len(packed) * 8 - int(length)
    return Subnet(len(packed), shift, int.from_bytes(packed, "big") >> shift)


def _pack_address(text: str) -> bytes:
    """The 4 or 16 bytes of an address, so that two spellings are one.  Raises OSError or ValueError when it is none."""
    return inet_pton(AF_INET6 if ":" in text else AF_INET, text.partition("%")[0])
