"""What each layer changed, told from directories as overlayfs would see them."""

import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from minirun.engine.view import layers as view
from tests.image_tars import add_image, directory, entry, hard_link, store_in, tar

WHITEOUT = object()
privileged = pytest.mark.skipif(os.geteuid() != 0, reason="trusted xattrs need root")


class Layers:
    """Makes layer directories; `told()` is what is found out of the last: {path: change}."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.directories: list[str] = []

    def add(self, files: dict[str, Any], opaque: str = "") -> Path:
        """A layer of `files`: path -> content, None for a directory, WHITEOUT."""
        root = self.base / f"layer{len(self.directories)}"
        root.mkdir(mode=0o755)
        self.directories.append(str(root))
        for name, content in files.items():
            make(root / name, content)
        if opaque:
            os.setxattr(root / opaque, "trusted.overlay.opaque", b"y")
        return root

    def compared(self) -> list[view.Layer]:
        return view.compare(self.directories)

    def told(self) -> dict[str, str]:
        return {entry.path: entry.change for entry, _ in self.compared()[-1].root.walk()}


def make(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        path.mkdir(exist_ok=True)
    elif content is WHITEOUT:
        os.mknod(path, stat.S_IFCHR | 0o600, 0)
    else:
        path.write_bytes(content)
        os.utime(path, (1_700_000_000, 1_700_000_000))


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    return Layers(tmp_path)


def found(layer: view.Layer, path: str) -> view.Entry:
    return next(entry for entry, _ in layer.root.walk() if entry.path == path)


def test_all_of_the_lowest_layer_is_added(layers: Layers) -> None:
    layers.add({"etc/motd": b"hello", "var": None})
    assert layers.told() == {"etc": "added", "etc/motd": "added", "var": "added"}


def test_another_content_is_a_change(layers: Layers) -> None:
    layers.add({"a": b"one"})
    layers.add({"a": b"two"})
    assert layers.told() == {"a": "changed"}


def test_a_directory_on_the_way_is_no_change(layers: Layers) -> None:
    layers.add({"etc/motd": b"hello"})
    layers.add({"etc/passwd": b"root"})
    assert layers.told() == {"etc": "same", "etc/passwd": "added"}


def test_a_directory_listed_once_more_is_left_out(layers: Layers) -> None:
    layers.add({"etc/deep/motd": b"hello"})
    layers.add({"etc/deep": None, "new": b""})
    assert layers.told() == {"new": "added"}


def test_another_mode_of_a_directory_is_told(layers: Layers) -> None:
    layers.add({"tmp": None})
    (layers.add({"tmp": None}) / "tmp").chmod(0o1777)
    assert layers.told() == {"tmp": "attributes"}


def test_chmod_of_a_file_holds_its_bytes_once_more(layers: Layers) -> None:
    layers.add({"tool": b"x" * 1000})
    (layers.add({"tool": b"x" * 1000}) / "tool").chmod(0o755)
    lower, upper = layers.compared()
    assert found(upper, "tool").change == "attributes"
    assert (lower.root.wasted, upper.root.total) == (1000, 1000)


def test_a_file_there_once_more_is_the_same(layers: Layers) -> None:
    layers.add({"tool": b"x"})
    layers.add({"tool": b"x"})
    assert layers.told() == {"tool": "same"}


def test_a_file_capability_is_an_attribute(layers: Layers) -> None:
    layers.add({"ping": b"x"})
    os.setxattr(layers.add({"ping": b"x"}) / "ping", "user.note", b"1")
    assert layers.told() == {"ping": "attributes"}


def test_a_whiteout_is_a_removal_and_wastes_what_it_hides(layers: Layers) -> None:
    layers.add({"cache/a": b"12345", "cache/b/c": b"678", "kept": b"9"})
    layers.add({"cache": WHITEOUT})
    lower, upper = layers.compared()
    gone = found(upper, "cache")
    assert (gone.change, gone.kind, gone.hides) == ("removed", "directory", 8)
    assert (lower.root.wasted, found(lower, "cache/b/c").hidden_by) == (8, 1)


def test_what_was_removed_can_be_added_again(layers: Layers) -> None:
    layers.add({"a": b"1"})
    layers.add({"a": WHITEOUT})
    layers.add({"a": b"1"})
    assert layers.told() == {"a": "added"}


@privileged
def test_an_opaque_directory_removes_what_it_does_not_list(layers: Layers) -> None:
    layers.add({"d/old": b"123", "d/both": b"1", "d/sub/deep": b"4"})
    layers.add({"d/both": b"2", "d/sub/new": b""}, opaque="d")
    assert layers.told() == {
        "d": "same",
        "d/both": "changed",
        "d/old": "removed",
        "d/sub": "same",
        "d/sub/deep": "removed",
        "d/sub/new": "added",
    }
    assert layers.compared()[0].root.wasted == 5


@privileged
def test_an_opaque_directory_says_so(layers: Layers) -> None:
    layers.add({"d/old": b"123"})
    layers.add({"d": None}, opaque="d")
    assert found(layers.compared()[-1], "d").opaque


def test_a_file_in_the_place_of_a_directory_hides_all_of_it(layers: Layers) -> None:
    layers.add({"d/a": b"123", "d/b": b"45"})
    layers.add({"d": b"file"})
    assert found(layers.compared()[1], "d").hides == 5


def test_a_directory_in_the_place_of_a_file(layers: Layers) -> None:
    layers.add({"d": b"file"})
    layers.add({"d/a": b""})
    assert layers.told() == {"d": "changed", "d/a": "added"}


def test_a_symbolic_link_is_compared_by_its_target_and_not_followed(layers: Layers) -> None:
    for target in ("etc", "etc", "/"):
        os.symlink(target, layers.add({}) / "link")
    assert layers.told() == {"link": "changed"}
    assert found(layers.compared()[-1], "link").target == "/"


# ---- bytes ------------------------------------------------------------------------------------------------


def test_hard_links_share_their_bytes(layers: Layers) -> None:
    root = layers.add({"a": b"12345"})
    os.link(root / "a", root / "b")
    (layer,) = layers.compared()
    assert layer.root.total == 5
    assert found(layer, "b").first.path == "a"


def test_bytes_are_wasted_when_the_last_hard_link_is_covered(layers: Layers) -> None:
    root = layers.add({"a": b"12345"})
    os.link(root / "a", root / "b")
    layers.add({"a": WHITEOUT})
    assert layers.compared()[0].root.wasted == 0
    layers.add({"b": WHITEOUT})
    assert [layer.root.wasted for layer in layers.compared()] == [5, 0, 0]


def test_what_was_copied_up_for_a_hard_link_is_the_same(tmp_path: Path) -> None:
    image = add_image(store_in(tmp_path), tar(entry("a", b"12345")), tar(hard_link("b", "a")), name="linked")
    _, upper = view.read(image)
    assert {entry.path: entry.change for entry, _ in upper.root.walk()} == {"a": "same", "b": "added"}


def test_each_byte_is_wasted_once(layers: Layers) -> None:
    for _ in range(3):
        layers.add({"a": os.urandom(7)})
    layers.add({"a": WHITEOUT})
    assert [layer.root.wasted for layer in layers.compared()] == [7, 7, 7, 0]


# ---- names, depth, number ---------------------------------------------------------------------------------


def test_a_name_that_is_not_utf8_comes_as_the_file_system_gave_it(layers: Layers) -> None:
    root = layers.add({})
    with open(os.fsencode(root) + b"/caf\xe9", "wb"):
        pass
    assert list(layers.told()) == [os.fsdecode(b"caf\xe9")]


def test_ten_thousand_entries_take_less_than_half_a_second(layers: Layers) -> None:
    layers.add({f"{number % 100}/{number}": b"" for number in range(10_000)})
    before = time.process_time()
    assert layers.compared()[0].counts["added"] == 10_100
    assert time.process_time() - before < 0.5


# ---- images -----------------------------------------------------------------------------------------------


def test_a_layer_that_is_there_twice_is_told_twice(tmp_path: Path) -> None:
    first, second = tar(entry("a", b"1")), tar(entry("a", b"2"))
    told = view.read(add_image(store_in(tmp_path), first, second, first, name="twice"))
    assert [layer.counts["added"] + layer.counts["changed"] for layer in told] == [1, 1, 1]
    assert told[0].diff_id == told[2].diff_id != told[1].diff_id


def test_a_parent_that_a_layer_does_not_list_is_no_change(tmp_path: Path) -> None:
    lower = tar(directory("tmp", 0o1777), entry("tmp/a", b"1"))
    _, upper = view.read(add_image(store_in(tmp_path), lower, tar(entry("tmp/b", b"2")), name="implied"))
    assert {entry.path: entry.change for entry, _ in upper.root.walk()} == {"tmp": "same", "tmp/b": "added"}


HISTORY = [{"created_by": "ADD"}, {"created_by": "ENV", "empty_layer": True}, {"created_by": "RUN"}]


def pairs(layers: Layers, history: object) -> list[tuple[str, int | None]]:
    told = view.steps(history, layers.compared())
    return [(line.get("created_by", ""), layer.number if layer else None) for line, layer in told]


def test_history_lines_find_their_layers(layers: Layers) -> None:
    layers.add({})
    layers.add({})
    assert pairs(layers, HISTORY) == [("ADD", 0), ("ENV", None), ("RUN", 1)]


def test_a_layer_without_a_history_line_is_told_all_the_same(layers: Layers) -> None:
    for _ in range(3):
        layers.add({})
    assert pairs(layers, HISTORY)[-1] == ("", 2)
    assert pairs(layers, None) == [("", 0), ("", 1), ("", 2)]


def test_a_history_line_too_many_made_no_layer(layers: Layers) -> None:
    layers.add({})
    assert pairs(layers, [*HISTORY, "not a line"])[-1] == ("RUN", None)
