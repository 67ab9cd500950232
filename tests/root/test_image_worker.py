"""Large layers are unpacked by a process of their own: what becomes of it when something goes wrong."""

import os
import signal
import time
from pathlib import Path

import pytest

from minirun.errors import MinirunError
from minirun.image import layers
from minirun.image.store import Store
from minirun.image.worker import LARGE_BYTES
from tests.image_tars import add_image, entry, store_in, tar
from tests.paced_registry import PacedRegistry
from tests.support import Minirun

LARGE = tar(entry("a", os.urandom(LARGE_BYTES + 1)), entry("b", b"b"))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(layers, "LARGE_BYTES", 0)
    return store_in(tmp_path)


def children(pid: int) -> list[str]:
    """The processes that any of its threads has started."""
    return [
        child for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()
    ]


def left(store: Store) -> list[str]:
    return [name for name in os.listdir(store.paths.layers) if name != ".lock"]


def test_a_hostile_layer_is_refused_in_the_same_words(store: Store) -> None:
    image = add_image(store, tar(entry("a"), entry("a")))
    before = children(os.getpid())  # an earlier test's, perhaps
    with pytest.raises(
        MinirunError, match=r"layer \w{12}: entry 'a': there is an entry of that name already"
    ):
        image.layer_paths()
    assert left(store) == []
    assert set(children(os.getpid())) <= set(before)


def test_a_layer_refused_at_its_beginning_does_not_hang_what_feeds_it(store: Store) -> None:
    image = add_image(store, tar(entry("a"), entry("a"), entry("b", os.urandom(3 << 20))), packed=False)
    with pytest.raises(MinirunError, match="there is an entry of that name already"):
        image.layer_paths()
    assert left(store) == []


def test_a_process_that_dies_is_told_of(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minirun.image.worker._PROGRAM", "import os; {!r}; os.kill(os.getpid(), 9)")
    image = add_image(store, LARGE)
    with pytest.raises(MinirunError, match="the process that unpacks it has ended: -9"):
        image.layer_paths()
    assert left(store) == []


def test_it_ends_with_the_pull_that_is_killed(tmp_path: Path) -> None:
    image = add_image(store_in(tmp_path / "source"), LARGE, name="tool")
    client = Minirun(root=tmp_path / "root", state=tmp_path / "state")
    with PacedRegistry(image) as registry:
        registry.stop_at[str(image.manifest["layers"][0]["digest"])] = LARGE_BYTES // 2
        pulling = client.spawn("pull", f"{registry.host}/tool")
        assert registry.stopped.wait(20)
        workers = children(pulling.pid)
        assert workers
        pulling.send_signal(signal.SIGKILL)
        pulling.wait()
        deadline = time.monotonic() + 10
        while any(is_running(pid) for pid in workers):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def is_running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
