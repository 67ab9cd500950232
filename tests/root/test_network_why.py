"""`minirun network why`, with real containers on a host of their own, where things are broken one at a time."""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import netlab
from tests.containers import eventually
from tests.netlab import ElsewhereMinirun, Machine, Servers
from tests.support import Minirun, Result, run

PUBLISHED = ["published", "running", "listening", "address", "veth", "rule", "forwarding", "route", "probe"]
ACROSS = [
    "running",
    "running",
    "network",
    "name",
    "listening",
    "address",
    "address",
    "veth",
    "forwarding",
    "probe",
]
OUT = ["running", "name", "way out", "address", "veth", "masquerade", "forwarding", "route", "probe"]


@dataclass
class Walk:
    """What `network why --format json` says."""

    code: int
    hops: list[dict[str, str]]

    @property
    def names(self) -> list[str]:
        return [hop["Hop"] for hop in self.hops]

    @property
    def failed(self) -> list[str]:
        return [hop["Hop"] for hop in self.hops if hop["Status"] == "fail"]

    def __getitem__(self, name: str) -> dict[str, str]:
        """The first hop of that name that failed, else the first of that name."""
        named = [hop for hop in self.hops if hop["Hop"] == name]
        return next((hop for hop in named if hop["Status"] == "fail"), named[0])


@dataclass
class Lab:
    """A host in a network namespace of its own, a machine beside it, and what there is on it."""

    minirun: ElsewhereMinirun
    machine: Machine
    networks: list[str] = field(default_factory=list)

    def inside(self, *words: str) -> Result:
        """A command in the host's network namespace."""
        return run("nsenter", f"--net={self.minirun.where}", *words, check=True)

    def network(self, name: str, *words: str) -> None:
        self.minirun("network", "create", *words, name, check=True)
        self.networks.append(name)

    def start(self, name: str, *words: str, command: str = "sleep 1000") -> int:
        """A container; its pid."""
        self.minirun("run", "-d", "--name", name, *words, "busybox", *command.split(), check=True)
        return int(self.minirun("inspect", "-f", "{{.State.Pid}}", name, check=True).stdout)

    def web(self, *words: str, command: str = "httpd -f -p 80") -> int:
        """A container that publishes 80 at 8080, and listens as `command` says."""
        pid = self.start("web", "-p", "8080:80", *words, command=command)
        eventually(lambda: ":" in listening_sockets(pid) or "httpd" not in command)
        return pid

    def why(self, *words: str) -> Walk:
        done = self.minirun("network", "why", "--format", "json", *words)
        return Walk(done.code, [json.loads(line) for line in done.stdout.splitlines()])

    def follow(self, advice: str) -> None:
        """What is advised, typed as it stands; a restart does not wait."""
        for words in map(shlex.split, advice.split("; ")):
            if words[0] == "minirun":
                self.minirun(*words[1:], *(["-t", "0"] if words[1] == "restart" else []), check=True)
            else:
                self.inside(*words)

    @property
    def table(self) -> str:
        listed = json.loads(self.inside("nft", "-j", "list", "tables").stdout)["nftables"]
        return next(item["table"]["name"] for item in listed if "table" in item)


def listening_sockets(pid: int) -> str:
    lines = [*_lines(f"/proc/{pid}/net/tcp"), *_lines(f"/proc/{pid}/net/tcp6")]
    return "\n".join(line for line in lines if " 0A " in line)


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


@pytest.fixture
def lab(minirun: Minirun, tmp_path: Path) -> Iterator[Lab]:
    with netlab.host(minirun, tmp_path) as (elsewhere, machine):
        made = Lab(elsewhere, machine)
        yield made
        elsewhere.remove_all()
        for name in made.networks:
            elsewhere("network", "rm", name, check=True)


@contextmanager
def servers(name: str, pid: int, port: int) -> Iterator[None]:
    """TCP and UDP sockets in a container's namespace, which the test holds."""
    with Servers() as made:
        made.add(name, f"/proc/{pid}/ns/net", port)
        yield


# ---- to a published port ------------------------------------------------------------------------------------------


def test_the_way_to_a_published_port_is_free(lab):
    lab.web()
    walk = lab.why("host:8080")
    assert (walk.code, walk.failed, walk.names) == (0, [], PUBLISHED)
    assert "198.51.109.1:8080: connected" in walk["probe"]["Found"]


def test_the_counter_of_the_rule_is_shown(lab):
    lab.web()
    lab.why("host:8080")
    assert "1 connection came this way" in lab.why("8080")["rule"]["Found"]


def test_localhost_needs_no_forwarding(lab):
    lab.web()
    lab.inside("sysctl", "-qw", "net.ipv4.ip_forward=0")
    walk = lab.why("localhost:8080")
    assert (walk.code, walk["localhost"]["Status"]) == (0, "ok")


def test_ipv6_leads_to_a_container_that_has_it(lab):
    lab.network("six", "--ipv6")
    lab.web("--network", "six")
    walk = lab.why("[::1]:8080")
    assert walk.code == 0
    assert "published6" in walk["rule"]["Found"]


def test_ipv6_is_not_published_without(lab):
    lab.web()
    assert "has no IPv6" in lab.why("[::1]:8080")["published"]["Advice"]


def test_bridged_ipv6_loses_the_answer_for_localhost(lab):
    lab.network("six", "--ipv6")
    lab.web("--network", "six")
    lab.inside("sysctl", "-qw", "net.bridge.bridge-nf-call-ip6tables=1")
    assert lab.why("[::1]:8080").failed == ["localhost", "probe"]


def test_udp_that_is_not_refused_is_free(lab):
    pid = lab.start("dns", "-p", "5353:53/udp")
    with servers("dns", pid, 53):
        walk = lab.why("host:5353/udp")
    assert (walk.code, walk.failed) == (0, [])
    assert lab.why("host:5353/udp").failed == ["listening", "probe"]


def test_nobody_listens_inside(lab):
    lab.web(command="sleep 1000")
    walk = lab.why("host:8080")
    assert (walk.code, walk.failed) == (1, ["listening", "probe"])
    assert "nothing in web listens at 80/tcp" in walk["listening"]["Found"]
    assert "refused" in walk["probe"]["Found"]


def test_somebody_listens_at_another_port(lab):
    lab.web(command="httpd -f -p 81")
    walk = lab.why("host:8080")
    assert "httpd" in walk["listening"]["Found"]
    assert walk["listening"]["Advice"].endswith("-p 8080:81")


def test_somebody_listens_at_its_own_loopback_only(lab):
    lab.web(command="httpd -f -p 127.0.0.1:80")
    walk = lab.why("host:8080")
    assert walk.failed == ["listening", "probe"]
    assert "127.0.0.1:80/tcp only" in walk["listening"]["Found"]


def test_a_paused_container_takes_connections_and_does_not_answer(lab):
    lab.web()
    lab.minirun("pause", "web", check=True)
    walk = lab.why("host:8080")
    lab.minirun("unpause", "web", check=True)
    assert (walk.failed, walk["running"]["Advice"]) == (["running"], "minirun unpause web")


def test_a_container_whose_shim_was_killed_is_found_dead(lab):
    pid = lab.web()
    os.kill(pid_of_parent(pid), signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{pid}").exists())
    assert lab.why("host:8080").failed == ["running"]


def pid_of_parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_an_element_that_was_deleted_is_missed(lab):
    lab.web()
    lab.inside("nft", "delete", "element", "inet", lab.table, "published4", "{ tcp . 8080 }")
    walk = lab.why("host:8080")
    assert (walk.failed, walk["probe"]["Status"]) == (["rule"], "none")
    lab.follow(walk["rule"]["Advice"])
    assert eventually(lambda: lab.why("host:8080").code == 0)


@pytest.mark.parametrize(
    "verb", ["delete table inet TABLE", "flush table inet TABLE", "flush chain inet TABLE published"]
)
def test_what_is_advised_for_the_table_repairs_it(lab, verb):
    lab.web()
    lab.start("other")
    lab.inside("nft", *verb.replace("TABLE", lab.table).split())
    walk = lab.why("host:8080")
    assert walk.failed == ["rule"]
    lab.follow(walk["rule"]["Advice"])
    assert lab.why("host:8080").code == 0


def test_a_veth_that_is_down(lab):
    lab.web()
    link = next(name for name in links(lab) if name.startswith("veth"))
    lab.inside("ip", "link", "set", link, "down")
    walk = lab.why("host:8080")
    assert walk.failed == ["veth", "probe"]
    assert walk["veth"]["Advice"] == f"ip link set {link} up"


def links(lab: Lab) -> list[str]:
    return [link["ifname"] for link in json.loads(lab.inside("ip", "-j", "link").stdout)]


def test_a_container_that_lost_its_default_route(lab):
    pid = lab.web()
    run("nsenter", f"--net=/proc/{pid}/ns/net", "ip", "route", "delete", "default", check=True)
    assert "no default route" in lab.why("host:8080")["address"]["Found"]
    assert lab.why("localhost:8080").code == 0


def test_without_forwarding_only_the_host_gets_through(lab):
    lab.web()
    lab.inside("sysctl", "-qw", "net.ipv4.ip_forward=0")
    walk = lab.why("host:8080")
    assert (walk.failed, walk["probe"]["Status"]) == (["forwarding"], "ok")
    assert netlab.visit(lab.machine.where, lab.machine.host[0], 8080) == ""


def test_another_table_drops_what_is_forwarded(lab):
    lab.web()
    lab.inside(
        "nft",
        "add table inet lan; add chain inet lan fw { type filter hook forward priority 0; policy drop; }",
    )
    walk = lab.why("host:8080")
    assert walk.failed == ["forwarding"]
    assert "chain inet lan fw" in walk["forwarding"]["Found"]
    for side in ("iifname", "oifname"):  # the default bridge is called as the table is
        lab.inside("nft", "insert", "rule", "inet", "lan", "fw", side, lab.table, "accept")
    assert lab.why("host:8080").code == 0


def test_iptables_that_drops_by_policy_since_we_came(lab):
    lab.web()
    lab.inside("iptables", "-P", "FORWARD", "DROP")
    walk = lab.why("host:8080")
    assert walk.failed == ["forwarding"]
    assert walk["forwarding"]["Advice"].startswith("iptables -I FORWARD -i minirun")


def test_without_route_localnet_localhost_gets_no_answer(lab):
    lab.web()
    lab.inside("sysctl", "-qw", f"net.ipv4.conf.{lab.table}.route_localnet=0")
    assert lab.why("localhost:8080").failed == ["localhost", "probe"]


def test_another_route_takes_the_packets_away(lab):
    lab.web()
    address = address_of(lab, "web", "bridge")
    lab.inside("ip", "route", "add", f"{address}/32", "via", lab.machine.addresses[0])
    walk = lab.why("host:8080")
    assert walk.failed == ["route", "probe"]
    assert "goes by mrt-wire9" in walk["route"]["Found"]


# ---- nobody publishes it ------------------------------------------------------------------------------------------


def test_a_port_that_nobody_publishes(lab):
    walk = lab.why("host:8080")
    assert (walk.code, walk.names) == (1, ["published"])


def test_a_container_that_listens_without_publishing_is_named(lab):
    pid = lab.start("web", command="httpd -f -p 8080")
    eventually(lambda: listening_sockets(pid))
    walk = lab.why("host:8080")
    assert "web listens there inside, but does not publish it" in walk["published"]["Found"]


def test_a_container_that_would_publish_it_is_named(lab):
    lab.minirun("create", "--name", "web", "-p", "8080:80", "busybox", "true", check=True)
    assert lab.why("host:8080")["published"]["Advice"] == "minirun start web"


def test_the_container_port_is_not_the_hosts(lab):
    lab.web()
    assert lab.why("host:80")["published"]["Advice"] == "ask for port 8080"


def test_a_program_of_the_host_is_named(lab):
    with Servers() as made:
        made.add("somebody", lab.minirun.where, 8080)
        walk = lab.why("host:8080")
    assert f"(pid {os.getpid()}) of this host has that port" in walk["published"]["Found"]


def test_a_port_published_at_another_address(lab):
    lab.start("web", "-p", "127.0.0.1:8080:80")
    assert "127.0.0.1:8080, for this host alone only" in lab.why("198.51.109.1:8080")["published"]["Found"]


def test_an_address_that_is_not_the_hosts(lab):
    assert "no address of this host" in lab.why("192.0.2.77:8080")["published"]["Found"]


def test_a_container_with_the_hosts_network_publishes_nothing(lab):
    pid = lab.start("web", "--network", "host", command="httpd -f -p 8080")
    eventually(lambda: listening_sockets(pid))
    walk = lab.why("host:8080")
    assert (walk.code, walk["published"]["Status"]) == (0, "none")


def test_a_container_on_internal_networks_publishes_nothing(lab):
    lab.network("vault", "--internal")
    lab.web("--network", "vault")
    assert "on no network that leads out" in lab.why("host:8080")["published"]["Found"]


# ---- from container to container ----------------------------------------------------------------------------------


@pytest.fixture
def pair(lab: Lab) -> Lab:
    """app and db on one network; db listens at 80."""
    lab.network("lab")
    lab.start("app", "--network", "lab")
    pid = lab.start("db", "--network", "lab", "--network-alias", "store", command="httpd -f -p 80")
    eventually(lambda: listening_sockets(pid))
    return lab


@pytest.mark.parametrize("name", ["db", "store", "db.lab"])
def test_the_way_to_a_neighbour_is_free(pair, name):
    walk = pair.why("app", f"{name}:80")
    assert (walk.code, walk.failed, walk.names) == (0, [], ACROSS)


def test_a_neighbour_by_its_address(pair):
    walk = pair.why("app", f"{address_of(pair, 'db', 'lab')}:80")
    assert (walk.code, walk["name"]["Status"]) == (0, "none")


def address_of(lab: Lab, name: str, network: str) -> str:
    form = f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}'
    return lab.minirun("inspect", "-f", form, name, check=True).stdout.strip()


def test_a_neighbour_that_listens_elsewhere(pair):
    walk = pair.why("app", "db:5432")
    assert walk.failed == ["listening", "probe"]
    assert walk["listening"]["Advice"].endswith("ask for db:80")


def test_containers_without_a_common_network_and_what_is_advised(pair):
    pair.network("back")
    pair.start("far", "--network", "back", command="httpd -f -p 80")
    walk = pair.why("app", "far:80")
    assert (walk.failed, walk["network"]["Advice"]) == (["network"], "minirun network connect back app")
    pair.minirun(*walk["network"]["Advice"].split()[1:], check=True)
    assert eventually(lambda: pair.why("app", "far:80").code == 0)


def test_the_default_network_has_no_names_but_addresses(lab):
    lab.start("app")
    lab.web()
    walk = lab.why("app", "web:80")
    assert (walk.failed, walk["probe"]["Status"]) == (["name"], "ok")
    assert "use the address" in walk["name"]["Advice"]


def test_a_name_server_that_was_killed(pair):
    lock = pair.minirun.root / "networks" / "lab.lock"
    os.kill(int(lock.read_text()), signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{lock.read_text().strip()}").exists())
    walk = pair.why("app", "db:80")
    assert (walk.failed, walk["probe"]["Status"]) == (["name"], "ok")
    pair.minirun("network", "ls", check=True)
    assert eventually(lambda: pair.why("app", "db:80").code == 0)


def test_a_hosts_file_that_leads_elsewhere(pair):
    pair.minirun("exec", "app", "sh", "-c", "echo 192.0.2.9 db >> /etc/hosts", check=True)
    walk = pair.why("app", "db:80")
    assert walk.failed == ["name"]
    assert "/etc/hosts says 192.0.2.9" in walk["name"]["Found"]


def test_one_that_speaks_with_another_hardware_address_is_dropped(pair):
    pid = pair.minirun("inspect", "-f", "{{.State.Pid}}", "app", check=True).stdout.strip()
    change = ("ip", "link", "set", "eth0", "address", "02:00:00:00:00:99")
    run("nsenter", f"--net=/proc/{pid}/ns/net", *change, check=True)
    walk = pair.why("app", "db:80")
    assert walk.failed == ["name", "address", "probe"]
    assert "not its hardware address" in walk["probe"]["Found"]


def test_containers_in_one_network_namespace_meet_at_localhost(lab):
    lab.web(command="httpd -f -p 127.0.0.1:80")
    lab.start("side", "--network", "container:web")
    walk = lab.why("side", "web:80")
    assert (walk.code, walk.names) == (0, ["running", "running", "network", "listening", "probe"])


@pytest.mark.parametrize("words", [("lonely", "db:80"), ("app", "lonely:80"), ("lonely:80",)])
def test_a_container_without_a_network_reaches_nothing(pair, words):
    pair.start("lonely", "--network", "none")
    assert pair.why(*words).failed == ["network"]


def test_the_host_reaches_every_container(pair):
    walk = pair.why("db:80")
    assert (walk.code, walk.failed) == (0, [])


# ---- from a container to the host and elsewhere -------------------------------------------------------------------


def test_a_container_reaches_what_another_publishes(pair):
    pair.web()
    walk = pair.why("app", "host:8080")
    assert (walk.code, walk.failed) == (0, [])
    assert "web publishes" in walk["published"]["Found"]


def test_a_program_of_the_host_is_reached_at_the_gateway(pair):
    with Servers() as made:
        made.add("host", pair.minirun.where, 8090)
        assert pair.why("app", "host:8090").code == 0
    assert pair.why("app", "host:8090").failed == ["listening", "probe"]


def test_localhost_is_the_containers_own(pair):
    assert pair.why("app", "localhost:80").failed == ["way out"]


def test_another_machine_is_reached(pair):
    with Servers() as made:
        made.add("machine", pair.machine.where, 443)
        walk = pair.why("app", f"{pair.machine.addresses[0]}:443")
    assert (walk.code, walk.failed, walk.names) == (0, [], OUT)


def test_another_machine_that_refuses(pair):
    assert pair.why("app", f"{pair.machine.addresses[0]}:443").failed == ["probe"]


def test_the_host_has_no_route_there(pair):
    assert pair.why("app", "192.0.2.77:443").failed == ["route", "probe"]


def test_an_internal_network_has_no_way_out(lab):
    lab.network("vault", "--internal")
    lab.start("safe", "--network", "vault")
    walk = lab.why("safe", f"{lab.machine.addresses[0]}:443")
    assert (walk.failed, walk["way out"]["Advice"]) == (["way out"], "minirun network connect bridge safe")


@pytest.mark.parametrize(
    "verb", ["flush table inet TABLE", "flush chain inet TABLE postrouting", "flush set inet TABLE subnets4"]
)
def test_what_is_advised_for_masquerading_repairs_it(pair, verb):
    where = f"{pair.machine.addresses[0]}:443"
    pair.inside("nft", *verb.replace("TABLE", pair.table).split())
    with Servers() as made:
        made.add("machine", pair.machine.where, 443)
        walk = pair.why("app", where)
        assert "masquerade" in walk.failed
        pair.follow(walk["masquerade"]["Advice"])
        assert pair.why("app", where).code == 0


# ---- the command --------------------------------------------------------------------------------------------------


def test_words_and_marks_and_a_verdict(lab):
    lab.web(command="sleep 1000")
    done = lab.minirun("network", "why", "host:8080")
    assert done.code == 1
    assert done.stdout.startswith("✓ published    web publishes its 80/tcp at 0.0.0.0:8080\n✓ running ")
    assert "\n✗ listening    nothing in web listens at 80/tcp\n               -> " in done.stdout
    assert done.stdout.endswith("\n\nThe way ends at hop 3, listening.\n")


def test_nothing_is_changed(lab):
    lab.web()
    before = lab.inside("nft", "-s", "list", "ruleset").stdout, lab.inside("ip", "address").stdout
    lab.why("host:8080")
    assert before == (lab.inside("nft", "-s", "list", "ruleset").stdout, lab.inside("ip", "address").stdout)


@pytest.mark.parametrize("words", [("nobody:80",), ("nobody", "db:80")])
def test_an_unknown_container(lab, words):
    done = lab.minirun("network", "why", *words)
    assert (done.code, done.stdout) == (1, "")
    assert "No such container: nobody" in done.stderr


@pytest.mark.parametrize("words", [("host",), ("host:0",), ("host:70000",), ("a", "b", "c:80"), ()])
def test_wrong_words(lab, words):
    done = lab.minirun("network", "why", *words)
    assert done.code in (1, 2)
    assert (done.stdout, bool(done.stderr)) == ("", True)
