"""What of the host's is mounted in a container: root in there cannot change its mode, owner or times.

Each attempt runs where the object is a copy, mounted over the host's: it must not hurt if it works.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import Minirun, Result, WithoutCure, run

CHANGE = "chmod 000 {0}; chown 7 {0}; touch -d 1999-01-01 {0}; true"
# the null device bound as it is, as it once was
WRITABLE = """
from minirun.runtime import rootfs
seal = rootfs._mask
def mask(root_fd, path, null):
    if path == "/proc/keys":
        return rootfs.mount_on(root_fd, "/dev/null", path, None, rootfs.MS_BIND, None, "")
    seal(root_fd, path, null)
rootfs._mask = mask"""

Apart = Callable[..., Result]


@pytest.fixture
def apart(tmp_path: Path) -> Apart:
    """apart(copy, "/dev/null", command) runs it in a mount namespace where the host's object is that copy."""

    def apart(copy: Path, place: str, command: list[str]) -> Result:
        script = 'mount --bind "$0" "$1" && shift && exec "$@"'
        return run(
            "unshare", "--mount", "--propagation", "private", "sh", "-c", script, copy, place, *command
        )

    return apart


@pytest.fixture
def null(tmp_path: Path) -> Path:
    os.mknod(tmp_path / "null", 0o20666, os.makedev(1, 3))
    os.chmod(tmp_path / "null", 0o666)
    return tmp_path / "null"


def facts(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_mode, status.st_uid, status.st_mtime_ns


def attempt(minirun: Minirun, path: str, *options: str) -> list[str]:
    script = CHANGE.format(path)
    network = () if "--network" in options else ("--network", "none")
    return minirun.command("run", "--rm", *network, *options, "busybox", "sh", "-c", script)


@pytest.mark.parametrize("path", ["/proc/keys", "/proc/kcore", "/proc/timer_list", "/dev/null"])
def test_the_null_device_stays_as_it_is(minirun: Minirun, apart: Apart, null: Path, path: str) -> None:
    before = facts(null)
    assert apart(null, "/dev/null", attempt(minirun, path)).code == 0
    assert facts(null) == before


def test_a_mask_that_was_writable_would_give_it_away(minirun: Minirun, apart: Apart, null: Path) -> None:
    """Without the cure the attempt works."""
    without = WithoutCure(minirun.root, minirun.state, WRITABLE)
    apart(null, "/dev/null", attempt(without, "/proc/keys"))
    assert facts(null)[:2] == (0o20000, 7)


def test_what_is_masked_can_be_written_to(minirun: Minirun) -> None:
    script = "echo x >/proc/keys && test ! -s /proc/keys && cat /proc/keys"
    assert minirun("run", "--rm", "--network", "none", "busybox", "sh", "-c", script).code == 0


def test_without_a_null_device_of_its_own_the_hosts_is_as_safe(oci, bundle, apart: Apart, null: Path) -> None:
    def change(config):
        config["mounts"] = [one for one in config["mounts"] if not one["destination"].startswith("/dev")]
        config["root"]["readonly"] = False

    path = bundle("sh", "-c", CHANGE.format("/proc/keys"), change=change)
    (path / "rootfs/dev/null").unlink(missing_ok=True)
    (path / "rootfs/dev/null").write_text("no device")
    before = facts(null)
    assert apart(null, "/dev/null", oci.command("run", "--bundle", path, "x")).code == 0
    assert facts(null) == before


def test_the_init_program_stays_as_it_is(minirun: Minirun, apart: Apart, tmp_path: Path) -> None:
    program = Path(shutil.which("tini-static") or "/usr/bin/tini-static")
    copy = Path(shutil.copy2(program, tmp_path / "tini"))
    before = facts(copy)
    assert apart(copy, str(program), attempt(minirun, "/sbin/docker-init", "--init")).code == 0
    assert facts(copy) == before


@pytest.mark.parametrize("name", ["resolv.conf", "hosts", "hostname"])
def test_the_hosts_files_of_etc_stay_as_they_are(
    minirun: Minirun, apart: Apart, tmp_path: Path, name: str
) -> None:
    copy = Path(shutil.copy2(f"/etc/{name}", tmp_path / name))
    before = facts(copy)
    command = attempt(minirun, f"/etc/{name}", "--network", "host")
    assert apart(copy, f"/etc/{name}", command).code == 0
    assert facts(copy) == before


# ---- descriptors of the host's


@pytest.mark.parametrize("words", [("run", "--rm"), ("run", "-d"), ("exec",), ("exec", "-d")])
def test_a_null_device_that_it_is_given_is_its_own(
    minirun: Minirun, apart: Apart, null: Path, words: tuple[str, ...]
) -> None:
    target = "busybox"
    if words[0] == "exec":
        minirun("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000", check=True)
        target = "box"
    network = ("--network", "none") if words[0] == "run" else ()
    before = facts(null)
    script = f"{CHANGE.format('/proc/self/fd/0')}; sleep 0.3"
    apart(null, "/dev/null", minirun.command(*words, *network, target, "sh", "-c", script))
    assert facts(null) == before


def test_nor_does_a_health_probe_get_the_hosts(minirun: Minirun, apart: Apart, null: Path) -> None:
    probe = ("--health-cmd", CHANGE.format("/proc/self/fd/0"), "--health-interval", "50ms")
    options = (*probe, "--health-start-interval", "50ms", "--network", "none")
    before = facts(null)
    apart(null, "/dev/null", minirun.command("run", "--rm", *options, "busybox", "sleep", "1"))
    assert facts(null) == before


def test_a_file_that_an_exec_reads_or_writes_is_not_the_programs(minirun: Minirun, tmp_path: Path) -> None:
    """It could be opened anew, for writing, or made a set-user-ID program."""
    minirun("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000", check=True)
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_text("what is read")
    target.write_text("what was there\n")
    script = "cat; echo evil >/proc/self/fd/0; chmod 6777 /proc/self/fd/0 /proc/self/fd/1; : >/proc/self/fd/1"
    with source.open() as stdin, target.open("a") as stdout:
        subprocess.run(
            minirun.command("exec", "-i", "box", "sh", "-c", script), stdin=stdin, stdout=stdout, timeout=30
        )
    assert (source.read_text(), target.read_text()) == ("what is read", "what was there\nwhat is read")
    assert (source.stat().st_mode | target.stat().st_mode) & 0o7777 == 0o644
