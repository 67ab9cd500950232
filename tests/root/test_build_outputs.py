"""Results of builds taken out as files: a directory, a tar; and pushed, and interrupted."""

import os
import signal
import stat
import subprocess
import sys
import tarfile
import textwrap
import time
from pathlib import Path

import pytest

from minirun.build import output_words
from minirun.build.outputs import Result, write_all
from minirun.build.progress import Progress
from minirun.errors import MinirunError
from minirun.image.store import Store
from tests import trees
from tests.build_results import result
from tests.image_tars import directory, entry, hard_link, store_in, symlink, tar
from tests.support import CHECKOUT

BASE = tar(
    directory("bin"),
    entry("bin/su", b"su", mode=0o4755, uid=7),
    entry("bin/sh", b"sh", mode=0o755, pax_headers={"SCHILY.xattr.user.note": "n"}),
    hard_link("bin/ash", "bin/sh"),
    symlink("link", "/etc/passwd"),
    directory("private", 0o700),
    entry("private/gone", b"g"),
    entry("fifo", type=tarfile.FIFOTYPE, mode=0o644),
)
TOP = tar(entry("private/.wh.gone"), directory("new"), entry("new/file", b"n" * 70_000, mode=0o640))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path / "store")


@pytest.fixture
def made(store: Store) -> Result:
    """What lies between is kept by nobody, and swept after the first output."""
    return result(store, BASE, TOP)


def write(store: Store, made: Result, words: str, *tags: str) -> None:
    write_all(store.paths, made, [output_words.parse(words)], list(tags), Progress())


def names(path: Path) -> set[str]:
    return {str(one.relative_to(path)) for one in path.rglob("*")}


TREE = {"bin", "bin/su", "bin/sh", "bin/ash", "link", "private", "fifo", "new", "new/file"}


# ---- a directory ------------------------------------------------------------------------------------------


def test_a_directory_gets_the_tree_of_all_layers(store: Store, made: Result, tmp_path: Path) -> None:
    write(store, made, str(tmp_path / "out"))
    out = tmp_path / "out"
    assert names(out) == TREE
    assert (out / "new/file").read_bytes() == b"n" * 70_000
    assert os.readlink(out / "link") == "/etc/passwd"
    assert stat.S_ISFIFO((out / "fifo").stat().st_mode)
    assert os.getxattr(out / "bin/sh", "user.note") == b"n"


def test_files_are_ours_and_keep_mode_time_and_links(store: Store, made: Result, tmp_path: Path) -> None:
    write(store, made, str(tmp_path / "out"))
    status = (tmp_path / "out/bin/su").stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode), status.st_mtime) == (
        os.getuid(),
        0o4755,
        1_700_000_000,
    )
    assert stat.S_IMODE((tmp_path / "out/private").stat().st_mode) == 0o700
    assert (tmp_path / "out/bin").stat().st_mtime == 1_700_000_000
    assert (tmp_path / "out/bin/sh").samefile(tmp_path / "out/bin/ash")


def test_what_is_in_the_directory_stays(store: Store, made: Result, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "bin").mkdir(parents=True)
    (out / "bin/mine").write_text("mine")
    (out / "bin/sh").write_text("old")
    write(store, made, str(out))
    assert names(out) == TREE | {"bin/mine"}
    assert (out / "bin/sh").read_text() == "sh"


def test_mode_delete_takes_away_what_is_not_in_the_result(store: Store, made: Result, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "bin/old/deep").mkdir(parents=True)
    (out / "mine").write_text("mine")
    write(store, made, f"type=local,mode=delete,dest={out}")
    assert names(out) == TREE
    assert (out / "bin").stat().st_mtime == 1_700_000_000


def test_what_has_the_name_of_another_kind_makes_room(store: Store, made: Result, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "bin/sh/deep").mkdir(parents=True)
    (out / "new").write_text("a file where a directory will be")
    write(store, made, str(out))
    assert (out / "bin/sh").read_text() == "sh"
    assert (out / "new/file").exists()


def test_a_link_in_the_directory_leads_nowhere(store: Store, made: Result, tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "bin").symlink_to(elsewhere)
    (out / "new").symlink_to("/")
    write(store, made, str(out))
    assert list(elsewhere.iterdir()) == []
    assert not (out / "bin").is_symlink()
    assert (out / "new/file").stat().st_size == 70_000


def test_a_result_of_one_layer(store: Store, tmp_path: Path) -> None:
    write(store, result(store, BASE), str(tmp_path / "out"))
    assert "bin/su" in names(tmp_path / "out")


def test_a_directory_above_that_is_missing_is_made(store: Store, made: Result, tmp_path: Path) -> None:
    write(store, made, str(tmp_path / "a/b/out"))
    assert names(tmp_path / "a/b/out") == TREE


# ---- a tar ------------------------------------------------------------------------------------------------


def test_a_tar_keeps_owners_and_has_no_whiteouts(store: Store, made: Result, tmp_path: Path) -> None:
    write(store, made, f"type=tar,dest={tmp_path}/x.tar")
    with tarfile.open(tmp_path / "x.tar") as opened:
        found = {info.name: info for info in opened}
    assert set(found) == TREE
    assert (found["bin/su"].uid, found["bin/su"].mode) == (7, 0o4755)
    assert found["bin/sh"].islnk() or found["bin/ash"].islnk()
    assert stat.S_IMODE((tmp_path / "x.tar").stat().st_mode) == 0o644


def test_tar_and_directory_are_the_same_tree(store: Store, made: Result, tmp_path: Path) -> None:
    words = [output_words.parse(f"type=tar,dest={tmp_path}/x.tar"), output_words.parse(str(tmp_path / "out"))]
    write_all(store.paths, made, words, [], Progress())
    (tmp_path / "unpacked").mkdir()
    command = ["tar", "-xf", "../x.tar", "--xattrs", "--no-same-owner", "--delay-directory-restore"]
    subprocess.run(command, cwd=tmp_path / "unpacked", check=True)
    unpacked, out = trees.of(tmp_path / "unpacked"), trees.of(tmp_path / "out")
    del unpacked[""], out[""]  # is not in a tar that begins below its root
    assert trees.differences(unpacked, out) == []


# ---- what goes wrong --------------------------------------------------------------------------------------


def small_disk(place: Path) -> None:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], check=True)


@pytest.mark.parametrize("words", ["type=local,dest={}/out", "type=tar,dest={}/x", "type=oci,dest={}/x"])
def test_a_full_disk_leaves_nothing_half_made(words: str, store: Store, made: Result, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    small_disk(disk)
    try:
        with pytest.raises(MinirunError, match="No space left on device"):
            write(store, made if "oci" not in words else result(store, noise(tmp_path)), words.format(disk))
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def noise(tmp_path: Path) -> bytes:
    """The tar of a layer that cannot be packed."""
    from minirun.build.layer import tar_of

    (tmp_path / "noise").mkdir()
    (tmp_path / "noise/file").write_bytes(os.urandom(100_000))
    return b"".join(tar_of(str(tmp_path / "noise")))


def test_control_c_while_files_are_copied_leaves_no_directory(tmp_path: Path) -> None:
    program = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from minirun.build import output_tree, output_words
        from minirun.build.outputs import Result, write_all
        from minirun.build.progress import Progress
        from tests.build_results import result
        from tests.image_tars import entry, store_in, tar
        class Slow(Progress):
            def status(self, *_, **__):
                import time; print("copying", flush=True); time.sleep(0.1)
        place = Path({str(tmp_path)!r})
        store = store_in(place / "store")
        made = result(store, tar(*(entry(f"f{{n}}", b"x" * 10000) for n in range(1000))))
        write_all(store.paths, made, [output_words.parse(str(place / "out"))], [], Slow())
    """)
    command = [sys.executable, "-c", program]
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as process:
        assert process.stdout
        for _ in range(5):
            process.stdout.readline()
        assert any(name.startswith(".out.") for name in os.listdir(tmp_path))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert os.listdir(tmp_path) == ["store"]


def test_a_registry_that_is_gone_leaves_the_image_here(store: Store, made: Result) -> None:
    began = time.monotonic()
    with pytest.raises(MinirunError, match=r"127\.0\.0\.1:1"):
        write(store, made, "type=registry", "127.0.0.1:1/app:1")
    assert time.monotonic() - began < 60
    assert store.get("127.0.0.1:1/app:1").id == made.id
