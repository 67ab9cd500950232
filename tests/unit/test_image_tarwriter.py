"""A tree becomes a tar that says all there is to say, the same each time, whatever happens to the tree meanwhile."""

import io
import os
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from minirun.errors import MinirunError
from minirun.image import tarwriter
from tests.support import run


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    made.mkdir()
    return made


def opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


def written(path: Path) -> bytes:
    fd = opened(path)
    try:
        return b"".join(tarwriter.of_tree(fd))
    finally:
        os.close(fd)


def layer(path: Path, *left_out: str) -> list[str]:
    """The names in the layer of an upper directory."""
    fd = opened(path)
    try:
        content = b"".join(tarwriter.of_changes(fd, left_out.__contains__))
    finally:
        os.close(fd)
    return [info.name for info in read(content)]


def read(content: bytes) -> list[tarfile.TarInfo]:
    return tarfile.open(fileobj=io.BytesIO(content), errors="surrogateescape").getmembers()


def entries(path: Path) -> dict[str, tarfile.TarInfo]:
    return {info.name: info for info in read(written(path))}


def test_parents_come_first_and_names_are_sorted(tree: Path) -> None:
    for name in ("b/c", "a", "B"):
        (tree / name).mkdir(parents=True)
    assert [info.name for info in read(written(tree))] == [".", "B", "a", "b", "b/c"]


def test_the_end_is_told(tree: Path) -> None:
    assert written(tree).endswith(bytes(1024))


def test_the_same_tree_is_the_same_tar(tree: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tree / name).write_text(name)
        os.utime(tree / name, ns=(0, 1_700_000_000_123_456_789))
    run("cp", "-a", tree, tmp_path / "copy", check=True)
    assert written(tree) == written(tmp_path / "copy")


def test_mode_and_exact_time_are_kept(tree: Path) -> None:
    (tree / "f").touch()
    (tree / "f").chmod(0o4751)
    os.utime(tree / "f", ns=(0, 1_700_000_000_123_456_780))
    info = entries(tree)["f"]
    assert (oct(info.mode), info.pax_headers["mtime"]) == ("0o4751", "1700000000.12345678")


@pytest.mark.parametrize("nanoseconds", [-1, -1_500_000_000, 1 << 62])
def test_times_far_away_are_exact(tree: Path, nanoseconds: int) -> None:
    (tree / "f").touch()
    os.utime(tree / "f", ns=(0, nanoseconds))
    stored = os.stat(tree / "f").st_mtime_ns  # what this file system can hold
    info = entries(tree)["f"]
    text = info.pax_headers.get("mtime", str(info.mtime))
    assert tarwriter._decimal(stored).rstrip(".") == text.removesuffix(".0")


def test_hard_links_point_at_the_first_name(tree: Path) -> None:
    (tree / "d").mkdir()
    (tree / "d/z").write_text("content")
    os.link(tree / "d/z", tree / "a")
    found = entries(tree)
    assert (found["a"].size, found["d/z"].type, found["d/z"].linkname) == (7, tarfile.LNKTYPE, "a")


def test_links_fifos_and_no_sockets(tree: Path) -> None:
    (tree / "link").symlink_to("/nowhere")
    os.mkfifo(tree / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tree / "socket"))
        found = entries(tree)
    assert set(found) == {".", "link", "fifo"}
    assert (found["link"].linkname, found["fifo"].type) == ("/nowhere", tarfile.FIFOTYPE)


def test_names_that_are_long_or_not_utf8(tree: Path) -> None:
    names = {"n" * 255, "\udcff\udcfe", "käse"}
    for name in names:
        (tree / name).touch()
    assert set(entries(tree)) - {"."} == names


def test_attributes_are_kept_with_every_byte(tree: Path) -> None:
    (tree / "f").touch()
    os.setxattr(tree / "f", "user.note", b"\0\xff=\n")
    value = entries(tree)["f"].pax_headers["SCHILY.xattr.user.note"]
    assert value.encode("utf-8", "surrogateescape") == b"\0\xff=\n"


def test_a_large_file_streams_in_pieces(tree: Path) -> None:
    os.truncate(os.open(tree / "big", os.O_CREAT | os.O_RDWR), 5 << 20)
    fd = opened(tree)
    chunks = list(tarwriter.of_tree(fd))
    os.close(fd)
    assert max(map(len, chunks)) < 3 << 20
    assert entries(tree)["big"].size == 5 << 20


# ---- a tree that changes meanwhile


def chunks_of(tree: Path) -> Iterator[bytes]:
    """Unjoined, so that the test runs between two entries."""
    fd = opened(tree)
    yield from tarwriter._Writer(fd, overlay=False).chunks()
    os.close(fd)


def test_a_directory_that_becomes_a_link_is_not_followed(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").touch()
    (tree / "d").mkdir()
    chunks = chunks_of(tree)
    seen = [next(chunks), next(chunks)]  # the root, then d
    (tree / "d").rmdir()
    (tree / "d").symlink_to(tmp_path / "secret")
    assert [info.name for info in read(b"".join([*seen, *chunks]))] == [".", "d"]


def test_what_vanishes_is_passed_over(tree: Path) -> None:
    for name in ("a", "b", "c"):
        (tree / name).touch()
    chunks = chunks_of(tree)
    seen = [next(chunks), next(chunks)]
    (tree / "b").unlink()
    assert [info.name for info in read(b"".join([*seen, *chunks]))] == [".", "a", "c"]


def test_a_file_that_shrinks_is_filled_up(tree: Path) -> None:
    (tree / "f").write_bytes(b"x" * (3 << 20))
    (tree / "g").touch()
    chunks = chunks_of(tree)
    seen = [next(chunks), next(chunks), next(chunks)]  # the root, f's header, its first megabyte
    os.truncate(tree / "f", 1 << 20)
    found = {info.name: info.size for info in read(b"".join([*seen, *chunks]))}
    assert found == {".": 0, "f": 3 << 20, "g": 0}


# ---- an overlay's upper directory


def test_an_upper_directory_without_changes_is_an_empty_layer(tree: Path) -> None:
    assert layer(tree) == []


def test_what_is_left_out_is_left_out_with_all_in_it(tree: Path) -> None:
    (tree / "proc/1").mkdir(parents=True)
    (tree / "kept").touch()
    assert layer(tree, "proc") == ["kept"]


def test_a_name_that_would_be_taken_for_a_whiteout_is_refused(tree: Path) -> None:
    (tree / ".wh.f").touch()
    with pytest.raises(MinirunError, match=r"'\.wh\.f': no layer can hold a name that begins with \.wh\."):
        layer(tree)
    assert ".wh.f" in entries(tree)  # an export may: it is only a file there
