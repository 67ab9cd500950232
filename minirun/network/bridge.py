"""The default bridge: a container's network, made before the container and gone after it.

    container's namespace                       host
    ┌──────────────────────┐
    │ eth0 172.17.0.2 ═════╪════ vethac110002 ─┐
    └──────────────────────┘                   ├─ minirun0 172.17.0.1 ── forward, masquerade ── eth0
    ┌──────────────────────┐                   │
    │ eth0 172.17.0.3 ═════╪════ vethac110003 ─┘
    └──────────────────────┘

networks/bridge.json under --root is the ledger: the subnet, and who holds which address.  An address is written
there before anything is made and struck out after all is gone, so whatever a crash leaves behind has an
entry that leads to it.  The last one out takes the bridge and the nftables table along.

One lock serves all of minirun on the machine, not one each --root: two trees choosing a subnet at the same
moment would choose the same.

See      bridge(8), veth(4), features.md section 5
By hand  `minirun run --explain=sh` writes it down with the addresses of a real run
Left out net.ipv4.ip_forward stays 1 once it was set: nobody can know who has come to rely on it since
"""

from __future__ import annotations

import binascii
import contextlib
import errno
import os
import socket

from minirun import files
from minirun.errors import MinirunError, UnsupportedError
from minirun.linux import syscalls
from minirun.network import addresses, firewall, namespace, netlink
from minirun.paths import DEFAULT_ROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypedDict

    from minirun.network.addresses import Subnet
    from minirun.paths import Paths

    class Holder(TypedDict):
        """Who has an address: `run` is the container's run directory, which goes when the container does."""

        address: str
        run: str

    class Ledger(TypedDict):
        """networks/bridge.json"""

        bridge: str
        table: str
        subnet: str
        holders: dict[str, Holder]

    class Endpoint(TypedDict):
        """What `inspect` says about a container's place on the bridge."""

        ip_address: str
        prefix_length: int
        gateway: str
        mac_address: str
        interface: str
        bridge: str


LOCK = "/run/lock/minirun-network.lock"
_IP_FORWARD = "/proc/sys/net/ipv4/ip_forward"


def attach(paths: Paths, container_id: str, netns_path: str, hostname: str = "") -> Endpoint:
    """Put a new network namespace, pinned at `netns_path`, on the bridge.  Doing it again repairs what is there.

    The container's run directory must exist: an entry in the ledger without one counts as dead.  After an error
    call `detach`, as after a crash: it undoes whatever part was done, and from a process that is surely at home
    in the host's namespace.  Raises MinirunError; a refusal of the kernel's names the ip(8) command, with a hint.
    """
    with _explained():
        namespace.pin(netns_path)
        return _connect(paths, container_id, netns_path)


def detach(paths: Paths, container_id: str, netns_path: str) -> None:
    """Take a container off the bridge, whatever part of `attach` was done; the last one takes the bridge along.

    Does nothing when there is nothing left to do.  Raises MinirunError, after doing all that could be done.
    """
    with _explained():
        try:
            with files.locked(LOCK) as lock:
                _disconnect(paths, container_id, lock)
        finally:
            namespace.unpin(netns_path)


def _disconnect(paths: Paths, container_id: str, lock: int) -> None:
    ledger = _read(paths)
    if not ledger["holders"]:
        return  # the last one before us has cleared everything
    _strike_dead(ledger, container_id)
    holder = ledger["holders"].pop(container_id, None)
    try:
        if not ledger["holders"]:
            _lower_bridge(ledger, lock)
        elif holder:
            with contextlib.closing(netlink.open_socket()) as sock:
                name = addresses.veth_name(holder["address"])
                netlink.delete_link(sock, name, why="both ends of the cable go")
    finally:
        _write(paths, ledger)  # last: killed before this, we leave an entry that leads to what is left


def _lower_bridge(ledger: Ledger, lock: int) -> None:
    """Nobody is left: the bridge goes, whatever is still plugged into it, and the table."""
    try:
        started = firewall.begin(
            firewall.removal(ledger["table"]), lock, why="no container is left to translate for"
        )
    except UnsupportedError:
        return _delete_links(ledger)
    try:
        _delete_links(ledger)  # nft works meanwhile
    finally:
        with contextlib.suppress(UnsupportedError):  # without nftables there is no table to delete
            firewall.finish(started)


def _delete_links(ledger: Ledger) -> None:
    with contextlib.closing(netlink.open_socket()) as sock:
        group = _group(addresses.parse_subnet(ledger["subnet"]))
        netlink.delete_group(sock, group, why="no container is left: the bridge goes, and all its cables")


def names(root: str) -> tuple[str, str]:
    """The names of the bridge and of the nftables table; those of another --root carry a mark of its path.

    >>> names("/var/lib/minirun")
    ('minirun0', 'minirun')
    """
    if root == DEFAULT_ROOT:
        return "minirun0", "minirun"
    mark = f"{binascii.crc32(os.fsencode(root)):08x}"[:7]  # an interface's name has 15 characters at most
    return f"minirun-{mark}", f"minirun-{mark}"


# ---- attach, step by step ---------------------------------------------------------------------------------


def _connect(paths: Paths, container_id: str, netns_path: str) -> Endpoint:
    from minirun.network import links  # here, not above: 25 ms that `detach` and its callers do not need

    with contextlib.closing(netlink.open_socket()) as sock:
        with files.locked(LOCK) as lock:
            ledger = _read(paths)
            _strike_dead(ledger, container_id)
            if not _exists(ledger["bridge"]):
                ledger["subnet"] = _free_subnet(ledger, links.routes(sock))
            subnet = addresses.parse_subnet(ledger["subnet"])
            address = _reserve(paths, ledger, container_id, subnet)
            _raise_bridge(sock, ledger, subnet, lock)
        endpoint = _endpoint(ledger, subnet, address)
        links.add_veth(
            sock,
            endpoint["interface"],
            ledger["bridge"],
            _group(subnet),
            netns_path,
            endpoint["mac_address"],
            why="a cable: one end a port of the bridge, the other the container's eth0",
        )
    _configure_inside(netns_path, endpoint)
    return endpoint


def _free_subnet(ledger: Ledger, routes: list[Subnet]) -> str:
    """The subnet of last time if the host still has no route there, else another."""
    preferred = addresses.parse_subnet(ledger["subnet"]) if ledger["subnet"] else None
    return addresses.show_subnet(addresses.choose_subnet(routes, preferred))


def _reserve(paths: Paths, ledger: Ledger, container_id: str, subnet: Subnet) -> str:
    """The address the container has already, or a new one; written down before it is used."""
    holders = ledger["holders"]
    mine = holders.get(container_id)
    if mine and addresses.overlap((addresses.to_number(mine["address"]), 32), subnet):
        return mine["address"]
    others = [holder["address"] for other, holder in holders.items() if other != container_id]
    address = addresses.lowest_free(subnet, others)
    holders[container_id] = {"address": address, "run": paths.run(container_id)}
    _write(paths, ledger)
    return address


def _raise_bridge(sock: socket.socket, ledger: Ledger, subnet: Subnet, lock: int) -> None:
    """The table, the bridge, its address and forwarding: each made if it is missing."""
    from minirun.network import links

    bridge = ledger["bridge"]
    text = firewall.script(ledger["table"], bridge, ledger["subnet"])
    started = firewall.begin(
        text, lock, why="private addresses are translated to the host's; only answers come back"
    )
    try:
        gateway = addresses.gateway(subnet)
        if not _exists(bridge):
            mac = addresses.mac_address(gateway)
            links.add_bridge(
                sock, bridge, mac, _group(subnet), why="a switch in the kernel; containers are its ports"
            )
        links.set_address(sock, bridge, gateway, subnet[1], why="the host's place on the bridge: the gateway")
        with open(_IP_FORWARD, encoding="ascii") as file:
            forwards = file.read().strip() != "0"
        if not forwards:
            syscalls.write_file(_IP_FORWARD, "1", why="lets the host pass packets on between its interfaces")
    finally:
        firewall.finish(started)


def _configure_inside(netns_path: str, endpoint: Endpoint) -> None:
    """Loopback, address and default route in the container's namespace."""
    from minirun.network import links

    prefix = f"nsenter --net={netns_path} "
    with namespace.inside(netns_path), contextlib.closing(netlink.open_socket()) as sock:
        links.link_up(sock, "lo", why="127.0.0.1 answers", prefix=prefix)
        links.link_up(sock, "eth0", why="the container's end of the cable", prefix=prefix)
        address, length = endpoint["ip_address"], endpoint["prefix_length"]
        links.set_address(sock, "eth0", address, length, why="the container's address", prefix=prefix)
        links.set_default_route(
            sock, endpoint["gateway"], why="everything else goes by the bridge", prefix=prefix
        )


def _endpoint(ledger: Ledger, subnet: Subnet, address: str) -> Endpoint:
    return {
        "ip_address": address,
        "prefix_length": subnet[1],
        "gateway": addresses.gateway(subnet),
        "mac_address": addresses.mac_address(address),
        "interface": addresses.veth_name(address),
        "bridge": ledger["bridge"],
    }


def _group(subnet: Subnet) -> int:
    """The number that all our interfaces of one bridge carry, so that they can go in one request.

    The subnet's first address as a number: as unique on the host as the subnet is.  0 is everybody's default.
    """
    return subnet[0] & 0x7FFFFFFF


# ---- the ledger -------------------------------------------------------------------------------------------


def _ledger_path(paths: Paths) -> str:
    return f"{paths.networks}/bridge.json"


def _read(paths: Paths) -> Ledger:
    bridge, table = names(paths.root)
    try:
        stored: Any = files.read_json(_ledger_path(paths))
        return {"bridge": bridge, "table": table, "subnet": stored["subnet"], "holders": stored["holders"]}
    except FileNotFoundError:
        return {"bridge": bridge, "table": table, "subnet": "", "holders": {}}


def _write(paths: Paths, ledger: Ledger) -> None:
    os.makedirs(paths.networks, exist_ok=True)
    files.write_json(_ledger_path(paths), ledger)


def _strike_dead(ledger: Ledger, spared: str) -> None:
    """Strike out holders whose run directory is gone: killed and removed without a detach, or the machine rebooted."""
    holders = ledger["holders"]
    for container_id in [name for name in holders if name != spared]:
        if not os.path.isdir(holders[container_id]["run"]):
            del holders[container_id]


def _exists(interface: str) -> bool:
    try:
        socket.if_nametoindex(interface)
    except OSError:
        return False
    return True


_HINTS = {
    errno.EOPNOTSUPP: "the kernel lacks a kind of interface: try `modprobe -a bridge veth`",
    errno.EPERM: "networks need root (CAP_NET_ADMIN); try sudo",
    errno.EEXIST: "something else has an interface of that name",
}


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turn a refusal of the kernel into a sentence: the command that was refused, why, and what to do."""
    try:
        yield
    except syscalls.SyscallError as error:
        hint = _HINTS.get(error.errno or 0, "")
        message = f"{error.path}: {error.strerror}" if error.call == "netlink" else str(error)
        kind = UnsupportedError if error.errno == errno.EOPNOTSUPP else MinirunError
        raise kind(message, hint) from error
