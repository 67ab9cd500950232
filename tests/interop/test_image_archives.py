"""Archives that skopeo writes load here, and our store is a layout that skopeo turns into an archive."""

import gzip
import os
import shutil
from pathlib import Path

import pytest

from minirun.files import read_json, write_json
from minirun.image import archive
from minirun.image.store import Store
from tests.image_tars import add_image, entry, store_in, tar
from tests.support import run

LAYERS = (tar(entry("one", b"1" * 70_000)), tar(entry("two", b"2")))


@pytest.fixture
def source(tmp_path: Path) -> Store:
    store = store_in(tmp_path / "source")
    add_image(store, *LAYERS, name="me/tool:1")
    return store


def written(source: Store, destination: str) -> None:
    layout = f"oci:{source.paths.images}:docker.io/me/tool:1"
    run("skopeo", "--insecure-policy", "copy", layout, destination, check=True)


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
@pytest.mark.parametrize("packed", [False, True])
def test_what_skopeo_wrote_loads(source: Store, tmp_path: Path, form: str, packed: bool) -> None:
    path = tmp_path / "image.tar"
    written(source, f"{form}:{path}:docker.io/me/tool:1")
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    store = store_in(tmp_path / "target")
    assert [image.reference for image in archive.load(store, str(path))] == ["docker.io/me/tool:1"]
    image = store.get("me/tool:1")
    assert [os.listdir(layer) for layer in image.layer_paths()] == [["one"], ["two"]]
    assert image.id == source.get("me/tool:1").id


def test_skopeo_adds_an_image_to_our_store(source: Store, tmp_path: Path) -> None:
    """Another tool may write into the layout: what it names canonically is found, and survives a sweep."""
    store = store_in(tmp_path / "target")
    store.make_layout()
    written(source, f"oci:{store.paths.images}:docker.io/me/tool:1")
    store.sweep()
    assert len(store.get("me/tool:1").layer_paths()) == 2


def test_an_index_in_the_layout_is_left_alone(source: Store, tmp_path: Path) -> None:
    store = store_in(tmp_path / "target")
    add_image(store, *LAYERS, name="ours")
    image = source.get("me/tool:1")
    for digest in (image.digest, image.id, *(layer["digest"] for layer in image.manifest["layers"])):
        shutil.copy(source.blob_path(digest), store.blob_path(digest))
    kept = store.add_json({"schemaVersion": 2, "manifests": [image.entry]})
    index = read_json(f"{store.paths.images}/index.json")
    index["manifests"].append({"mediaType": "application/vnd.oci.image.index.v1+json", **kept})
    write_json(f"{store.paths.images}/index.json", index)
    store.remove("ours", {})
    assert store.images() == []
    assert store.has_blob(image.manifest["layers"][0]["digest"])


def test_umoci_finds_the_store_valid(source: Store, tmp_path: Path) -> None:
    shutil.copytree(source.paths.images, tmp_path / "copy")
    listed = run("umoci", "ls", "--layout", tmp_path / "copy", check=True)
    assert listed.stdout.split() == ["docker.io/me/tool:1"]
    run("umoci", "gc", "--layout", tmp_path / "copy", check=True)
    run(
        "umoci",
        "unpack",
        "--image",
        f"{tmp_path / 'copy'}:docker.io/me/tool:1",
        tmp_path / "bundle",
        check=True,
    )
    assert (tmp_path / "bundle/rootfs/two").read_bytes() == b"2"
