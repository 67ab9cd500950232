"""What the network map finds: ledger and kernel held against each other, both hand-made."""

from typing import Any

import pytest

from minirun.engine.diagnose import findings, netmap, snapshot
from minirun.engine.diagnose.netmap import Map
from minirun.engine.diagnose.snapshot import Counter, Inside, Kernel, Link, Tables
from minirun.errors import NotFoundError, UsageError
from minirun.network import firewall
from minirun.paths import Paths

TABLE = "minirun"
WEB, API = "a" * 64, "b" * 64


def endpoint(name: str, last: int, **others: Any) -> Any:
    return {
        "id": "e" * 64,
        "name": name,
        "run": "/run/x",
        "aliases": [],
        "nameservers": [],
        "addresses": [f"172.18.0.{last}"],
        "mac": f"02:42:ac:12:00:0{last}",
        "interface": f"vethac12000{last}",
        "inside": "eth0",
        "gateway": True,
        "ports": [],
        "joining": False,
        **others,
    }


def network(**others: Any) -> Any:
    return {
        "id": "1" * 64,
        "name": "shop",
        "created": "",
        "internal": False,
        "labels": {},
        "options": {},
        "bridge": "mr-111111111111",
        "pools": [{"subnet": "172.18.0.0/16", "gateway": "172.18.0.1", "ip_range": "", "given": False}],
        "dns_port": 4000,
        "foreign_firewalls": [],
        "endpoints": {WEB: endpoint("web", 2, ports=[PORT]), API: endpoint("api", 3)},
        **others,
    }


PORT = {"protocol": "tcp", "host_ip": "0.0.0.0", "host_port": 8080, "container_port": 80}
PUBLISHED = ("inet", "published4", "tcp . 8080")


def record(id: str, name: str, network: str = "shop", status: str = "running") -> Any:
    attachments = [] if network in ("none", "host") or ":" in network else [{"network": network}]
    state = {"status": status, "pid": 100}
    return {
        "id": id,
        "name": name,
        "image": "docker.io/library/busybox:latest",
        "network": network,
        "attachments": attachments,
        "state": state,
    }


RECORDS = [record(WEB, "web"), record(API, "api")]


def link(
    name: str, kind: str = "", master: str = "", mac: str = "", address: str = "", up: bool = True
) -> Link:
    return Link(name, up, kind, master, mac, [address] if address else [])


def tables(*networks: Any) -> Tables:
    """What nft would list for these networks."""
    elements = {}
    for one in networks:
        held = [
            element for place in one["endpoints"].values() for element in firewall.of_endpoint(one, place)
        ]
        for family, where, key, value, _ in [*firewall.of_network(one), *held]:
            elements[family, where, key.replace('"', "")] = (value, None)
    return Tables(["inet", "bridge"], "", elements, findings.expected_rules(TABLE), [])


def inside(place: Any) -> Inside:
    name = place["inside"]
    address = f"{place['addresses'][0]}/16"
    return Inside({name: link(name, "veth", mac=place["mac"], address=address)}, name)


def kernel(one: Any, **others: Any) -> Kernel:
    """A kernel that has all of one network."""
    links = [
        link("eth0", address="192.0.2.10/24"),
        link(one["bridge"], "bridge", address="172.18.0.1/16"),
        *(link(place["interface"], "veth", one["bridge"]) for place in one["endpoints"].values()),
    ]
    made = Kernel(
        links={found.name: found for found in links},
        fdb={place["interface"]: [place["mac"]] for place in one["endpoints"].values()},
        default_routes=[("eth0", "192.0.2.1")],
        forwarding={4: True, 6: False},
        tables=tables(one),
        insides={holder: inside(place) for holder, place in one["endpoints"].items()},
        namespaces={holder: f"net:[{number}]" for number, holder in enumerate(one["endpoints"])},
        name_servers={one["name"]: 77},
    )
    return made._replace(**others)


def without(kernel: Kernel, name: str) -> dict[str, Link]:
    return {other: found for other, found in kernel.links.items() if other != name}


def changed(kernel: Kernel, name: str, **facts: Any) -> dict[str, Link]:
    return {**kernel.links, name: kernel.links[name]._replace(**facts)}


def compare(one: Any, kernel: Kernel, records: Any = RECORDS) -> Map:
    return netmap.compare(TABLE, [one], records, kernel)


def remarks(one: Any, kernel: Kernel, records: Any = RECORDS) -> list[tuple[str, str]]:
    """What is said of whom."""
    return [(remark.container, remark.text) for remark in compare(one, kernel, records).remarks]


# ---- what is drawn ------------------------------------------------------------------------------------------------


def test_what_agrees_is_not_remarked_on() -> None:
    assert remarks(network(), kernel(network())) == []


def test_a_member_is_what_the_ledger_and_its_record_say() -> None:
    (drawn,) = compare(network(), kernel(network())).networks
    web = drawn.members[0]
    assert (web.name, web.addresses, web.interface, web.default_route) == (
        "web",
        ["172.18.0.2"],
        "vethac120002",
        True,
    )
    assert (web.netns, web.broken, web.status) == ("net:[0]", "", "running")
    assert (drawn.there, drawn.dns_pid) == (True, 77)


def test_members_are_in_the_order_of_their_addresses() -> None:
    one = network(endpoints={API: endpoint("api", 9), WEB: endpoint("web", 2)})
    assert [member.name for member in compare(one, kernel(one)).networks[0].members] == ["web", "api"]


def test_a_published_port_has_the_counter_of_its_element() -> None:
    known = kernel(network())
    known.tables.elements[PUBLISHED] = ("172.18.0.2 . 80", Counter(3, 180))
    (port,) = compare(network(), known).networks[0].members[0].ports
    assert port == ("tcp", "0.0.0.0", 8080, "172.18.0.2", 80, Counter(3, 180))


def test_the_hosts_interfaces_are_those_with_addresses_and_not_ours() -> None:
    known = kernel(network())
    known.links["eth1"] = link("eth1", address="198.51.100.1/24")
    known.links["down0"] = link("down0", address="203.0.113.1/24", up=False)
    assert [found.name for found in compare(network(), known).links] == ["eth0", "eth1"]


def test_a_container_on_two_networks_is_under_both_and_says_so() -> None:
    other = network(name="vault", bridge="mr-2", endpoints={WEB: endpoint("web", 2, inside="eth1")})
    whole = netmap.compare(TABLE, [network(), other], RECORDS, kernel(network()))
    assert [one.members[0].others for one in whole.networks] == [[("vault", "eth1")], [("shop", "eth0")]]


def test_containers_without_a_network_are_unattached() -> None:
    found = [
        record("c", "hosty", "host"),
        record("d", "old", "none", "exited"),
        record("e", "side", f"container:{WEB}"),
    ]
    unattached = compare(network(), kernel(network()), [*RECORDS, *found]).unattached
    assert [(one.name, one.how) for one in unattached] == [("hosty", "host"), ("side", "container:web")]


def test_only_some_networks() -> None:
    whole = netmap.compare(TABLE, [network(), network(name="vault")], RECORDS, kernel(network()))
    assert [one.name for one in netmap.only(whole, {"vault"}).networks] == ["vault"]


def test_a_name_that_is_none(tmp_path: Any) -> None:
    with pytest.raises(NotFoundError, match="network nope not found"):
        netmap.gather(Paths(str(tmp_path)), ["nope"])
    with pytest.raises(UsageError):
        netmap.gather(Paths(str(tmp_path)), ["host"])


# ---- what does not agree ------------------------------------------------------------------------------------------


def test_a_bridge_that_is_missing() -> None:
    known = kernel(network())
    known = known._replace(links=without(known, "mr-111111111111"))
    assert ("", "the bridge mr-111111111111 is missing") in remarks(network(), known)
    assert not compare(network(), known).networks[0].there


def test_a_bridge_without_the_gateways_address() -> None:
    known = kernel(network())
    known = known._replace(links=changed(known, "mr-111111111111", addresses=[]))
    assert remarks(network(), known) == [("", "the bridge has not the gateway's address 172.18.0.1/16")]


@pytest.mark.parametrize(
    ("facts", "broken", "text"),
    [
        ({"up": False}, "down", "its veth vethac120002 is down"),
        (
            {"master": ""},
            "on no bridge of its network",
            "its veth vethac120002 is no port of mr-111111111111",
        ),
        (
            {"learns": True},
            "",
            "its veth vethac120002 learns: it could take, or hear, what is for its neighbours",
        ),
    ],
)
def test_a_veth_that_is_not_as_it_should_be(facts: Any, broken: str, text: str) -> None:
    known = kernel(network())
    known = known._replace(links=changed(known, "vethac120002", **facts))
    assert remarks(network(), known) == [("web", text)]
    assert compare(network(), known).networks[0].members[0].broken == broken


def test_a_veth_that_is_missing() -> None:
    known = kernel(network())
    known = known._replace(links=without(known, "vethac120002"))
    assert remarks(network(), known) == [("web", "its veth vethac120002 is missing")]


def test_a_port_of_the_bridge_that_is_nobodys() -> None:
    known = kernel(network())
    known.links["tap0"] = link("tap0", "tun", "mr-111111111111")
    assert remarks(network(), known) == [("", "tap0 is a port of mr-111111111111, and no container's")]


def test_a_name_server_that_is_dead() -> None:
    assert remarks(network(), kernel(network(), name_servers={})) == [
        ("", "its name server is dead: names are not found")
    ]


def test_a_host_that_does_not_forward() -> None:
    known = kernel(network(), forwarding={4: False, 6: False})
    assert remarks(network(), known) == [("", "the host does not forward IPv4: nothing leaves a network")]


def test_an_internal_network_needs_no_forwarding() -> None:
    one = network(internal=True)
    assert remarks(one, kernel(one, forwarding={4: False, 6: False})) == []


@pytest.mark.parametrize(
    ("family", "lost"),
    [
        ("inet", "nothing is published, translated or kept apart"),
        ("bridge", "a container may speak for another"),
    ],
)
def test_a_table_that_is_missing(family: str, lost: str) -> None:
    rules = {key: count for key, count in findings.expected_rules(TABLE).items() if key[0] != family}
    others = [other for other in ("inet", "bridge") if other != family]
    known = kernel(network(), tables=Tables(others, "", tables(network()).elements, rules, []))
    (remark,) = compare(network(), known).remarks
    assert remark.text == f"table {family} minirun is missing: {lost}"
    assert remark.advice == "minirun network ls"


def test_the_ports_of_a_missing_table_are_not_remarked_on_but_marked() -> None:
    known = kernel(network())
    known = known._replace(tables=known.tables._replace(families=["bridge"], elements={}))
    assert compare(network(), known).networks[0].members[0].ports[0].counter is None


@pytest.mark.parametrize(
    ("family", "chain", "there", "advice"),
    [
        ("inet", "forward", 0, "minirun network ls"),
        ("bridge", "prerouting", 0, "minirun network ls"),
        ("inet", "forward", 5, "nft delete table inet minirun; minirun network ls"),
        ("inet", "postrouting", 0, "nft delete table inet minirun; minirun network ls"),
        ("bridge", "prerouting", 10, "nft delete table bridge minirun; minirun network ls"),
    ],
)
def test_a_chain_with_other_rules(family: str, chain: str, there: int, advice: str) -> None:
    known = kernel(network())
    wanted, known.tables.rules[family, chain] = known.tables.rules[family, chain], there
    (remark,) = compare(network(), known).remarks
    said = (
        f"the rules of table {family} minirun are not minirun's: chain {chain} has {there} and not {wanted}"
    )
    assert (remark.text, remark.advice) == (said, advice)


def test_a_published_port_that_the_table_has_not() -> None:
    known = kernel(network())
    del known.tables.elements[PUBLISHED]
    assert remarks(network(), known) == [("web", "the table does not lead 8080/tcp of 0.0.0.0 to it")]


def test_a_published_port_that_leads_elsewhere() -> None:
    known = kernel(network())
    known.tables.elements[PUBLISHED] = ("172.18.0.9 . 80", None)
    assert remarks(network(), known) == [("web", "the table does not lead 8080/tcp of 0.0.0.0 to it")]


def test_elements_of_a_container_that_are_missing() -> None:
    known = kernel(network())
    del known.tables.elements["bridge", "veths", "vethac120003"]
    assert remarks(network(), known) == [("api", "the tables lack it, in veths")]


def test_elements_that_are_for_nobody() -> None:
    known = kernel(network())
    known.tables.elements["inet", "published4", "tcp . 99"] = ("172.18.0.9 . 80", None)
    (remark,) = compare(network(), known).remarks
    assert remark.text == "table inet minirun has tcp . 99 in published4, for no container there is"
    assert remark.advice == "nft delete element inet minirun published4 '{ tcp . 99 }'"


def test_the_tables_of_an_earlier_minirun_are_understood() -> None:
    """A container that it has started makes them anew under the names of then."""
    known = kernel(network())
    for family, where, key in [place for place in known.tables.elements if place[1] == "veths"]:
        known.tables.elements[family, "cables", key] = known.tables.elements.pop((family, where, key))
    assert remarks(network(), known) == []


def test_what_somebody_changed_inside() -> None:
    known = kernel(network())
    known.insides[WEB] = Inside({"eth0": link("eth0", mac="02:00:00:00:00:01")}, "")
    assert [text for _, text in remarks(network(), known)] == [
        "its eth0 has the hardware address 02:00:00:00:00:01 and not 02:42:ac:12:00:02",
        "its eth0 has not the address 172.18.0.2",
        "its default route is not by eth0",
    ]


def test_a_process_that_is_gone() -> None:
    known = kernel(network())
    del known.insides[WEB]
    assert remarks(network(), known) == [("web", "its process 100 is gone")]


def test_a_place_without_a_container() -> None:
    assert remarks(network(), kernel(network()), RECORDS[:1]) == [
        ("api", "its place is in the ledger, and there is no such container")
    ]


def test_a_container_that_is_not_where_it_should_be() -> None:
    found = [*RECORDS, record("c" * 64, "late")]
    assert remarks(network(), kernel(network()), found) == [
        ("late", "it should be on this network and is not")
    ]


def test_a_container_left_behind_in_an_old_namespace() -> None:
    found = [*RECORDS, record("c" * 64, "side", f"container:{WEB}")]
    known = kernel(network())
    known.namespaces["c" * 64] = "net:[9]"
    assert [who for who, _ in remarks(network(), known, found)] == ["side"]
    known.namespaces["c" * 64] = "net:[0]"
    assert remarks(network(), known, found) == []
    assert compare(network(), known, found).networks[0].members[0].sharers == ["side"]


def test_what_is_left_of_a_network_without_containers() -> None:
    known = kernel(network())
    said = compare(network(endpoints={}), known, []).remarks
    assert [remark.advice for remark in said] == [
        "nft delete table inet minirun",
        "nft delete table bridge minirun",
        "ip link delete mr-111111111111",
    ]


def test_many_containers_are_restarted_by_a_filter() -> None:
    one = network(endpoints={str(last): endpoint(f"c{last}", last) for last in range(2, 8)})
    known = kernel(one)
    known = known._replace(links=without(known, one["bridge"]))
    advice = next(remark.advice for remark in compare(one, known, []).remarks if "missing" in remark.text)
    assert advice == "minirun restart $(minirun ps -q --filter network=shop)"


# ---- what programs print ------------------------------------------------------------------------------------------


def test_ip_is_read() -> None:
    told = {
        "ifname": "veth1",
        "flags": ["BROADCAST", "UP"],
        "master": "br",
        "address": "02:00:00:00:00:01",
        "linkinfo": {"info_kind": "veth"},
        "addr_info": [
            {"local": "192.0.2.1", "prefixlen": 24, "scope": "global"},
            {"local": "fe80::1", "prefixlen": 64, "scope": "link"},
        ],
    }
    assert snapshot.links_of([told, {}]) == {
        "veth1": Link("veth1", True, "veth", "br", "02:00:00:00:00:01", ["192.0.2.1/24"])
    }


def test_nft_is_read() -> None:
    counter = {"packets": 2, "bytes": 120}
    dropping = [{"counter": counter}, {"drop": None}]
    key = {"elem": {"val": {"concat": ["tcp", 8080]}, "comment": "web", "counter": counter}}
    listed = [
        {"table": {"name": TABLE}},
        {"map": {"name": "published4", "elem": [[key, {"concat": ["172.18.0.2", 80]}]]}},
        {"set": {"name": "subnets4", "elem": [{"prefix": {"addr": "172.18.0.0", "len": 16}}]}},
        {"set": {"name": "targets6", "elem": [{"elem": {"val": {"concat": ["veth1", "0x00fd"]}}}]}},
        {"rule": {"family": "inet", "chain": "forward", "comment": "no", "expr": dropping}},
        {"rule": {"family": "inet", "chain": "forward", "expr": [{"accept": None}]}},
    ]
    found = snapshot.tables_of({"inet": listed})
    assert found.elements == {
        PUBLISHED: ("172.18.0.2 . 80", Counter(2, 120)),
        ("inet", "subnets4", "172.18.0.0/16"): ("", None),
        ("inet", "targets6", "veth1 . 0xfd"): ("", None),
    }
    assert found.rules == {("inet", "forward"): 2}
    assert found.drops == [("inet", "forward", "no", Counter(2, 120))]


def test_a_drop_that_counted_nothing_is_none() -> None:
    counter = {"counter": {"packets": 0, "bytes": 0}}
    rule = {"rule": {"family": "inet", "chain": "input", "expr": [counter, {"drop": None}]}}
    assert snapshot.tables_of({"inet": [rule]}).drops == []


def test_the_rules_of_the_table_are_counted() -> None:
    counts = findings.expected_rules(TABLE)
    assert counts["inet", "forward"] == 6
    assert {family for family, _ in counts} == {"inet", "bridge"}


def test_tables_that_cannot_be_read() -> None:
    known = kernel(network(), tables=snapshot.tables_of({}, "nft: Operation not permitted"))
    assert remarks(network(), known) == [("", "the tables cannot be read: nft: Operation not permitted")]
