"""`--mount` of an image, and of a part of an image or a volume."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import containers
from tests.support import Minirun, Result

Sh = Callable[..., Result]
PART = "type=volume,src=data,dst=/x,volume-subpath="


@pytest.fixture
def sh(minirun: Minirun) -> Iterator[Sh]:
    """sh("ls /x", "--mount", ...) runs a script in a new container."""
    yield lambda script, *words: minirun(
        "run", "--rm", "--network", "none", *words, "busybox", "sh", "-c", script
    )
    minirun.remove_all()
    minirun("volume", "rm", "-f", "data")


@pytest.fixture
def data(minirun: Minirun, sh: Sh) -> Path:
    """A volume `data` with a/b/file, a file at its top, and links that lead out of it; its directory."""
    script = "mkdir -p /d/a/b; echo deep >/d/a/b/file; echo top >/d/file; ln -s /etc /d/out; ln -s ../../../etc /d/up"
    assert sh(script, "-v", "data:/d").code == 0
    return minirun.root / "volumes" / "data" / "_data"


def test_a_directory_of_a_volume_is_written_to_where_it_is(sh: Sh, data: Path) -> None:
    assert sh("cat /x/file; echo new >/x/new", "--mount", f"{PART}a/b").stdout == "deep\n"
    assert (data / "a/b/new").read_text() == "new\n"


def test_it_may_be_one_file(sh: Sh, data: Path) -> None:
    assert sh("cat /x; echo more >>/x", "--mount", f"{PART}file").stdout == "top\n"
    assert (data / "file").read_text() == "top\nmore\n"


@pytest.mark.parametrize("link", ["out", "up"])
def test_a_link_leads_to_nothing_outside_of_the_volume(sh: Sh, data: Path, link: str) -> None:
    assert f"failed to mount subpath: {link} of volume data" in sh("ls /x", "--mount", PART + link).stderr
    (data / "etc").mkdir()
    assert sh("ls -A /x", "--mount", PART + link).stdout == ""


@pytest.mark.usefixtures("data")
def test_what_is_not_there_is_not_made(sh: Sh) -> None:
    done = sh("true", "--mount", f"{PART}nosuch")
    assert done.code == 125
    assert "failed to mount subpath: nosuch of volume data: no such file or directory" in done.stderr


def test_removing_the_container_leaves_the_volume_as_it_was(minirun: Minirun, sh: Sh, data: Path) -> None:
    """The shim still shows the part below the container's directory when that is removed."""
    containers.start(minirun, "--name", "one", "--rm", "--mount", f"{PART}a", "busybox", "sleep", "1000")
    minirun("rm", "-f", "one", check=True)
    assert sh("exit 3", "--mount", f"{PART}a").code == 3
    assert sh("true", "--mount", f"{PART}a", "--entrypoint", "/nosuch").code == 127
    assert (data / "a/b/file").read_text() == "deep\n"


def test_it_stays_over_a_restart_by_policy(minirun: Minirun, sh: Sh, data: Path) -> None:
    script = "echo run >>/x/runs; exit 1"
    options = ("--restart", "on-failure:2", "--mount", f"{PART}a")
    one = containers.start(minirun, *options, "busybox", "sh", "-c", script)
    minirun("wait", one.id, check=True)
    assert (data / "a/runs").read_text() == "run\n" * 3


def test_cp_finds_the_part_in_a_stopped_container(
    minirun: Minirun, sh: Sh, data: Path, tmp_path: Path
) -> None:
    minirun("create", "--name", "one", "--mount", f"{PART}a/b", "busybox", check=True)
    minirun("cp", "one:/x/file", tmp_path / "copy", check=True)
    assert (tmp_path / "copy").read_text() == "deep\n"


# ---- an image


def test_an_image_is_there_to_be_read(sh: Sh) -> None:
    script = "cmp /img/bin/busybox /bin/busybox && echo same; touch /img/new"
    done = sh(script, "--mount", "type=image,source=busybox,target=/img")
    assert (done.stdout, "Read-only file system" in done.stderr) == ("same\n", True)


def test_a_part_of_an_image(sh: Sh) -> None:
    done = sh("ls /img; cat /img/passwd", "--mount", "type=image,src=busybox,dst=/img,image-subpath=etc")
    assert done.stdout.startswith("group\npasswd\nroot:x:0:0:")


def test_its_layers_stay_while_the_container_is_there(minirun: Minirun, sh: Sh) -> None:
    minirun("tag", "busybox", "other", check=True)
    minirun("commit", minirun("create", "busybox", check=True).stdout.strip(), "mounted", check=True)
    minirun(
        "create",
        "--name",
        "one",
        "--mount",
        "type=image,src=mounted,dst=/img",
        "busybox",
        "ls",
        "/img",
        check=True,
    )
    minirun("rmi", "-f", "mounted", "other", check=True)
    assert "bin" in minirun("start", "-a", "one", check=True).stdout


def test_an_image_that_is_not_here_is_told_before_anything_is_made(minirun: Minirun, sh: Sh) -> None:
    words = (
        "create",
        "--name",
        "one",
        "--pull",
        "never",
        "--mount",
        "type=image,src=nosuch,dst=/img",
        "busybox",
    )
    done = minirun(*words)
    assert (done.code, "nosuch" in done.stderr) == (125, True)
    assert minirun("ps", "-aq").stdout == ""


def test_inspect_tells_what_is_mounted(minirun: Minirun, sh: Sh) -> None:
    minirun(
        "create",
        "--name",
        "one",
        "--mount",
        "type=image,src=busybox,dst=/img,image-subpath=etc",
        "busybox",
        check=True,
    )
    shown = minirun("inspect", "-f", "{{json .Mounts}} {{json .HostConfig.Mounts}}", "one", check=True).stdout
    assert '"Type":"image","Name":"","Source":"busybox","Destination":"/img"' in shown
    assert '"ReadOnly":true,"ImageOptions":{"Subpath":"etc"}' in shown
