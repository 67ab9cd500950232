"""What the command line says about networks, read without asking anybody."""

import pytest

from minirun.cli import network_options
from minirun.engine.options import attachments, run_options
from minirun.errors import UsageError

NOTHING = {
    **dict.fromkeys(
        (
            "network",
            "network_alias",
            "link",
            "link_local_ip",
            "publish",
            "expose",
            "dns",
            "dns_search",
            "dns_option",
            "add_host",
        ),
        (),
    ),
    **dict.fromkeys(("ip", "ip6", "mac_address")),
    "publish_all": False,
}


def taken(**words: object) -> dict:
    options = run_options.defaults("busybox")
    network_options.apply({**NOTHING, **words}, options)
    attachments.check(options)
    return options


def test_who_says_nothing_is_on_the_default_network() -> None:
    options = taken()
    assert options["network"] == "bridge"
    assert [attachment["network"] for attachment in options["attachments"]] == ["bridge"]


def test_several_networks_keep_their_order_and_the_first_is_the_mode() -> None:
    options = taken(network=("shop", "back"), network_alias=("www",), ip="10.0.0.9")
    assert options["network"] == "shop"
    assert options["attachments"][0] == {
        "network": "shop",
        "aliases": ["www"],
        "ipv4": "10.0.0.9",
        "ipv6": "",
        "mac": "",
    }
    assert options["attachments"][1]["network"] == "back"


def test_a_network_can_be_spelt_out() -> None:
    words = "name=shop,alias=www,alias=api,ip=10.0.0.9,ip6=FD00::9,mac-address=02-42-AC-11-00-09"
    assert attachments.parse(words) == {
        "network": "shop",
        "aliases": ["www", "api"],
        "ipv4": "10.0.0.9",
        "ipv6": "fd00::9",
        "mac": "02:42:ac:11:00:09",
    }


@pytest.mark.parametrize("network", ["none", "host", "container:one"])
def test_some_modes_are_no_network(network: str) -> None:
    options = taken(network=(network,))
    assert (options["network"], options["attachments"]) == (network, [])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"network": ("host", "shop")}, "--network host goes with no other network"),
        ({"network": ("shop", "shop")}, 'network "shop" is specified multiple times'),
        ({"network": ("container:",)}, "container: without a container"),
        ({"network": ("alias=x",)}, "has no name="),
        ({"network": ("name=shop,mtu=9",)}, 'invalid --network field "mtu=9"'),
        ({"network": ('name=shop,"alias=x',)}, "the quotes in .* make no sense"),
        ({"network": ('name=shop,"alias=x",ip=\r1',)}, "the quotes in "),
        ({"ip": "10.0.0.9"}, "supported on user defined networks only"),
        ({"network": ("host",), "network_alias": ("x",)}, "supported on user defined networks only"),
        (
            {"network": ("container:x",), "publish": ("80",)},
            "port publishing and the container type network mode",
        ),
        ({"network": ("shop",), "mac_address": "00:00:00:00:00:00"}, "is no address of one interface"),
        ({"network": ("shop",), "network_alias": ("-x",)}, "cannot be asked for by name"),
        ({"network": ("shop",), "network_alias": ("x" * 64,)}, "cannot be asked for by name"),
    ],
)
def test_what_does_not_go_together_is_refused(words: dict, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        taken(**words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("db:192.0.2.7", ["db", "192.0.2.7"]),
        ("db=192.0.2.7", ["db", "192.0.2.7"]),
        ("db:fd00::7", ["db", "fd00::7"]),
        ("db=[fd00::7]", ["db", "fd00::7"]),
        ("host:host-gateway", ["host", "host-gateway"]),
    ],
)
def test_hosts_are_added_by_either_sign(text: str, expected: list[str]) -> None:
    assert attachments.extra_host(text) == expected


@pytest.mark.parametrize("name", ["", "-x", "a b", "ä", "a/b", "..", ".a", "x" * 129])
def test_a_bad_name_of_a_network_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="invalid network name"):
        attachments.check_name(name)
