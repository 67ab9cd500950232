"""What a volume's options become before they go to mount(2)."""

import pytest

from minirun.engine import mount_sources
from minirun.errors import MinirunError


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("addr=localhost", {"addr=127.0.0.1", "addr=::1"}),
        ("addr=10.0.0.5", {"addr=10.0.0.5"}),
        ("addr=::1", {"addr=::1"}),
        ("rw", {"rw"}),
        ("clientaddr=localhost", {"clientaddr=localhost"}),
    ],
)
def test_the_kernel_gets_the_number_of_a_server(word: str, expected: set[str]) -> None:
    assert mount_sources._numbered("data", word) in expected


@pytest.mark.parametrize("host", ["", "nobody.invalid", "a b", "x" * 300])
def test_a_server_that_nobody_knows_is_named(host: str) -> None:
    with pytest.raises(MinirunError, match=r"the volume data: addr=.* cannot be resolved"):
        mount_sources._numbered("data", f"addr={host}")
