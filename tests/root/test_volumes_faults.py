"""Volumes when an act on them fails, or whoever acts is killed: what stays is whole, and somebody's."""

import errno
import os
from collections.abc import Iterator

import pytest

from tests.support import Minirun, run

QUIET = ("--network", "none")
# The acts of each command on volumes, in its own process or in the shim: the n-th of a kind is made to fail.
FAULTS = {
    ("volume", "create", "made"): ["mkdir:1", "mkdir:2", "chmod:1", "creat:1", "rename:1"],
    ("volume", "rm", "old"): ["rename:1", "unlink:1"],
    ("volume", "prune", "-a", "-f"): ["rename:1", "rename:2", "unlink:1", "unlink:2"],
    ("create", *QUIET, "-v", "made:/x", "-v", "/y", "busybox"): [
        *(f"{call}:{number}" for call in ("chmod", "creat", "rename") for number in (1, 2)),
        *(f"mkdir:{number}" for number in range(1, 5)),
    ],
    ("run", *QUIET, "--rm", "-v", "made:/bin", "-v", "/etc", "busybox", "true"): [
        *(f"{call}:{number}" for call in ("chmod", "creat", "copy", "unlink") for number in (1, 2)),
        *(f"{call}:{number}" for call in ("mkdir", "rename") for number in range(1, 6)),
    ],
    ("rm", "-v", "user"): ["rename:1", "rename:2", "unlink:1", "unlink:2"],
}
CASES = [(command, fault) for command, faults in FAULTS.items() for fault in faults]


@pytest.fixture(autouse=True)
def some_volumes(minirun: Minirun) -> Iterator[None]:
    """Two volumes that nobody uses, and a container with an anonymous one and a named one."""
    for name in ("old", "older"):
        minirun("volume", "create", name, check=True)
    minirun("create", *QUIET, "--name", "user", "-v", "/a", "-v", "used:/b", "busybox", check=True)
    yield
    minirun.remove_all()
    minirun("volume", "prune", "-a", "-f", check=True)
    assert os.listdir(minirun.root / "volumes") == [".lock"]


def broken(minirun: Minirun, command: tuple[str, ...], fault: str) -> None:
    """Runs a command with a fault, which has to hit, and then the two that look."""
    done = run(*minirun.command(*command), env={"MINIRUN_FAULT": fault})
    assert done.code, "this fault has to hit something that the command needs"
    assert "Traceback" not in done.stderr
    minirun("ps", "-a", check=True)
    minirun("volume", "ls", check=True)


def volumes(minirun: Minirun) -> dict[str, list[str]]:
    """{name: what is in its directory} of all there is on the disk."""
    top = minirun.root / "volumes"
    return {path.name: sorted(os.listdir(path)) for path in top.iterdir() if path.name != ".lock"}


def unowned(minirun: Minirun) -> list[str]:
    """The containers' directories that no container has, and the anonymous volumes that none uses."""
    words = "{{.Id}}{{range .Mounts}} {{.Name}}{{end}}"
    ids = minirun("ps", "-aq", "--no-trunc", check=True).stdout.split()
    owned = minirun("inspect", "-f", words, *ids, check=True).stdout.split() if ids else []
    directories = (path.name for path in (minirun.root / "containers").iterdir() if path.name != ".lock")
    anonymous = (name for name in volumes(minirun) if len(name) == 64)
    return sorted({*directories, *anonymous} - set(owned))


@pytest.mark.parametrize("how", [str(errno.EIO), "kill"])
@pytest.mark.parametrize(("command", "fault"), CASES, ids=lambda value: value if ":" in value else value[0])
def test_what_stays_is_whole_and_somebodys(
    minirun: Minirun, command: tuple[str, ...], fault: str, how: str
) -> None:
    broken(minirun, command, f"{fault}:{how}")
    for parts in volumes(minirun).values():
        assert [part for part in parts if part != ".lock"] == ["_data", "volume.json"]
    assert unowned(minirun) == []
    assert volumes(minirun).keys() >= {"used"}


@pytest.mark.parametrize("fault", FAULTS["volume", "create", "made"])
def test_what_could_not_be_made_is_not_there(minirun: Minirun, fault: str) -> None:
    before = volumes(minirun).keys()
    broken(minirun, ("volume", "create", "made"), f"{fault}:{errno.ENOSPC}")
    assert volumes(minirun).keys() == before
