"""Real containers with whatever words in whatever option: an exit code, a sentence, and nothing left.

What is refused before anything is made has more rounds in tests/unit/test_command_fuzz.py.
"""

import os
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings

from tests.command_words import complaint, lines
from tests.containers import eventually
from tests.fuzzing import fuzz
from tests.support import Minirun, run

# Those that never end, ask a registry, write where they are told, or have the program end in its own way.
WITHOUT = (
    *(
        "--explain",
        "--step",
        "--break",
        "--cidfile",
        "--restart",
        "--pull",
        "--platform",
        "--ulimit",
        "--volume",
    ),
    *("--interactive", "--runtime", "--volumes-from", "--help"),
)
WORD_MAX = 131_000  # bytes: what one word of execve(2) may have, with the option's name before it
CODES = (0, 125, 126, 127)


def is_clean(minirun: Minirun) -> bool:
    """No container, and nothing that only a running one needs."""
    kept = [name for name in os.listdir(minirun.root / "containers") if not name.startswith(".")]
    return not kept and not [name for name in os.listdir(minirun.state) if len(name) == 64]


@pytest.fixture
def tidy(minirun: Minirun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Minirun:
    monkeypatch.chdir(tmp_path)
    return minirun


@pytest.mark.parametrize(("command", "examples"), [("run", 30), ("create", 10)])
def test_any_words_for_a_container(tidy: Minirun, command: str, examples: int) -> None:
    @given(lines(command, WORD_MAX, WITHOUT))
    @settings(parent=fuzz(examples), phases=[Phase.generate])
    def check(words: list[str]) -> None:
        line = tidy.command(command, "--rm", "--network", "none", *words, "busybox", "true")
        result = run(*line, timeout=60)
        assert complaint(result.code, result.stderr, CODES) == ""
        if command == "create" and not result.code:
            tidy("rm", "-f", result.stdout.strip(), check=True)
        eventually(lambda: is_clean(tidy))

    check()
    tidy("volume", "prune", "-a", "-f", check=True)


def test_any_words_for_an_exec(tidy: Minirun) -> None:
    name = tidy("run", "-d", "--network", "none", "busybox", "sleep", "1000", check=True).stdout.strip()

    @given(lines("exec", WORD_MAX, WITHOUT))
    @settings(parent=fuzz(20), phases=[Phase.generate])
    def check(words: list[str]) -> None:
        result = run(*tidy.command("exec", *words, name, "true"), timeout=60)
        assert complaint(result.code, result.stderr, CODES) == ""

    check()
    assert tidy("exec", name, "true").code == 0
    assert len(tidy("top", name).stdout.splitlines()) == 2
