"""Mount points that were made for a RUN, taken out of its tree again: on plain directories, without mounts."""

import os
from pathlib import Path

import pytest

from minirun.build.stubs import Stubs


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "merged").mkdir()
    return tmp_path / "merged"


def make(tree: Path, *names: str) -> None:
    for name in names:
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch() if path.suffix else path.mkdir()


def cleaned(tree: Path, stubs: Stubs) -> set[str]:
    """What is left after the stubs are removed."""
    stubs.remove()
    return {str(path.relative_to(tree)) for path in tree.rglob("*")}


@pytest.mark.parametrize(
    ("there", "targets", "left"),
    [
        ([], ["/a/b/c"], set()),
        (["a"], ["/a/b/c"], {"a"}),
        (["a", "a/b"], ["/a/b"], {"a", "a/b"}),
        ([], ["/a/x.conf", "/a/y.conf"], set()),
        (["a"], ["/a/../a/b/."], {"a"}),
    ],
)
def test_what_was_missing_is_missing_again(
    tree: Path, there: list[str], targets: list[str], left: set[str]
) -> None:
    make(tree, *there)
    stubs = Stubs(str(tree), targets)
    for target in targets:
        if not (tree / target[1:]).exists():
            make(tree, os.path.normpath(target)[1:])
    stubs.made()
    assert cleaned(tree, stubs) == left


def test_what_is_made_inside_of_another_mount_is_not_made_in_our_tree(tree: Path) -> None:
    stubs = Stubs(str(tree), ["/proc", "/proc-x", "/proc/sys", "/dev/pts"])
    assert set(stubs.missing) == {"proc", "proc-x", "dev", "dev/pts"}


@pytest.mark.parametrize("filled", ["a/b/file.txt", "a/other"])
def test_what_the_program_put_there_stays(tree: Path, filled: str) -> None:
    stubs = Stubs(str(tree), ["/a/b"])
    make(tree, "a/b")
    stubs.made()
    make(tree, filled)
    assert filled in cleaned(tree, stubs)


def test_a_directory_that_only_we_have_changed_has_its_time_again(tree: Path) -> None:
    make(tree, "a")
    os.utime(tree / "a", ns=(1, 2))
    stubs = Stubs(str(tree), ["/a/b"])
    make(tree, "a/b")
    stubs.made()
    cleaned(tree, stubs)
    assert os.stat(tree / "a").st_mtime_ns == 2


def test_the_time_of_what_the_program_changed_is_the_programs(tree: Path) -> None:
    make(tree, "a")
    stubs = Stubs(str(tree), ["/a/b"])
    make(tree, "a/b")
    stubs.made()
    os.utime(tree / "a", ns=(3, 4))
    cleaned(tree, stubs)
    assert os.stat(tree / "a").st_mtime_ns == 4


def test_a_link_in_place_of_a_directory_leads_nowhere(tree: Path) -> None:
    """The program has moved the stub's parent away and put a link to the host in its place."""
    stubs = Stubs(str(tree), ["/a/b"])
    outside = tree.parent / "outside" / "b"
    outside.mkdir(parents=True)
    (tree / "a").symlink_to(outside.parent)
    stubs.made()
    cleaned(tree, stubs)
    assert outside.is_dir()
