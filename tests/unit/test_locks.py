"""docs/locks.md and the code name the same locks.

A lock is a call of flock(2) or lockf(3), of files.locked or files.open_lock, or a lock of threading; its file, where it
has one of its own, has a name that ends in `lock`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import CHECKOUT

PACKAGE = CHECKOUT / "minirun"
TAKING = {"fcntl.flock", "os.lockf", "files.locked", "locked", "threading.Lock", "threading.RLock"}
TAKING |= {"threading.Condition", "files.open_lock", "open_lock"}


def rows() -> list[list[str]]:
    """The cells of the page's tables."""
    text = (CHECKOUT / "docs" / "locks.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def named_modules() -> set[str]:
    """What stands in the last column, `taken in`."""
    found = {path for row in rows() for path in re.findall(r"`([a-z_/]+\.py)`", row[-1])}
    assert found
    return found


def named_files() -> set[str]:
    """The names of the lock files in the tables: what is called just `.lock` with its directory."""
    words = {word for row in rows() for cell in row[:2] for word in re.findall(r"`([^` ]+lock)`", cell)}
    return {tail(word) for word in words if not word.startswith((".venv", "threading"))}


def tail(path: str) -> str:
    """The fixed end of a path: /x/NAME.lock and {name}.lock are the same ".lock"."""
    return re.sub(r"^[A-Z]+(?=\.)", "", path.rpartition("/")[2])


def taking(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in TAKING:
            yield ast.unparse(node.func)


def sources() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text())


def lock_files(tree: ast.AST) -> set[str]:
    """The ends of all strings in a file that name a lock's file."""
    words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    texts = [word for word in words if isinstance(word, str) and re.fullmatch(r"[\w/.-]*[/.]lock", word)]
    return {tail(word) for word in texts}


def test_every_module_that_takes_a_lock_is_on_the_page() -> None:
    taken = {path for path, tree in sources() if any(taking(tree))} - {"files.py"}  # where it is defined
    assert taken - named_modules() == set(), "write the lock and its rank into docs/locks.md"


def test_every_module_on_the_page_takes_a_lock() -> None:
    taken = {path for path, tree in sources() if any(taking(tree))}
    assert named_modules() - taken == set(), "docs/locks.md names a module that takes no lock, or has moved"


def test_the_lock_files_on_the_page_are_those_in_the_code() -> None:
    in_code = {name for _, tree in sources() for name in lock_files(tree)}
    assert named_files() == in_code


def test_ranks_rise() -> None:
    ranks = [int(row[0]) for row in rows() if row[0].isdigit()]
    assert ranks == sorted(set(ranks))


@pytest.mark.parametrize(
    "name", re.findall(r"`(unit/test_\w+\.py)`", (CHECKOUT / "docs/locks.md").read_text())
)
def test_the_page_names_this_test(name: str) -> None:
    assert (Path(__file__).parents[1] / name).exists()
