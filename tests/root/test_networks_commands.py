"""`network ...`, and the options of `run` about networks: what they print, refuse and leave."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import containers, netlab
from tests.containers import Container, eventually
from tests.netlab import Servers, ask, netns, reaches
from tests.support import Minirun, run

Start = Callable[..., Container]


@pytest.fixture
def network(minirun: Minirun) -> Iterator[Callable[..., str]]:
    """network("town", "--internal") creates one and returns its name; it is removed after the test."""
    made = []

    def create(name: str, *words: str) -> str:
        minirun("network", "create", *words, name, check=True)
        made.append(name)
        return name

    yield create
    minirun.remove_all()
    for name in made:
        minirun("network", "rm", "-f", name)


def on(minirun: Minirun, name: str, network: str, *words: str) -> Container:
    return containers.start(minirun, "--name", name, *words, "busybox", "sleep", "1000", network=network)


def address(container: Container, network: str) -> str:
    return container.inspect(f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}')


def facts(minirun: Minirun, name: str) -> dict:
    return json.loads(minirun("network", "inspect", name, check=True).stdout)[0]


def refusal(minirun: Minirun, *words: str) -> str:
    """The one sentence of a command that fails, without its hint; what it leaves is seen by the leak check."""
    result = minirun(*words)
    assert result.code != 0
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()[0].removeprefix("minirun: ")


# ---- create, ls, inspect, rm, prune ---------------------------------------------------------------------------


def test_a_network_is_created_listed_and_removed(minirun: Minirun) -> None:
    id = minirun("network", "create", "--label", "a=b", "town", check=True).stdout.strip()
    assert re.fullmatch("[0-9a-f]{64}", id)
    assert f"{id[:12]}   town      bridge    local" in minirun("network", "ls").stdout
    assert minirun("network", "ls", "-q", "--no-trunc", "-f", "label=a=b").stdout == f"{id}\n"
    assert minirun("network", "rm", id[:6]).stdout == f"{id[:6]}\n"
    assert "town" not in minirun("network", "ls").stdout


def test_there_are_bridge_host_and_none_from_the_beginning(minirun: Minirun) -> None:
    lines = minirun("network", "ls", "--format", "{{.Name}} {{.Driver}}").stdout.splitlines()
    assert lines == ["bridge bridge", "host host", "none null"]
    assert minirun("network", "ls", "-q", "-f", "type=custom").stdout == ""


def test_inspect_tells_subnets_and_who_is_there(minirun: Minirun, network: Callable[..., str]) -> None:
    network("town", "--subnet", "10.99.0.0/24", "--gateway", "10.99.0.254", "--ip-range", "10.99.0.128/25")
    one = on(minirun, "one", "town")
    found = facts(minirun, "town")
    pool = {"Subnet": "10.99.0.0/24", "IPRange": "10.99.0.128/25", "Gateway": "10.99.0.254"}
    assert found["IPAM"]["Config"] == [pool]
    assert found["Containers"][one.id]["IPv4Address"] == "10.99.0.128/24"
    assert one.inspect("{{.NetworkSettings.Networks.town.Gateway}}") == "10.99.0.254"


def test_a_network_with_ipv6_gives_both_addresses(minirun: Minirun, network: Callable[..., str]) -> None:
    network("six", "--ipv6", "--subnet", "fd12:34::/64")
    one = on(minirun, "one", "six")
    found = facts(minirun, "six")["Containers"][one.id]
    assert found["IPv6Address"] == "fd12:34::2/64"
    assert "default via fd12:34::1" in one.exec("ip", "-6", "route").stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--subnet", "10.99.0.0/33", "x"], 'invalid subnet "10.99.0.0/33"'),
        (["--subnet", "10.99.0.1/24", "x"], 'invalid subnet "10.99.0.1/24"'),
        (["--subnet", "ten", "x"], 'invalid subnet "ten"'),
        (["--subnet", "10.99.0.0/31", "x"], 'invalid subnet "10.99.0.0/31": it has no room for a gateway'),
        (["--subnet", "127.0.0.0/24", "x"], 'invalid subnet "127.0.0.0/24": these addresses have a meaning'),
        (["--subnet", "fd00::/64", "x"], "the subnet fd00::/64 is one of IPv6"),
        (["--subnet", "10.99.0.0/24", "--subnet", "10.98.0.0/24", "x"], "a network has one subnet of IPv4"),
        (
            ["--subnet", "10.99.0.0/24", "--gateway", "10.98.0.1", "x"],
            'invalid --gateway: "10.98.0.1" is not in',
        ),
        (
            ["--subnet", "10.99.0.0/24", "--ip-range", "10.99.0.0/16", "x"],
            'invalid --ip-range: "10.99.0.0/16"',
        ),
        (["a b"], "invalid network name (a b)"),
        (["-x"], None),
        (["x" * 300], "invalid network name (xxx"),
        (["host"], "operation is not permitted on predefined host network"),
        (["-d", "overlay", "x"], "--driver overlay is not in minirun: it joins"),
        (["-o", "mtu=9", "x"], "unknown option mtu"),
        (["-o", "com.docker.network.bridge.name=" + "b" * 16, "x"], 'invalid name of a bridge: "bbb'),
        (["-o", "com.docker.network.bridge.name=lo", "x"], "this host has an interface lo already"),
    ],
)
def test_what_is_no_network_is_refused_with_one_sentence(
    minirun: Minirun, words: list[str], sentence: str
) -> None:
    assert (sentence or "") in refusal(minirun, "network", "create", *words)
    assert minirun("network", "ls", "-q", "-f", "type=custom").stdout == ""


def test_the_bridge_has_the_name_asked_for(minirun: Minirun, network: Callable[..., str]) -> None:
    network("town", "-o", "com.docker.network.bridge.name=mrt-town")
    on(minirun, "one", "town")
    assert "mrt-town" in {link["ifname"] for link in json.loads(run("ip", "-j", "link").stdout)}


def test_subnets_do_not_overlap(minirun: Minirun, network: Callable[..., str]) -> None:
    network("town", "--subnet", "10.99.0.0/16")
    said = refusal(minirun, "network", "create", "--subnet", "10.99.7.0/24", "x")
    assert said == "subnet 10.99.7.0/24 overlaps with 10.99.0.0/16 of network town"
    assert refusal(minirun, "network", "create", "town") == "network with name town already exists"


def test_a_subnet_that_the_host_has_a_route_into_is_refused(minirun: Minirun) -> None:
    run("ip", "address", "add", "10.77.0.1/24", "dev", "lo", check=True)
    try:
        assert "to which this host has a route" in refusal(
            minirun, "network", "create", "--subnet", "10.77.0.0/16", "x"
        )
    finally:
        run("ip", "address", "del", "10.77.0.1/24", "dev", "lo", check=True)


def test_a_network_that_is_used_is_not_removed(minirun: Minirun, network: Callable[..., str]) -> None:
    on(minirun, "one", network("town"))
    assert "network town has active endpoints: one" in refusal(minirun, "network", "rm", "town")
    assert (
        refusal(minirun, "network", "rm", "bridge") == "bridge is a pre-defined network and cannot be removed"
    )
    assert refusal(minirun, "network", "rm", "nosuch") == "network nosuch not found"
    forced = minirun("network", "rm", "-f", "nosuch")
    assert (forced.code, forced.stdout, forced.stderr) == (0, "", "")


def test_prune_removes_what_no_container_is_on(minirun: Minirun, network: Callable[..., str]) -> None:
    on(minirun, "one", network("used"))
    network("idle")
    assert minirun("network", "prune", "-f").stdout == "Deleted Networks:\nidle\n\n"
    assert minirun("network", "ls", "--format", "{{.Name}}", "-f", "type=custom").stdout == "used\n"


# ---- addresses and names --------------------------------------------------------------------------------------


def test_an_address_and_a_hardware_address_can_be_chosen(
    minirun: Minirun, network: Callable[..., str]
) -> None:
    network("town", "--subnet", "10.99.0.0/24")
    one = on(minirun, "one", "town", "--ip", "10.99.0.77", "--mac-address", "02:00:00:00:00:77")
    link = json.loads(
        run("nsenter", f"--net={netns(one)}", "ip", "-j", "addr", "show", "eth0", check=True).stdout
    )[0]
    assert (link["address"], link["addr_info"][0]["local"]) == ("02:00:00:00:00:77", "10.99.0.77")
    with Servers() as servers:  # its own hardware address is the one it may use
        servers.add("one", netns(one))
        assert reaches("", "10.99.0.77") == "one"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--ip", "10.98.0.1"], "invalid address 10.98.0.1: it does not belong to the subnet 10.99.0.0/24"),
        (["--ip", "10.99.0.1"], "address 10.99.0.1 is already in use on network town: by the gateway"),
        (["--ip", "10.99.0.2"], "address 10.99.0.2 is already in use on network town: by one"),
        (["--ip", "ten"], 'invalid --ip: "ten" is no IPv4 address'),
        (["--ip6", "fd00::2"], "network town has no IPv6 address to give"),
        (["--mac-address", "01:00:00:00:00:01"], 'invalid --mac-address: "01:00:00:00:00:01"'),
        (["--network-alias", "a b"], 'invalid --network-alias: "a b"'),
        (["--network-alias", "x" * 300], 'invalid --network-alias: "xxx'),
        (["--dns", "x"], 'invalid --dns: "x" is no IP address'),
        (["--add-host", "x"], 'invalid --add-host: "x"'),
        (["--add-host", "x:y"], 'invalid IP address in --add-host: "y"'),
        (["--network", "nosuch"], "network nosuch not found"),
        (["--network", "host"], "conflicting options: --network host goes with no other network"),
        (["--network", "town"], 'network "town" is specified multiple times'),
        (["--network", "x" * 300], "invalid network name (xxx"),
    ],
)
def test_what_a_network_cannot_give_is_refused(
    minirun: Minirun, network: Callable[..., str], words: list[str], sentence: str
) -> None:
    network("town", "--subnet", "10.99.0.0/24")
    on(minirun, "one", "town")
    result = minirun("run", "--rm", "--network", "town", *words, "busybox", "true")
    assert result.stderr.startswith(f"minirun: {sentence}")
    assert result.code == 125


def test_the_default_network_gives_no_address_or_alias(minirun: Minirun) -> None:
    assert "user defined networks only" in refusal(
        minirun, "run", "--rm", "--ip", "172.17.0.9", "busybox", "true"
    )
    assert "user defined networks only" in refusal(minirun, "run", "--network-alias", "x", "busybox", "true")


def test_an_address_on_a_network_whose_subnet_nobody_chose_is_refused(
    minirun: Minirun, network: Callable[..., str]
) -> None:
    network("town")
    said = refusal(minirun, "run", "--rm", "--network", "town", "--ip", "172.18.0.9", "busybox", "true")
    assert "only when connecting to networks with user configured subnets" in said


def test_an_alias_of_several_has_all_their_addresses_in_turn(
    minirun: Minirun, network: Callable[..., str]
) -> None:
    network("town")
    members = [on(minirun, name, "town", "--network-alias", "web") for name in ("one", "two", "three")]
    found = [ask(members[0], "WEB") for _ in range(6)]
    assert {frozenset(one) for one in found} == {frozenset(address(member, "town") for member in members)}
    assert len({one[0] for one in found}) == 3


def test_short_ids_host_names_and_new_names_are_names(minirun: Minirun, network: Callable[..., str]) -> None:
    network("town")
    one = on(minirun, "one", "town", "--hostname", "first")
    assert ask(one, one.id[:12]) == ask(one, "first") == ask(one, "one.town") == [address(one, "town")]
    minirun("rename", "one", "uno", check=True)
    assert ask(one, "uno") == [address(one, "town")]


def test_other_names_are_asked_of_the_servers_given(minirun: Minirun, network: Callable[..., str]) -> None:
    network("town")
    with netlab.machine(Path(minirun.state)) as other, FakeResolver(other.where):
        one = on(minirun, "one", "town", "--dns", other.addresses[0])
        assert ask(one, "far.example") == ["192.0.2.53"]
        assert ask(one, "one") == [address(one, "town")]
        minirun.remove_all()


class FakeResolver:
    """A name server on another machine that knows one address for everything."""

    def __init__(self, where: str) -> None:
        program = (
            "import socket, dnslib\n"
            "sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sock.bind(('', 53)); print(flush=True)\n"
            "while True:\n"
            "    query, client = sock.recvfrom(4096)\n"
            "    answer = dnslib.DNSRecord.parse(query).reply()\n"
            "    answer.add_answer(dnslib.RR(answer.q.qname, rdata=dnslib.A('192.0.2.53')))\n"
            "    sock.sendto(answer.pack(), client)\n"
        )
        words = ["nsenter", f"--net={where}", sys.executable, "-c", program]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE)

    def __enter__(self) -> None:
        assert self.process.stdout
        self.process.stdout.readline()

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def test_hosts_and_resolv_conf_have_what_was_asked_for(minirun: Minirun, network: Callable[..., str]) -> None:
    network("town")
    words = (
        "--add-host",
        "db:192.0.2.7",
        "--add-host",
        "me:host-gateway",
        "--dns-search",
        "a.example",
        "--dns-opt",
        "timeout:1",
    )
    one = on(minirun, "one", "town", *words)
    hosts = one.proc("root/etc/hosts").read_text()
    gateway = facts(minirun, "town")["IPAM"]["Config"][0]["Gateway"]
    assert f"192.0.2.7\tdb\n{gateway}\tme\n{address(one, 'town')}\t" in hosts
    assert one.proc("root/etc/resolv.conf").read_text() == (
        f"nameserver {gateway}\nsearch a.example\noptions ndots:0 timeout:1\n"
    )


def test_on_the_default_network_the_servers_given_are_asked_directly(minirun: Minirun) -> None:
    one = on(minirun, "one", "bridge", "--dns", "192.0.2.53", "--dns", "2001:db8::53")
    assert (
        one.proc("root/etc/resolv.conf")
        .read_text()
        .startswith("nameserver 192.0.2.53\nnameserver 2001:db8::53\n")
    )


# ---- connect, disconnect --------------------------------------------------------------------------------------


def test_a_running_container_is_connected_and_disconnected(
    minirun: Minirun, network: Callable[..., str]
) -> None:
    network("front"), network("back")
    web, db = on(minirun, "web", "front"), on(minirun, "db", "back")
    assert minirun("network", "connect", "--alias", "www", "back", "web").code == 0
    assert ask(db, "www") == [address(web, "back")] != [""]
    assert ask(web, "db") == [address(db, "back")]
    with Servers() as servers:
        servers.add("web", netns(web))
        assert reaches(netns(db), address(web, "back")) == "web"
    assert f"{address(web, 'back')}\t" in web.proc("root/etc/hosts").read_text()
    assert minirun("network", "disconnect", "back", "web").code == 0
    assert ask(db, "www") == []
    assert "eth1" not in web.exec("ip", "addr").stdout


def test_the_way_out_and_the_ports_move_to_the_network_that_is_left(
    minirun: Minirun, network: Callable[..., str]
) -> None:
    network("front"), network("back")
    web = on(minirun, "web", "front", "-p", "8080:80", "--network", "back")
    minirun("network", "disconnect", "front", "web", check=True)
    gateway = facts(minirun, "back")["IPAM"]["Config"][0]["Gateway"]
    assert f"default via {gateway} dev eth1" in web.exec("ip", "route").stdout
    assert web.proc("root/etc/resolv.conf").read_text().startswith(f"nameserver {gateway}\n")
    with Servers() as servers:
        servers.add("web", netns(web))
        assert reaches("", "127.0.0.1", 8080) == "web"
    assert minirun("port", "web").stdout == "80/tcp -> 0.0.0.0:8080\n"


def test_a_port_is_published_again_with_the_network_and_first_with_one_that_leads_outside(
    minirun: Minirun, network: Callable[..., str]
) -> None:
    network("vault", "--internal"), network("front")
    web = on(minirun, "web", "vault", "-p", "8080:80")
    assert minirun("port", "web").stdout == ""
    with Servers() as servers:
        servers.add("web", netns(web))
        for _ in range(2):
            minirun("network", "connect", "front", "web", check=True)
            assert minirun("port", "web").stdout == "80/tcp -> 0.0.0.0:8080\n"
            assert reaches("", "127.0.0.1", 8080) == "web"
            minirun("network", "disconnect", "front", "web", check=True)
            assert minirun("port", "web").stdout == ""


def test_a_container_without_any_network_left_has_its_loopback(
    minirun: Minirun, network: Callable[..., str]
) -> None:
    network("town")
    one = on(minirun, "one", "town")
    minirun("network", "disconnect", "town", "one", check=True)
    assert minirun("restart", "-t", "0", "one").code == 0
    assert [link["ifname"] for link in links_in(minirun, "one")] == ["lo"]
    minirun("network", "connect", "town", "one", check=True)
    assert {link["ifname"] for link in links_in(minirun, "one")} == {"lo", "eth0"}
    assert one.exec("ip", "route").stdout.startswith("default via")


def links_in(minirun: Minirun, name: str) -> list[dict]:
    pid = minirun("inspect", "-f", "{{.State.Pid}}", name, check=True).stdout.strip()
    return json.loads(run("nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-j", "addr", check=True).stdout)


def test_a_stopped_container_is_on_its_networks_when_it_starts(
    minirun: Minirun, network: Callable[..., str]
) -> None:
    network("front"), network("back")
    minirun("create", "--name", "one", "--network", "front", "busybox", "sleep", "1000", check=True)
    minirun("network", "connect", "back", "one", check=True)
    assert facts(minirun, "back")["Containers"] == {}
    minirun("start", "one", check=True)
    assert {link["ifname"] for link in links_in(minirun, "one")} == {"lo", "eth0", "eth1"}


def test_what_somebody_has_written_into_hosts_is_left_alone(
    minirun: Minirun, network: Callable[..., str]
) -> None:
    network("front"), network("back")
    one = on(minirun, "one", "front")
    one.exec("sh", "-c", "echo 192.0.2.1 mine >> /etc/hosts")
    before = one.proc("root/etc/hosts").read_text()
    minirun("network", "connect", "back", "one", check=True)
    assert one.proc("root/etc/hosts").read_text() == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("connect", "town", "one"), "endpoint with name one already exists in network town"),
        (("connect", "nosuch", "one"), "network nosuch not found"),
        (("connect", "town", "nosuch"), "No such container: nosuch"),
        (
            ("connect", "town", "lonely"),
            "container lonely cannot be connected to a network: it was made with",
        ),
        (("connect", "host", "one"), "container one cannot be connected to host: that is no network"),
        (("connect", "--ip", "10.99.0.9", "town", "other"), "user specified IP address is supported only"),
        (("disconnect", "town", "other"), " is not connected to network town"),
    ],
)
def test_what_cannot_be_connected_is_refused(
    minirun: Minirun, network: Callable[..., str], words: tuple[str, ...], sentence: str
) -> None:
    network("town")
    on(minirun, "one", "town"), on(minirun, "other", "bridge"), on(minirun, "lonely", "none")
    assert sentence in refusal(minirun, "network", *words)


# ---- ports ----------------------------------------------------------------------------------------------------


def test_ports_are_shown_by_ps_port_and_inspect(minirun: Minirun) -> None:
    on(
        minirun,
        "web",
        "bridge",
        "-p",
        "127.0.0.1:8000-8002:80-82",
        "-p",
        "8080:80",
        "-p",
        "5353:53/udp",
        "--expose",
        "9",
    )
    words = minirun("ps", "--format", "{{.Ports}}").stdout.strip()
    assert words == "9/tcp, 0.0.0.0:5353->53/udp, 0.0.0.0:8080->80/tcp, 127.0.0.1:8000->80/tcp, " + (
        "127.0.0.1:8001->81/tcp, 127.0.0.1:8002->82/tcp"
    )
    assert minirun("port", "web", "53/udp").stdout == "0.0.0.0:5353\n"
    ports = json.loads(minirun("inspect", "-f", "{{json .NetworkSettings.Ports}}", "web").stdout)
    assert ports["82/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": "8002"}]
    assert ports["9/tcp"] is None


def test_a_random_port_and_all_exposed_ports(minirun: Minirun) -> None:
    web = on(minirun, "web", "bridge", "-p", "80", "-P", "--expose", "81-82", "--expose", "53/udp")
    lines = dict(line.split(" -> ") for line in minirun("port", "web").stdout.splitlines())
    assert set(lines) == {"80/tcp", "81/tcp", "82/tcp", "53/udp"}
    with Servers() as servers:
        servers.add("web", netns(web), 81)
        assert reaches("", "127.0.0.1", int(lines["81/tcp"].rpartition(":")[2])) == "web"


def test_the_first_free_of_a_range_is_taken(minirun: Minirun) -> None:
    on(minirun, "one", "bridge", "-p", "8000-8001:80")
    on(minirun, "two", "bridge", "-p", "8000-8001:80")
    assert [minirun("port", name, "80").stdout for name in ("one", "two")] == [
        "0.0.0.0:8000\n",
        "0.0.0.0:8001\n",
    ]
    assert "port is already allocated" in refusal(
        minirun, "run", "--rm", "-p", "8000-8001:80", "busybox", "true"
    )


def test_a_clash_names_the_container_that_has_the_port(minirun: Minirun) -> None:
    on(minirun, "web", "bridge", "-p", "8080:80")
    result = minirun("run", "--rm", "-p", "127.0.0.1:8080:80", "busybox", "true")
    sentence = "minirun: Bind for 127.0.0.1:8080 failed: port is already allocated by container web"
    assert (result.code, result.stderr.splitlines()[0]) == (125, sentence)


def test_the_same_port_of_two_addresses_is_no_clash(minirun: Minirun) -> None:
    web = on(minirun, "web", "bridge", "-p", "127.0.0.1:8080:80")
    other = on(minirun, "other", "bridge", "-p", "127.0.0.2:8080:80")
    with Servers() as servers:
        servers.add("web", netns(web)), servers.add("other", netns(other))
        assert [reaches("", f"127.0.0.{last}", 8080) for last in (1, 2)] == ["web", "other"]


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_of_another_process_is_noticed_before(minirun: Minirun, kind: socket.SocketKind) -> None:
    own = Path("/proc/self/comm").read_text().strip()
    protocol = "tcp" if kind == socket.SOCK_STREAM else "udp"
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        if protocol == "tcp":
            sock.listen()
        port = sock.getsockname()[1]
        said = refusal(minirun, "run", "--rm", "-p", f"{port}:80/{protocol}", "busybox", "true")
    assert said.endswith(f"port is already allocated by {own} (pid {os.getpid()})")


def test_nobody_else_can_take_a_published_port(minirun: Minirun) -> None:
    on(minirun, "web", "bridge", "-p", "8080:80")
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", 8080))  # with SO_REUSEADDR


def test_a_stopped_container_has_no_port_and_takes_it_again(minirun: Minirun) -> None:
    on(minirun, "web", "bridge", "-p", "8080:80")
    minirun("stop", "-t", "0", "web", check=True)
    assert minirun("port", "web").stdout == ""
    with socket.create_server(("", 8080)):
        assert minirun("start", "web").code == 1
    assert minirun("start", "web").code == 0
    assert minirun("port", "web").stdout == "80/tcp -> 0.0.0.0:8080\n"


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("70000", "invalid containerPort: 70000"),
        ("0", "invalid containerPort: 0"),
        ("80:0", "invalid containerPort: 0"),
        ("70000:80", "invalid hostPort: 70000"),
        ("x:80", "invalid hostPort: x"),
        ("90-80:90-80", "invalid range format for containerPort: 90-80"),
        ("8000-8001:80-82", "invalid ranges specified for container and host Ports: 80-82 and 8000-8001"),
        ("80/sctp", "invalid proto: sctp"),
        ("1.2.3:80:80", 'invalid IP address "1.2.3"'),
        ("192.0.2.99:80:80", "Bind for 192.0.2.99:80 failed: this host has no address 192.0.2.99"),
        ("[::1:80:80", 'invalid publish "[::1:80:80"'),
        ("[::1]:80:80", "cannot publish at [::1]: the container's network has no IPv6"),
    ],
)
def test_what_is_no_port_is_refused(minirun: Minirun, word: str, sentence: str) -> None:
    result = minirun("run", "--rm", "-p", word, "busybox", "true")
    assert result.stderr.startswith(f"minirun: {sentence}")
    assert result.code == 125


def test_with_the_hosts_network_ports_are_discarded_and_it_is_said(minirun: Minirun) -> None:
    result = minirun("run", "--rm", "--network", "host", "-p", "8080:80", "busybox", "true", check=True)
    assert "Published ports are discarded when using host network mode" in result.stderr


def test_ps_finds_containers_by_network_and_port(minirun: Minirun, network: Callable[..., str]) -> None:
    network("town")
    on(minirun, "one", "town", "-p", "8080:80"), on(minirun, "two", "bridge", "--expose", "99")
    assert minirun("ps", "--format", "{{.Names}}", "-f", "network=town").stdout == "one\n"
    assert minirun("ps", "--format", "{{.Names}}", "-f", "publish=8080").stdout == "one\n"
    assert minirun("ps", "--format", "{{.Names}}", "-f", "expose=90-100/tcp").stdout == "two\n"


# ---- in another's network -------------------------------------------------------------------------------------


def test_a_container_lives_in_the_network_of_another(minirun: Minirun, network: Callable[..., str]) -> None:
    network("town")
    web = on(minirun, "web", "town", "--hostname", "web1")
    side = on(minirun, "side", "container:web")
    assert os.readlink(netns(web)) == os.readlink(netns(side))
    assert side.exec("hostname").stdout == "web1\n"
    assert side.proc("root/etc/hosts").read_text() == web.proc("root/etc/hosts").read_text()
    assert side.inspect("{{.HostConfig.NetworkMode}}") == f"container:{web.id}"


def test_who_shares_a_network_cannot_change_it(minirun: Minirun) -> None:
    on(minirun, "web", "bridge")
    words = ("run", "--rm", "--network", "container:web")
    assert "conflicting options: port publishing" in refusal(minirun, *words, "-p", "80", "busybox", "true")
    assert "conflicting options: dns" in refusal(minirun, *words, "--dns", "192.0.2.1", "busybox", "true")
    assert (
        refusal(minirun, "run", "--network", "container:nosuch", "busybox", "true")
        == "No such container: nosuch"
    )
    minirun("stop", "-t", "0", "web", check=True)
    assert "cannot join network of a non running container" in refusal(minirun, *words, "busybox", "true")


# ---- what is killed -------------------------------------------------------------------------------------------


def names_pid(minirun: Minirun, network: str) -> int:
    return int((minirun.root / "networks" / f"{network}.lock").read_text())


def test_a_name_server_that_was_killed_is_begun_anew(minirun: Minirun, network: Callable[..., str]) -> None:
    network("town")
    one = on(minirun, "one", "town")
    os.kill(names_pid(minirun, "town"), signal.SIGKILL)
    minirun("ps", check=True)
    assert ask(one, "one") == [address(one, "town")]


def test_it_goes_with_the_last_container(minirun: Minirun, network: Callable[..., str]) -> None:
    network("town")
    on(minirun, "one", "town"), on(minirun, "two", "town")
    pid = names_pid(minirun, "town")
    minirun("rm", "-f", "one", check=True)
    assert Path(f"/proc/{pid}/comm").read_text() == "minirun:names\n"
    minirun("rm", "-f", "two", check=True)
    eventually(lambda: not Path(f"/proc/{pid}/exe").exists() or not os.path.exists(f"/proc/{pid}/cwd"))


def test_a_shim_that_was_killed_gives_back_name_address_and_port(
    minirun: Minirun, network: Callable[..., str]
) -> None:
    network("town")
    one = on(minirun, "one", "town", "-p", "8080:80")
    two = on(minirun, "two", "town")
    before = address(one, "town")
    os.kill(int(containers.process_status(one.pid, "PPid")), signal.SIGKILL)
    eventually(lambda: minirun("ps", "-q").stdout.count("\n") == 1)
    assert ask(two, "one") == []
    three = on(minirun, "three", "town", "-p", "8080:80")
    assert address(three, "town") == before


def test_the_port_of_a_shim_that_was_killed_can_be_had_at_once(
    minirun: Minirun, network: Callable[..., str]
) -> None:
    on(minirun, "one", network("town"), "-p", "8080:80")
    os.kill(shim_of(minirun, "one"), signal.SIGKILL)
    two = on(minirun, "two", "bridge", "-p", "8080:80")
    with Servers() as servers:
        servers.add("two", netns(two))
        assert reaches("", "127.0.0.1", 8080) == "two"


def shim_of(minirun: Minirun, name: str) -> int:
    pid = minirun("inspect", "-f", "{{.State.Pid}}", name, check=True).stdout.strip()
    return int(containers.process_status(pid, "PPid"))


@pytest.mark.parametrize("act", ["netlink:1", "netlink:2", "netlink:3", "netlink:5", "nft:1", "setns:2"])
def test_a_connect_that_was_killed_is_completed_by_the_next_command(
    minirun: Minirun, network: Callable[..., str], act: str
) -> None:
    network("front"), network("back")
    one, two = on(minirun, "one", "front"), on(minirun, "two", "back")
    words = minirun.command("network", "connect", "back", "one")
    done = run("env", f"MINIRUN_FAULT={act}:kill", *words)
    assert done.code == -signal.SIGKILL or done.code == 137
    minirun("network", "ls", check=True)
    assert ask(two, "one") == [address(one, "back")]
    with Servers() as servers:
        servers.add("one", netns(one))
        assert reaches(netns(two), address(one, "back")) == "one"


@pytest.mark.parametrize("act", ["netlink:1", "nft:1"])
def test_a_disconnect_that_was_killed_is_completed_by_the_next_command(
    minirun: Minirun, network: Callable[..., str], act: str
) -> None:
    network("front"), network("back")
    one, two = on(minirun, "one", "front", "--network", "back"), on(minirun, "two", "back")
    run("env", f"MINIRUN_FAULT={act}:kill", *minirun.command("network", "disconnect", "back", "one"))
    minirun("network", "ls", check=True)
    assert ask(two, "one") == []
    assert "eth1" not in one.exec("ip", "addr").stdout


@pytest.mark.parametrize("act", ["netlink:1", "netlink:2", "netlink:4", "nft:1", "setns:1"])
def test_a_connect_that_fails_leaves_nothing(minirun: Minirun, network: Callable[..., str], act: str) -> None:
    network("front"), network("back")
    one = on(minirun, "one", "front")
    result = run("env", f"MINIRUN_FAULT={act}:5", *minirun.command("network", "connect", "back", "one"))
    assert result.code == 1
    assert "Traceback" not in result.stderr
    assert facts(minirun, "back")["Containers"] == {}
    assert one.inspect("{{json .NetworkSettings.Networks}}").count("NetworkID") == 1


# ---- many -----------------------------------------------------------------------------------------------------


def test_a_hundred_containers_have_a_hundred_addresses_and_names(
    minirun: Minirun, network: Callable[..., str]
) -> None:
    network("city")
    commands = [
        minirun.command(
            "run",
            "-d",
            "--name",
            f"c{number}",
            "--network",
            "city",
            "-P",
            "--expose",
            "80",
            "busybox",
            "sleep",
            "1000",
        )
        for number in range(100)
    ]
    for start in range(0, 100, 10):
        children = [
            subprocess.Popen(words, stdout=subprocess.DEVNULL) for words in commands[start : start + 10]
        ]
        assert [child.wait(120) for child in children] == [0] * 10
    found = {
        one["Name"]: one["IPv4Address"].partition("/")[0]
        for one in facts(minirun, "city")["Containers"].values()
    }
    assert len(found) == len(set(found.values())) == 100
    pid = int(minirun("inspect", "-f", "{{.State.Pid}}", "c0", check=True).stdout)
    c0 = Container(minirun, "c0", pid)
    assert {name: ask(c0, name) for name in found} == {name: [at] for name, at in found.items()}
    ports = minirun("ps", "--format", "{{.Ports}}", check=True).stdout.splitlines()
    assert len(set(ports)) == 100
    minirun.remove_all()
    minirun("network", "rm", "city", check=True)
    assert [
        link["ifname"] for link in json.loads(run("ip", "-j", "link").stdout) if "mr-" in link["ifname"]
    ] == []


def test_the_default_network_stays_off_the_subnets_of_idle_ones(
    minirun: Minirun, network: Callable[..., str]
) -> None:
    network("idle")
    on(minirun, "one", "bridge")
    subnets = [facts(minirun, name)["IPAM"]["Config"][0]["Subnet"] for name in ("idle", "bridge")]
    assert subnets[0] != subnets[1]
    on(minirun, "two", "idle")


def test_a_client_that_goes_on_asking_over_udp_reaches_who_is_there_now(
    minirun: Minirun, network: Callable[..., str]
) -> None:
    network("town")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, Servers() as servers:
        client.settimeout(0.3)
        client.connect(("127.0.0.1", 8053))
        asked(client)  # nobody is there: that is remembered, too
        for name in ("one", "two"):
            on(minirun, f"fill-{name}", "town")  # so that each has another address
            web = on(minirun, name, "town", "-p", "8053:80/udp")
            servers.add(name, netns(web))
            assert eventually(lambda: asked(client)).partition(" ")[0] == name
            minirun("stop", "-t", "0", name, check=True)


def asked(client: socket.socket) -> str:
    try:
        client.send(b"hello")
        return client.recv(100).decode()
    except OSError:
        return ""
