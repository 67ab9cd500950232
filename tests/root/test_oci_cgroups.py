"""cgroupsPath: a group that is not the container's own is neither killed nor removed."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minirun.errors import UsageError
from minirun.linux import cgroups
from tests import leaks
from tests.bundles import Oci

Bundle = Callable[..., Path]


@pytest.fixture
def group(oci: Oci) -> Iterator[Path]:
    """A group that the test made."""
    top = leaks.cgroup2_mount()
    assert top
    made = top / f"minirun-test-{os.getpid()}"
    made.mkdir()
    yield made
    oci.remove_all()
    for directory, _, _ in os.walk(made, topdown=False):
        os.rmdir(directory)


@pytest.fixture
def stranger(group: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in that group which is no container's."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        (group / "cgroup.procs").write_text(str(process.pid))
        yield process
        process.kill()


def in_group(bundle: Bundle, path: str, name: str = "bundle") -> Path:
    return bundle(name=name, change=lambda config: config["linux"].update(cgroupsPath=path))


def test_one_that_holds_others_is_refused_and_they_live(
    oci: Oci, bundle: Bundle, group: Path, stranger: subprocess.Popen[bytes]
) -> None:
    result = oci("create", "--bundle", in_group(bundle, f"/{group.name}"), "x")
    assert result.code == 1
    assert f"cgroup /{group.name} is not empty: 1 processes are in it" in result.stderr
    oci("delete", "--force", "x")
    assert stranger.poll() is None


def test_one_that_was_there_is_used_and_stays(oci: Oci, bundle: Bundle, group: Path) -> None:
    oci.detached("run", "-d", "--bundle", in_group(bundle, f"/{group.name}"), "x")
    assert (group / "cgroup.procs").read_text().split() == [str(oci.state("x")["pid"])]
    with subprocess.Popen(["sleep", "1000"]) as late:
        (group / "cgroup.procs").write_text(str(late.pid))
        oci("delete", "--force", "x", check=True)
        assert late.poll() is None
        late.kill()
    assert group.is_dir()


def test_kill_all_does_not_reach_those_who_came_later(oci: Oci, bundle: Bundle, group: Path) -> None:
    oci.detached("run", "-d", "--bundle", in_group(bundle, f"/{group.name}"), "x")
    with subprocess.Popen(["sleep", "1000"]) as late:
        (group / "cgroup.procs").write_text(str(late.pid))
        oci("kill", "--all", "x", "KILL", check=True)
        assert late.poll() is None
        late.kill()


@pytest.mark.parametrize("below", ["", "/inner"])
def test_that_of_another_container_is_refused(oci: Oci, bundle: Bundle, group: Path, below: str) -> None:
    path = f"/{group.name}/one"
    oci.detached("run", "-d", "--bundle", in_group(bundle, path), "first")
    result = oci("create", "--bundle", in_group(bundle, path + below, "other"), "second")
    assert result.code == 1
    assert f"cgroup {path}{below} is not free" in result.stderr
    oci("delete", "--force", "second")
    assert oci.state("first")["status"] == "running"


@pytest.mark.parametrize("path", ["/", "//", "/.", "/minirun", "/minirun/"])
def test_those_that_hold_all_others_are_refused(path: str) -> None:
    """Asked of the function alone: a container in there would take the machine with it at its end."""
    with pytest.raises(UsageError, match="holds the groups of others"):
        cgroups.create(path, {}, "a container")


def test_its_own_is_killed_and_removed_with_all_below(oci: Oci, bundle: Bundle, group: Path) -> None:
    oci.detached("run", "-d", "--bundle", in_group(bundle, f"/{group.name}/one"), "x")
    (group / "one/inner").mkdir()
    with subprocess.Popen(["sleep", "1000"]) as inner:
        (group / "one/inner/cgroup.procs").write_text(str(inner.pid))
        oci("delete", "--force", "x", check=True)
        assert inner.wait(5) == -9
    assert list(group.glob("one")) == []
