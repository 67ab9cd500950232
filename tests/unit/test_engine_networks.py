"""Networks as a library caller has them, without one being made."""

from pathlib import Path
from typing import Any

import pytest

from minirun.engine import networks, records, volumes
from minirun.engine.options import attachments, run_options
from minirun.errors import ConflictError, NotFoundError, UnsupportedError, UsageError
from minirun.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path / "root"), str(tmp_path / "state"))


@pytest.fixture
def record(paths: Paths) -> Any:
    made: Any = {
        "version": records.VERSION,
        "id": "abc123",
        "name": "web",
        "created": "",
        "network": "bridge",
    }
    made |= {"options": run_options.defaults("busybox"), "attachments": [], "state": records.new_state()}
    records.add(paths, made)
    return made


@pytest.fixture
def network(paths: Paths) -> Any:
    return networks.create(paths, "lab", subnets=["10.79.9.0/24"])


def test_a_network_is_found_connected_and_disconnected_by_what_names_it(
    paths: Paths, record: Any, network: Any
) -> None:
    assert networks.find(paths, network["id"][:12])["name"] == "lab"
    networks.connect(paths, network["id"][:12], record)
    assert records.read(paths, "abc123")["attachments"] == [attachments.attachment("lab")]
    with pytest.raises(ConflictError, match="already exists in network lab"):
        networks.connect(paths, "lab", record)
    networks.disconnect(paths, "lab", record)
    assert records.read(paths, "abc123")["attachments"] == []
    with pytest.raises(NotFoundError):
        networks.connect(paths, "nosuch", record)


def test_the_callers_attachment_stays_as_it_is(paths: Paths, record: Any, network: Any) -> None:
    wanted = attachments.attachment("", aliases=["db"])
    networks.connect(paths, "lab", record, wanted)
    assert wanted["network"] == ""
    assert records.read(paths, "abc123")["attachments"][0]["network"] == "lab"


@pytest.mark.parametrize("wrong", [{"aliases": "db"}, {"ipv4": "x"}, {"mac": None}, {"plug": "x"}])
def test_an_attachment_that_is_none_is_refused(paths: Paths, record: Any, network: Any, wrong: Any) -> None:
    with pytest.raises(UsageError):
        networks.connect(paths, "lab", record, {**attachments.attachment("lab"), **wrong})
    assert records.read(paths, "abc123")["attachments"] == []


def test_a_volume_needs_no_labels(paths: Paths) -> None:
    assert volumes.create(paths, "data")["labels"] == {}
    assert volumes.create(paths)["anonymous"]


# ---- drivers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("driver", "sentence"),
    [
        ("ipvlan", "--driver ipvlan is not in minirun: `-d macvlan` puts containers"),
        ("overlay", "--driver overlay is not in minirun: it joins machines of a swarm"),
        ("host", "--driver host is not in minirun: there is one network of this kind"),
        ("weave", "could not find plugin weave in v1 plugin registry: plugin not found"),
    ],
)
def test_a_driver_that_is_not_here_is_refused(paths: Paths, driver: str, sentence: str) -> None:
    with pytest.raises((UnsupportedError, UsageError), match=sentence):
        networks.create(paths, "lab", driver=driver)


@pytest.mark.parametrize("name", ["bridge", "host", "none", "default"])
def test_names_that_mean_something_are_no_new_networks(paths: Paths, name: str) -> None:
    with pytest.raises(ConflictError, match=f"not permitted on predefined {name} network"):
        networks.create(paths, name)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "a macvlan network needs an interface of this host"),
        ({"parent": "lo"}, "this host has no interface lo that others can be on"),
        ({"parent": "nosuch0"}, "this host has no interface nosuch0"),
        ({"parent": "../lo"}, "this host has no interface ../lo"),
        ({"parent": "."}, "this host has no interface ."),
        ({"parent": "lo", "macvlan_mode": "passthru"}, 'invalid value for macvlan_mode: "passthru"'),
        (
            {"parent": "lo", "com.docker.network.driver.mtu": "x"},
            "invalid value for com.docker.network.driver.mtu",
        ),
        (
            {"parent": "lo", "com.docker.network.bridge.name": "x"},
            "unknown option com.docker.network.bridge.name",
        ),
    ],
)
def test_a_macvlan_network_is_asked_what_it_needs(
    paths: Paths, options: dict[str, str], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        networks.create(paths, "lab", driver="macvlan", options=options)
