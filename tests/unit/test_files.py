"""Files: what removing a tree leaves alone, and what reading one that is not there says."""

import errno
import os
from pathlib import Path

import pytest

from minirun import files


def test_remove_tree_removes_all_below_and_itself(tmp_path: Path) -> None:
    (tmp_path / "tree" / "a" / "b").mkdir(parents=True)
    (tmp_path / "tree" / "a" / "b" / "file").touch()
    (tmp_path / "tree" / "dangling").symlink_to("nowhere")
    files.remove_tree(str(tmp_path / "tree"))
    assert list(tmp_path.iterdir()) == []


def test_remove_tree_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "kept")
    files.remove_tree(str(tmp_path / "tree"))
    assert (tmp_path / "kept" / "file").exists()


def test_remove_tree_is_content_when_there_is_nothing(tmp_path: Path) -> None:
    files.remove_tree(str(tmp_path / "nothing"))


def test_text_that_cannot_be_read_is_empty(tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(b"a\xff\n")
    assert [files.text(str(tmp_path / name)) for name in ("odd", "none")] == ["a\ufffd\n", ""]


class Full:
    """os, where no file can be made: a disk without room."""

    def __getattr__(self, name):
        return getattr(os, name)

    def open(self, path, flags, *mode):
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        return os.open(path, flags, *mode)


@pytest.mark.parametrize("value", [{"a": 1}, {"a": "longer than before"}, {}, {"b": "x" * 3000}])
def test_on_a_full_disk_json_is_written_over_what_was_there(tmp_path, monkeypatch, value):
    path = tmp_path / "record.json"
    files.write_json(str(path), {"a": "before", "b": [1, 2, 3]})
    monkeypatch.setattr(files, "os", Full())
    files.write_json(str(path), value, durable=True)
    assert files.read_json(str(path)) == value
    assert os.listdir(tmp_path) == ["record.json"]


@pytest.mark.parametrize(
    ("name", "before", "content"),
    [("record.json", None, "{}"), ("record.json", "{}", "[" + "1," * 50_000 + "1]"), ("hosts", "old", "new")],
)
def test_on_a_full_disk_what_does_not_fit_is_told_and_the_old_stays(
    tmp_path, monkeypatch, name, before, content
):
    path = tmp_path / name
    if before is not None:
        path.write_text(before)
    monkeypatch.setattr(files, "os", Full())
    with pytest.raises(OSError, match="No space left"):
        files.write_whole(str(path), content.encode())
    assert (path.read_text() if path.exists() else None) == before
