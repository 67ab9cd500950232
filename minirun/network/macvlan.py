"""A network without a bridge: each container has an interface on one of the host's, as if it were plugged in beside it.

    container's namespace             host
    ┌───────────────────────┐
    │ eth0 192.168.1.130 ═══╪═══╗
    └───────────────────────┘   ╠═ eth0, the parent ═══ a switch ═══ the router, 192.168.1.1
    ┌───────────────────────┐   ║
    │ eth0 192.168.1.131 ═══╪═══╝
    └───────────────────────┘

Addresses are the outer network's own: choose an --ip-range of it that its DHCP server leaves alone.  Nothing is
translated, filtered or published here, there are no names, and containers and their host do not hear each other: the
kernel keeps an interface and those on it apart.

See      ip-link(8) "MACVLAN Type Support"; docs.docker.com "Macvlan network driver"
By hand  ip link add link eth0 name c0 netns NETNS address MAC type macvlan mode bridge
Left out passthru, which takes the parent's hardware address; ipvlan; making the parent, as of a VLAN
"""

from __future__ import annotations

import contextlib
import errno

from minirun.errors import NotFoundError, UsageError
from minirun.linux.syscalls import SyscallError
from minirun.network import driver_options, namespace, netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from minirun.network.ledger import Endpoint, Network

PARENT, _MODE = "parent", "macvlan_mode"
KNOWN = (PARENT, _MODE, driver_options.MTU)
_MODES = ("bridge", "private", "vepa")


def check(options: Mapping[str, str]) -> None:
    """Raises UsageError for an option that there is not, or a value that it cannot have."""
    if unknown := options.keys() - set(KNOWN):
        raise UsageError(f"unknown option {min(unknown)}", f"there are {', '.join(KNOWN)}")
    if not options.get(PARENT):
        raise UsageError("a macvlan network needs an interface of this host", "-o parent=eth0")
    if options.get(_MODE, "bridge") not in _MODES:
        raise UsageError(f'invalid value for {_MODE}: "{options[_MODE]}"', f"there are {', '.join(_MODES)}")
    driver_options.check_mtu(options)
    name = options[PARENT]
    if name == "lo" or not netlink.exists(name):
        raise UsageError(f"this host has no interface {name} that others can be on", "`ip link` lists them")


def parent(network: Network) -> str:
    """The host's interface; "" of a network that has a bridge."""
    return network["options"].get(PARENT, "") if "driver" in network else ""


def add_link(network: Network, endpoint: Endpoint, netns_path: str) -> None:
    """Make the container's interface in the namespace, down.  One that is left of another try is replaced."""
    from minirun.network import links

    if not netlink.exists(parent(network)):
        raise NotFoundError(
            f"network {network['name']}: this host has no interface {parent(network)} any more",
            "`ip link` lists them; create the network anew on another one",
        )
    mode = network["options"].get(_MODE, "bridge")
    with contextlib.closing(netlink.open_socket()) as sock:
        for last in (False, True):
            try:
                return links.add_macvlan(
                    sock,
                    endpoint["inside"],
                    parent(network),
                    mode,
                    netns_path,
                    endpoint["mac"],
                    why="an interface of the container's own on the host's",
                    mtu=driver_options.mtu(network),
                )
            except SyscallError as error:
                if error.errno != errno.EEXIST or last:
                    raise
                delete_link(netns_path, endpoint["inside"])


def delete_link(netns_path: str, name: str) -> None:
    """Take the interface out of a namespace that stays; with the namespace it goes by itself."""
    with namespace.inside(netns_path), contextlib.closing(netlink.open_socket()) as sock:
        netlink.delete_link(sock, name, why="the container leaves the network")
