"""The interop tier: other people's programs, which scripts/test installs."""

import shutil
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """program("skopeo") -> its path. Not a skip when it is missing: on a supported machine it can be had."""

    def find(name: str) -> str:
        path = shutil.which(name)
        assert path is not None, f"{name} is not installed: run scripts/setup --tests"
        return path

    return find
