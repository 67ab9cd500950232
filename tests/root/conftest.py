"""The root tier: real containers, and nothing may stay of them."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests import containers, leaks
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


@pytest.fixture
def start(minirun: Minirun) -> Callable[..., containers.Container]:
    """start("-e", "A=b", "busybox", "sleep", "100") runs it detached, without a network, and returns it running."""
    return partial(containers.start, minirun)
