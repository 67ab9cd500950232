"""Interfaces, addresses and routes, as netlink messages.  The only module that imports pyroute2.

Of pyroute2 we take the message classes, which know every attribute's number and layout, and none of its
sockets: those bring asyncio.  Each function sends one message, and names the ip(8) command that does the same.

See      rtnetlink(7), ip-link(8), ip-address(8), ip-route(8)
Left out batching of requests: the answers are waited for one by one, so an error names its command
"""

from __future__ import annotations

import errno
import importlib.machinery
import os
import socket
import sys
import types

from minirun.linux.syscalls import SyscallError
from minirun.network import addresses, netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.network.addresses import Subnet


def _import_messages() -> Any:
    from pyroute2.netlink.rtnl import ifaddrmsg, ifinfmsg, rtmsg

    return ifinfmsg.ifinfmsg, ifaddrmsg.ifaddrmsg, rtmsg.rtmsg


def _import_messages_only() -> Any:
    """The message classes without pyroute2/__init__.py, which imports 250 modules more: 25 ms, not 100 to 160.

    A package is a module with a __path__.  An empty one in sys.modules keeps Python from running the real
    __init__.py; the modules below it are found all the same.  Should a later pyroute2 mind, import it whole.
    """
    found = importlib.machinery.PathFinder.find_spec("pyroute2")
    if "pyroute2" in sys.modules or found is None or found.submodule_search_locations is None:
        return _import_messages()
    package = types.ModuleType("pyroute2")
    package.__path__ = found.submodule_search_locations
    sys.modules["pyroute2"] = package
    try:
        return _import_messages()
    except (ImportError, AttributeError):
        pass
    finally:
        del sys.modules["pyroute2"]  # whoever imports pyroute2 later gets the real one
    return _import_messages()


_Link, _Address, _Route = _import_messages_only()

_RTM_NEWLINK, _RTM_NEWADDR, _RTM_NEWROUTE, _RTM_GETROUTE = 16, 20, 24, 26
_NLM_F_REPLACE, _NLM_F_EXCL, _NLM_F_CREATE = 0x100, 0x200, 0x400
_IFF_UP = 1
_IFA_F_NODAD = 0x02
_RT_TABLE_MAIN, _RT_TABLE_LOCAL, _RTPROT_BOOT, _RTN_UNICAST, _RTN_LOCAL = 254, 255, 3, 1, 2
_NO_ROUTE = 1  # a metric behind that of the kernel's own routes, which is 0


def add_bridge(sock: socket.socket, name: str, mac: str, group: int, why: str, *, mtu: int = 0) -> None:
    """Make a bridge and bring it up; an `mtu` of 0 is the kernel's choice.

    Raises SyscallError: EEXIST, or EOPNOTSUPP without the kernel's bridge.
    """
    # Its own hardware address: a bridge without one takes its lowest port's, and changes it as ports come and go.
    link = _up(_Link())
    link["attrs"] = [
        ("IFLA_IFNAME", name),
        ("IFLA_GROUP", group),
        ("IFLA_ADDRESS", mac),
        ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "bridge")]}),
        *_mtu(mtu),
    ]
    command = f"ip link add {name} up group {group} address {mac}{_mtu_word(mtu)} type bridge"
    _send(sock, link, _RTM_NEWLINK, _NLM_F_CREATE | _NLM_F_EXCL, command, why)


def _mtu(mtu: int) -> list[tuple[str, int]]:
    return [("IFLA_MTU", mtu)] if mtu else []


def _mtu_word(mtu: int) -> str:
    return f" mtu {mtu}" if mtu else ""


def add_veth(
    sock: socket.socket,
    name: str,
    bridge: str,
    group: int,
    netns_path: str,
    inside: str,
    mac: str,
    why: str,
    *,
    mtu: int = 0,
) -> None:
    """Make a veth pair: `name` here, a port of `bridge`; `inside` with address `mac` in `netns_path`; both down.

    The inner end cannot be made up at once: the kernel would open it before it has its other end (ENOTCONN).  The
    outer one is not to be up before open_port() has said what the port may do: the message that makes it cannot.
    An interface left over under the name `name` is replaced.  Raises SyscallError.
    """
    netns = os.open(netns_path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        own = [("IFLA_IFNAME", inside), ("IFLA_ADDRESS", mac), ("IFLA_NET_NS_FD", netns), *_mtu(mtu)]
        peer = {"attrs": own}
        data = {"attrs": [("VETH_INFO_PEER", peer)]}
        link = _Link()
        link["attrs"] = [
            ("IFLA_IFNAME", name),
            ("IFLA_GROUP", group),
            ("IFLA_MASTER", socket.if_nametoindex(bridge)),
            *_mtu(mtu),
            ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", data)]}),
        ]
        command = (
            f"ip link add {name} group {group} master {bridge}{_mtu_word(mtu)} "
            f"type veth peer name {inside} address {mac} netns {netns_path}{_mtu_word(mtu)}"
        )
        try:
            _send(sock, link, _RTM_NEWLINK, _NLM_F_CREATE | _NLM_F_EXCL, command, why)
        except SyscallError as error:
            if error.errno != errno.EEXIST:
                raise
            netlink.delete_link(sock, name, why="left over from a container that was killed")
            _send(sock, link, _RTM_NEWLINK, _NLM_F_CREATE | _NLM_F_EXCL, command, why)
    finally:
        os.close(netns)


def add_macvlan(
    sock: socket.socket,
    inside: str,
    parent: str,
    mode: str,
    netns_path: str,
    mac: str,
    why: str,
    *,
    mtu: int = 0,
) -> None:
    """Make an interface on the host's interface `parent`, `inside` in `netns_path`, down.

    Raises SyscallError: EEXIST, EOPNOTSUPP without the kernel's macvlan, EBUSY where the parent is a bridge's port.
    """
    netns = os.open(netns_path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = {"attrs": [("IFLA_MACVLAN_MODE", mode)]}
        link = _Link()
        link["attrs"] = [
            ("IFLA_IFNAME", inside),
            ("IFLA_LINK", socket.if_nametoindex(parent)),
            ("IFLA_ADDRESS", mac),
            ("IFLA_NET_NS_FD", netns),
            *_mtu(mtu),
            ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "macvlan"), ("IFLA_INFO_DATA", data)]}),
        ]
        command = (
            f"ip link add link {parent} name {inside} netns {netns_path} address {mac}{_mtu_word(mtu)} "
            f"type macvlan mode {mode}"
        )
        _send(sock, link, _RTM_NEWLINK, _NLM_F_CREATE | _NLM_F_EXCL, command, why)
    finally:
        os.close(netns)


def open_port(sock: socket.socket, name: str, why: str, *, hairpin: bool, isolated: bool = False) -> None:
    """Bring a bridge's port up that neither learns nor is flooded: frames come to it by netlink.add_fdb_entry() alone.

    Learning has to be off, for the bridge learns from frames to 01:80:c2:00:00:0x (STP, LLDP) before any rule of
    nftables sees them: whoever sends one from a neighbour's address would have the neighbour's traffic.  Without
    flooding nobody hears what is for an address that nobody has, as a neighbour's who has just gone.  Broadcast
    and multicast, and so ARP, come as ever.  `hairpin`: the bridge may send a frame back out of the port it came in by.
    `isolated`: frames go to the bridge's own address from here, and not to other ports that are isolated.
    """
    link = _up(_Link())
    link["index"] = socket.if_nametoindex(name)
    port = [("IFLA_BRPORT_LEARNING", 0), ("IFLA_BRPORT_UNICAST_FLOOD", 0), ("IFLA_BRPORT_MODE", int(hairpin))]
    if isolated:
        port.append(("IFLA_BRPORT_ISOLATED", 1))
    slave = [("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", {"attrs": port})]
    link["attrs"] = [("IFLA_LINKINFO", {"attrs": slave})]
    turns = f"learning off flood off hairpin {'on' if hairpin else 'off'}{' isolated on' if isolated else ''}"
    _send(sock, link, _RTM_NEWLINK, 0, f"ip link set {name} up type bridge_slave {turns}", why)


def link_up(sock: socket.socket, name: str, why: str, *, prefix: str = "") -> None:
    """Bring an interface of this namespace up.  `prefix` goes before the command shown: `nsenter ...`."""
    link = _up(_Link())
    link["index"] = socket.if_nametoindex(name)
    _send(sock, link, _RTM_NEWLINK, 0, f"{prefix}ip link set {name} up", why)


def set_address(
    sock: socket.socket, name: str, address: str, prefix_length: int, why: str, *, prefix: str = ""
) -> None:
    """Give an interface of this namespace an address; it may have it already."""
    message = _Address()
    message["prefixlen"] = prefix_length
    message["index"] = socket.if_nametoindex(name)
    message["attrs"] = [("IFA_LOCAL", address), ("IFA_ADDRESS", address)]
    if addresses.is_v6(address):
        message["family"] = socket.AF_INET6
        message["flags"] = _IFA_F_NODAD  # nobody else has it, and asking around takes a second
        how = "nodad"
    else:
        message["family"] = socket.AF_INET
        message["attrs"].append(("IFA_BROADCAST", _broadcast(address, prefix_length)))
        how = "broadcast +"
    command = f"{prefix}ip address replace {address}/{prefix_length} {how} dev {name}"
    _send(sock, message, _RTM_NEWADDR, _NLM_F_CREATE | _NLM_F_REPLACE, command, why)


def set_default_route(sock: socket.socket, gateway: str, name: str, why: str, *, prefix: str = "") -> None:
    """Send all that is not for a neighbour to `gateway`, by the interface `name`; replaces a default route."""
    message = _route(gateway, _RT_TABLE_MAIN, _RTN_UNICAST)
    message["attrs"] = [("RTA_GATEWAY", gateway), ("RTA_OIF", socket.if_nametoindex(name))]
    family = "-6 " if addresses.is_v6(gateway) else ""
    command = f"{prefix}ip {family}route replace default via {gateway} dev {name}"
    _send(sock, message, _RTM_NEWROUTE, _NLM_F_CREATE | _NLM_F_REPLACE, command, why)


def set_local_route(sock: socket.socket, address: str, name: str, why: str) -> None:
    """Take what comes in by the interface `name` for the IPv6 `address` as our own."""
    message = _route(address, _RT_TABLE_LOCAL, _RTN_LOCAL)
    message["dst_len"] = 128
    message["attrs"] = [
        ("RTA_DST", address),
        ("RTA_OIF", socket.if_nametoindex(name)),
        ("RTA_PRIORITY", _NO_ROUTE),
    ]
    command = f"ip -6 route replace local {address} dev {name} table local metric {_NO_ROUTE}"
    _send(sock, message, _RTM_NEWROUTE, _NLM_F_CREATE | _NLM_F_REPLACE, command, why)


def _route(address: str, table: int, kind: int) -> Any:
    message = _Route()
    message["family"] = socket.AF_INET6 if addresses.is_v6(address) else socket.AF_INET
    message["table"] = table
    message["proto"] = _RTPROT_BOOT
    message["type"] = kind
    return message


def routes(sock: socket.socket, family: int = socket.AF_INET) -> list[Subnet]:
    """Where this namespace has routes of a family to, in all its tables: (first address, prefix length, bits)."""
    bits, everywhere = (32, "0.0.0.0") if family == socket.AF_INET else (128, "::")
    message = _Route()
    message["family"] = family
    found = []
    for answer in netlink.dump(
        sock, _encode(message, _RTM_GETROUTE, netlink.NLM_F_REQUEST | netlink.NLM_F_DUMP)
    ):
        route = _Route(answer)
        route.decode()
        destination = route.get_attr("RTA_DST") or everywhere
        found.append((addresses.to_number(destination), int(route["dst_len"]), bits))
    return found


def _broadcast(address: str, prefix_length: int) -> str:
    size = 2 ** (32 - prefix_length)
    number = addresses.to_number(address)
    return addresses.to_text(number - number % size + size - 1)


def _up(link: Any) -> Any:
    link["flags"] = link["change"] = _IFF_UP
    return link


def _send(sock: socket.socket, message: Any, kind: int, flags: int, command: str, why: str) -> None:
    encoded = _encode(message, kind, netlink.NLM_F_REQUEST | netlink.NLM_F_ACK | flags)
    netlink.request(sock, encoded, command, why)


def _encode(message: Any, kind: int, flags: int) -> bytes:
    message["header"]["type"] = kind
    message["header"]["flags"] = flags
    message.reset()
    message.encode()
    return bytes(message.data)
