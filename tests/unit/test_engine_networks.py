"""Networks as a library caller has them, without one being made."""

from pathlib import Path
from typing import Any

import pytest

from minirun.engine import networks, records, volumes
from minirun.engine.options import attachments, run_options
from minirun.errors import ConflictError, NotFoundError, UsageError
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
