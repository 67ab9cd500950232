"""`--cgroup-parent`: where in the tree of control groups a container is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from minirun.linux import cgroup_files
from tests import containers
from tests.support import Minirun

SLEEP = ("busybox", "sleep", "1000")


@pytest.fixture
def group() -> Iterator[Path]:
    """A group of somebody else's, /mrt-team."""
    made = Path(cgroup_files.mount_point()) / "mrt-team"
    made.mkdir()
    yield made
    made.rmdir()


def test_a_group_that_is_there_holds_it_and_stays(minirun: Minirun, group: Path) -> None:
    one = containers.start(
        minirun, "--name", "one", "--cgroup-parent", "/mrt-team", "--pids-limit", "50", *SLEEP
    )
    assert (group / one.id / "cgroup.procs").read_text().split() == [str(one.pid)]
    assert "sleep 1000" in minirun("top", "one", check=True).stdout
    assert minirun("stats", "--no-stream", "--format", "{{.PIDs}}", "one", check=True).stdout == "1\n"
    minirun("update", "--pids-limit", "60", "one", check=True)
    assert one.exec("true").code == 0
    minirun("rm", "-f", "one", check=True)
    assert [path.name for path in group.iterdir() if path.is_dir()] == []


def test_a_name_is_a_group_below_ours_that_goes_with_the_last(minirun: Minirun) -> None:
    one = containers.start(minirun, "--name", "one", "--cgroup-parent", "mrt-shop", *SLEEP)
    assert Path(cgroup_files.directory(f"/minirun/mrt-shop/{one.id}")).is_dir()
    minirun("rm", "-f", "one", check=True)
    assert not Path(cgroup_files.directory("/minirun/mrt-shop")).exists()


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("/mrt-nosuch", "there is no such cgroup"),
        ("../x", 'invalid --cgroup-parent: "../x"'),
        ("machine.slice", "/machine.slice"),
    ],
)
def test_a_group_that_cannot_be(minirun: Minirun, word: str, sentence: str) -> None:
    result = minirun("create", "--cgroup-parent", word, "busybox")
    assert (result.code, sentence in result.stderr) == (125, True)
