"""What a config.json may not ask for, because it would change the host."""

import pytest

from minirun.errors import MinirunError
from minirun.runtime import validate

ALL = {"ipc", "network", "uts"}


@pytest.mark.parametrize(
    ("key", "file"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.7/mtu", "net/ipv4/conf/eth0.7/mtu"),
        ("net.ipv4.conf.eth0/7.mtu", "net/ipv4/conf/eth0.7/mtu"),
        ("kernel.msgmax", "kernel/msgmax"),
        ("fs.mqueue.msg_max", "fs/mqueue/msg_max"),
        ("kernel.domainname", "kernel/domainname"),
    ],
)
def test_a_sysctl_of_a_namespace_of_its_own(key, file):
    assert validate.sysctl_files({key: "1"}, ALL) == {file: "1"}


@pytest.mark.parametrize(
    ("key", "own", "words"),
    [
        ("net.core.somaxconn", {"ipc", "uts"}, "no network namespace"),
        ("kernel.sem", {"network"}, "no ipc namespace"),
        ("fs.mqueue.msg_max", {"network"}, "no ipc namespace"),
        ("kernel.domainname", {"network"}, "no uts namespace"),
        ("kernel.hostname", ALL, "use hostname"),
        ("kernel.core_pattern", ALL, "is the host's"),
        ("kernel.msgmax.x", ALL, "is the host's"),
        ("kernel", ALL, "is the host's"),
        ("netx.y", ALL, "is the host's"),
        ("vm.swappiness", ALL, "is the host's"),
        ("net.ipv4/../../vm.x", ALL, "is no name of a sysctl"),
        ("net/../vm/swappiness", ALL, "is no name of a sysctl"),
        ("/net/ipv4", ALL, "is no name of a sysctl"),
        ("net..ipv4", ALL, "is no name of a sysctl"),
        ("", ALL, "is no name of a sysctl"),
        ("net.\0", ALL, "is no name of a sysctl"),
    ],
)
def test_one_that_is_not(key, own, words):
    with pytest.raises(MinirunError, match=words):
        validate.sysctl_files({key: "1"}, own)


def test_a_namespace_of_the_host_joined_by_its_path_is_not_its_own():
    wanted = [
        {"type": "ipc"},
        {"type": "network", "path": "/proc/self/ns/net"},
        {"type": "uts", "path": "/proc/self/ns/uts"},
    ]
    assert validate.own_namespaces(wanted) == {"ipc"}
