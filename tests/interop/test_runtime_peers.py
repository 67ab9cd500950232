"""The narrow waist from both sides: runc on our bundles, minirun-oci on runc's, Podman on minirun-oci."""

import errno
import glob
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import limits
from tests.containers import eventually
from tests.support import CHECKOUT, Minirun, Result, run

MINIRUN_OCI = CHECKOUT / "scripts" / "minirun-oci"
IMAGE = "docker.io/library/busybox"


@pytest.fixture
def bundle(tmp_path: Path, minirun: Minirun) -> Path:
    """A directory with busybox's files in rootfs/, and no config.json."""
    container = minirun(
        "run", "-d", "--network", "none", "busybox", "sleep", "100", check=True
    ).stdout.strip()
    lower = minirun("inspect", "-f", "{{.GraphDriver.Data.LowerDir}}", container, check=True).stdout.strip()
    run("cp", "-a", lower, tmp_path / "rootfs", check=True)
    minirun("rm", "-f", container, check=True)
    return tmp_path


def edit(bundle: Path, **process: object) -> None:
    """Change config.json's process; rlimits above those of this machine are left out."""
    config = json.loads((bundle / "config.json").read_text())
    config["process"].update(terminal=False, **process)
    config["process"].pop("rlimits", None)
    (bundle / "config.json").write_text(json.dumps(config))


def test_runc_spec_runs_under_minirun_oci(bundle: Path, program: Callable[[str], str]) -> None:
    run(program("runc"), "spec", "--bundle", bundle, check=True)
    edit(bundle, args=["sh", "-c", "hostname; exit 5"])
    result = run(MINIRUN_OCI, "--root", bundle / "state", "run", "--bundle", bundle, "peer")
    assert (result.stdout, result.code) == ("runc\n", 5)


def test_minirun_oci_spec_runs_under_runc(bundle: Path, program: Callable[[str], str]) -> None:
    run(MINIRUN_OCI, "spec", "--bundle", bundle, check=True)
    edit(bundle, args=["sh", "-c", "hostname; exit 5"])
    result = run(program("runc"), "--root", bundle / "state", "run", "--bundle", bundle, "minirun-peer")
    assert (result.stdout, result.code) == ("minirun\n", 5)


def test_the_config_of_a_minirun_container_runs_under_runc(
    bundle: Path, minirun: Minirun, program: Callable[[str], str]
) -> None:
    script = "grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status; id -u"
    made = minirun(
        "run", "--name", "original", "--network", "none", "-u", "1000", "busybox", "sh", "-c", script
    )
    config = json.loads(minirun("inspect", "-f", "{{json .Spec}}", "original", check=True).stdout)
    config["root"] = {"path": "rootfs"}
    del config["linux"]["cgroupsPath"]
    (bundle / "config.json").write_text(json.dumps(config))
    copy = run(program("runc"), "--root", bundle / "state", "run", "--bundle", bundle, "minirun-copy")
    assert made.code == 0
    assert copy == made


# ---- --runtime ------------------------------------------------------------------------------------------------


def all_groups(id: str) -> list[str]:
    return glob.glob(f"/sys/fs/cgroup/**/minirun/{id}", recursive=True)


def test_a_container_that_runc_makes_is_one_of_ours(minirun: Minirun, program: Callable[[str], str]) -> None:
    words = ("--runtime", "runc", "--network", "none", "--memory", "32m", "-u", "33", "--name", "one")
    script = "trap 'exit 7' TERM; echo begun; while :; do sleep 0.1; done"
    id = minirun("run", "-d", *words, "busybox", "sh", "-c", script, check=True).stdout.strip()
    oci = minirun.state / id / "oci"
    assert run(program("runc"), "--root", oci, "list", "-q", check=True).stdout.strip() == id
    facts = "{{.HostConfig.Runtime}} {{.State.Status}} {{.State.Pid}}"
    name, status, pid = minirun("inspect", "-f", facts, "one", check=True).stdout.split()
    assert (name, status) == (program("runc"), "running")
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert Path(f"/proc/{parent}/comm").read_text() == "minirun:shim\n"
    assert limits.kernel(f"/minirun/{id}", "memory.max") == str(32 << 20)
    assert minirun("exec", "one", "id", "-u", check=True).stdout == "33\n"
    eventually(lambda: minirun("logs", "one").stdout == "begun\n")
    minirun("pause", "one", check=True)
    minirun("unpause", "one", check=True)
    minirun("stop", "one", check=True)
    assert minirun("wait", "one").stdout == "7\n"
    assert (all_groups(id), oci.exists()) == ([], False)
    minirun("start", "one", check=True)
    minirun("rm", "-f", "one", check=True)
    assert all_groups(id) == []


@pytest.mark.parametrize(
    ("words", "code", "output"),
    [
        (("-i", "busybox", "cat"), 0, "typed"),
        (("--privileged", "busybox", "sh", "-c", "exit 5"), 5, ""),
        (("busybox", "nosuch"), 127, ""),
        (("busybox", "/etc/passwd"), 126, ""),
    ],
)
def test_runc_in_front(minirun: Minirun, words: tuple[str, ...], code: int, output: str) -> None:
    command = minirun.command("run", "--rm", "--runtime", "runc", "--network", "none", *words)
    done = subprocess.run(command, input="typed", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, output), done.stderr
    assert minirun("ps", "-aq").stdout == ""


def test_a_terminal_from_runc(minirun: Minirun) -> None:
    command = minirun.command("run", "--rm", "-t", "--runtime", "runc", "--network", "none", "busybox", "tty")
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "/dev/pts/0\n"


def podmans_groups() -> set[Path]:
    """The groups that Podman makes at the top of each hierarchy, and leaves."""
    return {Path(place) for place in glob.glob("/sys/fs/cgroup/**/libpod_parent", recursive=True)}


@pytest.fixture
def podman(program: Callable[[str], str], busybox_for_docker: Path) -> Iterator[Callable[..., Result]]:
    """podman(WORDS...) with directories of its own and minirun-oci for its runtime, busybox loaded."""
    before = podmans_groups()
    tmp_path = Path(tempfile.mkdtemp(prefix="podman."))  # Podman refuses paths of more than 50 letters
    base = [program("podman"), "--root", tmp_path / "root", "--runroot", tmp_path / "run"]
    base += ["--tmpdir", tmp_path / "tmp", "--cgroup-manager=cgroupfs", "--events-backend=file"]
    base += ["--storage-driver=overlay", "--runtime", MINIRUN_OCI]
    run(*base, "load", "-q", "-i", busybox_for_docker, check=True)
    yield lambda *words: run(*base, *words, cwd=tmp_path)  # conmon writes a file `oom` where it is
    run(*base, "rm", "-f", "-a", "-t", "0")
    eventually(lambda: is_cleared(tmp_path))
    for group in podmans_groups() - before:
        for directory, _, _ in os.walk(group, topdown=False):
            eventually(lambda directory=directory: is_removed(directory))


def is_cleared(directory: Path) -> bool:
    """Not while conmon, who is just ending, writes into it, or has Podman mount its directory once more."""
    subprocess.run(["umount", "-l", directory / "root" / "overlay"], check=False, capture_output=True)
    shutil.rmtree(directory, ignore_errors=True)
    return not directory.exists()


def is_removed(directory: str) -> bool:
    """Not while conmon, who is just ending, is in it."""
    try:
        os.rmdir(directory)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


# This machine may not raise limits, and Podman asks for that unless told not to.
PLAIN = ("--network=none", "--ulimit=nofile=1000:1000", "--ulimit=nproc=1000:1000")


def test_podman_runs_a_container_with_it(podman: Callable[..., Result]) -> None:
    result = podman("run", "--rm", *PLAIN, IMAGE, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (result.stdout, result.code) == ("out\n", 3)
    assert "err\n" in result.stderr


def test_podman_finds_out_that_a_program_is_not_there(podman: Callable[..., Result]) -> None:
    result = podman("run", "--rm", *PLAIN, IMAGE, "nosuch")
    assert result.code == 127
    assert "executable file not found" in result.stderr


def test_podman_execs_and_kills_in_a_container_of_it(podman: Callable[..., Result]) -> None:
    assert podman("run", "-d", "--name", "peer", *PLAIN, IMAGE, "sleep", "100").code == 0
    joined = podman("exec", "peer", "sh", "-c", "echo joined; exit 4")
    assert (joined.stdout, joined.code) == ("joined\n", 4)
    assert podman("kill", "peer").code == 0
    assert podman("wait", "peer").stdout == "137\n"


def test_podmans_limits_are_the_kernels(podman: Callable[..., Result]) -> None:
    """On whatever hierarchy the controllers are; Podman asks for limits in OCI's words, and makes the group above."""
    words = ("--memory=64m", "--memory-swap=96m", "--cpus=0.5", "--cpuset-cpus=0", "--pids-limit=40")
    assert podman("run", "-d", "--name", "peer", *PLAIN, *words, IMAGE, "sleep", "100").code == 0
    pid = podman("inspect", "-f", "{{.State.Pid}}", "peer").stdout.strip()
    group = Path(f"/proc/{pid}/cgroup").read_text().rpartition("0::")[2].strip()
    files = ("memory.max", "memory.swap.max", "cpu.max", "cpuset.cpus", "pids.max")
    found = {file: limits.kernel(group, file) for file in files}
    assert list(found.values()) == [str(64 << 20), str(32 << 20), "50000 100000", "0", "40"]
    assert podman("rm", "-f", "-t", "0", "peer").code == 0
    assert limits.groups(group) == []


def test_podman_hears_of_memory_that_ran_out(podman: Callable[..., Result]) -> None:
    result = podman("run", "--name", "peer", *PLAIN, "--memory=32m", IMAGE, "tail", "/dev/zero")
    assert result.code == 137
