"""Docker itself takes what minirun saves, and minirun what Docker saves: a private dockerd, seen by nobody."""

import json
from pathlib import Path

import pytest

from minirun.image import archive
from minirun.image.store import Store
from tests import trees
from tests.docker import Docker
from tests.image_tars import add_image, rich_layers, store_in
from tests.support import Minirun

NAME = "me/rich:1"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = store_in(tmp_path)
    add_image(made, *rich_layers(with_sparse=False), name=NAME)  # docker save fails on a sparse file
    return made


def saved(store: Store, path: Path) -> Path:
    minirun = Minirun(root=Path(store.paths.root), state=Path(store.paths.state))
    minirun("save", "-o", path, NAME, check=True)
    return path


def test_docker_loads_what_minirun_saves(docker: Docker, store: Store, tmp_path: Path) -> None:
    assert NAME in docker("load", "-i", saved(store, tmp_path / "image.tar"))
    (image,) = json.loads(docker("image", "inspect", NAME))
    assert image["RootFS"]["Layers"] == store.get(NAME).diff_ids
    docker("rmi", NAME)


def test_minirun_loads_what_docker_saves(docker: Docker, store: Store, tmp_path: Path) -> None:
    docker("load", "-i", saved(store, tmp_path / "image.tar"))
    docker("save", "-o", tmp_path / "again.tar", NAME)
    docker("rmi", NAME)
    again = store_in(tmp_path / "again")
    (image,) = archive.load(again, str(tmp_path / "again.tar"))
    assert image.reference == f"docker.io/{NAME}"
    assert image.diff_ids == store.get(NAME).diff_ids
    before, after = trees.of_layers(store.get(NAME).layer_paths()), trees.of_layers(image.layer_paths())
    assert trees.differences(before, after) == []
