"""`--driver-opt` and `--link-local-ip`: one container's place on a network, as words."""

import re

import pytest

from minirun.engine.options import attachments
from minirun.errors import ConflictError, UsageError
from minirun.network import endpoint_options, firewall, ipam, ledger

IFNAME = "com.docker.network.endpoint.ifname"
SYSCTLS = "com.docker.network.endpoint.sysctls"


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (f"{IFNAME}=", "invalid name of an interface"),
        (f"{IFNAME}=lo", "invalid name of an interface"),
        (f"{IFNAME}=a/b", "invalid name of an interface"),
        (f"{IFNAME}={'x' * 16}", "invalid name of an interface"),
        (f"{SYSCTLS}=net.ipv4.conf.eth0.log_martians=1", "invalid setting"),
        (f"{SYSCTLS}=net.ipv4.ip_forward=1", "invalid setting"),
        (f"{SYSCTLS}=kernel.x.y.IFNAME.z=1", "invalid setting"),
        (f"{SYSCTLS}=net.ipv4.conf.IFNAME.forwarding", "invalid setting"),
        ("com.example.x=1", "unknown option com.example.x"),
        (IFNAME, "invalid --driver-opt"),
    ],
)
def test_an_option_that_there_is_not_is_refused(words: str, key: str) -> None:
    with pytest.raises(UsageError, match=re.escape(key)):
        attachments.attachment("town", driver_opts=[words])


def test_settings_are_files_of_the_interface() -> None:
    words = "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.accept_ra=0"
    assert endpoint_options.sysctls({SYSCTLS: words}, "lan.5") == [
        ("/proc/sys/net/ipv4/conf/lan.5/log_martians", "1"),
        ("/proc/sys/net/ipv6/conf/lan.5/accept_ra", "0"),
    ]
    assert endpoint_options.sysctls({}, "eth0") == []


@pytest.mark.parametrize("text", ["", "x", "10.0.0.1", "fd00::1", "169.255.0.1", "fe90::1", "169.254.1.1/16"])
def test_an_address_that_is_not_link_local_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="invalid --link-local-ip"):
        attachments.attachment("town", link_local=[text])


def test_network_may_say_all_of_it() -> None:
    words = f'name=town,link-local-ip=169.254.7.7,link-local-ip=FE80::7,driver-opt={IFNAME}=lan0,"driver-opt={SYSCTLS}='
    words += 'net.ipv4.conf.IFNAME.forwarding=0,net.ipv4.conf.IFNAME.mc_forwarding=0"'
    made = attachments.parse(words)
    assert made["link_local"] == ["169.254.7.7", "fe80::7"]
    assert made["driver_opts"][IFNAME] == "lan0"
    assert made["driver_opts"][SYSCTLS].count("IFNAME") == 2


def test_two_interfaces_of_one_name_are_refused() -> None:
    attachment = attachments.attachment("town", driver_opts=[f"{IFNAME}=eth0"])
    network = ledger.unused("a" * 64, "town", "mr-town")
    assert ipam._inside(network, attachment, set()) == "eth0"
    with pytest.raises(ConflictError, match="an interface eth0 already"):
        ipam._inside(network, attachment, {"eth0"})


def test_a_network_may_call_its_interfaces_by_another_name() -> None:
    network = ledger.unused("a" * 64, "town", "mr-town")
    network["options"] = {"com.docker.network.container_iface_prefix": "lan"}
    assert ipam._inside(network, attachments.attachment("town"), {"eth0", "lan0"}) == "lan1"


def test_the_bridge_lets_it_say_its_link_local_address() -> None:
    network = ledger.unused("a" * 64, "town", "mr-town")
    endpoint = {"interface": "veth1", "name": "one", "mac": "02:42:ac:11:00:02", "addresses": ["10.0.0.2"]}
    endpoint |= {"gateway": False, "link_local": ["169.254.7.7"]}
    keys = [key for _, where, key, *_ in firewall.of_endpoint(network, endpoint) if where == "owners4"]  # type: ignore[arg-type]
    assert [key.split(" . ")[-1] for key in keys] == ["10.0.0.2", "169.254.7.7"]
