"""What changes a digest and what does not; and that a file is read once."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from minirun.build import digests
from minirun.build.digests import Remembered
from minirun.build.selection import Order, select, select_path
from minirun.build.tree import Tree
from minirun.errors import MinirunError
from minirun.paths import Paths


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """Files that were changed a day ago, so that they may be remembered."""
    made = tmp_path / "context"
    (made / "src/deep").mkdir(parents=True)
    (made / "src/a.py").write_text("print()\n")
    (made / "src/deep/empty").touch()
    (made / "src/link").symlink_to("a.py")
    (made / "large").write_bytes(b"x" * (digests._BLOCK_BYTES + 5))
    (made / "other").write_text("other\n")
    return made


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path / "root"), str(tmp_path / "state"))


@pytest.fixture(autouse=True)
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the build is a minute ahead of that of the files."""
    real = digests.time.time_ns
    monkeypatch.setattr(digests.time, "time_ns", lambda: real() + 60 * 10**9)


def rows_of(context: Path, paths: Paths, source: str = ".", key: str = "k") -> list[digests.Row]:
    tree = Tree(os.open(context, os.O_PATH), "the context", owner=(0, 0))
    remembered = Remembered(paths, key)
    try:
        return select(tree, Order([source], "/d/")).entries(remembered)
    finally:
        remembered.save()
        tree.close()


def digest_of(context: Path, paths: Paths, source: str = ".") -> str:
    return digests.digest(rows_of(context, paths, source))


def test_a_row_says_what_a_file_is(context: Path, paths: Paths):
    (context / "src/a.py").chmod(0o640)
    rows = {row[0]: row for row in rows_of(context, paths, "src")}
    assert rows["src/a.py"][:9] == ["src/a.py", "file", 0o640, 0, 0, 8, "", 0, ""]
    assert rows["src/link"] == ["src/link", "link", 0o777, 0, 0, 0, "a.py", 0, "", ""]
    assert rows["src/deep"] == ["src/deep", "directory", 0o755, 0, 0, 0, "", 0, "", ""]
    assert sorted(rows) == ["src/a.py", "src/deep", "src/deep/empty", "src/link"]


def test_the_content_is_its_sha256(context: Path, paths: Paths):
    from hashlib import sha256

    rows = {row[0]: row[9] for row in rows_of(context, paths)}
    for name in ("src/a.py", "src/deep/empty", "large", "other"):
        assert rows[name] == sha256((context / name).read_bytes()).hexdigest()


def replaced(path: Path) -> None:
    path.unlink()
    path.symlink_to("b.py")


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda context: (context / "src/a.py").write_text("print(1)"),
    "content of the same size": lambda context: (context / "src/a.py").write_text("PRINT()\n"),
    "mode": lambda context: (context / "src/a.py").chmod(0o755),
    "mode of a directory": lambda context: (context / "src/deep").chmod(0o700),
    "a new file": lambda context: (context / "src/new").touch(),
    "a name": lambda context: (context / "src/a.py").rename(context / "src/b.py"),
    "where a link leads": lambda context: replaced(context / "src/link"),
    "a file less": lambda context: (context / "src/deep/empty").unlink(),
    "an attribute": lambda context: os.setxattr(context / "src/a.py", "user.x", b"y"),
    "an attribute of a directory": lambda context: os.setxattr(context / "src/deep", "user.x", b"y"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_file_changes_the_digest(context: Path, paths: Paths, change: str):
    before = digest_of(context, paths, "src")
    CHANGES[change](context)
    assert digest_of(context, paths, "src") != before


NO_CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda context: None,
    "times": lambda context: os.utime(context / "src/a.py", (1, 1)),
    "times of a directory": lambda context: os.utime(context / "src/deep", (1, 1)),
    "what is beside it": lambda context: (context / "other").write_text("x"),
    "mode of the source itself": lambda context: (context / "src").chmod(0o700),
    "the same again": lambda context: (context / "src/a.py").write_text("print()\n"),
}


@pytest.mark.parametrize("change", NO_CHANGES)
def test_what_does_not_change_the_file_does_not_change_the_digest(context: Path, paths: Paths, change: str):
    before = digest_of(context, paths, "src")
    NO_CHANGES[change](context)
    assert digest_of(context, paths, "src") == before


def test_the_name_of_a_single_file_counts(context: Path, paths: Paths):
    (context / "same").write_text("other\n")
    assert digest_of(context, paths, "same") != digest_of(context, paths, "other")


def test_the_mode_of_a_mounts_source_counts(context: Path, paths: Paths):
    tree = Tree(os.open(context, os.O_PATH), "the context")
    before = select_path(tree, "src").digest(Remembered(paths, ""))
    (context / "src").chmod(0o700)
    assert select_path(tree, "src").digest(Remembered(paths, "")) != before
    tree.close()


def test_heredocs_count(context: Path, paths: Paths):
    tree = Tree(os.open(context, os.O_PATH), "the context")
    found = {
        select(tree, Order([], "/d/", files=[file])).digest(Remembered(paths, ""))
        for file in [("a", b"x"), ("a", b"y"), ("b", b"x")]
    }
    assert len(found) == 3
    tree.close()


# ---- what is remembered -----------------------------------------------------------------------------------


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all files that are opened to be read."""
    names: list[str] = []
    original = os.open

    def noted(name: str, *arguments: int, **more: int) -> int:
        if more:
            names.append(name)
        return original(name, *arguments, **more)

    monkeypatch.setattr(os, "open", noted)
    return names


def test_a_second_look_reads_no_file(context: Path, paths: Paths, opened: list[str]):
    first = rows_of(context, paths)
    assert {"a.py", "large", "other"} <= set(opened)
    opened.clear()
    assert rows_of(context, paths) == first
    assert opened == []


def test_only_what_was_changed_is_read_again(context: Path, paths: Paths, opened: list[str]):
    rows_of(context, paths)
    (context / "other").write_text("changed")
    opened.clear()
    rows_of(context, paths)
    assert opened == ["other"]


def test_a_file_as_young_as_the_tick_is_read_again(
    context: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.undo()
    (context / "other").write_text("in this moment")
    first = rows_of(context, paths)
    (context / "other").write_text("IN THIS MOMENT")
    assert rows_of(context, paths) != first


def test_a_file_system_of_whole_seconds_is_given_two(tmp_path: Path, paths: Paths):
    remembered = Remembered(paths, "k")
    second = 10**9
    status = os.stat_result(
        (0o100644, 1, 1, 1, 0, 0, 0, 0, 0, 0), {"st_mtime_ns": 0, "st_ctime_ns": 100 * second}
    )
    remembered.keep(status, "x -", 101 * second)
    assert remembered._new == {}
    remembered.keep(status, "x -", 103 * second)
    assert len(remembered._new) == 1


def test_a_cut_file_is_forgotten(context: Path, paths: Paths):
    first = rows_of(context, paths)
    kept = Path(paths.root) / "build/digests/k"
    kept.write_bytes(kept.read_bytes()[:-100] + b"\xff")
    assert rows_of(context, paths) == first


def test_a_full_disk_only_means_that_nothing_is_kept(
    context: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    first = rows_of(context, paths)
    monkeypatch.setattr(digests.files, "write_whole", full)
    (context / "other").write_text("changed")
    assert rows_of(context, paths) != first


def test_two_builds_at_once_keep_what_both_have_read(context: Path, paths: Paths, opened: list[str]):
    tree = Tree(os.open(context, os.O_PATH), "the context")
    one, two = Remembered(paths, "k"), Remembered(paths, "k")
    select(tree, Order(["src"], "/d/")).digest(one)
    select(tree, Order(["other"], "/d/")).digest(two)
    one.save()
    two.save()
    opened.clear()
    select(tree, Order(["src", "other"], "/d/")).digest(Remembered(paths, "k"))
    assert opened == []
    tree.close()


def test_what_nobody_asks_for_goes_some_day(context: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch):
    rows_of(context, paths)
    monkeypatch.setattr(digests, "_KEPT_UNUSED", 0)
    (context / "other").write_text("changed")
    rows_of(context, paths, "other")
    assert len((Path(paths.root) / "build/digests/k").read_text().splitlines()) == 1


def test_a_file_that_becomes_another_kind_is_told(context: Path, paths: Paths):
    tree = Tree(os.open(context, os.O_PATH), "the context")
    selection = select(tree, Order(["."], "/d/"))
    (context / "other").unlink()
    os.mkfifo(context / "other")
    with pytest.raises(MinirunError, match="/other: it was replaced while the build looked at it"):
        selection.entries(Remembered(paths, ""))
    (context / "other").unlink()
    with pytest.raises(MinirunError, match="/other: No such file or directory"):
        selection.entries(Remembered(paths, ""))
    tree.close()
