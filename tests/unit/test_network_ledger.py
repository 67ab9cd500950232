"""The ledger's pages, as this minirun and an earlier one wrote them."""

import json
from pathlib import Path

from minirun.network import ledger
from minirun.paths import Paths


def test_a_page_that_an_earlier_minirun_wrote_is_read_in_todays_words(tmp_path: Path) -> None:
    paths = Paths(str(tmp_path / "root"), str(tmp_path / "state"))
    page = {**ledger.unused("1234", "lab", "mr-1234"), "gates": ["ip"]}
    del page["foreign_firewalls"]  # type: ignore[misc]
    ledger.write(paths, ledger.unused("1234", "lab", "mr-1234"))
    Path(ledger.path(paths, "lab")).write_text(json.dumps(page))
    found = ledger.read(paths, "lab")
    assert found == {**ledger.unused("1234", "lab", "mr-1234"), "foreign_firewalls": ["ip"]}


def test_a_container_of_an_earlier_minirun_can_read_the_page_and_change_it(tmp_path: Path) -> None:
    """Its shim goes on with the program of then, and joins the network again at each restart."""
    paths = Paths(str(tmp_path / "root"), str(tmp_path / "state"))
    ledger.write(paths, {**ledger.unused("1234", "lab", "mr-1234"), "foreign_firewalls": ["ip"]})
    page = json.loads(Path(ledger.path(paths, "lab")).read_text())
    assert page["gates"] == ["ip"]
    Path(ledger.path(paths, "lab")).write_text(json.dumps({**page, "gates": ["ip", "ip6"]}))
    assert ledger.read(paths, "lab")["foreign_firewalls"] == ["ip", "ip6"]
