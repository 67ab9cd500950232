"""Files that an image brings, read from outside."""

import os
import subprocess

import pytest

from minirun.errors import MinirunError
from minirun.linux import inroot
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


def test_a_passwd_that_is_mounted_is_read_and_nobody_waits_for_another_thing(tmp_path):
    (tmp_path / "passwd").write_bytes(b"root:x:0:0\xff\n")
    (tmp_path / "large").write_bytes(b"x" * (LARGEST_TEXT + 1))
    (tmp_path / "link").symlink_to("/passwd")
    (tmp_path / "out").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "fifo")
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    names = ("passwd", "link", "large", "out", "fifo", "nosuch", ".")
    found = {name: inroot.read_as_mounted(root, f"/{name}") for name in names}
    os.close(root)
    assert found == dict.fromkeys(names, "") | dict.fromkeys(("passwd", "link"), "root:x:0:0\ufffd\n")


# ---- links to nothing


@pytest.fixture
def root(tmp_path):
    (tmp_path / "etc").mkdir()
    for name, target in (
        ("etc/resolv.conf", "../run/systemd/resolve/stub.conf"),
        ("etc/absolute", "/run/absolute"),
        ("etc/chain", "resolv.conf"),
        ("etc/out", "../../../../../../nowhere/at/all"),
        ("etc/loop", "loop"),
        ("run2", "etc"),
    ):
        (tmp_path / name).symlink_to(target)
    (tmp_path / "etc/file").write_text("x")
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


PLACES = [
    ("/etc/resolv.conf", "run/systemd/resolve/stub.conf"),
    ("/etc/absolute", "run/absolute"),
    ("/run2/chain", "run/systemd/resolve/stub.conf"),
    ("/etc/out/x", "nowhere/at/all/x"),
    ("etc/../new/./a", "new/a"),
    ("/etc/file", "etc/file"),
]


@pytest.mark.parametrize(("path", "place"), PLACES)
def test_a_file_is_made_where_the_links_lead_inside_the_root(root, tmp_path, path, place):
    inroot.make_file(root, path)
    assert inroot.place_of(root, path) == f"/{place}"
    assert (tmp_path / place).is_file()
    inroot.make_file(root, path)  # again


@pytest.mark.parametrize(("path", "place"), PLACES[:-1])
def test_a_directory_is_made_there_too(root, tmp_path, path, place):
    inroot.make_directory(root, path)
    inroot.make_directory(root, f"{path}/below")
    assert (tmp_path / place / "below").is_dir()


def test_a_link_of_many_names_is_a_way_like_any_other(root, tmp_path):
    """More of them than Python's functions may be nested."""
    names = "d/" * 1100 + "end"
    (tmp_path / "deep").symlink_to(names)
    try:
        inroot.make_directory(root, "/deep")
        assert inroot.mode_of(root, f"/{names}")
    finally:
        subprocess.run(["rm", "-r", tmp_path / "d"], check=True)  # shutil.rmtree() nests, too


@pytest.mark.parametrize("path", ["/etc/loop", "/etc/loop/x", "/etc/file/x", "/etc/resolv.conf" + "x" * 300])
def test_what_cannot_be_made_is_an_error(root, path):
    for make in (inroot.make_file, inroot.make_directory):
        with pytest.raises(OSError, match=r"Too many levels|Not a directory|File name too long"):
            make(root, path)
