"""Thousands of names at once: the work grows as their number does, not as its square."""

import io
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from minirun.image import archive, index
from minirun.image.layout import Layout
from minirun.image.store import Store
from tests.image_tars import config_of, digest, entry, store_in, tar

LAYER = tar(entry("hello", b"hi"))
CONFIG = config_of([LAYER])
FEW, MANY = 60, 240


def one_entry(count: int) -> bytes:
    return docker([{"RepoTags": [f"a:t{number}" for number in range(count)]}])


def many_entries(count: int) -> bytes:
    return docker([{"RepoTags": [f"a:t{number}"]} for number in range(count)])


def docker(items: list[dict[str, Any]]) -> bytes:
    manifest = [{"Config": "config.json", "Layers": ["layer.tar"], **item} for item in items]
    members = {"layer.tar": LAYER, "config.json": CONFIG, "manifest.json": json.dumps(manifest).encode()}
    return tar(*(entry(name, content) for name, content in members.items()))


def layout(count: int) -> bytes:
    """An OCI layout whose index.json names one manifest many times."""
    kind = "application/vnd.oci.image"
    parts = [(f"{kind}.config.v1+json", CONFIG), (f"{kind}.layer.v1.tar", LAYER)]
    config, layer = ({"mediaType": type, "digest": digest(blob), "size": len(blob)} for type, blob in parts)
    manifest = json.dumps({"schemaVersion": 2, "config": config, "layers": [layer]}).encode()
    pointing = {"mediaType": f"{kind}.manifest.v1+json", "digest": digest(manifest), "size": len(manifest)}
    index = [
        {**pointing, "annotations": {"org.opencontainers.image.ref.name": f"a:t{number}"}}
        for number in range(count)
    ]
    blobs = [entry(f"blobs/sha256/{digest(blob)[7:]}", blob) for blob in (CONFIG, LAYER, manifest)]
    last = entry("index.json", json.dumps({"manifests": index}).encode())
    return tar(entry("oci-layout", b"{}"), *blobs, last)


def calls(function: Callable[..., object], *arguments: object) -> int:
    """How many functions it calls in its turn, Python's own as well."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return count


@pytest.fixture
def store(tmp_path) -> Callable[[int], Store]:
    return lambda number: store_in(tmp_path / str(number))


@pytest.mark.parametrize("made", [one_entry, many_entries, layout])
def test_loading_many_names_is_so_many_times_the_work_of_one(store, made) -> None:
    work = {count: calls(archive.load, store(count), io.BytesIO(made(count))) for count in (FEW, MANY)}
    assert work[MANY] < work[FEW] * MANY / FEW
    assert len(store(MANY).images()) == MANY


def test_many_names_change_the_index_once(store, monkeypatch) -> None:
    changes = []
    change = Layout.change_entries
    monkeypatch.setattr(Layout, "change_entries", lambda *args: (changes.append(1), change(*args)))
    archive.load(store(0), io.BytesIO(many_entries(MANY)))
    assert len(changes) == 1


# ---- what newcomers take from those that are there


def named(name: str, content: str) -> dict[str, Any]:
    bare = {"digest": content}
    return {**bare, "annotations": {"org.opencontainers.image.ref.name": name}} if name else bare


@pytest.mark.parametrize(
    ("old", "new", "then"),
    [
        ("", "a=1", "a=1"),
        ("a=1 b=2", "a=2", "=1 b=2 a=2"),
        ("a=1 b=2", "a=1", "b=2 a=1"),
        ("=1 b=2", "a=1", "b=2 a=1"),
        ("a=1", "=1", "a=1"),
        ("a=1", "=2 =2", "a=1 =2"),
        ("", "a=1 a=2 a=1", "=2 a=1"),
        ("", "a=1 b=1 a=2", "b=1 a=2"),
    ],
)
def test_a_name_goes_from_one_image_to_another(old: str, new: str, then: str) -> None:
    before, coming, after = (
        [named(*word.split("=")) for word in words.split()] for words in (old, new, then)
    )
    assert index.added(before, coming) == after
