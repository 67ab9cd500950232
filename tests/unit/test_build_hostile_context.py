"""Contexts that mean harm, or are only very large: one sentence each, nothing outside touched, no waiting."""

import contextlib
import io
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from minirun.build import context
from minirun.build.copying import copy
from minirun.build.digests import Remembered
from minirun.build.ignore import Ignore
from minirun.build.selection import Order, select
from minirun.build.tree import Tree
from minirun.errors import MinirunError
from minirun.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path / "root"), str(tmp_path / "state"))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A context beside a secret."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("the secret")
    made = tmp_path / "here"
    (made / "d").mkdir(parents=True)
    (made / "d/a").write_text("a")
    (made / "Dockerfile").write_text("FROM x")
    return made


@pytest.fixture
def tree(here: Path) -> Iterator[Tree]:
    made = Tree(os.open(here, os.O_PATH), "the context", owner=(0, 0))
    yield made
    made.close()


LINKS = {
    "up": "../secret",
    "far up": "../../../../../../../../../../../../../../..",
    "absolute": "/proc/self/root",
    "by another": "d/by",
    "of the process": "/proc/self/cwd",
}


@pytest.mark.parametrize("case", LINKS)
@pytest.mark.parametrize("below", ["", "/key", "/secret/key", "/etc/passwd", "/*"])
def test_no_link_leads_out(here: Path, tree: Tree, case: str, below: str):
    (here / "d/by").symlink_to("../../secret")
    (here / "link").symlink_to(LINKS[case])
    with contextlib.suppress(MinirunError):
        rows = select(tree, Order([f"link{below}"], "/d/")).entries(Remembered(Paths("/x", "/y"), ""))
        assert {str(row[0]).rpartition("/")[2] for row in rows} <= {"Dockerfile", "a", "by", "d", "link"}


@pytest.mark.parametrize("source", ["a", "a/x", "b", "c/d/e", "*"])
def test_links_that_go_round_are_an_error(here: Path, tree: Tree, source: str):
    for name, target in {"a": "b", "b": "a", "c": "c/d"}.items():
        (here / name).symlink_to(target)
    with pytest.raises(MinirunError, match="too many symlinks: /"):
        select(tree, Order([source], "/d/"))


def test_links_that_multiply_are_an_error_and_take_no_time(here: Path, tree: Tree):
    """Each twice the one before it: 2 ** 40 in all."""
    for number in range(40):
        (here / f"l{number + 1}").symlink_to(f"l{number}/../l{number}")
    (here / "l0").symlink_to("d")
    started = time.process_time()
    with pytest.raises(MinirunError, match="too many symlinks: /l40"):
        select(tree, Order(["l40"], "/d/"))
    assert time.process_time() - started < 2


def test_nobody_waits_for_a_fifo(here: Path, tree: Tree, paths: Paths):
    os.mkfifo(here / "d/fifo")
    rows = select(tree, Order(["d"], "/d/")).entries(Remembered(paths, ""))
    assert [(row[0], row[1]) for row in rows] == [("d/a", "file"), ("d/fifo", "fifo")]


@pytest.mark.parametrize(
    "name", ["Dockerfile", ".dockerignore", "Dockerfile.dockerignore", ".containerignore"]
)
@pytest.mark.parametrize("kind", ["fifo", "directory", "link to a device"])
def test_what_has_to_be_a_file_is_one(here: Path, paths: Paths, name: str, kind: str):
    with contextlib.suppress(FileNotFoundError):
        (here / name).unlink()
    if kind == "fifo":
        os.mkfifo(here / name)
    elif kind == "directory":
        (here / name).mkdir()
    else:
        (here / name).symlink_to("/dev/zero")
    if kind == "link to a device" and name != "Dockerfile":
        context.load(paths, str(here), io.BytesIO())[0].close()  # there is no /dev in the context
    else:
        with pytest.raises(MinirunError, match=rf": {name}: (not a file|No such file)"):
            context.load(paths, str(here), io.BytesIO())


NAMES = [
    b"caf\xe9",
    b"\xff\xfe",
    b"new\nline",
    b"tab\t",
    b"\x1b[31mred",
    b" ",
    b"-rf",
    b"*",
    b"[a",
    b"\\",
    "é".encode(),
]


def test_any_name_is_a_name(here: Path, tree: Tree, paths: Paths, tmp_path: Path):
    for name in NAMES:
        Path(os.fsdecode(bytes(here) + b"/d/" + name)).write_text("x")
    selection = select(tree, Order(["d"], "/d/"))
    remembered = Remembered(paths, "k")
    assert selection.digest(remembered) == select(tree, Order(["d"], "/d/")).digest(Remembered(paths, ""))
    remembered.save()
    assert {os.fsencode(str(row[0])) for row in selection.entries(remembered)} == {
        b"d/" + name for name in [*NAMES, b"a"]
    }
    Ignore(["*"]).excludes(os.fsdecode(NAMES[0]))


def test_a_directory_deeper_than_a_path_may_be_is_one_sentence(here: Path, tree: Tree):
    fd = os.open(here / "d", os.O_RDONLY)
    for _ in range(30):
        os.mkdir("x" * 200, dir_fd=fd)
        below = os.open("x" * 200, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    with pytest.raises(MinirunError, match=r"the context: /d/x+.*: File name too long"):
        select(tree, Order(["d"], "/d/"))
    shutil.rmtree(here / "d", ignore_errors=True)
    os.system(f"rm -rf '{here}/d'")


def test_a_very_long_source_or_target_is_one_sentence(tree: Tree, here: Path):
    with pytest.raises(MinirunError, match="File name too long"):
        select(tree, Order(["x" * 300], "/d/"))
    with pytest.raises(MinirunError, match=r"File name too long|not found"):
        select(tree, Order(["x/" * 3000], "/d/"))
    order = Order(["d/a"], "/" + "y" * 300 + "/")
    with pytest.raises(MinirunError, match="File name too long"):
        copy(select(tree, order), order, tree.fd)


def test_a_directory_that_becomes_a_link_is_not_followed(here: Path, tree: Tree, paths: Paths):
    selection = select(tree, Order(["d"], "/d/"))
    shutil.rmtree(here / "d")
    (here / "d").symlink_to("../secret")
    with pytest.raises(MinirunError, match="/d/a: "):
        selection.entries(Remembered(paths, ""))
    with pytest.raises(MinirunError, match="copying to /e: "):
        copy(selection, Order(["d"], "/e"), tree.fd)


def test_a_file_that_becomes_a_link_is_not_followed(here: Path, tree: Tree, paths: Paths):
    selection = select(tree, Order(["d"], "/d/"))
    (here / "d/a").unlink()
    (here / "d/a").symlink_to("../../secret/key")
    with pytest.raises(MinirunError, match="/d/a: Too many levels of symbolic links"):
        selection.entries(Remembered(paths, ""))
    with pytest.raises(MinirunError, match="copying to /e: "):
        copy(selection, Order(["d"], "/e"), tree.fd)


def test_a_dockerfile_of_ten_megabytes_is_read(here: Path, paths: Paths):
    (here / "Dockerfile").write_bytes(b"# x\n" * (10 << 18))
    found, text, _ = context.load(paths, str(here), io.BytesIO())
    assert len(text) == 10 << 20
    found.close()


def test_one_of_no_end_is_one_sentence(here: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(context, "_TEXT_BYTES_MAX", 1 << 20)
    os.truncate(here / "Dockerfile", 1 << 40)
    with pytest.raises(MinirunError, match="Dockerfile is larger than 1 MiB, which no Dockerfile is"):
        context.load(paths, str(here), io.BytesIO())
    with pytest.raises(MinirunError, match="standard input is larger"):
        context.load(paths, "-", io.BytesIO(b"#" * (2 << 20)))


def test_a_dockerignore_that_takes_others_for_ever_takes_no_time(here: Path, paths: Paths):
    lines = [
        "**/" + "*a*/**/" * 30 + "*b",
        "a*" * 300 + "!",
        *(f"!**/*{number}*{number}*" for number in range(3000)),
    ]
    (here / ".dockerignore").write_text("\n".join(lines))
    (here / "d" / ("a" * 250)).touch()
    started = time.process_time()
    found, _, _ = context.load(paths, str(here), io.BytesIO())
    select(found, Order(["."], "/d/"))
    assert time.process_time() - started < 5
    found.close()
