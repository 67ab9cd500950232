"""A name server that is about to start: its lock says that one is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minirun.errors import MinirunError
from minirun.network import ledger, nameserver_process
from minirun.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    os.makedirs(tmp_path / "networks")
    return Paths(str(tmp_path))


@pytest.fixture
def network() -> ledger.Network:
    made = ledger.unused("n" * 64, "town", "br0")
    made["pools"] = [{"subnet": "127.0.0.0/8", "gateway": "127.0.0.1", "ip_range": "", "given": True}]
    return made


def test_it_has_one_port_for_both_protocols_before_it_runs(paths: Paths, network: ledger.Network) -> None:
    prepared = nameserver_process.Preparation(paths, network)
    assert nameserver_process.is_running(paths, network)
    ports = {sock.getsockname()[1] for sock in (*prepared.udp, *prepared.tcp)}
    assert ports == {network["dns_port"]}
    prepared.close()
    assert not nameserver_process.is_running(paths, network)


def test_one_that_finds_no_port_holds_no_lock(
    paths: Paths, network: ledger.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nameserver_process, "_TRIES", 0)
    with pytest.raises(MinirunError, match="no port is free"):
        nameserver_process.Preparation(paths, network)
    assert not nameserver_process.is_running(paths, network)
