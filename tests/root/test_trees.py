"""Trees of containers and images, read by a process that goes on: its own mounts stay the host's."""

import os
from pathlib import Path

import pytest

from minirun.engine import records
from minirun.engine.files import detached, tree
from minirun.errors import MinirunError
from minirun.image.store import Store
from minirun.paths import Paths


@pytest.fixture
def paths(minirun) -> Paths:
    return Paths(str(minirun.root), str(minirun.state))


def own_mounts(place: Path) -> tuple[str, list[str]]:
    """This process's mount namespace, and what is mounted below `place` in it."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return os.readlink("/proc/self/ns/mnt"), [line for line in lines if str(place) in line]


@pytest.fixture
def mounts_stay(minirun):
    before = own_mounts(minirun.root)
    yield
    assert own_mounts(minirun.root) == before


def read(inside: tree.Tree, path: str) -> str:
    place = inside.find(path)
    with open(os.open(place.base, os.O_RDONLY, dir_fd=place.directory)) as file:
        os.close(place.directory)
        return file.read()


@pytest.mark.usefixtures("mounts_stay")
def test_a_stopped_container_is_read_and_changed_with_its_volumes(minirun, paths):
    minirun("run", "--name", "box", "-v", "data:/data", "--network", "none", "busybox", "sh", "-c",
            "echo one > /data/a; echo two > /b", check=True)  # fmt: skip
    with tree.of_container(paths, records.find(paths, "box")) as inside:
        assert (read(inside, "/data/a"), read(inside, "/b")) == ("one\n", "two\n")
        os.mkdir("new", dir_fd=inside.root)
    assert minirun("diff", "box").stdout.splitlines().count("A /new") == 1
    assert minirun("start", "-a", "box").code == 0


@pytest.mark.usefixtures("mounts_stay")
def test_an_images_layers_are_read_as_one_tree(minirun, paths):
    minirun(
        "run",
        "--name",
        "box",
        "--network",
        "none",
        "busybox",
        "sh",
        "-c",
        "echo x >/x; rm /etc/group",
        check=True,
    )
    minirun("commit", "box", "two-layers", check=True)
    image = Store(paths).find("two-layers")
    with tree.of_image(image.layer_paths(), "two-layers") as inside:
        assert read(inside, "/x") == "x\n"
        assert inside.find("/etc/group").status is None
        with pytest.raises(OSError, match="Read-only"):
            os.mkdir("new", dir_fd=inside.root)


@pytest.mark.usefixtures("mounts_stay")
def test_what_goes_wrong_in_the_child_is_raised_here():
    def fail() -> str:
        raise MinirunError("no such tree", "plant one")

    with pytest.raises(MinirunError, match="no such tree") as caught:
        detached.tree(fail)
    assert caught.value.hint == "plant one"
    with pytest.raises(MinirunError, match="/nowhere"):
        detached.tree(lambda: "/nowhere")
