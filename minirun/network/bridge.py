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

Everything that changes more than one container's own is done in a transaction, ledger first.

See      bridge(8), veth(4); transaction.py for how changes keep out of each other's way;
         removal.py, tables.py, firewall.py; nameserver_process.py for names
By hand  `minirun run --explain=sh` writes it down with the addresses of a real run
Next     sandbox.py
"""

from __future__ import annotations

import contextlib
import errno

from minirun.errors import MinirunError
from minirun.linux import syscalls
from minirun.network import (
    addresses,
    conntrack,
    driver_options,
    firewall,
    foreign_firewalls,
    ipam,
    ledger,
    macvlan,
    nameserver_process,
    namespace,
    netlink,
    removal,
    sandbox,
    sysctl,
    tables,
    transaction,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minirun.network.ledger import Attachment, Endpoint, Network
    from minirun.network.nameserver_process import Serve
    from minirun.network.sandbox import Sandbox
    from minirun.network.transaction import Transaction
    from minirun.paths import Paths


def attach(
    paths: Paths,
    container: Sandbox,
    attachments: list[Attachment],
    netns_path: str,
    serve: Serve | None = None,
) -> list[Endpoint]:
    """Put a new network namespace, pinned at `netns_path`, on networks.  Doing it again repairs what is there.

    `serve` begins a name server in a process of its own; without it names are not served.  The container's run
    directory must exist: an entry in the ledger without one counts as dead.  After an error call `detach`, as after a
    crash: it undoes whatever part was done, and from a process that is surely at home in the host's namespace.  Raises
    MinirunError; a refusal of the kernel's names the ip(8) command, with a hint.
    """
    with transaction.refusals_explained():
        namespace.pin(netns_path)
        if not attachments:
            sandbox.loopback_only(netns_path)
        return [_connect(paths, container, attachment, netns_path, serve) for attachment in attachments]


def connect(
    paths: Paths, container: Sandbox, attachment: Attachment, netns_path: str, serve: Serve | None = None
) -> Endpoint:
    """Put a container that runs on one network more; half done by somebody who was killed, it is completed."""
    with transaction.refusals_explained():
        return _connect(paths, container, attachment, netns_path, serve)


def detach(paths: Paths, container_id: str, netns_path: str) -> None:
    """Take a container off all its networks, whatever part of `attach` was done.

    Does nothing when there is nothing left to do.  Raises MinirunError, after doing all that could be done.
    """
    with transaction.refusals_explained():
        try:
            with transaction.begin(paths) as change:
                removal.leave(change, container_id, [network["name"] for network in ledger.list_all(paths)])
        finally:
            namespace.unpin(netns_path)


def disconnect(paths: Paths, container_id: str, name: str, netns_path: str) -> None:
    """Take a container that runs off one network.  If that was its gateway, another network's is taken."""
    with transaction.refusals_explained():
        with transaction.begin(paths) as change:
            for network, endpoint in ledger.endpoints_of(ledger.list_all(paths), container_id):
                if network["name"] == name and not ledger.is_bridge(network):
                    macvlan.delete_link(netns_path, endpoint["inside"])
            removal.leave(change, container_id, [name])
            promoted = _promote(change, list(ledger.endpoints_of(ledger.list_all(paths), container_id)))
        if promoted:
            network, endpoint = promoted
            sandbox.set_default_routes(netns_path, network, endpoint)
            _remember_joined(paths, network["name"], container_id)


def rename(paths: Paths, container_id: str, name: str) -> None:
    """The container has another name: so it has for its neighbours, and in the table's comments."""
    with transaction.begin(paths) as change:
        for network, endpoint in ledger.endpoints_of(ledger.list_all(paths), container_id):
            before = list(firewall.of_endpoint(network, endpoint))
            endpoint["name"] = name
            ledger.write(paths, network)
            after = list(firewall.of_endpoint(network, endpoint))
            script = firewall.deleting(change.table, before) + firewall.adding(change.table, after)
            tables.apply(change, script, why="the comments name the container")


def unlink(paths: Paths, container_id: str, alias: str) -> None:
    """Who is called `alias` by the container alone is that no more, on any network."""
    with ledger.lock():
        for network, endpoint in ledger.endpoints_of(ledger.list_all(paths), container_id):
            if endpoint.get("links", {}).pop(alias, None):
                ledger.write(paths, network)


def repair(paths: Paths, serve: Serve) -> None:
    """What agrees with the ledger again afterwards: who is dead goes, and what nobody uses.  The tables are made anew
    if somebody has flushed them, and the name servers that were killed begin anew."""
    with transaction.begin(paths) as change:
        removal.remove_dead(change, spared="")
        found = ledger.list_all(paths)
        removal.remove_unused(change, found)
        networks = [network for network in found if network["endpoints"] and ledger.is_bridge(network)]
        if not networks:
            tables.remove_unused(change)
        elif not tables.are_whole(change):
            _let_through(change, networks, tables.rebuild(change, networks))
        for network in networks:
            if network["dns_port"] and netlink.exists(network["bridge"]):
                with _name_server(change, network, serve) as start:
                    start()


def remove(change: Transaction, network: Network) -> None:
    """A network that nobody is on goes: what may be left of it, then its page of the ledger."""
    nameserver_process.stop(change.paths, network["name"])
    removal.remove_unused(change, ledger.list_all(change.paths))
    why = "the network's page of the ledger: with it the network is no more"
    lock, page = (
        nameserver_process.lock_path(change.paths, network["name"]),
        ledger.path(change.paths, network["name"]),
    )
    for path in (lock, page):
        with syscalls.tolerating(errno.ENOENT):
            syscalls.unlink(path, why=why)


# ---- connect: step by step ----------------------------------------------------------------------------------------


def _connect(
    paths: Paths, container: Sandbox, attachment: Attachment, netns_path: str, serve: Serve | None
) -> Endpoint:
    with transaction.begin(paths) as change:
        network = _usable(change, attachment["network"], container)
        fresh = ledger.is_bridge(network) and not netlink.exists(network["bridge"])
        if fresh:
            _ensure_subnet(change, network)
        endpoint = ipam.reserve(change, network, container, attachment)
        if not ledger.is_alive(endpoint):
            raise MinirunError(f"the shim of container {container['name']} was killed")
        if ledger.is_bridge(network):
            _raise_bridge(change, network, endpoint, serve, fresh=fresh)
    # What follows is this container's alone.  It takes a while, and others need not wait for it.
    if ledger.is_bridge(network):
        _make_veth(paths, network, endpoint, netns_path)
    else:
        macvlan.add_link(network, endpoint, netns_path)
    sandbox.configure(netns_path, network, endpoint)
    if endpoint["gateway"]:
        conntrack.forget(endpoint["ports"])
    _remember_joined(paths, network["name"], container["id"])
    return endpoint


def _usable(change: Transaction, name: str, container: Sandbox) -> Network:
    """The network, without what others have left there."""
    network = ledger.find(change.paths, name)
    removal.remove_dead(change, spared=container["id"])
    network = ledger.read(change.paths, network["name"])
    if not network["endpoints"] and netlink.exists(network["bridge"]):
        removal.remove_unused(change, ledger.list_all(change.paths))
    return network


def _ensure_subnet(change: Transaction, network: Network) -> None:
    from minirun.network import links  # here, not above: 25 ms that `detach` and its callers do not need

    others = [one for one in ledger.list_all(change.paths) if one["name"] != network["name"]]
    ipam.ensure_subnet(network, links.routes(change.sock), others)


def _make_veth(paths: Paths, network: Network, endpoint: Endpoint, netns_path: str) -> None:
    """The veth pair, one end a port of the bridge, which knows from us alone who is where.

    What it learns by itself a container could have told it.
    """
    from minirun.network import links

    name, inside, mac = endpoint["interface"], endpoint["inside"], endpoint["mac"]
    group = ledger.link_group(paths.root, network["bridge"])
    why = f"a veth pair: one end a port of the bridge, the other the container's {inside}"
    port = "the port is not asked who is there, and hears what is for it alone"
    if endpoint["ports"]:
        port += "; the container may reach itself by what it publishes"
    with contextlib.closing(netlink.open_socket()) as sock:
        mtu, isolated = driver_options.mtu(network), not driver_options.is_mixed(network)
        links.add_veth(sock, name, network["bridge"], group, netns_path, inside, mac, why=why, mtu=mtu)
        links.open_port(sock, name, port, hairpin=bool(endpoint["ports"]), isolated=isolated)
        netlink.add_fdb_entry(sock, name, mac, why="here the container is, and stays")


def _raise_bridge(
    change: Transaction, network: Network, endpoint: Endpoint, serve: Serve | None, *, fresh: bool
) -> None:
    """The table's elements, the bridge, its addresses, forwarding, names: each made if it is missing.

    nft and the name server's sockets come first: nft works while the links are made.
    """
    if fresh:
        nameserver_process.stop_for(
            change.paths, network
        )  # one that is left over hears a bridge that is gone
    with _name_server(change, network, serve, apply=False) as start_name_server:
        running = tables.start_adding(change, network, endpoint, fresh=fresh)
        try:
            _make_bridge(change, network, fresh=fresh)
            sysctl.forward(network)
            if endpoint["ports"]:
                _let_localhost_in(change, network)
            start_name_server()
        finally:
            chains = tables.wait_added(change, running)
    _let_through(change, [network], chains)


def _make_bridge(change: Transaction, network: Network, *, fresh: bool) -> None:
    from minirun.network import links

    bridge, pools = network["bridge"], network["pools"]
    if fresh:
        mac, group = addresses.mac_address(pools[0]["gateway"]), change.link_group(bridge)
        why, mtu = "a switch in the kernel; containers are its ports", driver_options.mtu(network)
        links.add_bridge(change.sock, bridge, mac, group, why=why, mtu=mtu)
        if len(pools) == 1:
            sysctl.disable_ipv6(bridge)
    for pool in pools:
        length = addresses.parse_subnet(pool["subnet"])[1]
        why = "the host's place on the bridge: the gateway"
        links.set_address(change.sock, bridge, pool["gateway"], length, why=why)


def _let_localhost_in(change: Transaction, network: Network) -> None:
    """What the host sends to itself and a container answers comes back by the bridge, for 127.0.0.1 and ::1."""
    from minirun.network import links

    sysctl.route_localnet(network["bridge"])
    if len(network["pools"]) > 1:
        why = "answers for ::1 come in by the bridge"
        links.set_local_route(change.sock, "::1", network["bridge"], why=why)


def _let_through(change: Transaction, networks: list[Network], chains: str) -> None:
    """Through other people's firewalls; `chains` are those that there are, as tables.apply() returns them."""
    for network in networks:
        if foreign_firewalls.allow(network, chains):
            ledger.write(change.paths, network)


def _remember_joined(paths: Paths, name: str, container_id: str) -> None:
    with transaction.begin(paths):
        network = ledger.read(paths, name)
        if container_id in network["endpoints"]:
            network["endpoints"][container_id]["joining"] = False
            ledger.write(paths, network)


def _promote(change: Transaction, own: list[tuple[Network, Endpoint]]) -> tuple[Network, Endpoint] | None:
    """If no endpoint is the container's gateway any more, the first that can be is: default route and ports."""
    able = [(network, endpoint) for network, endpoint in own if not network["internal"]]
    if not able or any(endpoint["gateway"] for _, endpoint in able):
        return None
    network, endpoint = min(able, key=lambda pair: pair[1]["inside"])
    endpoint["gateway"] = endpoint["joining"] = True
    ledger.write(change.paths, network)
    script = firewall.adding(change.table, firewall.of_endpoint(network, endpoint))
    if script:
        tables.apply(change, script, why="its ports are published on this network now")
    return network, endpoint


# ---- names ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _name_server(
    change: Transaction, network: Network, serve: Serve | None, *, apply: bool = True
) -> Iterator[Callable[[], None]]:
    """In a with block: a name server that is due has its port; what the block gets starts it.

    `apply`: its port is put into the table here, else the caller does that.
    """
    if (
        serve is None
        or network["name"] == ledger.DEFAULT
        or nameserver_process.is_running(change.paths, network)
    ):
        yield lambda: None
        return
    before = list(firewall.of_network(network))
    prepared = nameserver_process.Preparation(change.paths, network)
    try:
        ledger.write(change.paths, network)
        if apply:
            after = firewall.of_network(network)
            script = firewall.deleting(change.table, before) + firewall.adding(change.table, after)
            chains = tables.apply(change, script, why="the network's name server listens elsewhere now")
            _let_through(change, [network], chains)
        yield lambda: prepared.start(network, serve)
    finally:
        prepared.close()
