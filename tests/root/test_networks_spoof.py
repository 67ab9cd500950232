"""Nobody on a network speaks for another: frames that a container's root makes by hand."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests import containers, frames, netlab
from tests.containers import Container
from tests.frames import ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, ethernet
from tests.netlab import netns
from tests.support import Minirun, run

ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"
# STP, pause, LLDP and the like: bridges keep them to themselves, and do so before nftables sees them
LINK_LOCAL = [f"01:80:c2:00:00:{last:02x}" for last in range(16)]
NOBODYS_MAC = "02:42:ac:ff:ff:fe"


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


def diverted(peers: tuple[Peer, Peer, Peer]) -> list[bool]:
    """Mallory says to be bob, in frames for no more than the bridge itself; whether she then hears what alice and the
    host send to bob."""
    mallory, alice, bob = peers
    bridge = link(port_of(bob))["master"]
    claims = [ethernet(target, bob.mac, 0x88CC, os.urandom(46)) for target in LINK_LOCAL]
    assert not any(attempt(peers, *claims))
    heard = []
    for where, by, four, mac in (
        (alice.where, "eth0", alice.four, alice.mac),
        ("", bridge, netlab.resolver_of(bob.container), link(bridge)["address"]),
    ):
        secret, control = (
            ethernet(peer.mac, mac, ETH_P_IP, frames.udp4(four, peer.four)) for peer in (bob, mallory)
        )
        heard += frames.arriving(where, mallory.where, [secret], control, by)
    return heard


def link(name: str) -> dict[str, str]:
    return dict(json.loads(run("ip", "-j", "link", "show", name, check=True).stdout)[0])


def have_learn(peer: Peer) -> None:
    run("bridge", "link", "set", "dev", port_of(peer), "learning", "on", check=True)


def forget(peer: Peer) -> None:
    run("bridge", "fdb", "delete", peer.mac, "dev", port_of(peer), "master", check=True)


def test_what_is_for_bob_does_not_go_to_whoever_says_to_be_bob(peers: tuple[Peer, Peer, Peer]) -> None:
    _, alice, bob = peers
    assert diverted(peers) == [False, False]
    control = ethernet(bob.mac, alice.mac, ETH_P_IP, frames.udp4(alice.four, bob.four))
    frames.arriving(alice.where, bob.where, [], control)


def test_that_attempt_works_where_the_port_learns_and_bobs_place_is_not_known(
    peers: tuple[Peer, Peer, Peer],
) -> None:
    have_learn(peers[0]), forget(peers[2])
    assert diverted(peers) == [True, True]


def test_either_would_do_alone(peers: tuple[Peer, Peer, Peer]) -> None:
    forget(peers[2])
    assert diverted(peers) == [False, False]
    run("bridge", "fdb", "add", peers[2].mac, "dev", port_of(peers[2]), "master", "static", "sticky")
    have_learn(peers[0])
    assert diverted(peers) == [False, False]


def test_what_is_for_nobody_there_is_heard_by_nobody(peers: tuple[Peer, Peer, Peer]) -> None:
    """As for a neighbour who has gone a moment ago."""
    mallory, alice, _ = peers
    lost, control = (
        ethernet(mac, alice.mac, ETH_P_IP, frames.udp4(alice.four, mallory.four))
        for mac in (NOBODYS_MAC, mallory.mac)
    )
    assert frames.arriving(alice.where, mallory.where, [lost], control) == [False]
    run("bridge", "link", "set", "dev", port_of(mallory), "flood", "on", check=True)
    assert frames.arriving(alice.where, mallory.where, [lost], control) == [True]


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
