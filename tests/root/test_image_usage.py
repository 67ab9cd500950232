"""What images take up: removal gives it back, and takes nothing from a container."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minirun.image.store import Store
from minirun.paths import Paths
from tests.containers import Container
from tests.image_tars import add_image, docker_archive, entry, tar
from tests.support import Minirun


@pytest.fixture
def own(tmp_path: Path, busybox_tar: Path) -> Iterator[Minirun]:
    """A data root of the test's own, with busybox in it."""
    made = Minirun(root=tmp_path / "root", state=tmp_path / "state")
    made("load", "-i", busybox_tar, check=True)
    yield made
    made.remove_all()


def files(minirun: Minirun) -> set[str]:
    """All blobs and unpacked layers on disk."""
    places = [
        minirun.root / "images" / "blobs" / "sha256",
        minirun.root / "images/incoming",
        minirun.root / "layers",
    ]
    return {name for place in places if place.exists() for name in os.listdir(place) if name != ".lock"}


def df(minirun: Minirun, kind: str) -> dict[str, str]:
    rows = minirun("system", "df", "--format", "json", check=True).stdout.splitlines()
    return next(row for row in map(json.loads, rows) if row["Type"] == kind)


def sleeper(minirun: Minirun) -> str:
    return minirun("run", "-d", "--network", "none", "busybox", "sleep", "1000", check=True).stdout.strip()


def test_rmi_brings_every_byte_back(own: Minirun) -> None:
    assert df(own, "Images")["TotalCount"] == "1"
    own("rmi", "busybox", check=True)
    assert files(own) == set()
    assert df(own, "Images") == {
        **{"Type": "Images", "TotalCount": "0", "Active": "0", "Size": "0B", "Reclaimable": "0B"}
    }


def test_an_image_in_use_is_active_and_not_reclaimable(own: Minirun) -> None:
    assert df(own, "Images")["Reclaimable"].endswith("(100%)")
    sleeper(own)
    row = df(own, "Images")
    assert (row["Active"], row["Reclaimable"]) == ("1", "0B (0%)")


def test_what_a_container_wrote_is_counted(own: Minirun) -> None:
    container = sleeper(own)
    own("exec", container, "sh", "-c", "head -c 100000 /dev/zero > /x; ln /x /y", check=True)
    row = df(own, "Containers")
    assert (row["TotalCount"], row["Active"], row["Size"], row["Reclaimable"]) == (
        "1",
        "1",
        "100kB",
        "0B (0%)",
    )


def test_a_container_runs_on_when_its_image_is_forced_away(own: Minirun) -> None:
    container = sleeper(own)
    own("rmi", "-f", "busybox", check=True)
    own("image", "prune", "-a", "-f", check=True)
    assert own("exec", container, "ls", "/bin/busybox").stdout == "/bin/busybox\n"
    assert "<none>" in own("images").stdout


def test_the_forced_away_image_goes_with_prune_after_its_last_container(own: Minirun) -> None:
    container = sleeper(own)
    own("rmi", "-f", "busybox", check=True)
    own("rm", "-f", container, check=True)
    told = own("image", "prune", "-f", check=True).stdout
    assert "deleted: sha256:" in told
    assert "Total reclaimed space: 0B" not in told
    assert files(own) == set()


def test_a_stopped_container_holds_an_image_whose_name_has_moved(own: Minirun, tmp_path: Path) -> None:
    own("run", "--network", "none", "busybox", "true", check=True)
    before = files(own)
    other = tmp_path / "other.tar"
    other.write_bytes(docker_archive(tar(entry("other", b"x")), tags=["busybox"]))
    own("load", "-i", other, check=True)
    own("image", "prune", "-f", check=True)
    assert before < files(own)
    assert df(own, "Images")["Active"] == "1"


def test_rmi_by_id_tells_running_from_stopped(own: Minirun) -> None:
    image_id = own("images", "-q", check=True).stdout.strip()
    container = sleeper(own)
    refused = own("rmi", "-f", image_id)
    assert (refused.code, "(cannot be forced)" in refused.stderr) == (1, True)
    own("stop", "-t", "0", container, check=True)
    assert "used by stopped container" in own("rmi", image_id).stderr
    assert own("rmi", "-f", image_id).stdout.startswith("Untagged: busybox:latest")


def test_what_a_killed_pull_left_is_counted_and_pruned(own: Minirun) -> None:
    left = own.root / "images" / "incoming" / ("a" * 64)
    left.write_bytes(b"x" * 5_000_000)
    before = df(own, "Images")["Size"]
    told = own("image", "prune", "-f", check=True).stdout
    assert told == "Total reclaimed space: 5MB\n"
    assert not left.exists()
    assert df(own, "Images")["Size"] < before


def test_shared_and_unique_sizes(tmp_path: Path) -> None:
    minirun = Minirun(root=tmp_path / "root", state=tmp_path / "state")
    store = Store(Paths(str(minirun.root), str(minirun.state)))
    base = tar(entry("base", b"b" * 3000))
    add_image(store, base, name="one").layer_paths()
    add_image(store, base, tar(entry("more", b"m" * 500)), name="two").layer_paths()
    told = minirun("system", "df", "-v", check=True).stdout
    sizes = [line.split()[-4:] for line in told.splitlines() if line.startswith(("one", "two"))]
    assert sizes == [["3kB", "3kB", "0B", "0"], ["3.5kB", "3kB", "500B", "0"]]
    assert minirun("system", "df", "-v", "--format", "{{len .Images}} {{len .Containers}}").stdout == "2 0\n"


def test_inspect_finds_containers_first_and_then_images(
    minirun: Minirun, start: Callable[..., Container]
) -> None:
    start("--name", "busybox", "busybox", "sleep", "1000")
    form = ("-f", "{{.Id}}")
    container, image = (
        minirun("inspect", *form, "--type", kind, "busybox") for kind in ("container", "image")
    )
    assert image.stdout.startswith("sha256:")
    assert minirun("inspect", *form, "busybox").stdout == container.stdout != image.stdout
    assert minirun("inspect", *form, "busybox:latest").stdout == image.stdout


def test_inspect_of_what_is_neither(minirun: Minirun) -> None:
    result = minirun("inspect", "nosuch", "busybox")
    assert (result.code, result.stderr) == (1, "minirun: No such object: nosuch\n")
    assert json.loads(result.stdout)[0]["RepoTags"] == ["busybox:latest"]
    assert minirun("inspect", "--type", "container", "busybox").code == 1


def test_every_command_of_the_image_group_is_there(minirun: Minirun) -> None:
    told = minirun("image", "--help", check=True).stdout
    commands = [line.split()[0] for line in told.partition("Commands:")[2].splitlines() if line.strip()]
    assert {"ls", "pull", "push", "rm", "prune", "inspect", "history", "tag"} <= set(commands)
    for command in commands:
        assert minirun("image", command, "--help").stdout.startswith(f"Usage: minirun image {command} ")
