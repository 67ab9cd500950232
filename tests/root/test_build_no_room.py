"""A build that runs out of disk or of memory says so, in one sentence, and where the room went."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Minirun


@pytest.fixture
def small(tmp_path: Path, busybox_tar: Path) -> Iterator[Minirun]:
    """minirun with --root and --state on a file system of their own, where busybox is and nothing more fits."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "none", place], check=True)
    try:
        made = Minirun(place / "root", place / "state")
        made("load", "-i", busybox_tar, check=True)
        made("network", "ls", check=True)
        subprocess.run(["sh", "-c", f"cat /dev/zero > {place}/filler"], check=False)
        yield made
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize("network", ["default", "none"])
def test_a_full_disk_is_told_with_its_path_and_a_hint(small: Minirun, network: str, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM busybox\nRUN --network={network} true\n")
    result = small("build", "-q", context)
    assert result.code == 1
    assert ": No space left on device\n" in result.stderr
    assert "  hint:  `minirun system df`" in result.stderr
    assert not [word for word in ("[Errno", "killed", "child process") if word in result.stderr]


def test_a_run_killed_for_its_memory_says_so(minirun: Minirun, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN --network=none tail /dev/zero\n")
    result = minirun("build", "-m", "20m", tmp_path)
    assert "it used all of its --memory (20 MiB)" in result.stderr


def test_a_run_that_fails_with_memory_to_spare_says_nothing_of_it(minirun: Minirun, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN --network=none exit 137\n")
    result = minirun("build", "-m", "20m", tmp_path)
    assert "exit code: 137" in result.stderr
    assert "--memory" not in result.stderr


def test_a_cache_that_is_not_there_is_told_without_a_number(minirun: Minirun, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\n")
    result = minirun("build", "--cache-from", "type=local,src=/nosuch", tmp_path, check=True)
    assert "/nosuch/index.json: No such file or directory" in result.stderr
    assert "[Errno" not in result.stderr
