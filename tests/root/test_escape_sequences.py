"""Words that a container or an image chose, on a person's terminal: shown, never obeyed."""

import re
from collections.abc import Iterator

import pytest

from tests import containers
from tests.support import Minirun
from tests.terminals import Terminal

EVIL = "\x1b]0;evil\x07\x1b[2Jx\nD /etc/passwd"
LISTS = [
    ("ps", "--no-trunc"),
    ("ps", "--format", "{{.Labels}}"),
    ("ps", "--format", "table {{.ID}}\t{{.Labels}}"),
    ("inspect", "-f", "{{.Config.Labels}} {{.Args}}", "victim"),
    ("inspect", "victim"),
    ("diff", "victim"),
    ("events", "--since", "1h", "--until", "0s"),
    ("events", "--since", "1h", "--until", "0s", "--format", "{{.Actor.Attributes.words}}"),
    ("top", "victim", "-eo", "pid,args"),
    ("volume", "ls", "--format", "{{.Labels}}"),
    ("network", "ls", "--format", "table {{.Labels}}"),
    ("history", "--no-trunc", "evil"),
    ("image", "inspect", "-f", "{{.Comment}}", "evil"),
    ("image", "layers", "--tree", "evil"),
    ("run", "--rm", "--network", "none", "--explain", "busybox", "true", EVIL),
    ("run", "--rm", "--network", "none", "busybox", f"/{EVIL}"),
]


@pytest.fixture(scope="module")
def victim(minirun_session: Minirun) -> Iterator[Minirun]:
    """A container with EVIL for a label, an argument and a file's name; an image, a volume and a network with it."""
    script = 'touch "/tmp/$1"; sleep 1000; :'
    labels = ("--label", f"words={EVIL}")
    file = EVIL.replace("/", "_")
    containers.start(minirun_session, "--name", "victim", *labels, "busybox", "sh", "-c", script, "sh", file)
    minirun_session("commit", "-m", EVIL, "victim", "evil", check=True)
    for kind in ("volume", "network"):
        minirun_session(kind, "create", *labels, "evil", check=True)
    yield minirun_session
    minirun_session.remove_all()
    for words in (("volume", "rm", "evil"), ("network", "rm", "evil"), ("rmi", "evil")):
        minirun_session(*words, check=True)


@pytest.mark.parametrize("words", LISTS, ids=lambda words: " ".join(words[:3]))
def test_a_terminal_is_never_told_what_to_do(victim: Minirun, words: tuple[str, ...]) -> None:
    with Terminal(victim.command(*words)) as terminal:
        _, seen = terminal.wait(30)
    bare = re.sub(r"\x1b\[[0-9;]*m", "", seen)  # colours are our own
    assert "evil" in bare
    assert not {"\x1b", "\x07"} & set(bare)


@pytest.mark.parametrize(
    "words", [("diff", "victim"), ("ps", "--no-trunc"), ("events", "--since", "1h", "--until", "0s")]
)
def test_a_newline_in_a_name_begins_no_line(victim: Minirun, words: tuple[str, ...]) -> None:
    with Terminal(victim.command(*words)) as terminal:
        assert not [line for line in terminal.wait()[1].splitlines() if line.startswith("D ")]


def test_a_program_that_reads_diff_gets_the_name_as_it_is(victim: Minirun) -> None:
    assert EVIL.replace("/", "_") in victim("diff", "victim", check=True).stdout
