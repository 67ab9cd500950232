"""`volume create -o`: what the local driver mounts for a volume."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import containers
from tests.support import Minirun, Result

Sh = Callable[..., Result]


@pytest.fixture
def sh(minirun: Minirun) -> Iterator[Sh]:
    """sh("ls /d", ...) runs a script in a new container that has the volume `data` at /d."""
    yield lambda script, *words: minirun(
        "run", "--rm", "--network", "none", "-v", "data:/d", *words, "busybox", "sh", "-c", script
    )
    minirun.remove_all()
    minirun("volume", "rm", "-f", "data")


def create(minirun: Minirun, **options: str) -> None:
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    minirun("volume", "create", *words, "data", check=True)


def test_a_directory_of_the_host_is_the_volume(minirun: Minirun, sh: Sh, tmp_path: Path) -> None:
    create(minirun, type="none", o="bind", device=str(tmp_path))
    assert sh("echo here >/d/file").code == 0
    assert (tmp_path / "file").read_text() == "here\n"
    minirun("volume", "rm", "data", check=True)
    assert (tmp_path / "file").exists()


def test_it_may_be_read_only(minirun: Minirun, sh: Sh, tmp_path: Path) -> None:
    create(minirun, type="none", o="bind,ro", device=str(tmp_path))
    assert "Read-only file system" in sh("echo here >/d/file").stderr


def test_a_tmpfs_has_the_options_and_is_gone_with_the_last(minirun: Minirun, sh: Sh) -> None:
    create(minirun, type="tmpfs", o="size=1m,uid=7", device="tmpfs")
    assert (
        sh("stat -c %u /d; df -k /d | tail -1 | tr -s ' ' | cut -d ' ' -f 2; touch /d/x").stdout
        == "7\n1024\n"
    )
    assert sh("ls /d").stdout == ""


def test_a_tmpfs_is_one_for_all_that_run(minirun: Minirun, sh: Sh) -> None:
    create(minirun, type="tmpfs", device="tmpfs")
    one = containers.start(minirun, "-v", "data:/d", "busybox", "sh", "-c", "echo one >/d/file; sleep 1000")
    assert sh("cat /d/file; echo two >/d/file").stdout == "one\n"
    assert one.exec("cat", "/d/file").stdout == "two\n"


def test_a_part_of_it(minirun: Minirun, sh: Sh, tmp_path: Path) -> None:
    create(minirun, type="none", o="bind", device=str(tmp_path))
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "file").write_text("deep\n")
    words = ("--mount", "type=volume,src=data,dst=/p,volume-subpath=part")
    assert sh("cat /p/file", *words).stdout == "deep\n"


def test_cp_sees_it_in_a_stopped_container(minirun: Minirun, sh: Sh, tmp_path: Path) -> None:
    create(minirun, type="none", o="bind", device=str(tmp_path))
    (tmp_path / "file").write_text("here\n")
    minirun("create", "--name", "one", "-v", "data:/d", "busybox", check=True)
    assert "file" in minirun("cp", "one:/d", "-", check=True).stdout


def test_what_cannot_be_mounted_is_told(minirun: Minirun, sh: Sh, tmp_path: Path) -> None:
    create(minirun, type="none", o="bind", device=f"{tmp_path}/nosuch")
    done = sh("true")
    assert done.code == 125
    assert (
        f"failed to mount local volume data: mount {tmp_path}/nosuch, type none: no such file" in done.stderr
    )


def test_inspect_shows_the_options(minirun: Minirun, sh: Sh) -> None:
    create(minirun, type="tmpfs", device="tmpfs", o="size=1m")
    (shown,) = json.loads(minirun("volume", "inspect", "data", check=True).stdout)
    assert shown["Options"] == {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-o", "x=1"], 'invalid option: "x"'),
        (["-o", "type=tmpfs"], 'missing required option: "device"'),
        (["-o", "device=/x", "-o", "o=bind"], 'missing required option: "type"'),
        (["-o", "device=x", "-o", "type=none", "-o", "o=bind"], 'device "x" is no absolute path'),
    ],
)
def test_options_that_make_no_sense(minirun: Minirun, words: list[str], sentence: str) -> None:
    result = minirun("volume", "create", *words, "data")
    assert result.code != 0
    assert sentence in result.stderr
    assert minirun("volume", "ls", "-q").stdout == ""


def test_options_for_a_volume_that_a_mount_makes(minirun: Minirun) -> None:
    words = 'src=made,dst=/x,volume-opt=type=tmpfs,volume-opt=device=tmpfs,"volume-opt=o=size=1m,uid=7"'
    for _ in range(2):  # the second finds the volume
        script = "stat -c %u /x; df -k /x | tail -1"
        done = minirun("run", "--rm", "--network", "none", "--mount", words, "busybox", "sh", "-c", script)
        assert done.stdout.split()[:3] == ["7", "tmpfs", "1024"], done.stderr
    options = minirun(
        "volume", "inspect", "-f", "{{.Options.o}} {{.Options.type}}", "made", check=True
    ).stdout
    assert options == "size=1m,uid=7 tmpfs\n"
    minirun("volume", "rm", "made", check=True)


def test_a_link_that_leads_nowhere_is_no_source(minirun: Minirun, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nosuch")
    done = minirun("run", "--rm", "--network", "none", "-v", f"{tmp_path}/link:/x", "busybox", "true")
    assert (done.code, "it is a link that leads nowhere" in done.stderr) == (125, True)
