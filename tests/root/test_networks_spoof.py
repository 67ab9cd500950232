"""Nobody on a network speaks for another: frames that a container's root makes by hand."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests import containers, frames, netlab
from tests.containers import Container
from tests.frames import ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, ethernet
from tests.netlab import netns
from tests.support import Minirun, run

ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"


@dataclass
class Peer:
    container: Container
    mac: str
    four: str
    six: str

    @property
    def where(self) -> str:
        return netns(self.container)


@pytest.fixture
def peers(minirun: Minirun) -> Iterator[tuple[Peer, Peer, Peer]]:
    """mallory, who sends; alice, who is to be deceived; bob, whom mallory would like to be."""
    minirun("network", "create", "--ipv6", "town", check=True)
    made = []
    for name in ("mallory", "alice", "bob"):
        container = containers.start(minirun, "--name", name, "busybox", "sleep", "1000", network="town")
        keys = ("MacAddress", "IPAddress", "GlobalIPv6Address")
        facts = [container.inspect(f"{{{{.NetworkSettings.Networks.town.{key}}}}}") for key in keys]
        made.append(Peer(container, *facts))
    yield made[0], made[1], made[2]
    minirun.remove_all()
    minirun("network", "rm", "town", check=True)


def attempt(peers: tuple[Peer, Peer, Peer], *made: bytes) -> list[bool]:
    """Which frames of mallory's arrive at alice's; an honest one does."""
    mallory, alice, _ = peers
    honest = ethernet(alice.mac, mallory.mac, ETH_P_IP, frames.udp4(mallory.four, alice.four))
    return frames.arriving(mallory.where, alice.where, list(made), honest)


def test_an_honest_frame_arrives(peers: tuple[Peer, Peer, Peer]) -> None:
    mallory, alice, _ = peers
    four = ethernet(alice.mac, mallory.mac, ETH_P_IP, frames.udp4(mallory.four, alice.four))
    arp = frames.arp_reply(mallory.mac, mallory.four, alice.mac, alice.four)
    six = frames.icmp6(mallory.six, alice.six, frames.neighbour_advertisement(mallory.six, mallory.mac))
    sent = (
        four,
        ethernet(alice.mac, mallory.mac, ETH_P_ARP, arp),
        ethernet(alice.mac, mallory.mac, ETH_P_IPV6, six),
    )
    assert attempt(peers, *sent) == [True, True, True]


def test_a_packet_with_anothers_address_is_dropped(peers: tuple[Peer, Peer, Peer]) -> None:
    mallory, alice, bob = peers
    packet = frames.udp4(bob.four, alice.four)
    gateway = frames.udp4(netlab.resolver_of(bob.container), alice.four)
    foreign = frames.udp4("192.0.2.77", alice.four)
    sent = [ethernet(alice.mac, mallory.mac, ETH_P_IP, one) for one in (packet, gateway, foreign)]
    assert attempt(peers, *sent) == [False, False, False]


def test_a_frame_with_anothers_hardware_address_is_dropped(peers: tuple[Peer, Peer, Peer]) -> None:
    mallory, alice, bob = peers
    whole = ethernet(alice.mac, bob.mac, ETH_P_IP, frames.udp4(bob.four, alice.four))
    arp = frames.arp_reply(mallory.mac, mallory.four, alice.mac, alice.four)  # what is in it is true
    assert attempt(peers, whole, ethernet(alice.mac, bob.mac, ETH_P_ARP, arp)) == [False, False]
    port = run("bridge", "fdb", "show", "dynamic").stdout  # the bridge has not learnt from it
    assert f"{bob.mac} dev {port_of(peers[0])}" not in port


def port_of(peer: Peer) -> str:
    template = '{{(index .NetworkSettings.Networks "town").IPAddress}}'
    address = peer.container.inspect(template)
    return "veth" + "".join(f"{int(part):02x}" for part in address.split("."))


def test_nobody_is_told_that_anothers_address_is_at_mallorys(peers: tuple[Peer, Peer, Peer]) -> None:
    mallory, alice, bob = peers
    gateway = netlab.resolver_of(bob.container)
    sent = [
        ethernet(
            alice.mac, mallory.mac, ETH_P_ARP, frames.arp_reply(mallory.mac, address, alice.mac, alice.four)
        )
        for address in (bob.four, gateway)
    ]
    assert attempt(peers, *sent) == [False, False]


def test_the_same_with_ipv6(peers: tuple[Peer, Peer, Peer]) -> None:
    mallory, alice, bob = peers
    advertised = frames.neighbour_advertisement(bob.six, mallory.mac)
    as_itself = frames.icmp6(mallory.six, alice.six, advertised)
    as_bob = frames.icmp6(bob.six, alice.six, advertised)
    as_router = frames.icmp6(mallory.six, ALL_NODES, frames.router_advertisement(mallory.mac))
    sent = [
        ethernet(alice.mac, mallory.mac, ETH_P_IPV6, as_itself),
        ethernet(alice.mac, mallory.mac, ETH_P_IPV6, as_bob),
        ethernet(ALL_NODES_MAC, mallory.mac, ETH_P_IPV6, as_router),
    ]
    assert attempt(peers, *sent) == [False, False, False]


def test_what_is_neither_ip_nor_arp_is_dropped(peers: tuple[Peer, Peer, Peer]) -> None:
    """A VLAN's tag before an IP packet would hide what is in it."""
    mallory, alice, bob = peers
    tagged = b"\x00\x01\x08\x00" + frames.udp4(bob.four, alice.four)
    assert attempt(peers, ethernet(alice.mac, mallory.mac, 0x8100, tagged)) == [False]


def test_a_network_without_ipv6_carries_none(minirun: Minirun) -> None:
    one = containers.start(minirun, "--name", "one", "busybox", "sleep", "1000", network="bridge")
    two = containers.start(minirun, "--name", "two", "busybox", "sleep", "1000", network="bridge")
    macs = [container.inspect("{{.NetworkSettings.MacAddress}}") for container in (one, two)]
    addresses = [container.inspect("{{.NetworkSettings.IPAddress}}") for container in (one, two)]
    six = frames.icmp6("fe80::1", ALL_NODES, frames.router_advertisement(macs[0]))
    honest = ethernet(macs[1], macs[0], ETH_P_IP, frames.udp4(*addresses))
    sent = [ethernet(ALL_NODES_MAC, macs[0], ETH_P_IPV6, six)]
    assert frames.arriving(netns(one), netns(two), sent, honest) == [False]
    assert "eth0" not in one.proc("net/if_inet6").read_text()
