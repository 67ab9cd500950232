"""The root tier: real containers, and nothing may stay of them."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from minirun.build.run_state import RunState
from minirun.image.store import Store
from minirun.paths import Paths
from tests import bundles, containers, leaks
from tests import compose as projects
from tests.build_steps import Steps
from tests.bundles import Oci
from tests.compose import Compose
from tests.support import Minirun, run


@pytest.fixture(autouse=True)
def leak_check(request: pytest.FixtureRequest, minirun_session: Minirun) -> Iterator[None]:
    """Mounts, cgroups, links, nft rules, processes and directories are the same before and after each test."""
    if request.config.getoption("--no-leak-check"):
        yield
        return
    before = leaks.snapshot(minirun_session)
    yield
    assert leaks.leaked(before, minirun_session) == {}


@pytest.fixture
def start(minirun: Minirun) -> Callable[..., containers.Container]:
    """start("-e", "A=b", "busybox", "sleep", "100") runs it detached, without a network, and returns it running."""
    return partial(containers.start, minirun)


@pytest.fixture
def oci(tmp_path: Path) -> Iterator[Oci]:
    """minirun-oci with a state directory of its own; its containers go after the test."""
    made = Oci(tmp_path / "state")
    yield made
    made.remove_all()


@pytest.fixture
def bundle(oci: Oci, busybox_tar: Path, tmp_path: Path) -> Callable[..., Path]:
    """bundle("echo", "hi") or bundle(change=...) -> a directory."""

    def bundle(
        *args: str, change: Callable[[Any], object] = lambda config: None, name: str = "bundle"
    ) -> Path:
        def apply(config: dict[str, Any]) -> None:
            config["process"]["args"] = list(args) or ["sleep", "1000"]
            change(config)

        return bundles.make(oci, busybox_tar, tmp_path / name, apply)

    return bundle


@pytest.fixture(scope="session")
def watcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """watcher.c as a static program, for `-v {watcher}:/watcher:ro`."""
    made = tmp_path_factory.mktemp("watcher") / "watcher"
    run("gcc", "-static", "-O2", "-o", made, Path(__file__).parent / "watcher.c", check=True)
    return made


@pytest.fixture
def paths(minirun: Minirun) -> Paths:
    return Paths(str(minirun.root), str(minirun.state))


@pytest.fixture
def steps(paths: Paths, tmp_path: Path) -> Iterator[Steps]:
    """steps("echo hi") is one RUN of a build that begins with busybox."""
    state = RunState(paths)
    yield Steps(state, Store(paths).get("busybox").layer_paths(), tmp_path)
    state.close()


@pytest.fixture
def compose(minirun: Minirun, tmp_path: Path) -> Iterator[Callable[..., Compose]]:
    """compose("services: ...") -> a project called `demo`: demo("up", "-d"). It is taken down after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda file, name="demo": stack.enter_context(projects.project(minirun, tmp_path / name, file))
