"""Subnets, addresses and the names made of them."""

import pytest

from minirun.errors import ConflictError
from minirun.network import addresses
from minirun.network.addresses import choose_subnet, lowest_free, parse_subnet, show_subnet

SUBNET = parse_subnet("172.17.0.0/16")


def chosen(*routes: str, preferred: str = "") -> str:
    return show_subnet(
        choose_subnet([parse_subnet(route) for route in routes], preferred and parse_subnet(preferred))
    )


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ([], "172.17.0.0/16"),
        (["0.0.0.0/0", "192.0.2.0/24"], "172.17.0.0/16"),
        (["172.17.0.0/16"], "172.18.0.0/16"),
        (["172.17.200.0/24", "172.18.0.1/32"], "172.19.0.0/16"),
        (["172.16.0.0/12"], "192.168.0.0/20"),
        (["172.16.0.0/12", "192.168.0.0/16"], "10.0.0.0/16"),
        (["172.16.0.0/12", "192.168.0.0/24", "192.168.16.0/20"], "192.168.32.0/20"),
    ],
)
def test_the_subnet_overlaps_no_route(routes, expected):
    assert chosen(*routes) == expected


def test_the_subnet_of_last_time_comes_first_while_it_is_free():
    assert chosen(preferred="172.20.0.0/16") == "172.20.0.0/16"
    assert chosen("172.20.5.0/24", preferred="172.20.0.0/16") == "172.17.0.0/16"


def test_a_host_that_routes_all_private_addresses_leaves_none():
    with pytest.raises(ConflictError, match="no private subnet") as caught:
        chosen("172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8")
    assert "ip route" in caught.value.hint


def test_candidates_are_private_and_apart():
    found = list(addresses.candidates())
    assert len(found) == 15 + 16 + 256
    assert not any(addresses.overlap(a, b) for i, a in enumerate(found) for b in found[i + 1 :])


def test_the_first_container_gets_the_address_after_the_gateway():
    assert addresses.gateway(SUBNET) == "172.17.0.1"
    assert lowest_free(SUBNET, ["172.17.0.1"]) == "172.17.0.2"


def test_a_gap_is_filled_before_the_end_is_extended():
    assert lowest_free(SUBNET, ["172.17.0.1", "172.17.0.2", "172.17.0.4"]) == "172.17.0.3"


def test_addresses_of_another_subnet_take_nothing_away():
    assert lowest_free(SUBNET, ["172.18.0.1"]) == "172.17.0.1"


def test_a_full_subnet_is_said_to_be_full():
    subnet = parse_subnet("10.0.0.0/29")  # .0 network, .1 gateway, .7 broadcast
    taken = [f"10.0.0.{host}" for host in range(1, 7)]
    assert lowest_free(subnet, taken[:-1]) == "10.0.0.6"
    with pytest.raises(ConflictError, match=r"all addresses of 10\.0\.0\.0/29 are taken"):
        lowest_free(subnet, taken)


def test_names_made_of_an_address_fit_an_interface():
    assert addresses.mac_address("172.17.0.2") == "02:42:ac:11:00:02"
    assert addresses.veth_name("10.255.255.254") == "veth0afffffe"
    assert len(addresses.veth_name("10.255.255.254")) <= 15


def test_a_subnet_of_either_family_is_read_and_shown():
    assert parse_subnet("fd12:3456::/64") == (0xFD123456 << 96, 64, 128)
    assert show_subnet(parse_subnet("fd12:3456::/64")) == "fd12:3456::/64"


def test_families_never_overlap():
    assert not addresses.overlap(parse_subnet("0.0.0.0/0"), parse_subnet("::/0"))


def test_addresses_are_given_from_the_range_asked_for():
    assert lowest_free(SUBNET, ["172.17.5.0"], parse_subnet("172.17.5.0/24")) == "172.17.5.1"


def test_the_last_address_of_ipv6_is_as_good_as_others():
    subnet = parse_subnet("fd00::/126")
    assert [lowest_free(subnet, ["fd00::1", "fd00::2"]), addresses.gateway(subnet)] == ["fd00::3", "fd00::1"]


def test_a_random_subnet_is_a_unique_local_one():
    found = {addresses.random_subnet6() for _ in range(20)}
    assert len(found) == 20
    assert all(show_subnet(subnet).startswith("fd") and subnet[1] == 64 for subnet in found)


def test_the_link_local_address_follows_from_the_hardware_address():
    assert addresses.link_local("02:42:ac:11:00:02") == "fe80::42:acff:fe11:2"
