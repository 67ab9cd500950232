"""Beside other people's firewalls, on a host that is the test's own: a network namespace."""

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import containers, netlab
from tests.containers import Container
from tests.netlab import ElsewhereMinirun, Machine, Servers, netns, reaches
from tests.support import Minirun, run

Host = tuple[ElsewhereMinirun, Machine]


@pytest.fixture
def host(minirun: Minirun, tmp_path: Path) -> Iterator[Host]:
    with netlab.host(minirun, tmp_path) as made:
        yield made
        minirun.remove_all()


def on(host: Host, *command: str) -> str:
    return run("nsenter", f"--net={host[0].where}", *command, check=True).stdout


def web(host: Host, *words: str) -> Container:
    return containers.start(
        host[0], "--name", "web", "-p", "8080:80", *words, "busybox", "sleep", "1000", network="bridge"
    )


def both_ways(host: Host, container: Container) -> list[str]:
    """Who answers the other machine at the published port, and the container at the other machine's."""
    with Servers() as servers:
        servers.add("web", netns(container))
        servers.add("machine", host[1].where)
        return [
            reaches(host[1].where, host[1].host[0], 8080),
            reaches(netns(container), host[1].addresses[0]),
        ]


def test_a_host_without_anything_needs_nothing_in_iptables(host: Host) -> None:
    assert both_ways(host, web(host)) == ["web", "machine"]
    assert "ip filter" not in on(host, "nft", "list", "tables")


def test_a_chain_that_drops_is_opened_for_our_bridge_and_closed_after_it(host: Host) -> None:
    on(host, "iptables", "-P", "FORWARD", "DROP")
    before = on(host, "iptables", "-S")
    assert both_ways(host, web(host)) == ["web", "machine"]
    assert on(host, "iptables", "-S") != before
    host[0]("rm", "-f", "web", check=True)
    assert on(host, "iptables", "-S") == before


def test_a_chain_that_drops_questions_is_opened_for_the_name_server(host: Host) -> None:
    on(host, "iptables", "-P", "INPUT", "DROP")
    host[0]("network", "create", "town", check=True)
    one = containers.start(host[0], "--name", "one", "busybox", "sleep", "1000", network="town")
    assert netlab.ask(one, "one") == [one.inspect("{{.NetworkSettings.Networks.town.IPAddress}}")]
    host[0]("rm", "-f", "one", check=True)
    assert on(host, "iptables", "-S").count("-A") == 0
    host[0]("network", "rm", "town", check=True)


def test_a_name_server_that_begins_anew_is_let_through_at_its_new_port(host: Host) -> None:
    on(host, "iptables", "-P", "INPUT", "DROP")
    host[0]("network", "create", "town", check=True)
    one = containers.start(host[0], "--name", "one", "busybox", "sleep", "1000", network="town")
    os.kill(int((host[0].root / "networks" / "town.lock").read_text()), signal.SIGKILL)
    host[0]("ps", check=True)
    assert netlab.ask(one, "one")
    port = json.loads((host[0].root / "networks" / "town.json").read_text())["dns_port"]
    assert re.findall(r"--dport (\d+)", on(host, "iptables", "-S")) == [str(port)] * 2
    host[0]("rm", "-f", "one", check=True)
    assert on(host, "iptables", "-S").count("-A") == 0
    host[0]("network", "rm", "town", check=True)


def test_what_our_rules_drop_stays_dropped_where_a_chain_was_opened(host: Host) -> None:
    on(host, "iptables", "-P", "FORWARD", "DROP")
    container = web(host)
    address = container.inspect("{{.NetworkSettings.IPAddress}}")
    host[1].run("ip", "route", "add", address, "via", host[1].host[0])
    with Servers() as servers:
        servers.add("web", netns(container))
        assert reaches("", address, expected=False) == ""
        assert reaches(host[1].where, address, expected=False) == ""


def test_somebody_who_flushes_the_ruleset_is_repaired_by_the_next_container(host: Host) -> None:
    container = web(host)
    on(host, "nft", "flush", "ruleset")
    containers.start(host[0], "--name", "next", "busybox", "sleep", "1000", network="bridge")
    assert both_ways(host, container) == ["web", "machine"]


def test_rules_that_were_flushed_are_made_anew_by_the_next_look_at_networks(host: Host) -> None:
    container = web(host)
    table = on(host, "nft", "list", "tables", "inet").split()[2]
    for family in ("inet", "bridge"):
        on(host, "nft", "flush", "table", family, table)
    host[0]("network", "ls", check=True)
    assert both_ways(host, container) == ["web", "machine"]


# ---- ::1 ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def six(host: Host) -> Iterator[Container]:
    host[0]("network", "create", "--ipv6", "six", check=True)
    words = ("--name", "six", "-p", "8080:80", "-p", "8080:80/udp", "-p", "[::1]:8081:80")
    yield containers.start(host[0], *words, "busybox", "sleep", "1000", network="six")
    host[0].remove_all()
    host[0]("network", "rm", "six", check=True)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_hosts_localhost_is_published_at_on_both_families(
    host: Host, six: Container, address: str, protocol: str
) -> None:
    with Servers() as servers:
        servers.add("six", netns(six))
        assert reaches(host[0].where, address, 8080, protocol) == "six"


def test_a_port_of_localhost_on_ipv6_is_of_that_alone(host: Host, six: Container) -> None:
    with Servers() as servers:
        servers.add("six", netns(six))
        assert reaches(host[0].where, "::1", 8081) == "six"
        assert reaches(host[1].where, host[1].host[1], 8081, expected=False) == ""


# ---- sysctls --------------------------------------------------------------------------------------------------------


def test_forwarding_is_switched_on_by_who_needs_it_alone(host: Host) -> None:
    on(host, "sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0")
    host[0]("network", "create", "--internal", "vault", check=True)
    containers.start(host[0], "--name", "safe", "busybox", "sleep", "1000", network="vault")
    assert on(host, "sysctl", "-n", "net.ipv4.ip_forward") == "0\n"
    web(host)
    assert on(host, "sysctl", "-n", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding") == "1\n0\n"
    host[0].remove_all()
    host[0]("network", "rm", "vault", check=True)


def test_a_host_that_begins_to_forward_still_listens_to_its_own_router(host: Host) -> None:
    on(host, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=0", "net.ipv6.conf.mrt-wire9.accept_ra=1")
    host[0]("network", "create", "--ipv6", "six", check=True)
    containers.start(host[0], "--name", "six", "busybox", "sleep", "1000", network="six")
    assert on(host, "sysctl", "-n", "net.ipv6.conf.mrt-wire9.accept_ra") == "2\n"
    host[0].remove_all()
    host[0]("network", "rm", "six", check=True)


def test_a_gate_that_somebody_has_closed_is_opened_by_the_next_container(host: Host) -> None:
    on(host, "iptables", "-P", "FORWARD", "DROP")
    container = web(host)
    on(host, "iptables", "-F", "FORWARD")
    containers.start(host[0], "--name", "next", "busybox", "sleep", "1000", network="bridge")
    assert both_ways(host, container) == ["web", "machine"]
