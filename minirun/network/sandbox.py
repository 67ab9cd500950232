"""A container's end of its networks: what is made within its network namespace.

libnetwork's words: a sandbox is the network stack of one container, an endpoint its place on one network.

See      ip-address(8), ip-route(8); namespace.py for the namespace itself
By hand  nsenter --net=/run/minirun/ID/netns ip address
"""

from __future__ import annotations

import contextlib
import errno
import os

from minirun.errors import MinirunError
from minirun.linux import syscalls
from minirun.network import addresses, endpoint_options, namespace, netlink, sysctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NotRequired, TypedDict

    from minirun.network.ledger import Endpoint, Network, Port

    class Sandbox(TypedDict):
        """The container, as far as networks are concerned."""

        id: str
        name: str
        run: str  # its run directory
        nameservers: list[str]
        names: list[str]  # what it is called besides: a host name that was asked for
        ports: list[Port]
        gateway: NotRequired[str]  # the network that is its way out; not there: the first that can be


def loopback_only(netns_path: str) -> None:
    """On no network at all: only the loopback."""
    from minirun.network import links

    with namespace.inside(netns_path), contextlib.closing(netlink.open_socket()) as sock:
        links.link_up(sock, "lo", why="127.0.0.1 answers", prefix=f"nsenter --net={netns_path} ")


def _set(path: str, value: str) -> None:
    """A setting that --driver-opt asks for.  Raises MinirunError, for it is somebody's wish and no act of ours."""
    try:
        syscalls.write_file(path, value, why="--driver-opt")
    except syscalls.SyscallError as error:
        setting = path.removeprefix("/proc/sys/").replace("/", ".")
        reason = "this kernel has none" if error.errno == errno.ENOENT else os.strerror(error.errno or 0)
        raise MinirunError(f'the setting "{setting}" of --driver-opt cannot be "{value}": {reason}') from None


def configure(netns_path: str, network: Network, endpoint: Endpoint) -> None:
    """Loopback, addresses and, if the endpoint is the container's gateway, default routes."""
    from minirun.network import links

    prefix = f"nsenter --net={netns_path} "
    name = endpoint["inside"]
    with namespace.inside(netns_path), contextlib.closing(netlink.open_socket()) as sock:
        if len(endpoint["addresses"]) == 1:
            sysctl.disable_ipv6(name)
        links.link_up(sock, "lo", why="127.0.0.1 answers", prefix=prefix)
        links.link_up(sock, name, why="the container's end of the veth", prefix=prefix)
        for pool, address in zip(network["pools"], endpoint["addresses"], strict=True):
            length = addresses.parse_subnet(pool["subnet"])[1]
            links.set_address(sock, name, address, length, why="the container's address", prefix=prefix)
        for address in endpoint.get("link_local", []):
            length = 64 if addresses.is_v6(address) else 16
            links.set_address(sock, name, address, length, why="--link-local-ip", prefix=prefix)
        for path, value in endpoint_options.sysctls(endpoint.get("options", {}), name):
            _set(path, value)
    if endpoint["gateway"]:
        set_default_routes(netns_path, network, endpoint)


def set_default_routes(netns_path: str, network: Network, endpoint: Endpoint) -> None:
    """Whatever is for no neighbour goes to the network's gateways."""
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
