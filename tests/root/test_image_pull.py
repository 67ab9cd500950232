"""Pulls that are cut off, and pulls that meet: from a registry that stops in the middle of a blob."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minirun.image.image import Image
from minirun.image.store import Store
from minirun.paths import Paths
from tests.image_tars import add_image, directory, entry, hard_link, store_in, tar
from tests.paced_registry import PacedRegistry
from tests.support import Minirun

MEGABYTE = 1 << 20


def noise(seed: int, size: int = MEGABYTE) -> bytes:
    return random.Random(seed).randbytes(size)


LARGE = tar(directory("large"), entry("large/file", noise(1)))
SMALL = tar(entry("small", noise(2, 1000)))
LINKED = tar(hard_link("link", "small"), entry("more", noise(3)))  # must wait for what is below


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return add_image(store_in(tmp_path / "source"), LARGE, SMALL, LINKED, name="tool")


@pytest.fixture
def registry(image: Image) -> Iterator[PacedRegistry]:
    with PacedRegistry(image) as server:
        yield server


@pytest.fixture
def client(tmp_path: Path) -> Minirun:
    return Minirun(root=tmp_path / "root", state=tmp_path / "state")


def store_of(client: Minirun) -> Store:
    return Store(Paths(str(client.root), str(client.state)))


def files_in(client: Minirun) -> list[str]:
    """All that a failure might leave, but for locks and directories."""
    found = [os.path.join(path, name) for path, _, names in os.walk(client.root) for name in names]
    return [name for name in found if not name.endswith(("lock", "oci-layout", "index.json"))]


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def blob(image: Image, index: int) -> str:
    return str(image.manifest["layers"][index]["digest"])


def test_a_pull_that_was_killed_is_gone_on_with(
    registry: PacedRegistry, image: Image, client: Minirun
) -> None:
    large = blob(image, 0)
    registry.stop_at[large] = MEGABYTE // 2
    pulling = client.spawn("pull", f"{registry.host}/tool")
    partial = Path(store_of(client).layout.incoming_path(large))
    wait_until(lambda: partial.exists() and partial.stat().st_size >= MEGABYTE // 4)
    wait_until(lambda: all(store_of(client).layout.has_blob(blob(image, index)) for index in (1, 2)))
    pulling.send_signal(signal.SIGKILL)
    pulling.wait()
    had = partial.stat().st_size
    registry.resume.set()
    client("pull", f"{registry.host}/tool", check=True)
    assert registry.ranges(large) == ["", f"bytes={had}-"]
    assert len(registry.ranges(blob(image, 1))) == 1
    assert sorted(os.listdir(f"{client.root}/layers")) == sorted(whole_layers(client))


def whole_layers(client: Minirun) -> list[str]:
    """What `layers/` should hold: a directory and a .json for each layer, and the lock."""
    (image,) = store_of(client).images()
    names = [os.path.basename(path) for path in image.layer_paths()]
    assert len(names) == 3
    return [*names, *(f"{name}.json" for name in names), ".lock"]


def test_a_damaged_remainder_is_found_out_and_not_kept(
    registry: PacedRegistry, image: Image, client: Minirun
) -> None:
    partial = Path(store_of(client).layout.incoming_path(blob(image, 0)))
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"rubbish" * 100)
    failed = client("pull", f"{registry.host}/tool")
    assert failed.code == 1
    assert "wrong content" in failed.stderr
    assert files_in(client) == []
    client("pull", f"{registry.host}/tool", check=True)


def test_a_second_pull_waits_for_the_first_and_shares_its_work(
    registry: PacedRegistry, image: Image, client: Minirun
) -> None:
    registry.stop_at[blob(image, 0)] = MEGABYTE // 2
    first = client.spawn("pull", "-q", f"{registry.host}/tool")
    assert registry.stopped.wait(20)
    second = client.spawn("pull", "-q", f"{registry.host}/tool")
    wait_until(lambda: sum("/manifests/" in path for path, _ in registry.asked) == 2)
    time.sleep(0.3)
    registry.resume.set()
    assert (first.wait(30), second.wait(30)) == (0, 0)
    assert [len(registry.ranges(blob(image, index))) for index in range(3)] == [1, 1, 1]
    assert len(store_of(client).images()) == 1
    assert sorted(os.listdir(f"{client.root}/layers")) == sorted(whole_layers(client))


def test_layers_are_unpacked_while_they_come(registry: PacedRegistry, image: Image, client: Minirun) -> None:
    registry.stop_at[blob(image, 0)] = MEGABYTE - 100_000
    pulling = client.spawn("pull", f"{registry.host}/tool")
    layers = Path(client.root, "layers")
    wait_until(lambda: any(path.stat().st_size > MEGABYTE // 2 for path in layers.glob(".tmp-*/large/file")))
    registry.resume.set()
    assert pulling.wait(30) == 0


def test_ctrl_c_ends_a_pull_at_once_and_leaves_what_can_be_gone_on_with(
    registry: PacedRegistry, image: Image, client: Minirun
) -> None:
    large = blob(image, 0)
    registry.stop_at[large] = MEGABYTE // 2
    pulling = client.spawn("pull", f"{registry.host}/tool")
    assert registry.stopped.wait(20)
    time.sleep(0.3)
    begun = time.monotonic()
    pulling.send_signal(signal.SIGINT)
    assert pulling.wait(20) == 130
    assert time.monotonic() - begun < 3
    assert files_in(client) == [store_of(client).layout.incoming_path(large)]
    registry.resume.set()
    client("pull", f"{registry.host}/tool", check=True)
    assert registry.ranges(large)[1].startswith("bytes=")


def test_a_quiet_create_says_nothing_of_the_pull(client: Minirun, registry: PacedRegistry) -> None:
    words = ("create", "--name", "one", f"{registry.host}/tool", "true")
    assert client(*words[:1], "-q", *words[1:], check=True).stderr == ""
    client("rm", "one", check=True)
    client("rmi", f"{registry.host}/tool", check=True)
    assert "Pulling from tool" in client(*words, check=True).stderr
    client("rm", "one", check=True)
