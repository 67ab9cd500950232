"""The default bridge, looked at from outside: ip, nft, and packets between namespaces."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from minirun.errors import UnsupportedError
from minirun.linux import programs, trace
from minirun.network import bridge as networks
from minirun.network import ledger, links, namespace, netlink
from minirun.paths import Paths
from tests.support import CHECKOUT, run

pytestmark = pytest.mark.root


def ip(*words: str, netns: str = "") -> list[dict]:
    """What `ip -j WORDS` prints, in the namespace pinned at `netns`."""
    inside = ["nsenter", f"--net={netns}"] if netns else []
    return json.loads(run(*inside, "ip", "-j", *words, check=True).stdout or "[]")


def links_named(name: str) -> list[dict]:
    return [link for link in ip("-d", "link") if link["ifname"] == name]


def tables() -> set[str]:
    listed = json.loads(run("nft", "-j", "list", "tables", check=True).stdout)["nftables"]
    return {item["table"]["name"] for item in listed if "table" in item}


class Host:
    """A root and a state tree of its own, so a bridge and a table of its own."""

    def __init__(self, base: Path) -> None:
        self.paths = Paths(str(base / "root"), str(base / "state"))
        self.bridge, self.table = ledger.names(self.paths.root)

    def netns(self, name: str) -> str:
        os.makedirs(self.paths.run(name), exist_ok=True)
        return f"{self.paths.run(name)}/netns"

    def sandbox(self, name: str) -> dict:
        return {
            "id": name,
            "name": name,
            "run": self.paths.run(name),
            "nameservers": [],
            "names": [],
            "ports": [],
        }

    def attach(self, name: str) -> dict:
        """On the default network; the address and what belongs to it, as the tests below look at it."""
        (found,) = networks.attach(
            self.paths, self.sandbox(name), [ledger.attachment("bridge")], self.netns(name)
        )
        pool = ledger.read(self.paths, "bridge")["pools"][0]
        return {
            "ip_address": found["addresses"][0],
            "prefix_length": int(pool["subnet"].partition("/")[2]),
            "gateway": pool["gateway"],
            "mac_address": found["mac"],
            "interface": found["interface"],
            "bridge": self.bridge,
        }

    def detach(self, name: str) -> None:
        networks.detach(self.paths, name, self.netns(name))

    def child(self, verb: str, name: str, fault: str = "", wait: bool = False) -> subprocess.Popen[str]:
        """attach or detach in a process of its own; `wait`: then it stays until it is killed."""
        program = f"""if True:
            import sys; sys.path[:] = {[str(CHECKOUT), *sys.path]!r}
            from minirun.linux import trace
            from minirun.network import bridge, ledger
            from minirun.paths import Paths
            paths = Paths({self.paths.root!r}, {self.paths.state!r})
            if {fault!r}: trace.start(-1, fault={fault!r})
            if {verb!r} == "attach":
                bridge.attach(paths, {self.sandbox(name)!r}, [ledger.attachment("bridge")], {self.netns(name)!r})
            else:
                bridge.detach(paths, {name!r}, {self.netns(name)!r})
            print("done", flush=True)
            if {wait}: sys.stdin.read()
        """
        command = ["unshare", "--mount", sys.executable, "-I", "-c", program]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def holders(self) -> dict:
        return json.loads(Path(self.paths.networks, "bridge.json").read_text())["endpoints"]


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path)
    yield made
    for name in os.listdir(made.paths.state) if os.path.isdir(made.paths.state) else []:
        made.detach(name)
    assert not links_named(made.bridge)
    assert made.table not in tables()


def subnet_of(host: Host) -> str:
    return ledger.read(host.paths, "bridge")["pools"][0]["subnet"]


def interface_of(host: Host, name: str) -> str:
    return "veth" + socket.inet_aton(host.holders()[name]["addresses"][0]).hex()


def server(netns: str, address: str) -> socket.socket:
    """A listening TCP socket in a namespace: sockets stay where they were opened."""
    with namespace.inside(netns):
        listener = socket.create_server((address, 0))
    listener.settimeout(5)
    return listener


def visit(netns: str, listener: socket.socket, to: str = "", timeout: float = 5) -> str:
    """Connect from a namespace to `listener`; the address it sees the visitor come from."""
    address, port = listener.getsockname()
    with namespace.inside(netns):
        client = socket.socket()
    with client:
        client.settimeout(timeout)
        client.connect((to or address, port))
        seen, (source, _) = listener.accept()
        seen.close()
    return source


# ---- what attach makes ----------------------------------------------------------------------------------


def test_the_container_has_an_address_a_route_and_a_loopback(host):
    endpoint = host.attach("one")
    netns = host.netns("one")
    found = {link["ifname"]: link for link in ip("addr", netns=netns)}
    (inet,) = [item for item in found["eth0"]["addr_info"] if item["family"] == "inet"]
    assert (inet["local"], inet["prefixlen"]) == (endpoint["ip_address"], endpoint["prefix_length"])
    assert found["eth0"]["address"] == endpoint["mac_address"]
    assert {"UP", "LOWER_UP"} <= set(found["eth0"]["flags"])
    assert "UP" in found["lo"]["flags"]
    (default,) = [route for route in ip("route", netns=netns) if route["dst"] == "default"]
    assert default["gateway"] == endpoint["gateway"]


def test_the_host_has_a_bridge_with_the_gateway_and_a_port(host):
    endpoint = host.attach("one")
    (made,) = ip("addr", "show", "dev", host.bridge)
    assert endpoint["gateway"] in [item["local"] for item in made["addr_info"]]
    (port,) = links_named(endpoint["interface"])
    assert port["master"] == host.bridge == endpoint["bridge"]


def test_the_table_translates_the_subnet_and_the_host_forwards(host):
    host.attach("one")
    listed = run("nft", "list", "table", "inet", host.table, check=True).stdout
    assert f'elements = {{ {subnet_of(host)} comment "bridge" }}' in listed
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == "1\n"


def test_the_caller_stays_in_its_own_network_namespace(host):
    before = os.readlink("/proc/self/ns/net")
    host.attach("one")
    assert os.readlink("/proc/self/ns/net") == before


def test_attach_again_repairs_and_keeps_the_address(host):
    first = host.attach("one")
    run("nft", "delete", "table", "inet", host.table, check=True)
    run("ip", "link", "delete", host.bridge, check=True)
    assert host.attach("one") == first
    assert host.table in tables()
    assert links_named(first["interface"])[0]["master"] == host.bridge


def test_two_roots_have_different_subnets(host, tmp_path):
    other = Host(tmp_path / "other")
    try:
        one, two = host.attach("one"), other.attach("one")
        assert one["bridge"] != two["bridge"]
        assert one["ip_address"] != two["ip_address"]
    finally:
        other.detach("one")


def test_routes_are_what_ip_says():
    with netlink.open_socket() as sock:
        found = {f"{socket.inet_ntoa(n.to_bytes(4, 'big'))}/{length}" for n, length, _ in links.routes(sock)}
    shown = [route["dst"] for route in ip("-4", "route", "show", "table", "all")]
    named = {"0.0.0.0/0" if dst == "default" else dst if "/" in dst else f"{dst}/32" for dst in shown}
    assert found == named


# ---- where packets go -----------------------------------------------------------------------------------


def test_containers_of_the_bridge_reach_each_other(host):
    one, two = host.attach("one"), host.attach("two")
    with server(host.netns("two"), two["ip_address"]) as listener:
        assert visit(host.netns("one"), listener) == one["ip_address"]


@pytest.fixture
def outside(tmp_path):
    """Another machine: a namespace that knows the host as 198.51.100.1 and has no route to any container."""
    netns = str(tmp_path / "outside")
    namespace.pin(netns)
    enter = ["nsenter", f"--net={netns}"]
    run("ip", "link", "add", "mrt-out", "type", "veth", "peer", "name", "eth0", "netns", netns, check=True)
    run("ip", "addr", "add", "198.51.100.1/24", "dev", "mrt-out", check=True)
    run("ip", "link", "set", "mrt-out", "up", check=True)
    run(*enter, "ip", "addr", "add", "198.51.100.2/24", "dev", "eth0", check=True)
    run(*enter, "ip", "link", "set", "eth0", "up", check=True)
    yield netns
    run("ip", "link", "delete", "mrt-out")
    namespace.unpin(netns)


def test_outside_sees_the_hosts_address(host, outside):
    host.attach("one")
    with server(outside, "198.51.100.2") as listener:
        assert visit(host.netns("one"), listener) == "198.51.100.1"


def test_outside_cannot_reach_a_container_even_with_a_route(host, outside):
    endpoint = host.attach("one")
    run("nsenter", f"--net={outside}", "ip", "route", "add", "default", "via", "198.51.100.1", check=True)
    with server(host.netns("one"), endpoint["ip_address"]) as listener, pytest.raises(TimeoutError):
        visit(outside, listener, timeout=0.7)


# ---- coming and going -----------------------------------------------------------------------------------


def test_the_bridge_stays_until_the_last_container_goes(host):
    one, two = host.attach("one"), host.attach("two")
    host.detach("one")
    assert not links_named(one["interface"])
    assert links_named(two["interface"])
    assert host.table in tables()
    host.detach("two")
    assert not links_named(host.bridge)
    assert host.table not in tables()
    assert not os.path.exists(host.netns("two"))
    assert host.holders() == {}


def test_without_nft_detach_still_removes_the_rest(host, monkeypatch):
    host.attach("one")
    monkeypatch.setattr(programs, "find", _no_nft)
    host.detach("one")
    assert not links_named(host.bridge)
    assert host.holders() == {}
    run("nft", "delete", "table", "inet", host.table, check=True)
    run("nft", "delete", "table", "bridge", host.table, check=True)


def _no_nft(program: str, instead: str = "") -> str:
    raise UnsupportedError(f"{program} is not installed")


def test_an_address_given_back_is_given_again(host):
    first = host.attach("one")["ip_address"]
    host.attach("two")
    host.detach("one")
    assert host.attach("three")["ip_address"] == first


def test_detach_of_what_was_never_attached_or_is_gone_does_nothing(host):
    host.detach("never")
    host.attach("one")
    host.detach("one")
    host.detach("one")


def test_twenty_at_once_get_twenty_addresses_and_leave_nothing(host):
    names = [f"c{number}" for number in range(20)]
    children = [host.child("attach", name) for name in names]
    assert [child.communicate()[0] for child in children] == ["done\n"] * 20
    held = host.holders()
    assert len({holder["addresses"][0] for holder in held.values()}) == len(held) == 20
    with ThreadPoolExecutor(4) as pool:
        children = list(pool.map(lambda name: host.child("detach", name), names))
    assert [child.communicate()[0] for child in children] == ["done\n"] * 20
    assert host.holders() == {}
    assert not links_named(host.bridge)


def test_the_last_one_going_while_another_comes_leaves_a_working_bridge(host):
    for _ in range(3):
        host.attach("old")
        children = [host.child("detach", "old"), host.child("attach", "new", wait=True)]
        assert [child.stdout.readline() for child in children] == ["done\n"] * 2
        (port,) = links_named(interface_of(host, "new"))
        assert port["master"] == host.bridge
        for child in children:
            child.communicate()
        host.detach("new")


# ---- crashes ----------------------------------------------------------------------------------------------

ACTS = [
    *("unshare:1", "mount:1", "setns:1", "setns:2", "setns:3", "nft:1"),
    *(f"netlink:{number}" for number in range(1, 8)),
]


@pytest.mark.parametrize("act", ACTS)
def test_a_container_killed_in_attach_leaves_nothing_after_detach(host, act):
    child = host.child("attach", "one", fault=f"{act}:kill")
    assert child.communicate()[0] == ""
    host.detach("one")
    assert not links_named(host.bridge)
    assert host.table not in tables()


@pytest.mark.parametrize("act", ACTS)
def test_an_attach_that_failed_leaves_nothing_after_detach(host, act):
    child = host.child("attach", "one", fault=f"{act}:5")
    assert child.communicate()[0] == ""
    assert child.returncode == 1
    host.detach("one")
    assert not links_named(host.bridge)
    assert host.table not in tables()


@pytest.mark.parametrize("act", ["nft:1", "netlink:1"])
def test_a_detach_that_is_killed_can_be_done_again(host, act):
    host.attach("one")
    child = host.child("detach", "one", fault=f"{act}:kill")
    child.communicate()
    host.detach("one")
    assert not links_named(host.bridge)
    assert host.table not in tables()


def test_a_dead_shim_takes_namespace_and_veth_along(host):
    child = host.child("attach", "one", wait=True)
    assert child.stdout.readline() == "done\n"
    interface = interface_of(host, "one")
    assert links_named(interface)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    deadline = time.monotonic() + 5
    while links_named(interface) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not links_named(interface)


def test_the_address_of_a_container_that_vanished_is_given_again(host):
    first = host.attach("one")
    namespace.unpin(host.netns("one"))
    os.rmdir(host.paths.run("one"))
    assert host.attach("two")["ip_address"] == first["ip_address"]
    assert set(host.holders()) == {"two"}


# ---- what is told -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def traced(events: list[dict]):
    """The trace of a with block, appended to `events`."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        trace.start(theirs.fileno())
        try:
            yield
        finally:
            trace.on = False
            theirs.shutdown(socket.SHUT_WR)
            while event := ours.recv(65536):
                events.append(json.loads(event))


def test_every_act_says_why(host):
    events: list[dict] = []
    with traced(events):
        host.attach("one")
        host.detach("one")
    assert [event["call"] for event in events if not event.get("why")] == []


def test_the_commands_it_tells_build_the_same_network_by_hand(host):
    events: list[dict] = []
    with traced(events):
        host.attach("one")
    netns = host.netns("one")
    made = [
        ip("addr", netns=netns),
        ip("route", netns=netns),
        ports(host),
        run("nft", "list", "ruleset").stdout,
    ]
    host.detach("one")
    run("unshare", f"--net={_file(netns)}", "true", check=True)
    for event in events:
        if event["call"] == "netlink":
            run("sh", "-ec", event["args"][0], check=True)
        if event["call"] == "nft":
            run("nft", "-f", "-", input=event["args"][0], check=True)
    by_hand = [
        *(ip("addr", netns=netns), ip("route", netns=netns)),
        *(ports(host), run("nft", "list", "ruleset").stdout),
    ]
    host.attach("one")  # so that the fixture finds an owner for what is there
    assert [_essence(part) for part in by_hand] == [_essence(part) for part in made]


def ports(host: Host) -> str:
    """The bridge's ports, what they may do, and who is there for good."""
    known = run("bridge", "fdb", "show", "br", host.bridge, check=True).stdout
    stations = [line for line in known.splitlines() if line.endswith("static")]
    found = [link for link in ip("-d", "link") if link.get("master") == host.bridge]
    keys = ("state", "hairpin", "learning", "flood")
    may = [{key: link["linkinfo"]["info_slave_data"][key] for key in keys} for link in found]
    return f"{may} {stations}"


def _file(path: str) -> str:
    Path(path).touch()
    return path


def _essence(part: object) -> object:
    """What two namespaces made alike have in common: all but interface numbers and addresses not yet checked."""
    if not isinstance(part, list):
        return re.sub(r"packets \d+ bytes \d+", "", part)
    keys = ("ifname", "address", "mtu", "dst", "gateway", "prefsrc", "dev")
    return [
        {
            **{key: item[key] for key in keys if key in item},
            "inet": [info["local"] for info in item.get("addr_info", []) if info["family"] == "inet"],
        }
        for item in part
    ]


def test_a_refusal_names_the_command_and_a_hint(host, monkeypatch):
    monkeypatch.setattr(trace, "_seen", {})
    trace.start(-1, fault="netlink:1:95")
    try:
        with pytest.raises(
            UnsupportedError, match=f"ip link add {host.bridge} .*: Operation not supp"
        ) as caught:
            host.attach("one")
    finally:
        trace.start(-1)
        trace.on = False
    assert "modprobe" in caught.value.hint
