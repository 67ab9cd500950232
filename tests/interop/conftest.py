"""The interop tier: other people's programs, which scripts/test installs."""

import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.docker import Docker


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
