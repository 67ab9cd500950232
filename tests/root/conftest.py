"""The root tier: real containers, and nothing may stay of them."""

from collections.abc import Iterator

import pytest

from tests import leaks
from tests.support import Minirun


@pytest.fixture(autouse=True)
def leak_check(request: pytest.FixtureRequest, minirun_session: Minirun) -> Iterator[None]:
    """Mounts, cgroups, links, nft rules, processes and directories are the same before and after each test."""
    if request.config.getoption("--no-leak-check"):
        yield
        return
    before = leaks.snapshot(minirun_session)
    yield
    assert leaks.leaked(before, minirun_session) == {}
