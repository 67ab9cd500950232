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

REFUSED = "refused"
ON_PURPOSE = [
    ("a volume of one letter", 'volumes: ["v:/data"]', "target: v:/data", "source: v"),
    ("a date", "environment: {DAY: 2024-01-31}", "2024-01-31 00:00:00 +0000 UTC", '"2024-01-31"'),
    ("a size with a fraction of a byte", "mem_limit: 1.5", "image: i", REFUSED),
    ("a port that there cannot be", "ports: [{target: 70000}]", "target: 70000", REFUSED),
    ("a container's name with a space", 'container_name: "the web"', "container_name: the web", REFUSED),
    ("a key for a build", "build: {context: ., ssh: [k=/k]}", "'k: /k'", "k=/k"),
]
"""What one key of a service comes out as: from Docker Compose, and here."""

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


@pytest.mark.parametrize(("name", "key", "theirs", "ours"), ON_PURPOSE, ids=[row[0] for row in ON_PURPOSE])
def test_what_is_different_on_purpose(
    both: Both, tmp_path: Path, name: str, key: str, theirs: str, ours: str
) -> None:
    (tmp_path / "compose.yaml").write_text(f"services:\n  web:\n    image: i\n    {key}\nvolumes: {{v: }}\n")
    for result, expected in zip(both(tmp_path, "config"), (theirs, ours), strict=True):
        if expected == REFUSED:
            assert result.code == 1
        else:
            assert expected in result.stdout
    assert f"| {name} |" in (CHECKOUT / "docs/differences.md").read_text()


@pytest.mark.parametrize(
    "words",
    [
        ["--services"],
        ["--images"],
        ["--volumes"],
        ["--networks"],
        ["--profiles"],
        ["--quiet"],
        ["--no-normalize"],
        ["--no-consistency"],
        ["--no-env-resolution"],
        ["--no-path-resolution", "--format", "json"],
        ["--no-interpolate"],
        ["--no-interpolate", "--format", "json"],
        ["--hash", "web"],
        ["db"],
    ],
)
def test_each_flag_does_what_it_does_there(both: Both, words: list[str]) -> None:
    theirs, ours = both(CASES / "guide", "config", *words)
    assert (ours.code, sorted(ours.stdout.splitlines())) == (theirs.code, sorted(theirs.stdout.splitlines()))


def test_variables_are_listed_with_their_defaults(both: Both, tmp_path: Path) -> None:
    text = 'services: {web: {image: "i:${A:-1}${B:?say}${C+alt}$D", command: "${E:-${F-2}}"}}'
    (tmp_path / "compose.yaml").write_text(text)
    results = both(tmp_path, "config", "--variables")
    rows = [sorted(line.split() for line in result.stdout.splitlines()) for result in results]
    assert rows[0] == rows[1]


def test_the_environment_has_what_is_in_the_file_beside(both: Both) -> None:
    theirs, ours = both(CASES / "blog", "config", "--environment")
    for result in (theirs, ours):
        assert {"DB_USER=blogger", "DB_PASSWORD=s3cret $word"} <= set(result.stdout.splitlines())
