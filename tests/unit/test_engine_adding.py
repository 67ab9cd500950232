"""docs/engine.md shows how an option is added, with lines that are in the code."""

import re

import pytest

from tests.support import CHECKOUT

ADDING = (CHECKOUT / "docs/engine.md").read_text().partition("## Adding an option")[2]
PLACES = re.findall(r"\(`(minirun/[\w/]+\.py)`.*?```python\n(.*?)```", ADDING, re.DOTALL)


def test_there_are_three_places() -> None:
    assert len({file.split("/")[1] + file.split("/")[-1] for file, _ in PLACES}) == 3


@pytest.mark.parametrize(("file", "lines"), PLACES)
def test_the_lines_are_in_the_file(file: str, lines: str) -> None:
    code = [line.strip() for line in (CHECKOUT / file).read_text().splitlines()]
    assert [line for line in lines.splitlines() if line.strip() not in code] == []
