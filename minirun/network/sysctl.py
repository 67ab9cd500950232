"""Settings of the kernel in /proc/sys/net that networks need: forwarding, and what goes with it.

Forwarding stays on once it was turned on: nobody can know who has come to rely on it since.

See      ip-sysctl.rst (Documentation/networking in the kernel's sources)
By hand  sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding
"""

from __future__ import annotations

import os

from minirun import files
from minirun.linux import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.network.ledger import Network

_IPV4 = "/proc/sys/net/ipv4"
_IPV6 = "/proc/sys/net/ipv6/conf"


def forward(network: Network) -> None:
    """The host passes packets on, if it does not do so already; an internal network needs none of that."""
    if network["internal"]:
        return
    _write(f"{_IPV4}/ip_forward", "1", why="lets the host pass packets on between its interfaces")
    if len(network["pools"]) > 1 and files.text(f"{_IPV6}/all/forwarding").strip() == "0":
        for name in os.listdir(_IPV6):
            if files.text(f"{_IPV6}/{name}/accept_ra").strip() == "1":
                why = "a host that forwards would stop listening to its own router"
                _write(f"{_IPV6}/{name}/accept_ra", "2", why=why)
        _write(f"{_IPV6}/all/forwarding", "1", why="the same for IPv6")


def route_localnet(bridge: str) -> None:
    """What the host sends to its own 127.0.0.1 and a container answers may come back by the bridge."""
    why = "answers for 127.0.0.1 come in by the bridge; the chain guard keeps all else out"
    _write(f"{_IPV4}/conf/{bridge}/route_localnet", "1", why=why)


def disable_ipv6(interface: str) -> None:
    """Of an interface of the namespace we are in."""
    _write(f"{_IPV6}/{interface}/disable_ipv6", "1", why="this network has no IPv6")


def _write(path: str, value: str, why: str) -> None:
    """A setting that is not so already; where the kernel has no IPv6 there is none to set."""
    if files.text(path).strip() not in (value, ""):
        syscalls.write_file(path, value, why=why)
