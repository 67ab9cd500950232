"""Who reaches whom: six containers on three networks, another machine and the host; by address, name and port."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product

import pytest

from tests import netlab
from tests.containers import Container
from tests.netlab import Machine, Servers, ask, netns, reaches, visit
from tests.support import Minirun, run

# container -> its networks; `back` has IPv6 as `front` has, `vault` is internal
MEMBERS = {
    "web": ["front"],
    "app": ["front", "back"],
    "db": ["back"],
    "cache": ["back"],
    "safe": ["vault"],
    "old": ["bridge"],
}
# container -> {host port: where on the host}
PUBLISHED = {"web": {8080: ""}, "db": {8081: "127.0.0.1"}, "old": {8082: ""}}
PROTOCOLS = ("tcp", "udp")


@dataclass
class World:
    machine: Machine
    members: dict[str, Container] = field(default_factory=dict)

    def address(self, name: str, network: str, family: int = 4) -> str:
        key = "IPAddress" if family == 4 else "GlobalIPv6Address"
        return self.members[name].inspect(
            f"{{{{(index .NetworkSettings.Networks {network!r}).{key}}}}}".replace("'", '"')
        )


@pytest.fixture(scope="module")
def world(minirun_session: Minirun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    minirun = minirun_session
    # where frames on a bridge run through ip6tables, the answer for ::1 is lost: see doctor
    for network, *words in (("front", "--ipv6"), ("back", "--ipv6"), ("vault", "--internal")):
        minirun("network", "create", *words, network, check=True)
    with netlab.machine(tmp_path_factory.mktemp("lan")) as machine, Servers() as servers:
        made = World(machine)
        for name, networks in MEMBERS.items():
            words = [word for network in networks for word in ("--network", network)]
            for port, ip in PUBLISHED.get(name, {}).items():
                for protocol in PROTOCOLS:
                    words += ["-p", f"{ip + ':' if ip else ''}{port}:{netlab.PORT}/{protocol}"]
            id = minirun(
                "run", "-d", "--name", name, *words, "busybox", "sleep", "1000", check=True
            ).stdout.strip()
            pid = minirun("inspect", "-f", "{{.State.Pid}}", id, check=True).stdout
            made.members[name] = Container(minirun, id, int(pid))
            servers.add(name, netns(made.members[name]))
        servers.add("host-local", "", 8090, "127.0.0.1")
        yield made
    minirun("rm", "-f", *MEMBERS, check=True)
    minirun("network", "rm", "front", "back", "vault", check=True)


@pytest.fixture(autouse=True)
def leak_check() -> None:
    """The world outlives each test; what is left of it is checked at its end, by the next module's first test."""


def all_at_once(
    cases: list[tuple[str, str, int, str, str]],
) -> dict[tuple[str, str, int, str], tuple[str, str]]:
    """(where, address, port, protocol, expected name) tried side by side; those that are not as expected."""
    with ThreadPoolExecutor(16) as pool:
        found = pool.map(lambda case: reaches(*case[:4], expected=bool(case[4])), cases)
        return {case[:4]: (case[4], name) for case, name in zip(cases, found, strict=True) if name != case[4]}


def places(world: World) -> dict[str, str]:
    """Everybody's name and namespace: the containers, the other machine, and the host itself."""
    return {
        **{name: netns(one) for name, one in world.members.items()},
        "machine": world.machine.where,
        "host": "",
    }


# ---- by address -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("family", [4, 6])
def test_containers_reach_their_neighbours_by_address_and_nobody_else(
    world: World, family: int, protocol: str
) -> None:
    cases = []
    for (source, mine), (target, theirs) in product(MEMBERS.items(), MEMBERS.items()):
        for network in theirs if source != target else ():
            address = world.address(target, network, family)
            if address:
                expected = target if network in mine else ""
                cases.append((netns(world.members[source]), address, netlab.PORT, protocol, expected))
    assert len(cases) > 10
    assert all_at_once(cases) == {}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_another_machine_reaches_no_container_by_its_address(world: World, protocol: str) -> None:
    world.machine.run("ip", "route", "replace", "default", "via", world.machine.host[0])
    world.machine.run("ip", "-6", "route", "replace", "default", "via", world.machine.host[1])
    cases = [
        (world.machine.where, address, netlab.PORT, protocol, "")
        for name, networks in MEMBERS.items()
        for network, family in product(networks, (4, 6))
        if (address := world.address(name, network, family))
    ]
    assert all_at_once(cases) == {}


def test_the_host_reaches_every_container(world: World) -> None:
    cases = [("", world.address(name, of[0]), netlab.PORT, "tcp", name) for name, of in MEMBERS.items()]
    assert all_at_once(cases) == {}


# ---- by name --------------------------------------------------------------------------------------------------------


def test_names_are_those_of_ones_own_networks(world: World) -> None:
    for (source, mine), (target, theirs) in product(MEMBERS.items(), MEMBERS.items()):
        if "bridge" in mine or "bridge" in theirs:
            continue
        common = [network for network in theirs if network in mine]
        if common:
            expected = {world.address(target, network) for network in common}
            assert set(ask(world.members[source], target)) == expected, (source, target)
        elif source != "safe":  # it may ask nobody outside
            assert ask(world.members[source], f"{target}.{theirs[0]}") == [], (source, target)


def test_names_have_addresses_of_both_families_and_addresses_names(world: World) -> None:
    six = world.address("db", "back", 6)
    assert ask(world.members["app"], "db", "AAAA") == [six]
    assert ask(world.members["safe"], "safe", "AAAA") == []
    assert ask(world.members["app"], netlab.reverse_name(six), "PTR") == ["db.back."]
    assert ask(world.members["app"], netlab.reverse_name(world.address("web", "front")), "PTR") == [
        "web.front."
    ]


def test_a_name_server_answers_its_own_network_alone(world: World) -> None:
    back = netlab.resolver_of(world.members["db"])
    with pytest.raises(TimeoutError):
        netlab.question(world.members["web"], "db", server=back)


# ---- by published port ----------------------------------------------------------------------------------------------


def outer_addresses(world: World) -> list[str]:
    """The host's addresses that are not its localhost: on the wire, and the gateways."""
    gateways = [netlab.resolver_of(world.members[name]) for name in ("web", "db")]
    return [world.machine.host[0], world.machine.host[1], *gateways]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_published_port_is_reached_from_everywhere_but_internal_networks(
    world: World, protocol: str
) -> None:
    on_wire, on_wire6 = world.machine.host
    cases = []
    for source, where in places(world).items():
        able = source != "safe"
        cases.append((where, on_wire, 8080, protocol, "web" if able else ""))
        cases.append((where, on_wire, 8082, protocol, "old" if able else ""))
        if source in ("machine", "host", "db", "app", "web"):
            cases.append((where, on_wire6, 8080, protocol, "web"))
    assert all_at_once(cases) == {}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_hosts_localhost_is_one_of_its_addresses(world: World, protocol: str) -> None:
    cases = [("", "127.0.0.1", port, protocol, name) for name, of in PUBLISHED.items() for port in of]
    assert all_at_once(cases) == {}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_port_of_localhost_is_reached_from_there_alone(world: World, protocol: str) -> None:
    cases = [
        (where, address, 8081, protocol, "")
        for name, where in places(world).items()
        for address in outer_addresses(world)[:1]
    ]
    assert all_at_once(cases) == {}


def test_a_port_that_is_not_published_is_not_reached(world: World) -> None:
    cases = [(where, world.machine.host[0], 8083, "tcp", "") for where in places(world).values()]
    assert all_at_once(cases) == {}


def test_remote_clients_are_seen_with_their_own_address(world: World) -> None:
    four, six = world.machine.addresses
    assert visit(world.machine.where, world.machine.host[0], 8080, seconds=5) == f"web {four}"
    assert visit(world.machine.where, world.machine.host[1], 8080, seconds=5) == f"web {six}"


def test_a_container_reaches_itself_by_what_it_publishes(world: World) -> None:
    web = netns(world.members["web"])
    assert [reaches(web, address, 8080) for address in world.machine.host] == ["web", "web"]


# ---- what is closed -------------------------------------------------------------------------------------------------


def test_the_hosts_own_localhost_cannot_be_reached_from_a_container(world: World) -> None:
    """As root with CAP_NET_ADMIN: it sends what is for 127.0.0.1 to the gateway (CVE-2020-8558)."""
    web = netns(world.members["web"])
    run(
        "nsenter", f"--net={web}", "ip", "route", "del", "local", "127.0.0.0/8", "dev", "lo", "table", "local"
    )
    enter = ("nsenter", f"--net={web}")
    run(*enter, "ip", "route", "del", "local", "127.0.0.1", "dev", "lo", "table", "local")
    run(*enter, "ip", "addr", "del", "127.0.0.1/8", "dev", "lo")
    run(*enter, "sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
    gateway = netlab.resolver_of(world.members["web"])
    run(*enter, "ip", "route", "add", "127.0.0.1/32", "via", gateway, "dev", "eth0", check=True)
    try:
        assert reaches("", "127.0.0.1", 8090) == "host-local"
        assert reaches(web, "127.0.0.1", 8090, expected=False) == ""
        assert reaches(web, "127.0.0.1", 8090, "udp", expected=False) == ""
    finally:
        run(*enter, "ip", "route", "del", "127.0.0.1/32", "dev", "eth0")
        run(*enter, "ip", "addr", "add", "127.0.0.1/8", "dev", "lo")


def test_an_internal_network_reaches_not_even_the_host(world: World) -> None:
    safe = netns(world.members["safe"])
    gateway = netlab.resolver_of(world.members["safe"])
    with Servers() as servers:
        servers.add("host", "", 8091)
        assert reaches("", gateway, 8091) == "host"
        assert reaches(safe, gateway, 8091, expected=False) == ""
    assert ask(world.members["safe"], "safe") == [world.address("safe", "vault")]


def test_the_gateway_of_another_network_is_out_of_reach(world: World) -> None:
    other = netlab.resolver_of(world.members["db"])
    with Servers() as servers:
        servers.add("host", "", 8092)
        assert reaches(netns(world.members["db"]), other, 8092) == "host"
        assert reaches(netns(world.members["web"]), other, 8092, expected=False) == ""


def test_an_internal_network_has_no_way_out_even_with_a_route(world: World) -> None:
    safe, gateway = netns(world.members["safe"]), netlab.resolver_of(world.members["safe"])
    run("nsenter", f"--net={safe}", "ip", "route", "add", "default", "via", gateway, check=True)
    with Servers() as servers:
        servers.add("machine", world.machine.where)
        assert reaches(netns(world.members["web"]), world.machine.addresses[0]) == "machine"
        assert reaches(safe, world.machine.addresses[0], expected=False) == ""
    run("nsenter", f"--net={safe}", "ip", "route", "del", "default", check=True)
