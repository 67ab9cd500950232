"""`network create -o` and `--aux-address`: what holds in the kernel."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests import containers
from tests.containers import Container
from tests.netlab import Servers, netns, reaches
from tests.support import Minirun, run

MTU = "com.docker.network.driver.mtu"
ICC = "com.docker.network.bridge.enable_icc"
MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
BINDING = "com.docker.network.bridge.host_binding_ipv4"


@pytest.fixture
def network(minirun: Minirun) -> Iterator[Callable[..., None]]:
    """network("-o", ...) creates the network `town`."""
    yield lambda *words: print(minirun("network", "create", *words, "town", check=True).stdout)
    minirun.remove_all()
    minirun("network", "rm", "-f", "town")


def on_town(minirun: Minirun, name: str, *words: str) -> Container:
    return containers.start(minirun, "--name", name, *words, "busybox", "sleep", "1000", network="town")


def address(container: Container) -> str:
    return container.inspect("{{.NetworkSettings.Networks.town.IPAddress}}")


def test_the_bridge_and_both_ends_have_the_mtu(minirun: Minirun, network: Callable[..., None]) -> None:
    network("-o", f"{MTU}=1234", "-o", "com.docker.network.bridge.name=mrt-town")
    one = on_town(minirun, "one")
    assert one.proc("root/sys/class/net/eth0/mtu").read_text() == "1234\n"
    links = json.loads(run("ip", "-j", "link", check=True).stdout)
    ours = [link for link in links if "mrt-town" in (link["ifname"], link.get("master"))]
    assert [link["mtu"] for link in ours] == [1234, 1234]


def test_containers_that_are_not_to_talk_do_not(minirun: Minirun, network: Callable[..., None]) -> None:
    network("-o", f"{ICC}=false")
    one, two = on_town(minirun, "one", "-p", "8080:80"), on_town(minirun, "two")
    with Servers() as servers:
        servers.add("one", netns(one))
        assert reaches(netns(two), address(one), expected=False) == ""
        assert reaches("", address(one)) == "one"
        assert reaches("", "127.0.0.1", 8080) == "one"


def test_nor_by_way_of_the_gateway(minirun: Minirun, network: Callable[..., None]) -> None:
    network("-o", f"{ICC}=false")
    one, two = on_town(minirun, "one"), on_town(minirun, "two")
    gateway = two.inspect("{{.NetworkSettings.Networks.town.Gateway}}")
    enter = ("nsenter", f"--net={netns(two)}")
    run(*enter, "ip", "route", "add", f"{address(one)}/32", "via", gateway, check=True)
    with Servers() as servers:
        servers.add("one", netns(one))
        assert reaches(netns(two), address(one), expected=False) == ""


def test_names_are_answered_all_the_same(minirun: Minirun, network: Callable[..., None]) -> None:
    from tests.netlab import ask

    network("-o", f"{ICC}=false")
    one, two = on_town(minirun, "one"), on_town(minirun, "two")
    assert ask(two, "one") == [address(one)]


def test_ports_are_published_where_the_network_says(minirun: Minirun, network: Callable[..., None]) -> None:
    network("-o", f"{BINDING}=127.0.0.2")
    on_town(minirun, "one", "-p", "8080:80", "-p", "127.0.0.3:8081:80")
    assert minirun("port", "one").stdout.splitlines() == [
        "80/tcp -> 127.0.0.2:8080",
        "80/tcp -> 127.0.0.3:8081",
    ]


@pytest.mark.parametrize(("word", "source"), [("true", "10.66.0.1"), ("false", "10.99.0.2")])
def test_who_leaves_has_the_hosts_address_or_its_own(
    minirun: Minirun, network: Callable[..., None], word: str, source: str
) -> None:
    """Another machine at 10.66.0.2 that has a route back to the containers."""
    from tests.netlab import visit

    network("-o", f"{MASQUERADE}={word}", "--subnet", "10.99.0.0/24")
    one = on_town(minirun, "one")
    run("ip", "netns", "add", "mrt-far", check=True)
    try:
        run(
            "ip",
            "link",
            "add",
            "mrt-out",
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            "mrt-far",
            check=True,
        )
        run("ip", "address", "add", "10.66.0.1/24", "dev", "mrt-out", check=True)
        run("ip", "link", "set", "mrt-out", "up", check=True)
        far = ("ip", "-n", "mrt-far")
        run(*far, "address", "add", "10.66.0.2/24", "dev", "eth0", check=True)
        run(*far, "link", "set", "eth0", "up", check=True)
        run(*far, "route", "add", "10.99.0.0/24", "via", "10.66.0.1", check=True)
        with Servers() as servers:
            servers.add("far", "/run/netns/mrt-far")
            assert visit(netns(one), "10.66.0.2", 80, "tcp", 5.0) == f"far {source}"
    finally:
        run("ip", "netns", "del", "mrt-far", check=True)


def test_an_address_that_is_kept_free_is_given_to_nobody(
    minirun: Minirun, network: Callable[..., None]
) -> None:
    network("--subnet", "10.99.0.0/24", "--aux-address", "router=10.99.0.2", "--aux-address", "nas=10.99.0.3")
    assert address(on_town(minirun, "one")) == "10.99.0.4"
    asked = minirun("run", "--rm", "--network", "town", "--ip", "10.99.0.3", "busybox", "true")
    assert "already in use on network town: by --aux-address nas" in asked.stderr
    shown = json.loads(minirun("network", "inspect", "town", check=True).stdout)[0]["IPAM"]["Config"][0]
    assert shown["AuxiliaryAddresses"] == {"router": "10.99.0.2", "nas": "10.99.0.3"}


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("router", 'invalid --aux-address: "router"'),
        ("=10.99.0.2", 'invalid --aux-address: "=10.99.0.2"'),
        ("a=b", 'invalid --aux-address: "a=b"'),
        ("a=10.98.0.2", "no matching subnet for aux-address 10.98.0.2"),
    ],
)
def test_what_cannot_be_kept_free(minirun: Minirun, word: str, sentence: str) -> None:
    result = minirun("network", "create", "--subnet", "10.99.0.0/24", "--aux-address", word, "town")
    assert result.code == 1 or result.code == 2
    assert sentence in result.stderr


# ---- the way out


def test_the_highest_priority_has_the_way_out_and_the_ports(
    minirun: Minirun, network: Callable[..., None]
) -> None:
    network("--subnet", "10.99.0.0/24")
    words = ("--network", "name=town,gw-priority=1", "-p", "8080:80")
    one = containers.start(minirun, "--name", "one", *words, "busybox", "sleep", "1000", network="bridge")
    assert "default via 10.99.0.1 dev eth1" in one.exec("ip", "route").stdout
    with Servers() as servers:
        servers.add("one", netns(one))
        assert reaches("", "127.0.0.1", 8080) == "one"


def test_one_that_is_connected_later_has_it_from_the_next_start_on(
    minirun: Minirun, network: Callable[..., None]
) -> None:
    network("--subnet", "10.99.0.0/24")
    one = containers.start(minirun, "--name", "one", "busybox", "sleep", "1000", network="bridge")
    minirun("network", "connect", "--gw-priority", "5", "town", "one", check=True)
    assert "default via 10.99.0.1" not in one.exec("ip", "route").stdout
    minirun("restart", "-t", "0", "one", check=True)
    assert "default via 10.99.0.1" in one.exec("ip", "route").stdout
    assert one.inspect("{{.NetworkSettings.Networks.town.GwPriority}}") == "5"


def test_one_container_has_an_interface_of_its_own_kind(
    minirun: Minirun, network: Callable[..., None]
) -> None:
    """--driver-opt and --link-local-ip, of run and of connect."""
    network()
    endpoint = "com.docker.network.endpoint"
    words = f"name=town,driver-opt={endpoint}.ifname=lan0,driver-opt={endpoint}.sysctls="
    words += "net.ipv4.conf.IFNAME.forwarding=0"
    one = containers.start(
        minirun, "--name", "one", "--link-local-ip", "169.254.7.1", "busybox", "sleep", "1000", network=words
    )
    two = containers.start(minirun, "--name", "two", "busybox", "sleep", "1000", network="bridge")
    setting = f"{endpoint}.sysctls=net.ipv4.conf.IFNAME.log_martians=1"
    more = ("--link-local-ip", "169.254.7.2", "--driver-opt", setting)
    minirun("network", "connect", *more, "town", "two", check=True)
    assert minirun("exec", "one", "cat", "/proc/sys/net/ipv4/conf/lan0/forwarding").stdout == "0\n"
    assert minirun("exec", "two", "cat", "/proc/sys/net/ipv4/conf/eth1/log_martians").stdout == "1\n"
    facts = json.loads(two.inspect("{{json .NetworkSettings.Networks.town}}"))
    assert facts["IPAMConfig"] == {"LinkLocalIPs": ["169.254.7.2"]}
    assert facts["DriverOpts"] == {f"{endpoint}.sysctls": "net.ipv4.conf.IFNAME.log_martians=1"}
    with Servers() as servers:
        servers.add("one", netns(one))
        assert reaches(netns(two), "169.254.7.1") == "one"


def test_a_setting_that_there_is_not_is_told(minirun: Minirun, network: Callable[..., None]) -> None:
    network()
    setting = "com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.nosuch=1"
    result = minirun("run", "--rm", "--network", f"name=town,driver-opt={setting}", "busybox", "true")
    assert result.code == 125
    said = 'the setting "net.ipv4.conf.eth0.nosuch" of --driver-opt cannot be "1": this kernel has none'
    assert said in result.stderr.splitlines()[0]
    assert minirun("ps", "-aq").stdout == ""
