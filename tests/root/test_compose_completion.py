"""Completion after `minirun compose`: by the protocol that click has with fish."""

import pytest

from tests.compose_services import serve
from tests.support import CHECKOUT, run

FILE = """
services:
  web: {image: busybox}
  database: {image: busybox}
  tool: {image: busybox, profiles: [tools]}
"""


@pytest.fixture
def complete(minirun, tmp_path):
    """complete("compose logs ", "w") -> what the word can become, in a directory with a compose file."""
    (tmp_path / "compose.yaml").write_text(FILE)

    def complete(words, word=""):
        line = f"minirun --root {minirun.root} --state {minirun.state} {words}"
        env = {"COMP_WORDS": line, "COMP_CWORD": word, "_MINIRUN_COMPLETE": "bash_complete"}
        shown = run(CHECKOUT / "scripts" / "minirun", env=env, cwd=tmp_path, check=True).stdout
        return [line.partition(",")[2] for line in shown.splitlines()]

    return complete


def test_commands(complete):
    assert complete("compose pau", "pau") == ["pause"]


def test_services_are_those_of_the_file(complete):
    assert complete("compose logs ") == ["database", "tool", "web"]


def test_a_service_is_not_offered_twice(complete):
    assert complete("compose logs web ") == ["database", "tool"]


def test_without_a_file_services_are_known_by_their_containers(complete, minirun, tmp_path):
    serve(minirun, "demo", "queue", "busybox", "sleep", "100")
    (tmp_path / "compose.yaml").unlink()
    assert complete("compose -p demo logs ") == ["queue"]


def test_profiles(complete):
    assert complete("compose --profile ") == ["tools"]


def test_services_of_options(complete):
    assert complete("compose up --exit-code-from ", "w") == ["web"]


def test_what_is_copied_is_in_a_service_or_a_file(complete):
    assert complete("compose cp w", "w") == ["web:", "w"]


def test_statuses(complete):
    assert complete("compose ps --status ", "r") == ["restarting", "running"]


def test_projects(complete, minirun):
    serve(minirun, "demo", "web", "busybox", "sleep", "100")
    assert complete("compose -p ") == ["demo"]
