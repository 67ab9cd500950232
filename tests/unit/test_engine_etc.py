"""The three files of /etc of a container: from its record and its networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from minirun.engine import etc
from minirun.engine.options import run_options
from minirun.network import ledger, resolve


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "host_resolv_conf", lambda: "nameserver 192.0.2.53\n")


def record(network: str = "bridge", **asked: Any) -> Any:
    options = {**run_options.defaults("busybox"), **asked}
    return {"id": "c" * 64, "hostname": "web", "network": network, "options": options}


def place(name: str, number: int) -> Any:
    network = ledger.unused("n" * 64, name, "br0")
    subnet, gateway = f"172.{number}.0.0/16", f"172.{number}.0.1"
    network["pools"] = [{"subnet": subnet, "gateway": gateway, "ip_range": "", "given": False}]
    return network, {"addresses": [f"172.{number}.0.2"]}


def test_on_the_default_network_the_hosts_servers_are_asked() -> None:
    texts = etc.texts(record(), [place("bridge", 17)])
    assert texts["hostname"] == "web\n"
    assert texts["resolv.conf"] == "nameserver 192.0.2.53\n"
    assert texts["hosts"].endswith("172.17.0.2\tweb\n")


def test_on_another_network_its_gateway_is_asked() -> None:
    texts = etc.texts(record("shop"), [place("shop", 18), place("bridge", 17)])
    assert texts["resolv.conf"] == "nameserver 172.18.0.1\noptions ndots:0\n"
    assert texts["hosts"].endswith("172.18.0.2\tweb\n172.17.0.2\tweb\n")


def test_the_hosts_gateway_is_that_of_the_first_network() -> None:
    asked = record(extra_hosts=[["host", "host-gateway"], ["db", "192.0.2.7"]])
    hosts = etc.texts(asked, [place("shop", 18), place("bridge", 17)])["hosts"]
    assert "172.18.0.1\thost\n192.0.2.7\tdb\n" in hosts
    assert "127.0.0.1\thost\n" in etc.texts(asked, [])["hosts"]


def test_what_somebody_has_changed_is_left_alone(tmp_path: Path) -> None:
    before, after = [place("shop", 18)], [place("back", 19)]
    etc.write(str(tmp_path), record("shop"), before)
    (tmp_path / "hosts").write_text("mine\n")
    node = (tmp_path / "resolv.conf").stat().st_ino
    etc.rewrite(str(tmp_path), record("shop"), before, after)
    assert (tmp_path / "hosts").read_text() == "mine\n"
    assert (tmp_path / "resolv.conf").read_text().startswith("nameserver 172.19.0.1\n")
    assert (tmp_path / "resolv.conf").stat().st_ino == node  # what is mounted in the container is the file
