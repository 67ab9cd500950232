"""Layers as overlayfs shows them: each test unpacks an image and looks at a real mount of it."""

import os
import stat
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from minirun.errors import MinirunError
from minirun.image import layers
from minirun.image.image import Image
from minirun.image.store import Store
from tests.image_tars import MTIME, add_image, directory, entry, hard_link, store_in, symlink, tar

# struct vfs_cap_data, revision 2, of cap_net_raw+ep; see capabilities(7)
PING = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)


@pytest.fixture(params=["in this process", "in one of its own"])
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Store:
    """Both ways to unpack, which must not be told apart."""
    monkeypatch.setattr(layers, "LARGE_BYTES", 0 if request.param == "in one of its own" else 1 << 30)
    return store_in(tmp_path)


@contextmanager
def mounted(image: Image, base: Path) -> Iterator[Path]:
    """The image's layers under a fresh upper directory, as a container sees them."""
    for name in ("upper", "work", "merged"):
        (base / name).mkdir(exist_ok=True)
    lower = ":".join(reversed(image.layer_paths()))
    options = f"lowerdir={lower},upperdir={base / 'upper'},workdir={base / 'work'}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, base / "merged"], check=True)
    try:
        yield base / "merged"
    finally:
        subprocess.run(["umount", base / "merged"], check=True)


def xattr(**values: bytes) -> dict[str, dict[str, str]]:
    """pax_headers for extended attributes; `_` in a key stands for `.`."""
    texts = {
        f"SCHILY.xattr.{name.replace('_', '.')}": value.decode("utf-8", "surrogateescape")
        for name, value in values.items()
    }
    return {"pax_headers": texts}


# ---- what the layers below say ----------------------------------------------------------------------------


def test_a_parent_that_is_not_listed_keeps_what_lower_layers_gave_it(store: Store, tmp_path: Path) -> None:
    base = tar(directory("tmp", 0o1777, uid=7, gid=8, **xattr(user_note=b"kept")), entry("tmp/a"))
    with mounted(add_image(store, base, tar(entry("tmp/x", b"x", mtime=MTIME + 99))), tmp_path) as root:
        status = (root / "tmp").stat()
        assert stat.S_IMODE(status.st_mode) == 0o1777
        assert (status.st_uid, status.st_gid, status.st_mtime) == (7, 8, MTIME)
        assert os.getxattr(root / "tmp", "user.note") == b"kept"
        assert sorted(os.listdir(root / "tmp")) == ["a", "x"]


def test_an_invented_parent_is_0755_of_root(store: Store, tmp_path: Path) -> None:
    with mounted(add_image(store, tar(entry("a/b/c", uid=5))), tmp_path) as root:
        status = (root / "a/b").stat()
        assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o755, 0)


def test_a_parent_hidden_by_an_opaque_directory_is_new(store: Store, tmp_path: Path) -> None:
    base = tar(directory("a"), directory("a/b", 0o700, uid=9))
    upper = tar(directory("a"), entry("a/.wh..wh..opq"), entry("a/b/c"))
    with mounted(add_image(store, base, upper), tmp_path) as root:
        assert ((root / "a/b").stat().st_uid, stat.S_IMODE((root / "a/b").stat().st_mode)) == (0, 0o755)


def test_a_hard_link_reaches_into_a_lower_layer(store: Store, tmp_path: Path) -> None:
    base = tar(
        directory("bin"), entry("bin/ping", b"#!", mode=0o4755, uid=3, **xattr(security_capability=PING))
    )
    with mounted(
        add_image(store, base, tar(directory("sbin"), hard_link("sbin/p", "bin/ping"))), tmp_path
    ) as root:
        link, target = (root / "sbin/p").stat(), (root / "bin/ping").stat()
        assert (root / "sbin/p").read_bytes() == b"#!"
        assert (link.st_mode, link.st_uid, link.st_mtime) == (stat.S_IFREG | 0o4755, 3, MTIME)
        assert (link.st_ino, link.st_nlink) == (target.st_ino, 2)
        assert os.getxattr(root / "sbin/p", "security.capability") == PING


def test_hard_links_to_a_lower_symlink_and_a_lower_device(store: Store, tmp_path: Path) -> None:
    base = tar(
        symlink("s", "nowhere"), entry("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
    )
    with mounted(
        add_image(store, base, tar(hard_link("t", "s"), hard_link("zero", "null"))), tmp_path
    ) as root:
        assert os.readlink(root / "t") == "nowhere"
        assert (root / "zero").stat().st_rdev == os.makedev(1, 3)


def test_a_hard_link_to_what_a_layer_between_removed_is_refused(store: Store) -> None:
    image = add_image(store, tar(entry("a", b"x")), tar(entry(".wh.a")), tar(hard_link("b", "a")))
    with pytest.raises(MinirunError, match="entry 'b': a hard link to 'a', which is nowhere"):
        image.layer_paths()


def test_a_hard_link_does_not_follow_a_lower_symlink_out(store: Store, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("host")
    image = add_image(store, tar(symlink("a", str(tmp_path))), tar(hard_link("b", "a/secret")))
    with pytest.raises(MinirunError, match="entry 'b'"):
        image.layer_paths()


def test_a_parent_that_is_a_symlink_below_is_hidden_not_followed(store: Store, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with mounted(
        add_image(store, tar(symlink("a", str(outside))), tar(entry("a/b", b"x"))), tmp_path
    ) as root:
        assert (root / "a/b").read_bytes() == b"x"
        assert not (root / "a").is_symlink()
    assert os.listdir(outside) == []


# ---- whiteouts --------------------------------------------------------------------------------------------


def test_a_whiteout_removes_a_file_and_a_tree(store: Store, tmp_path: Path) -> None:
    base = tar(directory("d"), entry("d/a"), entry("d/b"), directory("d/tree"), entry("d/tree/x"))
    with mounted(add_image(store, base, tar(entry("d/.wh.a"), entry("d/.wh.tree"))), tmp_path) as root:
        assert os.listdir(root / "d") == ["b"]


def test_an_opaque_directory_hides_all_below_it(store: Store, tmp_path: Path) -> None:
    base = tar(directory("d"), entry("d/a"), directory("d/tree"), entry("d/tree/x"))
    upper = tar(directory("d", 0o711), entry("d/new"), entry("d/.wh..wh..opq"))
    with mounted(add_image(store, base, upper), tmp_path) as root:
        assert os.listdir(root / "d") == ["new"]
        assert stat.S_IMODE((root / "d").stat().st_mode) == 0o711


@pytest.mark.parametrize("whiteout_first", [True, False])
def test_removed_and_made_anew_in_one_layer(store: Store, tmp_path: Path, whiteout_first: bool) -> None:
    base = tar(directory("d"), entry("d/old"), entry("f", b"old"))
    again = [directory("d"), entry("d/new"), entry("f", b"new")]
    removed = [entry(".wh.d"), entry(".wh.f")]
    upper = tar(*removed, *again) if whiteout_first else tar(*again, *removed)
    with mounted(add_image(store, base, upper), tmp_path) as root:
        assert os.listdir(root / "d") == ["new"]
        assert (root / "f").read_bytes() == b"new"


def test_a_whiteout_of_nothing_shows_nothing(store: Store, tmp_path: Path) -> None:
    upper = tar(directory("d"), entry("d/.wh.never"), entry("d/.wh..wh.plnk"), entry("d/a"))
    with mounted(add_image(store, tar(entry("x")), upper), tmp_path) as root:
        assert os.listdir(root / "d") == ["a"]


BELOW = tar(directory("t"), entry("t/f"), entry("t/g"), directory("t/s"), entry("t/s/h"), entry("z", b"z"))
GONE = [entry(".wh.t")]
WHITEOUTS = {
    "a tree, then what is in it": ([*GONE, entry("t/.wh.f")], {"z"}),
    "what is in a tree, then the tree": ([entry("t/.wh.f"), *GONE], {"z"}),
    "a tree, and deep in it": ([entry("t/s/.wh.h"), *GONE, entry("t/.wh.s")], {"z"}),
    "a tree and a tree in it": ([entry("t/.wh.s"), entry("t/s/.wh.h")], {"t", "t/f", "t/g", "z"}),
    "a tree that is opaque as well": ([entry("t/.wh..wh..opq"), *GONE], {"z"}),
    "an opaque tree in one that goes": ([entry("t/s/.wh..wh..opq"), *GONE], {"z"}),
    "a tree with a new file": ([entry("t/n"), entry("t/.wh.f"), *GONE], {"t", "t/n", "z"}),
    "a new file, in an opaque tree with whiteouts": (
        [entry("t/.wh.f"), entry("t/n"), entry("t/.wh..wh..opq")],
        {"t", "t/n", "z"},
    ),
    "an opaque tree that is not listed": ([entry("t/.wh..wh..opq")], {"t", "z"}),
    "twice": ([entry(".wh.z"), entry(".wh.z"), *GONE], set()),
    "in a directory that is nowhere": ([entry("q/.wh.r"), *GONE], {"z"}),
    "below a file": ([entry("z/.wh.r"), *GONE], {"z"}),
    "below a file of this layer": ([entry("t"), entry("t/.wh.f")], {"t", "z"}),
    "books of aufs": ([entry(".wh..wh.aufs"), entry("t/.wh..wh.orph"), *GONE], {"z"}),
    "whiteouts that are directories": ([directory(".wh.t"), directory(".wh.z")], set()),
}


@pytest.mark.parametrize("name", WHITEOUTS)
def test_whiteouts_in_any_order(tmp_path: Path, name: str) -> None:
    entries, expected = WHITEOUTS[name]
    with mounted(add_image(store_in(tmp_path), BELOW, tar(*entries)), tmp_path) as root:
        assert {str(path.relative_to(root)) for path in root.rglob("*")} == expected


def test_a_third_layer_brings_back_what_the_second_removed(store: Store, tmp_path: Path) -> None:
    image = add_image(store, tar(directory("d", uid=4), entry("d/a")), tar(entry(".wh.d")), tar(entry("d/b")))
    with mounted(image, tmp_path) as root:
        assert os.listdir(root / "d") == ["b"]
        assert (root / "d").stat().st_uid == 0


# ---- entries of every kind --------------------------------------------------------------------------------


def test_special_files_owners_and_modes(store: Store, tmp_path: Path) -> None:
    layer = tar(
        directory("./"),
        entry("setuid", b"x", mode=0o6755, uid=1234, gid=2**31),
        entry("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        entry("disk", type=tarfile.BLKTYPE, devmajor=8, devminor=0, mode=0o660, gid=6),
        entry("pipe", type=tarfile.FIFOTYPE, mode=0o622),
        symlink("link", "/etc/shadow"),
        hard_link("second", "setuid"),
    )
    with mounted(add_image(store, layer), tmp_path) as root:
        setuid = (root / "setuid").stat()
        assert (stat.S_IMODE(setuid.st_mode), setuid.st_uid, setuid.st_gid) == (0o6755, 1234, 2**31)
        assert (root / "second").stat().st_ino == setuid.st_ino
        assert (root / "null").stat().st_rdev == os.makedev(1, 3)
        assert (root / "disk").stat().st_mode == stat.S_IFBLK | 0o660
        assert (root / "pipe").stat().st_mode == stat.S_IFIFO | 0o622
        assert os.readlink(root / "link") == "/etc/shadow"
        assert (root / "link").lstat().st_mtime == MTIME


def test_extended_attributes(store: Store, tmp_path: Path) -> None:
    hidden = xattr(
        trusted_overlay_redirect=b"/elsewhere", security_capability=PING, user_x=bytes(range(1, 256))
    )
    with mounted(add_image(store, tar(entry("ping", b"x", uid=1, mode=0o4755, **hidden))), tmp_path) as root:
        assert os.getxattr(root / "ping", "security.capability") == PING
        assert os.getxattr(root / "ping", "user.x") == bytes(range(1, 256))
        assert sorted(os.listxattr(root / "ping")) == ["security.capability", "user.x"]


def test_names_long_odd_and_not_utf8(store: Store, tmp_path: Path) -> None:
    names = ["d/" + "n" * 255, "/".join(["deep"] * 60), "new\nline", "caf\udce9", "ünïcödé"]
    for format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        content = tar(
            *(entry(name, b"x") for name in names if "\udce9" not in name or format == tarfile.GNU_FORMAT)
        )
        lower = add_image(store, content).layer_paths()[0]
        assert all(os.path.exists(f"{lower}/{name}") for name in names[:3] + names[4:])
    assert os.path.exists(os.fsencode(lower) + b"/caf\xe9")


def test_times_are_exact_and_directories_keep_theirs(store: Store, tmp_path: Path) -> None:
    exact = {"pax_headers": {"mtime": f"{MTIME}.123456789"}}
    with mounted(
        add_image(store, tar(directory("d", **exact), entry("d/f", b"x", **exact))), tmp_path
    ) as root:
        assert (root / "d").stat().st_mtime_ns == MTIME * 10**9 + 123456789
        assert (root / "d/f").stat().st_mtime_ns == MTIME * 10**9 + 123456789


def test_a_sparse_file_stays_sparse(store: Store, tmp_path: Path) -> None:
    holes = tmp_path / "holes"
    with open(holes, "wb") as file:
        file.truncate(64 << 20)
        file.seek(32 << 20)
        file.write(b"middle")
    for format in ("gnu", "pax"):
        command = ["tar", "-C", tmp_path, "-Sc", f"--format={format}", "holes"]
        layer = subprocess.run(command, capture_output=True, check=True).stdout
        unpacked = Path(add_image(store, layer).layer_paths()[0], "holes")
        assert unpacked.read_bytes() == holes.read_bytes()
        assert unpacked.stat().st_blocks < 1024


def test_the_unpacked_tree_is_what_tar_makes_of_it(store: Store, tmp_path: Path) -> None:
    """/etc of this machine: owners, modes, links and times of some hundred real files."""
    layer = subprocess.run(["tar", "-C", "/", "-c", "etc"], capture_output=True, check=True).stdout
    (tmp_path / "tar").mkdir()
    subprocess.run(["tar", "-C", tmp_path / "tar", "-xp"], input=layer, check=True)
    ours = Path(add_image(store, layer).layer_paths()[0])
    assert tree(ours / "etc") == tree(tmp_path / "tar/etc")


def tree(top: Path) -> list[tuple[object, ...]]:
    """Every entry below `top` with all that a layer can say of it."""
    found: list[tuple[object, ...]] = []
    for path in sorted(top.rglob("*")):
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        what = (status.st_mode, status.st_uid, status.st_gid, int(status.st_mtime), status.st_nlink, content)
        found.append((str(path.relative_to(top)), *what))
    return found


def test_layers_are_closed_to_other_users(store: Store) -> None:
    add_image(store, tar(entry("su", mode=0o4755))).layer_paths()
    assert stat.S_IMODE(os.stat(store.paths.layers).st_mode) == 0o700
