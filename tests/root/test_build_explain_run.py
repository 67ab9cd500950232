"""`build --explain`: each RUN that was done is told, act by act, and nothing else is; secrets are not told."""

import re
from pathlib import Path

import pytest

from tests.support import Minirun

FILE = """FROM busybox
COPY file /file
WORKDIR /w
RUN --network=none --mount=type=secret,id=s,env=TOKEN --mount=type=secret,id=s echo first
RUN --network=none exit $CODE
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("x")
    (tmp_path / "secret").write_text("x7Kd-q9w")
    (tmp_path / "Dockerfile").write_text(FILE)
    return tmp_path


def told(minirun: Minirun, context: Path, *words: str) -> str:
    words = (
        "--explain",
        "--no-cache",
        "--progress",
        "plain",
        "--secret",
        f"id=s,src={context}/secret",
        *words,
    )
    return minirun("build", *words, context).stderr


def headings(text: str) -> list[str]:
    """`step create`, `init pivot_root`, in the order in which they are told."""
    return [" ".join(pair) for pair in re.findall(r"^(\w+) *── (\w+)", text, re.MULTILINE)]


def test_each_run_is_told_from_its_overlay_to_its_program(minirun: Minirun, context: Path) -> None:
    text = told(minirun, context)
    assert headings(text).count("init execute") == 2
    order = [
        headings(text).index(name)
        for name in ("step overlay", "step bundle", "init pivot_root", "init execute")
    ]
    assert order == sorted(order)
    assert "mount -t overlay" in text
    assert "$W/merged" in text


def test_what_copies_is_not_told(minirun: Minirun, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nCOPY file /file\nWORKDIR /w")
    assert headings(told(minirun, context)) == []


def test_what_is_in_the_cache_is_not_told(minirun: Minirun, context: Path) -> None:
    words = ("build", "--explain", "--secret", f"id=s,src={context}/secret", context)
    minirun(*words, check=True)
    assert headings(minirun(*words, check=True).stderr) == []


def test_a_run_that_fails_is_told(minirun: Minirun, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN --network=none exit 3")
    text = told(minirun, context)
    assert "init execute" in headings(text)
    assert "exit code: 3" in text


def test_no_secret_is_told(minirun: Minirun, context: Path) -> None:
    assert "x7Kd-q9w" not in told(minirun, context)


def test_the_network_is_told_once(minirun: Minirun, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN true\nRUN true")
    text = told(minirun, context)
    assert text.count("veth peer name") == 1
    assert "build network" in headings(text)


def test_runs_beside_each_other_are_told_one_after_the_other(minirun: Minirun, context: Path) -> None:
    stages = [f"FROM busybox AS s{n}\nRUN --network=none sleep 0.5; echo {n} > /f" for n in range(2)]
    (context / "Dockerfile").write_text("\n".join([*stages, "COPY --from=s0 /f /g"]))
    pids = re.findall(r"^step *── \w+ .* pid (\d+) ──$", told(minirun, context), re.MULTILINE)
    assert len(set(pids)) == 2
    assert pids == sorted(pids, key=lambda pid: pids.index(pid))
