"""Networks: a container's places on them, made before the container and gone after it.

    container's namespace                       host
    ┌──────────────────────┐
    │ eth0 172.17.0.2 ═════╪════ vethac110002 ─┐
    └──────────────────────┘                   ├─ minirun0 172.17.0.1 ── forward, masquerade ── eth0
    ┌──────────────────────┐                   │                          publish, filter
    │ eth0 172.17.0.3 ═════╪════ vethac110003 ─┘
    │ eth1 172.18.0.2 ═════╪════ vethac120002 ─── mr-3f1c0a9b27de 172.18.0.1 ── names, forward, ...
    └──────────────────────┘

A bridge comes with its network's first container and goes with the last, and with it what serves the network: its
elements in the nftables table, its name server, its way through other people's firewalls.  The last network takes the
table along.

Everything that changes more than one container's own is done under one lock, ledger first: see ledger.py.

See      bridge(8), veth(4), features.md section 5
By hand  `minirun run --explain=sh` writes it down with the addresses of a real run
Left out net.ipv4.ip_forward stays 1 once it was set: nobody can know who has come to rely on it since
Next     removal.py, tables.py and firewall.py, then names: nameserver_process.py
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket

from minirun import files
from minirun.errors import ConflictError, MinirunError, UnsupportedError, UsageError
from minirun.linux import syscalls
from minirun.network import (
    addresses,
    conntrack,
    firewall,
    foreign_firewalls,
    ledger,
    nameserver_process,
    namespace,
    netlink,
    removal,
    tables,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypedDict

    from minirun.network.ledger import Attachment, Endpoint, Network, Port
    from minirun.network.nameserver_process import Serve
    from minirun.paths import Paths

    class Sandbox(TypedDict):
        """The container, as far as networks are concerned."""

        id: str
        name: str
        run: str  # its run directory
        nameservers: list[str]
        names: list[str]  # what it is called besides: a host name that was asked for
        ports: list[Port]


_IP_FORWARD = "/proc/sys/net/ipv4/ip_forward"
_IPV6_FORWARDING = "/proc/sys/net/ipv6/conf/all/forwarding"


def attach(
    paths: Paths, sandbox: Sandbox, attachments: list[Attachment], netns_path: str, serve: Serve | None = None
) -> list[Endpoint]:
    """Put a new network namespace, pinned at `netns_path`, on networks.  Doing it again repairs what is there.

    `serve` begins a name server in a process of its own; without it names are not served.  The container's run
    directory must exist: an entry in the ledger without one counts as dead.  After an error call `detach`, as after a
    crash: it undoes whatever part was done, and from a process that is surely at home in the host's namespace.  Raises
    MinirunError; a refusal of the kernel's names the ip(8) command, with a hint.
    """
    with _explained():
        namespace.pin(netns_path)
        if not attachments:
            _loopback_only(netns_path)
        return [_connect(paths, sandbox, attachment, netns_path, serve) for attachment in attachments]


def connect(
    paths: Paths, sandbox: Sandbox, attachment: Attachment, netns_path: str, serve: Serve | None = None
) -> Endpoint:
    """Put a container that runs on one network more; half done by somebody who was killed, it is completed."""
    with _explained():
        return _connect(paths, sandbox, attachment, netns_path, serve)


def detach(paths: Paths, container_id: str, netns_path: str) -> None:
    """Take a container off all its networks, whatever part of `attach` was done.

    Does nothing when there is nothing left to do.  Raises MinirunError, after doing all that could be done.
    """
    with _explained():
        try:
            with ledger.lock() as lock:
                removal.leave(
                    paths, container_id, [network["name"] for network in ledger.read_all(paths)], lock
                )
        finally:
            namespace.unpin(netns_path)


def disconnect(paths: Paths, container_id: str, name: str, netns_path: str) -> None:
    """Take a container that runs off one network.  If its way out went there, another network's is taken."""
    with _explained():
        with ledger.lock() as lock:
            removal.leave(paths, container_id, [name], lock)
            networks = ledger.read_all(paths)
            own = list(ledger.endpoints_of(networks, container_id))
            promoted = _promote(paths, own, lock)
        if promoted:
            network, endpoint = promoted
            _set_default_routes(netns_path, network, endpoint)
            _remember_joined(paths, network["name"], container_id)


def rename(paths: Paths, container_id: str, name: str) -> None:
    """The container has another name: so it has for its neighbours, and in the table's comments."""
    with _explained(), ledger.lock() as lock:
        networks = ledger.read_all(paths)
        own = list(ledger.endpoints_of(networks, container_id))
        for network, endpoint in own:
            before = list(firewall.of_endpoint(network, endpoint))
            endpoint["name"] = name
            after = list(firewall.of_endpoint(network, endpoint))
            ledger.write(paths, network)
            table = ledger.names(paths.root)[1]
            text = firewall.deleting(table, before) + firewall.adding(table, after)
            tables.change(paths, text, lock, why="the comments name the container")


def repair(paths: Paths, serve: Serve) -> None:
    """What agrees with the ledger again afterwards: who is dead goes, and what nobody uses.  The tables are made anew
    if somebody has flushed them, and the name servers that were killed begin anew."""
    with _explained(), ledger.lock() as lock:
        removal.remove_dead(paths, lock, spared="")
        everything = ledger.read_all(paths)
        with contextlib.closing(netlink.open_socket()) as sock:
            removal.remove_unused(paths, sock, everything)
        networks = [network for network in everything if network["endpoints"]]
        if not networks:
            tables.remove_unused(paths, lock)
        elif not firewall.has_rules(ledger.names(paths.root)[1], lock):
            _let_through(paths, networks, tables.say_all_anew(paths, lock, networks))
        for network in networks:
            if network["dns_port"] and netlink.exists(network["bridge"]):
                with _name_server(paths, network, serve, lock) as begin:
                    begin()


def remove(paths: Paths, network: Network) -> None:
    """A network that nobody is on goes, for those who hold the lock: what may be left of it, then its ledger."""
    nameserver_process.stop(paths, network["name"])
    with _explained(), contextlib.closing(netlink.open_socket()) as sock:
        removal.remove_unused(paths, sock, ledger.read_all(paths))
    why = "the network's page of the ledger: with it the network is no more"
    for path in (nameserver_process.lock_path(paths, network["name"]), ledger.path(paths, network["name"])):
        with syscalls.tolerating(errno.ENOENT):
            syscalls.unlink(path, why=why)


# ---- coming: step by step ---------------------------------------------------------------------------------------


def _loopback_only(netns_path: str) -> None:
    """On no network at all: only the loopback."""
    from minirun.network import links

    with namespace.inside(netns_path), contextlib.closing(netlink.open_socket()) as sock:
        links.link_up(sock, "lo", why="127.0.0.1 answers", prefix=f"nsenter --net={netns_path} ")


def _connect(
    paths: Paths, sandbox: Sandbox, attachment: Attachment, netns_path: str, serve: Serve | None
) -> Endpoint:
    from minirun.network import links  # here, not above: 25 ms that `detach` and its callers do not need

    with contextlib.closing(netlink.open_socket()) as sock:
        with ledger.lock() as lock:
            network = ledger.find(paths, attachment["network"])
            removal.remove_dead(paths, lock, spared=sandbox["id"])
            network = ledger.read(paths, network["name"])
            if not network["endpoints"] and netlink.exists(network["bridge"]):
                removal.remove_unused(paths, sock, ledger.read_all(paths))
            fresh = not netlink.exists(network["bridge"])
            if fresh:
                others = [one for one in ledger.read_all(paths) if one["name"] != network["name"]]
                _ensure_subnet(network, links.routes(sock), others)
            endpoint = _reserve(paths, network, sandbox, attachment)
            if not ledger.is_alive(endpoint):
                raise MinirunError(f"the shim of container {sandbox['name']} was killed")
            _raise_bridge(paths, sock, network, endpoint, serve, lock, fresh=fresh)
        links.add_veth(
            sock,
            endpoint["interface"],
            network["bridge"],
            ledger.link_group(paths.root, network["bridge"]),
            netns_path,
            endpoint["inside"],
            endpoint["mac"],
            why=f"a veth pair: one end a port of the bridge, the other the container's {endpoint['inside']}",
        )
        _open_port(sock, endpoint)
    _configure_inside(netns_path, network, endpoint)
    if endpoint["gateway"]:
        conntrack.forget(endpoint["ports"])
    _remember_joined(paths, network["name"], sandbox["id"])
    return endpoint


def _open_port(sock: socket.socket, endpoint: Endpoint) -> None:
    """The bridge knows from us alone who is where: what it learns by itself a container could have told it."""
    from minirun.network import links

    why = "the port is not asked who is there, and hears what is for it alone"
    if endpoint["ports"]:
        why += "; the container may reach itself by what it publishes"
    links.open_port(sock, endpoint["interface"], why, hairpin=bool(endpoint["ports"]))
    netlink.add_fdb_entry(
        sock, endpoint["interface"], endpoint["mac"], why="here the container is, and stays"
    )


def _ensure_subnet(network: Network, routes: list[addresses.Subnet], others: list[Network]) -> None:
    """The default network takes another subnet than last time if somebody has that by now; others cannot."""
    pool = network["pools"][0] if network["pools"] else None
    old = addresses.parse_subnet(pool["subnet"]) if pool else None
    if pool and network["name"] != ledger.DEFAULT:
        if any(
            route[1] and addresses.overlap(route, addresses.parse_subnet(pool["subnet"])) for route in routes
        ):
            raise ConflictError(
                f"network {network['name']}: the host has a route into its subnet {pool['subnet']} by now",
                "`ip route` shows it; create the network anew with another --subnet",
            )
        return
    subnets = [addresses.parse_subnet(pool["subnet"]) for other in others for pool in other["pools"]]
    subnet = addresses.choose_subnet([*routes, *subnets], old)
    text = addresses.show_subnet(subnet)
    network["pools"] = [
        {"subnet": text, "gateway": addresses.gateway(subnet), "ip_range": "", "given": False}
    ]


def _reserve(paths: Paths, network: Network, sandbox: Sandbox, attachment: Attachment) -> Endpoint:
    """The place the container has already, or a new one; written down before it is used."""
    networks = ledger.read_all(paths)
    mine = network["endpoints"].get(sandbox["id"])
    if mine and _fits(network, mine):
        return mine
    own = [
        endpoint
        for other, endpoint in ledger.endpoints_of(networks, sandbox["id"])
        if other["name"] != network["name"]
    ]
    chosen = [
        _address(network, number, attachment[key], sandbox["id"])  # type: ignore[literal-required]
        for number, key in enumerate(("ipv4", "ipv6"))
        if number < len(network["pools"])
    ]
    endpoint: Endpoint = {
        "id": os.urandom(32).hex(),
        "name": sandbox["name"],
        "run": sandbox["run"],
        "aliases": [*attachment["aliases"], *sandbox["names"]],
        "nameservers": sandbox["nameservers"],
        "addresses": chosen,
        "mac": attachment["mac"] or addresses.mac_address(chosen[0]),
        "interface": addresses.veth_name(chosen[0]),
        "inside": _free_name({endpoint["inside"] for endpoint in own}),
        "gateway": not network["internal"] and not any(endpoint["gateway"] for endpoint in own),
        "ports": sandbox["ports"],
        "joining": True,
    }
    network["endpoints"][sandbox["id"]] = endpoint
    ledger.write(paths, network)
    return endpoint


def _fits(network: Network, endpoint: Endpoint) -> bool:
    """Whether the addresses are still the network's: the default one may have moved."""
    subnets = [addresses.parse_subnet(pool["subnet"]) for pool in network["pools"]]
    pairs = zip(subnets, endpoint["addresses"], strict=False)
    return all(addresses.contains(subnet, address) for subnet, address in pairs)


def _free_name(taken: set[str]) -> str:
    number = 0
    while f"eth{number}" in taken:
        number += 1
    return f"eth{number}"


def _address(network: Network, number: int, asked: str, container_id: str) -> str:
    """One free address of the network's pool `number`, the one asked for or the lowest."""
    pool = network["pools"][number]
    others = {
        endpoint["addresses"][number]: endpoint["name"]
        for holder, endpoint in network["endpoints"].items()
        if holder != container_id and number < len(endpoint["addresses"])
    }
    taken = {**others, pool["gateway"]: "the gateway"}
    subnet = addresses.parse_subnet(pool["subnet"])
    if not asked:
        part = addresses.parse_subnet(pool["ip_range"]) if pool["ip_range"] else None
        return addresses.lowest_free(subnet, taken, part)
    if not addresses.contains(subnet, asked):
        raise UsageError(
            f"invalid address {asked}: it does not belong to the subnet {pool['subnet']} of network {network['name']}"
        )
    if asked in taken:
        raise ConflictError(
            f"address {asked} is already in use on network {network['name']}: by {taken[asked]}"
        )
    return asked


def _raise_bridge(
    paths: Paths,
    sock: socket.socket,
    network: Network,
    endpoint: Endpoint,
    serve: Serve | None,
    lock: int,
    *,
    fresh: bool,
) -> None:
    """The table's elements, the bridge, its addresses, forwarding, names: each made if it is missing.

    nft and the name server's sockets come first: nft works while the links are made.
    """
    if fresh:
        nameserver_process.stop_for(paths, network)  # one that is left over hears a bridge that is gone
    with _name_server(paths, network, serve, lock, apply=False) as begin_names:
        started = tables.begin_change(paths, network, endpoint, lock, fresh=fresh)
        try:
            _make_bridge(sock, network, ledger.link_group(paths.root, network["bridge"]), fresh=fresh)
            _let_forward(network)
            if endpoint["ports"]:
                _let_localhost_in(sock, network)
            begin_names()
        finally:
            said = tables.finish_change(paths, started, lock)
    _let_through(paths, [network], said)


def _let_through(paths: Paths, networks: list[Network], chains: str) -> None:
    for network in networks:
        if foreign_firewalls.allow(network, chains):
            ledger.write(paths, network)


def _make_bridge(sock: socket.socket, network: Network, group: int, *, fresh: bool) -> None:
    from minirun.network import links

    bridge, pools = network["bridge"], network["pools"]
    if fresh:
        mac = addresses.mac_address(pools[0]["gateway"])
        links.add_bridge(sock, bridge, mac, group, why="a switch in the kernel; containers are its ports")
        if len(pools) == 1:
            _write(f"/proc/sys/net/ipv6/conf/{bridge}/disable_ipv6", "1", why="this network has no IPv6")
    for pool in pools:
        length = addresses.parse_subnet(pool["subnet"])[1]
        why = "the host's place on the bridge: the gateway"
        links.set_address(sock, bridge, pool["gateway"], length, why=why)


def _let_forward(network: Network) -> None:
    """The host passes packets on, if it does not do so already; an internal network needs none of that."""
    if network["internal"]:
        return
    _write(_IP_FORWARD, "1", why="lets the host pass packets on between its interfaces")
    if len(network["pools"]) > 1 and files.text(_IPV6_FORWARDING).strip() == "0":
        for name in os.listdir("/proc/sys/net/ipv6/conf"):
            accept_ra = f"/proc/sys/net/ipv6/conf/{name}/accept_ra"
            if files.text(accept_ra).strip() == "1":
                why = "a host that forwards would stop listening to its own router"
                _write(accept_ra, "2", why=why)
        _write(_IPV6_FORWARDING, "1", why="the same for IPv6")


def _let_localhost_in(sock: socket.socket, network: Network) -> None:
    """What the host sends to itself and a container answers comes back by the bridge, for 127.0.0.1 and ::1."""
    from minirun.network import links

    bridge = network["bridge"]
    why = "answers for 127.0.0.1 come in by the bridge; the chain guard keeps all else out"
    _write(f"/proc/sys/net/ipv4/conf/{bridge}/route_localnet", "1", why=why)
    if len(network["pools"]) > 1:
        links.set_local_route(sock, "::1", bridge, why="answers for ::1 come in by the bridge")


def _write(path: str, value: str, why: str) -> None:
    """A kernel setting that is not so already; where the kernel has no IPv6 there is none to set."""
    if files.text(path).strip() not in (value, ""):
        syscalls.write_file(path, value, why=why)


def _configure_inside(netns_path: str, network: Network, endpoint: Endpoint) -> None:
    """Loopback, addresses and default route in the container's namespace."""
    from minirun.network import links

    prefix = f"nsenter --net={netns_path} "
    name = endpoint["inside"]
    with namespace.inside(netns_path), contextlib.closing(netlink.open_socket()) as sock:
        if len(endpoint["addresses"]) == 1:
            _write(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "1", why="this network has no IPv6")
        links.link_up(sock, "lo", why="127.0.0.1 answers", prefix=prefix)
        links.link_up(sock, name, why="the container's end of the veth", prefix=prefix)
        for pool, address in zip(network["pools"], endpoint["addresses"], strict=True):
            length = addresses.parse_subnet(pool["subnet"])[1]
            links.set_address(sock, name, address, length, why="the container's address", prefix=prefix)
    if endpoint["gateway"]:
        _set_default_routes(netns_path, network, endpoint)


def _set_default_routes(netns_path: str, network: Network, endpoint: Endpoint) -> None:
    from minirun.network import links

    prefix = f"nsenter --net={netns_path} "
    with namespace.inside(netns_path), contextlib.closing(netlink.open_socket()) as sock:
        for pool in network["pools"]:
            links.set_default_route(
                sock,
                pool["gateway"],
                endpoint["inside"],
                why="everything else goes by the bridge",
                prefix=prefix,
            )


def _remember_joined(paths: Paths, name: str, container_id: str) -> None:
    with ledger.lock():
        network = ledger.read(paths, name)
        if container_id in network["endpoints"]:
            network["endpoints"][container_id]["joining"] = False
            ledger.write(paths, network)


def _promote(paths: Paths, own: list[tuple[Network, Endpoint]], lock: int) -> tuple[Network, Endpoint] | None:
    """If no network is the container's way out any more, the first that can be is: its default route, and its ports."""
    able = [(network, endpoint) for network, endpoint in own if not network["internal"]]
    if not able or any(endpoint["gateway"] for _, endpoint in able):
        return None
    network, endpoint = min(able, key=lambda pair: pair[1]["inside"])
    endpoint["gateway"] = endpoint["joining"] = True
    ledger.write(paths, network)
    elements = firewall.of_endpoint(network, endpoint)
    text = firewall.adding(ledger.names(paths.root)[1], elements)
    tables.change(paths, text, lock, why="its ports are published on this network now")
    return network, endpoint


# ---- names ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _name_server(
    paths: Paths, network: Network, serve: Serve | None, lock: int, *, apply: bool = True
) -> Iterator[Callable[[], None]]:
    """In a with block: a name server that is due has its port; what the block gets begins it.

    `apply`: its port is put into the table here, else the caller does that.
    """
    if serve is None or network["name"] == ledger.DEFAULT or nameserver_process.is_running(paths, network):
        yield lambda: None
        return
    table = ledger.names(paths.root)[1]
    before = list(firewall.of_network(network)) if apply else []
    prepared = nameserver_process.Preparation(paths, network)
    try:
        ledger.write(paths, network)
        if apply:
            text = firewall.deleting(table, before) + firewall.adding(table, firewall.of_network(network))
            said = tables.change(paths, text, lock, why="the network's name server listens elsewhere now")
            _let_through(paths, [network], said)
        yield lambda: prepared.begin(network, serve)
    finally:
        prepared.close()


# ---- small parts ------------------------------------------------------------------------------------------------


_HINTS = {
    errno.EOPNOTSUPP: "the kernel lacks a kind of interface: try `modprobe -a bridge veth`",
    errno.EPERM: "networks need root (CAP_NET_ADMIN); try sudo",
    errno.EEXIST: "something else has an interface of that name",
}


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turn a refusal of the kernel into a sentence: the command that was refused, why, and what to do."""
    namespace.require_home()
    try:
        yield
    except syscalls.SyscallError as error:
        hint = _HINTS.get(error.errno or 0, "")
        message = f"{error.path}: {error.strerror}" if error.call == "netlink" else str(error)
        kind = UnsupportedError if error.errno == errno.EOPNOTSUPP else MinirunError
        raise kind(message, hint) from error
