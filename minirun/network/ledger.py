"""The ledger: networks/NAME.json under --root, what each network is, and which container holds which address on it.

An address is written there before anything is made and struck out after all is gone, so whatever a crash leaves behind
has an entry that leads to it.  What the kernel has (bridges, veths, the sets of the table) and what the name servers
answer is made from the ledger alone.

One lock serves all of minirun on the machine, not one each --root: two trees choosing a subnet at the same moment would
choose the same.

By hand  cat /var/lib/minirun/networks/*.json
"""

from __future__ import annotations

import binascii
import os

from minirun import files, jsontext
from minirun.errors import NotFoundError, UsageError
from minirun.linux import syscalls
from minirun.paths import DEFAULT_ROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NotRequired, TypedDict

    from minirun.paths import Paths

    class Port(TypedDict):
        """One published port: `host_ip` 0.0.0.0 or :: is every address of the host."""

        protocol: str  # tcp, udp
        host_ip: str
        host_port: int
        container_port: int

    class Attachment(TypedDict):
        """What a container wants of one network; all but the network may be empty."""

        network: str
        aliases: list[str]
        ipv4: str
        ipv6: str
        mac: str
        gw_priority: NotRequired[int]  # the highest has the way out
        link_local: NotRequired[list[str]]  # addresses besides, of which nobody else keeps account
        driver_opts: NotRequired[dict[str, str]]  # see endpoint_options.py
        links: NotRequired[list[list[str]]]  # --link: [what a container is called, what this one calls it]

    class Endpoint(TypedDict):
        """A container's place on a network."""

        id: str
        name: str  # the container's
        run: str  # its run directory, which goes when the container does
        aliases: list[str]
        links: NotRequired[dict[str, str]]  # {what this container alone says: a name on its networks}
        nameservers: list[str]  # --dns: whom the network's name server asks for this container
        addresses: list[str]  # IPv4, then perhaps IPv6
        link_local: NotRequired[list[str]]
        options: NotRequired[dict[str, str]]  # see endpoint_options.py
        mac: str
        interface: str  # the host's end of the veth
        inside: str  # the container's: eth0
        gateway: bool  # the container's default route goes this way, and its ports are published here
        ports: list[Port]
        joining: bool  # it is not all made yet

    class Pool(TypedDict):
        subnet: str
        gateway: str
        ip_range: str  # the part of the subnet that addresses are given from, or ""
        reserved: NotRequired[dict[str, str]]  # --aux-address: {"router": an address that nobody gets}
        given: bool  # by a person: then it stays, and containers may ask for an address

    class Network(TypedDict):
        """networks/NAME.json"""

        id: str
        name: str
        created: str
        internal: bool
        attachable: NotRequired[bool]  # somebody has said so; all are
        labels: dict[str, str]
        options: dict[str, str]
        driver: NotRequired[str]  # macvlan; without it, it is a bridge
        bridge: str  # "" of another driver
        pools: list[Pool]  # IPv4, then perhaps IPv6
        dns_port: int  # where its name server listens; 0: it has none
        foreign_firewalls: list[str]  # others' firewalls that were opened for it, see foreign_firewalls.py
        endpoints: dict[str, Endpoint]


LOCK = "/run/lock/minirun-network.lock"
DEFAULT = "bridge"  # the network of those who ask for none: it has no names
# What the first minirun that had networks calls `foreign_firewalls`.  It is written as well: containers of then go on
# with the program that started them, and it has to read what is here.
_FORMERLY = "gates"
UNATTACHED = ("none", "host")  # what is no network that one can be on with others


def lock() -> files.locked:
    """The lock under which everything here is changed, and the kernel with it."""
    os.makedirs(os.path.dirname(LOCK), exist_ok=True)  # a directory of the host's, for everybody
    return files.locked(LOCK)


def names(root: str) -> tuple[str, str]:
    """The names of the default bridge and of the nftables table; those of another --root carry a mark of its path.

    >>> names("/var/lib/minirun")
    ('minirun0', 'minirun')
    """
    if root == DEFAULT_ROOT:
        return "minirun0", "minirun"
    mark = f"{binascii.crc32(os.fsencode(root)):08x}"[:7]  # an interface's name has 15 characters at most
    return f"minirun-{mark}", f"minirun-{mark}"


def attachment(network: str) -> Attachment:
    """A network, and nothing else wanted of it."""
    return {"network": network, "aliases": [], "ipv4": "", "ipv6": "", "mac": ""}


def bridge_name(network_id: str) -> str:
    """The bridge of a network that somebody has created."""
    return f"mr-{network_id[:12]}"


def unused(network_id: str, name: str, bridge: str) -> Network:
    """A network that has no subnet and no containers yet, and about which nobody has asked for anything."""
    return {
        "id": network_id,
        "name": name,
        "created": "",
        "internal": False,
        "labels": {},
        "options": {},
        "bridge": bridge,
        "pools": [],
        "dns_port": 0,
        "foreign_firewalls": [],
        "endpoints": {},
    }


def is_bridge(network: Network) -> bool:
    """Whether it has a bridge, and with it elements in the table, ports that are published, and names."""
    return "driver" not in network


def has_names(network: Network) -> bool:
    """Whether a name server answers at its gateway."""
    return network["name"] != DEFAULT and is_bridge(network)


def driver(network: Network) -> str:
    return network.get("driver", "bridge")


def path(paths: Paths, name: str) -> str:
    return f"{paths.networks}/{name}.json"


def read(paths: Paths, name: str) -> Network:
    """Raises NotFoundError."""
    network = _load(paths, name) if "/" not in name else None
    if network is None and name == DEFAULT:
        network = _default(paths)
    if network is None:
        raise NotFoundError(f"network {name} not found", "`minirun network ls` lists them all")
    return network


def list_all(paths: Paths) -> list[Network]:
    """All networks, the default one first, then by name; one whose file is damaged is passed over."""
    pages = [name for name in files.visible_names(paths.networks) if name.endswith(".json")]
    found = sorted(page.removesuffix(".json") for page in pages)
    others = (_load(paths, name) for name in found if name != DEFAULT)
    return [read(paths, DEFAULT), *(network for network in others if network)]


def find(paths: Paths, text: str) -> Network:
    """The network that `text` names: a name, an id, or the beginning of one id.  Raises NotFoundError, UsageError."""
    networks = list_all(paths)
    for network in networks:
        if text in (network["name"], network["id"]):
            return network
    matching = [network for network in networks if text and network["id"].startswith(text)]
    if len(matching) > 1:
        raise UsageError(f'several network ids begin with "{text}"', "give more digits, or a name")
    return matching[0] if matching else read(paths, text)


def write(paths: Paths, network: Network, *, durable: bool = False) -> None:
    """`durable`: it is to survive a power cut.  Who is on it does not, and need not."""
    content = {**network, _FORMERLY: network["foreign_firewalls"]}
    where, text = path(paths, network["name"]), jsontext.dumps(content, indent=2)
    why = "the ledger: who is on the network, written down before it is so and until it is no more"
    files.make_private(paths.networks)
    syscalls.act("creat", _write, where, text, durable, path=where, why=why, shown=(where, text))


def _write(where: str, text: str, durable: bool) -> None:
    files.write_whole(where, text.encode() + b"\n", durable=durable)


def link_group(root: str, bridge: str) -> int:
    """The number that all interfaces of one network carry as their group, the bridge and its ports.

    By it they can go in one request, and be known for ours when nothing names them any more: another --root has
    other numbers.  0 is everybody's group by default.
    """
    return binascii.crc32(os.fsencode(f"{root} {bridge}")) & 0x7FFFFFFF or 1


def is_alive(endpoint: Endpoint) -> bool:
    """Whether the container is still looked after.

    Its run directory goes when it is put away, and with a reboot; its shim, or the build that it is, holds the lock in
    there as long as it lives.
    """
    lock = f"{endpoint['run']}/shim.lock"
    return os.path.isdir(endpoint["run"]) and (not os.path.exists(lock) or files.is_locked(lock))


def endpoints_of(networks: list[Network], container_id: str) -> Iterator[tuple[Network, Endpoint]]:
    """The networks that a container is on."""
    for network in networks:
        if container_id in network["endpoints"]:
            yield network, network["endpoints"][container_id]


def _load(paths: Paths, name: str) -> Network | None:
    try:
        stored: Any = files.read_json(path(paths, name))
    except (OSError, ValueError):  # OSError: none of that name, or the name is longer than a file's can be
        return None
    if not isinstance(stored, dict) or "endpoints" not in stored:
        return None
    if _FORMERLY in stored:  # one of then has changed that alone, if they differ
        stored["foreign_firewalls"] = stored.pop(_FORMERLY)
    return stored  # type: ignore[return-value]


def _default(paths: Paths) -> Network:
    """The default network before its first container: its subnet is chosen then."""
    return unused(predefined_id(paths, DEFAULT), DEFAULT, names(paths.root)[0])


def predefined_id(paths: Paths, name: str) -> str:
    """The id of bridge, host or none: always the same, for nobody has created them."""
    return "".join(f"{binascii.crc32(f'{part} {name} {paths.root}'.encode()):08x}" for part in range(8))
