"""On a disk that is full containers, projects and images can be removed: that is how to make room."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Minirun

COMPOSE = (
    "services: {web: {image: busybox, command: sleep 1000, stop_grace_period: 0s, volumes: [data:/data]}}\n"
)


@pytest.fixture
def full(tmp_path: Path, busybox_tar: Path) -> Iterator[Minirun]:
    """minirun on a file system of its own, with containers of all kinds, and not a byte free."""
    place = tmp_path / "full"
    place.mkdir()
    (tmp_path / "compose.yaml").write_text(f"name: full\n{COMPOSE}volumes: {{data: {{}}}}\n")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", place], check=True)
    made = Minirun(place / "root", tmp_path / "state")
    try:
        made("load", "-i", busybox_tar, check=True)
        made("create", "--name", "created", "-v", "mine:/v", "-v", "/anonymous", "busybox", check=True)
        for name in ("bridged", "stopped", "killed"):
            made("run", "-d", "--name", name, "busybox", "sleep", "1000", check=True)
        made("compose", "-f", tmp_path / "compose.yaml", "up", "-d", check=True)
        yield made
    finally:
        (place / "filler").unlink(missing_ok=True)
        made.remove_all()
        subprocess.run(["umount", "-l", place], check=True)


def fill(path: Path) -> None:
    """Take what the disk has left, page by page."""
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def test_on_a_full_disk_all_can_be_removed(full: Minirun, tmp_path: Path) -> None:
    filler = tmp_path / "full/filler"
    compose = ("compose", "-f", tmp_path / "compose.yaml")
    for words in (
        ("ps", "-a"),
        ("stop", "-t", "0", "stopped"),
        ("kill", "killed"),
        ("rm", "-f", "-v", "created", "bridged", "stopped", "killed"),
        ("volume", "rm", "mine"),
        (*compose, "down", "-v"),
        ("rmi", "busybox"),
    ):
        fill(filler)
        result = full(*words)
        assert (result.code, "No space" in result.stderr) == (0, False), result.stderr
    for what in (("ps", "-aq"), ("volume", "ls", "-q"), ("images", "-q")):
        assert full(*what).stdout == ""
