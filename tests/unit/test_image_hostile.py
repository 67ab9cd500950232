"""Hostile layers: nothing is written outside, nothing is left, and the error names the entry."""

import contextlib
import io
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd

from minirun.errors import MinirunError
from minirun.image import archive, layers, manifests, names, reference, removal, tarstream
from minirun.image.image import Image
from minirun.image.mediatypes import LAYER
from minirun.image.store import Store
from minirun.printable import printable
from tests.image_tars import (
    add_image,
    config_of,
    digest,
    directory,
    entry,
    hard_link,
    store_in,
    symlink,
    tar,
)
from tests.support import CHECKOUT

EVIL = b"evil"

HOSTILE = {
    "empty": ([entry("", EVIL)], "''"),
    "a file named .": ([entry(".", EVIL)], "'.'"),
    "directory over a symlink": ([symlink("a", "OUTSIDE"), directory("a"), entry("a/evil", EVIL)], "'a'"),
    "file over a symlink": ([symlink("a", "OUTSIDE/evil"), entry("a", EVIL)], "'a'"),
    "symlink over a directory": ([directory("a"), symlink("a", "OUTSIDE"), entry("a/evil", EVIL)], "'a'"),
    "links in a circle": ([symlink("a", "b"), symlink("b", "a"), entry("a/evil", EVIL)], "'a/evil'"),
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
    "device in disguise of a whiteout": ([entry("a", type=tarfile.CHRTYPE)], "'a'"),
    "unknown type": ([entry("a", type=b"9")], "'a'"),
    "owner that cannot be": ([entry("a", uid=2**32 - 1)], "'a'"),
    "NUL in a link": ([entry("a", pax_headers={"linkpath": "x\0y"}, type=tarfile.SYMTYPE)], "'a'"),
    "xattr that cannot be": ([entry("a", pax_headers={"SCHILY.xattr.nonsense.x": "1"})], "'a'"),
    "sparse with data beyond its end": (
        [entry("a", b"x" * 512, pax_headers={"GNU.sparse.size": "1", "GNU.sparse.map": "0,512"})],
        "'a'",
    ),
    "a sparse file of 8 EB": (
        [entry("a", b"x" * 512, pax_headers={"GNU.sparse.size": str(2**63 - 1), "GNU.sparse.map": "0,512"})],
        "'a'",
    ),
    "NUL in a name": ([entry("a", pax_headers={"path": "a\0b"})], "'a\\x00b'"),
    "escapes in a name": ([entry("a\x1b[2J\n", type=b"9")], r"'a\x1b[2J\n'"),
    "a name longer than any path": ([entry("a", pax_headers={"path": "a/" * 5000 + "b"})], "'a/a/a/"),
    "a name deeper than any tree": ([entry("a", pax_headers={"path": "a/" * 1500 + "b"})], "'a/a/a/"),
    "an xattr larger than any": (
        [entry("a", pax_headers={"SCHILY.xattr.user.x": "x" * 70_000})],
        "'a'",
    ),
    "hard link out of a hard link": ([entry("a", EVIL), hard_link("b", "a/../../other")], "'b'"),
    "hard link to a link out, then a file in it": (
        [symlink("a", "OUTSIDE"), hard_link("b", "a"), entry("b/evil", EVIL)],
        "'b/evil'",
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


INSIDE = {
    "dots": ([entry("../evil", EVIL)], {"evil": EVIL}),
    "dots inside": ([directory("a"), entry("a/../../evil", EVIL)], {"evil": EVIL}),
    "dots that stay inside": ([directory("a"), entry("a/../b", EVIL)], {"b": EVIL}),
    "absolute": ([entry("/evil", EVIL)], {"evil": EVIL}),
    "absolute, with more slashes": ([directory("//a/"), entry("///a//evil", EVIL)], {"a/evil": EVIL}),
    "absolute, with dots": ([entry("/../../evil", EVIL)], {"evil": EVIL}),
    "the root": ([directory("/", 0o700), entry("a", EVIL)], {"a": EVIL}),
    "the root without a name": ([directory("", 0o700), entry("a", EVIL)], {"a": EVIL}),
    "hard link, absolute": ([entry("a/x", EVIL), hard_link("b/y", "/a/x")], {"a/x": EVIL, "b/y": EVIL}),
    "hard link with dots": ([entry("x", EVIL), hard_link("y", "../../x")], {"x": EVIL, "y": EVIL}),
    "hard link to an absolute name": ([entry("/x", EVIL), hard_link("./y", "./x")], {"x": EVIL, "y": EVIL}),
    "symlinked parent": ([directory("u"), symlink("a", "u"), entry("a/evil", EVIL)], {"u/evil": EVIL}),
    "symlink to the root": ([symlink("a", "/"), entry("a/evil", EVIL)], {"evil": EVIL}),
    "symlink out": ([symlink("a", "OUTSIDE"), entry("a/b/evil", EVIL)], {"OUTSIDE/b/evil": EVIL}),
    "symlink above the root": ([symlink("a", "../../u"), entry("a/evil", EVIL)], {"u/evil": EVIL}),
    "symlink of a symlink": (
        [symlink("lib", "usr/lib"), symlink("usr/lib", "/opt"), entry("lib/x86/so", EVIL)],
        {"opt/x86/so": EVIL},
    ),
    "hard link through a symlink": (
        [entry("u/f", EVIL), symlink("a", "u"), hard_link("b", "a/f")],
        {"u/f": EVIL, "b": EVIL},
    ),
    "whiteout through a symlink": (
        [symlink("a", "OUTSIDE"), entry("a/.wh.b"), entry("c", EVIL)],
        {"c": EVIL},
    ),
}


@pytest.mark.parametrize("name", INSIDE)
def test_a_name_that_leads_out_stays_inside(name: str, tmp_path: Path) -> None:
    """As Docker unpacks it: chrooted, so that / and what is above it are the layer's own root."""
    entries, files = INSIDE[name]
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b").write_text("the host's")
    for info, _ in entries:
        info.linkname = info.linkname.replace("OUTSIDE", str(outside))
    root = unpacked(tmp_path, *entries)
    found = [Path(place) / file for place, _, names in os.walk(root) for file in names]
    expected = {name.replace("OUTSIDE", str(outside)[1:]): content for name, content in files.items()}
    real = {str(path.relative_to(root)): path.read_bytes() for path in found if not path.is_symlink()}
    assert real == expected
    assert os.listdir(outside) == ["b"]
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
    with pytest.raises(MinirunError, match=r"headers? of"):
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
    path = store.layout.blob_path(image.manifest["layers"][0]["digest"])
    with open(path, "r+b") as file:
        file.truncate(50_000)
    with pytest.raises(MinirunError, match="cut short"):
        image.layer_paths()
    assert left(store.paths.layers) == []


def test_a_truncated_zstd_is_refused(tmp_path: Path) -> None:
    content = tar(entry("a", os.urandom(100_000)))
    for cut in (10, 50_000, -1):
        store = store_in(tmp_path / str(cut))
        image = add_packed(store, content, zstd.compress(content)[:cut])
        with pytest.raises(MinirunError, match="cut short"):
            image.layer_paths()
        assert left(store.paths.layers) == []


def add_packed(store: Store, content: bytes, packed: bytes) -> Image:
    """An image whose one layer says it is `content` and comes as `packed`."""
    with store.adding():
        layer = {"mediaType": LAYER, **store.layout.add_blob([packed])}
        config = store.layout.add_blob([config_of([content])])
        return names.add_image(store.layout, config, [layer], reference.parse("test"))


def test_limits_are_those_of_the_settings(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    image = add_image(store, tar(entry("a"), entry("b"), entry("c")))
    store.paths.registries = str(tmp_path / "registries.toml")
    Path(store.paths.registries).write_text("[limits]\nentries = 2\n")
    with pytest.raises(MinirunError, match="more than 2 entries"):
        image.layer_paths()
    assert left(store.paths.layers) == []


# ---- what is odd and allowed ------------------------------------------------------------------------------


def unpacked(tmp_path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> str:
    return add_image(store_in(tmp_path), tar(*entries)).layer_paths()[0]


@pytest.mark.parametrize(
    "name", ["\udcff\udcfe", "café", "new\nline", "tab\t", "\x1b[31m", "-rf", "a b", "~"]
)
def test_any_name_is_kept_byte_for_byte(tmp_path: Path, name: str) -> None:
    path = unpacked(tmp_path, entry(name, b"x"))
    assert os.listdir(os.fsencode(path)) == [os.fsencode(name)]


def test_a_hard_link_to_a_symlink_is_the_same_symlink(tmp_path: Path) -> None:
    path = unpacked(tmp_path, symlink("a", "/etc/passwd"), hard_link("b", "a"))
    assert os.readlink(f"{path}/b") == "/etc/passwd"
    assert os.lstat(f"{path}/a").st_ino == os.lstat(f"{path}/b").st_ino


def test_a_sparse_file_takes_only_what_it_holds(tmp_path: Path) -> None:
    map_of = {"GNU.sparse.size": str(1 << 30), "GNU.sparse.map": f"{1 << 29},512"}
    path = unpacked(tmp_path, entry("a", b"x" * 512, pax_headers=map_of))
    status = os.stat(f"{path}/a")
    assert status.st_size == 1 << 30
    assert status.st_blocks * 512 < 1 << 20


# ---- what is too much -------------------------------------------------------------------------------------

PROGRAM = """
import sys
from minirun.errors import MinirunError
from minirun.image.store import Store
from minirun.paths import Paths
try:
    Store(Paths(sys.argv[1])).get("test").layer_paths()
    print("unpacked")
except MinirunError as error:
    print(error.message)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def unpack_in_a_process(store: Store) -> tuple[str, int]:
    """What became of the image `test`, and how many MiB that took at most."""
    words = [sys.executable, "-c", PROGRAM, store.paths.root]
    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True)
    message, kibibytes = done.stdout.splitlines()
    return message, int(kibibytes) // 1024


def header(kind: bytes, content: bytes) -> bytes:
    """A PAX header with any content."""
    info = tarfile.TarInfo("header")
    info.type, info.size = kind, len(content)
    return info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)


def record(key: str, value: str) -> bytes:
    """`LENGTH KEY=VALUE`, where the length counts itself: six digits here."""
    rest = f" {key}={value}\n".encode()
    return b"%06d" % (len(rest) + 6) + rest


def a_sparse_map_of_millions() -> bytes:
    numbers = 30_000_000
    data = b"%d\n" % (numbers // 2) + b"0\n" * numbers
    fields = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "a",
        "GNU.sparse.realsize": "0",
    }
    return tar(entry("a", data, pax_headers=fields))


def global_headers_without_an_end() -> bytes:
    def one(number: int) -> bytes:
        records = b"".join(record(f"key.{number}.{count}", "x" * 900) for count in range(500))
        return header(b"g", records) + tar(entry(f"file{number}"))[:512]

    return b"".join(map(one, range(500))) + bytes(1024)


def headers_of_one_entry_without_an_end() -> bytes:
    return header(b"x", record("comment", "x" * 500_000)) * 400 + tar(entry("a"))


def digits_that_a_pattern_could_stumble_on() -> bytes:
    return header(b"x", b"1" * 900_000) + tar(entry("a"))


BOMBS = [
    a_sparse_map_of_millions,
    global_headers_without_an_end,
    headers_of_one_entry_without_an_end,
    digits_that_a_pattern_could_stumble_on,
]


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_headers_that_are_bombs_take_neither_memory_nor_time(
    tmp_path: Path, bomb: Callable[[], bytes]
) -> None:
    store = store_in(tmp_path)
    add_image(store, bomb())
    before = time.monotonic()
    message, mebibytes = unpack_in_a_process(store)
    assert "header" in message
    assert mebibytes < 150
    assert time.monotonic() - before < 20
    assert left(store.paths.layers) == []


def test_many_tiny_entries_take_time_in_proportion(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    add_image(store, tar(*(entry(f"d{number % 100}/{number}") for number in range(20_000))))
    before = time.monotonic()
    message, mebibytes = unpack_in_a_process(store)
    assert message == "unpacked"
    assert mebibytes < 100
    assert time.monotonic() - before < 20


def test_a_tree_as_deep_as_a_path_can_be_is_removed_again(tmp_path: Path) -> None:
    """Or refused; either way the store goes on working."""
    store = store_in(tmp_path)
    add_image(store, tar(*(directory("/".join("a" * depth)) for depth in range(1, 1500))), name="deep")
    with contextlib.suppress(MinirunError):
        store.get("deep").layer_paths()
    removal.remove(store, "deep")
    assert left(store.paths.layers) == []


def test_nothing_that_a_terminal_obeys_is_printed() -> None:
    assert printable("a\x1b[2J\r\x07\x9b\u202eb\udcff é\n") == r"a\x1b[2J\r\x07\x9b\u202eb\udcff é" + "\n"


# ---- documents that are read whole


def test_a_config_as_large_as_a_layer_is_not_read(tmp_path: Path) -> None:
    members = [
        entry("c", config_of([]) + b" " * manifests.BYTES_MAX),
        entry("manifest.json", b'[{"Config": "c"}]'),
    ]
    store = store_in(tmp_path)
    with pytest.raises(MinirunError, match="archive member 'c' is too large"):
        archive.load(store, io.BytesIO(tar(*members)))
    assert left(store.paths.images + "/blobs/sha256") == []


def test_a_config_that_is_larger_than_its_manifest_says_is_not_read(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    blob = store.layout.add_blob([config_of([]), b" " * manifests.BYTES_MAX])
    with pytest.raises(MinirunError, match=f"larger than {manifests.BYTES_MAX} bytes"):
        names.add_image(store.layout, {**blob, "size": 10}, [], None)
