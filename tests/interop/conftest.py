"""The interop tier: other people's programs. scripts/test installs them; here is only what they share."""

import pytest


@pytest.fixture
def need(request: pytest.FixtureRequest) -> None:
    """Fails a test that is marked `needs("skopeo")` when the program is not there: scripts/test installs it."""
