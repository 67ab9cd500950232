"""Processes that unpack at the same time, or are killed in the middle."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minirun.image.store import Store
from tests.image_tars import add_image, entry, store_in, tar

LAYER = tar(*(entry(f"d{number % 50}/f{number}", b"x" * 3000) for number in range(3000)))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = store_in(tmp_path)
    add_image(store, LAYER, tar(entry("top")), name="a")
    return store


def unpacking(store: Store) -> subprocess.Popen[str]:
    program = (
        "from minirun.paths import Paths; from minirun.image.store import Store\n"
        f"print(*Store(Paths({store.paths.root!r})).get('a').layer_paths())"
    )
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def test_two_at_once_share_the_work(store: Store) -> None:
    both = [unpacking(store), unpacking(store)]
    outputs = [process.communicate(timeout=60)[0] for process in both]
    assert outputs[0] == outputs[1]
    assert [process.returncode for process in both] == [0, 0]
    assert len(os.listdir(outputs[0].split()[0])) == 50


@pytest.mark.parametrize("delay_seconds", [0.1, 0.15, 0.2, 0.25, 0.3])
def test_a_killed_unpacking_leaves_no_half_layer(store: Store, delay_seconds: float) -> None:
    process = unpacking(store)
    time.sleep(delay_seconds)
    process.kill()
    process.communicate()
    lower = store.get("a").layer_paths()[0]
    assert sum(len(files) for _, _, files in os.walk(lower)) == 3000
    assert [name for name in os.listdir(store.paths.layers) if name.startswith(".tmp")] == []
