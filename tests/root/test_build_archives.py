"""ADD of local tars: what is one, and that nothing in one leads out of the target."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minirun.build.copying import copy
from minirun.build.selection import Order, select
from minirun.build.tree import Tree
from minirun.errors import MinirunError

Member = tuple[str, bytes | None] | tarfile.TarInfo


def info(name: str, kind: bytes = tarfile.REGTYPE, **more: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.mode, made.mtime, made.uid, made.gid = kind, 0o644, 1_000_000, 7, 8
    for attribute, value in more.items():
        setattr(made, attribute, value)
    return made


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    return info(name, kind, linkname=target)


def tar(*members: Member) -> bytes:
    """(name, content), (name, None) for a directory, or a TarInfo."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            elif member[1] is None:
                archive.addfile(info(member[0], tarfile.DIRTYPE, mode=0o750))
            else:
                archive.addfile(info(member[0], size=len(member[1])), io.BytesIO(member[1]))
    return buffer.getvalue()


Add = Callable[..., Path]


@pytest.fixture
def add(tmp_path: Path) -> Iterator[Add]:
    """add(content, "/target") -> the root filesystem after ADD of a file with this content, named file.bin."""
    context, root = tmp_path / "context", tmp_path / "root"
    context.mkdir()
    (root / "real").mkdir(parents=True)
    (root / "to-real").symlink_to("/real")
    (root / "file").write_text("old")
    tree, opened = Tree(os.open(context, os.O_PATH), "the context", owner=(0, 0)), os.open(root, os.O_PATH)

    def add(content: bytes, target: str = "/new", unpack: bool | None = None, **options: str) -> Path:
        (context / "file.bin").write_bytes(content)
        order = Order(["file.bin"], target, is_add=True, unpack=unpack)
        assert copy(select(tree, order), order, opened, **options) == []  # type: ignore[arg-type]
        return root

    yield add
    os.close(opened)
    tree.close()


def zstd(content: bytes) -> bytes:
    from backports import zstd

    return zstd.compress(content)


PACKINGS: list[Callable[[bytes], bytes]] = [bytes, gzip.compress, bz2.compress, lzma.compress, zstd]
SMALL = tar(("d", None), ("d/a", b"content"))


@pytest.mark.parametrize("pack", PACKINGS)
def test_an_archive_is_known_by_its_content_and_unpacked(add: Add, pack: Callable[[bytes], bytes]):
    root = add(pack(SMALL))
    assert (root / "new/d/a").read_bytes() == b"content"
    assert not (root / "new/file.bin").exists()


NO_ARCHIVES = [
    b"",
    b"text",
    b"\0" * 10240,
    SMALL[:300],
    gzip.compress(b"text"),
    bz2.compress(b"x"),
    lzma.compress(b"x" * 600),
    gzip.compress(SMALL)[:20],
    b"BZh9",
    b"\xfd7zXZ\0",
    b"\x1f\x8b",
    b"\x28\xb5\x2f\xfd",
]


@pytest.mark.parametrize("content", NO_ARCHIVES)
def test_any_other_file_is_copied(add: Add, content: bytes):
    assert (add(content) / "new").read_bytes() == content


def test_unpack_false_copies_an_archive(add: Add):
    assert (add(SMALL, unpack=False) / "new").read_bytes() == SMALL


def test_entries_are_as_the_archive_says(add: Add):
    root = add(tar(("d", None), ("d/a", b"x"), link("d/l", "nowhere"), link("h", "d/a", tarfile.LNKTYPE)))
    a, d = (root / "new/d/a").stat(), (root / "new/d").stat()
    assert (a.st_uid, a.st_gid, a.st_mtime, stat.S_IMODE(a.st_mode)) == (7, 8, 1_000_000, 0o644)
    assert (d.st_uid, d.st_gid, d.st_mtime, stat.S_IMODE(d.st_mode)) == (7, 8, 1_000_000, 0o750)
    assert os.readlink(root / "new/d/l") == "nowhere"
    assert (root / "new/h").stat().st_ino == a.st_ino


def test_chown_takes_the_place_of_the_archive_s_owners(add: Add):
    root = add(tar(("d", None), ("d/a", b"x"), link("d/l", "nowhere")), chown="5:6")
    made = [root / "new", *(root / "new").rglob("*")]
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in made} == {(5, 6)}


def test_parents_that_are_not_listed_are_roots(add: Add):
    root = add(tar(("x/y/a", b"x")))
    assert (root / "new/x/y").stat().st_uid == 0
    assert stat.S_IMODE((root / "new/x").stat().st_mode) == 0o755


def test_absolute_names_are_below_the_target(add: Add):
    assert (add(tar(("/etc/a", b"x"))) / "new/etc/a").read_bytes() == b"x"


def test_a_later_entry_replaces_an_earlier_one(add: Add):
    root = add(tar(("a", b"1"), ("a", b"2"), ("d/x", b""), ("d", b"file"), link("l", "a"), ("l", b"3")))
    assert [(root / "new" / name).read_bytes() for name in ("a", "d", "l")] == [b"2", b"file", b"3"]


def test_what_is_there_is_merged_and_replaced(add: Add):
    add(tar(("d", None), ("d/keep", b"k"), ("d/old", b"o")), "/")
    root = add(tar(("d", None), ("d/old", b"n"), ("to-real", None), ("to-real/x", b"r")), "/")
    assert {path.name: path.read_bytes() for path in (root / "d").iterdir()} == {"keep": b"k", "old": b"n"}
    assert (root / "to-real").is_symlink()
    assert (root / "real/x").read_bytes() == b"r"


def test_the_target_has_to_be_a_directory(add: Add):
    with pytest.raises(MinirunError, match="mkdir /file: not a directory"):
        add(SMALL, "/file")


REFUSED: dict[str, tuple[Member, ...]] = {
    "a name": (("../outside", b"x"),),
    "a name inside": (("a/../../outside", b"x"),),
    "a hard link": (link("h", "../../secret", tarfile.LNKTYPE),),
    "a hard link by a link": (link("l", "../.."), link("h", "l/secret", tarfile.LNKTYPE)),
    "a link to itself": (link("l", "l"), ("l/x", b"x")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_means_to_lead_out_is_refused(add: Add, outside: Callable[[], object], case: str):
    before = outside()
    with pytest.raises(MinirunError, match=r"unpacking file\.bin: entry '"):
        add(tar(*REFUSED[case]))
    assert outside() == before


INSIDE: dict[str, tuple[Member, ...]] = {
    "a link": (link("l", "/"), ("l/outside", b"x")),
    "a link upwards": (link("l", "../../.."), ("l/outside", b"x")),
    "a link in a link": (("d", None), link("d/l", ".."), link("m", "d/l/.."), ("m/outside", b"x")),
    "a directory that is a link": (link("l", "../../outside"), ("l", None), ("l/x", b"x")),
    "a file over a link": (link("outside", "../../secret"), ("outside", b"changed")),
}


@pytest.mark.parametrize("case", INSIDE)
def test_links_are_followed_inside_the_target_only(add: Add, outside: Callable[[], object], case: str):
    before = outside()
    root = add(tar(*INSIDE[case]))
    assert outside() == before
    assert (root / "new/outside").exists()


@pytest.fixture
def outside(tmp_path: Path, add: Add) -> Callable[[], object]:
    """outside() -> all that is beside the target, and a secret that nobody is to touch."""
    (tmp_path / "secret").write_text("secret")

    def outside() -> object:
        names = sorted(path.name for path in [*tmp_path.iterdir(), *(tmp_path / "root").iterdir()])
        secret = tmp_path / "secret"
        return [name for name in names if name != "new"], secret.read_text(), secret.stat().st_nlink

    return outside


DAMAGED = {
    "cut": (SMALL[:1027], "the archive ends inside"),
    "cut gzip": (gzip.compress(SMALL)[:-9], "cut short"),
    "a whiteout's device": (tar(("a", b""), info("dev", tarfile.CHRTYPE)), "a character device 0:0"),
    "a huge owner": (tar(("a", b""), info("b", uid=2**40)), "an owner"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_archive_is_one_sentence(add: Add, case: str):
    content, words = DAMAGED[case]
    with pytest.raises(MinirunError, match=rf"unpacking file\.bin: .*{words}"):
        add(content)


def test_devices_and_fifos_are_made(add: Add):
    root = add(tar(info("null", tarfile.CHRTYPE, devmajor=1, devminor=3), info("fifo", tarfile.FIFOTYPE)))
    assert (root / "new/null").stat().st_rdev == os.makedev(1, 3)
    assert (root / "new/fifo").is_fifo()
