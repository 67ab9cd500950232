"""Docker itself takes what minirun saves, and minirun what Docker saves: a private dockerd, seen by nobody."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minirun.image import archive
from minirun.image.store import Store
from tests import trees
from tests.image_tars import add_image, rich_layers, store_in
from tests.support import Minirun, run

NAME = "me/rich:1"


class Docker:
    """A dockerd with directories of its own, in a network namespace of its own; docker("load") -> its output."""

    def __init__(self, directory: Path, program: Callable[[str], str]) -> None:
        self.client = [program("docker"), "-H", f"unix://{directory}/sock"]
        words = [program("dockerd"), "--data-root", directory / "data", "--exec-root", directory / "exec"]
        words += ["--pidfile", directory / "pid", "-H", f"unix://{directory}/sock"]
        words += ["--iptables=false", "--ip6tables=false", "--bridge=none"]
        with open(directory / "log", "wb") as log:
            command = ["unshare", "--net", *map(str, words)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def __call__(self, *words: str | Path) -> str:
        return run(*self.client, *words, check=True).stdout

    def wait(self) -> None:
        for _ in range(300):
            if subprocess.run([*self.client, "version"], capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        raise AssertionError("dockerd did not start")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> Iterator[Docker]:
    made = Docker(tmp_path_factory.mktemp("docker"), program)
    try:
        made.wait()
        yield made
    finally:
        made.stop()


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
