"""Files: what removing a tree leaves alone, and what reading one that is not there says."""

from pathlib import Path

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
