"""What `network create -o` says about a bridge network, under the names of Docker's bridge driver.

    com.docker.network.bridge.name                   what the bridge is called
    com.docker.network.driver.mtu                    bytes that a packet may have, of the bridge and all its containers
    com.docker.network.bridge.enable_icc             false: containers do not reach each other
    com.docker.network.bridge.enable_ip_masquerade   false: they leave with their own addresses
    com.docker.network.bridge.host_binding_ipv4      where ports are published when -p names no address
    com.docker.network.container_iface_prefix        what the interfaces of its containers are called: eth

The ledger keeps the words; what they mean is asked here whenever it is needed.

See      docs.docker.com "Bridge network driver", Options; bridge(8) "isolated"
"""

from __future__ import annotations

from minirun import booleans
from minirun.errors import UsageError
from minirun.network import addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from minirun.network.ledger import Network

NAME = "com.docker.network.bridge.name"
MTU = "com.docker.network.driver.mtu"
_ICC = "com.docker.network.bridge.enable_icc"
_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
_BINDING = "com.docker.network.bridge.host_binding_ipv4"
_PREFIX = "com.docker.network.container_iface_prefix"
KNOWN = (NAME, MTU, _ICC, _MASQUERADE, _BINDING, _PREFIX)
_LONGEST_PREFIX = 12  # IFNAMSIZ of linux/if.h, less its zero and a number

_MTUS = range(68, 65536)  # RFC 791; the most that a veth takes: <linux/if_ether.h> ETH_MAX_MTU


def check(options: Mapping[str, str], *, ipv6: bool = False) -> None:
    """Raises UsageError for an option that there is not, or a value that it cannot have."""
    if unknown := options.keys() - set(KNOWN):
        raise UsageError(f"unknown option {min(unknown)}", f"there are {', '.join(KNOWN)}")
    for key in (_ICC, _MASQUERADE):
        if options.get(key, "true").lower() not in booleans.SMALL:
            raise UsageError(f'invalid value for {key}: "{options[key]}"', "true or false")
    check_mtu(options, ipv6=ipv6)
    _check_prefix(options.get(_PREFIX, "eth"))
    if _BINDING in options:
        _check_binding(options[_BINDING])


def _check_prefix(text: str) -> None:
    if not (text.isascii() and text.isalnum() and len(text) <= _LONGEST_PREFIX):
        raise UsageError(
            f'invalid value for {_PREFIX}: "{text}"', f"{_LONGEST_PREFIX} letters or digits at most"
        )


def check_mtu(options: Mapping[str, str], *, ipv6: bool = False) -> None:
    """Raises UsageError for a size that packets cannot have."""
    text = options.get(MTU, "0")
    least = 1280 if ipv6 else _MTUS[0]  # RFC 8200
    number = int(text) if text.isascii() and text.isdigit() else -1
    if number != 0 and not (number in _MTUS and number >= least):
        raise UsageError(f'invalid value for {MTU}: "{text}"', f"bytes, from {least} to {_MTUS[-1]}")


def _check_binding(text: str) -> None:
    try:
        if addresses.is_v6(text) or addresses.to_text(*addresses.alone(text)[::2]) != text:
            raise ValueError
    except (OSError, ValueError):
        raise UsageError(f'invalid value for {_BINDING}: "{text}" is no IPv4 address') from None


def mtu(network: Network) -> int:
    """Bytes; 0: the kernel's own choice."""
    return int(network.get("options", {}).get(MTU, "0"))


def is_mixed(network: Network) -> bool:
    """Whether its containers reach each other."""
    return _truth(network, _ICC)


def masquerades(network: Network) -> bool:
    """Whether what leaves the host has the host's address."""
    return _truth(network, _MASQUERADE)


def _truth(network: Network, key: str) -> bool:
    return booleans.SMALL[network.get("options", {}).get(key, "true").lower()]


def interface_prefix(network: Network) -> str:
    """`eth` of eth0, for the containers' own ends."""
    return network.get("options", {}).get(_PREFIX, "eth")


def host_binding(network: Network) -> str:
    """The host's address for ports that were published without one; "": all of them."""
    text = network.get("options", {}).get(_BINDING, "")
    return "" if text == "0.0.0.0" else text
