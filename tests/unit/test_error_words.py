"""No words of Python's reach a person: `[Errno 24]`, the name of an exception."""

import ast

import pytest

from minirun.errors import in_words
from tests.support import CHECKOUT

KINDS = {"OSError", "Exception", "BaseException", "PermissionError", "FileNotFoundError", "ConnectionError"}


def names(kind: ast.expr | None) -> set[str]:
    return {node.id for node in ast.walk(kind) if isinstance(node, ast.Name)} if kind else set()


def told_raw(tree: ast.AST) -> list[int]:
    """The lines where what was caught is put into words by Python itself: f"{error}", str(error)."""
    found = []
    for handler in ast.walk(tree):
        if not (isinstance(handler, ast.ExceptHandler) and handler.name and names(handler.type) & KINDS):
            continue
        for node in ast.walk(handler):
            inner = None
            if isinstance(node, ast.FormattedValue):
                inner = node.value
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("str", "repr")
            ):
                inner = node.args[0] if node.args else None
            if isinstance(inner, ast.Name) and inner.id == handler.name:
                found.append(node.lineno)
    return found


def test_an_error_of_the_system_is_put_into_words() -> None:
    files = sorted((CHECKOUT / "minirun").rglob("*.py"))
    raw = [f"{path}:{line}" for path in files for line in told_raw(ast.parse(path.read_text()))]
    assert raw == [], "errors.in_words(error) says it without [Errno N]"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(24, "Too many open files"), "Too many open files"),
        (OSError(2, "No such file or directory", "/x"), "/x: No such file or directory"),
        (TimeoutError("timed out"), "timed out"),
        (ValueError("odd"), "odd"),
    ],
)
def test_the_words(error: Exception, said: str) -> None:
    assert in_words(error) == said
