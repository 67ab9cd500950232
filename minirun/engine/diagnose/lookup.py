"""What a container is told about a name, asked as its own programs ask: /etc/hosts first, then its name server.

Both files are the container's, and may be anything: they are opened within its root, and what they say is only shown,
or asked for from within its network namespace.

See      resolv.conf(5), hosts(5); linux/inroot.py
By hand  nsenter --net=/proc/PID/ns/net nslookup db 172.18.0.1
Left out the search domains of resolv.conf
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from minirun.engine.diagnose import inventory, probe
from minirun.errors import MinirunError
from minirun.linux import inroot
from minirun.network import addresses, ledger
from minirun.network import resolve as resolv_conf

if TYPE_CHECKING:
    from minirun.engine.diagnose.inventory import Inventory
    from minirun.engine.diagnose.snapshot import Kernel
    from minirun.engine.record_types import Record
    from minirun.network.ledger import Network

TIMEOUT_SECONDS = 2.0
DEAD = "dead"  # Resolution.state: the name server of its network does not run
NAMELESS = "nameless"  # it is on the default network alone, which has no names
SILENT = "silent"  # nobody answers
UNKNOWN = "unknown"  # whoever was asked does not know
KNOWN = "known"
LITERAL = "literal"  # it is an address


class Resolution(NamedTuple):
    """The answer."""

    name: str
    state: str
    address: str  # the first, which programs take; "" when there is none
    how: str  # who said what


def resolve(seen: Inventory, kernel: Kernel, asking: Record, name: str) -> Resolution:
    """What a running container gets to know about a name."""
    if inventory.is_address(name):
        return Resolution(name, LITERAL, name, "an address needs no name server")
    pid = asking["state"]["pid"]
    if found := in_hosts(etc(pid, "hosts"), name):
        return Resolution(name, KNOWN, found[0], f"its /etc/hosts says {found[0]}")
    server = next(iter(resolv_conf.nameservers(etc(pid, "resolv.conf"))), "")
    if not server or not inventory.is_address(server):
        return Resolution(name, UNKNOWN, "", "its /etc/resolv.conf names no server")
    network = network_of(seen, server)
    if network and network["name"] not in kernel.name_servers:
        how = f"the name server of network {network['name']}, asked at {server}, is dead"
        return Resolution(name, DEAD, "", how)
    return _answered(seen, asking, name, server, nameless=network is None)


def _answered(seen: Inventory, asking: Record, name: str, server: str, *, nameless: bool) -> Resolution:
    from minirun.network import nameserver_query  # with dnslib

    if nameless and inventory.named(seen, name):
        return Resolution(
            name, NAMELESS, "", f"{server} is no server of ours: the network {ledger.DEFAULT} has no names"
        )
    with probe.inside_namespace(asking["state"]["pid"]):
        answer = nameserver_query.ask(server, name, "A", TIMEOUT_SECONDS)
    if answer.problem:
        return Resolution(name, UNKNOWN if answer.heard else SILENT, "", answer.problem)
    return Resolution(name, KNOWN, answer.addresses[0], f"{server} says {', '.join(answer.addresses)}")


def network_of(seen: Inventory, server: str) -> Network | None:
    """The network whose gateway, and so whose name server, this address is."""
    for network in seen.networks:
        gateways = [pool["gateway"] for pool in network["pools"]]
        if network["name"] != ledger.DEFAULT and server in gateways:
            return network
    return None


def etc(pid: int, name: str) -> str:
    """A file of a container's /etc; "" when there is none."""
    try:
        return inroot.read_in_root(f"/proc/{pid}/root", f"/etc/{name}", across_mounts=True)
    except (OSError, MinirunError):
        return ""


def in_hosts(text: str, name: str) -> list[str]:
    """The IPv4 addresses that a hosts(5) file gives a name."""
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    found = [words[0] for words in lines if name.lower() in (word.lower() for word in words[1:])]
    return [one for one in found if inventory.is_address(one) and not addresses.is_v6(one)]
