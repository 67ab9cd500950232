"""`network create -d macvlan`: containers on the wire of one of the host's interfaces."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import containers, netlab
from tests.containers import Container
from tests.netlab import Machine, Servers, netns, reaches
from tests.support import Minirun, run

PARENT = "mrt-wire1"

Start = Callable[..., Container]


@pytest.fixture
def router(minirun: Minirun, tmp_path: Path) -> Iterator[Machine]:
    """A machine on the wire, and the network `lan` there, whose way out it is."""
    with netlab.machine(tmp_path) as made:
        subnet = (
            "--subnet",
            "198.51.101.0/24",
            "--gateway",
            made.addresses[0],
            "--ip-range",
            "198.51.101.64/26",
        )
        minirun("network", "create", "-d", "macvlan", "-o", f"parent={PARENT}", *subnet, "lan", check=True)
        yield made
        minirun.remove_all()
        minirun("network", "rm", "-f", "lan")


def on_lan(minirun: Minirun, name: str, *words: str) -> Container:
    return containers.start(minirun, "--name", name, *words, "busybox", "sleep", "1000", network="lan")


def interfaces(container: Container) -> set[str]:
    return {path.name for path in container.proc("root/sys/class/net").iterdir()} - {"lo"}


def test_containers_are_on_the_wire_and_the_host_does_not_hear_them(
    minirun: Minirun, router: Machine
) -> None:
    one, two = on_lan(minirun, "one"), on_lan(minirun, "two", "--ip", "198.51.101.70")
    with Servers() as servers:
        for name, where in (("one", netns(one)), ("two", netns(two)), ("router", router.where)):
            servers.add(name, where)
        assert reaches(netns(one), "198.51.101.70") == "two"
        assert reaches(router.where, "198.51.101.64") == "one"
        assert reaches(netns(two), router.addresses[0]) == "router"
        assert reaches("", "198.51.101.64", expected=False) == ""
    routes = json.loads(run("nsenter", f"--net={netns(one)}", "ip", "-j", "route", check=True).stdout)
    assert [route["gateway"] for route in routes if route["dst"] == "default"] == [router.addresses[0]]
    facts = json.loads(minirun("network", "inspect", "lan", check=True).stdout)[0]
    assert (facts["Driver"], facts["Options"], len(facts["Containers"])) == ("macvlan", {"parent": PARENT}, 2)
    assert "lan" not in minirun("network", "map", check=True).stdout
    assert (
        "one is on lan, and there is no bridge to look at"
        in minirun("network", "why", "one", "two:80").stdout
    )
    minirun.remove_all()
    assert json.loads(minirun("network", "inspect", "lan", check=True).stdout)[0]["Containers"] == {}


def test_one_that_runs_comes_and_goes(minirun: Minirun, router: Machine) -> None:
    one = containers.start(
        minirun, "--name", "one", "-p", "8080:80", "busybox", "sleep", "1000", network="bridge"
    )
    minirun("network", "connect", "lan", "one", check=True)
    assert interfaces(one) == {"eth0", "eth1"}
    minirun("network", "disconnect", "bridge", "one", check=True)
    route = minirun("exec", "one", "ip", "route", check=True).stdout
    assert f"default via {router.addresses[0]}" in route
    minirun("restart", "-t", "0", "one", check=True)
    assert "dev eth0" in minirun("exec", "one", "ip", "route", check=True).stdout
    minirun("network", "connect", "bridge", "one", check=True)
    minirun("network", "disconnect", "lan", "one", check=True)
    assert "default via 198.51" not in minirun("exec", "one", "ip", "route", check=True).stdout


def test_what_cannot_be_is_said(minirun: Minirun, router: Machine) -> None:
    published = minirun("run", "--rm", "-p", "80:80", "--network", "lan", "busybox", "true")
    assert (published.code, "nothing is published of network lan" in published.stderr) == (125, True)
    again = minirun("network", "create", "-d", "macvlan", "-o", f"parent={PARENT}", "second")
    assert (again.code, f"network lan is already using parent interface {PARENT}" in again.stderr) == (
        1,
        True,
    )
    run("ip", "link", "delete", PARENT, check=True)
    gone = minirun("run", "--rm", "--network", "lan", "busybox", "true")
    assert (gone.code, f"this host has no interface {PARENT} any more" in gone.stderr) == (125, True)
    assert minirun("ps", "-aq", check=True).stdout == ""
