"""The examples in docstrings are tests: what they print is what the reader is told."""

import doctest
import importlib

import pytest

from tests.support import CHECKOUT


def modules_with_examples() -> list[str]:
    """Every module of the package that has an example in it, as minirun.linux.cgroup_limits."""
    paths = sorted((CHECKOUT / "minirun").rglob("*.py"))
    found = [path.relative_to(CHECKOUT).with_suffix("") for path in paths if ">>> " in path.read_text()]
    return [".".join(path.parts).removesuffix(".__init__") for path in found]


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_print_what_they_say(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted, "the examples are in no docstring"
    assert not result.failed, capsys.readouterr().out
