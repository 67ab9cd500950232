"""Files that an image brings, read from outside."""

import os

import pytest

from minirun.errors import MinirunError
from minirun.linux.inroot import LARGEST_TEXT, read_in_root


def test_a_small_file_is_read(tmp_path):
    (tmp_path / "passwd").write_bytes(b"root:x:0:0\xff\n")
    assert read_in_root(str(tmp_path), "/passwd") == "root:x:0:0\ufffd\n"


@pytest.mark.parametrize(
    "make",
    [
        lambda path: None,
        lambda path: path.mkdir(),
        lambda path: os.mkfifo(path),
        lambda path: path.symlink_to("passwd"),
        lambda path: path.symlink_to("../../../../etc/passwd"),
    ],
)
def test_what_is_no_file_is_empty(tmp_path, make):
    make(tmp_path / "passwd")
    assert read_in_root(str(tmp_path), "/passwd") == ""


@pytest.mark.parametrize("name", ["version", "kmsg", "self/status"])
def test_nothing_of_another_file_system_is_read(name):
    """/proc's files are regular ones, and some keep a reader waiting."""
    assert read_in_root("/", f"/proc/{name}") == ""


def test_unless_that_is_wanted():
    assert read_in_root("/", "/proc/version", across_mounts=True).startswith("Linux")


def test_the_largest_is_read_and_a_larger_one_is_an_error(tmp_path):
    (tmp_path / "passwd").write_bytes(b"x" * LARGEST_TEXT)
    assert len(read_in_root(str(tmp_path), "/passwd")) == LARGEST_TEXT
    os.truncate(tmp_path / "passwd", 1 << 40)
    with pytest.raises(MinirunError, match="/passwd of the container is too large"):
        read_in_root(str(tmp_path), "/passwd")
