"""What COPY makes: BuildKit's rules, looked at from outside in a directory that stands for the root filesystem."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minirun.build.copying import copy
from minirun.build.selection import Order, select
from minirun.build.tree import Tree
from minirun.errors import MinirunError
from tests import trees

PASSWD = "root:x:0:0::/:/bin/sh\ngames:x:5:60::/:/bin/sh\n"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    made = tmp_path / "context"
    (made / "src/deep").mkdir(parents=True)
    (made / "a.txt").write_text("a")
    (made / "b.txt").write_text("b")
    (made / "src/c.txt").write_text("c")
    os.link(made / "src/c.txt", made / "src/hard")
    (made / "src/deep/d.sh").write_text("d")
    (made / "src/link").symlink_to("/etc/passwd")
    os.mkfifo(made / "src/fifo")
    for path in [*made.rglob("*"), made]:
        os.chown(path, 1000, 1000, follow_symlinks=False)
    (made / "src/deep/d.sh").chmod(0o4751)
    for path in [*made.rglob("*"), made]:
        os.utime(path, (1_000_000, 1_000_000.5), follow_symlinks=False)
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """/etc/passwd, /etc/group, a directory, a file, and links to a directory, to nothing, and out of it."""
    made = tmp_path / "root"
    (made / "etc").mkdir(parents=True)
    (made / "etc/passwd").write_text(PASSWD)
    (made / "etc/group").write_text("www:x:33:\n")
    (made / "dir").mkdir(0o700)
    (made / "file").write_text("old")
    (made / "real").mkdir()
    (made / "to-real").symlink_to("/real")
    (made / "to-nothing").symlink_to("abs/new")
    (made / "to-outside").symlink_to("../../outside")
    return made


Copy = Callable[..., list[str]]


@pytest.fixture
def run(context: Path, root: Path) -> Iterator[Copy]:
    """run("a.txt", "b.txt", "/dir/", chown="5") copies; words of Order go to it, the others to copy."""
    tree = Tree(os.open(context, os.O_PATH), "the context", owner=(0, 0))
    opened = os.open(root, os.O_PATH)

    def run(*words: str, change: Callable[[], object] = lambda: None, **options: object) -> list[str]:
        of_order = {
            name: options.pop(name) for name in list(options) if name in ("workdir", "parents", "files")
        }
        order = Order(list(words[:-1]), words[-1], **of_order)  # type: ignore[arg-type]
        selection = select(tree, order)
        change()
        return copy(selection, order, opened, **options)  # type: ignore[arg-type]

    yield run
    os.close(opened)
    tree.close()


def new_names(root: Path) -> set[str]:
    base = {"etc", "etc/passwd", "etc/group", "dir", "file", "real", "to-real", "to-nothing", "to-outside"}
    return {str(path.relative_to(root)) for path in root.rglob("*")} - base


# words: what is new in the root
PLACES: dict[tuple[str, ...], str] = {
    ("a.txt", "/new"): "new",
    ("a.txt", "/new/"): "new new/a.txt",
    ("a.txt", "/new/."): "new new/a.txt",
    ("a.txt", "/x/y/new"): "x x/y x/y/new",
    ("a.txt", "/dir"): "dir/a.txt",
    ("a.txt", "/dir/"): "dir/a.txt",
    ("a.txt", "/dir/../up"): "up",
    ("a.txt", "/../../up"): "up",
    ("a.txt", "new"): "new",
    ("a.txt", "."): "a.txt",
    ("a.txt", "/to-real"): "real/a.txt",
    ("a.txt", "/to-real/"): "real/a.txt",
    ("a.txt", "/to-real/x/y"): "real/x real/x/y",
    ("a.txt", "/to-nothing"): "abs abs/new",
    ("a.txt", "/to-nothing/"): "abs abs/new abs/new/a.txt",
    ("a.txt", "/to-outside/x"): "outside outside/x",
    ("a.txt", "/file"): "",
    ("a.txt", "b.txt", "/dir"): "dir/a.txt dir/b.txt",
    ("a.txt", "b.txt", "/new/"): "new new/a.txt new/b.txt",
    ("*.txt", "/new/"): "new new/a.txt new/b.txt",
    ("a*", "/new"): "new",
    ("none*", "/new/"): "",
    ("src/deep", "/new"): "new new/d.sh",
    ("src/deep", "/dir"): "dir/d.sh",
    ("src/deep", "/to-real/"): "real/d.sh",
    ("src/deep", "/"): "d.sh",
    ("src", "a.txt", "/new/"): "new new/a.txt new/c.txt new/deep new/deep/d.sh new/hard new/link",
}


@pytest.mark.parametrize(("words", "expected"), PLACES.items())
def test_everything_lands_where_buildkit_puts_it(
    run: Copy, root: Path, words: tuple[str, ...], expected: str
):
    assert run(*words) == []
    assert new_names(root) == set(expected.split())
    assert not (root.parent / "outside").exists()


def test_a_relative_target_is_below_the_working_directory(run: Copy, root: Path):
    run("a.txt", "x", workdir="/w/d")
    run("b.txt", "./", workdir="/w/d")
    assert new_names(root) == {"w", "w/d", "w/d/x", "w/d/b.txt"}


ERRORS: dict[tuple[str, ...], str] = {
    ("src", "/file"): "cannot copy to non-directory: /file",
    ("src", "/file/x"): "cannot copy to non-directory: /file",
    ("a.txt", "/file/"): "mkdir /file: not a directory",
    ("a.txt", "/file/x"): "mkdir /file: not a directory",
    (
        "a.txt",
        "b.txt",
        "/new",
    ): "When using COPY with more than one source file, the destination must be a directory and end with a /",
    ("*.txt", "/new"): "When using COPY with more than one source file, the destination must be a directory"
    " and end with a /",
}


@pytest.mark.parametrize(("words", "expected"), ERRORS.items())
def test_what_does_not_fit_is_refused(run: Copy, words: tuple[str, ...], expected: str):
    with pytest.raises(MinirunError) as raised:
        run(*words)
    assert raised.value.message == expected


def test_a_file_does_not_replace_a_directory_and_a_directory_no_link(run: Copy, root: Path):
    (root / "new/c.txt").mkdir(parents=True)
    with pytest.raises(MinirunError, match=r"cannot replace to directory /new/c\.txt with file"):
        run("src", "/new")
    (root / "other").mkdir()
    (root / "other/deep").symlink_to("/real")
    with pytest.raises(MinirunError, match="cannot copy to non-directory: /other/deep"):
        run("src", "/other")


def test_a_file_or_link_that_is_there_is_replaced(run: Copy, root: Path):
    (root / "new").mkdir()
    (root / "new/a.txt").symlink_to("/file")
    run("a.txt", "/new/")
    run("b.txt", "/file")
    assert (root / "new/a.txt").read_text() == "a"
    assert not (root / "new/a.txt").is_symlink()
    assert (root / "file").read_text() == "b"


def test_a_tree_comes_along_whole_but_for_pipes(run: Copy, context: Path, root: Path):
    os.setxattr(context / "src/c.txt", "user.x", b"y")
    os.setxattr(context / "src/deep", "user.d", b"z")
    run("src", "/new", chown="1000:1000")
    copied, original = trees.of(root / "new"), trees.of(context / "src")
    for tree in (copied, original):
        del tree[""]
    del original["fifo"]
    assert trees.differences(copied, original) == []


def test_files_of_a_context_are_roots_and_those_of_a_stage_as_they_were(run: Copy, context: Path, root: Path):
    run("src", "/new")
    assert {path.lstat().st_uid for path in (root / "new").rglob("*")} == {0}
    tree = Tree(os.open(context, os.O_PATH), "stage")
    order = Order(["src"], "/other")
    copy(select(tree, order), order, os.open(root, os.O_PATH))
    tree.close()
    assert {path.lstat().st_uid for path in (root / "other").rglob("*")} == {1000}


OWNERS = {
    "5": (5, 5),
    "5:7": (5, 7),
    "games": (5, 60),
    "games:www": (5, 33),
    "games:7": (5, 7),
    "7:www": (7, 33),
    ":www": (0, 33),
    "root": (0, 0),
    "root:root": (0, 0),
}


@pytest.mark.parametrize(("chown", "owner"), OWNERS.items())
def test_chown_is_by_name_or_number_and_goes_for_made_parents(
    run: Copy, root: Path, chown: str, owner: tuple[int, int]
):
    run("src", "/x/y", chown=chown)
    made = [root / "x", root / "x/y", *(root / "x/y").rglob("*")]
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in made} == {owner}


@pytest.mark.parametrize(
    ("chown", "words"),
    [
        ("nobody", "unable to find user nobody: no matching entries in passwd file"),
        ("5:staff", "unable to find group staff: no matching entries in group file"),
        ("99999999999", "--chown 99999999999: uids and gids must be in range 0-2147483647"),
    ],
)
def test_a_name_that_the_image_does_not_have_is_refused(run: Copy, root: Path, chown: str, words: str):
    with pytest.raises(MinirunError) as raised:
        run("a.txt", "/new", chown=chown)
    assert raised.value.message == words
    assert new_names(root) == set()


def test_names_are_never_looked_up_outside_of_the_image(run: Copy, root: Path):
    (root / "etc/passwd").unlink()
    (root / "etc/passwd").symlink_to("/../../../../etc/passwd")
    with pytest.raises(MinirunError, match="unable to find user daemon"):
        run("a.txt", "/new", chown="daemon")


# --chmod: mode of c.txt (0644), of deep/ (0755), of d.sh (4751)
MODES = {
    "600": (0o600, 0o600, 0o600),
    "4755": (0o4755, 0o4755, 0o4755),
    "u+x": (0o744, 0o755, 0o4751),
    "go-rwx": (0o600, 0o700, 0o4700),
    "a=r": (0o444, 0o444, 0o444),
    "=r": (0o444, 0o444, 0o444),
    "u=rwX,go=rX": (0o644, 0o755, 0o755),
    "a+X": (0o644, 0o755, 0o4751),
    "g=u": (0o664, 0o775, 0o4771),
    "u-s,+t": (0o1644, 0o1755, 0o1751),
    "g+s": (0o2644, 0o2755, 0o6751),
    "o=": (0o640, 0o750, 0o4750),
    "u+w-x": (0o644, 0o655, 0o4651),
}


@pytest.mark.parametrize(("chmod", "modes"), MODES.items())
def test_chmod_is_octal_or_in_words(run: Copy, root: Path, chmod: str, modes: tuple[int, int, int]):
    run("src", "/new", chmod=chmod)
    found = [stat.S_IMODE((root / "new" / name).stat().st_mode) for name in ("c.txt", "deep", "deep/d.sh")]
    assert tuple(map(oct, found)) == tuple(map(oct, modes))
    assert stat.S_IMODE((root / "new").stat().st_mode) == 0o755


@pytest.mark.parametrize("chmod", ["8", "77777", "u", "u+q", "rwx", "u+x;g+x", "-1", "0x1ff"])
def test_a_chmod_of_no_meaning_is_refused(run: Copy, chmod: str):
    with pytest.raises(MinirunError, match="invalid chmod parameter"):
        run("a.txt", "/new", chmod=chmod)


def test_a_directory_that_is_there_takes_the_source_s_mode_but_not_the_target_itself(run: Copy, root: Path):
    (root / "dir/deep").mkdir(0o700)
    run("src", "/dir", chown="5")
    assert oct((root / "dir").stat().st_mode) == oct(stat.S_IFDIR | 0o700)
    assert (root / "dir").stat().st_uid == 0
    assert oct((root / "dir/deep").stat().st_mode) == oct(stat.S_IFDIR | 0o755)
    assert (root / "dir/deep").stat().st_uid == 5


def test_made_parents_are_0755_whatever_our_umask(run: Copy, root: Path):
    before = os.umask(0o077)
    try:
        run("a.txt", "/x/y/")
    finally:
        os.umask(before)
    assert stat.S_IMODE((root / "x").stat().st_mode) == stat.S_IMODE((root / "x/y").stat().st_mode) == 0o755


def test_times_come_along_unless_there_is_an_epoch(run: Copy, root: Path):
    run("src", "/new")
    assert {path.lstat().st_mtime for path in [root / "new", *(root / "new").rglob("*")]} == {1_000_000.5}
    run("src", "/x/y", epoch=1234)
    run("a.txt", "/dir", epoch=1234)
    made = [root, root / "x", root / "x/y", *(root / "x/y").rglob("*"), root / "dir", root / "dir/a.txt"]
    assert {path.lstat().st_mtime for path in made} == {1234}


def test_hard_links_stay_within_one_source(run: Copy, root: Path):
    run("src", "/new")
    assert (root / "new/c.txt").stat().st_ino == (root / "new/hard").stat().st_ino
    run("src/c.txt", "src/hard", "/other/")
    assert (root / "other/c.txt").stat().st_ino != (root / "other/hard").stat().st_ino


def test_capabilities_come_along(run: Copy, context: Path, root: Path):
    capability = bytes.fromhex("0100000200040000000000000000000000000000")  # cap_net_bind_service=ep
    os.setxattr(context / "a.txt", "security.capability", capability)
    run("a.txt", "/new", chown="5")
    assert os.getxattr(root / "new", "security.capability") == capability


def test_holes_stay_holes(run: Copy, context: Path, root: Path):
    with open(context / "sparse", "wb") as file:
        file.write(b"x" * 5000)
        file.seek(1 << 30)
        file.write(b"y" * 5000)
        file.truncate((1 << 30) + (1 << 21))
    run("sparse", "/new")
    found = (root / "new").stat()
    assert found.st_size == (1 << 30) + (1 << 21)
    assert found.st_blocks * 512 < 1 << 20
    with open(root / "new", "rb") as file:
        assert file.read(5001) == b"x" * 5000 + b"\0"
        file.seek((1 << 30) - 1)
        assert file.read(5002) == b"\0" + b"y" * 5000 + b"\0"


def test_devices_are_made_and_a_whiteout_is_not(run: Copy, context: Path, root: Path):
    os.mknod(context / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    run("null", "/new/")
    assert (root / "new/null").stat().st_rdev == os.makedev(1, 3)
    os.mknod(context / "white", stat.S_IFCHR | 0o666, 0)
    with pytest.raises(MinirunError, match="white: a character device 0:0 cannot be copied"):
        run("white", "/new/")


def test_heredocs_become_files(run: Copy, root: Path):
    run("/new/", files=[("one", b"1\n"), ("two", b"2\n")], chown="5", chmod="600")
    run("/three", files=[("EOF", b"3\n")])
    assert [(root / "new/one").read_text(), (root / "new/two").read_text()] == ["1\n", "2\n"]
    assert stat.S_IMODE((root / "new/one").stat().st_mode) == 0o600
    assert (root / "new/one").stat().st_uid == 5
    assert stat.S_IMODE((root / "three").stat().st_mode) == 0o644


def test_parents_bring_what_they_are_like(run: Copy, context: Path, root: Path):
    (context / "src").chmod(0o750)
    run("src/./deep/d.sh", "src/deep/d.sh", "/new/", parents=True)
    assert new_names(root) == {
        "new",
        "new/deep",
        "new/deep/d.sh",
        "new/src",
        "new/src/deep",
        "new/src/deep/d.sh",
    }
    assert stat.S_IMODE((root / "new/src").stat().st_mode) == 0o750


def test_what_was_changed_meanwhile_is_told(run: Copy, context: Path):
    changed = run("src", "a.txt", "/new/", change=lambda: (context / "src/deep/d.sh").write_text("changed"))
    assert changed == ["src/deep/d.sh"]


def test_a_file_that_went_meanwhile_is_said_to_have_been_changed(run: Copy, context: Path):
    with pytest.raises(MinirunError, match=r"copying to /: a\.txt: No such file") as raised:
        run("a.txt", "/", change=(context / "a.txt").unlink)
    assert raised.value.hint == "it was changed while the image was built"


def test_names_in_other_encodings_come_along(run: Copy, context: Path, root: Path):
    name = os.fsdecode(b"caf\xe9\n\x01")
    (context / "src" / name).write_text("x")
    run("src", "/new")
    assert (root / "new" / name).read_text() == "x"


def test_a_full_disk_is_one_sentence(run: Copy, context: Path, root: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("minirun.build.copying._send", full)
    with pytest.raises(MinirunError, match="copying to /new: No space left on device"):
        run("a.txt", "/new")
