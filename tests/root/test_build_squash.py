"""`build --squash`: one layer on the base, and the same tree."""

import json
from pathlib import Path

import pytest

from tests.support import Minirun

STEPS = [
    "mkdir -p /d/sub; echo 1 > /d/f; echo 1 > /d/sub/g; ln /d/f /d/same",
    "rm /etc/group; rm -r /home; echo 2 > /d/f; chmod 2750 /d/sub; chown 5:6 /d/sub",
    "rm -r /d/sub; mkdir /d/sub; ln -s ../f /d/sub/link; mkdir /home; echo 3 > /home/new",
    "rm -r /var; echo file > /var; mkfifo /p; touch -d @5 /d/same",
]
SHOW = "find / -xdev -path /proc -prune -o -path /sys -prune -o -path /dev -prune -o -path /etc/h* -prune -o -print0"
SHOW = f"({SHOW}) | xargs -0 stat -c '%n %F %a %u:%g %h %s' | grep -v -e /etc/resolv.conf -e '^/ '; cat /d/f /d/same"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM busybox\n" + "".join(f"RUN {step}\n" for step in STEPS))
    return tmp_path


def build(minirun: Minirun, context: Path, name: str, *words: str) -> None:
    minirun("build", "-q", "--network", "none", "-t", name, *words, context, check=True)


def tree(minirun: Minirun, name: str) -> str:
    words = ("run", "--rm", "--network", "none", name, "sh", "-c", SHOW)
    return minirun(*words, check=True).stdout


def test_the_tree_is_the_same_and_there_is_one_layer(minirun: Minirun, context: Path) -> None:
    build(minirun, context, "steps")
    build(minirun, context, "squashed", "--squash")
    assert tree(minirun, "squashed").replace("squashed", "") == tree(minirun, "steps")
    layers = [
        len(json.loads(minirun("image", "inspect", name, check=True).stdout)[0]["RootFS"]["Layers"])
        for name in ("busybox", "squashed", "steps")
    ]
    assert layers == [1, 2, 1 + len(STEPS)]
    minirun("rmi", "squashed", "steps", check=True)


def test_what_is_packed_unpacks_to_the_same(minirun: Minirun, context: Path, tmp_path: Path) -> None:
    build(minirun, context, "squashed", "--squash")
    expected = tree(minirun, "squashed")
    minirun("save", "-o", tmp_path / "saved.tar", "squashed", check=True)
    other = Minirun(tmp_path / "root", tmp_path / "state")
    other("load", "-i", tmp_path / "saved.tar", check=True)
    assert tree(other, "squashed") == expected
    minirun("rmi", "squashed", check=True)


def test_the_history_tells_of_all_steps_and_of_one_layer(minirun: Minirun, context: Path) -> None:
    build(minirun, context, "squashed", "--squash")
    show = ("history", "--no-trunc", "--format", "{{.Comment}} {{.CreatedBy}}", "squashed")
    lines = minirun(*show, check=True).stdout.splitlines()
    assert lines[0].startswith("squashed")
    assert sum("RUN /bin/sh -c" in line for line in lines) == len(STEPS)
    minirun("rmi", "squashed", check=True)
