"""Lint, format and types are tests like any other."""

import sys

from tests.support import CHECKOUT, run


def tool(*arguments: str) -> int:
    return run(sys.executable, "-m", *arguments, cwd=CHECKOUT).code


def test_ruff_check() -> None:
    assert tool("ruff", "check") == 0


def test_ruff_format() -> None:
    assert tool("ruff", "format", "--check") == 0


def test_mypy_strict() -> None:
    assert tool("mypy") == 0
