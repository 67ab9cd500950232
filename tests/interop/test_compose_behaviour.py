"""What Docker Compose does on a dockerd, minirun does: exit codes, words, and what is there afterwards.

Where they differ, DIFFERENCES says why, and docs/differences.md has the same table for people: a difference that has
gone is an error here, too, so neither list can grow stale.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import compose_docker
from tests.compose_behaviours import CASES
from tests.compose_docker import Seen, Side
from tests.support import CHECKOUT, Minirun

WORDS = "the same refusal in other words"
ENDED = "a container that has ended already is not told to be stopped"
THERE = "what runs already is not waited for"
UNUSED = "a volume that none of the chosen services has is not made"
FAILED = "what went wrong has a line of its own, too"
CONTENT = "a secret or a config with another content is a change: the container is made anew"

DIFFERENCES: dict[str, str] = {
    **dict.fromkeys(("exit code from", "abort on failure", "wait for the end", "ls"), ENDED),
    **dict.fromkeys(("a healthy dependency", "a completed dependency"), THERE),
    **dict.fromkeys(("up without dependencies", "run without dependencies"), UNUSED),
    **dict.fromkeys(("a hook that fails", "wait for one that is unhealthy", "pause"), FAILED),
    **dict.fromkeys(("secrets", "configs"), CONTENT),
    **dict.fromkeys(("no such service", "scale with a container name", "cp"), WORDS),
    "down of one service": "the network of services that stay is left without a word",
    "orphans at down": "orphans are told of, for it is they that keep the network",
    "a changed network": "its containers are made anew: Docker Compose connects them again, without their names",
    "ctrl-c": "what a container says while it stops is shown",
    "a grace that is over": "minirun says why it took so long: PID 1 had no handler",
    "a secret that is not there": "it is missed before anything is made",
    "an image that is not there": "it is missed before anything is made",
    "exec": "the exit code of a program that is not there is 127, as with `run`",
    "dry run": "each line says that it is a dry run",
}

Outcome = tuple[list[Seen], list[str]]


@pytest.fixture(scope="module")
def docker_compose(program: Callable[[str], str], busybox_for_docker: Path) -> Iterator[Side]:
    with compose_docker.docker(program, busybox_for_docker) as side:
        yield side


@pytest.fixture(scope="module")
def minirun_compose(minirun_session: Minirun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    with compose_docker.ours(minirun_session, tmp_path_factory.mktemp("compose")) as side:
        yield side


@pytest.fixture
def both(
    docker_compose: Side, minirun_compose: Side, tmp_path: Path
) -> Iterator[Callable[[str], list[Outcome]]]:
    """both(name) -> what Docker Compose and what minirun did, at the same time."""
    sides = {"docker": docker_compose, "minirun": minirun_compose}

    def do(name: str) -> list[Outcome]:
        with ThreadPoolExecutor() as pool:
            return list(
                pool.map(
                    lambda who: compose_docker.play(sides[who], CASES[name], tmp_path / who / "p"), sides
                )
            )

    yield do
    for side in sides.values():
        side.clear()


@pytest.mark.parametrize("name", CASES)
def test_minirun_does_as_docker_compose(both: Callable[[str], list[Outcome]], name: str) -> None:
    docker, ours = both(name)

    if name in DIFFERENCES:
        assert ours != docker, "they agree by now: take it out of DIFFERENCES and docs/differences.md"
    else:
        assert ours == docker


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_difference_is_told_in_the_documentation(name: str) -> None:
    page = (CHECKOUT / "docs" / "differences.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith(f"| compose: {name} |")]
    assert len(rows) == 1
    assert rows[0].endswith(f"| {DIFFERENCES[name]} |")
