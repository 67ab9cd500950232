"""`--explain=sh`: the script makes the same container, as /proc shows the two beside each other."""

import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.containers import eventually, process_status
from tests.leaks import cgroup2_mount
from tests.support import run

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")

VARIANTS = {
    "none": ("--network", "none"),
    "bridge": (),
    "host": ("--network", "host"),
    "user": (
        "--network",
        "none",
        "-u",
        "65534:100",
        "--security-opt",
        "no-new-privileges",
        "--ulimit",
        "nofile=99:200",
    ),
    "read-only": (
        "--network",
        "none",
        "--read-only",
        "--tmpfs",
        "/tmp:size=1m,noexec",
        "-v",
        "/etc:/host:ro",
    ),
    "capabilities": (
        "--network",
        "none",
        "--cap-add",
        "NET_ADMIN",
        "--cap-drop",
        "MKNOD",
        "--hostname",
        "twin",
    ),
    "privileged": ("--network", "none", "--privileged"),
    "environment": ("--network", "none", "-e", "A=$HOME 'b' \"c\" `d`\\", "-w", "/a b"),
}


@dataclass
class Twins:
    """The first processes of a container and of its copy, as the host counts them; and the script."""

    original: int
    copy: int
    text: str


def sleepers(group: str) -> list[int]:
    """The processes called sleep in the control groups whose path matches."""
    files = (cgroup2_mount() / "minirun").glob(f"{group}/cgroup.procs")
    pids = [int(pid) for file in files for pid in file.read_text().split()]
    return [pid for pid in pids if name_of(pid) == "sleep"]


def name_of(pid: int) -> str:
    """What /proc/PID/comm says; "" for a process that has just gone, as the many small ones of a script do."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().rstrip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.fixture
def twins(minirun, tmp_path):
    """twins(OPTIONS...): runs `sleep` with these options, and beside it the script that was written of the run."""
    running = []

    def make(*options: str) -> Twins:
        made = minirun("run", "-d", "--explain=sh", *options, "busybox", "sleep", "1000", check=True)
        container_id = re.search(r"^[0-9a-f]{64}$", made.stderr, re.M)[0]
        script = tmp_path / "container.sh"
        script.write_text(made.stdout)
        with (tmp_path / "said").open("w") as said:
            process = subprocess.Popen(["sh", script], stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        running.append((process, f"{container_id[:12]}-*"))
        eventually(lambda: sleepers(f"{container_id[:12]}-*") or process.poll() is not None)
        assert process.poll() is None, (tmp_path / "said").read_text()
        (original,), (copy,) = sleepers(container_id), sleepers(f"{container_id[:12]}-*")
        return Twins(original, copy, made.stdout)

    yield make
    for process, group in running:
        for pid in sleepers(group):
            os.kill(pid, signal.SIGKILL)
        assert process.wait(10) != 0  # 1: unshare of util-linux 2.38 cannot hand on that its child was killed


def namespaces(pid: int | str) -> dict[str, str]:
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in KINDS}


def mount_table(pid: int) -> list[tuple[str, ...]]:
    """(mount point, type, options of the mount, options of the file system), without this container's own paths."""
    found = []
    for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        fields, (kind, source, options) = left.split(), right.split(" ", 2)
        options = re.sub(r"(upperdir|workdir)=[^,]*", r"\1", options)
        found.append((fields[4], fields[5], re.sub(r":\d+", "", " ".join(fields[6:])), kind, source, options))
    return found


def addresses(pid: int) -> str:
    """What `ip` says of the interfaces in there, without the numbers and names of the other ends."""
    said = run("nsenter", "-t", str(pid), "-n", "ip", "-4", "-o", "addr", check=True).stdout
    return re.sub(r"\d+: |@if\d+", "", said)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_copy_is_like_the_original(twins, variant):
    made = twins(*VARIANTS[variant])
    ours, first, second = namespaces("self"), namespaces(made.original), namespaces(made.copy)
    assert {kind for kind in KINDS if first[kind] != ours[kind]} == {
        kind for kind in KINDS if second[kind] != ours[kind]
    }
    assert mount_table(made.copy) == mount_table(made.original)
    for field in (*CAPABILITY_SETS, "NoNewPrivs", "Uid", "Gid", "Groups", "Umask", "NSpid"):
        inside = slice(-1, None) if field == "NSpid" else slice(None)
        values = [process_status(pid, field).split()[inside] for pid in (made.original, made.copy)]
        assert values[0] == values[1], field
    for name in ("environ", "cmdline", "limits"):
        assert (
            Path(f"/proc/{made.copy}/{name}").read_text() == Path(f"/proc/{made.original}/{name}").read_text()
        )
    assert os.readlink(f"/proc/{made.copy}/cwd") == os.readlink(f"/proc/{made.original}/cwd")


def test_the_copy_has_namespaces_of_its_own(twins):
    made = twins("--network", "none")
    first, second = namespaces(made.original), namespaces(made.copy)
    assert [kind for kind in KINDS if first[kind] == second[kind]] == []


def test_the_copy_has_the_same_hostname_and_devices(twins):
    made = twins("--network", "none", "--hostname", "twin")
    for words in (["hostname"], ["ls", "-l", "/dev"]):
        said = [
            run("nsenter", "-t", str(pid), "-u", "-m", "chroot", "/", *words, check=True).stdout
            for pid in (made.original, made.copy)
        ]
        assert re.sub(r"\w+ +\d+ +\d+:\d+", "", said[0]) == re.sub(r"\w+ +\d+ +\d+:\d+", "", said[1])


def test_the_copy_has_a_control_group_with_the_same_files(twins):
    made = twins("--network", "none")
    groups = [
        Path(f"{cgroup2_mount()}{Path(f'/proc/{pid}/cgroup').read_text().split('::')[1].strip()}")
        for pid in (made.original, made.copy)
    ]
    assert groups[0] != groups[1]
    assert sorted(os.listdir(groups[0])) == sorted(os.listdir(groups[1]))


def test_the_copy_beside_the_original_has_an_address_of_another_subnet(twins):
    made = twins()
    first, second = addresses(made.original), addresses(made.copy)
    assert first != second
    assert re.sub(r"172\.\d+", "NET", first) == re.sub(r"172\.\d+", "NET", second)


def test_it_is_the_copy_that_goes_without_ipv6(twins):
    made = twins(*VARIANTS["bridge"])
    assert "eth0" not in Path(f"/proc/{made.copy}/net/if_inet6").read_text()


def test_the_copy_reaches_its_gateway(twins):
    pid = twins().copy
    route = run("nsenter", "-t", str(pid), "-n", "ip", "route", "show", "default", check=True).stdout
    gateway = route.split()[2]
    assert run("nsenter", "-t", str(pid), "-n", "-m", "ping", "-c1", "-W2", gateway).code == 0


def test_after_the_original_the_copy_has_the_same_address(minirun, tmp_path):
    made = minirun("run", "--rm", "--explain=sh", "busybox", "ip", "-4", "-o", "addr", check=True)
    (tmp_path / "c.sh").write_text(made.stdout)
    copy = run("sh", tmp_path / "c.sh", check=True)
    assert re.sub(r"@if\d+", "", copy.stdout) == re.sub(r"@if\d+", "", made.stderr)


def test_the_copy_has_no_descriptor_or_directory_of_the_host(twins):
    made = twins("--network", "none")
    assert sorted(os.listdir(f"/proc/{made.copy}/fd")) == sorted(os.listdir(f"/proc/{made.original}/fd"))
    assert os.readlink(f"/proc/{made.copy}/cwd") == "/"


def test_the_script_passes_input_output_and_exit_code_on(minirun, tmp_path):
    made = minirun(
        "run", "--rm", "-i", "--network", "none", "--explain=sh", "busybox", "sh", "-c", "cat; exit 7"
    )
    (tmp_path / "c.sh").write_text(made.stdout)
    result = run("sh", tmp_path / "c.sh", input="through\n")
    assert (result.stdout, result.stderr, result.code) == ("through\n", "", 7)


def test_the_programs_output_does_not_get_into_the_script(minirun):
    result = minirun("run", "--rm", "--network", "none", "--explain=sh", "busybox", "echo", "hi", check=True)
    assert result.stdout.startswith("#!/bin/sh\n")
    assert result.stderr == "hi\n"


def test_a_run_that_fails_writes_no_script(minirun):
    result = minirun("run", "--rm", "--network", "none", "--explain=sh", "busybox", "nosuch")
    assert (result.stdout, result.code) == ("", 127)


@pytest.mark.parametrize("words", [("--runtime", "/bin/true"), ("--pid", "container:x")])
def test_a_process_that_a_script_cannot_make_is_told_before_it_is_made(minirun, words):
    result = minirun("run", "--explain=sh", "--network", "none", *words, "busybox", "true")
    told = f"--explain=sh: a script makes its processes itself, so {words[0]} "
    assert (result.code, told in result.stderr) == (125, True)
    assert minirun("ps", "-aq").stdout == ""


def test_the_script_names_what_it_cannot_do(minirun):
    script = minirun("run", "--rm", "--network", "none", "--explain=sh", "busybox", "true", check=True).stdout
    assert "# A seccomp filter" in script
    assert "# Device rules" in script


def test_a_script_that_fails_half_way_leaves_nothing(minirun, tmp_path):
    script = minirun("run", "--rm", "--explain=sh", "busybox", "true", check=True).stdout
    (tmp_path / "c.sh").write_text(script.replace('pivot_root "$R"', 'false "$R"'))
    assert run("sh", tmp_path / "c.sh").code != 0
    assert [name for name in os.listdir("/var/tmp") if re.match(r"[0-9a-f]{12}-", name)] == []
