"""What `network why` makes of facts: text from the kernel, nft and ip; ledgers; and the hops judged from them."""

import os
import socket
from typing import Any

import pytest

from minirun.engine.diagnose import lookup, routes
from minirun.engine.diagnose.findings import expected_rules
from minirun.engine.diagnose.inventory import Publication
from minirun.engine.diagnose.lookup import Resolution
from minirun.engine.diagnose.probe import Probe
from minirun.engine.diagnose.routes import Route
from minirun.engine.diagnose.snapshot import Counter, Drop, Inside, Kernel, Link, Tables
from minirun.errors import UsageError
from minirun.network import listeners
from minirun.network.listeners import Listener, Owner
from minirun.teach import packet_path, path_between, path_checks, path_in, path_out
from minirun.teach.path_checks import FAIL, NONE, OK, Hop, Target

TABLE = "minirun"
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 020011AC:0050 010011AC:B3F4 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
"""
UDP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
 6987: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 0:0 00:0 0     0        0 9 2 0 0
"""
SS = """\
udp UNCONN 0      0      [::]:82 [::]:* ino:621608 sk:1014 cgroup:/ v6only:1 <->
tcp LISTEN 0      128       *:81    *:* ino:621607 sk:1015 cgroup:/ v6only:0 <->
"""


def endpoint(name: str, *addresses: str, **more: Any) -> dict[str, Any]:
    number = addresses[0].rpartition(".")[2]
    return {
        "name": name,
        "addresses": list(addresses),
        "mac": f"02:42:ac:11:00:{int(number):02x}",
        "interface": f"veth{number}",
        "inside": "eth0",
        "gateway": True,
        "ports": [],
        "aliases": [],
        **more,
    }


def network(name: str = "bridge", subnet: str = "172.17", **more: Any) -> dict[str, Any]:
    pools = [{"subnet": f"{subnet}.0.0/16", "gateway": f"{subnet}.0.1", "ip_range": "", "given": False}]
    return {"name": name, "bridge": "minirun0", "pools": pools, "internal": False, "endpoints": {}, **more}


def published(host_ip: str = "0.0.0.0", host_port: int = 8080, name: str = "web") -> Publication:
    port = {"protocol": "tcp", "host_ip": host_ip, "host_port": host_port, "container_port": 80}
    place = endpoint(name, "172.17.0.2", ports=[port])
    return Publication(network(), "1" * 64, place, port)


def link(name: str, *addresses: str, up: bool = True, master: str = "", mac: str = "") -> Link:
    return Link(name, up, "veth", master, mac, list(addresses))


def tables(elements: dict[str, str] | None = None, **more: Any) -> Tables:
    """Our tables with all rules, and these elements of published4."""
    found = {("inet", "published4", key): (value, Counter(3, 180)) for key, value in (elements or {}).items()}
    return Tables(["inet", "bridge"], "", found, expected_rules(TABLE), [])._replace(**more)


def tables_without(chain: str) -> Tables:
    """Somebody has flushed one chain."""
    return tables(rules={**expected_rules(TABLE), ("inet", chain): 0})


def kernel(*links: Link, **more: Any) -> Kernel:
    known = {one.name: one for one in links}
    nothing = Kernel(**{name: {} for name in Kernel._fields})
    whole = {"links": known, "forwarding": {4: True, 6: True}, "tables": tables(), "fdb": FDB}
    return nothing._replace(**{**whole, **more})


WEB = endpoint("web", "172.17.0.2")
FDB = {WEB["interface"]: [WEB["mac"]]}
ETH0 = link("eth0", "172.17.0.2/16", mac="02:42:ac:11:00:02")
VETH = link("veth2", master="minirun0")
BRIDGE = link("minirun0", "172.17.0.1/16")


# ---- what is asked ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("8080", ("host", 8080, "tcp")),
        (":8080", ("host", 8080, "tcp")),
        ("host:8080/udp", ("host", 8080, "udp")),
        ("localhost:80", ("127.0.0.1", 80, "tcp")),
        ("[::1]:80/UDP", ("::1", 80, "udp")),
        ("db:5432", ("db", 5432, "tcp")),
    ],
)
def test_a_target_is_read(text, target):
    assert packet_path.parse(text) == target


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("web", "no port"),
        ("", "no port"),
        ("web:", "invalid port"),
        ("web:0", "invalid port"),
        ("web:70000", "invalid port"),
        ("web:80-90", "several ports"),
        ("web:80/sctp", "invalid protocol"),
        ("::1:80", "invalid address"),
        ("[::1]", "invalid address"),
    ],
)
def test_a_target_that_is_none_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        packet_path.parse(text)


# ---- sockets ------------------------------------------------------------------------------------------------------


def test_sockets_that_listen_are_found_and_connections_are_not():
    assert list(listeners.parse("tcp", TCP)) == [Listener("tcp", "127.0.0.1", 8080, 4711, False)]


def test_a_udp_socket_without_a_peer_listens():
    assert list(listeners.parse("udp", UDP6)) == [Listener("udp", "::1", 53, 9, False)]


def test_of_who_has_a_port_also_connections_are_found():
    assert [one.inode for one in listeners.parse("tcp", TCP, connected=True)] == [4711, 4712]


@pytest.mark.parametrize(("protocol", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)])
def test_who_has_a_port_is_found(protocol, kind):
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        if protocol == "tcp":
            sock.listen()
        owner = listeners.owner_of_port(protocol, sock.getsockname()[1])
    assert owner is not None
    assert owner.pid == os.getpid()


def test_a_port_that_nobody_has_has_no_owner():
    assert listeners.owner_of_port("tcp", 0) is None


def test_no_file_is_no_socket():
    assert list(listeners.parse("tcp", "")) == []


def test_ss_tells_which_sockets_take_no_ipv4():
    assert listeners.parse_v6_only(SS) == {621608}


@pytest.mark.parametrize(
    ("own", "v6_only", "address", "heard"),
    [
        ("0.0.0.0", False, "172.17.0.2", True),
        ("0.0.0.0", False, "fd00::2", False),
        ("::", False, "172.17.0.2", True),
        ("::", True, "172.17.0.2", False),
        ("::", True, "fd00::2", True),
        ("172.17.0.2", False, "172.17.0.2", True),
        ("172.18.0.2", False, "172.17.0.2", False),
        ("::ffff:172.17.0.2", False, "172.17.0.2", True),
        ("127.0.0.1", False, "172.17.0.2", False),
    ],
)
def test_what_a_socket_hears(own, v6_only, address, heard):
    assert Listener("tcp", own, 80, 1, v6_only).hears(address) is heard


def listening(*sockets: Listener, port: int = 80) -> Hop:
    owners = {1: Owner(12, "httpd")}
    return path_checks.listening(
        "web", list(sockets), owners, Target("web", port, "tcp"), "172.17.0.2", "ask for {}"
    )


def test_a_program_that_listens_is_named():
    hop = listening(Listener("tcp", "0.0.0.0", 80, 1, False))
    assert hop[:3] == ("listening", OK, "httpd (pid 12) listens at 0.0.0.0:80/tcp")


def test_one_of_loopback_alone_is_told_to_listen_everywhere():
    hop = listening(Listener("tcp", "127.0.0.1", 80, 1, False))
    assert hop.status == FAIL
    assert "127.0.0.1:80/tcp only" in hop.found
    assert hop.advice.startswith("have it listen at 0.0.0.0")


def test_one_of_ipv6_alone_is_told_so():
    hop = listening(Listener("tcp", "::", 80, 1, True))
    assert (hop.status, "takes no IPv4" in hop.found) == (FAIL, True)


def test_one_at_another_address_is_told_where_the_packet_goes():
    hop = listening(Listener("tcp", "172.18.0.2", 80, 1, False))
    assert (hop.status, "172.17.0.2" in hop.advice) == (FAIL, True)


def test_where_nobody_listens_it_is_said_what_does():
    hop = listening(Listener("tcp", "0.0.0.0", 8000, 1, False), Listener("udp", "0.0.0.0", 80, 2, False))
    assert hop.found.endswith("what does listen: httpd (pid 12) at 0.0.0.0:8000/tcp")
    assert hop.advice == "have it listen at 80, or ask for 8000"


def test_where_nothing_listens_at_all_the_log_may_tell():
    assert "log" in listening().advice


# ---- the container ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("running", ""),
        ("paused", "minirun unpause web"),
        ("restarting", "minirun logs web"),
        ("created", "minirun start web"),
        ("exited", "minirun start web"),
    ],
)
def test_a_container_that_does_not_run_is_helped(status, advice):
    record: Any = {"name": "web", "state": {"status": status, "pid": 7, "exit_code": 1}}
    assert path_checks.running(record, alive=True).advice == advice


def test_a_container_whose_process_is_gone_does_not_run():
    record: Any = {"name": "web", "state": {"status": "running", "pid": 7, "exit_code": 0}}
    assert path_checks.running(record, alive=False).status == FAIL


def address_hop(inside: Inside | None, *, way_back: bool = True) -> Hop:
    return path_checks.address(network(), WEB, inside, way_back=way_back)


def test_an_interface_that_is_as_it_should_be():
    assert address_hop(Inside({"eth0": ETH0}, "eth0")).status == OK


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        (None, "there is no eth0"),
        (Inside({}, ""), "there is no eth0"),
        (Inside({"eth0": ETH0._replace(up=False)}, "eth0"), "is down"),
        (Inside({"eth0": ETH0._replace(addresses=[])}, "eth0"), "has not the address 172.17.0.2/16"),
        (Inside({"eth0": ETH0._replace(mac="02:00:00:00:00:99")}, "eth0"), "hardware address"),
        (Inside({"eth0": ETH0}, ""), "no default route"),
    ],
)
def test_what_is_wrong_with_an_interface_is_said(inside, said):
    hop = address_hop(inside)
    assert (hop.status, said in hop.found) == (FAIL, True)


def test_for_neighbours_no_default_route_is_needed():
    assert address_hop(Inside({"eth0": ETH0}, ""), way_back=False).status == OK


# ---- the host's part ----------------------------------------------------------------------------------------------


def test_a_veth_in_its_bridge():
    assert path_checks.veth(network(), [WEB], kernel(VETH, BRIDGE)).status == OK


@pytest.mark.parametrize(
    ("links", "said", "advice"),
    [
        ([BRIDGE], "is missing", "minirun restart web"),
        ([VETH._replace(up=False), BRIDGE], "is down", "ip link set veth2 up"),
        (
            [VETH._replace(master=""), BRIDGE],
            "is no port",
            "ip link set veth2 master minirun0; ip link set veth2 type bridge_slave learning off flood off; "
            "bridge fdb replace 02:42:ac:11:00:02 dev veth2 master static sticky",
        ),
        ([VETH], "the bridge minirun0 is missing", "minirun restart web"),
        ([VETH, BRIDGE._replace(up=False)], "the bridge minirun0 is down", "ip link set minirun0 up"),
        (
            [VETH, BRIDGE._replace(addresses=[])],
            "gateway's address",
            "ip address add 172.17.0.1/16 dev minirun0",
        ),
    ],
)
def test_what_is_wrong_with_a_veth_is_said(links, said, advice):
    hop = path_checks.veth(network(), [WEB], kernel(*links))
    assert (hop.status, hop.advice) == (FAIL, advice)
    assert said in hop.found


def test_a_bridge_that_does_not_know_where_a_container_is_is_told():
    hop = path_checks.veth(network(), [WEB], kernel(VETH, BRIDGE, fdb={}))
    assert hop.found == "the bridge minirun0 does not know 02:42:ac:11:00:02 at veth2"
    assert hop.advice == "bridge fdb replace 02:42:ac:11:00:02 dev veth2 master static sticky"


def test_a_rule_that_leads_there_is_shown_with_its_counter():
    hop = path_checks.rule(published(), tables({"tcp . 8080": "172.17.0.2 . 80"}), TABLE)
    assert (hop.status, hop.found) == (
        OK,
        "map published4 leads 8080/tcp to 172.17.0.2:80; 3 connections came this way",
    )


def test_a_rule_for_one_address_is_looked_for_in_its_own_map():
    hop = path_checks.rule(published("192.0.2.2"), tables(), TABLE)
    assert "map published_at4 of table inet minirun has no 192.0.2.2 . tcp . 8080" in hop.found


def test_a_rule_that_leads_elsewhere_fails():
    hop = path_checks.rule(published(), tables({"tcp . 8080": "172.17.0.9 . 80"}), TABLE)
    assert (hop.status, "172.17.0.9:80, not to 172.17.0.2:80" in hop.found) == (FAIL, True)


@pytest.mark.parametrize(
    ("found", "said", "advice"),
    [
        (tables(families=["bridge"], rules={}), "is missing", "minirun network ls"),
        (tables(problem="nft: no"), "cannot be read", "apt-get install nftables"),
        (tables(rules={}), "has 0 rules", "minirun network ls"),
        (tables_without("published"), "has 0 rules", "nft delete table inet minirun; minirun network ls"),
        (tables(), "has no tcp . 8080", "minirun restart web"),
    ],
)
def test_what_is_wrong_with_the_table_is_said(found, said, advice):
    hop = path_checks.rule(published(), found, TABLE)
    assert (hop.status, hop.advice) == (FAIL, advice)
    assert said in hop.found


def test_masquerading_needs_the_subnet_in_its_set():
    found = tables()._replace(elements={("inet", "subnets4", "172.17.0.0/16"): ("", None)})
    assert path_checks.masquerade(network(), found, TABLE, "web").status == OK
    assert path_checks.masquerade(network(), tables(), TABLE, "web").status == FAIL


def test_forwarding_is_needed_of_the_same_family():
    only4 = kernel(forwarding={4: True, 6: False})
    assert path_checks.forwarding(only4, "172.17.0.2", [], "minirun0").status == OK
    hop = path_checks.forwarding(only4, "fd00::2", [], "minirun0")
    assert (hop.status, hop.advice) == (FAIL, "sysctl -w net.ipv6.conf.all.forwarding=1")


def test_iptables_and_others_have_commands_of_their_own():
    iptables = path_checks.forwarding(kernel(), "172.17.0.2", ["ip filter FORWARD"], "minirun0")
    other = path_checks.forwarding(kernel(), "172.17.0.2", ["inet lan fw"], "minirun0")
    assert iptables.advice.startswith("iptables -I FORWARD -i minirun0")
    assert other.advice.startswith("nft insert rule inet lan fw iifname")


@pytest.mark.parametrize(
    ("route", "status"),
    [
        (Route("minirun0", "", ""), OK),
        (Route("tun0", "10.8.0.1", ""), FAIL),
        (Route("", "", "Network is unreachable"), FAIL),
    ],
)
def test_the_hosts_route_goes_by_the_bridge(route, status):
    assert path_checks.route(network(), "172.17.0.2", route).status == status


def chain(table: str, policy: str = "drop", family: str = "inet", hook: str = "forward") -> dict[str, Any]:
    return {"chain": {"family": family, "table": table, "name": "fw", "hook": hook, "policy": policy}}


def rule_of(table: str, interface: str) -> dict[str, Any]:
    match = {"match": {"left": {"meta": {"key": "iifname"}}, "right": interface}}
    return {"rule": {"family": "inet", "table": table, "chain": "fw", "expr": [match]}}


@pytest.mark.parametrize(
    ("resolution", "found"),
    [
        ([chain("lan")], ["inet lan fw"]),
        ([chain("lan"), rule_of("lan", "eth1")], ["inet lan fw"]),
        ([chain("lan"), rule_of("lan", "minirun0")], []),
        ([chain("lan"), rule_of("lan", "minirun*")], []),
        ([chain("lan"), rule_of("other", "minirun0")], ["inet lan fw"]),
        ([chain("lan", policy="accept")], []),
        ([chain("lan", hook="input")], []),
        ([chain("lan", family="ip6")], []),
    ],
)
def test_whose_chain_drops_what_is_forwarded(resolution, found):
    assert routes.dropping_of(resolution, "minirun0", "172.17.0.2") == found


def test_a_route_is_read():
    assert routes.route_of([{"dst": "1.1.1.1", "gateway": "192.0.2.1", "dev": "eth0"}])[:2] == (
        "eth0",
        "192.0.2.1",
    )
    assert routes.route_of([{"type": "unreachable"}]).problem


# ---- who publishes it ---------------------------------------------------------------------------------------------


def test_a_port_published_everywhere_is_found_at_every_address():
    known = [published("127.0.0.1"), published()]
    assert path_in.published_at(known, Target("", 8080, "tcp"), "") == known[1]
    assert path_in.published_at(known[1:], Target("", 8080, "tcp"), "198.51.100.1") == known[1]


def test_a_port_published_at_one_address_is_not_found_at_another():
    assert path_in.published_at([published("127.0.0.1")], Target("", 8080, "tcp"), "198.51.100.1") is None
    assert path_in.published_at([published()], Target("", 8080, "tcp"), "::1") is None


def test_another_port_or_protocol_is_another():
    assert path_in.published_at([published()], Target("", 80, "tcp"), "") is None
    assert path_in.published_at([published()], Target("", 8080, "udp"), "") is None


# ---- networks and names -------------------------------------------------------------------------------------------


def place(name: str, subnet: str, own: str, container: str = "x") -> Any:
    return network(name, subnet), endpoint(container, own)


def test_a_common_network_is_rather_one_with_names():
    ours = [place("bridge", "172.17", "172.17.0.2"), place("lab", "172.18", "172.18.0.2")]
    theirs = [place("bridge", "172.17", "172.17.0.3"), place("lab", "172.18", "172.18.0.3")]
    assert [one[0]["name"] for one in path_between.shared(ours, theirs)] == ["lab", "bridge"]
    assert path_between.network_hop(("app", "db"), ours, theirs).status == OK


def test_a_network_that_keeps_its_containers_apart_is_none_in_common():
    apart = {"com.docker.network.bridge.enable_icc": "false"}
    ours, theirs = [place("lab", "172.18", "172.18.0.2")], [place("lab", "172.18", "172.18.0.3")]
    for network_, _ in (*ours, *theirs):
        network_["options"] = apart
    hop = path_between.network_hop(("app", "db"), ours, theirs)
    assert (hop.status, "keeps its containers apart" in hop.found) == (FAIL, True)


@pytest.mark.parametrize(
    ("ours", "theirs", "advice"),
    [
        ("lab", "back", "minirun network connect back app"),
        ("bridge", "back", "minirun network connect back app"),
        ("lab", "bridge", "minirun network connect lab db"),
    ],
)
def test_without_a_common_network_the_command_is_given(ours, theirs, advice):
    own, other = [place(ours, "172.18", "172.18.0.2")], [place(theirs, "172.19", "172.19.0.2")]
    hop = path_between.network_hop(("app", "db"), own, other)
    assert (hop.status, hop.advice) == (FAIL, advice)


def common(name: str = "lab") -> Any:
    return [(network(name, "172.18"), endpoint("app", "172.18.0.2"), endpoint("db", "172.18.0.3"))]


@pytest.mark.parametrize(
    ("resolution", "status"),
    [
        (Resolution("db", lookup.KNOWN, "172.18.0.3", "172.18.0.1 says so"), OK),
        (Resolution("172.18.0.3", lookup.LITERAL, "172.18.0.3", "an address"), NONE),
        (Resolution("db", lookup.KNOWN, "192.0.2.9", "its /etc/hosts says so"), FAIL),
        (Resolution("db", lookup.DEAD, "", "is dead"), FAIL),
        (Resolution("db", lookup.UNKNOWN, "", "172.18.0.1 says NXDOMAIN"), FAIL),
    ],
)
def test_a_name_has_to_lead_to_the_container(resolution, status):
    assert path_between.name_hop("db", resolution, common()).status == status


def test_on_the_default_network_the_address_is_given():
    resolution = Resolution("db", lookup.NAMELESS, "", "no names")
    assert path_between.name_hop("db", resolution, common("bridge")).advice.endswith(
        "use the address 172.18.0.3"
    )


def test_a_hosts_file_is_read_as_the_resolver_reads_it():
    text = "# db\n127.0.0.1 localhost\n172.18.0.9\tDB old # db2\n::1 db\nnonsense db\n"
    assert lookup.in_hosts(text, "db") == ["172.18.0.9"]
    assert lookup.in_hosts(text, "db2") == []


def test_a_hosts_file_may_hold_anything():
    assert lookup.in_hosts("1.2.3.4\0 db\n\ufffd db\n1.2.3.4%eth0 db\n", "db") == []


def test_internal_networks_have_no_way_out():
    closed = (network("vault", internal=True), endpoint("safe", "172.19.0.2"))
    hop = path_out.internal("safe", [closed])
    assert hop is not None
    assert hop.advice == "minirun network connect bridge safe"
    assert path_out.internal("safe", [closed, place("lab", "172.18", "172.18.0.2")]) is None


# ---- the end ------------------------------------------------------------------------------------------------------


def test_rules_that_drop_during_a_probe_are_named():
    before = [Drop("bridge", "prerouting", "not its address", Counter(4, 0))]
    after = [
        Drop("bridge", "prerouting", "not its address", Counter(4, 0)),
        Drop("inet", "forward", "", Counter(2, 0)),
    ]
    grown = path_checks.increase(before, after)
    assert grown == [("the inet table's chain forward", 2)]
    hop = path_checks.probe("app", "172.18.0.3:80", Probe(False, "no answer"), grown, "minirun0")
    assert hop.found.endswith("meanwhile the inet table's chain forward has dropped 2")


def walked(*statuses: str) -> list[Hop]:
    return [Hop(f"hop{number}", status, "") for number, status in enumerate(statuses, 1)]


def test_a_way_without_a_failed_hop_is_free():
    assert path_checks.verdict(walked(OK, NONE, OK)) == "The way is free."


def test_the_first_failed_hop_is_the_end_and_others_are_named():
    assert (
        path_checks.verdict(walked(OK, FAIL, OK, FAIL)) == "The way ends at hop 2, hop2.  Look at hop4, too."
    )


def test_a_probe_that_got_through_is_mentioned():
    assert path_checks.verdict([*walked(FAIL), Hop(path_checks.PROBE, OK, "")]).endswith(
        "The probe got through all the same."
    )


def test_after_a_failed_hop_the_probe_has_no_advice():
    way = [Hop("veth", FAIL, "", "up"), Hop(path_checks.PROBE, FAIL, "", "tcpdump")]
    assert [hop.advice for hop in packet_path._brief(way)] == ["up", ""]
    assert [hop.advice for hop in packet_path._brief(way[1:])] == ["tcpdump"]
