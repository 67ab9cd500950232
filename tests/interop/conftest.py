"""The interop tier: other people's programs, which scripts/test installs."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import alpine_tree
from tests.docker import Docker
from tests.image_peers import KINDS, Peer
from tests.support import Minirun, run


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """program("skopeo") -> its path. Not a skip when it is missing: on a supported machine it can be had."""

    def find(name: str) -> str:
        path = shutil.which(name)
        assert path is not None, f"{name} is not installed: run scripts/setup --tests"
        return path

    return find


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> Iterator[Docker]:
    made = Docker(tmp_path_factory.mktemp("docker"), program)
    try:
        made.wait()
        yield made
    finally:
        made.stop()


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Callable[[str], Peer]]:
    """peer("podman") is a new one, with nothing in it."""
    made: list[Peer] = []

    def make(kind: str) -> Peer:
        made.append(KINDS[kind](tmp_path / f"{kind}-{len(made)}"))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def busybox_for_docker(
    tmp_path_factory: pytest.TempPathFactory, busybox_tar: Path, program: Callable[[str], str]
) -> Path:
    """busybox:latest as `docker load` and `podman load` take it."""
    archive = tmp_path_factory.mktemp("archive") / "busybox.tar"
    source, target = f"oci-archive:{busybox_tar}", f"docker-archive:{archive}:busybox:latest"
    run(program("skopeo"), "copy", "-q", source, target, check=True)
    return archive


@pytest.fixture(scope="session")
def alpine(minirun_session: Minirun) -> str:
    """A real Alpine, loaded on first use."""
    minirun_session("load", "-i", alpine_tree.image(), check=True)
    return "alpine:3.23"
