"""A store on a disk that is full, or read-only: what cannot be done is said in a sentence, the rest goes on."""

import gzip
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from minirun.errors import MinirunError
from minirun.image.store import Store
from minirun.paths import Paths
from tests.bad_registry import BadRegistry
from tests.image_tars import docker_archive, entry, tar
from tests.support import Minirun, Result, run

MEBIBYTE = 1 << 20
SMALL = tar(entry("small", b"x" * 1000))
RANDOM = tar(entry("random", os.urandom(24 * MEBIBYTE)))  # as large packed as unpacked
ZEROS = tar(*(entry(f"zeros{number}", b"0" * MEBIBYTE) for number in range(24)))  # small while packed
FILES = tar(*(entry(f"file{number}") for number in range(6000)))


@pytest.fixture(params=["tmpfs", "ext4"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB and some 4000 inodes."""
    point = tmp_path / "disk"
    point.mkdir()
    if request.param == "tmpfs":
        run("mount", "-t", "tmpfs", "-o", "size=16m,nr_inodes=4000", "tmpfs", point, check=True)
    else:
        image = tmp_path / "disk.img"
        with image.open("wb") as file:
            file.truncate(16 * MEBIBYTE)
        run("mkfs.ext4", "-q", "-O", "^has_journal", "-N", "4000", "-m", "0", image, check=True)
        run("mount", "-o", "loop", image, point, check=True)
    try:
        yield point
    finally:
        run("umount", point, check=True)


@pytest.fixture
def small(small_disk: Path, tmp_path: Path) -> Minirun:
    return Minirun(root=small_disk / "root", state=tmp_path / "state")


@pytest.fixture
def registry() -> Iterator[BadRegistry]:
    server = BadRegistry()
    yield server
    server.stop()


def archive(tmp_path: Path, layer: bytes, name: str = "tool:1") -> Path:
    path = tmp_path / f"{name.partition(':')[0]}.tar"
    path.write_bytes(docker_archive(layer, tags=[name]))
    return path


def files_in(store: Minirun) -> list[str]:
    """What images and layers take, apart from locks and the empty layout."""
    kept = {"oci-layout", "index.json", ".lock"}
    found = [path for name in ("images", "layers") for path in (store.root / name).rglob("*")]
    return [str(path) for path in found if not path.is_dir() and path.name not in kept]


def is_clear(result: Result, code: int) -> None:
    """One sentence that names the reason, the right exit code, no traceback."""
    assert result.code == code
    first, *rest = result.stderr.splitlines()[-2:]
    assert "o space left on" in result.stderr
    assert "Traceback" not in result.stderr
    assert first.startswith("minirun: ") or (rest and rest[0].startswith("minirun: "))


@pytest.mark.parametrize("layer", [RANDOM, ZEROS, FILES], ids=["blob", "layer", "inodes"])
def test_load_onto_a_full_disk_leaves_nothing(small: Minirun, tmp_path: Path, layer: bytes) -> None:
    path = archive(tmp_path, gzip.compress(layer) if layer is not RANDOM else layer)
    path.write_bytes(gzip.compress(path.read_bytes()))
    is_clear(small("load", "-i", path), 1)
    assert files_in(small) == []
    assert small("images", "-q", check=True).stdout == ""


def test_after_a_full_disk_the_store_works(small: Minirun, tmp_path: Path) -> None:
    is_clear(small("load", "-i", archive(tmp_path, RANDOM)), 1)
    small("load", "-i", archive(tmp_path, SMALL, "small:1"), check=True)
    assert small("images", "--format", "{{.Repository}}", check=True).stdout == "small\n"


@pytest.mark.parametrize("layer", [RANDOM, ZEROS, FILES], ids=["blob", "layer", "inodes"])
def test_pull_onto_a_full_disk_leaves_nothing(small: Minirun, registry: BadRegistry, layer: bytes) -> None:
    registry.image(gzip.compress(SMALL), gzip.compress(layer))
    is_clear(small("pull", "-q", registry.name), 1)
    assert files_in(small) == []
    registry.image(gzip.compress(SMALL))
    small("pull", "-q", registry.name, check=True)


def test_run_with_a_full_disk_is_125(small: Minirun, registry: BadRegistry) -> None:
    registry.image(gzip.compress(RANDOM))
    is_clear(small("run", "--rm", "--network", "none", registry.name, "true"), 125)
    assert files_in(small) == []


def test_a_blob_that_fits_all_but_its_end_is_not_kept(small_disk: Path) -> None:
    """write(2) may write a part and call that success."""
    store = Store(Paths(str(small_disk / "root")))
    store.layout.make()
    filler = small_disk / "filler"
    filler.write_bytes(
        bytes(os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize - MEBIBYTE // 2)
    )
    with pytest.raises(MinirunError, match="No space left on device"):
        store.layout.add_blob([os.urandom(MEBIBYTE)])
    assert os.listdir(small_disk / "root" / "images" / "blobs" / "sha256") == []


def test_what_was_there_survives_a_full_disk(small: Minirun, tmp_path: Path) -> None:
    small("load", "-i", archive(tmp_path, SMALL, "small:1"), check=True)
    before = files_in(small)
    is_clear(small("load", "-i", archive(tmp_path, RANDOM)), 1)
    assert files_in(small) == before


def test_rmi_on_a_full_disk_does_no_harm(small: Minirun, small_disk: Path, tmp_path: Path) -> None:
    small("load", "-i", archive(tmp_path, SMALL, "small:1"), check=True)
    filler = small_disk / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=1k"], check=False, capture_output=True)
    small("images", check=True)
    done = small("rmi", "small:1")
    filler.unlink()
    assert len(small("images", "-q", check=True).stdout.splitlines()) == (0 if done.code == 0 else 1)
    small("rmi", "-f", "small:1", check=True)
    assert files_in(small) == []


# ---- a store that cannot be written -----------------------------------------------------------------------


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Minirun]:
    """A store with one image, on a mount that is read-only."""
    writable = Minirun(root=tmp_path / "disk" / "root", state=tmp_path / "state")
    writable("load", "-i", archive(tmp_path, SMALL, "small:1"), check=True)
    point = tmp_path / "read-only"
    point.mkdir()
    run("mount", "--bind", tmp_path / "disk", point, check=True)
    try:
        run("mount", "-o", "remount,ro,bind", point, check=True)
        yield Minirun(root=point / "root", state=tmp_path / "state")
    finally:
        run("umount", point, check=True)


READING = [
    ("images",),
    ("images", "--digests", "--no-trunc"),
    ("image", "inspect", "small:1"),
    ("history", "small:1"),
    ("image", "layers", "small:1"),
    ("save", "-o", "/dev/null", "small:1"),
    ("ps", "-a"),
    ("system", "df"),
]


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_reading_needs_no_writing(read_only: Minirun, words: tuple[str, ...]) -> None:
    read_only(*words, check=True)


WRITING = [
    ("rmi", "small:1"),
    ("tag", "small:1", "other:1"),
    ("load", "-i", "{archive}"),
    ("import", "{archive}", "other:1"),
    ("pull", "{registry}"),
]


@pytest.mark.parametrize("words", WRITING, ids=lambda words: words[0])
def test_writing_says_that_it_cannot(
    read_only: Minirun, registry: BadRegistry, tmp_path: Path, words: tuple[str, ...]
) -> None:
    registry.image(gzip.compress(tar(entry("other"))))
    places = {"archive": archive(tmp_path, tar(entry("other"))), "registry": registry.name}
    result = read_only(*(word.format(**places) for word in words))
    assert result.code == 1
    assert "ead-only file system" in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) <= 2


def test_run_from_a_store_that_cannot_be_written_is_125(read_only: Minirun) -> None:
    result = read_only("run", "--rm", "--network", "none", "small:1", "true")
    assert result.code == 125
    assert "ead-only file system" in result.stderr
    assert "Traceback" not in result.stderr
