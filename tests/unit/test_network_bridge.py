"""Names of the bridge and the table, the script of the table, and what the modules load."""

import sys

import pytest

from minirun.errors import MinirunError, UnsupportedError
from minirun.linux import trace
from minirun.network import bridge, firewall
from tests.support import CHECKOUT, run


def loaded_by(statement: str) -> set[str]:
    """The modules that a bare interpreter has after `statement`."""
    program = f"import sys; sys.path[:] = {[str(CHECKOUT), *sys.path]!r}\n{statement}\nprint(*sys.modules)"
    return set(run(sys.executable, "-I", "-c", program, check=True).stdout.split())


def test_the_default_root_has_the_plain_names():
    assert bridge.names("/var/lib/minirun") == ("minirun0", "minirun")


def test_other_roots_have_names_of_their_own_that_fit_an_interface():
    found = {bridge.names(f"/tmp/{number}/root") for number in range(50)}
    assert len(found) == 50
    assert all(len(name) <= 15 for name, _ in found)


def test_the_script_names_only_the_table_it_is_for():
    text = firewall.script("minirun-1234567", "br0", "172.17.0.0/16")
    tables = [line.split("inet ")[1].split()[0] for line in text.splitlines() if "table inet" in line]
    assert tables == ["minirun-1234567"] * 3
    assert 'ip saddr 172.17.0.0/16 oifname != "br0" masquerade' in text


def test_the_longest_script_is_told_whole():
    text = firewall.script("minirun-1234567", "minirun-1234567", "192.168.240.0/20")
    assert trace._show(text) == text


def test_a_missing_nft_is_said_with_what_to_install(monkeypatch):
    monkeypatch.setattr(firewall.os, "access", lambda path, mode: False)
    with pytest.raises(UnsupportedError, match="nft is not installed") as caught:
        firewall.begin("", 0, why="")
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
        firewall.finish(firewall.begin("", 0, why=""))
    assert caught.value.hint


def test_detach_needs_neither_pyroute2_nor_other_heavy_modules():
    heavy = {"pyroute2", "subprocess", "ipaddress", "typing", "dataclasses", "pathlib", "logging", "asyncio"}
    assert not loaded_by("from minirun.network import bridge, resolve") & heavy


def test_attach_loads_pyroute2s_messages_and_not_its_sockets():
    loaded = loaded_by("from minirun.network import links")
    assert "pyroute2.netlink.rtnl.ifinfmsg" in loaded
    assert not loaded & {"asyncio", "pyroute2.iproute", "pyroute2.netlink.nlsocket"}


def test_pyroute2_can_still_be_imported_whole_afterwards():
    quiet = "import warnings; warnings.simplefilter('ignore')"
    statement = f"{quiet}\nfrom minirun.network import links\nimport pyroute2; pyroute2.IPRoute"
    assert "pyroute2.iproute" in loaded_by(statement)
