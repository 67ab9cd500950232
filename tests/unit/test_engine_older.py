"""What is said of a container that an earlier minirun has started, and that still runs under that one."""

import json
from pathlib import Path
from typing import Any

import pytest

from minirun.engine import control, records, update
from minirun.engine.shim import netmaker
from minirun.engine.view import inspect
from minirun.errors import MinirunError, UnsupportedError
from minirun.linux import cgroup_files
from minirun.network import bridge
from minirun.paths import Paths

RECORD: Any = {"id": "abc", "name": "web"}


@pytest.mark.parametrize(("version", "hint"), [(1, "`minirun restart web` first"), (records.VERSION, "")])
def test_what_its_shim_cannot_do_has_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, hint: str
) -> None:
    paths = Paths(str(tmp_path), str(tmp_path))
    where = Path(records.path(paths, "abc"))
    where.parent.mkdir(parents=True)
    where.write_text(json.dumps({"version": version}))

    def refuse(*_: object, **__: object) -> None:
        raise MinirunError("the shim cannot change attachments to that")

    monkeypatch.setattr(records, "has_shim", lambda *_: True)
    monkeypatch.setattr(control, "request", refuse)
    with pytest.raises(MinirunError) as raised:
        control.change_locked(paths, RECORD, {"attachments": []})
    assert raised.value.hint.endswith(hint)
    assert bool(raised.value.hint) == bool(hint)


def test_a_limit_whose_group_it_has_not_got_is_no_fault_of_the_kernels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cgroup_files, "v1_directories", lambda _: {"memory": "/nosuch", "cpu": "/"})
    update._require_group(RECORD, "/minirun/abc", {"cpu.max": "max", "hugetlb.2MB.max": "1"})
    with pytest.raises(UnsupportedError, match="an earlier minirun has started it") as raised:
        update._require_group(RECORD, "/minirun/abc", {"cpu.max": "max", "memory.max": "1"})
    assert "minirun restart web" in raised.value.hint


def test_inspect_names_groups_that_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "is_up", lambda _: True)
    monkeypatch.setattr(inspect.state, "read", lambda *_: {"cgroup": "/minirun/abc"})
    monkeypatch.setattr(cgroup_files, "directory", lambda group: group)
    monkeypatch.setattr(cgroup_files, "v1_directories", lambda _: {"memory": "/nosuch", "cpu": "/"})
    monkeypatch.setattr(inspect, "_held", lambda _: {})
    found = inspect._kernel(Paths(str(tmp_path), str(tmp_path)), RECORD)
    assert found == {"Cgroup": "/minirun/abc", "CgroupsV1": {"cpu": "/"}}


def test_what_the_maker_of_networks_stumbles_over_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> None:
        raise KeyError("gates")

    monkeypatch.setattr(bridge, "attach", stumble)
    order = {"root": "/r", "state": "/s", "sandbox": {}, "attachments": [], "namespace": ""}
    answer = netmaker._make(order, home=0)
    assert answer["error"] == "the network cannot be made: minirun has made a mistake: 'gates'"
    assert "/r/networks" in str(answer["hint"])
