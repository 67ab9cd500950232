"""Comments and documents name files: each of them is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import CHECKOUT

NAME = re.compile(r"(?<![\w./-])((?:[a-z_]+/)*[a-z_0-9]+\.(?:py|nft)|docs/[a-z-]+\.md)\b")
PYTHONS = {"site.py", "warnings.py"}  # not ours
THERE = {
    str(path.relative_to(CHECKOUT))
    for root in ("minirun", "tests", "docs")
    for path in (CHECKOUT / root).rglob("*")
}


def texts() -> list[Path]:
    found = [*(CHECKOUT / "minirun").rglob("*.py"), *(CHECKOUT / "docs").glob("*.md"), CHECKOUT / "README.md"]
    return sorted(found)


def mentions(path: Path) -> Iterator[tuple[int, str]]:
    """(number of the line, name of a file) of each file that is named."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        yield from ((number, name) for name in NAME.findall(line))


def is_there(name: str) -> bool:
    """Whether it is the end of a file's path; who writes `init.py` means one whose reader knows which."""
    return any(f"/{path}".endswith(f"/{name}") for path in THERE)


def test_every_file_that_is_named_is_there() -> None:
    lost = [
        f"{path.relative_to(CHECKOUT)}:{number}: {name}"
        for path in texts()
        for number, name in mentions(path)
        if name not in PYTHONS and not is_there(name)
    ]
    assert lost == [], "a comment or a document names a file that has another name now"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Next     engine/create.py", ["engine/create.py"]),
        ("see limits.py, and docs/limits.md", ["limits.py", "docs/limits.md"]),
        ("https://example.org/x.py", []),
    ],
)
def test_what_counts_as_a_name(line: str, found: list[str]) -> None:
    assert NAME.findall(line) == found
