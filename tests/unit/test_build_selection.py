"""Which files an instruction means: BuildKit's rules, as tables."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from minirun.build.ignore import Ignore
from minirun.build.selection import Order, Selection, select, select_path
from minirun.build.tree import Tree, resolve
from minirun.errors import MinirunError, NotFoundError

FILES = "a.txt b.txt c.md src/x.py src/y.txt src/deep/z.py src/deep/more/w.py doc/a.md doc/[x].md empty/"


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    """A context with files, links that lead into it, out of it and round, a fifo and a socket."""
    for name in FILES.split():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_text(name)
    links = {"la": "a.txt", "lsrc": "src", "out": "/etc/passwd", "up": "../../../src/x.py", "round": "round"}
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket"))
    opened = Tree(os.open(tmp_path, os.O_PATH), "the context", owner=(0, 0))
    yield opened
    opened.close()


def landing(selection: Selection) -> str:
    """Where everything goes below the target, sorted: files by their name, directories with a slash."""
    found = []
    for source in selection.sources:
        if source.directories is None:
            found.append(source.name)
        for directory in source.directories or []:
            above = source.below(directory)
            found += [
                f"{above}/{name}".strip("/") + "/" * (mode >> 12 == 4) for name, mode, *_ in directory.entries
            ]
    return " ".join(sorted(found))


SOURCES = {
    "a.txt": "a.txt",
    "./a.txt": "a.txt",
    "/a.txt": "a.txt",
    "../../a.txt": "a.txt",
    "src": "deep/ deep/more/ deep/more/w.py deep/z.py x.py y.txt",
    "src/.": "deep/ deep/more/ deep/more/w.py deep/z.py x.py y.txt",
    "src/deep/": "more/ more/w.py z.py",
    "src/deep/..": "deep/ deep/more/ deep/more/w.py deep/z.py x.py y.txt",
    "empty": "",
    "*.txt": "a.txt b.txt",
    "?.*": "a.txt b.txt c.md",
    "[ab].txt": "a.txt b.txt",
    "doc/[[]x].md": "[x].md",
    "*/*.md": "[x].md a.md",
    "src/*.py": "x.py",
    "src/*/*.py": "z.py",
    "s*": "deep/ deep/more/ deep/more/w.py deep/z.py x.py y.txt",
    "src/d*": "more/ more/w.py z.py",
    "**/*.py": "x.py",
    "nothing*": "",
    "la": "la",
    "l[a]": "la",
    "lsrc": "deep/ deep/more/ deep/more/w.py deep/z.py x.py y.txt",
    "lsrc/deep": "more/ more/w.py z.py",
    "lsrc/*.py": "x.py",
    "l*c/*.py": "",
    "up": "up",
    "fifo": "fifo",
}


@pytest.mark.parametrize(("source", "expected"), SOURCES.items())
def test_a_source_is_what_it_names(tree: Tree, source: str, expected: str):
    assert landing(select(tree, Order([source], "/d/"))) == expected


def test_a_link_in_a_directory_is_a_link(tree: Tree):
    [source] = select(tree, Order(["."], "/d")).sources
    assert source.directories is not None
    assert {entry[0] for entry in source.directories[0].entries if entry[1] >> 12 == 0o12} == {
        "la",
        "lsrc",
        "out",
        "up",
        "round",
    }


def test_a_link_that_is_named_is_what_it_leads_to(tree: Tree):
    [source] = select(tree, Order(["la"], "/d")).sources
    assert (source.path, source.name, source.entry[1] >> 12) == ("a.txt", "la", 0o10)


ERRORS = {
    "none": '"/none": not found',
    "src/none/x": '"/src/none/x": not found',
    "a.txt/x": '"/a.txt/x": not found',
    "out": '"/out": not found',
    "none/*.py": '"/none": not found',
    "round": "too many symlinks: /round",
    "socket": '"/socket": a socket cannot be copied',
    "[": "syntax error in pattern",
}


@pytest.mark.parametrize(("source", "words"), ERRORS.items())
def test_what_is_not_there_is_said_in_buildkits_words(tree: Tree, source: str, words: str):
    with pytest.raises(MinirunError) as raised:
        select(tree, Order([source], "/d"))
    assert words in raised.value.message


PARENTS = {
    ("src/x.py",): "src/ src/x.py",
    ("./src/x.py",): "src/ src/x.py",
    ("src",): "src/ src/deep/ src/deep/more/ src/deep/more/w.py src/deep/z.py src/x.py src/y.txt",
    ("src/./deep/z.py",): "deep/ deep/z.py",
    ("src/./deep/more",): "deep/ deep/more/ deep/more/w.py",
    ("**/*.py",): "src/ src/deep/ src/deep/more/ src/deep/more/w.py src/deep/z.py src/x.py",
    ("src/./**/*.py",): "deep/ deep/more/ deep/more/w.py deep/z.py x.py",
    ("*/a.md", "src/x.py"): "doc/ doc/a.md src/ src/x.py",
    ("s*/./deep/*.py",): "deep/ deep/z.py",
    ("none*",): "",
    ("empty",): "empty/",
}


@pytest.mark.parametrize(("sources", "expected"), PARENTS.items())
def test_parents_come_along_from_the_pivot_on(tree: Tree, sources: tuple[str, ...], expected: str):
    assert landing(select(tree, Order([*sources], "/d/", parents=True))) == expected


def test_with_parents_a_name_has_to_be_there(tree: Tree):
    with pytest.raises(NotFoundError, match='"/src/none": not found'):
        select(tree, Order(["src/./none"], "/d/", parents=True))


# exclude, source: what is left
EXCLUDED = {
    ("*.py", "src"): "deep/ deep/more/ deep/more/w.py deep/z.py y.txt",
    ("**/*.py", "src"): "deep/ deep/more/ y.txt",
    ("deep", "src"): "x.py y.txt",
    ("deep/more", "src"): "deep/ deep/z.py x.py y.txt",
    ("*.txt", "*.*"): "c.md",
    ("*.txt", "a.txt"): "a.txt",
    ("deep !deep/z.py", "src"): "deep/ deep/z.py x.py y.txt",
}


@pytest.mark.parametrize(("case", "expected"), EXCLUDED.items())
def test_what_is_excluded_does_not_come_along(tree: Tree, case: tuple[str, str], expected: str):
    order = Order([case[1]], "/d/", exclude=case[0].split())
    assert landing(select(tree, order)) == expected


IGNORED = {
    ("**/*.py", "src"): "deep/ deep/more/ y.txt",
    ("src\n!src/deep/z.py", "src"): "deep/ deep/z.py",
    ("src\n!src/deep/more/w.py", "src"): "deep/ deep/more/ deep/more/w.py",
    ("src\n!src/deep/z.py", "s*"): "deep/ deep/z.py",
    ("src", "s*"): "",
    ("*.md", "*.*"): "a.txt b.txt",
    ("src/deep", "src/d*"): "",
    ("*\n!doc", "."): "doc/ doc/[x].md doc/a.md",
}


@pytest.mark.parametrize(("case", "expected"), IGNORED.items())
def test_what_is_ignored_is_not_there(tree: Tree, case: tuple[str, str], expected: str):
    tree.ignore = Ignore(case[0].split("\n"))
    assert landing(select(tree, Order([case[1]], "/d/"))) == expected


@pytest.mark.parametrize("path", ["src", "src/x.py", "lsrc", "lsrc/x.py", "src/./x.py"])
def test_that_it_is_ignored_is_said(tree: Tree, path: str):
    tree.ignore = Ignore(["src", "lsrc"])
    with pytest.raises(NotFoundError, match="not found") as raised:
        select(tree, Order([path], "/d"))
    assert raised.value.hint == ".dockerignore leaves it out"


def test_an_ignored_directory_is_not_even_opened(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    read: list[str] = []
    original = os.scandir
    monkeypatch.setattr(
        os, "scandir", lambda fd: read.append(os.readlink(f"/proc/self/fd/{fd}")) or original(fd)
    )
    tree.ignore = Ignore(["src/deep", "doc"])
    select(tree, Order(["."], "/d"))
    assert {os.path.relpath(path, tmp_path) for path in read} == {".", "src", "empty"}


def test_a_mount_source_is_all_that_is_in_it(tree: Tree):
    assert landing(select_path(tree, "/src/deep")) == "more/ more/w.py z.py"
    assert landing(select_path(tree, "/a.txt")) == "a.txt"


def test_files_of_a_context_are_roots(tree: Tree, tmp_path: Path):
    tree.owner = None
    assert select(tree, Order(["a.txt"], "/d")).sources[0].entry[2:4] == (os.geteuid(), os.getegid())
    tree.owner = (0, 0)
    assert select(tree, Order(["a.txt"], "/d")).sources[0].entry[2:4] == (0, 0)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("lsrc/../a.txt", "a.txt"),
        ("lsrc/none/../x", "src/x"),
        ("out", "etc/passwd"),
        ("", ""),
        ("../..", ""),
        ("src/deep/../../..", ""),
        ("new/dir", "new/dir"),
    ],
)
def test_a_path_is_followed_inside_its_root(tree: Tree, path: str, found: str):
    assert resolve(tree.fd, path)[0] == found
