"""Off the networks again: a container that goes, one that nobody looks after any more, and what is in nobody's name.

An entry of the ledger is struck out when all that it stands for is gone, and no sooner.  So what cannot be taken away,
for the kernel refuses or we are killed, has an entry still; who looks next finds it, and tries again.

See      bridge.py, which makes what goes here
By hand  ip link show group NUMBER; ip link delete group NUMBER
"""

from __future__ import annotations

import contextlib

from minirun.errors import MinirunError, NotFoundError
from minirun.network import (
    conntrack,
    firewall,
    foreign_firewalls,
    ledger,
    nameserver_process,
    netlink,
    tables,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.network.firewall import Element
    from minirun.network.ledger import Endpoint, Network
    from minirun.network.transaction import Transaction


def leave(change: Transaction, container_id: str, names: list[str]) -> None:
    """Off the networks `names`; the last one off a network takes its bridge along."""
    with contextlib.ExitStack() as each:  # all of them, whatever becomes of one
        for name in names:
            with contextlib.suppress(NotFoundError):
                network = ledger.read(change.paths, name)
                if container_id in network["endpoints"]:
                    each.callback(_leave_one, change, network, container_id)


def remove_dead(change: Transaction, spared: str) -> None:
    """Take off those whom nobody looks after: their shims were killed, or the machine was rebooted, or something went
    wrong at their end.  What cannot be taken off now is tried by the next one."""
    for network in ledger.list_all(change.paths):
        for container_id, endpoint in list(network["endpoints"].items()):
            if container_id != spared and not ledger.is_alive(endpoint):
                with contextlib.suppress(MinirunError, OSError):
                    _leave_one(change, ledger.read(change.paths, network["name"]), container_id)


def remove_unused(change: Transaction, networks: list[Network]) -> None:
    """Delete the interfaces that carry a number of ours and that no entry of the ledger accounts for."""
    used = {
        network["bridge"]: network
        for network in networks
        if network["endpoints"] and ledger.is_bridge(network)
    }
    there = netlink.groups(change.sock)
    for name, group in there.items():
        if name not in used and group == change.link_group(name):
            netlink.delete_group(change.sock, group, why="left over: no container uses this bridge")
    for bridge, network in used.items():
        known = {bridge, *(endpoint["interface"] for endpoint in network["endpoints"].values())}
        for name, group in there.items():
            if name not in known and group == change.link_group(bridge):
                netlink.delete_link(change.sock, name, why="left over: this veth is no container's")


def _leave_one(change: Transaction, network: Network, container_id: str) -> None:
    """Raises what went wrong, after doing all that could be done.  Then, as when we are killed, the entry stays in the
    ledger: it leads whoever comes next to what is left."""
    endpoint = network["endpoints"].pop(container_id)
    elements = list(firewall.of_endpoint(network, endpoint))
    if not network["endpoints"] and ledger.is_bridge(network):
        elements += firewall.of_network(network)
    with contextlib.ExitStack() as acts:  # the last one first, each whatever becomes of the others
        if endpoint["gateway"]:
            acts.callback(conntrack.forget, endpoint["ports"])
        if ledger.is_bridge(network):  # else the interface goes with the container's namespace
            acts.callback(_disconnect, change, network, endpoint, elements)
        if not network["endpoints"]:
            acts.callback(foreign_firewalls.disallow, network)
            acts.callback(nameserver_process.stop_for, change.paths, network)
    ledger.write(change.paths, network)


def _disconnect(change: Transaction, network: Network, endpoint: Endpoint, elements: list[Element]) -> None:
    """Its interface, and what the tables have of it: nft works while the interface goes."""
    running = None
    try:
        running = tables.start_removing(change, elements, network)
    finally:
        try:
            _delete_links(change, network, endpoint)
        finally:
            tables.wait_removed(change, running, network)


def _delete_links(change: Transaction, network: Network, endpoint: Endpoint) -> None:
    if network["endpoints"]:
        return netlink.delete_link(change.sock, endpoint["interface"], why="both ends of the veth go")
    why = "no container is left: the bridge goes, and all its veths"
    netlink.delete_group(change.sock, change.link_group(network["bridge"]), why=why)
