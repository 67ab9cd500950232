"""The first reading holds together: thirteen files, each naming the next, and as long as the README says."""

import ast
import functools
import re
from pathlib import Path

import pytest

from tests.support import CHECKOUT

PACKAGE = CHECKOUT / "minirun"
FIRST = "cli/main.py"
STEPS = 13
READING = (CHECKOUT / "docs/reading.md").read_text()


@functools.cache
def opening(path: str) -> str:
    return ast.get_docstring(ast.parse((PACKAGE / path).read_text())) or ""


def length(path: Path) -> int:
    return len(path.read_text().splitlines())


def chain() -> list[str]:
    """The files from the first one along their `Next` lines, which name a file below minirun/ or end the chain."""
    files = [FIRST]
    while len(files) <= STEPS:
        following = re.search(r"^Next +(\S+\.py)$", opening(files[-1]), re.MULTILINE)
        if not following:
            break
        files.append(following[1])
    return files


def second_readings() -> dict[str, tuple[list[Path], int]]:
    """Of docs/reading.md: {theme: (its files, the lines it says they have)}, counted in the first row."""
    found: dict[str, tuple[list[Path], int]] = {}
    taken = {PACKAGE / path for path in chain()}
    for theme, lines, text in re.findall(r"^\| \*\*(.+?)\*\* \| ([\d,]+) \| (.+) \|$", READING, re.MULTILINE):
        names = re.findall(r"`([\w/*]+\.py)`", text)
        files = [path for name in names for path in sorted(PACKAGE.glob(name)) if path not in taken]
        taken.update(files)
        found[theme] = (files, int(lines.replace(",", "")))
    return found


def test_each_of_thirteen_files_says_which_step_it_is_and_names_the_next() -> None:
    steps = [re.match(r"Step (\d+) of 13: ", opening(path)) for path in chain()]
    assert [int(step[1]) if step else 0 for step in steps] == list(range(1, STEPS + 1))


def test_the_readme_lists_the_chain_and_its_length() -> None:
    readme = (CHECKOUT / "README.md").read_text()
    assert re.findall(r"^\| \d+ \| `(\S+)` \|", readme, re.MULTILINE) == chain()
    said = re.search(r"13 files, about ([\d,]+) lines", readme)
    assert said
    assert abs(int(said[1].replace(",", "")) - sum(length(PACKAGE / path) for path in chain())) <= 100


@pytest.mark.parametrize("theme", second_readings())
def test_a_second_reading_is_as_long_as_it_says(theme: str) -> None:
    files, said = second_readings()[theme]
    lines = sum(map(length, files))
    assert abs(lines - said) <= max(60, said // 10), f"{theme}: {lines} lines"


def test_every_file_is_in_a_reading() -> None:
    listed = {path for files, _ in second_readings().values() for path in files}
    listed |= {PACKAGE / path for path in chain()}
    assert {path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"} <= listed


def followed_by(path: Path) -> list[str]:
    """What the `Next` line of a file says, whole."""
    return re.findall(r"^Next +(.+)$", opening(str(path)), re.MULTILINE)


def test_next_names_one_file_and_leads_to_an_end() -> None:
    outside = [path for path in PACKAGE.rglob("*.py") if str(path.relative_to(PACKAGE)) not in chain()]
    after = {}
    for path in outside:
        for name in followed_by(path):
            found = [place for place in (path.parent / name, PACKAGE / name) if place.is_file()]
            assert found, f"{path}: Next {name}"
            after[path] = found[0]
    for path in after:
        way = [path]
        while way[-1] in after:
            assert after[way[-1]] not in way, way
            way.append(after[way[-1]])
