"""A kernel that gives no more threads or processes: one sentence, and nothing is left."""

import gzip
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from minirun.errors import MinirunError
from minirun.image import pull_policy, worker
from tests.bad_registry import BadRegistry
from tests.image_tars import entry, left, store_in, tar


@pytest.fixture
def server() -> Iterator[BadRegistry]:
    made = BadRegistry()
    made.image(*(gzip.compress(tar(entry(name, os.urandom(90_000)))) for name in "abc"))
    yield made
    made.stop()


def allow(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many threads of ours can be started from now on; the registry's own do not count."""
    real, begun = threading.Thread.start, []

    def start(thread: threading.Thread) -> None:
        if "process_request" not in thread.name:
            begun.append(thread)
            if len(begun) > count:
                raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)


@pytest.mark.parametrize("count", range(7))
def test_a_pull_without_threads_leaves_nothing(
    count: int, tmp_path: Path, server: BadRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_in(tmp_path)
    with monkeypatch.context() as limited:
        allow(count, limited)
        with pytest.raises(MinirunError, match="no more threads can be started") as error:
            pull_policy.ensure(store, server.name)
    assert "ulimit -u" in error.value.hint
    assert left(store) == []
    assert pull_policy.ensure(store, server.name).layer_paths()


def test_a_pull_without_processes_leaves_nothing(
    tmp_path: Path, server: BadRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    store = store_in(tmp_path)
    monkeypatch.setattr(worker.subprocess, "Popen", none)
    monkeypatch.setattr("minirun.image.layers.LARGE_BYTES", 0)
    with pytest.raises(MinirunError, match="no more processes can be started"):
        pull_policy.ensure(store, server.name)
    assert left(store) == []
