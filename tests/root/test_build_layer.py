"""A step's workspace: what it has changed becomes a layer, and nothing else does."""

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minirun.build import layer
from minirun.build.jobs import Job
from minirun.build.layer import Layer, Workspace
from minirun.image import layers as unpacking
from minirun.image.store import Store
from minirun.paths import Paths
from tests.support import Minirun


@pytest.fixture
def paths(minirun: Minirun) -> Paths:
    return Paths(str(minirun.root), str(minirun.state))


@pytest.fixture
def change(paths: Paths) -> Iterator[Callable[..., Layer]]:
    """change("touch a", below=[...]) runs a shell in the merged tree, in a child, and returns the layer it makes."""

    def change(
        script: str, below: list[str] | None = None, epoch: int | None = None, packed: bool = False
    ) -> Layer:
        below = Store(paths).get("busybox").layer_paths() if below is None else below

        def work(report: Callable[[dict[str, object]], None], streams: tuple[int, int, int]) -> None:
            workspace = Workspace(paths)
            try:
                workspace.mount(below)
                subprocess.run(["sh", "-ec", script], cwd=workspace.merged, check=True)
                made = workspace.finish([], epoch=epoch, store=Store(paths) if packed else None)
                report({"layer": vars(made)})
            finally:
                workspace.close()

        job = Job(work)
        report = job.next_report()
        job.close()
        assert report is not None
        return Layer(**report["layer"])

    yield change
    assert not [name for name in os.listdir(paths.layers) if name.startswith(".tmp-")]


def names(made: Layer, paths: Paths) -> set[str]:
    """All that is in a layer."""
    root = Path(made.path(paths))
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_what_was_made_is_the_layer(change: Callable[..., Layer], paths: Paths) -> None:
    made = change("mkdir -p a/b; echo hi > a/b/c")
    assert names(made, paths) == {"a", "a/b", "a/b/c"}
    assert made.size == 3


def test_nothing_changed_is_the_empty_tar(change: Callable[..., Layer]) -> None:
    assert change("true").diff_id == f"sha256:{hashlib.sha256(bytes(1024)).hexdigest()}"
    assert change("touch new; rm new").diff_id == change("true").diff_id


def test_what_was_only_copied_up_is_left_out(change: Callable[..., Layer], paths: Paths) -> None:
    assert names(change("chmod $(stat -c %a etc/passwd) etc/passwd; chown 0:0 etc/passwd"), paths) == set()


def test_beside_a_change_what_was_only_copied_up_is_left_out(
    change: Callable[..., Layer], paths: Paths
) -> None:
    made = change("chown 0:0 etc/passwd; echo x > etc/new")
    assert names(made, paths) == {"etc", "etc/new"}


def test_the_same_content_at_another_time_is_a_change(change: Callable[..., Layer], paths: Paths) -> None:
    assert "etc/passwd" in names(change("touch -d @1000000000 etc/passwd"), paths)


def test_a_layer_is_what_its_tar_unpacks_to(change: Callable[..., Layer], paths: Paths) -> None:
    made = change(
        "mkdir d; echo hi > d/f; ln d/f d/g; ln -s f d/l; mkfifo d/p; chmod 2751 d; chown 3:4 d/f",
        packed=True,
    )
    assert made.descriptor is not None
    before = _listing(made.path(paths))
    os.rename(made.path(paths), made.path(paths) + "-before")
    [again] = unpacking.unpack_blobs(Store(paths).layout, [made.descriptor], [made.diff_id])
    assert again == made.path(paths)
    assert _listing(again) == before


def _listing(directory: str) -> list[tuple[object, ...]]:
    found = []
    for path in sorted(Path(directory).rglob("*")):
        status = path.lstat()
        found.append((str(path.relative_to(directory)), status.st_mode, status.st_uid, status.st_gid))
        found.append((status.st_mtime_ns, status.st_nlink if not path.is_dir() else 0))
    return found


def test_a_layer_that_hides_something_is_known_by_what_it_lies_on(change: Callable[..., Layer]) -> None:
    assert change("rm etc/passwd").name.startswith("chain-")


def test_times_are_cut_to_the_epoch(change: Callable[..., Layer], paths: Paths) -> None:
    made = change("mkdir d; echo x > d/new; echo y > d/old; touch -d @5 d/old", epoch=1000)
    root = Path(made.path(paths))
    assert [root.joinpath(name).stat().st_mtime for name in ("d", "d/new", "d/old")] == [1000, 1000, 5]


def test_with_an_epoch_the_same_change_is_the_same_layer(change: Callable[..., Layer]) -> None:
    first, second = (change("mkdir -p d/e; echo x > d/e/f", epoch=1000) for _ in range(2))
    assert first.diff_id == second.diff_id


def test_on_nothing_the_first_layer_is_all_there_is(change: Callable[..., Layer], paths: Paths) -> None:
    assert names(change("echo x > x", below=[]), paths) == {"x"}


def test_a_change_of_the_root_itself_is_none(change: Callable[..., Layer], paths: Paths) -> None:
    """As in Docker, where / of every container is root's and 0755."""
    made = change("chmod 700 .; chown 5 .")
    status = os.stat(made.path(paths))
    assert (status.st_mode & 0o777, status.st_uid) == (0o755, 0)
    assert b"".join(layer.tar_of(made.path(paths))).strip(b"\0") == b""
