"""Fixtures of all tiers. A tier is a directory here, and a marker of the same name."""

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import recipes
from tests.support import CHECKOUT, Minirun, run

TESTS = Path(__file__).parent


# A shell starts `... &` and nohup what is to ignore Ctrl-C, and that survives execve(2): the programs under test would
# ignore it, too. A handler does not survive, and one that does nothing is as good for us.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, lambda *_: None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-leak-check",
        action="store_true",
        help="root tier: for a machine where others run containers, too",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        tier = item.path.relative_to(TESTS).parts[0]
        item.add_marker(tier)
        if tier in ("root", "interop") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture(scope="session")
def minirun_session(tmp_path_factory: pytest.TempPathFactory, busybox_tar: Path) -> Minirun:
    """One data root and one state directory for the whole run, with busybox loaded once."""
    base = tmp_path_factory.mktemp("minirun")
    made = Minirun(root=base / "root", state=base / "state")
    made("load", "-i", busybox_tar, check=True)
    return made


@pytest.fixture
def minirun(minirun_session: Minirun) -> Iterator[Minirun]:
    """minirun("run", "busybox", "true") -> Result. Containers that the test leaves are removed after it."""
    yield minirun_session
    minirun_session.remove_all()


@pytest.fixture(scope="session")
def busybox_tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded image as scripts/setup made it, or made anew; an OCI layout tar."""
    made = CHECKOUT / ".venv" / "busybox.tar"
    if made.exists():
        return made
    output = tmp_path_factory.mktemp("busybox") / "busybox.tar"
    run(CHECKOUT / "scripts" / "rootfs", "busybox", "--output", output, check=True)
    return output


@pytest.fixture(scope="session")
def debian_tar() -> Path:
    """Debian as an OCI layout tar."""
    return recipes.kept("debian")


@pytest.fixture(scope="session")
def debian(minirun_session: Minirun, debian_tar: Path) -> str:
    """The name of the Debian image, loaded on first use."""
    minirun_session("load", "-i", debian_tar, check=True)
    return "debian"


@pytest.fixture(scope="session")
def stand_ins(minirun_session: Minirun) -> recipes.StandIns:
    """stand_ins("golang") -> the name of the image."""
    return recipes.StandIns(minirun_session)


@pytest.fixture
def group() -> Iterator[str]:
    """The path of a control group that is not there yet, and will not be there afterwards."""
    from minirun.linux import cgroup_files, cgroup_processes, cgroups

    path = f"{cgroup_files.PARENT}/test-{uuid.uuid4().hex[:12]}"
    yield path
    cgroup_processes.kill(path)
    cgroups.delete(path)
    assert not os.path.exists(cgroup_files.directory(path))
