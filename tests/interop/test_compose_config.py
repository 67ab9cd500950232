"""`compose config` beside Docker Compose's: the same files give the same text, and the same are refused.

tests/compose_cases/NAME/ has compose files of our own, in the manner of real projects; `arguments` beside them are the
options that come before `config`.  tests/compose_wrong/NAME.yaml are those that nobody can load.  Where minirun is
different on purpose, ON_PURPOSE says so, and docs/differences.md why.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import CHECKOUT, Minirun, Result, run

pytestmark = pytest.mark.interop

CASES = CHECKOUT / "tests/compose_cases"
WRONG = CHECKOUT / "tests/compose_wrong"
JUDGE = CHECKOUT / ".venv/bin/docker-compose"
ENVIRONMENT = {"TOKEN": "t0ken", "LOG_LEVEL": "debug", "HOME": "/home/somebody", "COMPOSE_PROFILES": ""}

Both = Callable[..., tuple[Result, Result]]
"""What Docker Compose and what minirun says to the same words."""


@pytest.fixture
def both(minirun: Minirun) -> Both:
    def ask(directory: Path, *words: str) -> tuple[Result, Result]:
        theirs = run(JUDGE, *words, cwd=directory, env=ENVIRONMENT)
        return theirs, run(*minirun.command("compose", *words), cwd=directory, env=ENVIRONMENT)

    return ask


def arguments(case: Path) -> list[str]:
    beside = case / "arguments"
    return beside.read_text().split() if beside.exists() else []


def names(of: Path) -> list[str]:
    return sorted(path.name for path in of.iterdir())


@pytest.mark.parametrize("form", ["yaml", "json"])
@pytest.mark.parametrize("name", names(CASES))
def test_a_file_comes_out_as_from_docker_compose(both: Both, name: str, form: str) -> None:
    theirs, ours = both(CASES / name, *arguments(CASES / name), "config", "--format", form)
    assert theirs.code == 0
    assert (ours.code, ours.stdout) == (0, theirs.stdout)


@pytest.mark.parametrize("name", names(CASES))
def test_the_services_have_the_same_hashes(both: Both, name: str) -> None:
    theirs, ours = both(CASES / name, *arguments(CASES / name), "config", "--hash", "*")
    assert ours.stdout == theirs.stdout


@pytest.mark.parametrize("name", names(WRONG))
def test_a_wrong_file_is_refused_with_its_place(both: Both, name: str) -> None:
    theirs, ours = both(WRONG, "-f", name, "config")
    assert (theirs.code, ours.code) == (1, 1)
    assert name in ours.stderr
    assert "Traceback" not in ours.stderr
