"""Hostile layers: nothing is written outside, nothing is left, and the error names the entry."""

import os
import tarfile
from pathlib import Path

import pytest

from minirun.errors import MinirunError
from minirun.image import layers, tarstream
from tests.image_tars import add_image, digest, directory, entry, hard_link, store_in, symlink, tar

EVIL = b"evil"

HOSTILE = {
    "dots": ([entry("../evil", EVIL)], "'../evil'"),
    "dots inside": ([entry("a/../../evil", EVIL)], "'a/../../evil'"),
    "absolute": ([entry("/evil", EVIL)], "'/evil'"),
    "absolute directory": ([directory("/")], "''"),
    "empty": ([entry("", EVIL)], "''"),
    "a file named .": ([entry(".", EVIL)], "'.'"),
    "symlinked parent": ([symlink("a", "OUTSIDE"), entry("a/evil", EVIL)], "'a/evil'"),
    "symlinked grandparent": ([symlink("a", "OUTSIDE"), entry("a/b/evil", EVIL)], "'a/b/evil'"),
    "directory over a symlink": ([symlink("a", "OUTSIDE"), directory("a"), entry("a/evil", EVIL)], "'a'"),
    "file over a symlink": ([symlink("a", "OUTSIDE/evil"), entry("a", EVIL)], "'a'"),
    "symlink over a directory": ([directory("a"), symlink("a", "OUTSIDE"), entry("a/evil", EVIL)], "'a'"),
    "file as a parent": ([entry("a", EVIL), entry("a/evil", EVIL)], "'a/evil'"),
    "the same file twice": ([entry("a", EVIL), entry("a", b"other")], "'a'"),
    "the same file, other spelling": ([entry("a/b", EVIL), entry("./a//b", b"other")], "'./a//b'"),
    "hard link with dots": ([hard_link("a", "../evil")], "'a'"),
    "hard link, absolute": ([hard_link("a", "/etc/passwd")], "'a'"),
    "hard link through a symlink": ([symlink("a", "/etc"), hard_link("b", "a/passwd")], "'b'"),
    "hard link to nothing": ([hard_link("a", "b")], "'a'"),
    "hard link to itself": ([hard_link("a", "a")], "'a'"),
    "hard link to a directory": ([directory("a"), hard_link("b", "a")], "'b'"),
    "whiteout of no name": ([entry(".wh.")], "'.wh.'"),
    "whiteout of the parent": ([entry("a/.wh...")], "'a/.wh...'"),
    "whiteout through a symlink": ([symlink("a", "OUTSIDE"), entry("a/.wh.b")], "'a/.wh.b'"),
    "device in disguise of a whiteout": ([entry("a", type=tarfile.CHRTYPE)], "'a'"),
    "unknown type": ([entry("a", type=b"9")], "'a'"),
    "owner that cannot be": ([entry("a", uid=2**32 - 1)], "'a'"),
    "NUL in a link": ([entry("a", pax_headers={"linkpath": "x\0y"}, type=tarfile.SYMTYPE)], "'a'"),
    "xattr that cannot be": ([entry("a", pax_headers={"SCHILY.xattr.nonsense.x": "1"})], "'a'"),
    "sparse with data beyond its end": (
        [entry("a", b"x" * 512, pax_headers={"GNU.sparse.size": "1", "GNU.sparse.map": "0,512"})],
        "'a'",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_layer_is_refused(name: str, tmp_path: Path) -> None:
    entries, quoted = HOSTILE[name]
    outside = tmp_path / "outside"
    outside.mkdir()
    for info, _ in entries:
        info.linkname = info.linkname.replace("OUTSIDE", str(outside))
    store = store_in(tmp_path)
    image = add_image(store, tar(*entries))
    with pytest.raises(MinirunError) as error:
        image.layer_paths()
    assert quoted in error.value.message
    assert os.listdir(outside) == []
    assert left(store.paths.layers) == []
    assert not (tmp_path / "evil").exists()


def left(path: str) -> list[str]:
    return [name for name in os.listdir(path) if name != ".lock"]


def test_a_wrong_diff_id_is_refused(tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(tar(entry("a", b"x")))
    with pytest.raises(MinirunError, match="the image says"):
        layers.unpack_all(str(tmp_path / "layers"), [layers.Packed(str(blob), digest(b"something else"))])
    assert left(str(tmp_path / "layers")) == []


def test_a_tar_cut_short_is_refused(tmp_path: Path) -> None:
    content = tar(entry("a", b"x" * 5000))[:2000]
    with pytest.raises(MinirunError, match="ends inside it"):
        unpack(tmp_path, content)


def test_a_damaged_header_in_the_middle_is_not_the_end(tmp_path: Path) -> None:
    content = bytearray(tar(entry("a", b"x"), entry("b", b"y")))
    content[1024 + 150] ^= 0xFF  # the checksum of the second header
    with pytest.raises(MinirunError, match="not a sound tar archive after entry 'a'"):
        unpack(tmp_path, bytes(content))


def test_a_header_that_asks_for_gigabytes_is_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1 << 32
    with pytest.raises(MinirunError, match="a header of"):
        unpack(tmp_path, header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 21))


def test_too_many_bytes_are_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarstream.LIMITS, "unpacked_bytes", 1 << 20)
    with pytest.raises(MinirunError, match="more than 1048576 bytes"):
        unpack(tmp_path, tar(entry("a", bytes(2 << 20))))


def test_too_high_a_ratio_is_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarstream, "RATIO_FROM_BYTES", 1 << 20)
    with pytest.raises(MinirunError, match="bomb"):
        unpack(tmp_path, tar(entry("a", bytes(8 << 20))))


def test_too_many_entries_are_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarstream.LIMITS, "entries", 2)
    with pytest.raises(MinirunError, match="more than 2 entries"):
        unpack(tmp_path, tar(entry("a"), entry("b"), entry("c")))


def unpack(tmp_path: Path, layer: bytes) -> None:
    store = store_in(tmp_path)
    image = add_image(store, layer)
    try:
        image.layer_paths()
    finally:
        assert left(store.paths.layers) == []


def test_a_truncated_gzip_is_refused(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    image = add_image(store, tar(entry("a", os.urandom(100_000))))
    path = store.blob_path(image.manifest["layers"][0]["digest"])
    with open(path, "r+b") as file:
        file.truncate(50_000)
    with pytest.raises(MinirunError, match="cut short"):
        image.layer_paths()
    assert left(store.paths.layers) == []
