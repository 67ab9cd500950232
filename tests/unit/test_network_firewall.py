"""Names of the bridge and the table, the scripts for nft, and what the modules load."""

from __future__ import annotations

import sys

import pytest

from minirun.errors import MinirunError, UnsupportedError
from minirun.linux import programs, trace
from minirun.network import firewall, ledger, nft
from tests.support import CHECKOUT, run


def loaded_by(statement: str) -> set[str]:
    """The modules that a bare interpreter has after `statement`."""
    program = f"import sys; sys.path[:] = {[str(CHECKOUT), *sys.path]!r}\n{statement}\nprint(*sys.modules)"
    return set(run(sys.executable, "-I", "-c", program, check=True).stdout.split())


def network(name: str = "backend", **changes) -> ledger.Network:
    """A network of one container that publishes a port."""
    endpoint = {
        "id": "e" * 64, "name": "web", "run": "/run/x", "aliases": [], "nameservers": [],
        "addresses": ["172.18.0.2", "fd12::2"], "mac": "02:42:ac:12:00:02", "interface": "vethac120002",
        "inside": "eth0", "gateway": True, "joining": False,
        "ports": [{"protocol": "tcp", "host_ip": "0.0.0.0", "host_port": 8080, "container_port": 80}],
    }  # fmt: skip
    pools = [
        {"subnet": "172.18.0.0/16", "gateway": "172.18.0.1", "ip_range": "", "given": False},
        {"subnet": "fd12::/64", "gateway": "fd12::1", "ip_range": "", "given": False},
    ]
    return {
        "id": "a" * 64, "name": name, "created": "", "internal": False, "labels": {}, "options": {},
        "bridge": "mr-aaaaaaaaaaaa", "pools": pools, "dns_port": 40000, "foreign_firewalls": [],
        "endpoints": {"c" * 64: endpoint}, **changes,
    }  # fmt: skip


def elements(made: ledger.Network) -> set[tuple[str, str, str]]:
    """(set, key, value) of a network and its container."""
    (endpoint,) = made["endpoints"].values()
    return {found[1:4] for found in (*firewall.of_network(made), *firewall.of_endpoint(made, endpoint))}


def test_a_published_port_leads_to_the_container():
    assert ("published4", "tcp . 8080", "172.18.0.2 . 80") in elements(network())


def test_a_port_of_one_address_of_the_host_is_of_that_one_only():
    made = network()
    made["endpoints"]["c" * 64]["ports"][0]["host_ip"] = "127.0.0.1"
    assert ("published_at4", "127.0.0.1 . tcp . 8080", "172.18.0.2 . 80") in elements(made)
    assert not any(name == "published4" for name, _, _ in elements(made))


def test_nothing_is_published_from_an_internal_network():
    found = elements(network(internal=True))
    assert ("internal", '"mr-aaaaaaaaaaaa"', "") in found
    assert not any(name.startswith("published") for name, _, _ in found)


def test_a_container_may_use_its_own_addresses_and_no_other():
    owners = {key for name, key, _ in elements(network()) if name.startswith("owners")}
    mac = '"vethac120002" . 02:42:ac:12:00:02 . '
    assert owners == {f"{mac}172.18.0.2", f"{mac}fd12::2", f"{mac}fe80::42:acff:fe12:2"}


def test_questions_to_the_gateway_go_to_the_name_server():
    assert ("names4", '"mr-aaaaaaaaaaaa" . 172.18.0.1', "172.18.0.1 . 40000") in elements(network())


def test_every_set_that_gets_elements_is_in_the_table():
    rules = firewall.rules("x")
    assert all(
        f" {name} {{" in rules for name, _, _ in elements(network(internal=True)) | elements(network())
    )


def test_what_is_deleted_is_added_before_so_that_it_is_there():
    lines = firewall.deleting("t", [("inet", "bridges", '"br0"', "", "web")]).splitlines()
    assert lines == [
        'add element inet t bridges { "br0" comment "web" }',
        'delete element inet t bridges { "br0" }',
    ]


def test_the_default_root_has_the_plain_names():
    assert ledger.names("/var/lib/minirun") == ("minirun0", "minirun")


def test_other_roots_have_names_of_their_own_that_fit_an_interface():
    found = {ledger.names(f"/tmp/{number}/root") for number in range(50)}
    assert len(found) == 50
    assert all(len(name) <= 15 for name, _ in found)


def test_the_script_names_only_the_table_it_is_for():
    words = firewall.all_of("minirun-1234567", [network()]).split()
    following = [
        words[number + 1 : number + 3] for number, word in enumerate(words) if word in ("table", "element")
    ]
    assert {tuple(pair) for pair in following} == {("inet", "minirun-1234567"), ("bridge", "minirun-1234567")}


def test_the_longest_script_is_told_whole():
    text = firewall.all_of("minirun-1234567", [network()])
    assert trace._show(text) == text


def test_a_missing_nft_is_said_with_what_to_install(monkeypatch):
    monkeypatch.setattr(programs.os, "access", lambda path, mode: False)
    with pytest.raises(UnsupportedError, match="nft is not installed") as caught:
        nft.start("", 0, why="")
    assert "nftables" in caught.value.hint


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        ("Error: Could not process rule: Operation not supported", UnsupportedError, "no nftables for IP"),
        ("Error: syntax error\\nsecond line", MinirunError, "^nft: Error: syntax error$"),
        ("", MinirunError, "^nft: ended with status 3$"),
    ],
)
def test_what_nft_says_becomes_one_sentence(tmp_path, monkeypatch, said, error, message):
    fake = tmp_path / "nft"
    fake.write_text(f"#!/bin/sh\nprintf '{said}'\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(error, match=message) as caught:
        nft.run("", 0, why="")
    assert caught.value.hint


def test_detach_needs_neither_pyroute2_nor_other_heavy_modules():
    heavy = {"pyroute2", "subprocess", "ipaddress", "typing", "dataclasses", "pathlib", "logging", "asyncio"}
    assert not loaded_by("from minirun.network import bridge, ports, resolve") & heavy


def test_attach_loads_pyroute2s_messages_and_not_its_sockets():
    loaded = loaded_by("from minirun.network import links")
    assert "pyroute2.netlink.rtnl.ifinfmsg" in loaded
    assert not loaded & {"asyncio", "pyroute2.iproute", "pyroute2.netlink.nlsocket"}


def test_pyroute2_can_still_be_imported_whole_afterwards():
    quiet = "import warnings; warnings.simplefilter('ignore')"
    statement = f"{quiet}\nfrom minirun.network import links\nimport pyroute2; pyroute2.IPRoute"
    assert "pyroute2.iproute" in loaded_by(statement)
