"""What the engine does to images: what containers claim of their layers, drafts, and the events that tell of it."""

import errno
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from minirun.cli import removing
from minirun.engine import images, records
from minirun.errors import MinirunError
from minirun.image import derive, pull_policy, registry, removal
from minirun.image.layout import Layout
from minirun.image.reference import parse
from minirun.image.store import Store
from tests.image_tars import add_image, entry, left, store_in, tar
from tests.support import CHECKOUT

LAYER = tar(entry("hello", b"hi"))
OTHER = tar(entry("other", b"ho"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path)


# ---- who claims layers --------------------------------------------------------------------------------------


def add_record(store: Store, content: str) -> None:
    os.makedirs(store.paths.container("c" * 64))
    Path(store.paths.container("c" * 64), "container.json").write_text(content)


def unpacked(store: Store) -> str:
    """The directory of the one layer of a new image."""
    [path] = add_image(store, LAYER, name="tool").layer_paths()
    return path


def test_a_store_without_claims_sweeps_no_unpacked_layer(store: Store) -> None:
    layer = unpacked(store)
    plain = Store(store.paths)
    removal.remove(plain, "tool")
    plain.sweep(partial=True)
    assert os.listdir(f"{store.paths.images}/blobs/sha256") == []
    assert os.path.exists(f"{layer}/hello")


def test_one_that_knows_all_claims_does(store: Store) -> None:
    layer = unpacked(store)
    images.remove(store.paths, "tool")
    assert not os.path.exists(layer)


BAD_RECORDS = {
    "cut off": '{"version": 1, "id": "ccc',
    "empty": "",
    "of a newer minirun": json.dumps({"version": records.VERSION + 1}),
    "no record": "[]",
}


@pytest.mark.parametrize("content", BAD_RECORDS.values(), ids=BAD_RECORDS)
def test_a_container_whose_record_is_damaged_keeps_its_layers(store: Store, content: str) -> None:
    layer = unpacked(store)
    add_record(store, content)
    pruned = CliRunner().invoke(removing.prune_command, ["-a", "-f"], obj=store.paths)
    assert os.path.exists(f"{layer}/hello")
    assert store.images() == []
    assert pruned.stderr == (
        "minirun: no unpacked layer was removed: the record of container cccccccccccc is damaged\n"
    )


def test_a_record_that_cannot_be_read_keeps_all_layers_too(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = unpacked(store)

    def fail(path: str) -> None:
        raise OSError(errno.EIO, "Input/output error", path)

    add_record(store, "{}")
    monkeypatch.setattr(records.files, "read_json", fail)
    images.remove(store.paths, "tool")
    assert os.path.exists(layer)
    assert "container.json: Input/output error" in images.layers_kept_for(store.paths)[0]


def test_rmi_of_an_image_tells_of_a_damaged_record_too(store: Store) -> None:
    layer = unpacked(store)
    add_record(store, "")
    removed = CliRunner().invoke(removing.rmi_command, ["tool"], obj=store.paths)
    assert "the record of container cccccccccccc is damaged" in removed.stderr
    assert os.path.exists(layer)


def test_the_layers_go_once_the_damage_is_mended(store: Store) -> None:
    layer = unpacked(store)
    add_record(store, "")
    images.remove(store.paths, "tool")
    os.unlink(f"{store.paths.container('c' * 64)}/container.json")
    images.prune(store.paths)
    assert not os.path.exists(layer)


def test_nothing_is_swept_while_layers_are_on_lease(store: Store) -> None:
    layer = unpacked(store)
    with images.lease(store.paths):
        images.remove(store.paths, "tool")
        assert os.path.exists(layer)
    store.sweep()
    assert not os.path.exists(layer)


# ---- drafts -------------------------------------------------------------------------------------------------


def test_a_draft_takes_layers_and_lines_and_is_indexed_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = add_image(store, LAYER, name="base")
    changes: list[int] = []
    change = Layout.change_entries
    monkeypatch.setattr(Layout, "change_entries", lambda *args: (changes.append(1), change(*args)))
    with derive.draft(store, base) as draft:
        draft.add([OTHER], {"created_by": "COPY other /"})
        draft.note({"created_by": "ENV A=1"})
        draft.add([tar(entry("third", b"3"))], {"created_by": "RUN third", "comment": ""})
        image = draft.publish({"Env": ["A=1"], "Cmd": None}, parse("made"))
    assert len(changes) == 1
    assert image.diff_ids[:1] == base.diff_ids
    assert [sorted(os.listdir(path)) for path in image.layer_paths()] == [["hello"], ["other"], ["third"]]
    assert image.config == {"Env": ["A=1"]}
    assert image.document["history"] == [
        {"created_by": "COPY other /"},
        {"created_by": "ENV A=1", "empty_layer": True},
        {"created_by": "RUN third"},
    ]


def test_a_draft_can_be_stood_on_before_it_has_a_name(store: Store) -> None:
    with derive.scratch(store, ("linux", "amd64", "")) as draft:
        draft.add([LAYER], {})
        [lower] = draft.layer_paths()
        images.prune(store.paths, every=True)  # by another, meanwhile
        assert os.path.exists(f"{lower}/hello")
        draft.add([OTHER], {})
        assert len(draft.layer_paths()) == 2
        assert store.images() == []


def failed_build(store: Store) -> None:
    with derive.scratch(store, ("linux", "arm64", "v8")) as draft:
        draft.add([LAYER], {})
        draft.layer_paths()
        raise MinirunError("RUN failed")


def test_of_a_draft_that_is_not_published_nothing_is_left(store: Store) -> None:
    with pytest.raises(MinirunError, match="RUN failed"):
        failed_build(store)
    assert left(store) == []


def test_scratch_is_for_its_platform(store: Store) -> None:
    with derive.scratch(store, ("linux", "arm", "v7")) as draft:
        image = draft.publish({}, None)
    assert (image.document["architecture"], image.document["variant"], image.diff_ids) == ("arm", "v7", [])


# ---- events -------------------------------------------------------------------------------------------------


def told(store: Store) -> list[tuple[str, str]]:
    """(action, name) of each event about images."""
    lines = Path(store.paths.root, "events.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [(one["Action"], one["Actor"]["Attributes"].get("name", "")) for one in found]


def test_pulling_all_tags_tells_of_those_before_the_one_that_failed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_image(store, LAYER, name="registry.test/tool:1")  # and with it the root, where events are written

    def ensure(_store: Store, text: str, *_: object) -> SimpleNamespace:
        if text.endswith(":3"):
            raise MinirunError("the line is dead")
        return SimpleNamespace(pulled=True)

    monkeypatch.setattr(registry.Registry, "tags", lambda self: ["1", "2", "3", "4"])
    monkeypatch.setattr(pull_policy, "ensure", ensure)
    with pytest.raises(MinirunError, match="dead"):
        images.pull_all_tags(store.paths, "registry.test/tool")
    assert told(store) == [("pull", "registry.test/tool"), ("pull", "registry.test/tool")]


def test_what_is_done_to_an_image_is_told(store: Store) -> None:
    image_id = add_image(store, LAYER, name="tool:1").id
    images.tag(store.paths, "tool:1", "me/tool")
    images.save(store.paths, ["tool:1"], list)
    images.remove(store.paths, "tool:1")
    images.remove(store.paths, "me/tool")
    assert told(store) == [
        ("tag", "me/tool:latest"),
        ("save", image_id),
        ("untag", image_id),
        ("untag", image_id),
        ("delete", image_id),
    ]


def test_a_save_that_cannot_be_written_is_not_told(store: Store) -> None:
    add_image(store, LAYER, name="tool:1")

    def fail(_chunks: object) -> None:
        raise MinirunError("the disk is full")

    with pytest.raises(MinirunError):
        images.save(store.paths, ["tool:1"], fail)
    assert not os.path.exists(f"{store.paths.root}/events.jsonl")


def test_no_command_tells_of_events_itself() -> None:
    sources = {path.name: path.read_text() for path in (CHECKOUT / "minirun" / "cli").glob("*.py")}
    assert [name for name, text in sources.items() if re.search(r"events\.(emit|of_)", text)] == []
