"""Networks and volumes of a project in the engine's words."""

import pytest

from minirun.compose import network_options, volume_options
from minirun.errors import UnsupportedError
from tests.compose_projects import project


def test_a_plain_network() -> None:
    made = network_options.make(project({}, networks={"back": {"ipam": {}}}), "back", "h")
    labels = made.pop("labels")  # type: ignore[misc]
    assert labels["com.docker.compose.network"] == "back"
    assert labels["com.docker.compose.config-hash"] == "h"
    assert made == {
        "driver": "bridge",
        "subnets": [],
        "gateways": [],
        "ranges": [],
        "reserved": [],
        "ipv6": False,
        "internal": False,
        "options": {},
    }


def test_a_network_with_everything() -> None:
    pools = [
        {
            "subnet": "10.9.0.0/16",
            "gateway": "10.9.0.1",
            "ip_range": "10.9.1.0/24",
            "aux_addresses": {"router": "10.9.0.2"},
        },
        {"subnet": "fd00:9::/64"},
    ]
    network = {
        "driver": "bridge",
        "driver_opts": {"com.docker.network.driver.mtu": 1400, "com.example.colour": "red"},
        "ipam": {"config": pools},
        "internal": True,
        "enable_ipv6": True,
    }
    made = network_options.make(project({}, networks={"back": network}), "back", "h")
    assert made["subnets"] == ["10.9.0.0/16", "fd00:9::/64"]
    assert (made["gateways"], made["ranges"]) == (["10.9.0.1"], ["10.9.1.0/24"])
    assert (made["ipv6"], made["internal"]) == (True, True)
    assert made["reserved"] == ["router=10.9.0.2"]
    assert made["options"] == {"com.docker.network.driver.mtu": "1400"}


def test_a_network_on_an_interface_of_the_host() -> None:
    options = {"parent": "eth0", "com.docker.network.bridge.name": "x"}
    given = {"driver": "macvlan", "driver_opts": options}
    made = network_options.make(project({}, networks={"lan": given}), "lan", "h")
    assert (made["driver"], made["options"]) == ("macvlan", {"parent": "eth0"})


def test_a_driver_that_is_not_here() -> None:
    made = project({}, networks={"lan": {"driver": "ipvlan"}}, volumes={"data": {"driver": "rexray"}})
    with pytest.raises(UnsupportedError, match="network lan: there is no network driver ipvlan"):
        network_options.make(made, "lan", "h")
    with pytest.raises(UnsupportedError, match="volume data: there is no volume driver rexray"):
        volume_options.make(made, "data", "h")


def test_a_volume() -> None:
    made = volume_options.make(project({}, volumes={"data": {"labels": {"a": "b"}}}), "data", "h")
    assert (made["name"], made["options"]) == ("demo_data", {})
    assert made["labels"]["a"] == "b"
    assert made["labels"]["com.docker.compose.volume"] == "data"


def test_a_volume_that_is_elsewhere() -> None:
    given = {"driver": "local", "driver_opts": {"type": "none", "o": "bind", "device": "/srv"}}
    made = volume_options.make(project({}, volumes={"data": given}), "data", "h")
    assert made["options"] == given["driver_opts"]
