"""`network create -o`: the words, and what they make of the table."""

import re

import pytest

from minirun.errors import UsageError
from minirun.network import driver_options, firewall, ledger

MTU = "com.docker.network.driver.mtu"
ICC = "com.docker.network.bridge.enable_icc"
MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
PREFIX = "com.docker.network.container_iface_prefix"
BINDING = "com.docker.network.bridge.host_binding_ipv4"


def network(**options):
    made = ledger.unused("a" * 64, "town", "mr-town")
    pool = {"subnet": "10.9.0.0/24", "gateway": "10.9.0.1", "ip_range": "", "given": False}
    return {
        **made,
        "pools": [pool],
        "options": {name.replace("_", "."): word for name, word in options.items()},
    }


def sets(made):
    return {name for _, name, *_ in firewall.of_network(made)}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((MTU, value) for value in ("", "x", "-1", "67", "65536", "1e3")),
        *((ICC, value) for value in ("", "no", "2")),
        (MASQUERADE, "off"),
        *((PREFIX, value) for value in ("", "a/b", "x" * 13, "ä")),
        *((BINDING, value) for value in ("", "::1", "localhost", "10.0.0.0/8", "1.2.3")),
    ],
)
def test_a_value_that_an_option_cannot_have_is_quoted(key, value):
    with pytest.raises(UsageError, match=re.escape(f'invalid value for {key}: "{value}"')):
        driver_options.check({key: value})


def test_ipv6_wants_larger_packets():
    driver_options.check({MTU: "1000"})
    with pytest.raises(UsageError, match="1000"):
        driver_options.check({MTU: "1000"}, ipv6=True)


def test_an_option_that_there_is_not_is_named():
    with pytest.raises(UsageError, match=r"unknown option com\.docker\.network\.bridge\.x"):
        driver_options.check({"com.docker.network.bridge.x": "1"})


def test_nothing_said_is_dockers_default():
    made = network()
    assert (driver_options.mtu(made), driver_options.host_binding(made)) == (0, "")
    assert sets(made) == {"bridges", "neighbours", "subnets4"}


def test_what_is_said_is_in_the_table():
    made = {**network(), "options": {ICC: "False", MASQUERADE: "0"}}
    assert sets(made) == {"bridges", "subnets4", "routed4"}
    assert " routed4 {" in firewall.rules("x")
